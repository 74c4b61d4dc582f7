//! Reading the log: what follows a position, snapshots, pages.

use std::sync::Arc;

use fred::{error::Error, types::Value};
use serde::Deserialize;
use tracing::warn;

use super::{
    EMPTY_ROOM_MS,
    append::{failed, read_entry},
    fresh_epoch,
};
use crate::{
    broker::{
        Page, ReadLimit, Recovery, Unavailable,
        redis::{context::Context, keys::RoomKeys, scripts},
    },
    protocol::{
        command::Cursor,
        entry::{Entry, EntryBody, MessageState, Reactors},
        ids::{Epoch, Millis, Position, RoomName, Seq, UserId},
    },
};

/// Bytes of messages in one page at most: what a client's queue holds (PROTOCOL section 6).
const MAX_PAGE_BYTES: usize = 256 * 1024;
/// What one emoji in use takes of it at most, about.
const REACTION_BYTES: usize = 80;
/// Entries a script looks at for one page: about a millisecond of Redis.
const LOOK: usize = 2_000;
/// Runs of the script for one page; with so few messages among so many entries, a page says that there is more.
const RUNS: usize = 50;
/// Entries a script looks at for a snapshot, which has to be of one moment.
const SNAPSHOT_LOOK: usize = 5_000;

/// A log as the script found it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) epoch: Epoch,
    pub(super) head: Seq,
    pub(super) trimmed: Seq,
    pub(super) what: What,
}

/// What was read.
#[derive(Debug)]
pub(super) enum What {
    /// Entries up to `overlap` before the position and after it.
    Entries { since: Seq, entries: Vec<Entry> },
    /// The last messages, oldest first.
    Messages(Vec<MessageState>),
}

impl Found {
    /// As those who asked for no overlap understand it.
    pub(super) fn recovery(self) -> Recovery {
        let Found { epoch, head, what, .. } = self;
        match what {
            What::Entries { since, entries } => {
                let seq = entries.last().map_or(since, |entry| entry.seq);
                Recovery::Resumed { position: Position { epoch, seq }, entries, more: seq < head }
            }
            What::Messages(messages) => Recovery::Snapshot { position: Position { epoch, seq: head }, messages },
        }
    }
}

/// What follows `since` if the log covers it, with up to `overlap` entries before, else the last messages.
pub(super) async fn recover(
    context: &Context,
    room: &RoomName,
    since: Option<&Position>,
    overlap: usize,
    limit: ReadLimit,
) -> Result<Found, Unavailable> {
    let keys = RoomKeys(room);
    let number = |number: usize| Value::from(number.to_string());
    let args: Vec<Value> = vec![
        fresh_epoch().as_str().into(),
        EMPTY_ROOM_MS.to_string().into(),
        since.map_or("", |since| since.epoch.as_str()).into(),
        since.map_or(0, |since| since.seq).to_string().into(),
        number(overlap),
        number(limit.entries),
        number(limit.bytes),
        number(limit.messages),
        number(MAX_PAGE_BYTES),
        number(SNAPSHOT_LOOK),
    ];
    let names = keys.life().to_vec();
    let answer: Result<Vec<String>, Error> = scripts::run(&scripts::RECOVER, &context.clients.data, names, args).await;
    let answer = answer.map_err(|error| unavailable(context, room, &error))?;
    found(room, since, &answer).ok_or_else(|| malformed(room))
}

/// Reads the answer of the script.
fn found(room: &RoomName, since: Option<&Position>, answer: &[String]) -> Option<Found> {
    let [kind, epoch, head, trimmed, rest @ ..] = answer else { return None };
    let what = if kind == "resumed" {
        let entries = rest.iter().map(|json| read_entry(json)).collect::<Option<_>>()?;
        What::Entries { since: since?.seq, entries }
    } else {
        let mut messages = read_messages(room, rest)?;
        fit(&mut messages);
        messages.reverse();
        What::Messages(messages)
    };
    Some(Found { epoch: Epoch::parse(epoch).ok()?, head: head.parse().ok()?, trimmed: trimmed.parse().ok()?, what })
}

/// A page of messages as they are now, oldest first.
pub(super) async fn history(
    context: &Context,
    room: &RoomName,
    cursor: Cursor,
    limit: usize,
) -> Result<Page, Unavailable> {
    let (mut from, step, forward) = match cursor {
        Cursor::Latest {} => (Seq::MAX, "-1", false),
        Cursor::Before(seq) => (seq, "-1", false),
        Cursor::After(seq) => (seq, "1", true),
    };
    let keys = RoomKeys(room);
    let (mut messages, mut more) = (Vec::new(), true);
    for _ in 0..RUNS {
        let left = limit.saturating_sub(messages.len());
        let args: Vec<Value> =
            [from.to_string(), step.to_owned(), left.to_string(), MAX_PAGE_BYTES.to_string(), LOOK.to_string()]
                .map(Value::from)
                .into();
        let names = vec![keys.meta(), keys.log(), keys.state()];
        let answer: Result<Vec<String>, Error> = scripts::run(&scripts::PAGE, &context.clients.data, names, args).await;
        let answer = answer.map_err(|error| unavailable(context, room, &error))?;
        let (next, found) = answer.split_first().ok_or_else(|| malformed(room))?;
        messages.extend(read_messages(room, found).ok_or_else(|| malformed(room))?);
        match next.as_str() {
            "more" => break,
            "end" => {
                more = false;
                break;
            }
            at => from = at.parse().map_err(|_| malformed(room))?,
        }
    }
    more |= fit(&mut messages);
    if !forward {
        messages.reverse();
    }
    Ok(Page { messages, more })
}

/// What a message is now that was edited or reacted to.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct State {
    text: Option<Arc<str>>,
    edited_ts: Option<Millis>,
    reactions: Vec<(Box<str>, Vec<UserId>)>,
}

/// Messages from entries, each followed by its state.
fn read_messages(room: &RoomName, pairs: &[String]) -> Option<Vec<MessageState>> {
    pairs.chunks_exact(2).map(|pair| read_message(room, &pair[0], &pair[1])).collect()
}

fn read_message(room: &RoomName, entry: &str, state: &str) -> Option<MessageState> {
    let Entry { body: EntryBody::Message(mut message), seq, ts, .. } = read_entry(entry)? else { return None };
    let state: State = if state.is_empty() { State::default() } else { serde_json::from_str(state).ok()? };
    if let Some(text) = state.text {
        message.text = text;
    }
    let reactions = state.reactions.into_iter().map(|(emoji, users)| Reactors { emoji, users }).collect();
    Some(MessageState { room: room.clone(), seq, ts, message, edited_ts: state.edited_ts, reactions })
}

/// Cuts a page to its size in bytes; the first message stays whatever its own. Answers whether something was cut.
fn fit(messages: &mut Vec<MessageState>) -> bool {
    let mut bytes = 0;
    let too_much = messages.iter().position(|state| {
        // The contract's types have no fallible parts.
        let message = serde_json::to_string(&state.message).map_or(0, |json| json.len());
        bytes += message + state.reactions.len() * REACTION_BYTES;
        bytes > MAX_PAGE_BYTES
    });
    let Some(too_much) = too_much else { return false };
    let fit = too_much.max(1);
    let cut = fit < messages.len();
    messages.truncate(fit);
    cut
}

pub(super) fn unavailable(context: &Context, room: &RoomName, error: &Error) -> Unavailable {
    failed(context, room, error);
    Unavailable
}

fn malformed(room: &RoomName) -> Unavailable {
    warn!(%room, "the log holds what is no entry");
    Unavailable
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = r#"{"type":"message","id":"m1","from":{"id":"m:ana","name":"Ana","role":"member"},"text":"hi","instance":"a","room":"global","seq":3,"ts":4}"#;

    fn answer(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_message_is_read_with_its_state() {
        let room = RoomName::global();
        let state = r#"{"text":"ho","editedTs":9,"edits":[4],"reactions":[["👍",["m:ana","m:bob"]]]}"#;
        let message = read_message(&room, SAID, state).unwrap();
        assert_eq!((&*message.message.text, message.edited_ts, message.seq, message.ts), ("ho", Some(9), 3, 4));
        assert_eq!(message.reactions[0].users.len(), 2);
        let plain = read_message(&room, SAID, "").unwrap();
        assert_eq!((&*plain.message.text, plain.edited_ts, plain.reactions.len()), ("hi", None, 0));
        assert!(read_message(&room, "no entry", "").is_none());
        assert!(read_message(&room, SAID, "no state").is_none());
    }

    #[test]
    fn answers_of_the_script_are_read() {
        let room = RoomName::global();
        let since = Position { epoch: Epoch::parse("e1").unwrap(), seq: 2 };
        let resumed = found(&room, Some(&since), &answer(&["resumed", "e1", "4", "0", SAID])).unwrap().recovery();
        let Recovery::Resumed { position, entries, more } = resumed else { panic!("{resumed:?}") };
        assert_eq!((position.seq, entries.len(), more), (3, 1, true));
        let nothing = found(&room, Some(&since), &answer(&["resumed", "e1", "2", "0"])).unwrap().recovery();
        assert_eq!(nothing, Recovery::Resumed { position: since, entries: Vec::new(), more: false });
        let later = SAID.replace(r#""seq":3"#, r#""seq":5"#);
        let snapshot = found(&room, None, &answer(&["snapshot", "e1", "6", "1", &later, "", SAID, ""]));
        let Recovery::Snapshot { position, messages } = snapshot.unwrap().recovery() else { panic!("resumed") };
        assert_eq!((position.seq, messages.iter().map(|m| m.seq).collect::<Vec<_>>()), (6, vec![3, 5]));
        for bad in
            [&[][..], &["snapshot", "e1", "6"], &["snapshot", "e1", "x", "0"], &["resumed", "e1", "1", "0", "{}"]]
        {
            assert!(found(&room, None, &answer(bad)).is_none());
        }
    }

    #[test]
    fn pages_are_cut_to_their_bytes() {
        let room = RoomName::global();
        let long = SAID.replace("hi", &"x".repeat(MAX_PAGE_BYTES / 3));
        let read = |entry: &str| read_message(&room, entry, "").unwrap();
        let mut page = vec![read(&long), read(&long), read(&long)];
        assert!(fit(&mut page));
        assert_eq!(page.len(), 2);
        assert!(!fit(&mut page));
        let mut huge = vec![read(&SAID.replace("hi", &"x".repeat(MAX_PAGE_BYTES))), read(SAID)];
        assert!(fit(&mut huge));
        assert_eq!(huge.len(), 1, "the first is given whatever its size");
    }
}
