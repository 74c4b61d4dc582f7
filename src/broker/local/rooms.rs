//! The heads of the rooms' logs as the writer knows them.

use std::{
    collections::{HashMap, hash_map},
    sync::Arc,
};

use rusqlite::{Connection, OptionalExtension};

use super::{epochs::Epochs, retention::Retention, rows::parsed};
use crate::protocol::ids::{Epoch, Millis, RoomName, Seq};

/// Rooms remembered between transactions; a room forgotten is only read again.
const MAX_KNOWN: usize = 4_096;

/// A row of `rooms`.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) id: i64,
    pub(super) epoch: Epoch,
    /// Number of the last entry.
    pub(super) head: Seq,
    /// Number of the last entry that retention took away.
    pub(super) trimmed: Seq,
    /// Time of the last entry.
    pub(super) last_ts: Millis,
    /// When retention has to look again.
    pub(super) due: Millis,
    /// Changed since it was read or saved.
    dirty: bool,
}

impl Room {
    /// Number and time of the entry after the last; the time never falls, whatever the clock does.
    pub(super) fn advance(&mut self, now: Millis) -> (Seq, Millis) {
        self.head += 1;
        self.last_ts = self.last_ts.max(now);
        self.dirty = true;
        (self.head, self.last_ts)
    }

    /// Says that entries up to there were taken away, or when to look again.
    pub(super) fn retained(&mut self, trimmed: Seq, due: Millis) {
        (self.trimmed, self.due) = (trimmed, due);
        self.dirty = true;
    }

    fn save(&mut self, db: &Connection) -> rusqlite::Result<()> {
        db.prepare_cached("UPDATE rooms SET head = ?2, trimmed = ?3, last_ts = ?4, due = ?5 WHERE id = ?1")?
            .execute((self.id, self.head, self.trimmed, self.last_ts, self.due))?;
        self.dirty = false;
        Ok(())
    }
}

/// The rooms that were used lately. What it holds is true of the open transaction: call [`Rooms::settle`] at its end.
#[derive(Debug)]
pub(super) struct Rooms {
    known: HashMap<RoomName, Room>,
    /// Rooms whose row the open transaction makes.
    made: Vec<RoomName>,
    epochs: Arc<Epochs>,
}

impl Rooms {
    pub(super) fn new(epochs: Arc<Epochs>) -> Self {
        Self { known: HashMap::new(), made: Vec::new(), epochs }
    }

    /// A room that has a row.
    pub(super) fn find(&mut self, db: &Connection, name: &RoomName) -> rusqlite::Result<Option<&mut Room>> {
        Ok(match self.known.entry(name.clone()) {
            hash_map::Entry::Occupied(known) => Some(known.into_mut()),
            hash_map::Entry::Vacant(unknown) => load(db, name)?.map(|room| unknown.insert(room)),
        })
    }

    /// A room, whose row is made if it has none; retention then looks at it at `due`.
    pub(super) fn find_or_make(
        &mut self,
        db: &Connection,
        name: &RoomName,
        due: Millis,
    ) -> rusqlite::Result<&mut Room> {
        match self.known.entry(name.clone()) {
            hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            hash_map::Entry::Vacant(unknown) => {
                let room = match load(db, name)? {
                    Some(room) => room,
                    None => {
                        let epoch = self.epochs.pin(name);
                        self.made.push(name.clone());
                        make(db, name, epoch, due)?
                    }
                };
                Ok(unknown.insert(room))
            }
        }
    }

    /// Whether somebody is in.
    pub(super) fn is_occupied(&self, name: &RoomName) -> bool {
        self.epochs.is_occupied(name)
    }

    /// Takes a room's row away, with the read markers that count in its numbers.
    pub(super) fn remove(&mut self, db: &Connection, name: &RoomName) -> rusqlite::Result<()> {
        self.known.remove(name);
        db.prepare_cached("DELETE FROM rooms WHERE name = ?1")?.execute([name.as_str()])?;
        db.prepare_cached("DELETE FROM markers WHERE room = ?1")?.execute([name.as_str()])?;
        Ok(())
    }

    /// Trims and writes what changed: once per transaction and room, not once per entry.
    pub(super) fn save(&mut self, db: &Connection, retention: &Retention, now: Millis) -> rusqlite::Result<()> {
        for room in self.known.values_mut().filter(|room| room.dirty) {
            retention.trim_by_count(db, room, now)?;
            room.save(db)?;
        }
        Ok(())
    }

    /// The transaction is over. After a rollback nothing remembered is true any more.
    pub(super) fn settle(&mut self, committed: bool) {
        for name in self.made.drain(..) {
            self.epochs.unpin(&name);
        }
        if !committed || self.known.len() > MAX_KNOWN {
            self.known.clear();
        }
    }
}

fn load(db: &Connection, name: &RoomName) -> rusqlite::Result<Option<Room>> {
    db.prepare_cached("SELECT id, epoch, head, trimmed, last_ts, due FROM rooms WHERE name = ?1")?
        .query_row([name.as_str()], |row| {
            Ok(Room {
                id: row.get(0)?,
                epoch: parsed(row, 1, Epoch::parse)?,
                head: row.get(2)?,
                trimmed: row.get(3)?,
                last_ts: row.get(4)?,
                due: row.get(5)?,
                dirty: false,
            })
        })
        .optional()
}

fn make(db: &Connection, name: &RoomName, epoch: Epoch, due: Millis) -> rusqlite::Result<Room> {
    db.prepare_cached("INSERT INTO rooms (name, epoch, head, trimmed, last_ts, due) VALUES (?1, ?2, 0, 0, 0, ?3)")?
        .execute((name.as_str(), epoch.as_str(), due))?;
    Ok(Room { id: db.last_insert_rowid(), epoch, head: 0, trimmed: 0, last_ts: 0, due, dirty: true })
}
