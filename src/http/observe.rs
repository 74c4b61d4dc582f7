//! What happens to every answer: it is counted and timed, its refusal goes to the journal, and it gets the headers that
//! keep browsers strict. Requests are logged by path only: queries may hold tokens.

use std::time::Instant;

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
    middleware::Next,
    web::Data,
};

use super::{assets::CONTENT_SECURITY_POLICY, guard, reply::HttpError, routes, state::AppState};
use crate::{
    journal::{Kind, Note},
    metrics::series::{HttpLabel, RouteLabel},
    protocol::error::ErrorCode,
};

/// The label of a path that has no route.
const NO_ROUTE: &str = "none";

/// Runs a request and notes how it went.
///
/// # Errors
/// Those of the service within.
pub async fn observe(
    state: Data<AppState>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let started = Instant::now();
    state.requests.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let method = method_label(request.method());
    let mut response = next.call(request).await?;

    let route = response.request().match_pattern().and_then(|pattern| routes::label(&pattern)).unwrap_or(NO_ROUTE);
    let status = response.status().as_u16();
    state.metrics.http_requests.get_or_create(&HttpLabel { method, route, status }).inc();
    let seconds = started.elapsed().as_secs_f64();
    state.metrics.http_request_seconds.get_or_create(&RouteLabel { route }).observe(seconds);
    tracing::debug!(method, path = response.request().path(), status, seconds, "answered");

    if let Some(error) = response.response().error().and_then(Error::as_error::<HttpError>) {
        note_refusal(&state, &response, method, error);
    }
    let status = response.status();
    harden(status, response.headers_mut());
    Ok(response)
}

fn note_refusal<B>(state: &AppState, response: &ServiceResponse<B>, method: &str, error: &HttpError) {
    let code = error.refusal.code;
    state.metrics.refused(code);
    // Anybody can ask for what is not there, or without saying who they are, all day; that is counted but not worth a
    // line. Those who tried to prove something are in the journal already.
    if matches!(code, ErrorCode::NotFound | ErrorCode::Unauthorized) || error.allow.is_some() {
        return;
    }
    let kind = if code == ErrorCode::Internal { Kind::Fault } else { Kind::Refusal };
    let detail = format!("{method} {}: {}", response.request().path(), error.refusal.message);
    let note = Note::new(kind, detail).code(code).address(guard::client(state, response.request().head()).address);
    state.journal.record(state.clock.now_ms(), note);
}

/// Headers of every answer. Pages may be kept if they said so themselves; what an API says may not.
fn harden(status: StatusCode, headers: &mut HeaderMap) {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A document's policies hold for the scripts and styles it asks for: on those they would be said for nothing, half
    // a kilobyte for every file of the page. Who opens one as a document sees plain text.
    if !is_part(headers) {
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// Whether what is sent is a script or a style sheet.
fn is_part(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    kind.starts_with(b"text/javascript") || kind.starts_with(b"text/css")
}

/// A method as a label: a client may invent any other.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        _ => "OTHER",
    }
}
