//! What admins see and do: connections, kicking, draining, the recent refusals.

use std::{collections::BTreeSet, net::IpAddr};

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{
    guard,
    peers::{self, Listed, Wanted},
    reply::{Answer, HttpError},
    state::AppState,
};
use crate::{
    actors::requests::{Disconnect, DisconnectCause, SessionInfo, Whom},
    auth::keys::Scope,
    chat::search::{MAX_SEARCH_CHARS, Search},
    protocol::{
        command::{DEFAULT_BAN_MS, DEFAULT_PAGE, MAX_PAGE, ban_end, page_limit},
        error::{ErrorCode, Refusal},
        event::Counts,
        ids::{InstanceId, MAX_SAFE_INTEGER, Millis, RoomName, UserId},
        record::{Kind, Record},
        user::{Role, User},
    },
};

/// Query of the list of connections.
#[derive(Debug, Deserialize)]
pub struct SessionsQuery {
    /// What is looked for.
    q: Option<String>,
    cursor: Option<String>,
    limit: Option<u64>,
}

/// Query of the recent records.
#[derive(Debug, Deserialize)]
pub struct EventsQuery {
    /// Those of all instances, not only of the one that answers.
    #[serde(default)]
    all: bool,
    kind: Option<Kind>,
    limit: Option<u64>,
}

/// Query of a kick.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BanQuery {
    ban_ms: Option<Millis>,
}

/// `GET /api/sessions`.
#[derive(Debug, Serialize)]
struct SessionPage<'a> {
    sessions: Vec<SessionView<'a>>,
    /// Gives the next page; missing on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    more: bool,
    /// Instances that did not answer in time; what they have is left out.
    missing: &'a [InstanceId],
}

/// A connection.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionView<'a> {
    session: String,
    user: &'a User,
    instance: &'a InstanceId,
    rooms: &'a [RoomName],
    connected_at: Millis,
    address: IpAddr,
}

/// `GET /api/sessions/stats`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stats<'a> {
    total: usize,
    by_instance: std::collections::BTreeMap<&'a str, usize>,
    by_role: ByRole,
}

/// Connections by role.
#[derive(Debug, Serialize)]
struct ByRole {
    guest: usize,
    member: usize,
    admin: usize,
}

/// `GET /api/events`.
#[derive(Debug, Serialize)]
struct Events {
    events: Vec<Event>,
    /// Instances that did not answer in time; what they have is left out.
    missing: BTreeSet<InstanceId>,
}

/// Something that was recorded.
#[derive(Debug, Serialize)]
struct Event {
    /// Where.
    instance: InstanceId,
    #[serde(flatten)]
    record: Record,
}

/// `GET /api/sessions?q=&cursor=&limit=`: connections, by instance and number.
pub async fn sessions(request: HttpRequest, state: Data<AppState>, query: Query<SessionsQuery>) -> Answer {
    guard::caller(&state, &request).await?.require(Scope::Read, Role::Admin)?;
    let limit = page_limit(query.limit, DEFAULT_PAGE)?;
    let after = query.cursor.as_deref().map(parse_cursor).transpose()?;
    let search = query.q.as_deref().map(parse_search).transpose()?.flatten();
    let wanted = Wanted { after: after.as_ref(), limit: limit + 1, search: search.as_ref() };
    let Listed { sessions: mut found, missing } = peers::sessions(&state, wanted).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let cursor = found.last().filter(|_| more).map(|(instance, info)| name_of(instance, info));
    let sessions = found.iter().map(|(instance, info)| view(instance, info)).collect();
    Ok(HttpResponse::Ok().json(SessionPage { sessions, cursor, more, missing: &missing }))
}

fn parse_search(text: &str) -> Result<Option<Search>, Refusal> {
    if text.chars().nth(MAX_SEARCH_CHARS).is_some() {
        return Err(Refusal::new(ErrorCode::InvalidArgument, "'q' has at most 100 characters"));
    }
    Ok(Search::of(text))
}

fn view<'a>(instance: &'a InstanceId, info: &'a SessionInfo) -> SessionView<'a> {
    SessionView {
        session: name_of(instance, info),
        user: &info.user,
        instance,
        rooms: &info.rooms,
        connected_at: info.connected_at,
        address: info.address,
    }
}

/// A connection's name in the whole cluster; a cursor is the name of the last one seen.
fn name_of(instance: &InstanceId, info: &SessionInfo) -> String {
    format!("{instance}:{}", info.session)
}

fn parse_cursor(cursor: &str) -> Result<peers::Cursor, Refusal> {
    cursor
        .rsplit_once(':')
        .and_then(|(instance, session)| Some((InstanceId::parse(instance).ok()?, session.parse().ok()?)))
        .ok_or_else(|| Refusal::new(ErrorCode::InvalidArgument, "'cursor' is what the page before gave"))
}

/// `GET /api/sessions/stats`: how many connections, by instance and by role.
pub async fn stats(request: HttpRequest, state: Data<AppState>) -> Answer {
    let caller = guard::caller(&state, &request).await?;
    caller.require(Scope::Metrics, Role::Admin).or_else(|_| caller.require(Scope::Read, Role::Admin))?;
    let counts = peers::counts(&state).await?;
    let of = |role: fn(&Counts) -> usize| counts.values().map(role).sum();
    Ok(HttpResponse::Ok().json(Stats {
        total: counts.values().map(|counts| counts.total()).sum(),
        by_instance: counts.iter().map(|(instance, counts)| (instance.as_str(), counts.total())).collect(),
        by_role: ByRole {
            guest: of(|counts| counts.guests),
            member: of(|counts| counts.members),
            admin: of(|counts| counts.admins),
        },
    }))
}

/// `DELETE /api/users/{id}/connections?banMs=`: kicks, and bans unless `banMs` is 0.
pub async fn disconnect(
    request: HttpRequest,
    state: Data<AppState>,
    user: Path<String>,
    query: Query<BanQuery>,
) -> Answer {
    guard::caller_for_change(&state, &request).await?.require(Scope::Admin, Role::Admin)?;
    let user_id = UserId::parse(&user)?;
    let ban_ms = query.ban_ms.unwrap_or(DEFAULT_BAN_MS);
    if ban_ms > MAX_SAFE_INTEGER {
        return Err(Refusal::new(ErrorCode::InvalidArgument, "'banMs' is at most 2^53-1").into());
    }
    if ban_ms > 0 {
        // Before the connections close, or the quickest would be back.
        let until = ban_end(state.clock.now_ms(), ban_ms);
        state.accounts.ban(user_id.clone(), until).await?;
    }
    let cause = if ban_ms > 0 { DisconnectCause::Banned } else { DisconnectCause::Kicked };
    let kick = Disconnect { whom: Whom::User(user_id), cause };
    let (closed, missing) = peers::disconnect(&state, kick).await?;
    Ok(HttpResponse::Ok().json(serde_json::json!({ "closed": closed, "missing": missing })))
}

/// `POST /api/instances/{id}/drain`: begins the drain of an instance; it goes on after the answer.
pub async fn drain(request: HttpRequest, state: Data<AppState>, instance: Path<String>) -> Answer {
    guard::caller_for_change(&state, &request).await?.require(Scope::Admin, Role::Admin)?;
    let instance = InstanceId::parse(&instance).map_err(|_| HttpError::not_found("no instance of that id lives"))?;
    peers::drain(&state, &instance).await?;
    Ok(HttpResponse::Accepted().json(serde_json::json!({ "instanceId": instance, "status": "draining" })))
}

/// `GET /api/events?all=&kind=&limit=`: recent refusals, failed proofs of identity and faults, newest first: of this
/// instance, or with `all=true` of every one. The limit is that of each kind.
pub async fn events(request: HttpRequest, state: Data<AppState>, query: Query<EventsQuery>) -> Answer {
    guard::caller(&state, &request).await?.require(Scope::Admin, Role::Admin)?;
    // Without a limit one instance shows all it has, as ever; a frame between instances has not room for as much.
    let limit = query.limit.map(|limit| page_limit(Some(limit), MAX_PAGE)).transpose()?;
    let (records, missing) = if query.all {
        peers::records(&state, query.kind, limit.unwrap_or(DEFAULT_PAGE)).await
    } else {
        let recent = state.journal.recent(query.kind, limit.unwrap_or(usize::MAX)).into_iter();
        (recent.map(|record| (state.instance.id.clone(), record)).collect(), BTreeSet::new())
    };
    let events = records.into_iter().map(|(instance, record)| Event { instance, record }).collect();
    Ok(HttpResponse::Ok().json(Events { events, missing }))
}
