//! What this instance had logged lately, in case the log loses it; pure.

use std::collections::{HashMap, HashSet, VecDeque};

use super::append::{Logged, is_message, subject};
use crate::protocol::{
    entry::EntryBody,
    ids::{Epoch, MessageId, Millis, Position, RoomName, Seq},
};

/// How long an entry is kept: as long as its key is remembered, so that what is put back is known again.
pub(super) const RING_MS: Millis = super::IDEMPOTENCY_MS;
/// Most bytes kept, about (REDIS.md section 2).
pub(super) const RING_BYTES: usize = 16 * 1024 * 1024;
/// What an entry takes beside its text, about.
const ENTRY_BYTES: usize = 400;

/// An entry that was acked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Acked {
    pub(super) body: EntryBody,
    /// In which life of the log.
    pub(super) epoch: Epoch,
    pub(super) at: Logged,
    /// The log lost it, and does not have the message it is about: whoever had that logged may still put it back.
    pub(super) waits: bool,
    /// Rises from entry to entry.
    number: u64,
    /// When it was kept, elapsed.
    kept: Millis,
    bytes: usize,
}

/// What became of an entry that the log had lost.
#[derive(Debug)]
pub(super) enum PutBack<'a> {
    /// It stands there now.
    At(&'a Epoch, Logged),
    /// It is about a message that is not there (yet).
    Waits,
    /// The log has what it said, or would refuse it again.
    Over,
}

/// The entries of each room, oldest first.
#[derive(Debug)]
pub(super) struct Ring {
    rooms: HashMap<RoomName, VecDeque<Acked>>,
    /// The room of each entry, oldest entry first.
    order: VecDeque<RoomName>,
    next: u64,
    /// How many wait: mostly none, so that nobody has to look.
    waiting: usize,
    bytes: usize,
    most_bytes: usize,
}

impl Ring {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { rooms: HashMap::new(), order: VecDeque::new(), next: 0, waiting: 0, bytes: 0, most_bytes }
    }

    /// Keeps entries of one batch, and forgets what is too old or too much.
    pub(super) fn keep(&mut self, room: &RoomName, epoch: &Epoch, entries: Vec<(EntryBody, Logged)>, now: Millis) {
        // A message that was found in the log may be one whose answer was lost. A change that changed nothing has no entry.
        for (body, at) in entries.into_iter().filter(|(body, at)| is_message(body) || !at.duplicate) {
            let bytes = ENTRY_BYTES + text_len(&body);
            self.bytes += bytes;
            self.order.push_back(room.clone());
            self.next += 1;
            let at = Logged { duplicate: false, ..at };
            let acked = Acked { body, epoch: epoch.clone(), at, waits: false, number: self.next, kept: now, bytes };
            self.rooms.entry(room.clone()).or_default().push_back(acked);
        }
        self.forget(now);
    }

    /// Forgets what is too old or too much.
    pub(super) fn forget(&mut self, now: Millis) {
        while let Some(room) = self.order.front() {
            let Some(entries) = self.rooms.get_mut(room) else { return };
            let old = entries.front().is_none_or(|acked| now.saturating_sub(acked.kept) > RING_MS);
            if !old && self.bytes <= self.most_bytes {
                return;
            }
            if let Some(acked) = entries.pop_front() {
                self.bytes -= acked.bytes;
                self.waiting -= usize::from(acked.waits);
            }
            if entries.is_empty() {
                self.rooms.remove(room);
            }
            self.order.pop_front();
        }
    }

    /// Where the last entry of a room stands.
    pub(super) fn position(&self, room: &RoomName) -> Option<Position> {
        let last = self.rooms.get(room)?.iter().rfind(|acked| !acked.waits)?;
        Some(Position { epoch: last.epoch.clone(), seq: last.at.seq })
    }

    /// A room's log was looked at: what it has of the entries is in this life of it, up to its `head`. A message that
    /// another instance put back stands where its id says, and at any rate not beyond.
    pub(super) fn renew(&mut self, room: &RoomName, epoch: &Epoch, head: Seq) {
        for acked in self.rooms.get_mut(room).into_iter().flatten() {
            acked.epoch = epoch.clone();
            if is_message(&acked.body) {
                acked.at.seq = acked.at.seq.min(head);
            }
        }
    }

    /// The rooms that have entries.
    pub(super) fn rooms(&self) -> Vec<RoomName> {
        self.rooms.keys().cloned().collect()
    }

    /// The entries of a room, oldest first; only the last `most`.
    pub(super) fn entries(&self, room: &RoomName, most: usize) -> Vec<Acked> {
        let Some(entries) = self.rooms.get(room) else { return Vec::new() };
        entries.iter().skip(entries.len().saturating_sub(most)).cloned().collect()
    }

    /// Whether a change waits for one of these messages.
    pub(super) fn waits_for<'a>(&self, room: &RoomName, mut messages: impl Iterator<Item = &'a MessageId>) -> bool {
        let Some(entries) = self.rooms.get(room).filter(|_| self.waiting > 0) else { return false };
        messages.any(|id| entries.iter().any(|acked| acked.waits && subject(&acked.body) == id))
    }

    /// The rooms in which a change waits for its message.
    pub(super) fn waiting(&self) -> HashSet<RoomName> {
        if self.waiting == 0 {
            return HashSet::new();
        }
        let waits = |entries: &VecDeque<Acked>| entries.iter().any(|acked| acked.waits);
        self.rooms.iter().filter(|(_, entries)| waits(entries)).map(|(room, _)| room.clone()).collect()
    }

    /// An entry that the log had lost was sent again.
    pub(super) fn put_back(&mut self, room: &RoomName, old: &Acked, became: PutBack<'_>) {
        let Some(entries) = self.rooms.get_mut(room) else { return };
        let Ok(index) = entries.binary_search_by_key(&old.number, |acked| acked.number) else { return };
        let Some(acked) = entries.get_mut(index) else { return };
        self.waiting -= usize::from(acked.waits);
        acked.waits = matches!(became, PutBack::Waits);
        self.waiting += usize::from(acked.waits);
        match became {
            PutBack::At(epoch, at) => {
                acked.epoch = epoch.clone();
                acked.at = Logged { duplicate: false, ..at };
                // What was logged anew stands behind all others, here too.
                if !at.duplicate
                    && let Some(mut acked) = entries.remove(index)
                {
                    self.next += 1;
                    acked.number = self.next;
                    entries.push_back(acked);
                }
            }
            PutBack::Waits => {}
            PutBack::Over => {
                entries.remove(index);
                self.bytes -= old.bytes;
                if entries.is_empty() {
                    self.rooms.remove(room);
                }
                if let Some(place) = self.order.iter().position(|other| other == room) {
                    self.order.remove(place);
                }
            }
        }
    }
}

fn text_len(body: &EntryBody) -> usize {
    match body {
        EntryBody::Message(message) => message.text.len(),
        EntryBody::Edited { text, .. } => text.len(),
        EntryBody::Deleted { .. } | EntryBody::Reaction { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::protocol::{
        ids::{MessageId, UserId},
        user::{Role, User},
    };

    fn entry(n: u64) -> (EntryBody, Logged) {
        let by = Arc::new(User { id: UserId::account("ana"), name: "Ana".into(), role: Role::Member });
        let message_id = MessageId::parse(&format!("m{n}")).unwrap();
        (EntryBody::Deleted { message_id, by }, Logged { seq: n, ts: n, duplicate: false })
    }

    fn seqs(ring: &Ring, room: &RoomName) -> Vec<u64> {
        ring.entries(room, 99).iter().map(|acked| acked.at.seq).collect()
    }

    #[test]
    fn the_last_entries_are_kept() {
        let (one, two, epoch) = (RoomName::global(), RoomName::parse("two").unwrap(), Epoch::from_random(1));
        let mut ring = Ring::new(3 * ENTRY_BYTES);
        ring.keep(&one, &epoch, vec![entry(1), entry(2)], 0);
        ring.keep(&two, &epoch, vec![entry(1)], 10);
        let again = (entry(3).0, Logged { duplicate: true, ..entry(3).1 });
        ring.keep(&one, &epoch, vec![again], 10);
        assert_eq!(
            (seqs(&ring, &one), seqs(&ring, &two)),
            (vec![1, 2], vec![1]),
            "one that changed nothing has no entry"
        );
        ring.keep(&two, &epoch, vec![entry(2)], 10);
        assert_eq!((seqs(&ring, &one), seqs(&ring, &two)), (vec![2], vec![1, 2]), "too much");
        assert_eq!(ring.entries(&two, 1)[0].at.seq, 2);
        ring.forget(RING_MS + 1);
        assert_eq!((ring.rooms(), seqs(&ring, &two)), (vec![two.clone()], vec![1, 2]), "too old");
        ring.forget(RING_MS + 11);
        assert_eq!((ring.rooms.len(), ring.order.len(), ring.bytes), (0, 0, 0));
    }

    #[test]
    fn what_is_put_back_has_its_new_place() {
        let (room, epoch, next) = (RoomName::global(), Epoch::from_random(1), Epoch::from_random(2));
        let mut ring = Ring::new(RING_BYTES);
        ring.keep(&room, &epoch, (1..=3).map(entry).collect(), 0);
        let all = ring.entries(&room, 99);
        ring.put_back(&room, &all[1], PutBack::At(&next, Logged { seq: 9, ts: 9, duplicate: true }));
        ring.put_back(&room, &all[2], PutBack::Over);
        let now = ring.entries(&room, 99);
        assert_eq!(now.len(), 2);
        assert_eq!((&now[1].epoch, now[1].at), (&next, Logged { seq: 9, ts: 9, duplicate: false }));
        assert_eq!(ring.position(&room), Some(Position { epoch: next, seq: 9 }));
        ring.renew(&room, &epoch, 9);
        assert_eq!(ring.position(&room), Some(Position { epoch, seq: 9 }));
        ring.forget(RING_MS + 1);
        assert_eq!((ring.rooms.len(), ring.order.len(), ring.bytes), (0, 0, 0));
    }

    #[test]
    fn what_waits_for_its_message_stands_nowhere() {
        let (room, epoch) = (RoomName::global(), Epoch::from_random(1));
        let mut ring = Ring::new(RING_BYTES);
        ring.keep(&room, &epoch, (1..=3).map(entry).collect(), 0);
        let all = ring.entries(&room, 99);
        ring.put_back(&room, &all[1], PutBack::Waits);
        ring.put_back(&room, &all[2], PutBack::Waits);
        assert_eq!(ring.position(&room), Some(Position { epoch: epoch.clone(), seq: 1 }));
        ring.put_back(&room, &all[2], PutBack::Waits);
        assert_eq!((ring.waiting(), ring.waiting), (HashSet::from([room.clone()]), 2));
        let waits_for = |id| ring.waits_for(&room, [MessageId::parse(id).unwrap()].iter());
        assert_eq!((waits_for("m1"), waits_for("m2")), (false, true));
        ring.put_back(&room, &all[1], PutBack::At(&epoch, Logged { seq: 5, ts: 5, duplicate: false }));
        ring.put_back(&room, &all[2], PutBack::Over);
        assert_eq!((ring.waiting(), ring.waiting), (HashSet::new(), 0));
        // Another that was logged anew goes behind it.
        ring.put_back(&room, &all[0], PutBack::At(&epoch, Logged { seq: 6, ts: 6, duplicate: false }));
        assert_eq!((seqs(&ring, &room), ring.position(&room)), (vec![5, 6], Some(Position { epoch, seq: 6 })));
        ring.put_back(&room, &ring.entries(&room, 1)[0], PutBack::Waits);
        ring.forget(RING_MS + 1);
        assert_eq!((ring.rooms.len(), ring.order.len(), ring.bytes, ring.waiting), (0, 0, 0, 0));
    }
}
