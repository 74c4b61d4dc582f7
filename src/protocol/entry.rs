//! The numbered entries of a room's log, and messages as they are now.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    ids::{Epoch, InstanceId, MessageId, Millis, RoomName, Seq, UserId},
    user::User,
};

/// The identity of an entry: two entries of one number in one epoch with different prints are a fork of the log.
pub type Print = u64;

/// One entry of a room's log. It never changes, but that a delete takes the text out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What happened; its kind is the `type` on the wire.
    #[serde(flatten)]
    pub body: EntryBody,
    /// Where.
    pub room: RoomName,
    /// Its number; one more than the entry before.
    pub seq: Seq,
    /// When, by the broker's clock; never less than the entry before.
    pub ts: Millis,
}

impl Entry {
    /// What tells it from any other entry that may come to stand under its number: FNV-1a over `ts`, kind, message and
    /// user. The same in every process and release, and the same after a delete took the text out.
    pub fn print(&self) -> Print {
        let (kind, message_id, user) = match &self.body {
            EntryBody::Message(message) => (0, &message.id, &message.from),
            EntryBody::Edited { message_id, by, .. } => (1, message_id, by),
            EntryBody::Deleted { message_id, by } => (2, message_id, by),
            EntryBody::Reaction { message_id, by, .. } => (3, message_id, by),
        };
        // Neither kind of id can hold the separator.
        let parts =
            [&self.ts.to_be_bytes()[..], &[kind], message_id.as_str().as_bytes(), b" ", user.id.as_str().as_bytes()];
        parts
            .iter()
            .copied()
            .flatten()
            .fold(FNV_OFFSET, |print, byte| (print ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
    }
}

/// FNV-1a for 64 bits (Fowler, Noll, Vo; RFC 9923).
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// What an [`Entry`] says happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum EntryBody {
    /// Somebody said something.
    Message(Message),
    /// An author changed a text.
    Edited {
        /// The message.
        message_id: MessageId,
        /// The new text; empty when `deleted`.
        text: Arc<str>,
        /// Who did it.
        by: Arc<User>,
        /// Set when the message was deleted since, so that its text is gone from here too.
        #[serde(default, skip_serializing_if = "is_false")]
        deleted: bool,
    },
    /// An author or admin took a message back.
    Deleted {
        /// The message.
        message_id: MessageId,
        /// Who did it.
        by: Arc<User>,
    },
    /// Somebody put a reaction on a message or took it off.
    Reaction {
        /// The message.
        message_id: MessageId,
        /// Which emoji.
        emoji: Box<str>,
        /// On or off.
        on: bool,
        /// Who did it.
        by: Arc<User>,
    },
}

/// A message as it was said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// What retries and later entries name it by.
    pub id: MessageId,
    /// Who said it.
    pub from: Arc<User>,
    /// What was said; empty when `deleted`.
    pub text: Arc<str>,
    /// The sender's idempotency key, so that it knows its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Box<str>>,
    /// The message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// The instance that took it in.
    pub instance: InstanceId,
    /// Set when it was deleted since.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
}

/// An [`Entry`] with the epoch its number counts in: what a broker hands to a hub.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbered {
    /// The life of the log.
    pub epoch: Epoch,
    /// The entry.
    pub entry: Entry,
}

/// A message as it is now, with the reactions of everybody: what a store knows.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageState {
    /// Where.
    pub room: RoomName,
    /// The number of the entry that said it.
    pub seq: Seq,
    /// When it was said.
    pub ts: Millis,
    /// The message with its last text.
    pub message: Message,
    /// When it was last edited.
    pub edited_ts: Option<Millis>,
    /// Reactions in the order in which each emoji was first used.
    pub reactions: Vec<Reactors>,
}

/// Who put one emoji on a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Reactors {
    /// The emoji.
    pub emoji: Box<str>,
    /// Everyone who has it on.
    pub users: Vec<UserId>,
}

impl MessageState {
    /// The message as `viewer` sees it.
    pub fn seen_by(&self, viewer: &UserId) -> MessageView {
        let reactions = self.reactions.iter().map(|reactors| ReactionCount {
            emoji: reactors.emoji.clone(),
            count: reactors.users.len(),
            mine: reactors.users.contains(viewer),
        });
        MessageView {
            kind: MessageKind::Message,
            message: self.message.clone(),
            room: self.room.clone(),
            seq: self.seq,
            ts: self.ts,
            edited_ts: self.edited_ts,
            reactions: reactions.collect(),
        }
    }
}

/// A message as it is now, as one viewer sees it: the items of `history` and of a `joined` that did not recover.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageView {
    /// Always `message`.
    #[serde(rename = "type")]
    pub kind: MessageKind,
    /// The message with its last text.
    #[serde(flatten)]
    pub message: Message,
    /// Where.
    pub room: RoomName,
    /// The number of the entry that said it.
    pub seq: Seq,
    /// When it was said.
    pub ts: Millis,
    /// When it was last edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_ts: Option<Millis>,
    /// One item per emoji in use.
    pub reactions: Vec<ReactionCount>,
}

/// The `type` of a [`MessageView`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageKind {
    /// The only one.
    Message,
}

/// How many put an emoji on a message, and whether the viewer did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReactionCount {
    /// The emoji.
    pub emoji: Box<str>,
    /// How many have it on.
    pub count: usize,
    /// Whether the viewer has.
    pub mine: bool,
}

/// What a page holds: raw entries, or messages as they are now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Entries {
    /// Messages as they are now; tells itself from raw entries by `reactions`.
    Now(Vec<MessageView>),
    /// Raw entries, complete and in order.
    Raw(Vec<Entry>),
}

pub(super) fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn entry(json: &str) -> Entry {
        serde_json::from_str(json).unwrap()
    }

    const SAID: &str = r#"{"type":"message","id":"m1","from":{"id":"m:ana","name":"Ana","role":"member"},"text":"hi","instance":"a","room":"global","seq":3,"ts":4}"#;

    #[test]
    fn a_print_outlives_the_text() {
        let print = entry(SAID).print();
        assert_eq!(entry(&SAID.replace(r#""text":"hi""#, r#""text":"","deleted":true"#)).print(), print);
        // Computed by hand: another release must compute the same.
        assert_eq!(print, 0xd28c_71d6_0bff_020a);
    }

    #[test]
    fn entries_that_differ_have_different_prints() {
        let about = |kind: &str, more: &str| {
            entry(&format!(
                r#"{{"type":"{kind}","messageId":"m1","by":{{"id":"m:ana","name":"Ana","role":"member"}},"room":"global","seq":3,"ts":4{more}}}"#
            ))
        };
        let prints = [
            entry(SAID),
            entry(&SAID.replace(r#""ts":4"#, r#""ts":5"#)),
            entry(&SAID.replace(r#""m1""#, r#""m2""#)),
            entry(&SAID.replace("m:ana", "m:bob")),
            about("edited", r#","text":"x""#),
            about("deleted", ""),
            about("reaction", r#","emoji":"x","on":true"#),
        ]
        .map(|entry| entry.print());
        assert_eq!(prints.iter().collect::<BTreeSet<_>>().len(), prints.len());
    }
}
