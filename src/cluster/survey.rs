//! How every part is, asked of the parts themselves.

use std::{fmt, thread};

use serde::Serialize;
use serde_json::Value;

use super::{
    error::ClusterError,
    probe,
    process::Process,
    put, put_json, redis,
    replica::local,
    state::{Replica, State},
    table::{self, Table, or_none},
};
use crate::{
    auth::secret::Secret,
    clock::{Clock, SystemClock},
    protocol::ids::Millis,
};

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Health {
    /// It does what it is for.
    Healthy,
    /// A replica without Redis: it chats with its own clients alone.
    Degraded,
    /// A replica that stops.
    Draining,
    /// A replica that the others do not know (yet).
    Unlisted,
    /// A replica that gets no newcomers.
    Idle,
    /// It runs, and does not answer.
    Silent,
    /// It ended by itself, or was killed.
    Dead,
    /// It was not started, or stopped as asked.
    Stopped,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Draining => "draining",
            Self::Unlisted => "unlisted",
            Self::Idle => "idle",
            Self::Silent => "silent",
            Self::Dead => "dead",
            Self::Stopped => "stopped",
        })
    }
}

/// A part and how it is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) state: Health,
    pub(super) pid: Option<u32>,
    pub(super) port: Option<u16>,
    /// Connections: of clients, and to Redis those of replicas.
    pub(super) clients: Option<usize>,
    /// Of a replica: the most it takes.
    pub(super) max_clients: Option<usize>,
    /// In RAM.
    pub(super) memory_bytes: Option<u64>,
    pub(super) uptime_seconds: Option<u64>,
    /// Of a replica: since Redis heard it last.
    pub(super) heartbeat_age_ms: Option<u64>,
}

/// All parts.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Survey {
    /// Where clients come to.
    pub(super) url: String,
    /// Whether on all addresses of this machine.
    pub(super) public: bool,
    /// How nginx spreads them.
    pub(super) strategy: &'static str,
    /// Whether every part is.
    pub(super) healthy: bool,
    pub(super) parts: Vec<Part>,
}

/// What a replica says in its metrics.
#[derive(Clone, Debug)]
pub(super) struct Report(Value);

/// Asks a replica for its metrics; none if it does not answer.
pub(super) fn report(port: u16, key: &Secret) -> Option<Report> {
    let answer = probe::get(local(port), "/metrics", Some(key.expose())).ok().filter(|answer| answer.status == 200)?;
    Some(Report(answer.json()))
}

impl Report {
    /// Its clients.
    pub(super) fn clients(&self) -> Option<usize> {
        number(&self.0["chat"]["connectedClients"])
    }

    /// What the registry says of an instance.
    pub(super) fn instance(&self, name: &str) -> Option<&Value> {
        self.0["cluster"]["instances"].as_array()?.iter().find(|instance| instance["instanceId"] == name)
    }
}

/// Shows how every part is.
///
/// # Errors
/// If it cannot be written as JSON.
pub(super) fn show(state: &State, json: bool) -> Result<(), ClusterError> {
    Survey::of(state).print(json)
}

/// Shows the same, and fails unless every part is healthy.
///
/// # Errors
/// [`ClusterError::Unhealthy`]; if it cannot be written as JSON.
pub(super) fn show_healthy(state: &State, json: bool) -> Result<(), ClusterError> {
    let survey = Survey::of(state);
    survey.print(json)?;
    if survey.healthy { Ok(()) } else { Err(ClusterError::Unhealthy) }
}

impl Survey {
    /// Asks all parts, at once.
    pub(super) fn of(state: &State) -> Self {
        let now = SystemClock.now_ms();
        let parts = thread::scope(|asking| {
            let ask = |replica| asking.spawn(move || self::replica(replica, &state.metrics_key(replica), now));
            let replicas: Vec<_> = state.replicas.iter().map(ask).collect();
            let mut parts = vec![redis(state, now)];
            parts.extend(replicas.into_iter().filter_map(|asked| asked.join().ok()));
            parts.push(nginx(state, now));
            parts
        });
        let healthy = parts.iter().all(|part| part.state == Health::Healthy);
        let url = format!("http://localhost:{}", state.port);
        Self { url, public: state.public, strategy: state.strategy.name(), healthy, parts }
    }

    /// The replicas of it.
    pub(super) fn replicas(&self) -> impl Iterator<Item = &Part> {
        // First Redis, last nginx.
        self.parts.iter().skip(1).take(self.parts.len().saturating_sub(2))
    }

    /// Prints it on standard output.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub(super) fn print(&self, json: bool) -> Result<(), ClusterError> {
        if json {
            return put_json(self);
        }
        let mut table = Table::new(&["name", "state", "pid", "port", "clients", "memory", "uptime", "heartbeat"]);
        for part in &self.parts {
            table.row(vec![
                part.name.clone(),
                part.state.to_string(),
                or_none(part.pid, |pid| pid.to_string()),
                or_none(part.port, |port| port.to_string()),
                or_none(part.clients, |clients| clients.to_string()),
                or_none(part.memory_bytes, table::bytes),
                or_none(part.uptime_seconds, table::time),
                or_none(part.heartbeat_age_ms, |age| format!("{:.1} s ago", age as f64 / 1_000.0)),
            ]);
        }
        let is_stopped = self.parts.iter().all(|part| part.state == Health::Stopped);
        let last = match is_stopped {
            true => "It is stopped; `hubbub cluster up` starts it".to_owned(),
            false => {
                let public = if self.public { ", on all addresses of this machine" } else { "" };
                format!("The chat is at {}{public} ({})", self.url, self.strategy)
            }
        };
        put(format_args!("{table}\n{last}\n"))
    }
}

/// A part by its process: dead, stopped, or for now silent.
fn part(name: &str, process: Option<&Process>, port: Option<u16>, now: Millis) -> Part {
    let alive = process.filter(|process| process.is_alive());
    let state = match (process, alive) {
        (None, _) => Health::Stopped,
        (Some(_), None) => Health::Dead,
        (Some(_), Some(_)) => Health::Silent,
    };
    Part {
        name: name.to_owned(),
        state,
        pid: alive.map(|process| process.pid),
        port,
        clients: None,
        max_clients: None,
        memory_bytes: alive.and_then(Process::resident_bytes),
        uptime_seconds: alive.map(|process| now.saturating_sub(process.since_ms) / 1_000),
        heartbeat_age_ms: None,
    }
}

fn redis(state: &State, now: Millis) -> Part {
    let redis = state.redis.as_ref();
    let mut part = part("redis", redis.map(|redis| &redis.process), redis.map(|redis| redis.port), now);
    if let (Health::Silent, Some(port)) = (part.state, part.port)
        && let Ok(answer) = probe::redis(port, redis::USER, state.secrets.redis_password().expose())
    {
        (part.state, part.clients) = (Health::Healthy, answer.clients);
    }
    part
}

fn nginx(state: &State, now: Millis) -> Part {
    let mut part = part("nginx", state.nginx.as_ref(), state.nginx.as_ref().map(|_| state.port), now);
    if part.state == Health::Silent {
        let own = probe::get(local(state.port), "/nginx/status", None).ok().filter(|answer| answer.status == 200);
        let through = probe::get(local(state.port), "/ready", None);
        if let (Some(own), Ok(200)) = (own, through.map(|answer| answer.status)) {
            // Its own count has the one that asks.
            part.clients = active(&own.body).map(|active| active.saturating_sub(1));
            part.state = Health::Healthy;
        }
    }
    part
}

fn replica(replica: &Replica, key: &Secret, now: Millis) -> Part {
    let mut part = part(&replica.name(), replica.process.as_ref(), replica.port, now);
    let (Health::Silent, Some(port)) = (part.state, part.port) else { return part };
    let Ok(health) = probe::get(local(port), "/health", None) else { return part };
    let report = report(port, key);
    let known = report.as_ref().and_then(|report| report.instance(&part.name));
    part.state = match health.json()["status"].as_str() {
        Some("healthy") if known.is_none() => Health::Unlisted,
        Some("healthy") if !replica.in_rotation => Health::Idle,
        Some("healthy") => Health::Healthy,
        Some("degraded") => Health::Degraded,
        Some("draining") => Health::Draining,
        _ => Health::Silent,
    };
    part.clients = report.as_ref().and_then(Report::clients);
    let free = known.and_then(|known| number(&known["sessionsFree"]));
    part.max_clients = part.clients.zip(free).map(|(clients, free)| clients.saturating_add(free));
    part.heartbeat_age_ms = known.and_then(|known| Some(now.saturating_sub(known["lastHeartbeat"].as_u64()?)));
    part
}

/// The open connections that nginx' status page tells.
fn active(status: &str) -> Option<usize> {
    status.lines().find_map(|line| line.strip_prefix("Active connections:"))?.trim().parse().ok()
}

fn number(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::nginx::Strategy;

    #[test]
    fn a_cluster_that_was_stopped_is_not_healthy_and_nobody_is_asked() {
        let mut state = State::new(3001, Strategy::default(), "/".into());
        state.replicas = vec![Replica::new(1), Replica::new(2)];
        let survey = Survey::of(&state);
        assert!(!survey.healthy && survey.parts.iter().all(|part| part.state == Health::Stopped));
        let names: Vec<_> = survey.replicas().map(|part| part.name.as_str()).collect();
        assert_eq!(names, ["hubbub-1", "hubbub-2"]);
    }

    #[test]
    fn the_status_page_of_nginx_is_read() {
        assert_eq!(active("Active connections: 43 \nserver accepts handled requests\n 1 1 1 \n"), Some(43));
        assert_eq!(active("<html>"), None);
    }

    #[test]
    fn a_replica_finds_itself_in_its_report() {
        let report = Report(serde_json::json!({ "chat": { "connectedClients": 3 },
            "cluster": { "instances": [{ "instanceId": "hubbub-1", "lastHeartbeat": 5 }] } }));
        assert_eq!(report.clients(), Some(3));
        assert_eq!(report.instance("hubbub-1").unwrap()["lastHeartbeat"], 5);
        assert!(report.instance("hubbub-2").is_none());
    }
}
