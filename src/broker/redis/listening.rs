//! Which rooms this instance listens to, and which it is about to begin or to end with. Pure.

use std::collections::HashMap;

use crate::protocol::ids::{Millis, RoomName};

/// The rooms; `W` waits for one to be heard.
#[derive(Debug)]
pub(super) struct Listening<W> {
    rooms: HashMap<RoomName, Room<W>>,
}

#[derive(Debug)]
struct Room<W> {
    /// Whether what is published there comes.
    heard: bool,
    /// Whether somebody was told that it does not: they are to be told when it does.
    owed: bool,
    /// When it ends, if nobody comes back.
    ends_at: Option<Millis>,
    waiting: Vec<W>,
}

/// Rooms that are heard from now on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heard<W> {
    /// Who waited for it.
    pub(super) waiting: Vec<W>,
    /// The rooms that somebody gave up on meanwhile: what was missed there is to be read.
    pub(super) owed: Vec<RoomName>,
}

impl<W> Default for Listening<W> {
    fn default() -> Self {
        Self { rooms: HashMap::new() }
    }
}

impl<W> Listening<W> {
    /// Wants to hear a room. Gives `who` back when it is heard already; else it waits.
    pub(super) fn enter(&mut self, room: &RoomName, who: W) -> Option<W> {
        let room = self.want(room);
        if room.heard {
            return Some(who);
        }
        room.waiting.push(who);
        None
    }

    /// Wants to hear a room as soon as that is possible, and to be told of it.
    pub(super) fn enter_later(&mut self, room: &RoomName) {
        let room = self.want(room);
        room.owed |= !room.heard;
    }

    fn want(&mut self, room: &RoomName) -> &mut Room<W> {
        let new = || Room { heard: false, owed: false, ends_at: None, waiting: Vec::new() };
        let room = self.rooms.entry(room.clone()).or_insert_with(new);
        room.ends_at = None;
        room
    }

    /// Nobody needs the room any more; it ends at `ends_at` unless wanted again.
    pub(super) fn leave(&mut self, room: &RoomName, ends_at: Millis) {
        if let Some(room) = self.rooms.get_mut(room) {
            room.ends_at = Some(ends_at);
        }
    }

    /// Some rooms that are wanted and not heard.
    pub(super) fn unheard(&self, most: usize) -> Vec<RoomName> {
        let unheard = self.rooms.iter().filter(|(_, room)| !room.heard && room.ends_at.is_none());
        unheard.take(most).map(|(name, _)| name.clone()).collect()
    }

    /// These are heard from now on.
    pub(super) fn hear(&mut self, names: &[RoomName]) -> Heard<W> {
        let mut result = Heard { waiting: Vec::new(), owed: Vec::new() };
        for name in names {
            let Some(room) = self.rooms.get_mut(name) else { continue };
            room.heard = true;
            result.waiting.append(&mut room.waiting);
            if std::mem::take(&mut room.owed) {
                result.owed.push(name.clone());
            }
        }
        result
    }

    /// Nobody waits any longer; they will be told. Gives who waited.
    pub(super) fn give_up(&mut self) -> Vec<W> {
        let mut waiting = Vec::new();
        for room in self.rooms.values_mut().filter(|room| !room.waiting.is_empty()) {
            room.owed = true;
            waiting.append(&mut room.waiting);
        }
        waiting
    }

    /// The connection is another: no room is heard. Gives all.
    pub(super) fn start_over(&mut self) -> Vec<RoomName> {
        for room in self.rooms.values_mut() {
            room.heard = false;
        }
        self.rooms.keys().cloned().collect()
    }

    /// When the next room ends.
    pub(super) fn next_end(&self) -> Option<Millis> {
        self.rooms.values().filter_map(|room| room.ends_at).min()
    }

    /// Takes out the rooms that have ended, and gives those of them that are heard.
    pub(super) fn end(&mut self, now: Millis) -> Vec<RoomName> {
        let ended = self.rooms.extract_if(|_, room| room.ends_at.is_some_and(|at| at <= now));
        ended.filter(|(_, room)| room.heard).map(|(name, _)| name).collect()
    }

    /// How many are heard.
    pub(super) fn heard(&self) -> usize {
        self.rooms.values().filter(|room| room.heard).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    #[test]
    fn who_comes_first_waits_and_who_comes_later_does_not() {
        let (mut rooms, a) = (Listening::default(), room("a"));
        assert_eq!(rooms.enter(&a, 1), None);
        assert_eq!(rooms.enter(&a, 2), None);
        assert_eq!(rooms.unheard(9), std::slice::from_ref(&a));
        assert_eq!(rooms.hear(&rooms.unheard(9)), Heard { waiting: vec![1, 2], owed: vec![] });
        assert_eq!(rooms.enter(&a, 3), Some(3));
        assert!(rooms.unheard(9).is_empty());
        assert_eq!(rooms.heard(), 1);
    }

    #[test]
    fn a_room_lingers() {
        let (mut rooms, a) = (Listening::default(), room("a"));
        rooms.enter(&a, 1);
        rooms.hear(std::slice::from_ref(&a));
        rooms.leave(&a, 100);
        assert_eq!((rooms.next_end(), rooms.end(99)), (Some(100), vec![]));
        assert_eq!(rooms.enter(&a, 2), Some(2), "back in time");
        assert_eq!((rooms.next_end(), rooms.end(100)), (None, vec![]));
        rooms.leave(&a, 200);
        assert_eq!(rooms.end(200), std::slice::from_ref(&a));
        assert_eq!(rooms.enter(&a, 3), None);
        rooms.leave(&a, 300);
        assert!(rooms.unheard(9).is_empty() && rooms.end(300).is_empty(), "one that never was heard needs no end");
    }

    #[test]
    fn who_could_not_wait_is_told_later() {
        let (mut rooms, a, b) = (Listening::default(), room("a"), room("b"));
        rooms.enter(&a, 1);
        assert_eq!(rooms.give_up(), [1]);
        rooms.enter_later(&b);
        let mut heard = rooms.hear(&[a.clone(), b.clone()]);
        heard.owed.sort();
        assert_eq!(heard, Heard { waiting: vec![], owed: vec![a.clone(), b] });
        rooms.enter_later(&a);
        assert_eq!(rooms.hear(&[a]), Heard { waiting: vec![], owed: vec![] }, "once");
    }

    #[test]
    fn another_connection_hears_nothing() {
        let (mut rooms, a) = (Listening::default(), room("a"));
        rooms.enter(&a, 1);
        rooms.hear(std::slice::from_ref(&a));
        assert_eq!(rooms.start_over(), std::slice::from_ref(&a));
        assert_eq!((rooms.heard(), rooms.unheard(9)), (0, vec![a]));
    }
}
