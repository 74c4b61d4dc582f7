//! Who may come in: secrets, the administrator, proxies.
//!
//! Secrets that are too short are refused with the settings, before anything is looked at. None is ever shown.

use std::{collections::BTreeSet, net::IpAddr};

use super::finding::Finding;
use crate::auth::{address::TrustedProxies, config::Config, secret::Secret};

/// A secret of fewer different characters can be guessed: 32 random hexadecimal digits have fewer than 8 in one of a
/// billion cases.
const FEW_CHARACTERS: usize = 8;

const MAKE_ONE: &str = "make one with `openssl rand -hex 32`";

/// Judges the section `auth`, of a server that listens on `host`.
pub(super) fn judge(auth: &Config, host: IpAddr) -> Vec<Finding> {
    vec![
        secret(
            "METRICS_API_KEY",
            auth.metrics_api_key.as_ref(),
            "only admins see /metrics: Prometheus needs the key",
            "opens /metrics",
        ),
        secret("JWT_SECRET", auth.jwt_secret.as_ref(), "tokens of other programs are refused", "verifies JWTs"),
        secret(
            "SESSION_SECRET",
            auth.session_secret.as_ref(),
            "the store keeps one that it made itself, which is as good",
            "signs the resume tokens of guests",
        ),
        administrator(auth),
        proxies(auth, host),
    ]
}

fn secret(check: &'static str, secret: Option<&Secret>, without: &str, with: &str) -> Finding {
    let Some(secret) = Secret::given(secret) else {
        return Finding::note(check, format!("is not set: {without}"), format!("if it is wanted, {MAKE_ONE}"));
    };
    let weak = |key: &str| key.trim().chars().collect::<BTreeSet<_>>().len() < FEW_CHARACTERS;
    if secret.expose().split(',').any(weak) {
        Finding::warn(check, "is long enough, and of too few different characters", MAKE_ONE)
    } else {
        Finding::ok(check, format!("has {} characters or more, and {with}", Secret::MIN_CHARS))
    }
}

fn administrator(auth: &Config) -> Finding {
    match auth.admin() {
        Ok(Some(_)) => Finding::ok("administrator", "ADMIN_USERNAME and ADMIN_PASSWORD are set"),
        _ => Finding::note(
            "administrator",
            "no account is an admin's, unless one was made before",
            "set ADMIN_USERNAME and ADMIN_PASSWORD to kick, ban and see /admin",
        ),
    }
}

fn proxies(auth: &Config, host: IpAddr) -> Finding {
    const CHECK: &str = "TRUSTED_PROXIES";
    // Somebody in the internet, by both kinds of addresses: those that are kept for documentation.
    let strangers = [IpAddr::from([203, 0, 113, 7]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7])];
    let trusts = |address| TrustedProxies::new(&auth.trusted_proxies).is_ok_and(|proxies| proxies.trusts(address));
    if strangers.into_iter().any(trusts) {
        let what = "trusts every address: anybody can claim to be anybody, past all limits and bans";
        return Finding::fail(CHECK, what, "name only the addresses of your balancer");
    }
    match (auth.trusted_proxies.as_slice(), host.is_loopback()) {
        ([], true) => Finding::ok(CHECK, format!("{host} is only reached from this machine")),
        ([], false) => Finding::note(
            CHECK,
            format!("none: who reaches {host} is taken by the address they come from"),
            "behind a balancer set it to the balancer's address, or all its clients share one address' limits",
        ),
        (proxies, _) => Finding::ok(CHECK, format!("{} may say who a client is", proxies.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    const EVERYWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

    #[test]
    fn secrets_are_judged_and_never_shown() {
        let of = |text: &str| secret("JWT_SECRET", Some(&Secret::new(text)), "", "signs");
        let good = of("4f1c9a27e6b803d5_4f1c9a27e6b803d5");
        assert_eq!(good.level, Level::Ok);
        assert!(!format!("{good:?}").contains("4f1c"));
        assert_eq!(of(&"ab".repeat(16)).level, Level::Warn);
        assert_eq!(of(&format!("4f1c9a27e6b803d5_4f1c9a27e6b803d5,{}", "a".repeat(32))).level, Level::Warn);
        assert_eq!(of("").level, Level::Note);
    }

    #[test]
    fn proxies_are_named_and_not_everybody() {
        let level = |proxies: &[&str], host: IpAddr| {
            let trusted_proxies = proxies.iter().map(|&proxy| proxy.to_owned()).collect();
            super::proxies(&Config { trusted_proxies, ..Config::default() }, host).level
        };
        assert_eq!(level(&[], IpAddr::from([127, 0, 0, 1])), Level::Ok);
        assert_eq!(level(&[], EVERYWHERE), Level::Note);
        assert_eq!(level(&["10.0.0.0/8", "::1"], EVERYWHERE), Level::Ok);
        assert_eq!(level(&["0.0.0.0/0"], EVERYWHERE), Level::Fail);
        assert_eq!(level(&["::/0"], EVERYWHERE), Level::Fail);
    }

    #[test]
    fn an_administrator_is_missed() {
        let with = Config {
            admin_username: Some("root".into()),
            admin_password: Some(Secret::new("long enough")),
            ..Config::default()
        };
        assert_eq!(administrator(&with).level, Level::Ok);
        assert_eq!(administrator(&Config::default()).level, Level::Note);
    }
}
