//! The instances as admins see them: who lives, and how each does.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Serialize;

use super::{guard, health, peers, reply::Answer, state::AppState};
use crate::{
    auth::keys::Scope,
    broker::InstanceInfo,
    metrics::process,
    protocol::{
        event::Mode,
        ids::{InstanceId, Millis},
        user::Role,
        vitals::Vitals,
    },
};

/// `GET /api/instances`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct InstanceList<'a> {
    /// Who answers.
    instance_id: &'a InstanceId,
    /// Whether it is one of many.
    distributed_mode: bool,
    /// Whether it cannot reach its store now: of the others it then knows nothing.
    is_degraded: bool,
    instances: Vec<InstanceView>,
}

/// An instance that lives.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct InstanceView {
    instance_id: InstanceId,
    started_at: Millis,
    last_heartbeat: Millis,
    /// How long ago that was, by the clock of who answers.
    heartbeat_age_ms: Millis,
    /// Now, or where it did not answer at its last heartbeat.
    connected_clients: usize,
    /// `null` when it did not answer in time.
    vitals: Option<Vitals>,
}

/// `GET /api/instances`: every instance, and how it does.
pub async fn list(request: HttpRequest, state: Data<AppState>) -> Answer {
    guard::caller(&state, &request).await?.require(Scope::Metrics, Role::Admin)?;
    let (living, mut vitals) = tokio::join!(peers::instances(&state), peers::vitals(&state));
    let now = state.clock.now_ms();
    Ok(HttpResponse::Ok().json(InstanceList {
        instance_id: &state.instance.id,
        distributed_mode: is_distributed(&state),
        is_degraded: !state.broker.is_healthy(),
        instances: living.into_iter().map(|info| view(info, &mut vitals, now)).collect(),
    }))
}

fn view(info: InstanceInfo, vitals: &mut BTreeMap<InstanceId, Vitals>, now: Millis) -> InstanceView {
    let vitals = vitals.remove(&info.instance);
    InstanceView {
        started_at: info.started_at,
        last_heartbeat: info.last_heartbeat,
        // The store's clock may be ahead of ours.
        heartbeat_age_ms: now.saturating_sub(info.last_heartbeat),
        connected_clients: vitals.as_ref().map_or(info.connected_clients, |vitals| vitals.connected_clients),
        instance_id: info.instance,
        vitals,
    }
}

/// How this instance does.
pub(super) fn vitals(state: &AppState) -> Vitals {
    let latency = state.metrics.latency(is_distributed(state));
    Vitals {
        status: health::status(state),
        hostname: state.instance.hostname.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_ms: u64::try_from(state.metrics.uptime().as_millis()).unwrap_or(u64::MAX),
        connected_clients: state.metrics.open_connections(),
        memory_bytes: process::resident_bytes(),
        cpu_seconds: process::cpu_seconds(),
        messages_published: state.metrics.messages_published.get(),
        latency_count: latency.count(),
        latency_sum_ms: latency.sum_ms(),
        latency_max_ms: latency.max_ms(),
    }
}

fn is_distributed(state: &AppState) -> bool {
    state.broker.mode() != Mode::Standalone
}
