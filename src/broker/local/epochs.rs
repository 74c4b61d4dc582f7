//! Epochs of rooms that are in no file yet, and which rooms somebody is in.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::protocol::ids::{Epoch, RoomName};

/// A room's row is made by its first entry; until then its epoch is only here, so that whoever joins before the first
/// entry, and the entry itself, have the same. Shared by the readers and the writer.
#[derive(Debug, Default)]
pub(super) struct Epochs(Mutex<HashMap<RoomName, Held>>);

#[derive(Debug)]
struct Held {
    epoch: Epoch,
    /// Somebody is in the room.
    occupied: bool,
    /// The writer is making the room's row with this epoch; it must not be replaced before that is settled.
    pinned: bool,
}

/// A fresh epoch.
pub(super) fn fresh() -> Epoch {
    Epoch::from_random(rand::random())
}

impl Epochs {
    /// Somebody comes in. Answers the epoch of the room if it has no row. Call it before looking for the row: a row
    /// made in between then carries this very epoch.
    pub(super) fn enter(&self, room: &RoomName) -> Epoch {
        let mut held = self.lock();
        let held = hold(&mut held, room);
        held.occupied = true;
        held.epoch.clone()
    }

    /// Nobody is in any more.
    pub(super) fn leave(&self, room: &RoomName) {
        self.update(room, |held| held.occupied = false);
    }

    /// Whether somebody is in.
    pub(super) fn is_occupied(&self, room: &RoomName) -> bool {
        self.lock().get(room).is_some_and(|held| held.occupied)
    }

    /// The epoch for the row the writer is about to make.
    pub(super) fn pin(&self, room: &RoomName) -> Epoch {
        let mut held = self.lock();
        let held = hold(&mut held, room);
        held.pinned = true;
        held.epoch.clone()
    }

    /// The row is made, or was not after all.
    pub(super) fn unpin(&self, room: &RoomName) {
        self.update(room, |held| held.pinned = false);
    }

    fn update(&self, room: &RoomName, change: impl FnOnce(&mut Held)) {
        let mut all = self.lock();
        if let Some(held) = all.get_mut(room) {
            change(held);
            if !held.occupied && !held.pinned {
                all.remove(room);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomName, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hold<'a>(all: &'a mut HashMap<RoomName, Held>, room: &RoomName) -> &'a mut Held {
    all.entry(room.clone()).or_insert_with(|| Held { epoch: fresh(), occupied: false, pinned: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_room_keeps_its_epoch_while_occupied() {
        let (epochs, room) = (Epochs::default(), RoomName::global());
        let epoch = epochs.enter(&room);
        assert_eq!(epochs.enter(&room), epoch);
        assert_eq!(epochs.pin(&room), epoch);
        epochs.unpin(&room);
        assert!(epochs.is_occupied(&room));
        epochs.leave(&room);
        assert!(!epochs.is_occupied(&room));
        assert_ne!(epochs.enter(&room), epoch);
    }

    #[test]
    fn an_epoch_about_to_be_written_outlives_a_leave() {
        let (epochs, room) = (Epochs::default(), RoomName::global());
        let epoch = epochs.pin(&room);
        epochs.leave(&room);
        assert_eq!(epochs.enter(&room), epoch);
        epochs.leave(&room);
        epochs.unpin(&room);
        assert!(epochs.lock().is_empty());
    }
}
