//! What clients change of what they said, and what each shows of it.
//!
//! Each client changes only messages of its own, one after the other, each text and emoji used once, and takes nothing
//! back: so what a message has to be in the end is known, but for changes whose answer did not come.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Kind, Ledger, Violation};

/// A message with so many is left alone: the contract's limit is 20, and some may be there that were not acked.
const MOST_EMOJI: usize = 10;

/// What is done to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Edit(String),
    Delete,
    React(String),
}

impl Change {
    /// The kind of its entry.
    fn entry(&self) -> &'static str {
        match self {
            Self::Edit(_) => "edited",
            Self::Delete => "deleted",
            Self::React(_) => "reaction",
        }
    }
}

/// A change that is not answered.
#[derive(Debug)]
pub(super) struct Changing {
    command: u64,
    room: String,
    id: String,
    change: Change,
}

/// What a message has to be.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// The text that was acked last, if any was; and those that may have become it.
    text: Option<String>,
    maybe: Vec<String>,
    delete_asked: bool,
    deleted: bool,
    reactions: BTreeSet<String>,
}

/// A message as a client shows it. What it is told comes in any order: pages are older than what is live.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    text: String,
    /// When it was edited; 0 for never.
    edited: u64,
    deleted: bool,
    reactions: BTreeSet<String>,
}

impl Shown {
    /// Takes an entry about it.
    pub(super) fn take(&mut self, entry: &Value) {
        let ts = |field: &str| entry[field].as_u64().unwrap_or_default();
        let emojis = entry["reactions"].as_array().into_iter().flatten().filter_map(|each| each["emoji"].as_str());
        self.reactions.extend(emojis.map(str::to_owned));
        match entry["type"].as_str().unwrap_or_default() {
            "message" => self.say(entry, ts("editedTs")),
            "edited" => self.say(entry, ts("ts")),
            "deleted" => self.deleted = true,
            "reaction" => {
                self.reactions.extend(entry["emoji"].as_str().map(str::to_owned));
            }
            _ => {}
        }
        if self.deleted {
            *self = Self { deleted: true, ..Self::default() };
        }
    }

    fn say(&mut self, entry: &Value, edited: u64) {
        if entry["deleted"] == true {
            // The text is gone from the log, and the deletion follows, if it is not in this already.
        } else if edited >= self.edited {
            self.text = entry["text"].as_str().unwrap_or_default().to_owned();
            self.edited = edited;
        }
        self.deleted |= entry["type"] == "message" && entry["deleted"] == true;
    }
}

impl Ledger {
    /// The messages of a client in a room that it may change: its own that it sees with a number and did not delete.
    pub(crate) fn changeable(&self, client: usize, room: &str) -> Vec<String> {
        let view = &self.members[client].rooms[room];
        let own = self.said.values().filter(|said| said.client == client && said.room == room);
        let ids = own.filter_map(|said| said.id.clone()).filter(|id| view.timeline.contains(id));
        let may = |wanted: &Wanted| !wanted.delete_asked && wanted.reactions.len() < MOST_EMOJI;
        let mut ids: Vec<_> = ids.filter(|id| self.wanted.get(id).is_none_or(may)).collect();
        ids.sort_unstable();
        ids
    }

    /// A client asks for a change as the command `command` of its connection; one at a time.
    pub(crate) fn changes(&mut self, client: usize, command: u64, room: &str, id: &str, change: Change) {
        let wanted = self.wanted.entry(id.into()).or_default();
        match &change {
            Change::Edit(text) => wanted.maybe.push(text.clone()),
            Change::Delete => wanted.delete_asked = true,
            Change::React(_) => {}
        }
        self.members[client].changing = Some(Changing { command, room: room.into(), id: id.into(), change });
    }

    /// An answer came; gives false if it is none to a change.
    pub(super) fn change_answered(&mut self, client: usize, answer: &Value) -> bool {
        let member = &mut self.members[client];
        let Some(changing) = member.changing.take_if(|changing| answer["id"] == changing.command) else { return false };
        let Changing { room, id, change, .. } = changing;
        if answer["type"] == "error" {
            if matches!(answer["code"].as_str(), Some("unavailable" | "rate_limited")) {
                self.counts.refused += 1;
            } else {
                self.violation(Kind::Refused, format!("client {client}: {change:?} of {id}: {answer}"));
            }
            return true;
        }
        self.counts.changed += 1;
        let what = format!("{} {id}", change.entry());
        let wanted = self.wanted.entry(id).or_default();
        match change {
            Change::Edit(text) => {
                wanted.maybe.retain(|maybe| *maybe != text);
                wanted.text = Some(text);
            }
            Change::Delete => wanted.deleted = true,
            Change::React(emoji) => drop(wanted.reactions.insert(emoji)),
        }
        if answer["duplicate"] == false
            && let Some(seq) = answer["seq"].as_u64()
        {
            self.logs.entry(room).or_default().changed.insert(seq, what);
        }
        true
    }

    /// Changes that do not show, or not to all the same.
    pub(super) fn unchanged(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut add = |kind, what| found.push(Violation { kind, what });
        for (room, log) in &self.logs {
            for (seq, change) in &log.changed {
                let mut epochs = log.epochs.iter();
                if !epochs.any(|epoch| log.entries.get(&(epoch.clone(), *seq)) == Some(change)) {
                    add(Kind::Lost, format!("{room}: {change} is not at {seq}"));
                }
            }
        }
        let mut first = self.members.iter().filter(|member| !member.gone);
        let Some(one) = first.next() else { return found };
        for (client, member) in self.members.iter().enumerate().filter(|(_, member)| !member.gone) {
            for (room, view) in &member.rooms {
                for (id, shown) in view.messages.iter().filter(|(id, _)| view.timeline.contains(*id)) {
                    let others = one.rooms[room].messages.get(id);
                    if others.is_some_and(|others| others != shown) {
                        add(Kind::Changed, format!("client {client}, {room}: {id} is {shown:?} and {others:?}"));
                    }
                    if let Some(wanted) = self.wanted.get(id).filter(|wanted| !wanted.allows(shown)) {
                        add(Kind::Changed, format!("client {client}, {room}: {id} is {shown:?}, not {wanted:?}"));
                    }
                }
            }
        }
        found
    }
}

impl Wanted {
    fn allows(&self, shown: &Shown) -> bool {
        if shown.deleted {
            return self.delete_asked;
        }
        let text = self.text.as_ref().is_none_or(|text| shown.text == *text || self.maybe.contains(&shown.text));
        !self.deleted && text && self.reactions.is_subset(&shown.reactions)
    }
}
