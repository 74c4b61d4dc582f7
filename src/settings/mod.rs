//! Every setting of the server: composed from the modules' own, loaded in layers, checked before anything starts.
//!
//! - [`sections`]: the sections that belong to no module of their own; [`server`]: where it listens and who it is.
//! - [`environment`]: which variable is which key.
//! - [`load`]: defaults < files < environment < flags.

pub mod environment;
pub mod load;
pub mod sections;
pub mod server;

use serde::{Deserialize, Serialize};

use crate::{
    auth::{
        self,
        config::InvalidSetting,
        keys::{ApiKey, Keys},
        secret::Secret,
    },
    broker::{HistoryConfig, local::LocalConfig, redis::RedisConfig},
    chat::access::{RoomRule, RoomRules},
    drain::DrainConfig,
    limits, telemetry,
};
use sections::{Dedup, Distributed, HOUR_MS, Heartbeat, Presence, TEN_MINUTES_MS, within};
use server::Server;

/// The effective settings. `config/default.toml` documents every key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where it listens and who it is.
    pub server: Server,
    /// Running as one of many.
    pub distributed: Distributed,
    /// The times and bounds of one of many.
    pub redis: RedisConfig,
    /// The file a server that stands alone keeps everything in.
    pub store: LocalConfig,
    /// How much is kept of each room.
    pub history: HistoryConfig,
    /// Who may come in, and how they prove it.
    pub auth: auth::config::Config,
    /// Everything that can be too much.
    pub limits: limits::config::Config,
    /// Life signs.
    pub heartbeat: Heartbeat,
    /// Who is where.
    pub presence: Presence,
    /// Dropping what was delivered already.
    pub dedup: Dedup,
    /// Stopping.
    pub drain: DrainConfig,
    /// The log.
    pub log: telemetry::Config,
    /// API keys of programs.
    pub api_keys: Vec<ApiKey>,
    /// Rooms with rules of their own; the first match wins.
    pub rooms: Vec<RoomRule>,
}

impl Settings {
    /// Checks every value that its type alone does not.
    ///
    /// # Errors
    /// The first bad setting, by its key, and what is allowed.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        self.server.validate()?;
        self.distributed.validate()?;
        self.validate_redis()?;
        self.auth.validate()?;
        self.limits.validate()?;
        self.heartbeat.validate()?;
        self.presence.validate()?;
        self.dedup.validate()?;
        within("drain.grace_ms", self.drain.grace_ms, 0, TEN_MINUTES_MS)?;
        within("drain.max_ms", self.drain.max_ms, 0, HOUR_MS)?;
        self.validate_store()?;
        self.log.parse_filter().map_err(|error| InvalidSetting::new("log.filter (RUST_LOG)", error.to_string()))?;
        Keys::new(self.auth.metrics_api_key.as_ref(), &self.api_keys)?;
        self.room_rules()?;
        Ok(())
    }

    /// The settings of the store, the section `history` included.
    pub fn local(&self) -> LocalConfig {
        LocalConfig { history: self.history, ..self.store.clone() }
    }

    fn validate_redis(&self) -> Result<(), InvalidSetting> {
        let redis = &self.redis;
        for (key, ms) in [
            ("redis.heartbeat_ms", redis.heartbeat_ms),
            ("redis.presence_ttl_ms", redis.presence_ttl_ms),
            ("redis.presence_refresh_ms", redis.presence_refresh_ms),
            ("redis.reap_ms", redis.reap_ms),
            ("redis.command_timeout_ms", redis.command_timeout_ms),
            ("redis.probe_ms", redis.probe_ms),
            ("redis.check_ms", redis.check_ms),
            ("redis.outbox_age_ms", redis.outbox_age_ms),
        ] {
            within(key, ms, 10, HOUR_MS)?;
        }
        within("redis.linger_ms", redis.linger_ms, 0, HOUR_MS)?;
        for (key, often, expiry, of) in [
            ("redis.heartbeat_ms", redis.heartbeat_ms, self.distributed.instance_ttl_ms, "distributed.instance_ttl_ms"),
            ("redis.presence_refresh_ms", redis.presence_refresh_ms, redis.presence_ttl_ms, "redis.presence_ttl_ms"),
        ] {
            // One that is lost must not end it.
            if often.saturating_mul(2) > expiry {
                return Err(InvalidSetting::new(key, format!("is at most half of {of} ({expiry} ms)")));
            }
        }
        Ok(())
    }

    fn validate_store(&self) -> Result<(), InvalidSetting> {
        let store = &self.store;
        for (key, number) in [
            ("store.queue_length", store.queue_length),
            ("store.readers", store.readers),
            ("store.read_queue_length", store.read_queue_length),
        ] {
            if !(1..=1_000_000).contains(&number) {
                return Err(InvalidSetting::new(key, "has 1 to 1000000"));
            }
        }
        if store.sweep_interval_ms == 0 {
            return Err(InvalidSetting::new("store.sweep_interval_ms", "has at least 1 ms"));
        }
        Ok(())
    }

    /// The rules of rooms, ready to ask.
    ///
    /// # Errors
    /// Names the rule that cannot be read.
    pub fn room_rules(&self) -> Result<RoomRules, InvalidSetting> {
        RoomRules::new(&self.rooms).map_err(|bad| {
            InvalidSetting::new(format!("rooms[{}].match", bad.index), format!("'{}' {}", bad.pattern, bad.problem))
        })
    }

    /// The settings as TOML, with secrets masked.
    ///
    /// # Errors
    /// When a value cannot be written as TOML.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }

    /// Takes texts that were given but empty as not given, as a compose file leaves them.
    fn without_empty(mut self) -> Self {
        let auth = &mut self.auth;
        for secret in [
            &mut auth.jwt_secret,
            &mut auth.session_secret,
            &mut auth.metrics_api_key,
            &mut auth.admin_password,
            &mut self.distributed.redis_url,
        ] {
            *secret = Secret::given(secret.as_ref()).cloned();
        }
        auth.admin_username = auth.admin_username.take().filter(|name| !name.is_empty());
        self
    }
}
