//! Rows of the log as the values they hold.

use std::sync::Arc;

use rusqlite::{
    Row,
    types::{FromSqlError, Type, ValueRef},
};

use crate::protocol::{
    entry::{Entry, EntryBody, Message, MessageState},
    error::Refusal,
    ids::{InstanceId, MessageId, RoomName, UserId},
    user::{Role, User},
};

/// `kind` in the table `changes`.
pub(super) const KIND_EDITED: i64 = 0;
pub(super) const KIND_DELETED: i64 = 1;
pub(super) const KIND_REACTION: i64 = 2;

/// The columns that [`message_state`] and [`message_entry`] read, in order.
macro_rules! message_columns {
    () => {
        "seq, ts, id, user, name, role, text, key, reply_to, instance, deleted, edited_text, edited_ts"
    };
}

/// The columns that [`change_entry`] reads, in order.
macro_rules! change_columns {
    () => {
        "seq, ts, message, user, name, role, kind, text, flag"
    };
}

pub(super) use {change_columns, message_columns};

/// The entry that said a message, of a row of [`message_columns`].
pub(super) fn message_entry(row: &Row<'_>, room: &RoomName) -> rusqlite::Result<Entry> {
    Ok(Entry { body: EntryBody::Message(message(row)?), room: room.clone(), seq: row.get(0)?, ts: row.get(1)? })
}

/// A message as it is now but for its reactions, of a row of [`message_columns`].
pub(super) fn message_state(row: &Row<'_>, room: &RoomName) -> rusqlite::Result<MessageState> {
    let mut message = message(row)?;
    if let Some(text) = row.get::<_, Option<Arc<str>>>(11)? {
        message.text = text;
    }
    Ok(MessageState {
        room: room.clone(),
        seq: row.get(0)?,
        ts: row.get(1)?,
        message,
        edited_ts: row.get(12)?,
        reactions: Vec::new(),
    })
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        id: parsed(row, 2, MessageId::parse)?,
        from: user(row)?,
        text: row.get(6)?,
        key: row.get(7)?,
        reply_to: optional(row, 8, MessageId::parse)?,
        instance: parsed(row, 9, InstanceId::parse)?,
        deleted: row.get(10)?,
    })
}

/// An entry about a message, of a row of [`change_columns`].
pub(super) fn change_entry(row: &Row<'_>, room: &RoomName) -> rusqlite::Result<Entry> {
    let message_id = parsed(row, 2, MessageId::parse)?;
    let by = user(row)?;
    let body = match row.get::<_, i64>(6)? {
        KIND_EDITED => EntryBody::Edited { message_id, text: row.get(7)?, by, deleted: row.get(8)? },
        KIND_DELETED => EntryBody::Deleted { message_id, by },
        KIND_REACTION => EntryBody::Reaction { message_id, emoji: row.get(7)?, on: row.get(8)?, by },
        other => return Err(FromSqlError::OutOfRange(other).into()),
    };
    Ok(Entry { body, room: room.clone(), seq: row.get(0)?, ts: row.get(1)? })
}

fn user(row: &Row<'_>) -> rusqlite::Result<Arc<User>> {
    Ok(Arc::new(User { id: parsed(row, 3, UserId::parse)?, name: row.get(4)?, role: role(row.get(5)?)? }))
}

/// How a role is kept.
pub(super) fn role_number(role: Role) -> i64 {
    role as i64
}

/// The role kept as `number`.
pub(super) fn role(number: i64) -> rusqlite::Result<Role> {
    let found = Role::ALL.into_iter().find(|role| role_number(*role) == number);
    found.ok_or_else(|| FromSqlError::OutOfRange(number).into())
}

/// A column that holds a name of the protocol, taken without copying the text twice.
pub(super) fn parsed<T>(row: &Row<'_>, column: usize, parse: fn(&str) -> Result<T, Refusal>) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    parse(text).map_err(|refusal| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, refusal.message.into()))
}

fn optional<T>(row: &Row<'_>, column: usize, parse: fn(&str) -> Result<T, Refusal>) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => parsed(row, column, parse).map(Some),
    }
}
