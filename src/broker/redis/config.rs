//! Settings of the Redis store.

use serde::{Deserialize, Serialize};

use crate::protocol::ids::Millis;

/// Section `redis`: the times and bounds of a server that is one of many. What Redis needs to be set to is in
/// `docs/operations.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// An instance says that it lives so often, in milliseconds.
    pub heartbeat_ms: Millis,
    /// A user counts as present for so long after the last refresh, in milliseconds.
    pub presence_ttl_ms: Millis,
    /// Users who are present are refreshed so often, in milliseconds.
    pub presence_refresh_ms: Millis,
    /// Users of instances that died are looked for so often, in milliseconds.
    pub reap_ms: Millis,
    /// A command that has no answer after so long has failed, in milliseconds.
    pub command_timeout_ms: Millis,
    /// The connections are tried so often, in milliseconds.
    pub probe_ms: Millis,
    /// A room in which nothing was said is held against its log so often, in milliseconds.
    pub check_ms: Millis,
    /// Messages of this instance that may wait for Redis to be back; more are refused.
    pub outbox_messages: usize,
    /// How long one may wait, in milliseconds; older ones are given up and announced.
    pub outbox_age_ms: Millis,
    /// How long an instance stays subscribed to a room after its last member left, in milliseconds.
    pub linger_ms: Millis,
    /// `REDIS_WAIT_REPLICAS`: replicas that must have an entry before it is acked (PROTOCOL section 4, promise 2).
    pub wait_replicas: u32,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            heartbeat_ms: 3_000,
            presence_ttl_ms: 12_000,
            presence_refresh_ms: 4_000,
            reap_ms: 1_000,
            command_timeout_ms: 2_000,
            probe_ms: 1_000,
            check_ms: 25_000,
            outbox_messages: 10_000,
            outbox_age_ms: 300_000,
            linger_ms: 15_000,
            wait_replicas: 0,
        }
    }
}
