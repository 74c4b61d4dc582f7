//! The small sections, each a group of numbers that more than one module uses.

use serde::{Deserialize, Deserializer, Serialize, de::IntoDeserializer};

use crate::{
    auth::{config::InvalidSetting, secret::Secret},
    broker::redis::address,
    protocol::ids::Millis,
};

pub(super) const HOUR_MS: Millis = 60 * 60 * 1_000;
pub(super) const TEN_MINUTES_MS: Millis = 10 * 60 * 1_000;

/// Section `distributed`: running as one of many.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Distributed {
    /// `ENABLE_DISTRIBUTED_CHAT`: share rooms with other instances through Redis.
    pub enabled: bool,
    /// `REDIS_URL`: where Redis is. May hold a password, so it is not shown.
    pub redis_url: Option<Secret>,
    /// `INSTANCE_TTL_MS`: how long an instance counts as alive after its last heartbeat, in milliseconds.
    pub instance_ttl_ms: Millis,
}

impl Default for Distributed {
    fn default() -> Self {
        Self { enabled: false, redis_url: None, instance_ttl_ms: 10_000 }
    }
}

impl Distributed {
    /// The key of the address of Redis.
    const URL: &str = "distributed.redis_url (REDIS_URL)";

    /// Where Redis is, for what cannot do without.
    ///
    /// # Errors
    /// Names the setting.
    pub fn need_url(&self) -> Result<&Secret, InvalidSetting> {
        let missing = || InvalidSetting::new(Self::URL, "is needed, such as redis://127.0.0.1:6379");
        Secret::given(self.redis_url.as_ref()).ok_or_else(missing)
    }

    /// Checks the section.
    ///
    /// # Errors
    /// Names the setting.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        match Secret::given(self.redis_url.as_ref()) {
            Some(url) => address::check(url)?,
            None if self.enabled => {
                return Err(InvalidSetting::new(Self::URL, "is needed when ENABLE_DISTRIBUTED_CHAT is true"));
            }
            _ => {}
        }
        within("distributed.instance_ttl_ms (INSTANCE_TTL_MS)", self.instance_ttl_ms, 1_000, HOUR_MS)?;
        Ok(())
    }
}

/// Section `heartbeat`: life signs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Heartbeat {
    /// `HEARTBEAT_INTERVAL_MS`: the server pings after so many milliseconds without traffic from the client, and closes
    /// with 4408 after twice as many.
    pub interval_ms: Millis,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { interval_ms: 25_000 }
    }
}

impl Heartbeat {
    /// Checks the section.
    ///
    /// # Errors
    /// Names the setting.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        within("heartbeat.interval_ms (HEARTBEAT_INTERVAL_MS)", self.interval_ms, 100, HOUR_MS)
    }
}

/// Section `presence`: who is where.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Presence {
    /// `PRESENCE_DEBOUNCE_MS`: comings and goings of a room are collected for so many milliseconds.
    pub debounce_ms: Millis,
    /// Rooms with more members are told counts only, not who comes, goes, types and reads.
    pub detail_limit: usize,
    /// Somebody whose connection was lost leaves after so many milliseconds, if not back.
    pub grace_ms: Millis,
}

impl Default for Presence {
    fn default() -> Self {
        Self { debounce_ms: 500, detail_limit: 200, grace_ms: 5_000 }
    }
}

impl Presence {
    /// Checks the section.
    ///
    /// # Errors
    /// Names the setting.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        within("presence.debounce_ms (PRESENCE_DEBOUNCE_MS)", self.debounce_ms, 10, 60_000)?;
        within("presence.grace_ms", self.grace_ms, 0, TEN_MINUTES_MS)
    }
}

/// Section `dedup`: dropping what was delivered already.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dedup {
    /// `DEDUP_WINDOW_MS`: how many milliseconds the ids of delivered events are remembered.
    pub window_ms: Millis,
}

impl Default for Dedup {
    fn default() -> Self {
        Self { window_ms: 5_000 }
    }
}

impl Dedup {
    /// Checks the section.
    ///
    /// # Errors
    /// Names the setting.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        within("dedup.window_ms (DEDUP_WINDOW_MS)", self.window_ms, 0, TEN_MINUTES_MS)
    }
}

/// Checks a time against its range, ends included.
///
/// # Errors
/// Names the key, and what is allowed.
pub(super) fn within(key: &'static str, ms: Millis, least: Millis, most: Millis) -> Result<(), InvalidSetting> {
    if (least..=most).contains(&ms) {
        Ok(())
    } else {
        Err(InvalidSetting::new(key, format!("has {least} to {most} ms")))
    }
}

/// Reads an optional value whose empty text means that it is not set.
pub(super) fn empty_as_none<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let text = String::deserialize(from)?;
    if text.is_empty() { Ok(None) } else { T::deserialize(text.into_deserializer()).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_needs_a_redis_it_can_speak_to() {
        let at = |url: &str| Distributed { redis_url: Some(Secret::new(url)), enabled: true, ..Distributed::default() };
        for good in ["redis://h", "rediss://u:p@h:6380", "redis-sentinel://h?sentinelServiceName=m"] {
            assert!(at(good).validate().is_ok(), "{good}");
        }
        for (bad, says) in [
            ("", "is needed"),
            ("http://user:hunter2@host", "rediss://"),
            ("redis-cluster://h:1", "Cluster is not supported"),
        ] {
            let error = at(bad).validate().unwrap_err().to_string();
            assert!(error.contains("REDIS_URL") && error.contains(says) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let error = Heartbeat { interval_ms: 5 }.validate().unwrap_err();
        assert!(error.to_string().starts_with("heartbeat.interval_ms"));
        for presence in [
            Presence { debounce_ms: 9, ..Presence::default() },
            Presence { debounce_ms: 60_001, ..Presence::default() },
            Presence { grace_ms: 600_001, ..Presence::default() },
        ] {
            assert!(presence.validate().unwrap_err().to_string().contains(" to "));
        }
        assert!(Presence { detail_limit: 0, grace_ms: 0, ..Presence::default() }.validate().is_ok());
        assert!(Dedup { window_ms: 600_001 }.validate().is_err() && Dedup { window_ms: 0 }.validate().is_ok());
        for instance_ttl_ms in [999, 3_600_001] {
            assert!(Distributed { instance_ttl_ms, ..Distributed::default() }.validate().is_err());
        }
    }
}
