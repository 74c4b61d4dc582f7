//! One run of the append script: a batch of changes of one room, numbered, logged and told in one step.

use fred::{error::Error, types::Value};
use serde::Serialize;
use tracing::warn;

use super::IDEMPOTENCY_MS;
use crate::{
    broker::{
        AppendError, MAX_EMOJI,
        redis::{context::Context, failure, keys, keys::RoomKeys, scripts},
    },
    protocol::{
        entry::{Entry, EntryBody},
        envelope::ENVELOPE_VERSION,
        ids::{Epoch, MessageId, Millis, Position, RoomName, Seq},
        user::{Role, User},
    },
};

/// A room's keys outlive its last entry by so much, so that what is too old is trimmed in order before the room goes.
const EXPIRY_SLACK_MS: Millis = 24 * 60 * 60 * 1_000;

/// What became of a batch.
#[derive(Debug, PartialEq)]
pub(super) struct Done {
    /// The life of the log.
    pub(super) epoch: Epoch,
    /// One a change, in order.
    pub(super) answers: Vec<Result<Logged, AppendError>>,
}

/// Where a change stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Logged {
    pub(super) seq: Seq,
    pub(super) ts: Millis,
    pub(super) duplicate: bool,
}

/// A batch that Redis did not take, or whose answer did not come: it may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Redis did not answer")]
pub(super) struct Failed;

/// The message that a change says or is about.
pub(super) fn subject(body: &EntryBody) -> &MessageId {
    match body {
        EntryBody::Message(message) => &message.id,
        EntryBody::Edited { message_id, .. }
        | EntryBody::Deleted { message_id, .. }
        | EntryBody::Reaction { message_id, .. } => message_id,
    }
}

/// Who does it.
pub(super) fn author(body: &EntryBody) -> &User {
    match body {
        EntryBody::Message(message) => &message.from,
        EntryBody::Edited { by, .. } | EntryBody::Deleted { by, .. } | EntryBody::Reaction { by, .. } => by,
    }
}

/// Whether it says something, so that its id makes a second run harmless.
pub(super) fn is_message(body: &EntryBody) -> bool {
    matches!(body, EntryBody::Message(_))
}

/// What the log must be like for a batch to be taken.
#[derive(Debug, Default)]
pub(super) struct Condition {
    /// It has this epoch, if one is given.
    pub(super) epoch: Option<Epoch>,
    /// If it has the epoch of this position, it has entries up to it.
    pub(super) seen: Option<Position>,
}

/// Why a batch is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It is new.
    First,
    /// It was acked, and the log lost it. A message is taken then though the one that it answers is gone.
    Again,
}

/// Runs the script, in a frame of this number. Safe to run again with the same changes: messages are found by their ids,
/// and a batch that holds other changes by its own `number`, which is above those of the batches before and is remembered
/// for ten minutes. Does nothing, and answers `None`, when the log is not as the condition says.
pub(super) async fn append(
    context: &Context,
    room: &RoomName,
    frame: u64,
    number: u64,
    condition: &Condition,
    (sent, batch): (Sent, &[EntryBody]),
) -> Result<Option<Done>, Failed> {
    let keys = RoomKeys(room);
    let mut names = keys.life().to_vec();
    let done = match sent {
        Sent::First => keys.done(&context.me),
        Sent::Again => keys.put_back(&context.me),
    };
    names.extend([keys::ROOMS.to_owned(), done]);
    let args = arguments(context, room, frame, number, condition, (sent, batch));
    let answer: Result<String, Error> = scripts::run(&scripts::APPEND, &context.clients.publisher, names, args).await;
    let answer = answer.map_err(|error| failed(context, room, &error))?;
    if answer == "moved" {
        return Ok(None);
    }
    read(&answer, batch.len()).map(Some).ok_or_else(|| {
        warn!(%room, "the append script gave no answer of its form");
        Failed
    })
}

/// Says once, here, what went wrong with a command, and tells the link. Shows no values: they may be texts.
pub(super) fn failed(context: &Context, room: &RoomName, error: &Error) -> Failed {
    let code = failure::code(error).unwrap_or_else(|| error.kind().to_str());
    warn!(%room, code, "Redis did not take a command");
    context.failed(error);
    Failed
}

fn arguments(
    context: &Context,
    room: &RoomName,
    frame: u64,
    number: u64,
    condition: &Condition,
    (sent, batch): (Sent, &[EntryBody]),
) -> Vec<Value> {
    let history = context.history;
    let expiry = if history.max_age == 0 { 0 } else { history.max_age.saturating_add(EXPIRY_SLACK_MS) };
    let keys = RoomKeys(room);
    // Messages alone need none.
    let number = if batch.iter().all(is_message) { String::new() } else { number.to_string() };
    let start = frame_start(&context.me.to_string(), frame, "entries");
    let mut args: Vec<Value> = vec![
        room.as_str().into(),
        keys.channel().into(),
        start.into(),
        super::fresh_epoch().as_str().into(),
        history.max_entries.to_string().into(),
        history.max_age.to_string().into(),
        expiry.to_string().into(),
        keys.idem().into(),
        IDEMPOTENCY_MS.to_string().into(),
        MAX_EMOJI.to_string().into(),
        number.into(),
        condition.epoch.as_ref().map_or("", Epoch::as_str).into(),
        condition.seen.as_ref().map_or("", |seen| seen.epoch.as_str()).into(),
        condition.seen.as_ref().map_or(0, |seen| seen.seq).to_string().into(),
    ];
    for change in batch {
        push_change(&mut args, room, sent, change);
    }
    args
}

/// A frame of [`crate::protocol::envelope::Envelope`] up to its epoch, which only the script knows.
pub(super) fn frame_start(origin: &str, frame: u64, kind: &str) -> String {
    format!(r#"{{"v":{ENVELOPE_VERSION},"origin":"{origin}","id":{frame},"kind":"{kind}","epoch":""#)
}

fn push_change(args: &mut Vec<Value>, room: &RoomName, sent: Sent, change: &EntryBody) {
    let flag = |flag: bool| if flag { "1" } else { "" };
    let user = author(change).id.as_str();
    let id = subject(change).as_str();
    match change {
        EntryBody::Message(message) => {
            let answered = message.reply_to.as_ref().filter(|_| sent == Sent::First).map_or("", MessageId::as_str);
            args.extend(["m", id, answered].map(Value::from));
        }
        EntryBody::Edited { text, .. } => args.extend(["e", id, user, text].map(Value::from)),
        EntryBody::Deleted { by, .. } => args.extend(["d", id, user, flag(by.role == Role::Admin)].map(Value::from)),
        EntryBody::Reaction { emoji, on, .. } => {
            args.extend(["r", id, user, emoji, flag(*on)].map(Value::from));
        }
    }
    args.push(unnumbered(room, change).into());
}

/// An entry as JSON up to its number; the script puts number, time and the closing brace behind it.
fn unnumbered(room: &RoomName, body: &EntryBody) -> String {
    #[derive(Serialize)]
    struct Unnumbered<'a> {
        #[serde(flatten)]
        body: &'a EntryBody,
        room: &'a RoomName,
    }
    // The contract's types have no fallible parts.
    let mut json = serde_json::to_string(&Unnumbered { body, room }).unwrap_or_default();
    json.pop();
    json
}

/// What the script answered to `count` changes; `None` for what is not of its form.
fn read(answer: &str, count: usize) -> Option<Done> {
    let mut lines = answer.split('\n');
    let epoch = Epoch::parse(lines.next()?).ok()?;
    let answers: Vec<_> = lines.map(read_line).collect::<Option<_>>()?;
    (answers.len() == count).then_some(Done { epoch, answers })
}

fn read_line(line: &str) -> Option<Result<Logged, AppendError>> {
    let mut words = line.split(' ');
    let duplicate = match words.next()? {
        "ok" => false,
        "dup" => true,
        "not_found" => return Some(Err(AppendError::NotFound)),
        "forbidden" => return Some(Err(AppendError::Forbidden)),
        "emoji" => return Some(Err(AppendError::TooManyEmoji)),
        _ => return None,
    };
    Some(Ok(Logged { seq: words.next()?.parse().ok()?, ts: words.next()?.parse().ok()?, duplicate }))
}

/// An entry as the log holds it.
pub(super) fn read_entry(json: &str) -> Option<Entry> {
    serde_json::from_str(json).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::protocol::{
        entry::Message,
        envelope::{Body, Channel, Envelope},
        ids::{InstanceId, UserId},
    };

    fn said(text: &str) -> EntryBody {
        EntryBody::Message(Message {
            id: MessageId::parse("m1").unwrap(),
            from: Arc::new(User { id: UserId::account("ana"), name: "A\"na".into(), role: Role::Member }),
            text: text.into(),
            key: Some("k".into()),
            reply_to: None,
            instance: InstanceId::parse("api-1").unwrap(),
            deleted: false,
        })
    }

    #[test]
    fn answers_are_read() {
        let done = read("e1\nok 5 1000\ndup 4 900\nnot_found\nforbidden\nemoji", 5).unwrap();
        assert_eq!(done.epoch, Epoch::parse("e1").unwrap());
        assert_eq!(
            done.answers,
            [
                Ok(Logged { seq: 5, ts: 1_000, duplicate: false }),
                Ok(Logged { seq: 4, ts: 900, duplicate: true }),
                Err(AppendError::NotFound),
                Err(AppendError::Forbidden),
                Err(AppendError::TooManyEmoji),
            ]
        );
        for bad in ["", "e1", "e1\nok 5", "e1\nok 5 x", "e1\nwhat", "e1\nok 5 1000\nok 6 1000", "no epoch!\nok 5 1"] {
            assert_eq!(read(bad, 1), None, "{bad:?}");
        }
    }

    #[test]
    fn what_the_script_puts_together_is_a_frame() {
        let room = RoomName::global();
        for body in [
            said("hi \"you\"\n🎈"),
            EntryBody::Deleted {
                message_id: MessageId::parse("m1").unwrap(),
                by: Arc::new(User { id: UserId::account("ana"), name: "Ana".into(), role: Role::Admin }),
            },
        ] {
            let json = unnumbered(&room, &body) + r#","seq":7,"ts":8}"#;
            let entry = read_entry(&json).unwrap();
            assert_eq!((&entry.body, entry.seq, entry.ts), (&body, 7, 8));
            // The bytes of a page are counted on this form.
            assert_eq!(serde_json::to_string(&entry).unwrap(), json);
            let frame = format!("{}e1\",\"entries\":[{json}]}}", frame_start("api-1#0000000a", 3, "entries"));
            let envelope = Envelope::parse(frame.as_bytes(), Channel::Room(&room)).unwrap();
            assert_eq!(envelope.id, 3);
            assert_eq!(envelope.body, Body::Entries { epoch: Epoch::parse("e1").unwrap(), entries: vec![entry] });
        }
    }

    #[test]
    fn the_script_finds_a_message_by_how_its_entry_starts() {
        assert!(unnumbered(&RoomName::global(), &said("x")).starts_with(r#"{"type":"message","id":"m1","#));
    }
}
