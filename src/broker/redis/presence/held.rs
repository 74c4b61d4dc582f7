//! What this instance told of each room.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{calls::Answer, tally::Tally};
use crate::{
    broker::PresenceChange,
    protocol::{
        ids::{RoomName, UserId},
        user::User,
    },
};

/// A room that somebody of this instance is in, or was until just now.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Locked for as long as a call about the room lasts: a refresh that was overtaken by a leave would bring somebody back.
    pub(super) held: tokio::sync::Mutex<Held>,
    /// When the first user may have to be taken out; `None` while all users are of this instance.
    reap_at: Mutex<Option<Instant>>,
}

/// Who of this instance is in a room.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// As Redis was told.
    pub(super) users: HashMap<UserId, Arc<User>>,
    /// What Redis was told, or not: no answer came.
    pub(super) doubt: Option<Doubt>,
}

/// A sync that failed. To the hub it never happened, and what the hub tells next may not mention its users again.
#[derive(Debug)]
pub(super) struct Doubt {
    /// The call that was not answered.
    pub(super) call: Call,
    /// What the calls before it changed.
    pub(super) done: Tally,
    /// What all its calls told, those that were not made too.
    pub(super) changes: Vec<PresenceChange>,
}

/// A call of the sync script. One that is made again under its number is answered as it was.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Numbers the calls of this instance.
    pub(super) number: u64,
    /// At most [`super::CHUNK`].
    pub(super) changes: Arc<[PresenceChange]>,
}

impl Held {
    /// Takes over what Redis was told.
    pub(super) fn apply(&mut self, changes: &[PresenceChange]) {
        for PresenceChange { user, present, .. } in changes {
            if *present {
                self.users.insert(user.id.clone(), user.clone());
            } else {
                self.users.remove(&user.id);
            }
        }
    }

    /// What puts right users of whom Redis may think otherwise.
    pub(super) fn corrections(&self, doubted: &[PresenceChange]) -> Vec<PresenceChange> {
        let correct = |change: &PresenceChange| match self.users.get(&change.user.id) {
            Some(known) => PresenceChange { user: known.clone(), present: true, away_ms: 0 },
            None => PresenceChange { present: false, ..change.clone() },
        };
        doubted.iter().map(correct).collect()
    }

    fn is_empty(&self) -> bool {
        self.users.is_empty() && self.doubt.is_none()
    }
}

impl Room {
    /// Plans when to look for users to take out, by an answer about the room: when the first expires, and after `most`. A
    /// room that nobody of this instance is in is the others'.
    pub(super) fn plan(&self, answer: &Answer, of_this_instance: usize, now: Instant, most: Duration) {
        let others = of_this_instance > 0 && answer.kept > of_this_instance;
        let next = answer.expires_in.filter(|_| others).map(|expires_in| now + expires_in.min(most));
        *self.reap_at.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }

    fn is_due(&self, now: Instant) -> bool {
        self.reap_at.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at <= now)
    }
}

/// The rooms of this instance.
#[derive(Debug, Default)]
pub(super) struct Rooms(Mutex<BTreeMap<RoomName, Arc<Room>>>);

impl Rooms {
    /// The room, made if it is not there.
    pub(super) fn enter(&self, name: &RoomName) -> Arc<Room> {
        self.lock().entry(name.clone()).or_default().clone()
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<(RoomName, Arc<Room>)> {
        self.lock().iter().map(|(name, room)| (name.clone(), room.clone())).collect()
    }

    /// Those in which users may have to be taken out.
    pub(super) fn due(&self, now: Instant) -> Vec<(RoomName, Arc<Room>)> {
        let rooms = self.lock();
        rooms.iter().filter(|(_, room)| room.is_due(now)).map(|(name, room)| (name.clone(), room.clone())).collect()
    }

    /// Forgets rooms that are empty and that nobody has in hand.
    pub(super) fn sweep(&self) {
        self.lock().retain(|_, room| {
            // Others take it under the lock that is held here.
            Arc::strong_count(room) > 1 || !room.held.try_lock().is_ok_and(|held| held.is_empty())
        });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RoomName, Arc<Room>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{event::Counts, user::Role};

    fn user(n: u128, name: &str) -> Arc<User> {
        Arc::new(User { id: UserId::guest(n), name: name.into(), role: Role::Guest })
    }

    fn change(user: Arc<User>, present: bool) -> PresenceChange {
        PresenceChange { user, present, away_ms: 0 }
    }

    #[test]
    fn doubts_are_put_right_by_what_the_hub_believes() {
        let mut held = Held::default();
        held.apply(&[change(user(1, "a"), true), change(user(2, "b"), true)]);
        held.apply(&[change(user(2, "b"), false), change(user(1, "c"), true)]);
        let away = PresenceChange { away_ms: 9, ..change(user(3, "d"), false) };
        let corrections = held.corrections(&[change(user(1, "a"), false), change(user(2, "b"), true), away.clone()]);
        assert_eq!(corrections, [change(user(1, "c"), true), change(user(2, "b"), false), away]);
    }

    #[tokio::test]
    async fn only_empty_rooms_that_nobody_has_in_hand_are_forgotten() {
        let (rooms, name) = (Rooms::default(), RoomName::global());
        let room = rooms.enter(&name);
        rooms.sweep();
        assert!(Arc::ptr_eq(&room, &rooms.enter(&name)), "in hand");
        room.held.lock().await.apply(&[change(user(1, "a"), true)]);
        drop(room);
        rooms.sweep();
        assert_eq!(rooms.all().len(), 1, "somebody is there");
        rooms.enter(&name).held.lock().await.apply(&[change(user(1, "a"), false)]);
        rooms.sweep();
        assert!(rooms.all().is_empty());
    }

    #[test]
    fn rooms_are_looked_at_when_a_user_of_others_may_expire() {
        let (rooms, now) = (Rooms::default(), Instant::now());
        let room = rooms.enter(&RoomName::global());
        let seconds = Duration::from_secs;
        let answer = |kept, expires_in| Answer { counts: Counts::default(), kept, expires_in, counted_at: 1 };
        room.plan(&answer(3, Some(seconds(2))), 3, now, seconds(4));
        assert!(rooms.due(now + seconds(99)).is_empty(), "all are ours");
        room.plan(&answer(4, Some(seconds(2))), 3, now, seconds(4));
        assert!(rooms.due(now + seconds(1)).is_empty());
        assert_eq!(rooms.due(now + seconds(2)).len(), 1);
        room.plan(&answer(4, Some(seconds(9))), 3, now, seconds(4));
        assert_eq!(rooms.due(now + seconds(4)).len(), 1, "another may let go of somebody meanwhile");
        room.plan(&answer(0, None), 0, now, seconds(4));
        assert!(rooms.due(now + seconds(99)).is_empty());
    }
}
