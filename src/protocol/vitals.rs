//! How an instance does, as data.

use serde::{Deserialize, Serialize};

use super::ids::Millis;

/// How a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It has all it needs.
    Healthy,
    /// Its store cannot be reached or written now; it serves its own people.
    Degraded,
    /// It takes nobody in any more, and will stop.
    Draining,
}

/// What an instance says of itself when asked. What is counted is counted since its start: whoever looks twice knows how
/// much it was in between.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vitals {
    /// How it is.
    pub status: Status,
    /// Its host's name, for people.
    pub hostname: String,
    /// Which version runs.
    pub version: String,
    /// How long it has run, in milliseconds.
    pub uptime_ms: Millis,
    /// Its open connections, now.
    pub connected_clients: usize,
    /// Memory held, in bytes; missing where the system does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Processor time used, user and system, in seconds; missing where the system does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    /// Entries handed to the log and taken by it.
    pub messages_published: u64,
    /// How many times were measured of those that `GET /metrics` calls `averageLatencyMs`.
    pub latency_count: u64,
    /// Their sum, in milliseconds.
    pub latency_sum_ms: f64,
    /// The longest of them, in milliseconds.
    pub latency_max_ms: f64,
}
