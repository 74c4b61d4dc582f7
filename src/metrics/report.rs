//! The JSON form of the metrics, of the shape PROTOCOL section 5 fixes.

use serde::Serialize;

use super::Metrics;
use crate::protocol::ids::{InstanceId, Millis};

/// `GET /metrics` as JSON.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When it was made, as RFC 3339 with milliseconds, UTC.
    pub timestamp: String,
    /// Who made it.
    pub instance_id: InstanceId,
    /// Whether this server is one of many.
    pub distributed_mode: bool,
    /// Messages through the broker.
    pub pubsub: PubSub,
    /// Connections here.
    pub chat: Chat,
    /// Everyone.
    pub cluster: Cluster,
}

/// Messages through the broker since the start.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PubSub {
    /// Entries handed over and taken.
    pub messages_published: u64,
    /// Entries that came back or from others.
    pub messages_received: u64,
    /// Entries not taken.
    pub publish_failures: u64,
    /// Mean time from publishing a batch to its frame back from Redis, in milliseconds; of a server that stands alone, from
    /// accepting a command to its committed entry back at the hub.
    pub average_latency_ms: f64,
    /// The longest of those, in milliseconds.
    pub max_latency_ms: f64,
    /// Whether the broker cannot be reached or written now.
    pub is_degraded: bool,
    /// How long this server has run, in milliseconds.
    pub uptime: u64,
}

/// Connections of this instance.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Chat {
    /// Open now.
    pub connected_clients: usize,
}

/// The instances that live.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// How many.
    pub active_instances: usize,
    /// Each.
    pub instances: Vec<InstanceReport>,
}

/// One instance.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceReport {
    /// Which.
    pub instance_id: InstanceId,
    /// Since when.
    pub started_at: Millis,
    /// When it was last heard.
    pub last_heartbeat: Millis,
    /// Its open connections.
    pub connected_clients: usize,
    /// Connections that it can still take; none of an older version, which does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions_free: Option<usize>,
    /// How many of them a second; likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newcomers_per_second: Option<u32>,
}

impl PubSub {
    /// Reads the counters.
    pub fn of(metrics: &Metrics, distributed: bool, is_degraded: bool) -> Self {
        let latency = metrics.latency(distributed);
        Self {
            messages_published: metrics.messages_published.get(),
            messages_received: metrics.entries_received.get(),
            publish_failures: metrics.publish_failures.get(),
            average_latency_ms: latency.average_ms(),
            max_latency_ms: latency.max_ms(),
            is_degraded,
            uptime: u64::try_from(metrics.uptime().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// A time as RFC 3339 with milliseconds, UTC: `2026-01-10T12:00:00.000Z`.
pub fn rfc3339(ms: Millis) -> String {
    let (days, rest) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = civil(days);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1_000 % 60, rest % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Days since 1970 as a date: the algorithm `civil_from_days` of Howard Hinnant's "chrono-Compatible Low-Level Date
/// Algorithms", for days that are not negative.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468; // since 0000-03-01, so that the leap day is a year's last
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153; // from March
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_in_the_calendar() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_768_046_400_000, "2026-01-10T12:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(ms), text);
        }
    }

    #[test]
    fn has_the_shape_of_the_contract() {
        let instance_id = InstanceId::parse("api-1").unwrap();
        let older = InstanceReport {
            instance_id: instance_id.clone(),
            started_at: 1,
            last_heartbeat: 2,
            connected_clients: 3,
            sessions_free: None,
            newcomers_per_second: None,
        };
        let here = InstanceReport { sessions_free: Some(4), newcomers_per_second: Some(5), ..older.clone() };
        let report = Report {
            timestamp: rfc3339(0),
            instance_id,
            distributed_mode: false,
            pubsub: PubSub { uptime: 0, ..PubSub::of(&Metrics::default(), false, false) },
            chat: Chat { connected_clients: 3 },
            cluster: Cluster { active_instances: 2, instances: vec![older, here] },
        };
        let expected = serde_json::json!({
            "timestamp": "1970-01-01T00:00:00.000Z", "instanceId": "api-1", "distributedMode": false,
            "pubsub": { "messagesPublished": 0, "messagesReceived": 0, "publishFailures": 0, "averageLatencyMs": 0.0,
                "maxLatencyMs": 0.0, "isDegraded": false, "uptime": 0 },
            "chat": { "connectedClients": 3 },
            "cluster": { "activeInstances": 2, "instances": [
                { "instanceId": "api-1", "startedAt": 1, "lastHeartbeat": 2, "connectedClients": 3 },
                { "instanceId": "api-1", "startedAt": 1, "lastHeartbeat": 2, "connectedClients": 3,
                    "sessionsFree": 4, "newcomersPerSecond": 5 } ] },
        });
        assert_eq!(serde_json::to_value(report).unwrap(), expected);
    }
}
