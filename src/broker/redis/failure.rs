//! What an error of Redis says about Redis itself.

use fred::error::{Error, ErrorKind};

use crate::chat::link::Failure;

/// The codes with which Redis refuses what is written: full, cannot save, a replica, lacks replicas, forbidden.
const REFUSALS: [&str; 6] = ["OOM", "MISCONF", "READONLY", "NOREPLICAS", "NOPERM", "MASTERDOWN"];

/// How Redis says in a script what is `NOPERM` outside of one: 7.0, and Valkey and Redis from 7.2 on.
const FORBIDDEN_IN_SCRIPT: [&str; 2] = ["ERR The user executing the script can't", "ERR ACL failure in script"];

/// What an error says about whether Redis can be used; `None` for one that says nothing, or what the connections tell by
/// themselves.
pub(super) fn classify(error: &Error) -> Option<Failure> {
    if error.kind() == &ErrorKind::Timeout {
        return Some(Failure::Timeout);
    }
    let forbidden = FORBIDDEN_IN_SCRIPT.iter().any(|start| error.details().starts_with(start));
    let refused = forbidden || code(error).is_some_and(|code| REFUSALS.contains(&code));
    refused.then_some(Failure::Refused)
}

/// The code an error of Redis starts with.
pub(super) fn code(error: &Error) -> Option<&str> {
    error.details().split_ascii_whitespace().next().filter(|word| word.bytes().all(|b| b.is_ascii_uppercase()))
}

/// What an error says, for people: fred shows an error of the system as Rust does to programmers.
pub(super) fn plain(error: &Error) -> &str {
    let details = error.details();
    let message = details.split_once("message: \"").and_then(|(_, rest)| rest.split_once('"'));
    message.map_or(details, |(message, _)| message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_are_told_plainly() {
        let said = |details: &'static str| plain(&Error::new(ErrorKind::IO, details)).to_owned();
        let refused = r#"Os { code: 111, kind: ConnectionRefused, message: "Connection refused" }"#;
        assert_eq!(said(refused), "Connection refused");
        assert_eq!(said("WRONGPASS invalid username-password pair"), "WRONGPASS invalid username-password pair");
    }

    #[test]
    fn refusals_and_timeouts_are_told_from_the_rest() {
        let unknown = |details: &'static str| Error::new(ErrorKind::Unknown, details);
        assert_eq!(classify(&Error::new(ErrorKind::Timeout, "Request timed out.")), Some(Failure::Timeout));
        assert_eq!(classify(&Error::new(ErrorKind::IO, "Connection reset")), None);
        assert_eq!(classify(&unknown("ERR wrong number of arguments")), None);
        for refused in [
            "OOM command not allowed when used memory > 'maxmemory'. script: f, on @user_script:5.",
            "NOPERM No permissions to access a key",
            "ERR The user executing the script can't run this command or subcommand script: f, on @user_script:17.",
            "ERR ACL failure in script: User api-chat has no permissions to run the 'hset' command script: f, on @user_script:62.",
            "READONLY You can't write against a read only replica.",
            "NOREPLICAS Not enough good replicas to write.",
        ] {
            assert_eq!(classify(&unknown(refused)), Some(Failure::Refused), "{refused}");
        }
    }
}
