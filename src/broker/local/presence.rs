//! Who is in which room of an instance that stands alone: memory only, since nobody is there after a restart.

use std::{
    collections::{BTreeMap, btree_map},
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_util::{
    FutureExt,
    future::{self, BoxFuture},
};

use super::members::Members;
use crate::{
    broker::{PresenceChange, PresenceOutcome, PresenceStore, Roster, Unavailable},
    protocol::ids::RoomName,
};

/// Presence in memory. Never [`Unavailable`]; every call is done when it returns.
#[derive(Debug, Default)]
pub struct LocalPresence(Mutex<BTreeMap<RoomName, Members>>);

impl LocalPresence {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<RoomName, Members>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PresenceStore for LocalPresence {
    fn sync(
        &self,
        room: RoomName,
        changes: Vec<PresenceChange>,
    ) -> BoxFuture<'static, Result<PresenceOutcome, Unavailable>> {
        let outcome = match self.lock().entry(room) {
            btree_map::Entry::Occupied(mut members) => {
                let outcome = members.get_mut().sync(changes);
                if members.get().total() == 0 {
                    members.remove();
                }
                outcome
            }
            btree_map::Entry::Vacant(empty) => {
                let mut members = Members::default();
                let outcome = members.sync(changes);
                if members.total() > 0 {
                    empty.insert(members);
                }
                outcome
            }
        };
        future::ready(Ok(outcome)).boxed()
    }

    fn who(&self, room: RoomName, limit: usize) -> BoxFuture<'static, Result<Roster, Unavailable>> {
        let roster = self.lock().get(&room).map(|members| members.roster(limit)).unwrap_or_default();
        future::ready(Ok(roster)).boxed()
    }

    fn occupied_rooms(
        &self,
        prefix: String,
        after: Option<RoomName>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<(RoomName, usize)>, Unavailable>> {
        // From the later of the two, so that rooms before them are not walked through.
        let start = match &after {
            Some(after) if after.as_str() >= prefix.as_str() => Bound::Excluded(after.as_str()),
            _ => Bound::Included(prefix.as_str()),
        };
        let rooms = self
            .lock()
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|(room, _)| room.as_str().starts_with(&prefix))
            .take(limit)
            .map(|(room, members)| (room.clone(), members.total()))
            .collect();
        future::ready(Ok(rooms)).boxed()
    }
}
