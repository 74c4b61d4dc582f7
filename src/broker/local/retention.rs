//! What has grown too old or too much is taken away: a bounded piece of work per transaction.
//!
//! A room's log is trimmed at its old end. The row of a trimmed message stays until its key need no longer be
//! remembered ([`super::LocalConfig::idempotency_ms`]); nobody is shown it.

use rusqlite::{Connection, OptionalExtension};

use super::{
    LocalConfig,
    ids::id_half,
    rooms::{Room, Rooms},
};
use crate::protocol::ids::{Millis, RoomName, Seq};

/// Most entries taken from a room, and most rows of any other kind, in one transaction.
pub(super) const CHUNK: Seq = 1_000;
/// Most rooms looked at in one transaction.
const ROOMS: usize = 16;
/// Most entries above the limit before they are taken away together: one range instead of a delete per insert.
const MAX_SLACK: Seq = 256;
/// When to look at a room that nothing will ever take entries from.
const NEVER: Millis = i64::MAX as Millis;
/// When to look again at a room without entries that somebody is in: it keeps its row, and so its epoch.
const OCCUPIED_MS: Millis = 60 * 60 * 1_000;

/// The rules of the settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retention {
    max_entries: Seq,
    pub(super) max_age: Millis,
    idempotency_ms: Millis,
}

impl From<&LocalConfig> for Retention {
    fn from(config: &LocalConfig) -> Self {
        let LocalConfig { history, idempotency_ms, .. } = config;
        Self { max_entries: history.max_entries, max_age: history.max_age, idempotency_ms: *idempotency_ms }
    }
}

impl Retention {
    /// When a room whose oldest entry is of `ts` has to be looked at.
    pub(super) fn first_due(&self, ts: Millis) -> Millis {
        if self.max_age == 0 { NEVER } else { ts.saturating_add(self.max_age).saturating_add(1).min(NEVER) }
    }

    /// Takes what is above the number of entries kept, at most [`CHUNK`].
    pub(super) fn trim_by_count(&self, db: &Connection, room: &mut Room, now: Millis) -> rusqlite::Result<()> {
        let target = self.count_target(room.head, room.trimmed).min(room.trimmed + CHUNK);
        if target > room.trimmed {
            self.trim(db, room, target, now)?;
            self.purge(db, room, now)?;
        }
        Ok(())
    }

    /// Does a piece of what is due. Answers whether more is due already.
    pub(super) fn sweep(&self, db: &Connection, rooms: &mut Rooms, now: Millis) -> rusqlite::Result<bool> {
        let due = due_rooms(db, now)?;
        let mut more = due.len() == ROOMS;
        for name in due {
            let occupied = rooms.is_occupied(&name);
            let Some(room) = rooms.find(db, &name)? else { continue };
            match self.sweep_room(db, room, now)? {
                Some(due) => {
                    more |= due <= now;
                    room.retained(room.trimmed, due);
                }
                None if occupied => room.retained(room.trimmed, now.saturating_add(OCCUPIED_MS)),
                None => rooms.remove(db, &name)?,
            }
        }
        Ok(more)
    }

    /// When to look again; `None` when nothing is left of the room.
    fn sweep_room(&self, db: &Connection, room: &mut Room, now: Millis) -> rusqlite::Result<Option<Millis>> {
        let end = room.head.min(room.trimmed + CHUNK);
        let target = self.count_target(room.head, room.trimmed).max(self.age_target(db, room, end, now)?).min(end);
        let more = target == end && end < room.head;
        if target > room.trimmed {
            self.trim(db, room, target, now)?;
        }
        if self.purge(db, room, now)? || more { Ok(Some(now)) } else { self.next_due(db, room) }
    }

    /// Up to which entry a log is above the number kept.
    fn count_target(&self, head: Seq, trimmed: Seq) -> Seq {
        let slack = (self.max_entries / 8).clamp(1, MAX_SLACK);
        if self.max_entries == 0 || head - trimmed <= self.max_entries + slack {
            trimmed
        } else {
            head - self.max_entries
        }
    }

    /// Up to which entry, at most `end`, a log is older than what is kept. Times never fall within a room, so all before
    /// one that is too old are too.
    fn age_target(&self, db: &Connection, room: &Room, end: Seq, now: Millis) -> rusqlite::Result<Seq> {
        if self.max_age == 0 {
            return Ok(room.trimmed);
        }
        let oldest_kept = now.saturating_sub(self.max_age);
        db.prepare_cached(
            "SELECT max(coalesce((SELECT max(seq) FROM messages WHERE room = ?1 AND seq > ?2 AND seq <= ?3 AND ts < ?4), ?2),
                        coalesce((SELECT max(seq) FROM changes WHERE room = ?1 AND seq > ?2 AND seq <= ?3 AND ts < ?4), ?2))",
        )?
        .query_row((room.id, room.trimmed, end, oldest_kept), |row| row.get(0))
    }

    fn trim(&self, db: &Connection, room: &mut Room, target: Seq, now: Millis) -> rusqlite::Result<()> {
        for sql in [
            "DELETE FROM changes WHERE room = ?1 AND seq <= ?2",
            "DELETE FROM reactions WHERE room = ?1 AND message <= ?2",
        ] {
            db.prepare_cached(sql)?.execute((room.id, target))?;
        }
        let purge_at = now.saturating_add(self.idempotency_ms).saturating_add(1);
        room.retained(target, room.due.min(purge_at));
        Ok(())
    }

    /// Takes rows of trimmed messages whose keys are old enough. Answers whether more may be.
    fn purge(&self, db: &Connection, room: &Room, now: Millis) -> rusqlite::Result<bool> {
        let oldest_kept = now.saturating_sub(self.idempotency_ms);
        let mut last: Seq = 0;
        let mut count = 0;
        let mut select =
            db.prepare_cached("SELECT seq, ts, id FROM messages WHERE room = ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3")?;
        let mut forget = db.prepare_cached("DELETE FROM ids WHERE room = ?1 AND half = ?2 AND seq = ?3")?;
        let mut rows = select.query((room.id, room.trimmed, CHUNK))?;
        while let Some(row) = rows.next()? {
            if row.get::<_, Millis>(1)? >= oldest_kept {
                break;
            }
            last = row.get(0)?;
            let id = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
            forget.execute((room.id, id_half(id), last))?;
            count += 1;
        }
        drop(rows);
        if count > 0 {
            db.prepare_cached("DELETE FROM messages WHERE room = ?1 AND seq <= ?2")?.execute((room.id, last))?;
        }
        Ok(count == CHUNK)
    }

    fn next_due(&self, db: &Connection, room: &Room) -> rusqlite::Result<Option<Millis>> {
        let oldest: Option<(Seq, Millis)> = db
            .prepare_cached("SELECT seq, ts FROM messages WHERE room = ?1 ORDER BY seq LIMIT 1")?
            .query_row([room.id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let purge = oldest
            .filter(|(seq, _)| *seq <= room.trimmed)
            .map(|(_, ts)| ts.saturating_add(self.idempotency_ms).saturating_add(1));
        if room.trimmed == room.head {
            return Ok(purge);
        }
        let trim = self.first_due(oldest_entry(db, room)?);
        Ok(Some(purge.map_or(trim, |purge| purge.min(trim))))
    }
}

/// The time of a log's first entry.
fn oldest_entry(db: &Connection, room: &Room) -> rusqlite::Result<Millis> {
    db.prepare_cached(
        "SELECT coalesce((SELECT ts FROM messages WHERE room = ?1 AND seq = ?2),
                         (SELECT ts FROM changes WHERE room = ?1 AND seq = ?2), ?3)",
    )?
    .query_row((room.id, room.trimmed + 1, room.last_ts), |row| row.get(0))
}

fn due_rooms(db: &Connection, now: Millis) -> rusqlite::Result<Vec<RoomName>> {
    db.prepare_cached("SELECT name FROM rooms WHERE due <= ?1 ORDER BY due LIMIT ?2")?
        .query_map((now, ROOMS), |row| super::rows::parsed(row, 0, RoomName::parse))?
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keeping(max_entries: Seq) -> Retention {
        Retention { max_entries, max_age: 0, idempotency_ms: 0 }
    }

    #[test]
    fn no_limit_takes_nothing() {
        assert_eq!(keeping(0).count_target(1_000_000, 5), 5);
        assert_eq!(keeping(0).first_due(7), NEVER);
    }

    proptest! {
        #[test]
        fn at_least_the_limit_stays_and_little_more(max in 1u64..10_000, trimmed in 0u64..100, length in 0u64..50_000) {
            let target = keeping(max).count_target(trimmed + length, trimmed);
            let kept = trimmed + length - target;
            prop_assert!(target >= trimmed);
            prop_assert!(kept >= max.min(length));
            prop_assert!(kept <= max + MAX_SLACK);
        }
    }
}
