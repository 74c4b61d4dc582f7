//! The settings of the limits.

use std::{num::NonZeroU32, time::Duration};

use governor::Quota;
use serde::{Deserialize, Serialize};

use crate::auth::config::InvalidSetting;

/// Highest rate and burst that can be set; above it the interval would be lost to rounding. Use 0 for no limit.
const MAX_NUMBER: u32 = 1_000_000;

/// The numbers of the limits (section `limits`). A rate of 0 is no limit; a burst is how much may come at once before
/// the rate counts, and is at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Connects per second from an address. 50.
    pub connects_per_second: u32,
    /// Connects at once from an address. 500.
    pub connects_burst: u32,
    /// Connections open at once from an address; 0 = no limit. 5,000.
    pub open_per_address: u32,
    /// Commands per second on a connection. 50.
    pub commands_per_second: u32,
    /// Commands at once on a connection. 100.
    pub commands_burst: u32,
    /// Messages per second of a user, over all its connections to an instance. 10.
    pub messages_per_second: u32,
    /// Messages at once of a user. 30.
    pub messages_burst: u32,
    /// Logins per minute from an address, as many of them at once. 10.
    pub logins_per_minute: u32,
    /// Logins per minute to an account, as many of them at once. 5.
    pub account_logins_per_minute: u32,
    /// Registrations per hour from an address, as many of them at once. 5.
    pub registrations_per_hour: u32,
    /// Requests per second with an API key. 50.
    pub api_per_second: u32,
    /// Requests at once with an API key. 50.
    pub api_burst: u32,
    /// Rooms of one connection; at least 1. 50.
    pub rooms_per_connection: usize,
    /// Rooms that live on this instance at once; at least 1. 10,000.
    pub live_rooms: usize,
    /// Bytes that may wait for one connection; at least 65,536, which one page of history takes. 262,144.
    pub queue_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connects_per_second: 50,
            connects_burst: 500,
            open_per_address: 5_000,
            commands_per_second: 50,
            commands_burst: 100,
            messages_per_second: 10,
            messages_burst: 30,
            logins_per_minute: 10,
            account_logins_per_minute: 5,
            registrations_per_hour: 5,
            api_per_second: 50,
            api_burst: 50,
            rooms_per_connection: 50,
            live_rooms: 10_000,
            queue_bytes: 256 * 1024,
        }
    }
}

impl Config {
    /// Checks every number.
    ///
    /// # Errors
    /// The first out of its range, by its key.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        let rates = [
            ("limits.connects_per_second", self.connects_per_second),
            ("limits.open_per_address", self.open_per_address),
            ("limits.commands_per_second", self.commands_per_second),
            ("limits.messages_per_second", self.messages_per_second),
            ("limits.logins_per_minute", self.logins_per_minute),
            ("limits.account_logins_per_minute", self.account_logins_per_minute),
            ("limits.registrations_per_hour", self.registrations_per_hour),
            ("limits.api_per_second", self.api_per_second),
        ];
        let bursts = [
            ("limits.connects_burst", self.connects_burst),
            ("limits.commands_burst", self.commands_burst),
            ("limits.messages_burst", self.messages_burst),
            ("limits.api_burst", self.api_burst),
        ];
        for (key, number) in rates {
            if number > MAX_NUMBER {
                return Err(InvalidSetting::new(key, format!("has 1 to {MAX_NUMBER}, or 0 for no limit")));
            }
        }
        for (key, number) in bursts {
            if !(1..=MAX_NUMBER).contains(&number) {
                return Err(InvalidSetting::new(key, format!("has 1 to {MAX_NUMBER}")));
            }
        }
        for (key, number, least) in [
            ("limits.rooms_per_connection", self.rooms_per_connection, 1),
            ("limits.live_rooms", self.live_rooms, 1),
            ("limits.queue_bytes", self.queue_bytes, 64 * 1024),
        ] {
            if !(least..=MAX_NUMBER as usize * 1_000).contains(&number) {
                return Err(InvalidSetting::new(key, format!("has {least} to {MAX_NUMBER}000")));
            }
        }
        Ok(())
    }
}

/// `rate` per second after `burst` at once; none for no limit.
pub(super) fn per_second(rate: u32, burst: u32) -> Option<Quota> {
    quota(Duration::from_secs(1), rate, burst)
}

/// `rate` per minute, as many at once; none for no limit.
pub(super) fn per_minute(rate: u32) -> Option<Quota> {
    quota(Duration::from_secs(60), rate, rate)
}

/// `rate` per hour, as many at once; none for no limit.
pub(super) fn per_hour(rate: u32) -> Option<Quota> {
    quota(Duration::from_secs(3600), rate, rate)
}

fn quota(period: Duration, rate: u32, burst: u32) -> Option<Quota> {
    let (rate, burst) = (NonZeroU32::new(rate)?, NonZeroU32::new(burst)?);
    Some(Quota::with_period(period / rate.get())?.allow_burst(burst))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_single_numbers_can_be_set() {
        Config::default().validate().unwrap();
        let config: Config = toml::from_str("messages_per_second = 0").unwrap();
        assert_eq!(config, Config { messages_per_second: 0, ..Config::default() });
        assert!(toml::from_str::<Config>("message_per_second = 1").is_err());
    }

    #[test]
    fn a_number_out_of_range_is_named() {
        for (config, key) in [
            (Config { api_per_second: 1_000_001, ..Config::default() }, "limits.api_per_second"),
            (Config { connects_burst: 0, ..Config::default() }, "limits.connects_burst"),
        ] {
            assert_eq!(config.validate().unwrap_err().key, key);
        }
    }

    #[test]
    fn quotas_are_what_they_say() {
        let quota = per_second(50, 500).unwrap();
        assert_eq!((quota.replenish_interval(), quota.burst_size().get()), (Duration::from_millis(20), 500));
        assert_eq!(per_minute(5).unwrap().replenish_interval(), Duration::from_secs(12));
        assert_eq!(per_hour(5).unwrap().replenish_interval(), Duration::from_secs(720));
        assert!(per_second(0, 5).is_none());
    }
}
