//! Questions about the log, each answered inside one read transaction: one consistent snapshot.

use std::{io, iter::Peekable};

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;

use super::rows::{change_columns, change_entry, message_columns, message_entry, message_state, parsed};
use crate::{
    broker::{LoggedRoom, Page, ReadLimit, Recovery},
    protocol::{
        command::Cursor,
        entry::{Entry, MessageState, Reactors},
        ids::{Epoch, Position, RoomName, Seq, UserId},
    },
};

/// Bytes of messages in one page at most, as they are on the wire: what a client's queue holds (PROTOCOL section 6).
const MAX_PAGE_BYTES: usize = 256 * 1024;

/// What one emoji in use takes of it at most, about.
const REACTION_BYTES: usize = 80;

/// A room's row as a reader sees it.
struct Span {
    id: i64,
    epoch: Epoch,
    head: Seq,
    trimmed: Seq,
}

/// What follows `since` if the log covers it, else the last messages. A room without a row has the epoch `unwritten`.
pub(super) fn recover(
    db: &Connection,
    room: &RoomName,
    unwritten: Epoch,
    since: Option<&Position>,
    limit: ReadLimit,
) -> rusqlite::Result<Recovery> {
    let span = find_span(db, room)?;
    let (epoch, head, trimmed) =
        span.as_ref().map_or((&unwritten, 0, 0), |span| (&span.epoch, span.head, span.trimmed));
    let covered = since.filter(|since| since.epoch == *epoch && (trimmed..=head).contains(&since.seq));
    match (covered, &span) {
        (Some(since), Some(span)) => resume(db, room, span, since.seq, limit),
        (Some(since), None) => Ok(Recovery::Resumed { position: since.clone(), entries: Vec::new(), more: false }),
        (None, _) => {
            let page = history(db, room, Cursor::Latest {}, limit.messages)?;
            let position = Position { epoch: epoch.clone(), seq: head };
            Ok(Recovery::Snapshot { position, messages: page.messages })
        }
    }
}

fn resume(db: &Connection, room: &RoomName, span: &Span, since: Seq, limit: ReadLimit) -> rusqlite::Result<Recovery> {
    let range = (span.id, since, limit.entries);
    let mut messages = db.prepare_cached(concat!(
        "SELECT ",
        message_columns!(),
        " FROM messages WHERE room = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3"
    ))?;
    let mut changes = db.prepare_cached(concat!(
        "SELECT ",
        change_columns!(),
        " FROM changes WHERE room = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3"
    ))?;
    let messages = messages.query_map(range, |row| message_entry(row, room))?;
    let changes = changes.query_map(range, |row| change_entry(row, room))?;
    let mut entries: Vec<Entry> = Vec::new();
    let mut bytes = 0;
    for entry in merge(messages, changes).take(limit.entries) {
        let entry = entry?;
        // With the comma between it and the next.
        bytes += wire_bytes(&entry) + 1;
        if bytes > limit.bytes && !entries.is_empty() {
            break;
        }
        entries.push(entry);
    }
    let seq = entries.last().map_or(since, |entry| entry.seq);
    let position = Position { epoch: span.epoch.clone(), seq };
    Ok(Recovery::Resumed { position, entries, more: seq < span.head })
}

/// Two runs in order of their numbers as one; the first error ends neither early nor unseen.
fn merge<E>(
    left: impl Iterator<Item = Result<Entry, E>>,
    right: impl Iterator<Item = Result<Entry, E>>,
) -> impl Iterator<Item = Result<Entry, E>> {
    fn next_seq<E>(run: &mut Peekable<impl Iterator<Item = Result<Entry, E>>>) -> Seq {
        run.peek().map_or(Seq::MAX, |entry| entry.as_ref().map_or(0, |entry| entry.seq))
    }
    let (mut left, mut right) = (left.peekable(), right.peekable());
    std::iter::from_fn(move || if next_seq(&mut left) <= next_seq(&mut right) { left.next() } else { right.next() })
}

/// What an entry or message takes on the wire; escapes can double a text.
fn wire_bytes(sent: &impl Serialize) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // The contract's types have no fallible parts, and counting does not fail.
    let _ = serde_json::to_writer(&mut count, sent);
    count.0
}

/// A page of messages as they are now, oldest first.
pub(super) fn history(db: &Connection, room: &RoomName, cursor: Cursor, limit: usize) -> rusqlite::Result<Page> {
    let Some(span) = find_span(db, room)? else { return Ok(Page { messages: Vec::new(), more: false }) };
    let (after, before, forward) = match cursor {
        Cursor::Latest {} => (span.trimmed, span.head.saturating_add(1), false),
        Cursor::Before(seq) => (span.trimmed, seq, false),
        Cursor::After(seq) => (span.trimmed.max(seq), span.head.saturating_add(1), true),
    };
    let sql = if forward {
        concat!(
            "SELECT ",
            message_columns!(),
            " FROM messages WHERE room = ?1 AND seq > ?2 AND seq < ?3 ORDER BY seq LIMIT ?4"
        )
    } else {
        concat!(
            "SELECT ",
            message_columns!(),
            " FROM messages WHERE room = ?1 AND seq > ?2 AND seq < ?3 ORDER BY seq DESC LIMIT ?4"
        )
    };
    // One more than asked for tells whether there is more.
    let mut messages: Vec<MessageState> = db
        .prepare_cached(sql)?
        .query_map((span.id, after, before, limit.saturating_add(1)), |row| message_state(row, room))?
        .collect::<Result<_, _>>()?;
    let found = messages.len();
    messages.truncate(limit);
    let mut bytes = 0;
    let mut fit = 0;
    for message in &mut messages {
        message.reactions = reactions(db, span.id, message.seq)?;
        bytes += wire_bytes(&message.message) + message.reactions.len() * REACTION_BYTES;
        // The first is given whatever its size.
        if bytes > MAX_PAGE_BYTES && fit > 0 {
            break;
        }
        fit += 1;
    }
    messages.truncate(fit);
    let more = found > messages.len();
    if !forward {
        messages.reverse();
    }
    Ok(Page { messages, more })
}

fn reactions(db: &Connection, room: i64, message: Seq) -> rusqlite::Result<Vec<Reactors>> {
    let mut select =
        db.prepare_cached("SELECT emoji, user FROM reactions WHERE room = ?1 AND message = ?2 ORDER BY since")?;
    let mut rows = select.query((room, message))?;
    let mut all: Vec<Reactors> = Vec::new();
    while let Some(row) = rows.next()? {
        let user = parsed(row, 1, UserId::parse)?;
        let emoji = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        match all.iter_mut().find(|reactors| &*reactors.emoji == emoji) {
            Some(reactors) => reactors.users.push(user),
            None => all.push(Reactors { emoji: emoji.into(), users: vec![user] }),
        }
    }
    Ok(all)
}

/// Rooms that have entries, by name.
pub(super) fn logged_rooms(
    db: &Connection,
    prefix: &str,
    after: Option<&RoomName>,
    limit: usize,
) -> rusqlite::Result<Vec<LoggedRoom>> {
    // Names are of ASCII below 0x7F, so this is above each that starts with the prefix.
    let end = format!("{prefix}\u{7F}");
    db.prepare_cached(
        "SELECT name, epoch, last_ts FROM rooms
         WHERE name >= ?1 AND name < ?2 AND name > ?3 AND head > trimmed ORDER BY name LIMIT ?4",
    )?
    .query_map((prefix, end, after.map_or("", RoomName::as_str), limit), |row| {
        Ok(LoggedRoom {
            room: parsed(row, 0, RoomName::parse)?,
            epoch: parsed(row, 1, Epoch::parse)?,
            last_ts: row.get(2)?,
        })
    })?
    .collect()
}

fn find_span(db: &Connection, room: &RoomName) -> rusqlite::Result<Option<Span>> {
    db.prepare_cached("SELECT id, epoch, head, trimmed FROM rooms WHERE name = ?1")?
        .query_row([room.as_str()], |row| {
            Ok(Span { id: row.get(0)?, epoch: parsed(row, 1, Epoch::parse)?, head: row.get(2)?, trimmed: row.get(3)? })
        })
        .optional()
}
