//! What an append does to the log: rights, duplicates, numbers and rows, inside the writer's transaction.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::{
    ids::id_half,
    retention::Retention,
    rooms::{Room, Rooms},
    rows::{KIND_DELETED, KIND_EDITED, KIND_REACTION, role_number},
};
use crate::{
    broker::{Append, AppendError, Appended, Change, MAX_EMOJI, message_id::message_id},
    protocol::{
        entry::{Entry, EntryBody, Message, Numbered},
        ids::{InstanceId, MessageId, Millis, RoomName, Seq},
        user::{Role, User},
    },
};

/// The log as its one writer sees it.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) rooms: Rooms,
    pub(super) retention: Retention,
    instance: InstanceId,
}

/// Why an append was not applied.
#[derive(Debug)]
pub(super) enum Failure {
    /// Its sender's affair; the transaction goes on.
    Refused(AppendError),
    /// The store's; nothing of the transaction holds.
    Store(rusqlite::Error),
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        Failure::Refused(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Failure::Store(error)
    }
}

/// The answer, and the entry unless nothing had to change.
type Applied = Result<(Appended, Option<Numbered>), Failure>;

/// Who does it, where and when.
struct Act<'a> {
    db: &'a Connection,
    room: RoomName,
    user: Arc<User>,
    now: Millis,
}

/// What is known of a message that an append is about.
struct Known {
    seq: Seq,
    ts: Millis,
    author: String,
    text: Arc<str>,
    deleted: bool,
}

impl Log {
    pub(super) fn new(rooms: Rooms, retention: Retention, instance: InstanceId) -> Self {
        Self { rooms, retention, instance }
    }

    /// Applies one append at `now`.
    pub(super) fn apply(&mut self, db: &Connection, append: Append, now: Millis) -> Applied {
        let Append { room, user, change } = append;
        let act = Act { db, room, user, now };
        match change {
            Change::Message { text, key, reply_to } => self.say(act, text, key, reply_to),
            Change::Edit { message_id, text } => self.edit(act, message_id, text),
            Change::Delete { message_id } => self.delete(act, message_id),
            Change::React { message_id, emoji, on } => self.react(act, message_id, emoji, on),
        }
    }

    fn say(&mut self, act: Act<'_>, text: Arc<str>, key: Option<Box<str>>, reply_to: Option<MessageId>) -> Applied {
        // 26 letters and digits keep the rule of message ids; the error cannot happen.
        let id = message_id(&act.user.id, &act.room, key.as_deref(), act.now).map_err(|_| AppendError::Unavailable)?;
        if key.is_some()
            && let Some(room) = self.rooms.find(act.db, &act.room)?
            && let Some(first) = find_message(act.db, room.id, &id)?
        {
            return Ok((Appended { message_id: id, seq: Some(first.seq), ts: first.ts, duplicate: true }, None));
        }
        if let Some(answered) = &reply_to {
            self.subject(&act, answered)?;
        }
        let due = self.retention.first_due(act.now);
        let room = self.rooms.find_or_make(act.db, &act.room, due)?;
        let message =
            Message { id, from: act.user, text, key, reply_to, instance: self.instance.clone(), deleted: false };
        let (seq, ts) = room.advance(act.now);
        insert_message(act.db, room.id, seq, ts, &message)?;
        let id = message.id.clone();
        Ok(logged(room, act.room, id, EntryBody::Message(message)))
    }

    fn edit(&mut self, act: Act<'_>, id: MessageId, text: Arc<str>) -> Applied {
        let (room, known) = self.subject(&act, &id)?;
        if known.deleted {
            return Err(AppendError::NotFound.into());
        }
        if known.author != act.user.id.as_str() {
            return Err(AppendError::Forbidden.into());
        }
        if known.text == text {
            return Ok(unchanged(room, id));
        }
        let (_, ts) = room.advance(act.now);
        act.db
            .prepare_cached("UPDATE messages SET edited_text = ?3, edited_ts = ?4 WHERE room = ?1 AND seq = ?2")?
            .execute((room.id, known.seq, &*text, ts))?;
        insert_change(&act, room, KIND_EDITED, &id, &text, false)?;
        let body = EntryBody::Edited { message_id: id.clone(), text, by: act.user, deleted: false };
        Ok(logged(room, act.room, id, body))
    }

    fn delete(&mut self, act: Act<'_>, id: MessageId) -> Applied {
        let (room, known) = self.subject(&act, &id)?;
        if known.author != act.user.id.as_str() && act.user.role != Role::Admin {
            return Err(AppendError::Forbidden.into());
        }
        if known.deleted {
            return Ok(unchanged(room, id));
        }
        room.advance(act.now);
        take_texts(act.db, room.id, known.seq, &id)?;
        insert_change(&act, room, KIND_DELETED, &id, "", false)?;
        let body = EntryBody::Deleted { message_id: id.clone(), by: act.user };
        Ok(logged(room, act.room, id, body))
    }

    fn react(&mut self, act: Act<'_>, id: MessageId, emoji: Box<str>, on: bool) -> Applied {
        let (room, known) = self.subject(&act, &id)?;
        if known.deleted {
            return Err(AppendError::NotFound.into());
        }
        let reaction = (room.id, known.seq, &*emoji, act.user.id.as_str());
        let is_on = act
            .db
            .prepare_cached("SELECT 1 FROM reactions WHERE room = ?1 AND message = ?2 AND emoji = ?3 AND user = ?4")?
            .exists(reaction)?;
        if is_on == on {
            return Ok(unchanged(room, id));
        }
        if on {
            check_emoji(act.db, room.id, known.seq, &emoji)?;
        }
        let (seq, _) = room.advance(act.now);
        if on {
            act.db
                .prepare_cached(
                    "INSERT INTO reactions (room, message, emoji, user, since) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute((room.id, known.seq, &*emoji, act.user.id.as_str(), seq))?;
        } else {
            act.db
                .prepare_cached("DELETE FROM reactions WHERE room = ?1 AND message = ?2 AND emoji = ?3 AND user = ?4")?
                .execute(reaction)?;
        }
        insert_change(&act, room, KIND_REACTION, &id, &emoji, on)?;
        let body = EntryBody::Reaction { message_id: id.clone(), emoji, on, by: act.user };
        Ok(logged(room, act.room, id, body))
    }

    /// The message an append is about, which the log must hold.
    fn subject(&mut self, act: &Act<'_>, id: &MessageId) -> Result<(&mut Room, Known), Failure> {
        let room = self.rooms.find(act.db, &act.room)?.ok_or(AppendError::NotFound)?;
        let known = find_message(act.db, room.id, id)?.ok_or(AppendError::NotFound)?;
        if known.seq <= room.trimmed {
            return Err(AppendError::NotFound.into());
        }
        Ok((room, known))
    }
}

/// The answer to a change that was so already.
fn unchanged(room: &Room, message_id: MessageId) -> (Appended, Option<Numbered>) {
    (Appended { message_id, seq: Some(room.head), ts: room.last_ts, duplicate: true }, None)
}

/// The answer to a change that took the room's last number.
fn logged(room: &Room, name: RoomName, message_id: MessageId, body: EntryBody) -> (Appended, Option<Numbered>) {
    let (seq, ts) = (room.head, room.last_ts);
    let entry = Entry { body, room: name, seq, ts };
    (Appended { message_id, seq: Some(seq), ts, duplicate: false }, Some(Numbered { epoch: room.epoch.clone(), entry }))
}

fn find_message(db: &Connection, room: i64, id: &MessageId) -> rusqlite::Result<Option<Known>> {
    db.prepare_cached(
        "SELECT m.seq, m.ts, m.user, coalesce(m.edited_text, m.text), m.deleted
         FROM ids CROSS JOIN messages AS m ON m.room = ids.room AND m.seq = ids.seq
         WHERE ids.room = ?1 AND ids.half = ?2 AND m.id = ?3",
    )?
    .query_row((room, id_half(id.as_str()), id.as_str()), |row| {
        Ok(Known { seq: row.get(0)?, ts: row.get(1)?, author: row.get(2)?, text: row.get(3)?, deleted: row.get(4)? })
    })
    .optional()
}

fn insert_message(db: &Connection, room: i64, seq: Seq, ts: Millis, message: &Message) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO ids (room, half, seq) VALUES (?1, ?2, ?3)")?.execute((
        room,
        id_half(message.id.as_str()),
        seq,
    ))?;
    db.prepare_cached(
        "INSERT INTO messages (room, seq, ts, id, user, name, role, text, key, reply_to, instance, deleted)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0)",
    )?
    .execute((
        room,
        seq,
        ts,
        message.id.as_str(),
        message.from.id.as_str(),
        &*message.from.name,
        role_number(message.from.role),
        &*message.text,
        message.key.as_deref(),
        message.reply_to.as_ref().map(MessageId::as_str),
        message.instance.as_str(),
    ))?;
    Ok(())
}

/// Writes the row of the room's last number.
fn insert_change(
    act: &Act<'_>,
    room: &Room,
    kind: i64,
    message: &MessageId,
    text: &str,
    flag: bool,
) -> rusqlite::Result<()> {
    let (id, name, role) = (act.user.id.as_str(), &*act.user.name, role_number(act.user.role));
    act.db
        .prepare_cached(
            "INSERT INTO changes (room, seq, ts, kind, message, user, name, role, text, flag)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute((room.id, room.head, room.last_ts, kind, message.as_str(), id, name, role, text, flag))?;
    Ok(())
}

/// Takes a message's texts, first and edited, and its reactions out of the store.
fn take_texts(db: &Connection, room: i64, seq: Seq, id: &MessageId) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE messages SET text = '', edited_text = NULL, edited_ts = NULL, deleted = 1 WHERE room = ?1 AND seq = ?2",
    )?
    .execute((room, seq))?;
    // The kind stands here as in the partial index, or SQLite would not use it.
    db.prepare_cached("UPDATE changes SET text = '', flag = 1 WHERE room = ?1 AND message = ?2 AND kind = 0")?
        .execute((room, id.as_str()))?;
    db.prepare_cached("DELETE FROM reactions WHERE room = ?1 AND message = ?2")?.execute((room, seq))?;
    Ok(())
}

/// Whether a message may take one more reaction with `emoji`.
fn check_emoji(db: &Connection, room: i64, message: Seq, emoji: &str) -> Result<(), Failure> {
    let in_use = db
        .prepare_cached("SELECT 1 FROM reactions WHERE room = ?1 AND message = ?2 AND emoji = ?3")?
        .exists((room, message, emoji))?;
    let different: usize = if in_use {
        0
    } else {
        db.prepare_cached("SELECT count(DISTINCT emoji) FROM reactions WHERE room = ?1 AND message = ?2")?
            .query_row((room, message), |row| row.get(0))?
    };
    if different >= MAX_EMOJI { Err(AppendError::TooManyEmoji.into()) } else { Ok(()) }
}
