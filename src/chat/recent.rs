//! The last messages of one room as they are now, kept up by the entries that come: who joins is answered from here, and
//! a storm of joins costs the log one read.

use std::collections::VecDeque;

use crate::protocol::{
    command::{Cursor, DEFAULT_PAGE},
    entry::{Entry, EntryBody, MessageState, Reactors},
    ids::{MessageId, Millis, Position, Seq, UserId},
};

/// What the messages kept may take as JSON, in bytes, about: a page (PROTOCOL section 3).
const MAX_BYTES: usize = 256 * 1024;
/// What a message takes beside its text, about.
const MESSAGE_BYTES: usize = 400;
/// What one emoji in use takes, about.
const REACTION_BYTES: usize = 80;

/// The last messages, oldest first, as they are at a position.
#[derive(Clone, Debug, PartialEq)]
pub struct Recent {
    position: Position,
    messages: VecDeque<MessageState>,
}

impl Recent {
    /// What the log gave.
    pub fn new(position: Position, messages: Vec<MessageState>) -> Self {
        Self { position, messages: messages.into() }
    }

    /// What they are as of.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// The messages, oldest first.
    pub fn messages(&self) -> impl DoubleEndedIterator<Item = &MessageState> {
        self.messages.iter()
    }

    /// Whether a message is among them.
    pub fn holds(&self, id: &MessageId) -> bool {
        self.messages.iter().rev().any(|state| state.message.id == *id)
    }

    /// Whether [`Recent::forget_before`] would change anything.
    pub fn reaches_before(&self, first: Seq, since: Millis) -> bool {
        self.messages.front().is_some_and(|oldest| oldest.seq < first || oldest.ts < since)
    }

    /// Lets go of the messages below a number, and of those from before a time: retention took them from the log.
    pub fn forget_before(&mut self, first: Seq, since: Millis) {
        while self.reaches_before(first, since) {
            self.messages.pop_front();
        }
    }

    /// A page of them, oldest first, and whether there may be more in that direction.
    pub fn page(&self, cursor: Cursor, limit: usize) -> (Vec<MessageState>, bool) {
        let in_range = |state: &&MessageState| match cursor {
            Cursor::Latest {} => true,
            Cursor::Before(seq) => state.seq < seq,
            Cursor::After(seq) => state.seq > seq,
        };
        let found: Vec<_> = self.messages.iter().filter(in_range).cloned().collect();
        let cut = found.len().saturating_sub(limit);
        match cursor {
            Cursor::After(_) => (found.into_iter().take(limit).collect(), cut > 0),
            Cursor::Latest {} | Cursor::Before(_) => {
                let older = self.messages.front().is_some_and(|first| first.seq > 1);
                (found.into_iter().skip(cut).collect(), cut > 0 || older)
            }
        }
    }

    /// Takes the entry that follows the position; any other changes nothing, and is answered `false`.
    pub fn apply(&mut self, entry: &Entry) -> bool {
        if entry.seq != self.position.seq + 1 {
            return false;
        }
        self.position.seq = entry.seq;
        match &entry.body {
            EntryBody::Message(message) => {
                self.messages.push_back(MessageState {
                    room: entry.room.clone(),
                    seq: entry.seq,
                    ts: entry.ts,
                    message: message.clone(),
                    edited_ts: None,
                    reactions: Vec::new(),
                });
                self.trim();
            }
            EntryBody::Edited { message_id, text, .. } => {
                if let Some(state) = self.find(message_id) {
                    state.message.text = text.clone();
                    state.edited_ts = Some(entry.ts);
                }
            }
            EntryBody::Deleted { message_id, .. } => {
                if let Some(state) = self.find(message_id) {
                    state.message.text = "".into();
                    state.message.deleted = true;
                    state.edited_ts = None;
                    state.reactions.clear();
                }
            }
            EntryBody::Reaction { message_id, emoji, on, by } => {
                if let Some(state) = self.find(message_id) {
                    react(&mut state.reactions, emoji, &by.id, *on);
                }
            }
        }
        true
    }

    fn find(&mut self, id: &MessageId) -> Option<&mut MessageState> {
        self.messages.iter_mut().rev().find(|state| state.message.id == *id)
    }

    fn trim(&mut self) {
        let cost =
            |state: &MessageState| state.message.text.len() + MESSAGE_BYTES + state.reactions.len() * REACTION_BYTES;
        let mut bytes: usize = self.messages.iter().map(cost).sum();
        while self.messages.len() > DEFAULT_PAGE || (bytes > MAX_BYTES && self.messages.len() > 1) {
            bytes -= self.messages.pop_front().as_ref().map_or(0, cost);
        }
    }
}

/// Puts a user's reaction on or takes it off; an emoji that nobody has on any more goes.
fn react(reactions: &mut Vec<Reactors>, emoji: &str, user: &UserId, on: bool) {
    let known = reactions.iter().position(|reactors| &*reactors.emoji == emoji);
    match (known, on) {
        (Some(at), true) => reactions[at].users.push(user.clone()),
        (None, true) => reactions.push(Reactors { emoji: emoji.into(), users: vec![user.clone()] }),
        (Some(at), false) => {
            reactions[at].users.retain(|reactor| reactor != user);
            if reactions[at].users.is_empty() {
                reactions.remove(at);
            }
        }
        (None, false) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{
        entry::Message,
        ids::{Epoch, InstanceId, RoomName},
        user::{Role, User},
    };
    use std::sync::Arc;

    fn ana() -> Arc<User> {
        Arc::new(User { id: UserId::account("ana"), name: "Ana".into(), role: Role::Member })
    }

    fn id(n: Seq) -> MessageId {
        MessageId::parse(&format!("m{n}")).unwrap()
    }

    fn entry(seq: Seq, body: EntryBody) -> Entry {
        Entry { body, room: RoomName::global(), seq, ts: 1_000 + seq }
    }

    fn said(seq: Seq, text: &str) -> Entry {
        let instance = InstanceId::parse("api-1").unwrap();
        let message = Message {
            id: id(seq),
            from: ana(),
            text: text.into(),
            key: None,
            reply_to: None,
            instance,
            deleted: false,
        };
        entry(seq, EntryBody::Message(message))
    }

    fn fresh() -> Recent {
        Recent::new(Position { epoch: Epoch::from_random(1), seq: 0 }, Vec::new())
    }

    #[test]
    fn messages_are_as_they_are_now() {
        let mut recent = fresh();
        let emoji = |on| EntryBody::Reaction { message_id: id(1), emoji: "👍".into(), on, by: ana() };
        let edited = EntryBody::Edited { message_id: id(1), text: "two".into(), by: ana(), deleted: false };
        for entry in [said(1, "one"), said(2, "x"), entry(3, edited), entry(4, emoji(true))] {
            assert!(recent.apply(&entry));
        }
        let first = recent.messages().next().unwrap();
        assert_eq!((&*first.message.text, first.edited_ts, first.reactions.len()), ("two", Some(1_003), 1));
        assert!(recent.apply(&entry(5, emoji(false))));
        assert!(recent.messages().next().unwrap().reactions.is_empty());
        assert!(recent.apply(&entry(6, EntryBody::Deleted { message_id: id(1), by: ana() })));
        let first = recent.messages().next().unwrap();
        assert!(first.message.deleted && first.message.text.is_empty() && first.edited_ts.is_none());
        assert!(recent.holds(&id(1)) && !recent.holds(&id(3)));
        assert_eq!(recent.position().seq, 6);
    }

    #[test]
    fn only_the_next_entry_is_taken() {
        let mut recent = fresh();
        assert!(!recent.apply(&said(2, "x")));
        assert!(recent.apply(&said(1, "x")));
        assert!(!recent.apply(&said(1, "x")));
        assert_eq!((recent.position().seq, recent.messages().count()), (1, 1));
    }

    #[test]
    fn pages_go_both_ways() {
        let mut recent = fresh();
        for seq in 1..=5 {
            recent.apply(&said(seq, "x"));
        }
        let page = |cursor, limit| {
            let (messages, more) = recent.page(cursor, limit);
            (messages.iter().map(|state| state.seq).collect::<Vec<_>>(), more)
        };
        assert_eq!(page(Cursor::Latest {}, 2), (vec![4, 5], true));
        assert_eq!(page(Cursor::Before(4), 9), (vec![1, 2, 3], false));
        assert_eq!(page(Cursor::After(1), 2), (vec![2, 3], true));
        assert_eq!(page(Cursor::After(5), 2), (vec![], false));
    }

    #[test]
    fn what_retention_took_is_forgotten() {
        let numbers = |recent: &Recent| recent.messages().map(|state| state.seq).collect::<Vec<_>>();
        let mut recent = fresh();
        for seq in 1..=6 {
            recent.apply(&said(seq, "x"));
        }
        assert!(!recent.reaches_before(1, 1_001));
        recent.forget_before(3, 0);
        assert_eq!(numbers(&recent), [3, 4, 5, 6]);
        assert!(recent.reaches_before(0, 1_005));
        recent.forget_before(0, 1_005);
        assert_eq!((numbers(&recent), recent.position().seq), (vec![5, 6], 6));
        recent.forget_before(7, 0);
        assert!(recent.apply(&said(7, "x")), "it goes on");
        assert_eq!(numbers(&recent), [7]);
    }

    #[test]
    fn it_holds_a_page_and_no_more() {
        let mut recent = fresh();
        for seq in 1..=60 {
            recent.apply(&said(seq, "x"));
        }
        assert_eq!(recent.messages().count(), DEFAULT_PAGE);
        assert_eq!(recent.messages().next().unwrap().seq, 11);
        let long = "x".repeat(100_000);
        for seq in 61..=64 {
            recent.apply(&said(seq, &long));
        }
        assert_eq!(recent.messages().count(), 2);
    }
}
