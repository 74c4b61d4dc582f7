//! Looks at a Redis for people who set it up: what it is, what its user may, how it is set. Judges nothing.

use std::{
    collections::HashMap,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use fred::{
    clients::Client,
    interfaces::ClientLike,
    types::{ClusterHash, CustomCommand, Value},
};
use serde::Deserialize;

use super::{
    address,
    clients::Clients,
    config::RedisConfig,
    import::connect,
    keys::{INSTANCE_PREFIX, INSTANCES},
    scripts,
    selftest::{self, field},
};
use crate::{
    auth::{config::InvalidSetting, secret::Secret},
    protocol::{
        envelope::Incarnation,
        ids::{InstanceId, Millis},
    },
};

/// Why nothing was seen.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The address of Redis is none.
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    /// Redis is not there, or does not let this program in.
    #[error("{0}")]
    Unreachable(String),
}

/// What was seen.
#[derive(Debug)]
pub struct Inspection {
    /// Whether it logs in as a user of its own, and not as the one that everybody is.
    pub own_user: bool,
    /// What Redis says of itself; `None` where the user may not ask.
    pub info: Option<ServerInfo>,
    /// Whether the user may do what the store needs, and writes are taken; else what is missing, as a sentence.
    pub rights: Result<(), String>,
    /// How far its clock is from this machine's; `None` where it does not tell.
    pub clock: Option<ClockOffset>,
    /// Settings that only an administrator sees; else why not, as a sentence.
    pub settings: Result<RedisSettings, String>,
    /// The instances that live; `None` where the registry cannot be read.
    pub instances: Option<Vec<ListedInstance>>,
}

/// Fields of INFO; `None` where a field is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerInfo {
    /// The version of Redis, or the one that Valkey is compatible with.
    pub version: String,
    /// The version of Valkey, if it is one.
    pub valkey: Option<String>,
    /// `master` or `slave`.
    pub role: Option<String>,
    /// `maxmemory-policy`.
    pub policy: Option<String>,
    /// `maxmemory` in bytes; 0 = none.
    pub max_memory: Option<u64>,
    /// Bytes in use.
    pub used_memory: Option<u64>,
    /// Whether there is an append-only file.
    pub aof_enabled: Option<bool>,
    /// Whether the last write to it succeeded.
    pub aof_write_ok: Option<bool>,
    /// Connections open.
    pub clients: Option<u64>,
    /// Connections allowed.
    pub max_clients: Option<u64>,
}

/// Settings of Redis; `None` where one is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisSettings {
    /// `appendfsync`.
    pub appendfsync: Option<String>,
    /// Hard and soft limit of a subscriber's output buffer in bytes; 0 = none.
    pub pubsub_buffer: Option<(u64, u64)>,
    /// Seconds after which idle connections are closed; 0 = never.
    pub timeout: Option<u64>,
}

/// The clock of Redis against that of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockOffset {
    /// Its time less ours, in milliseconds.
    pub offset_ms: i64,
    /// How exact that is: half of the way there and back, in milliseconds.
    pub within_ms: u64,
}

/// An instance as the registry has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedInstance {
    /// Which.
    pub instance_id: String,
    /// Its open connections when it last said so.
    pub connected_clients: usize,
    /// What it runs.
    pub version: String,
}

/// Looks at a Redis as its user, and at its settings as `admin` if there is one. Changes nothing but for a key that expires
/// after a second.
///
/// # Errors
/// If an address is none, or Redis not to be had.
pub async fn inspect(
    url: &Secret,
    admin: Option<&Secret>,
    config: &RedisConfig,
    instance_ttl_ms: Millis,
) -> Result<Inspection, InspectError> {
    let client = open(url, config).await?;
    let settings = match admin {
        Some(admin) => {
            let admin = open(admin, config).await?;
            let settings = settings(&admin).await;
            // It is closed with the program all the same.
            let _ = admin.quit().await;
            settings
        }
        None => settings(&client).await,
    };
    let user = address::parse(url)?.username;
    let inspection = Inspection {
        own_user: user.is_some_and(|user| user != "default"),
        info: client.info::<String>(None).await.ok().map(|info| server_info(&info)),
        rights: rights(&client).await,
        clock: clock(&client).await,
        settings,
        instances: instances(&client, instance_ttl_ms).await,
    };
    let _ = client.quit().await;
    Ok(inspection)
}

async fn open(url: &Secret, config: &RedisConfig) -> Result<Client, InspectError> {
    let client = Clients::new(url, config)?.data;
    connect(&client).await.map_err(InspectError::Unreachable)?;
    Ok(client)
}

async fn rights(client: &Client) -> Result<(), String> {
    let instance = InstanceId::parse("doctor").map_err(|refusal| refusal.message.into_owned())?;
    let me = Incarnation { instance, nonce: rand::random() };
    selftest::prove(client, &me).await.map_err(|trouble| trouble.to_string())
}

async fn clock(client: &Client) -> Option<ClockOffset> {
    let (before, since) = (SystemTime::now().duration_since(UNIX_EPOCH).ok()?, Instant::now());
    let theirs: i64 = scripts::run(&scripts::TIME, client, Vec::<String>::new(), Vec::<String>::new()).await.ok()?;
    let half = since.elapsed() / 2;
    let ours = i64::try_from((before + half).as_millis()).ok()?;
    let within_ms = u64::try_from(half.as_millis()).ok()? + 1;
    Some(ClockOffset { offset_ms: theirs - ours, within_ms })
}

async fn settings(client: &Client) -> Result<RedisSettings, String> {
    let command = CustomCommand::new_static("CONFIG", ClusterHash::FirstKey, false);
    let asked = vec!["GET", "appendfsync", "client-output-buffer-limit", "timeout"];
    let found: Result<HashMap<String, String>, _> = client.custom(command, asked).await;
    let found = found.map_err(|error| match error.details() {
        details if details.starts_with("NOPERM") => "its user may not use CONFIG, as is right".to_owned(),
        details => details.to_owned(),
    })?;
    Ok(redis_settings(&found))
}

async fn instances(client: &Client, ttl_ms: Millis) -> Option<Vec<ListedInstance>> {
    let args = vec![ttl_ms.to_string(), INSTANCE_PREFIX.to_owned()];
    let reply: Vec<Value> = scripts::run(&scripts::INSTANCES, client, vec![INSTANCES], args).await.ok()?;
    let listed = reply.chunks(2).filter_map(|pair| serde_json::from_slice(pair.get(1)?.as_bytes()?).ok());
    let mut listed: Vec<ListedInstance> = listed.collect();
    listed.sort_unstable_by(|one, other| one.instance_id.cmp(&other.instance_id));
    Some(listed)
}

fn server_info(info: &str) -> ServerInfo {
    let text = |name| field(info, name).map(str::to_owned);
    let number = |name| field(info, name)?.parse().ok();
    ServerInfo {
        version: text("redis_version").unwrap_or_default(),
        valkey: text("valkey_version"),
        role: text("role"),
        policy: text("maxmemory_policy"),
        max_memory: number("maxmemory"),
        used_memory: number("used_memory"),
        aof_enabled: text("aof_enabled").map(|enabled| enabled == "1"),
        aof_write_ok: text("aof_last_write_status").map(|status| status == "ok"),
        clients: number("connected_clients"),
        max_clients: number("maxclients"),
    }
}

fn redis_settings(found: &HashMap<String, String>) -> RedisSettings {
    let pubsub_buffer = found.get("client-output-buffer-limit").and_then(|limits| {
        let mut words = limits.split_ascii_whitespace().skip_while(|word| *word != "pubsub").skip(1);
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    });
    RedisSettings {
        appendfsync: found.get("appendfsync").cloned(),
        pubsub_buffer,
        timeout: found.get("timeout").and_then(|seconds| seconds.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_says_is_read() {
        let info = "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\nmaxmemory:0\r\n\
                    used_memory:1024\r\naof_enabled:1\r\naof_last_write_status:err\r\nrole:master\r\n";
        let seen = server_info(info);
        assert_eq!((seen.version.as_str(), seen.valkey.as_deref()), ("7.2.4", Some("8.0.1")));
        assert_eq!((seen.max_memory, seen.used_memory), (Some(0), Some(1024)));
        assert_eq!((seen.aof_enabled, seen.aof_write_ok, seen.clients), (Some(true), Some(false), None));
        let limits = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
        let given = [("client-output-buffer-limit", limits), ("appendfsync", "everysec"), ("timeout", "0")];
        let settings = redis_settings(&given.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!(settings.pubsub_buffer, Some((33_554_432, 8_388_608)));
        assert_eq!((settings.appendfsync.as_deref(), settings.timeout), (Some("everysec"), Some(0)));
        assert_eq!(redis_settings(&HashMap::new()), RedisSettings::default());
    }
}
