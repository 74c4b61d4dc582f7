//! Where Redis is.

use fred::types::{RespVersion, config::Config};

use crate::auth::{config::InvalidSetting, secret::Secret};

/// The setting, as people know it.
pub(super) const KEY: &str = "distributed.redis_url (REDIS_URL)";

/// The schemes of an address (PROTOCOL section 6): one Redis, one over TLS, and one that Sentinels name.
const SCHEMES: [&str; 3] = ["redis://", "rediss://", "redis-sentinel://"];

/// What Sentinels are asked for; without it there is nothing to ask.
const SENTINEL_SERVICE: &str = "sentinelServiceName=";

/// Checks an address.
///
/// # Errors
/// Names the setting and what is allowed. Never shows the address: it may hold a password.
pub fn check(url: &Secret) -> Result<(), InvalidSetting> {
    parse(url).map(drop)
}

/// Reads an address. With `rediss://` the certificate is checked against the system's roots, or those of the file that the
/// variable `SSL_CERT_FILE` names.
pub(super) fn parse(url: &Secret) -> Result<Config, InvalidSetting> {
    let text = url.expose();
    if text.starts_with("redis-cluster://") {
        let problem = "Redis Cluster is not supported; use one Redis, or Sentinel with redis-sentinel://";
        return Err(InvalidSetting::new(KEY, problem));
    }
    if !SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
        return Err(InvalidSetting::new(KEY, format!("starts with one of {}", SCHEMES.join(", "))));
    }
    if text.starts_with("redis-sentinel://") && !text.contains(SENTINEL_SERVICE) {
        return Err(InvalidSetting::new(KEY, format!("names the master for Sentinel with ?{SENTINEL_SERVICE}<name>")));
    }
    let unreadable = "is no address; write redis://user:password@host:6379/0, with what is special in a user or password \
                      as %XX";
    let mut config = Config::from_url(text).map_err(|_| InvalidSetting::new(KEY, unreadable))?;
    // Whether Redis can be reached at the start is no matter: the connections go on trying.
    config.fail_fast = false;
    config.version = RespVersion::RESP3;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_all_kinds_are_read() {
        let read = |url: &str| parse(&Secret::new(url)).unwrap();
        let config = read("redis://api-chat:p%40ss@host:7001/3");
        assert_eq!(config.database, Some(3));
        assert_eq!((config.username.as_deref(), config.password.as_deref()), (Some("api-chat"), Some("p@ss")));
        assert_eq!(config.server.hosts()[0].port, 7001);
        assert!(!config.fail_fast && config.tls.is_none());
        assert!(read("rediss://host").tls.is_some());
        let sentinels = read("redis-sentinel://u:p@s1:26379?sentinelServiceName=mymaster&node=s2:26379");
        assert!(sentinels.server.is_sentinel());
        assert_eq!(sentinels.server.hosts().len(), 2);
    }

    #[test]
    fn a_bad_address_is_named_and_not_shown() {
        for (bad, says) in [
            ("", "rediss://"),
            ("http://user:hunter2@host", "rediss://"),
            ("redis-cluster://user:hunter2@h:1", "Cluster is not supported"),
            ("redis-sentinel://user:hunter2@h:1", "sentinelServiceName"),
            ("redis://user:hunter2@host:port", "is no address"),
            ("redis://user:hunter2/@host", "is no address"),
        ] {
            let error = check(&Secret::new(bad)).unwrap_err().to_string();
            assert!(error.contains("REDIS_URL") && error.contains(says) && !error.contains("hunter2"), "{error}");
        }
    }
}
