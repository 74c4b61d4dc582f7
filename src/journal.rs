//! What an admin should see of the last while without reading logs: refusals, failed proofs of identity, faults.
//!
//! Bounded: a ring per kind, so that a flood of one does not push out another, and a repeat of the last record of its kind
//! only raises that record's count.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use crate::protocol::ids::Millis;
pub use crate::protocol::record::{Kind, Note, Record};

/// Most records kept of each kind.
pub const CAPACITY: usize = 256;

/// The recent records; cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<[VecDeque<Record>; Kind::COUNT]>>);

impl Journal {
    /// Records a note made at `now`; the oldest of its kind goes when there are [`CAPACITY`].
    pub fn record(&self, now: Millis, note: Note) {
        let mut rings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(ring) = rings.get_mut(note.kind as usize) else { return };
        match ring.back_mut().filter(|last| last.note == note) {
            Some(last) => {
                last.count += 1;
                last.ts = now;
            }
            None => {
                if ring.len() == CAPACITY {
                    ring.pop_front();
                }
                ring.push_back(Record { ts: now, first_ts: now, count: 1, note });
            }
        }
    }

    /// The records of a kind, or of all, newest first: at most `limit` of each kind, so that a flood of one does not hide
    /// another.
    pub fn recent(&self, kind: Option<Kind>, limit: usize) -> Vec<Record> {
        let rings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |record: &&Record| kind.is_none_or(|kind| record.note.kind == kind);
        let newest = rings.iter().flat_map(|ring| ring.iter().rev().filter(wanted).take(limit));
        let mut found: Vec<Record> = newest.cloned().collect();
        drop(rings);
        found.sort_by_key(|record| std::cmp::Reverse(record.ts));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{error::ErrorCode, record::MAX_DETAIL_CHARS};

    #[test]
    fn a_flood_of_refusals_leaves_the_faults() {
        let journal = Journal::default();
        journal.record(1, Note::new(Kind::Fault, "disk full"));
        for n in 0..2 * CAPACITY as u64 {
            journal.record(2 + n, Note::new(Kind::Refusal, format!("no {n}")).code(ErrorCode::Forbidden));
        }
        let recent = journal.recent(None, usize::MAX);
        assert_eq!(recent.len(), CAPACITY + 1);
        assert_eq!(&*recent[0].note.detail, "no 511");
        assert_eq!(recent[CAPACITY].note.kind, Kind::Fault);
        let details = |kind, limit| {
            let recent = journal.recent(kind, limit).into_iter();
            recent.map(|record| record.note.detail.into_string()).collect::<Vec<_>>()
        };
        assert_eq!(details(None, 2), ["no 511", "no 510", "disk full"]);
        assert_eq!(details(Some(Kind::Refusal), 1), ["no 511"]);
        assert_eq!(details(Some(Kind::Fault), 2), ["disk full"]);
        assert_eq!(details(Some(Kind::Authentication), 2), [""; 0]);
    }

    #[test]
    fn repeats_are_counted_and_details_cut() {
        let journal = Journal::default();
        for now in [5, 6, 9] {
            journal.record(now, Note::new(Kind::Authentication, "é".repeat(1_000)));
        }
        let [record] = &journal.recent(None, 9)[..] else { panic!("one record") };
        assert_eq!((record.first_ts, record.ts, record.count), (5, 9, 3));
        assert_eq!(record.note.detail.chars().count(), MAX_DETAIL_CHARS);
    }
}
