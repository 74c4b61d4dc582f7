//! One room's log as an instance has it: what comes next is delivered, what was there is dropped, and what is missing is
//! read from the log before anything later is delivered.
//!
//! A log can lose its last entries, and give their numbers to others: a fork. The prints of the last entries delivered
//! show it.

use std::collections::{BTreeMap, VecDeque};

use crate::protocol::{
    entry::{Entry, Numbered, Print},
    ids::{Epoch, Position, Seq},
};

/// Entries whose prints are kept: a fail-over loses about a second, and what it lost is compared from here back
/// (REDIS.md section 2).
const PRINTS: usize = 64;

/// Live entries kept while the log is read. More are dropped: the read that follows brings them.
const MAX_BUFFERED: usize = 1_000;

/// Where an instance stands in a room's log.
#[derive(Debug)]
pub struct Track {
    position: Option<Position>,
    /// The last entries delivered in this epoch, oldest first, up to the position.
    prints: VecDeque<(Seq, Print)>,
    /// `None` when every entry that came was delivered.
    reading: Option<Waiting>,
}

/// Live entries that came before or while the log is read.
#[derive(Debug, Default)]
struct Waiting {
    entries: BTreeMap<(Epoch, Seq), Live>,
    overflowed: bool,
}

#[derive(Debug)]
struct Live {
    entry: Entry,
    /// Came after the read began, so the read need not have seen it.
    during: bool,
}

/// What to do about a live entry.
#[derive(Clone, Debug, PartialEq)]
pub enum Observed {
    /// The next one.
    Deliver(Entry),
    /// Delivered before.
    Duplicate,
    /// Kept until the log was read.
    Waits,
    /// Something is missing before it: read the log from the position on. It is kept.
    Gap,
    /// Its number was delivered with another entry: the log forked. Read it again; it is kept.
    Fork,
}

/// What a reader of the log found.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Entries right after the position, and whether more remain.
    Next(Vec<Entry>, bool),
    /// The log does not hold what follows the position; this is its head.
    Elsewhere(Position),
}

/// What to do after the log was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CaughtUp {
    /// The position was given up; everyone in the room needs a fresh one.
    pub moved: bool,
    /// What to deliver, in order (after the fresh position, if moved).
    pub deliver: Vec<Entry>,
    /// Read the log again from the position on.
    pub again: bool,
}

impl Default for Track {
    fn default() -> Self {
        Self::new()
    }
}

impl Track {
    /// The track of a room whose log is about to be read for the first time.
    pub fn new() -> Self {
        Self { position: None, prints: VecDeque::new(), reading: Some(Waiting::default()) }
    }

    /// Where it stands; `None` before the first read.
    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// The last entries delivered in this epoch, oldest first: what the log is held against.
    pub fn prints(&self) -> impl Iterator<Item = (Seq, Print)> {
        self.prints.iter().copied()
    }

    /// Where it stands, when every entry that came was delivered.
    pub fn settled(&self) -> Option<&Position> {
        self.position.as_ref().filter(|_| self.reading.is_none())
    }

    /// From here on live entries wait until the log was read again from the position on.
    pub fn read_again(&mut self) {
        self.reading.get_or_insert_default();
    }

    /// Takes a live entry.
    pub fn observe(&mut self, live: Numbered) -> Observed {
        let Numbered { epoch, entry } = live;
        if let Some(waiting) = &mut self.reading {
            if waiting.entries.len() < MAX_BUFFERED {
                waiting.entries.insert((epoch, entry.seq), Live { entry, during: true });
            } else {
                waiting.overflowed = true;
            }
            return Observed::Waits;
        }
        let observed = match &self.position {
            Some(at) if at.epoch == epoch && entry.seq == at.seq + 1 => {
                self.advance(&entry);
                return Observed::Deliver(entry);
            }
            Some(at) if at.epoch == epoch && entry.seq <= at.seq => match self.print_of(entry.seq) {
                Some(print) if print != entry.print() => Observed::Fork,
                _ => return Observed::Duplicate,
            },
            _ => Observed::Gap,
        };
        let entries = BTreeMap::from([((epoch, entry.seq), Live { entry, during: false })]);
        self.reading = Some(Waiting { entries, overflowed: false });
        observed
    }

    fn print_of(&self, seq: Seq) -> Option<Print> {
        let (first, _) = *self.prints.front()?;
        let index = usize::try_from(seq.checked_sub(first)?).ok()?;
        self.prints.get(index).map(|(_, print)| *print)
    }

    /// Steps on to the next entry.
    fn advance(&mut self, entry: &Entry) {
        if let Some(at) = &mut self.position {
            at.seq = entry.seq;
        }
        if self.prints.len() == PRINTS {
            self.prints.pop_front();
        }
        self.prints.push_back((entry.seq, entry.print()));
    }

    /// Takes what a read from the position on found.
    pub fn found(&mut self, found: Found) -> CaughtUp {
        let mut result = CaughtUp::default();
        match found {
            Found::Next(entries, more) => {
                for entry in entries {
                    if self.position.as_ref().is_some_and(|at| entry.seq == at.seq + 1) {
                        self.advance(&entry);
                        result.deliver.push(entry);
                    }
                }
                result.again = more;
            }
            Found::Elsewhere(position) => {
                result.moved = self.position.is_some();
                self.position = Some(position);
                self.prints.clear();
            }
        }
        self.replay(&mut result);
        result
    }

    /// Delivers what waited, as far as it fits. What came before the read and does not fit after it belongs to a life of the
    /// log that is over, for the read saw everything committed until then; what came during the read needs another one.
    fn replay(&mut self, result: &mut CaughtUp) {
        let Some(waiting) = self.reading.take() else { return };
        let mut left = BTreeMap::new();
        for (key, live) in waiting.entries {
            let Some(at) = self.position.as_ref() else { return };
            if at.epoch == key.0 && key.1 <= at.seq {
                continue;
            }
            if at.epoch == key.0 && key.1 == at.seq + 1 && !result.again {
                self.advance(&live.entry);
                result.deliver.push(live.entry);
            } else if live.during || result.again {
                left.insert(key, Live { entry: live.entry, during: false });
            }
        }
        result.again |= waiting.overflowed || !left.is_empty();
        if result.again {
            self.reading = Some(Waiting { entries: left, overflowed: false });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{
        entry::EntryBody,
        ids::{MessageId, RoomName, UserId},
        user::{Role, User},
    };
    use proptest::{collection::vec, prelude::*};
    use std::sync::Arc;

    fn entry(seq: Seq) -> Entry {
        let by = Arc::new(User { id: UserId::guest(1), name: "x".into(), role: Role::Guest });
        let body = EntryBody::Deleted { message_id: MessageId::parse(&format!("m{seq}")).unwrap(), by };
        Entry { body, room: RoomName::global(), seq, ts: seq }
    }

    fn live(epoch: u64, seq: Seq) -> Numbered {
        Numbered { epoch: Epoch::from_random(epoch), entry: entry(seq) }
    }

    fn at(epoch: u64, seq: Seq) -> Position {
        Position { epoch: Epoch::from_random(epoch), seq }
    }

    fn settled(epoch: u64, seq: Seq) -> Track {
        let mut track = Track::new();
        track.found(Found::Elsewhere(at(epoch, seq)));
        track
    }

    #[test]
    fn the_next_is_delivered_and_the_known_dropped() {
        let mut track = settled(1, 5);
        assert_eq!(track.observe(live(1, 6)), Observed::Deliver(entry(6)));
        assert_eq!(track.observe(live(1, 6)), Observed::Duplicate);
        assert_eq!(track.observe(live(1, 2)), Observed::Duplicate);
    }

    #[test]
    fn another_entry_with_a_known_number_is_a_fork() {
        let mut track = settled(1, 5);
        for seq in 6..=80 {
            track.observe(live(1, seq));
        }
        assert_eq!(track.prints().count(), PRINTS);
        let other = |seq| Numbered { entry: Entry { ts: 999, ..entry(seq) }, ..live(1, seq) };
        assert_eq!(track.observe(other(16)), Observed::Duplicate, "too long ago to tell");
        assert_eq!(track.observe(live(1, 80)), Observed::Duplicate);
        assert_eq!(track.observe(other(80)), Observed::Fork);
        let caught_up = track.found(Found::Elsewhere(at(2, 80)));
        assert_eq!(caught_up, CaughtUp { moved: true, deliver: vec![], again: false });
        assert_eq!(track.prints().count(), 0);
    }

    #[test]
    fn a_gap_is_filled_before_what_came_after_it() {
        let mut track = settled(1, 5);
        assert_eq!(track.observe(live(1, 8)), Observed::Gap);
        assert_eq!(track.observe(live(1, 9)), Observed::Waits);
        assert_eq!(track.settled(), None);
        let caught_up = track.found(Found::Next(vec![entry(6), entry(7)], false));
        assert_eq!(caught_up, CaughtUp { moved: false, deliver: (6..=9).map(entry).collect(), again: false });
        assert_eq!(track.settled(), Some(&at(1, 9)));
    }

    #[test]
    fn the_first_read_sets_the_position_and_moves_nobody() {
        let mut track = Track::new();
        assert_eq!(track.observe(live(1, 4)), Observed::Waits);
        let caught_up = track.found(Found::Elsewhere(at(1, 3)));
        assert_eq!(caught_up, CaughtUp { moved: false, deliver: vec![entry(4)], again: false });
    }

    #[test]
    fn a_new_epoch_moves_everyone_and_leaves_the_old_one_behind() {
        let mut track = settled(1, 5);
        assert_eq!(track.observe(live(2, 1)), Observed::Gap);
        let caught_up = track.found(Found::Elsewhere(at(2, 1)));
        assert_eq!(caught_up, CaughtUp { moved: true, deliver: vec![], again: false });
        assert_eq!(track.observe(live(1, 6)), Observed::Gap);
        let caught_up = track.found(Found::Next(vec![], false));
        assert_eq!(caught_up, CaughtUp::default());
    }

    #[test]
    fn an_entry_of_another_epoch_that_came_during_the_read_is_read_for() {
        let mut track = settled(1, 5);
        track.observe(live(1, 7));
        track.observe(live(2, 1));
        let caught_up = track.found(Found::Next(vec![entry(6), entry(7)], false));
        assert!(caught_up.again);
        let caught_up = track.found(Found::Elsewhere(at(2, 1)));
        assert!(caught_up.moved && !caught_up.again);
    }

    /// The log of record, with a fork now and then.
    struct Log {
        epoch: u64,
        head: Seq,
        trimmed: Seq,
    }

    impl Log {
        fn read(&self, from: Option<&Position>, limit: u64) -> Found {
            match from {
                Some(from)
                    if from.epoch == Epoch::from_random(self.epoch)
                        && (self.trimmed..=self.head).contains(&from.seq) =>
                {
                    let to = self.head.min(from.seq + limit);
                    Found::Next((from.seq + 1..=to).map(entry).collect(), to < self.head)
                }
                _ => Found::Elsewhere(at(self.epoch, self.head)),
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Happens {
        Appended { lost: bool, twice: bool, held: bool },
        HeldArrive,
        Fork,
        Trim,
        ReadEnds,
    }

    fn happens() -> impl Strategy<Value = Happens> {
        prop_oneof![
            8 => (any::<bool>(), any::<bool>(), any::<bool>())
                .prop_map(|(lost, twice, held)| Happens::Appended { lost, twice, held }),
            2 => Just(Happens::HeldArrive),
            1 => Just(Happens::Fork),
            1 => Just(Happens::Trim),
            4 => Just(Happens::ReadEnds),
        ]
    }

    proptest! {
        /// Under loss, duplication, reordering and forks: within an epoch every entry is delivered once and in order, a jump is
        /// never silent, and once the log was read the track stands at its head.
        #[test]
        fn nothing_is_lost_doubled_or_out_of_order(steps in vec(happens(), 0..80)) {
            let mut log = Log { epoch: 1, head: 3, trimmed: 0 };
            let mut track = Track::new();
            let mut seen: Option<Position> = None;
            let mut held = Vec::new();
            // A read sees the log as it is when it begins.
            let mut read = Some(log.read(None, 5));
            let check = |entries: Vec<Entry>, epoch: &Position, seen: &mut Option<Position>| {
                for entry in entries {
                    let last = seen.as_mut().unwrap();
                    assert_eq!(last.epoch, epoch.epoch);
                    assert_eq!(entry.seq, last.seq + 1);
                    last.seq = entry.seq;
                }
            };
            let last = [Happens::HeldArrive];
            let ends = std::iter::repeat_n(Happens::ReadEnds, 40);
            for step in steps.into_iter().chain(last).chain(ends) {
                let mut arrived = Vec::new();
                match step {
                    Happens::Appended { lost, twice, held: hold } => {
                        log.head += 1;
                        let entry = live(log.epoch, log.head);
                        if hold { held.push(entry.clone()) } else if !lost { arrived.push(entry.clone()) }
                        if twice { arrived.push(entry) }
                    }
                    Happens::HeldArrive => { held.reverse(); arrived.append(&mut held) }
                    Happens::Fork => { log.epoch += 1; log.head = 2; log.trimmed = 0 }
                    Happens::Trim => log.trimmed = log.head,
                    Happens::ReadEnds => if let Some(found) = read.take() {
                        let fresh = match &found { Found::Elsewhere(position) => Some(position.clone()), _ => None };
                        let first = seen.is_none();
                        let result = track.found(found);
                        if let Some(position) = fresh {
                            prop_assert_eq!(result.moved, !first);
                            seen = Some(position);
                        }
                        check(result.deliver, track.position().unwrap(), &mut seen);
                        if result.again { read = Some(log.read(track.position(), 5)) }
                    } else {
                        // What `hub` does when a room was quiet: it looks whether the log went on.
                        if track.settled() != Some(&at(log.epoch, log.head)) {
                            arrived.push(live(log.epoch, log.head.max(1)));
                        }
                    },
                }
                for entry in arrived {
                    match track.observe(entry) {
                        Observed::Deliver(entry) => check(vec![entry], track.position().unwrap(), &mut seen),
                        Observed::Gap | Observed::Fork => read = Some(log.read(track.position(), 5)),
                        Observed::Duplicate | Observed::Waits => {}
                    }
                }
            }
            prop_assert_eq!(track.settled(), Some(&at(log.epoch, log.head)));
            prop_assert_eq!(seen.as_ref(), track.position());
        }
    }
}
