//! How the server is, for load balancers and people.

use std::sync::atomic::Ordering;

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use serde::Serialize;

use super::state::AppState;
use crate::{
    lifecycle::Stage,
    metrics::report::rfc3339,
    protocol::{ids::InstanceId, vitals::Status},
};

/// `GET /health`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Health<'a> {
    status: Status,
    instance_id: &'a InstanceId,
    hostname: &'a str,
    /// In whole seconds.
    uptime: u64,
    requests: u64,
    timestamp: String,
}

/// `GET /api/instance`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Instance<'a> {
    instance_id: &'a InstanceId,
    hostname: &'a str,
}

/// `GET /health`, `/api/health`: 503 while draining, so that balancers turn away; `degraded` still serves, so 200.
pub async fn health(state: Data<AppState>) -> HttpResponse {
    let status = status(&state);
    let code = if status == Status::Draining { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    HttpResponse::build(code).json(Health {
        status,
        instance_id: &state.instance.id,
        hostname: &state.instance.hostname,
        uptime: state.metrics.uptime().as_secs(),
        requests: state.requests.load(Ordering::Relaxed),
        timestamp: rfc3339(state.clock.now_ms()),
    })
}

/// How this server is.
pub(super) fn status(state: &AppState) -> Status {
    match state.lifecycle.stage() {
        Stage::Draining | Stage::Stopped => Status::Draining,
        _ if !state.broker.is_healthy() => Status::Degraded,
        _ => Status::Healthy,
    }
}

/// `GET /ready`: whether it takes new connections.
pub async fn ready(state: Data<AppState>) -> HttpResponse {
    let ready = state.lifecycle.is_ready() && !state.places.are_taken();
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(code).json(serde_json::json!({ "ready": ready }))
}

/// `GET /api/instance`: who answers.
pub async fn instance(state: Data<AppState>) -> HttpResponse {
    HttpResponse::Ok().json(Instance { instance_id: &state.instance.id, hostname: &state.instance.hostname })
}
