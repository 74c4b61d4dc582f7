//! All instances as one: what a route asks of every instance, and what others ask of this one.
//!
//! An instance that does not answer in time, or a store that is away, leaves its part out: what is here is always there.

use std::collections::BTreeMap;

use actix_web::web::Data;

use super::{
    reply::HttpError,
    state::{AppState, ask},
};
use crate::{
    actors::requests::{CountSessions, Disconnect, ListSessions, SessionInfo, closed_by},
    broker::{InstanceInfo, PeerRequest, PeerRequests},
    protocol::{
        envelope::{PeerAnswer, PeerAsk},
        error::{ErrorCode, Refusal},
        event::Counts,
        ids::InstanceId,
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

/// Closes connections on every instance; answers how many.
///
/// # Errors
/// `unavailable` when this instance's hub is too busy.
pub(super) async fn disconnect(state: &AppState, what: Disconnect) -> Result<usize, HttpError> {
    let everywhere = PeerAsk::Disconnect { whom: what.whom.clone(), cause: what.cause };
    let elsewhere = state.directory.ask(None, everywhere).await;
    let here = ask(&state.hub.disconnect, what).await?;
    Ok(here + elsewhere.map_or(0, |answers| closed_by(&answers)))
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

/// Where a list of connections goes on: after that number of that instance.
pub(super) type Cursor = (InstanceId, u64);

/// Connections of all instances, by instance and number from `after` (exclusive) on, at most `limit`.
///
/// # Errors
/// `unavailable` when this instance's hub is too busy.
pub(super) async fn sessions(
    state: &AppState,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Vec<(InstanceId, SessionInfo)>, HttpError> {
    let mut found = Vec::new();
    for InstanceInfo { instance, .. } in instances(state).await {
        let first = match after {
            Some((last, _)) if instance < *last => continue,
            Some((last, number)) if instance == *last => Some(*number),
            _ => None,
        };
        let wanted = limit - found.len();
        if wanted == 0 {
            break;
        }
        let sessions = if instance == state.instance.id {
            ask(&state.hub.sessions, ListSessions { after: first, limit: wanted }).await?
        } else {
            let question = PeerAsk::Sessions { after: first, limit: wanted };
            let answers = state.directory.ask(Some(instance.clone()), question).await.unwrap_or_default();
            let listed = answers.into_iter().filter_map(|(_, answer)| match answer {
                PeerAnswer::Sessions { sessions } => Some(sessions),
                _ => None,
            });
            listed.flatten().take(wanted).collect()
        };
        found.extend(sessions.into_iter().map(|info| (instance.clone(), info)));
    }
    Ok(found)
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
            let sessions = ask(&state.hub.sessions, ListSessions { after, limit }).await?;
            PeerAnswer::Sessions { sessions }
        }
        PeerAsk::CountSessions => PeerAnswer::Counted { counts: ask(&state.hub.counts, CountSessions).await? },
        PeerAsk::Drain => {
            (state.drain)();
            PeerAnswer::Draining
        }
    })
}
