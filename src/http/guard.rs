//! Who calls, from where, and from which pages.

use std::{net::IpAddr, sync::Arc};

use actix_web::{
    HttpRequest,
    dev::RequestHead,
    http::header::{self, HeaderName},
};

use super::{caller::Caller, state::AppState};
use crate::{
    auth::{
        identity::{Credentials, Identity, bearer},
        session::COOKIE_NAME,
    },
    journal::{Kind, Note},
    protocol::{
        error::{ErrorCode, Refusal},
        user::Role,
    },
};

/// Where a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// Its address, as far as trusted proxies tell.
    pub address: IpAddr,
    /// Whether it speaks TLS.
    pub secure: bool,
}

/// Tells who calls, within the limit of requests.
///
/// # Errors
/// `unauthorized` for a credential that proves nothing, and for nobody where guests are not let in; `forbidden` for who
/// is banned; `rate_limited`; `unavailable`.
pub async fn caller(state: &AppState, request: &HttpRequest) -> Result<Caller, Refusal> {
    let address = client(state, request.head()).address;
    let found = find_caller(state, request, address).await;
    // One who only guesses is counted by address, so that guessing has a limit too.
    let counted_by = found.as_ref().unwrap_or(&Caller::Nobody).counted_by(address);
    state.limits.api(&counted_by)?;
    found
}

/// Counts a request that nobody in particular makes, by its address.
///
/// # Errors
/// `rate_limited`.
pub fn count(state: &AppState, address: IpAddr) -> Result<(), Refusal> {
    state.limits.api(&Caller::Nobody.counted_by(address))
}

/// As [`caller`], for a route that changes something.
///
/// # Errors
/// As [`caller`], and `forbidden` when a cookie proves the caller and the request does not say that it comes from one of
/// our pages.
pub async fn caller_for_change(state: &AppState, request: &HttpRequest) -> Result<Caller, Refusal> {
    let caller = caller(state, request).await?;
    if let Caller::Person { by_cookie: true, .. } = caller {
        check_origin_of_change(state, request)?;
    }
    Ok(caller)
}

async fn find_caller(state: &AppState, request: &HttpRequest, address: IpAddr) -> Result<Caller, Refusal> {
    let bearer = text(request.head(), &header::AUTHORIZATION).and_then(bearer);
    if let Some(key) = bearer.and_then(|presented| state.keys.find(presented)) {
        let user = key.user();
        state.identify.check_ban(&user.id).await?;
        return Ok(Caller::Key { key: key.clone(), user: Arc::new(user) });
    }
    let unfit = match bearer.map(kind_of) {
        Some("key") => Some(("key", "this key is not known")),
        // It says who a guest is in the chat, and nothing else (PROTOCOL section 1).
        Some("resume") => Some(("resume", "a resume token opens the chat only")),
        _ => None,
    };
    if let Some((kind, why)) = unfit {
        let refusal = Refusal::new(ErrorCode::Unauthorized, why);
        proof_failed(state, kind, address, &refusal);
        return Err(refusal);
    }
    let cookie = session_cookie(request);
    if bearer.is_none() && cookie.is_none() {
        return nobody(state);
    }
    let credentials = Credentials { bearer, cookie: cookie.as_deref(), ..Credentials::default() };
    let identity = identify(state, credentials, address).await?;
    // A cookie that is worth nothing counts as none.
    if identity.user.role == Role::Guest && bearer.is_none() {
        return nobody(state);
    }
    Ok(Caller::Person { identity, by_cookie: bearer.is_none() })
}

fn nobody(state: &AppState) -> Result<Caller, Refusal> {
    if state.guests {
        Ok(Caller::Nobody)
    } else {
        Err(Refusal::new(ErrorCode::Unauthorized, "guests are not let in here: log in first"))
    }
}

/// Who `credentials` name; a failed proof is counted by its kind, and shown to admins.
///
/// # Errors
/// Those of [`crate::auth::identity::Identify::identify`].
pub async fn identify(state: &AppState, credentials: Credentials<'_>, address: IpAddr) -> Result<Identity, Refusal> {
    let found = state.identify.identify(credentials).await;
    let token = credentials.bearer.or(credentials.subprotocol).or(credentials.query);
    if let (Err(refusal), Some(token)) = (&found, token)
        && refusal.code == ErrorCode::Unauthorized
    {
        proof_failed(state, kind_of(token), address, refusal);
    }
    found
}

/// Counts a proof of identity that failed, and shows it to admins.
pub fn proof_failed(state: &AppState, kind: &'static str, address: IpAddr, refusal: &Refusal) {
    state.metrics.auth_failed(kind);
    let note = Note::new(Kind::Authentication, format!("{kind}: {refusal}")).code(refusal.code).address(address);
    state.journal.record(state.clock.now_ms(), note);
}

/// What a token seems to be, by its dots: a JWT has two, a resume token one.
fn kind_of(token: &str) -> &'static str {
    match token.matches('.').count() {
        2 => "jwt",
        1 => "resume",
        _ => "key",
    }
}

/// Where the client of a request is.
pub fn client(state: &AppState, head: &RequestHead) -> ClientInfo {
    let peer = head.peer_addr.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip());
    let lines = head.headers.get_all(header::X_FORWARDED_FOR);
    // A line that is no text ends the walk, as an entry that is no address does.
    let forwarded: Vec<&str> = lines.map(|line| line.to_str().unwrap_or_default()).collect();
    let proto = head.headers.get_all(header::X_FORWARDED_PROTO).last().and_then(|line| line.to_str().ok());
    ClientInfo { address: state.proxies.client(peer, &forwarded), secure: state.proxies.is_secure(peer, proto) }
}

/// Refuses requests of foreign pages; no `Origin` is no browser, and allowed.
///
/// # Errors
/// `forbidden`.
pub fn check_origin(state: &AppState, request: &HttpRequest) -> Result<(), Refusal> {
    let (origin, host) = origin_and_host(request);
    state.origins.check(origin, host)
}

/// Refuses changes made with a cookie unless one of our pages makes them.
///
/// # Errors
/// `forbidden`, also without `Origin`.
pub fn check_origin_of_change(state: &AppState, request: &HttpRequest) -> Result<(), Refusal> {
    let (origin, host) = origin_and_host(request);
    state.origins.check_change_by_cookie(origin, host)
}

/// Refuses to log in, which sets a cookie, for foreign pages; with a cookie of ours along also for who does not say where
/// the request comes from.
///
/// # Errors
/// `forbidden`.
pub fn check_origin_of_login(state: &AppState, request: &HttpRequest) -> Result<(), Refusal> {
    match session_cookie(request) {
        Some(_) => check_origin_of_change(state, request),
        None => check_origin(state, request),
    }
}

/// The `Origin`, unreadable counted as foreign, and the host.
fn origin_and_host(request: &HttpRequest) -> (Option<&str>, Option<&str>) {
    let origin = request.headers().get(header::ORIGIN).map(|value| value.to_str().unwrap_or("null"));
    (origin, text(request.head(), &header::HOST))
}

/// The login cookie of a request.
pub fn session_cookie(request: &HttpRequest) -> Option<String> {
    request.cookie(COOKIE_NAME).map(|cookie| cookie.value().to_owned()).filter(|value| !value.is_empty())
}

/// A header as text.
pub fn text<'a>(head: &'a RequestHead, name: &HeaderName) -> Option<&'a str> {
    head.headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_is_told_apart_by_shape() {
        assert_eq!((kind_of("a.b.c"), kind_of("a.b"), kind_of("hubbub_x")), ("jwt", "resume", "key"));
    }
}
