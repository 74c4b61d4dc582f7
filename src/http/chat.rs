//! The way in to the chat: every check a connection passes before it opens, and the same checks without opening it.

use std::collections::HashSet;

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::Cookie,
    http::header,
    web::{Data, Query},
};
use serde::Deserialize;

use super::{
    accounts,
    guard::{self, ClientInfo},
    reply::HttpError,
    state::AppState,
};
use crate::{
    auth::{
        identity::{Credentials, Identity, bearer, subprotocol_token},
        resume,
    },
    limits::{open::OpenGuard, places::Place},
    protocol::{
        DEFAULT_ROOM, SUBPROTOCOL,
        error::{ErrorCode, Refusal},
        ids::Millis,
    },
    transport::handshake::{self, Handshake},
};

/// What a client is told to wait when there is no room for it, in milliseconds.
const FULL_RETRY_AFTER_MS: u64 = 5_000;

/// Query of `/chat` and `/api/connect`.
#[derive(Deserialize)]
pub struct ConnectQuery {
    room: Option<String>,
    name: Option<String>,
    token: Option<String>,
}

/// The rooms to join at once, as written: what is wrong with one is told after `welcome`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomsParam(pub Vec<Box<str>>);

impl RoomsParam {
    /// From `?room=`: by comma, each once; the default room without it, none when it is empty. Of more than `max` one
    /// is kept, so that it can be said that there are too many.
    fn parse(room: Option<&str>, max: usize) -> Self {
        let mut seen = HashSet::new();
        let names = room.unwrap_or(DEFAULT_ROOM).split(',').map(str::trim);
        let fresh = names.filter(|name| !name.is_empty() && seen.insert(*name));
        Self(fresh.take(max.saturating_add(1)).map(Into::into).collect())
    }
}

/// A client that passed every check.
pub struct Entrance {
    /// What its request brought.
    pub handshake: Handshake,
    /// The subprotocol to select: [`SUBPROTOCOL`] if it was offered.
    pub protocol: Option<&'static str>,
    /// Who it is.
    pub identity: Identity,
    /// Since when that holds: it was not checked before.
    pub since: Millis,
    /// Where it is.
    pub client: ClientInfo,
    /// The rooms to join at once.
    pub rooms: RoomsParam,
    /// Its place among the connections of its address; held as long as the connection is open.
    pub place: OpenGuard,
    /// Its place among those of the instance; held as long.
    pub seat: Place,
}

/// Lets clients in to the chat.
pub trait Admit: Send + Sync + 'static {
    /// Answers 101 and starts the connection, or says why not.
    fn admit(&self, entrance: Entrance) -> HttpResponse;
}

/// `GET /chat`: opens the WebSocket.
pub async fn chat(request: HttpRequest, state: Data<AppState>, query: Query<ConnectQuery>) -> HttpResponse {
    let handshake = match handshake::verify(&request) {
        Ok(handshake) => handshake,
        Err(refusal) => return actix_web::ResponseError::error_response(&refusal),
    };
    let checked = match check(&state, &request, &query).await {
        Ok(checked) => checked,
        Err(refusal) => {
            state.metrics.connect_refused(refusal.code);
            return refused(&state, &request, &query, refusal);
        }
    };
    let protocol = handshake::offered(&request).any(|offer| offer == SUBPROTOCOL).then_some(SUBPROTOCOL);
    let rooms = RoomsParam::parse(query.room.as_deref(), state.limits.rooms_per_connection());
    let Checked { identity, since, client, place, seat } = checked;
    let cookie = cookie_of(&state, &request, &identity, client);
    let mut response =
        state.doorman.admit(Entrance { handshake, protocol, identity, since, client, rooms, place, seat });
    set(&mut response, cookie);
    response
}

/// `GET /api/connect`: what `/chat` would answer, since a browser cannot see that.
pub async fn connect(request: HttpRequest, state: Data<AppState>, query: Query<ConnectQuery>) -> HttpResponse {
    match check(&state, &request, &query).await {
        Ok(Checked { identity, client, .. }) => {
            let mut response = HttpResponse::NoContent().finish();
            set(&mut response, cookie_of(&state, &request, &identity, client));
            response
        }
        Err(refusal) => refused(&state, &request, &query, refusal),
    }
}

/// What the checks found.
struct Checked {
    identity: Identity,
    since: Millis,
    client: ClientInfo,
    place: OpenGuard,
    seat: Place,
}

/// Cheapest first, so that a storm of connects costs little: stage, room, limits, origin, then who it is.
async fn check(state: &AppState, request: &HttpRequest, query: &ConnectQuery) -> Result<Checked, Refusal> {
    if !state.lifecycle.is_ready() {
        return Err(Refusal::unavailable("this instance takes no new connections", FULL_RETRY_AFTER_MS));
    }
    let full = || Refusal::unavailable("this instance is full", FULL_RETRY_AFTER_MS);
    let seat = state.places.take().ok_or_else(full)?;
    let client = guard::client(state, request.head());
    let place = state.limits.connect(client.address.into())?;
    guard::check_origin(state, request)?;
    let cookie = guard::session_cookie(request);
    let bearer = guard::text(request.head(), &header::AUTHORIZATION).and_then(bearer);
    let offered = subprotocol_token(handshake::offered(request));
    // A page that asks why it was refused can offer no subprotocol; it brings its resume token as a Bearer value.
    let (bearer, offered) = match bearer {
        Some(token) if resume::looks_like_one(token) => (None, Some(token)),
        bearer => (bearer, offered),
    };
    let credentials = Credentials {
        bearer,
        subprotocol: offered,
        query: query.token.as_deref(),
        cookie: cookie.as_deref(),
        name: query.name.as_deref(),
    };
    let since = state.clock.now_ms();
    let identity = guard::identify(state, credentials, client.address).await?;
    Ok(Checked { identity, since, client, place, seat })
}

/// What becomes of the login cookie: one in use lives on in the browser as its session does here, and one that is worth
/// nothing is forgotten.
fn cookie_of(
    state: &AppState,
    request: &HttpRequest,
    identity: &Identity,
    client: ClientInfo,
) -> Option<Cookie<'static>> {
    if identity.clear_cookie {
        return Some(accounts::cleared(client.secure));
    }
    identity.login?;
    let token = guard::session_cookie(request)?;
    Some(accounts::session_cookie(token, state.session_timeout_ms, client.secure))
}

/// A refusal as an answer. Where a cookie alone was to prove who it is and did not, it is forgotten.
fn refused(state: &AppState, request: &HttpRequest, query: &ConnectQuery, refusal: Refusal) -> HttpResponse {
    let by_cookie = query.token.is_none()
        && !request.headers().contains_key(header::AUTHORIZATION)
        && subprotocol_token(handshake::offered(request)).is_none()
        && guard::session_cookie(request).is_some();
    let dead = refusal.code == ErrorCode::Unauthorized && by_cookie;
    let mut response = HttpResponse::from_error(HttpError::from(refusal));
    set(&mut response, dead.then(|| accounts::cleared(guard::client(state, request.head()).secure)));
    response
}

fn set(response: &mut HttpResponse, cookie: Option<Cookie<'static>>) {
    if let Some(cookie) = cookie {
        // Fails only for a cookie that is no header value, which ours never is; the next answer sets it then.
        let _ = response.add_cookie(&cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_those_asked_for() {
        let rooms = |text| RoomsParam::parse(text, 3).0.join(" ");
        assert_eq!(rooms(None), "global");
        assert_eq!(rooms(Some("")), "");
        assert_eq!(rooms(Some("a,b, a,,Bad Name")), "a b Bad Name");
        assert_eq!(rooms(Some("a,b,a,c,d,e,f")), "a b c d", "one more than there may be, to tell of it");
    }
}
