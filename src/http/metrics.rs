//! The metrics, as JSON or as text for scrapers.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, Accept, Header},
    web::Data,
};
use prometheus_client::metrics::gauge::Gauge;

use super::{guard, peers, reply::Answer, state::AppState};
use crate::{
    auth::keys::Scope,
    broker::InstanceInfo,
    metrics::{
        exposition::{self, OPEN_METRICS, PROMETHEUS},
        report::{Chat, Cluster, InstanceReport, PubSub, Report, rfc3339},
    },
    protocol::{
        error::{ErrorCode, Refusal},
        event::Mode,
        user::Role,
    },
};

/// `GET /metrics`: JSON, or text when `Accept` asks for it.
pub async fn metrics(request: HttpRequest, state: Data<AppState>) -> Answer {
    guard::caller(&state, &request).await?.require(Scope::Metrics, Role::Admin)?;
    match text_wanted(&request) {
        Some(form) => text(&state, form).await,
        None => Ok(HttpResponse::Ok().json(report(&state).await)),
    }
}

/// `GET /metrics/prometheus`: always text.
pub async fn prometheus(request: HttpRequest, state: Data<AppState>) -> Answer {
    guard::caller(&state, &request).await?.require(Scope::Metrics, Role::Admin)?;
    text(&state, text_wanted(&request).unwrap_or(PROMETHEUS)).await
}

async fn text(state: &AppState, form: &'static str) -> Answer {
    look(state).await;
    let page = match form {
        OPEN_METRICS => exposition::open_metrics(&state.metrics),
        _ => exposition::prometheus(&state.metrics),
    };
    let page = page.map_err(|_| Refusal::new(ErrorCode::Internal, "the metrics cannot be written as text"))?;
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, form)).body(page))
}

/// Sets what is only known by asking.
async fn look(state: &AppState) {
    let metrics = &state.metrics;
    let instances = peers::instances(state).await;
    let free = |info: &InstanceInfo| info.headroom.map_or(0, |headroom| headroom.sessions_free);
    set(&metrics.cluster_clients, instances.iter().map(|info| info.connected_clients).sum());
    set(&metrics.cluster_headroom_sessions, instances.iter().map(free).sum());
    let here = (state.measure)();
    set(&metrics.headroom_sessions, here.sessions_free);
    metrics.headroom_newcomers.set(here.newcomers_per_second.into());
    set(&metrics.connections_limit, state.places.max());
    set(&metrics.limiter_keys, state.limits.remembered());
    set(&metrics.distributed, usize::from(state.broker.mode() != Mode::Standalone));
    set(&metrics.degraded, usize::from(!state.broker.is_healthy()));
}

fn set(gauge: &Gauge, value: usize) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

/// The first text form that `Accept` names, best first; `None` when it would rather have JSON or does not care.
fn text_wanted(request: &HttpRequest) -> Option<&'static str> {
    let accept = Accept::parse(request).ok()?;
    accept.ranked().iter().find_map(|media| match media.essence_str() {
        "application/openmetrics-text" => Some(Some(OPEN_METRICS)),
        "text/plain" => Some(Some(PROMETHEUS)),
        "application/json" | "*/*" => Some(None),
        _ => None,
    })?
}

async fn report(state: &AppState) -> Report {
    let now = state.clock.now_ms();
    let instances = peers::instances(state).await.into_iter().map(|info| InstanceReport {
        instance_id: info.instance,
        started_at: info.started_at,
        last_heartbeat: info.last_heartbeat,
        connected_clients: info.connected_clients,
        sessions_free: info.headroom.map(|headroom| headroom.sessions_free),
        newcomers_per_second: info.headroom.map(|headroom| headroom.newcomers_per_second),
    });
    let instances: Vec<_> = instances.collect();
    let distributed = state.broker.mode() != Mode::Standalone;
    Report {
        timestamp: rfc3339(now),
        instance_id: state.instance.id.clone(),
        distributed_mode: distributed,
        pubsub: PubSub::of(&state.metrics, distributed, !state.broker.is_healthy()),
        chat: Chat { connected_clients: state.metrics.open_connections() },
        cluster: Cluster { active_instances: instances.len(), instances },
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_form_follows_accept() {
        for (accept, form) in [
            ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5,*/*;q=0.1", Some(OPEN_METRICS)),
            ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Some(PROMETHEUS)),
            ("application/json, text/plain;q=0.1", None),
            ("*/*", None),
            ("text/html", None),
        ] {
            let request = TestRequest::get().insert_header((header::ACCEPT, accept)).to_http_request();
            assert_eq!(text_wanted(&request), form, "{accept}");
        }
        assert_eq!(text_wanted(&TestRequest::get().to_http_request()), None);
    }
}
