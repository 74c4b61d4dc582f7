//! What pages of `auth.allowed_origins` may read here (the Fetch standard, section 3.2): the client's modules, and why a
//! connection was refused. Cookies stay out of it: a page from elsewhere proves itself by a token.

use actix_web::{
    Error, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderMap, HeaderValue},
    },
    middleware::Next,
    web::Data,
};

use super::state::AppState;

/// How long a browser may remember a preflight, in seconds.
const PREFLIGHT_AGE: &str = "600";

/// Answers preflights, and adds the headers by which a browser shows an answer to a page from elsewhere.
///
/// # Errors
/// Those of the service within.
pub async fn cors(
    state: Data<AppState>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if !is_shared(request.path()) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let origin = origin.filter(|origin| origin.to_str().is_ok_and(|origin| state.origins.is_listed(origin)));
    let preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight && origin.is_some() {
        request.into_response(allowance()).map_into_right_body()
    } else {
        next.call(request).await?.map_into_left_body()
    };
    admit(origin, response.headers_mut());
    Ok(response)
}

/// Paths that pages from elsewhere may read.
fn is_shared(path: &str) -> bool {
    path == "/api/connect" || path.starts_with("/js/")
}

/// The answer to a preflight.
fn allowance() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization"))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE))
        .finish()
}

fn admit(origin: Option<HeaderValue>, headers: &mut HeaderMap) {
    // Also where the origin is none of ours: what a cache keeps of this answer is not for another origin.
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
    }
}
