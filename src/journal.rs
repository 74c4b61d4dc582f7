//! What an admin should see of the last while without reading logs: refusals, failed proofs of identity, faults.
//!
//! Bounded: a ring per kind, so that a flood of one does not push out another, and a repeat of the last record of its kind
//! only raises that record's count.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;

use crate::protocol::{
    error::ErrorCode,
    ids::{Millis, UserId},
};

/// Most records kept of each kind.
pub const CAPACITY: usize = 256;

/// Longest `detail`, in characters; the rest is cut.
const MAX_DETAIL_CHARS: usize = 200;

/// What kind of thing was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Somebody was refused something.
    Refusal,
    /// A password, key or token that proved nothing.
    Authentication,
    /// Something of the server's own went wrong.
    Fault,
}

impl Kind {
    const COUNT: usize = 3;
}

/// Something to record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What kind.
    pub kind: Kind,
    /// The code that was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    /// Who, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// From where, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// A sentence for a person. Never a secret.
    pub detail: Box<str>,
}

impl Note {
    /// A note of a kind with a sentence; the other fields are empty.
    pub fn new(kind: Kind, detail: impl AsRef<str>) -> Self {
        let detail = detail.as_ref().chars().take(MAX_DETAIL_CHARS).collect::<String>().into();
        Self { kind, code: None, user: None, address: None, detail }
    }

    /// With the code that was answered.
    #[must_use]
    pub fn code(mut self, code: ErrorCode) -> Self {
        self.code = Some(code);
        self
    }

    /// With who it was.
    #[must_use]
    pub fn user(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// With where it came from.
    #[must_use]
    pub fn address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }
}

/// A note, when it was made and how often in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The last time.
    pub ts: Millis,
    /// The first time.
    pub first_ts: Millis,
    /// How often.
    pub count: u64,
    /// What.
    #[serde(flatten)]
    pub note: Note,
}

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

    /// All records, newest first.
    pub fn recent(&self) -> Vec<Record> {
        let rings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Record> = rings.iter().flatten().cloned().collect();
        drop(rings);
        all.sort_by_key(|record| std::cmp::Reverse(record.ts));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_leaves_the_faults() {
        let journal = Journal::default();
        journal.record(1, Note::new(Kind::Fault, "disk full"));
        for n in 0..2 * CAPACITY as u64 {
            journal.record(2 + n, Note::new(Kind::Refusal, format!("no {n}")).code(ErrorCode::Forbidden));
        }
        let recent = journal.recent();
        assert_eq!(recent.len(), CAPACITY + 1);
        assert_eq!(&*recent[0].note.detail, "no 511");
        assert_eq!(recent[CAPACITY].note.kind, Kind::Fault);
    }

    #[test]
    fn repeats_are_counted_and_details_cut() {
        let journal = Journal::default();
        for now in [5, 6, 9] {
            journal.record(now, Note::new(Kind::Authentication, "é".repeat(1_000)));
        }
        let [record] = &journal.recent()[..] else { panic!("one record") };
        assert_eq!((record.first_ts, record.ts, record.count), (5, 9, 3));
        assert_eq!(record.note.detail.chars().count(), MAX_DETAIL_CHARS);
    }
}
