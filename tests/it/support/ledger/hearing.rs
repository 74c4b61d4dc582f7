//! What a client hears, and what is wrong with it at once.

use serde_json::Value;

use super::{Kind, Ledger, view::Stage};

impl Ledger {
    /// A client heard an event.
    pub(crate) fn heard(&mut self, client: usize, event: &Value) {
        let room = event["room"].as_str().unwrap_or_default().to_owned();
        match event["type"].as_str().unwrap_or_default() {
            "ack" | "error" if self.change_answered(client, event) => {}
            "ack" => self.answered(client, event),
            "error" => self.refused(client, event),
            _ if !self.members[client].rooms.contains_key(&room) => {}
            "joined" => self.joined(client, &room, event),
            "message" if event["seq"].is_null() => self.provisional(client, &room, event),
            "message" | "edited" | "deleted" | "reaction" => self.live(client, &room, event),
            "history" => self.page(client, &room, event),
            "notice" if event["kind"] == "undelivered" => self.undelivered(client, &room, event),
            "who" => self.view(client, &room).listed = event["total"].as_u64(),
            "presence" => self.present(client, &room, event),
            _ => {}
        }
    }

    fn present(&mut self, client: usize, room: &str, counts: &Value) {
        let count = |role: &str| counts[role].as_u64().unwrap_or_default();
        self.view(client, room).present = Some([count("guests"), count("members"), count("admins")]);
    }

    fn joined(&mut self, client: usize, room: &str, event: &Value) {
        self.present(client, room, &event["presence"]);
        let view = self.view(client, room);
        view.shown.clear();
        if event["provisional"] == true {
            view.stage = Stage::Provisional;
            return;
        }
        let (Some(epoch), Some(seq)) = (event["epoch"].as_str(), event["seq"].as_u64()) else {
            return self.violation(Kind::Position, format!("client {client}, {room}: a joined without a position"));
        };
        let none = Vec::new();
        let entries = event["entries"].as_array().unwrap_or(&none);
        let recovered = event["recovered"] == true;
        if recovered {
            self.continued(client, room, epoch, seq, entries);
        } else {
            self.replaced(client, room, epoch, seq, entries);
        }
        let view = self.view(client, room);
        view.position = Some((epoch.into(), seq));
        view.stage = if recovered && event["more"] == true { Stage::Paging } else { Stage::Live };
    }

    /// The raw entries after the client's position, without a hole.
    fn continued(&mut self, client: usize, room: &str, epoch: &str, seq: u64, entries: &[Value]) {
        let at = self.view(client, room).position.clone();
        let Some((_, mut last)) = at.clone().filter(|(known, _)| known == epoch) else {
            let what = format!("client {client}, {room}: recovered in epoch {epoch} from {at:?}");
            return self.violation(Kind::Position, what);
        };
        for entry in entries {
            let number = entry["seq"].as_u64().unwrap_or_default();
            if number != last + 1 {
                let what = format!("client {client}, {room}: recovered {number} after {last} of {epoch}");
                self.violation(Kind::Gap, what);
            }
            last = number;
            self.delivered(client, room, epoch, entry);
        }
        if last != seq {
            let what = format!("client {client}, {room}: recovered up to {last} of {epoch}, told to be at {seq}");
            self.violation(Kind::Position, what);
        }
    }

    /// A fresh copy of the room; the old one is dropped.
    fn replaced(&mut self, client: usize, room: &str, epoch: &str, seq: u64, entries: &[Value]) {
        let view = self.view(client, room);
        view.timeline.clear();
        view.messages.clear();
        view.waiting.clear();
        view.asked = None;
        view.paged.clear();
        view.suspected.clear();
        view.floor = entries.first().and_then(|entry| entry["seq"].as_u64()).filter(|first| *first > 1);
        let had_one = view.position.is_some();
        self.counts.gaps += usize::from(had_one);
        let mut last = 0;
        for entry in entries {
            let number = entry["seq"].as_u64().unwrap_or_default();
            if number <= last || number > seq {
                let what = format!("client {client}, {room}: {number} after {last} in a snapshot at {seq} of {epoch}");
                self.violation(Kind::Position, what);
            }
            last = number;
            self.shown(client, room, epoch, entry);
        }
    }

    /// A page of older messages.
    fn page(&mut self, client: usize, room: &str, event: &Value) {
        let asked = self.view(client, room).asked.take();
        // One that was asked for before the copy was replaced is of another life of the log, and says nothing of this one.
        // A provisional one is from the memory of an instance while the log is away: not all there is.
        if asked.is_none() || asked != event["id"].as_u64() || event["provisional"] == true {
            return;
        }
        let none = Vec::new();
        let entries = event["entries"].as_array().unwrap_or(&none);
        entries.iter().for_each(|entry| self.paged(client, room, entry));
        let first = entries.first().and_then(|entry| entry["seq"].as_u64());
        self.view(client, room).floor = first.filter(|_| event["more"] == true);
    }

    /// An entry of a page. Pages name no epoch: when the log has a new life that the client is yet to be told of, this is
    /// of that one, and what is wrong with it is not wrong at all.
    fn paged(&mut self, client: usize, room: &str, entry: &Value) {
        let (id, what) = subject(entry);
        let view = self.view(client, room);
        view.waiting.remove(&id);
        if !view.timeline.insert(id.clone()) {
            view.suspected.push(format!("client {client}, {room}: message {id} again, in a page"));
        }
        view.paged.push((entry["seq"].as_u64().unwrap_or_default(), what));
        self.identify(room, entry);
        self.numbered(client, entry["key"].as_str().unwrap_or_default());
    }

    /// A logged event, live.
    fn live(&mut self, client: usize, room: &str, event: &Value) {
        let seq = event["seq"].as_u64().unwrap_or_default();
        let view = self.view(client, room);
        let (stage, position) = (view.stage, view.position.clone());
        let Some((epoch, last)) = position.filter(|_| stage == Stage::Live) else {
            return self.violation(Kind::Early, format!("client {client}, {room}: {seq} came while {stage:?}"));
        };
        if seq <= last {
            return self.violation(Kind::Doubled, format!("client {client}, {room}: {seq} after {last} of {epoch}"));
        }
        if seq > last + 1 {
            self.violation(Kind::Gap, format!("client {client}, {room}: {seq} after {last} of {epoch}"));
        }
        self.view(client, room).position = Some((epoch.clone(), seq));
        self.delivered(client, room, &epoch, event);
    }

    /// A numbered entry that came live or recovered.
    fn delivered(&mut self, client: usize, room: &str, epoch: &str, entry: &Value) {
        self.counts.delivered += 1;
        self.shown(client, room, epoch, entry);
    }

    /// A numbered entry that the client has now, however it came.
    fn shown(&mut self, client: usize, room: &str, epoch: &str, entry: &Value) {
        self.logged(room, epoch, entry);
        let about = entry["id"].as_str().or(entry["messageId"].as_str()).unwrap_or_default();
        self.view(client, room).messages.entry(about.into()).or_default().take(entry);
        if entry["type"] != "message" {
            return;
        }
        let id = entry["id"].as_str().unwrap_or_default();
        let view = self.view(client, room);
        view.waiting.remove(id);
        if !view.timeline.insert(id.into()) {
            self.violation(Kind::Doubled, format!("client {client}, {room}: message {id} again"));
        }
        self.identify(room, entry);
        self.numbered(client, entry["key"].as_str().unwrap_or_default());
    }

    /// One order: what stands at a number is the same for all.
    fn logged(&mut self, room: &str, epoch: &str, entry: &Value) {
        let seq = entry["seq"].as_u64().unwrap_or_default();
        let (id, what) = subject(entry);
        let log = self.logs.entry(room.into()).or_default();
        if !log.epochs.contains(epoch) {
            log.epochs.insert(epoch.into());
        }
        let known = log.entries.entry((epoch.into(), seq)).or_insert_with(|| what.clone()).clone();
        let mut also = seq;
        if entry["type"] == "message" {
            also = *log.numbers.entry((epoch.into(), id.clone())).or_insert(seq);
            log.first.entry(id).or_insert_with(|| (epoch.into(), seq));
        }
        if known != what {
            self.violation(Kind::Order, format!("{room}: {seq} of {epoch} is {known} and {what}"));
        } else if also != seq {
            self.violation(Kind::Order, format!("{room}: {what} is at {also} and {seq} of {epoch}"));
        }
    }

    /// A message is what its sender said, and the only one of its key.
    fn identify(&mut self, room: &str, message: &Value) {
        let (Some(key), Some(id)) = (message["key"].as_str(), message["id"].as_str()) else { return };
        let altered = message["deleted"] == true || !message["editedTs"].is_null();
        match self.said.get(key) {
            Some(said) if said.room == room && (altered || message["text"] == said.text.as_str()) => {}
            said => {
                let what = format!("{room}: message {id} of key {key} says {}, not {said:?}", message["text"]);
                self.violation(Kind::Forged, what);
            }
        }
        self.is_message(key, id);
    }

    fn is_message(&mut self, key: &str, id: &str) {
        let Some(said) = self.said.get_mut(key) else { return };
        let known = said.id.get_or_insert_with(|| id.into()).clone();
        if known != id {
            self.violation(Kind::Identity, format!("key {key} is message {known} and {id}"));
        }
    }

    /// The sender has seen the number: it has no more to do.
    fn numbered(&mut self, client: usize, key: &str) {
        self.members[client].outbox.retain(|open| open != key);
    }

    /// A message without a number.
    fn provisional(&mut self, client: usize, room: &str, message: &Value) {
        let Some(id) = message["id"].as_str().map(str::to_owned) else { return };
        let view = self.view(client, room);
        if view.stage == Stage::Away {
            return self.violation(Kind::Early, format!("client {client}, {room}: {id} came while away"));
        }
        if !view.timeline.contains(&id) {
            view.waiting.insert(id.clone());
        }
        if !view.shown.insert(id.clone()) {
            self.violation(Kind::Doubled, format!("client {client}, {room}: provisional {id} again"));
        }
        self.identify(room, message);
    }

    fn answered(&mut self, client: usize, ack: &Value) {
        let key = ack["id"].as_u64().and_then(|id| self.members[client].commands.remove(&id));
        let (Some(key), Some(id)) = (key, ack["messageId"].as_str()) else { return };
        self.is_message(&key, id);
        if ack["provisional"] == true || ack["seq"].is_null() {
            self.counts.provisional += 1;
            return;
        }
        self.numbered(client, &key);
        let log = self.logs.entry(self.said[&key].room.clone()).or_default();
        if log.acked.insert(id.into(), key).is_none() {
            self.counts.acked += 1;
        }
    }

    fn refused(&mut self, client: usize, error: &Value) {
        let Some(key) = error["id"].as_u64().and_then(|id| self.members[client].commands.remove(&id)) else { return };
        if let Some(said) = self.said.get_mut(&key) {
            said.refused = true;
        }
        if matches!(error["code"].as_str(), Some("unavailable" | "rate_limited")) {
            self.counts.refused += 1;
        } else {
            // Not again: the answer would be the same.
            self.numbered(client, &key);
            self.violation(Kind::Refused, format!("client {client}: {key}: {error}"));
        }
    }

    fn undelivered(&mut self, client: usize, room: &str, notice: &Value) {
        let ids = notice["ids"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for id in ids {
            self.counts.undelivered += 1;
            self.view(client, room).waiting.remove(id);
            self.logs.entry(room.into()).or_default().announced.insert(id.into());
            let said = &self.said;
            self.members[client].outbox.retain(|key| said[key].id.as_deref() != Some(id));
        }
    }
}

/// The message that an entry says or is about, and what stands at its number.
fn subject(entry: &Value) -> (String, String) {
    let kind = entry["type"].as_str().unwrap_or_default();
    let id = entry["id"].as_str().or(entry["messageId"].as_str()).unwrap_or_default();
    (id.into(), format!("{kind} {id}"))
}
