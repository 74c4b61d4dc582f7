//! Which environment variable sets which key: the short names of PROTOCOL section 6, and `HUBBUB__SECTION__KEY` for all.

use std::collections::BTreeMap;

/// Variables by name, as given to the process or to a test.
pub type Environment = BTreeMap<String, String>;

/// Prefix, and separator of sections, of the long names.
const SEPARATOR: &str = "__";
const PREFIX: &str = "HUBBUB__";

/// The short names and the keys they set.
pub const SHORT_NAMES: [(&str, &str); 23] = [
    ("PORT", "server.port"),
    ("PORT_RANGE_START", "server.port_range_start"),
    ("PORT_RANGE_END", "server.port_range_end"),
    ("HOST", "server.host"),
    ("HOSTNAME", "server.hostname"),
    ("INSTANCE_ID", "server.instance_id"),
    ("MAX_SESSIONS", "server.max_sessions"),
    ("ENABLE_DISTRIBUTED_CHAT", "distributed.enabled"),
    ("REDIS_URL", "distributed.redis_url"),
    ("REDIS_WAIT_REPLICAS", "redis.wait_replicas"),
    ("INSTANCE_TTL_MS", "distributed.instance_ttl_ms"),
    ("METRICS_API_KEY", "auth.metrics_api_key"),
    ("JWT_SECRET", "auth.jwt_secret"),
    ("SESSION_SECRET", "auth.session_secret"),
    ("SESSION_TIMEOUT", "auth.session_timeout_ms"),
    ("ADMIN_USERNAME", "auth.admin_username"),
    ("ADMIN_PASSWORD", "auth.admin_password"),
    ("TRUSTED_PROXIES", "auth.trusted_proxies"),
    ("HEARTBEAT_INTERVAL_MS", "heartbeat.interval_ms"),
    ("PRESENCE_DEBOUNCE_MS", "presence.debounce_ms"),
    ("DEDUP_WINDOW_MS", "dedup.window_ms"),
    ("LOG_FORMAT", "log.format"),
    ("RUST_LOG", "log.filter"),
];

/// One value from outside a file: the key, the text, and the name people know it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The key, dotted.
    pub key: String,
    /// As given.
    pub text: String,
    /// The variable or flag.
    pub origin: String,
}

impl Given {
    /// A value of the key `key` that came by `origin`.
    pub fn new(key: impl Into<String>, text: impl Into<String>, origin: impl Into<String>) -> Self {
        Self { key: key.into(), text: text.into(), origin: origin.into() }
    }
}

/// The variables of this process; what is not UTF-8 in them is replaced, so that it is refused by name.
pub fn of_process() -> Environment {
    let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}

/// The variables that set a key, empty ones too.
pub fn settings(environment: &Environment) -> Environment {
    let is_setting = |name: &str| name.starts_with(PREFIX) || SHORT_NAMES.iter().any(|(short, _)| *short == name);
    environment.iter().filter(|(name, _)| is_setting(name)).map(|(name, text)| (name.clone(), text.clone())).collect()
}

/// The keys that the environment sets. An empty variable sets nothing, as a compose file leaves those it does not know.
/// A long name wins over a short one.
pub fn collect(environment: &Environment) -> Vec<Given> {
    let short = SHORT_NAMES.iter().filter_map(|(name, key)| {
        let text = environment.get(*name)?;
        Some(Given::new(*key, text, *name))
    });
    short.chain(long_names(environment)).filter(|given| !given.text.is_empty()).collect()
}

/// The long names that set nothing. They name keys all the same, so a mistake in one is a mistake.
pub(super) fn empty_long_names(environment: &Environment) -> impl Iterator<Item = Given> {
    long_names(environment).filter(|given| given.text.is_empty())
}

fn long_names(environment: &Environment) -> impl Iterator<Item = Given> {
    environment.iter().filter_map(|(name, text)| {
        let key = name.strip_prefix(PREFIX)?.to_lowercase().replace(SEPARATOR, ".");
        Some(Given::new(key, text, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn long_names_win_over_short_ones_and_empty_ones_set_nothing() {
        let given = collect(&environment(&[
            ("HUBBUB__SERVER__PORT", "2"),
            ("PORT", "1"),
            ("JWT_SECRET", ""),
            ("PATH", "/bin"),
            ("HUBBUB__LIMITS__MESSAGES__PER_SECOND", "5"),
        ]));
        assert_eq!(
            given,
            [
                Given::new("server.port", "1", "PORT"),
                Given::new("limits.messages.per_second", "5", "HUBBUB__LIMITS__MESSAGES__PER_SECOND"),
                Given::new("server.port", "2", "HUBBUB__SERVER__PORT"),
            ]
        );
    }
}
