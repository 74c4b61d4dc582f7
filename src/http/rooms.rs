//! Rooms over HTTP: the list, pages of messages, posting, who is there.

use std::{collections::BTreeMap, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path, Payload, Query},
};
use serde::{Deserialize, Serialize};

use super::{
    body,
    caller::Caller,
    guard,
    reply::Answer,
    state::{AppState, ask},
};
use crate::{
    actors::requests::Post,
    auth::keys::Scope,
    broker::{Append, Change, LoggedRoom, Unavailable},
    protocol::{
        command::{Cursor, DEFAULT_PAGE, MAX_PAGE, page_limit},
        entry::Entries,
        error::{ErrorCode, Refusal},
        event::{HistoryPage, Who},
        ids::{MAX_SAFE_INTEGER, MessageId, Millis, RoomName, Seq},
        text,
        user::Role,
    },
};

/// Most rounds of reading when the rules hide rooms from the caller; after them `more` stays set.
const MAX_LIST_ROUNDS: usize = 16;

/// Header of the key that makes retries harmless.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// Query of the list.
#[derive(Debug, Deserialize)]
pub struct ListQuery {
    #[serde(default)]
    prefix: String,
    after: Option<RoomName>,
    limit: Option<u64>,
}

/// Query of a page of messages.
#[derive(Debug, Deserialize)]
pub struct PageQuery {
    before: Option<Seq>,
    after: Option<Seq>,
    limit: Option<u64>,
}

/// Query of who is there.
#[derive(Debug, Deserialize)]
pub struct WhoQuery {
    limit: Option<u64>,
}

/// A message to post.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostBody {
    text: String,
    reply_to: Option<String>,
}

/// The answer to a post.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    message_id: MessageId,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
    ts: Millis,
    duplicate: bool,
    /// Set for a message that waits for the log.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    provisional: bool,
}

/// `GET /api/rooms`.
#[derive(Debug, Serialize)]
struct RoomList {
    rooms: Vec<RoomSummary>,
    more: bool,
}

/// A room that has members or entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct RoomSummary {
    room: RoomName,
    members: usize,
    /// When the last entry was logged; `null` without entries.
    last_ts: Option<Millis>,
}

/// `GET /api/rooms?prefix=&after=&limit=`: by name, those the caller may join.
pub async fn list(request: HttpRequest, state: Data<AppState>, query: Query<ListQuery>) -> Answer {
    let caller = guard::caller(&state, &request).await?;
    caller.require(Scope::Read, Role::Guest)?;
    let ListQuery { prefix, after, limit } = query.into_inner();
    let limit = page_limit(limit, DEFAULT_PAGE)?;
    Ok(HttpResponse::Ok().json(visible_rooms(&state, &caller, prefix, after, limit).await?))
}

async fn visible_rooms(
    state: &AppState,
    caller: &Caller,
    prefix: String,
    mut after: Option<RoomName>,
    limit: usize,
) -> Result<RoomList, Unavailable> {
    let mut rooms = Vec::new();
    let mut ended = false;
    for _ in 0..MAX_LIST_ROUNDS {
        let logged = state.broker.logged_rooms(prefix.clone(), after.clone(), limit + 1).await?;
        let occupied = state.presence.occupied_rooms(prefix.clone(), after.clone(), limit + 1).await?;
        let (page, last) = merge(logged, occupied, limit + 1);
        rooms.extend(page.into_iter().filter(|summary| state.rooms.may_join(caller.role(), &summary.room)));
        ended = last.is_none();
        after = last;
        if ended || rooms.len() > limit {
            break;
        }
    }
    let more = rooms.len() > limit || !ended;
    rooms.truncate(limit);
    Ok(RoomList { rooms, more })
}

/// Joins two pages of at most `limit`, each by name. A page that is full tells nothing of rooms behind its last one, so
/// only those up to the lesser end count; that end is answered, `None` when both pages were whole.
fn merge(
    logged: Vec<LoggedRoom>,
    occupied: Vec<(RoomName, usize)>,
    limit: usize,
) -> (Vec<RoomSummary>, Option<RoomName>) {
    let end_of_logged = logged.last().filter(|_| logged.len() >= limit).map(|last| last.room.clone());
    let end_of_occupied = occupied.last().filter(|_| occupied.len() >= limit).map(|(room, _)| room.clone());
    let end = end_of_logged.into_iter().chain(end_of_occupied).min();

    let mut rooms: BTreeMap<RoomName, RoomSummary> = BTreeMap::new();
    let empty = |room: RoomName| RoomSummary { room, members: 0, last_ts: None };
    for LoggedRoom { room, last_ts, .. } in logged {
        rooms.entry(room.clone()).or_insert_with(|| empty(room)).last_ts = Some(last_ts);
    }
    for (room, members) in occupied {
        rooms.entry(room.clone()).or_insert_with(|| empty(room)).members = members;
    }
    let known = rooms.into_values().filter(|summary| end.as_ref().is_none_or(|end| summary.room <= *end));
    (known.collect(), end)
}

/// `GET /api/rooms/{room}/messages`: as `history` over a socket.
pub async fn messages(
    request: HttpRequest,
    state: Data<AppState>,
    room: Path<String>,
    query: Query<PageQuery>,
) -> Answer {
    let caller = guard::caller(&state, &request).await?;
    let room = joinable(&state, &caller, &room)?;
    let PageQuery { before, after, limit } = query.into_inner();
    let cursor = Cursor::from_fields(safe(before)?, safe(after)?)?;
    let page = state.broker.history(room.clone(), cursor, page_limit(limit, DEFAULT_PAGE)?).await?;
    let viewer = caller.viewer();
    let entries = Entries::Now(page.messages.iter().map(|message| message.seen_by(&viewer)).collect());
    Ok(HttpResponse::Ok().json(HistoryPage { id: None, room, entries, more: page.more, provisional: false }))
}

/// `GET /api/rooms/{room}/presence`: as `who` over a socket.
pub async fn presence(
    request: HttpRequest,
    state: Data<AppState>,
    room: Path<String>,
    query: Query<WhoQuery>,
) -> Answer {
    let caller = guard::caller(&state, &request).await?;
    let room = joinable(&state, &caller, &room)?;
    let roster = state.presence.who(room.clone(), page_limit(query.limit, MAX_PAGE)?).await?;
    let total = roster.counts.total();
    let more = roster.users.len() < total;
    Ok(HttpResponse::Ok().json(Who { id: None, room, users: roster.users, total, more, counts: roster.counts }))
}

/// `POST /api/rooms/{room}/messages`: says something without a connection.
pub async fn post(request: HttpRequest, state: Data<AppState>, room: Path<String>, payload: Payload) -> Answer {
    let caller = guard::caller_for_change(&state, &request).await?;
    let user = caller.poster(Scope::Post)?;
    let room = RoomName::parse(&room)?;
    if !state.rooms.may_post(user.role, &room) {
        return Err(Refusal::new(ErrorCode::Forbidden, "you may not post in this room").into());
    }
    let PostBody { text, reply_to } = body::json(&request, payload).await?;
    let change = Change::Message {
        text: text::message(&text)?.into(),
        key: idempotency_key(&request)?,
        reply_to: reply_to.map(|id| MessageId::parse(&id)).transpose()?,
    };
    state.limits.message(&user.id)?;
    let appended = ask(&state.hub.post, Post(Append { room, user: Arc::clone(user), change })).await??;
    let status = match (appended.seq, appended.duplicate) {
        (None, _) => StatusCode::ACCEPTED,
        (Some(_), true) => StatusCode::OK,
        (Some(_), false) => StatusCode::CREATED,
    };
    Ok(HttpResponse::build(status).json(Posted {
        message_id: appended.message_id,
        seq: appended.seq,
        ts: appended.ts,
        duplicate: appended.duplicate,
        provisional: appended.seq.is_none(),
    }))
}

fn joinable(state: &AppState, caller: &Caller, room: &str) -> Result<RoomName, Refusal> {
    caller.require(Scope::Read, Role::Guest)?;
    let room = RoomName::parse(room)?;
    if state.rooms.may_join(caller.role(), &room) {
        Ok(room)
    } else {
        Err(Refusal::new(ErrorCode::Forbidden, "you may not join this room"))
    }
}

fn safe(seq: Option<Seq>) -> Result<Option<Seq>, Refusal> {
    match seq {
        Some(seq) if seq > MAX_SAFE_INTEGER => {
            Err(Refusal::new(ErrorCode::InvalidArgument, "'before' and 'after' are at most 2^53-1"))
        }
        seq => Ok(seq),
    }
}

fn idempotency_key(request: &HttpRequest) -> Result<Option<Box<str>>, Refusal> {
    let Some(value) = request.headers().get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value
        .to_str()
        .map_err(|_| Refusal::new(ErrorCode::InvalidArgument, "Idempotency-Key has ASCII characters only"))?;
    Ok(Some(text::key(key)?.into()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::protocol::ids::Epoch;

    fn name(number: u8) -> RoomName {
        RoomName::parse(&format!("r{number:03}")).unwrap()
    }

    fn pages(
        logged: &BTreeSet<u8>,
        occupied: &BTreeSet<u8>,
        after: Option<&RoomName>,
        limit: usize,
    ) -> (Vec<LoggedRoom>, Vec<(RoomName, usize)>) {
        let behind = |room: &RoomName| after.is_none_or(|after| room > after);
        let epoch = Epoch::from_random(1);
        let log = logged.iter().map(|n| LoggedRoom { room: name(*n), epoch: epoch.clone(), last_ts: 7 });
        let here = occupied.iter().map(|n| (name(*n), 3));
        (
            log.filter(|room| behind(&room.room)).take(limit).collect(),
            here.filter(|(room, _)| behind(room)).take(limit).collect(),
        )
    }

    proptest! {
        #[test]
        fn paging_shows_every_room_once(
            logged in prop::collection::btree_set(0_u8..40, 0..20),
            occupied in prop::collection::btree_set(0_u8..40, 0..20),
            limit in 1_usize..6,
        ) {
            let mut after = None;
            let mut seen = Vec::new();
            loop {
                let (log, here) = pages(&logged, &occupied, after.as_ref(), limit);
                let (page, end) = merge(log, here, limit);
                seen.extend(page);
                after = end;
                if after.is_none() {
                    break;
                }
            }
            let expected: Vec<RoomSummary> = logged
                .union(&occupied)
                .map(|n| RoomSummary {
                    room: name(*n),
                    members: if occupied.contains(n) { 3 } else { 0 },
                    last_ts: logged.contains(n).then_some(7),
                })
                .collect();
            prop_assert_eq!(seen, expected);
        }
    }
}
