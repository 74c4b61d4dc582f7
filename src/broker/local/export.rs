//! The file as something to be carried elsewhere: everything in it but login sessions, in pieces.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use super::{
    file::{self, OpenError},
    lock::FileLock,
    read,
    rows::{parsed, role},
};
use crate::{
    auth::accounts::Account,
    broker::{ReadLimit, Recovery},
    protocol::{
        command::Cursor,
        entry::{Entry, MessageState},
        ids::{Epoch, MessageId, Millis, Position, RoomName, Seq, UserId},
    },
};

/// Entries, or messages, of one piece.
const PIECE: usize = 256;
/// Bytes of entries in one piece, about.
const PIECE_BYTES: usize = 64 * 1024;

/// The file of a server that stood alone. Nobody else has it while this lives, and nothing in it is changed.
pub struct Export {
    file: PathBuf,
    db: Connection,
    _lock: FileLock,
}

/// The file cannot be read on.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {source}", file.display())]
pub struct ExportError {
    file: PathBuf,
    source: rusqlite::Error,
}

/// A room of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedRoom {
    id: i64,
    /// Which.
    pub room: RoomName,
    /// The life of its log.
    pub epoch: Epoch,
    /// The last number.
    pub head: Seq,
    /// The log holds the entries above this number.
    pub trimmed: Seq,
    /// When the last entry was logged.
    pub last_ts: Millis,
}

/// A message that is not any more as it was said.
#[derive(Clone, Debug, PartialEq)]
pub struct Altered {
    /// What it is now.
    pub state: MessageState,
    /// The numbers of the entries that edited it, as far as the log holds them, in order.
    pub edits: Vec<Seq>,
}

/// A message that was trimmed, but whose key is to be remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Its id.
    pub id: MessageId,
    /// The number it had.
    pub seq: Seq,
    /// When it was said.
    pub ts: Millis,
}

impl Export {
    /// Opens a file that is there.
    ///
    /// # Errors
    /// [`OpenError`]; `Locked` while a server has it.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let lock = file::lock_existing(path)?;
        Ok(Self { file: path.to_owned(), db: file::open_existing(path)?, _lock: lock })
    }

    /// All accounts.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn accounts(&self) -> Result<Vec<Account>, ExportError> {
        self.list("SELECT folded, name, role, password_hash FROM accounts ORDER BY folded", |row| {
            Ok(Account { folded: row.get(0)?, name: row.get(1)?, role: role(row.get(2)?)?, password_hash: row.get(3)? })
        })
    }

    /// All bans, those that have ended included, with the time of their end.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn bans(&self) -> Result<Vec<(UserId, Millis)>, ExportError> {
        self.list("SELECT user, expires FROM bans ORDER BY user", |row| {
            Ok((parsed(row, 0, UserId::parse)?, row.get(1)?))
        })
    }

    /// All read markers.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn markers(&self) -> Result<Vec<(RoomName, UserId, Seq)>, ExportError> {
        self.list("SELECT room, user, seq FROM markers ORDER BY room, user", |row| {
            Ok((parsed(row, 0, RoomName::parse)?, parsed(row, 1, UserId::parse)?, row.get(2)?))
        })
    }

    /// The secret that signs resume tokens.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn secret(&self) -> Result<[u8; 32], OpenError> {
        file::read_secret(&self.db, &self.file)
    }

    /// All rooms.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn rooms(&self) -> Result<Vec<ExportedRoom>, ExportError> {
        self.list("SELECT id, name, epoch, head, trimmed, last_ts FROM rooms ORDER BY name", |row| {
            Ok(ExportedRoom {
                id: row.get(0)?,
                room: parsed(row, 1, RoomName::parse)?,
                epoch: parsed(row, 2, Epoch::parse)?,
                head: row.get(3)?,
                trimmed: row.get(4)?,
                last_ts: row.get(5)?,
            })
        })
    }

    /// A piece of a room's entries after a number, as the log holds them; empty at its end.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn entries(&self, room: &ExportedRoom, after: Seq) -> Result<Vec<Entry>, ExportError> {
        let since = Position { epoch: room.epoch.clone(), seq: after.max(room.trimmed) };
        let limit = ReadLimit { entries: PIECE, bytes: PIECE_BYTES, messages: 0 };
        let read = read::recover(&self.db, &room.room, room.epoch.clone(), Some(&since), limit);
        match read.map_err(|source| self.failed(source))? {
            Recovery::Resumed { entries, .. } => Ok(entries),
            // Only of a number beyond the head.
            Recovery::Snapshot { .. } => Ok(Vec::new()),
        }
    }

    /// The messages of a room that were edited or reacted to since they were said, in pieces: those of the piece after
    /// a number, and where the next begins, if there is one.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn altered(&self, room: &ExportedRoom, after: Seq) -> Result<(Vec<Altered>, Option<Seq>), ExportError> {
        let page = read::history(&self.db, &room.room, Cursor::After(after), PIECE);
        let page = page.map_err(|source| self.failed(source))?;
        let next = page.messages.last().map(|last| last.seq).filter(|_| page.more);
        let changed = |state: &MessageState| state.edited_ts.is_some() || !state.reactions.is_empty();
        let states: Vec<_> = page.messages.into_iter().filter(changed).collect();
        let mut edits = self.edits(room, &states)?;
        let altered = states.into_iter().map(|state| {
            let edits = edits.remove(&state.message.id).unwrap_or_default();
            Altered { state, edits }
        });
        Ok((altered.collect(), next))
    }

    fn edits(&self, room: &ExportedRoom, of: &[MessageState]) -> Result<HashMap<MessageId, Vec<Seq>>, ExportError> {
        let read = || {
            // The kind stands here as in the partial index, or SQLite would not use it.
            let mut select = self.db.prepare_cached(
                "SELECT seq FROM changes WHERE room = ?1 AND message = ?2 AND kind = 0 AND seq > ?3 ORDER BY seq",
            )?;
            let mut edits = HashMap::new();
            for MessageState { message, .. } in of {
                let given = (room.id, message.id.as_str(), room.trimmed);
                let seqs: Vec<Seq> = select.query_map(given, |row| row.get(0))?.collect::<Result<_, _>>()?;
                edits.insert(message.id.clone(), seqs);
            }
            Ok(edits)
        };
        read().map_err(|source| self.failed(source))
    }

    /// What was trimmed from a room but was said at `oldest` or later.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn remembered(&self, room: &ExportedRoom, oldest: Millis) -> Result<Vec<Remembered>, ExportError> {
        let read = || -> rusqlite::Result<Vec<_>> {
            self.db
                .prepare_cached(
                    "SELECT id, seq, ts FROM messages WHERE room = ?1 AND seq <= ?2 AND ts >= ?3 ORDER BY seq",
                )?
                .query_map((room.id, room.trimmed, oldest), |row| {
                    Ok(Remembered { id: parsed(row, 0, MessageId::parse)?, seq: row.get(1)?, ts: row.get(2)? })
                })?
                .collect()
        };
        read().map_err(|source| self.failed(source))
    }

    fn list<T>(
        &self,
        sql: &str,
        row: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, ExportError> {
        let read = || -> rusqlite::Result<Vec<_>> { self.db.prepare_cached(sql)?.query_map((), row)?.collect() };
        read().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: rusqlite::Error) -> ExportError {
        ExportError { file: self.file.clone(), source }
    }
}
