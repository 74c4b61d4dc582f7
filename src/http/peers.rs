//! All instances as one: what a route asks of every instance, and what others ask of this one.
//!
//! An instance that does not answer in time, or a store that is away, leaves its part out: what is here is always there.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::web::Data;

use super::{
    instances::vitals as own_vitals,
    reply::HttpError,
    state::{AppState, ask},
};
use crate::{
    actors::requests::{CountSessions, Disconnect, ListSessions, SessionInfo, closed_by},
    broker::{InstanceInfo, PeerRequest, PeerRequests},
    chat::search::Search,
    protocol::{
        envelope::{PeerAnswer, PeerAsk},
        error::{ErrorCode, Refusal},
        event::Counts,
        ids::InstanceId,
        record::{Kind, Record},
        vitals::Vitals,
    },
};

/// The instances that live, by id; this one alone while the store is away.
pub(super) async fn instances(state: &AppState) -> Vec<InstanceInfo> {
    let connected_clients = state.metrics.open_connections();
    let headroom = (state.measure)();
    let here = || InstanceInfo {
        instance: state.instance.id.clone(),
        started_at: state.instance.started_at,
        last_heartbeat: state.clock.now_ms(),
        connected_clients,
        headroom: Some(headroom),
    };
    match state.directory.instances().await {
        Ok(mut instances) => {
            match instances.iter_mut().find(|info| info.instance == state.instance.id) {
                // Of itself it knows better than its last heartbeat.
                Some(info) => (info.connected_clients, info.headroom) = (connected_clients, Some(headroom)),
                None => instances.push(here()),
            }
            instances.sort_by(|one, other| one.instance.cmp(&other.instance));
            instances
        }
        Err(_) => vec![here()],
    }
}

/// Closes connections on every instance; answers how many, and who did not answer: what is open there may stay.
///
/// # Errors
/// `unavailable` when this instance's hub is too busy, or no other can be asked; what is here is closed all the same.
pub(super) async fn disconnect(state: &AppState, what: Disconnect) -> Result<(usize, BTreeSet<InstanceId>), HttpError> {
    let everywhere = PeerAsk::Disconnect { whom: what.whom.clone(), cause: what.cause };
    let here = ask(&state.hub.disconnect, what);
    let (living, elsewhere, here) = tokio::join!(instances(state), state.directory.ask(None, everywhere), here);
    let answers = elsewhere.map_err(Refusal::from)?;
    let mut missing = others(state, living);
    for (instance, answer) in &answers {
        if matches!(answer, PeerAnswer::Disconnected { .. }) {
            missing.remove(instance);
        }
    }
    Ok((here? + closed_by(&answers), missing))
}

/// The ids of those that are not this one.
fn others(state: &AppState, living: Vec<InstanceInfo>) -> BTreeSet<InstanceId> {
    living.into_iter().map(|info| info.instance).filter(|instance| *instance != state.instance.id).collect()
}

/// How many connections each instance has.
///
/// # Errors
/// `unavailable` when this instance's hub is too busy.
pub(super) async fn counts(state: &AppState) -> Result<BTreeMap<InstanceId, Counts>, HttpError> {
    let elsewhere = state.directory.ask(None, PeerAsk::CountSessions).await.unwrap_or_default();
    let counted = elsewhere.into_iter().filter_map(|(instance, answer)| match answer {
        PeerAnswer::Counted { counts } => Some((instance, counts)),
        _ => None,
    });
    let mut all: BTreeMap<_, _> = counted.collect();
    all.insert(state.instance.id.clone(), ask(&state.hub.counts, CountSessions).await?);
    Ok(all)
}

/// How each instance does that answers in time.
pub(super) async fn vitals(state: &AppState) -> BTreeMap<InstanceId, Vitals> {
    let elsewhere = state.directory.ask(None, PeerAsk::Vitals).await.unwrap_or_default();
    let said = elsewhere.into_iter().filter_map(|(instance, answer)| match answer {
        PeerAnswer::Vitals { vitals } => Some((instance, vitals)),
        _ => None,
    });
    let mut all: BTreeMap<_, _> = said.collect();
    all.insert(state.instance.id.clone(), own_vitals(state));
    all
}

/// What was recorded lately on all instances, of a kind or of all, newest first, at most `limit` of each kind; and who did
/// not answer.
pub(super) async fn records(
    state: &AppState,
    kind: Option<Kind>,
    limit: usize,
) -> (Vec<(InstanceId, Record)>, BTreeSet<InstanceId>) {
    let question = PeerAsk::Records { limit, kind };
    let (living, elsewhere) = tokio::join!(instances(state), state.directory.ask(None, question));
    let mut missing = others(state, living);
    let here = state.journal.recent(kind, limit).into_iter().map(|record| (state.instance.id.clone(), record));
    let mut all: Vec<_> = here.collect();
    for (instance, answer) in elsewhere.unwrap_or_default() {
        if let PeerAnswer::Records { records } = answer {
            missing.remove(&instance);
            // One of a version that does not know of kinds answers with all.
            let wanted = records.into_iter().filter(|record| kind.is_none_or(|kind| record.note.kind == kind));
            all.extend(wanted.map(|record| (instance.clone(), record)));
        }
    }
    all.sort_by_key(|(_, record)| std::cmp::Reverse(record.ts));
    let mut taken = [0; Kind::COUNT];
    all.retain(|(_, record)| {
        taken.get_mut(record.note.kind as usize).is_some_and(|taken| {
            *taken += 1;
            *taken <= limit
        })
    });
    (all, missing)
}

/// Where a list of connections goes on: after that number of that instance.
pub(super) type Cursor = (InstanceId, u64);

/// Which connections are listed.
pub(super) struct Wanted<'a> {
    /// Only those behind this one.
    pub(super) after: Option<&'a Cursor>,
    /// At most so many.
    pub(super) limit: usize,
    /// Only those in which it is found, or all of an instance in whose id it is.
    pub(super) search: Option<&'a Search>,
}

/// Connections of all instances.
#[derive(Default)]
pub(super) struct Listed {
    /// By instance and number.
    pub(super) sessions: Vec<(InstanceId, SessionInfo)>,
    /// The instances that did not answer: what they have is left out.
    pub(super) missing: Vec<InstanceId>,
}

/// Connections of all instances, by instance and number.
///
/// # Errors
/// `unavailable` when this instance's hub is too busy.
pub(super) async fn sessions(state: &AppState, wanted: Wanted<'_>) -> Result<Listed, HttpError> {
    let Wanted { after, limit, search } = wanted;
    let Listed { sessions: mut found, mut missing } = Listed::default();
    for InstanceInfo { instance, .. } in instances(state).await {
        let first = match after {
            Some((last, _)) if instance < *last => continue,
            Some((last, number)) if instance == *last => Some(*number),
            _ => None,
        };
        let left = limit - found.len();
        if left == 0 {
            break;
        }
        let search = search.filter(|search| !search.is_in(instance.as_str()));
        let sessions = if instance == state.instance.id {
            let list = ListSessions { after: first, limit: left, search: search.cloned() };
            Some(ask(&state.hub.sessions, list).await?)
        } else {
            sessions_of(state, &instance, first, left, search).await
        };
        match sessions {
            Some(sessions) => found.extend(sessions.into_iter().map(|info| (instance.clone(), info))),
            None => missing.push(instance),
        }
    }
    Ok(Listed { sessions: found, missing })
}

/// Connections of another instance; `None` when it does not answer.
async fn sessions_of(
    state: &AppState,
    instance: &InstanceId,
    after: Option<u64>,
    limit: usize,
    search: Option<&Search>,
) -> Option<Vec<SessionInfo>> {
    let question = match search {
        Some(search) => PeerAsk::FindSessions { query: search.to_string(), after, limit },
        None => PeerAsk::Sessions { after, limit },
    };
    let answers = state.directory.ask(Some(instance.clone()), question).await.unwrap_or_default();
    answers.into_iter().find_map(|(_, answer)| match answer {
        PeerAnswer::Sessions { mut sessions } => {
            sessions.truncate(limit);
            Some(sessions)
        }
        _ => None,
    })
}

/// Begins the drain of an instance, this one or another.
///
/// # Errors
/// `not_found` when no instance of that id lives; `unavailable` when it does not answer.
pub(super) async fn drain(state: &AppState, instance: &InstanceId) -> Result<(), HttpError> {
    if *instance == state.instance.id {
        (state.drain)();
        return Ok(());
    }
    if !instances(state).await.iter().any(|info| info.instance == *instance) {
        return Err(HttpError::not_found("no instance of that id lives"));
    }
    let answers = state.directory.ask(Some(instance.clone()), PeerAsk::Drain).await.map_err(Refusal::from)?;
    match answers.first() {
        Some((_, PeerAnswer::Draining)) => Ok(()),
        _ => Err(Refusal::new(ErrorCode::Unavailable, "the instance does not answer").into()),
    }
}

/// Answers what other instances ask, until the store ends.
pub async fn serve(mut requests: PeerRequests, state: Data<AppState>) {
    while let Some(PeerRequest { ask, reply }) = requests.recv().await {
        let state = state.clone();
        // Each in a task of its own: a hub that is slow to list does not hold up a kick. The directory bounds them.
        actix_rt::spawn(async move {
            let answer = answer(&state, ask).await.unwrap_or(PeerAnswer::Busy);
            // Whoever asked may have stopped waiting.
            let _ = reply.send(answer);
        });
    }
}

async fn answer(state: &AppState, question: PeerAsk) -> Result<PeerAnswer, HttpError> {
    Ok(match question {
        PeerAsk::Disconnect { whom, cause } => {
            let closed = ask(&state.hub.disconnect, Disconnect { whom, cause }).await?;
            PeerAnswer::Disconnected { closed }
        }
        PeerAsk::Sessions { after, limit } => {
            let sessions = ask(&state.hub.sessions, ListSessions { after, limit, search: None }).await?;
            PeerAnswer::Sessions { sessions }
        }
        PeerAsk::FindSessions { query, after, limit } => {
            let list = ListSessions { after, limit, search: Search::of(&query) };
            PeerAnswer::Sessions { sessions: ask(&state.hub.sessions, list).await? }
        }
        PeerAsk::CountSessions => PeerAnswer::Counted { counts: ask(&state.hub.counts, CountSessions).await? },
        PeerAsk::Vitals => PeerAnswer::Vitals { vitals: own_vitals(state) },
        PeerAsk::Records { limit, kind } => PeerAnswer::Records { records: state.journal.recent(kind, limit) },
        PeerAsk::Drain => {
            (state.drain)();
            PeerAnswer::Draining
        }
        PeerAsk::Unknown => PeerAnswer::Busy,
    })
}
