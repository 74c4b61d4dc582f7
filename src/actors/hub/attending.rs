//! Presence, typing, read markers, and the grace of lost connections.

use std::collections::{HashMap, VecDeque};

use super::{Grace, Hub, Waiting};
use crate::{
    actors::{
        encode,
        messages::{ConnectionId, Question, RoomKey, Tell},
    },
    broker::{Link, PresenceChange, PresenceOutcome, Unavailable},
    chat::attendance::Change,
    protocol::{
        command::RequestId,
        envelope::Telling,
        event::{Ack, Event, LeaveReason},
        ids::{Millis, RoomName, Seq, UserId},
    },
};

/// `typing` passes once per user and so long (PROTOCOL section 3).
const TYPING_INTERVAL_MS: Millis = 3_000;
/// `read` passes once per user and so long (PROTOCOL section 3).
const READ_INTERVAL_MS: Millis = 2_000;

impl Hub {
    /// A connection no longer stands in a room. One that was lost counts on for the grace, one that is expected on another
    /// instance until then.
    pub(super) fn depart(&mut self, key: RoomKey, user: &UserId, reason: LeaveReason, back_by: Option<Millis>) {
        let until = self.elapsed() + self.config.grace_ms;
        let draining = self.draining.is_some();
        let Some(room) = self.room_mut(key) else { return };
        if reason == LeaveReason::Lost && !draining {
            room.graces += 1;
            self.graces.push_back(Grace { until, room: key, user: user.clone() });
        } else {
            room.attendance.leave_until(user, reason, back_by);
            self.unsettled.push(key);
        }
    }

    /// Tells the store who came and went in each room since the last time.
    pub(super) fn collect_presence(&mut self) {
        self.end_graces();
        let now = self.elapsed();
        let mut keys = std::mem::take(&mut self.unsettled);
        keys.sort_unstable();
        keys.dedup();
        if !keys.is_empty() {
            self.metrics.presence_flush.inc();
        }
        for key in keys {
            let Some(room) = self.room_mut(key) else { continue };
            room.typing.sweep(TYPING_INTERVAL_MS, now);
            room.reading.sweep(READ_INTERVAL_MS, now);
            let page_kept = room.age_page();
            if room.track.settled().is_none() {
                self.read_log(key);
            }
            self.tell_presence(key, true);
            if page_kept {
                self.unsettled.push(key);
            }
        }
    }

    /// Tells the store who came to and went from a room. Everyone else hears of it when a collection is `due`; in between
    /// it is told only for those who ask who is there.
    pub(super) fn tell_presence(&mut self, key: RoomKey, due: bool) {
        let now = self.elapsed();
        let Some(room) = self.room_mut(key) else { return };
        if room.presence_asked {
            return self.unsettled.push(key);
        }
        let changes = room.attendance.collect();
        if changes.is_empty() {
            if due {
                self.announce(key);
                self.sweep_room(key);
            }
            return;
        }
        room.presence_asked = true;
        let told = changes.iter().map(|change| PresenceChange {
            user: change.user.clone(),
            present: change.present,
            away_ms: change.back_by.map_or(0, |by| by.saturating_sub(now)),
        });
        let question = Question::Presence { room: room.name.clone(), changes: told.collect() };
        let asked = self.ask(question, Waiting::Presence { room: key, changes, due });
        self.asked_about(key, asked);
    }

    /// The store has heard, or could not.
    pub(super) fn presence_was_told(
        &mut self,
        key: RoomKey,
        changes: Vec<Change>,
        outcome: Result<PresenceOutcome, Unavailable>,
        due: bool,
    ) {
        let Ok(PresenceOutcome { entered, left, counts, counted_at }) = outcome else {
            self.presence_failed(key, changes);
            if due {
                self.announce(key);
            }
            return;
        };
        let Some(room) = self.room_mut(key) else { return };
        room.presence_asked = false;
        let reasons: HashMap<_, _> = changes.iter().map(|change| (&change.user.id, change.reason)).collect();
        let left = left.into_iter().map(|user| {
            let reason = reasons.get(&user.id).copied().unwrap_or(LeaveReason::Lost);
            (user, reason)
        });
        let left: Vec<_> = left.collect();
        let name = room.name.clone();
        room.came_and_went(counts, counted_at, &entered, &left);
        self.tell(name, Telling::Presence { counts, counted_at, entered, left });
        if due {
            self.announce(key);
        } else {
            self.unsettled.push(key);
        }
    }

    /// Another instance tells what passes in a room.
    pub(super) fn told(&mut self, name: &RoomName, telling: Telling) {
        let Some(&key) = self.names.get(name) else { return };
        let (now, detail_limit) = (self.elapsed(), self.config.detail_limit);
        let Some(room) = self.room_mut(key) else { return };
        let told = room.attendance.counts().total() <= detail_limit;
        match telling {
            Telling::Presence { counts, counted_at, entered, left } => {
                room.came_and_went(counts, counted_at, &entered, &left);
                if now.saturating_sub(room.announced_at) >= self.config.presence_debounce_ms {
                    // It was collected where it happened.
                    self.announce(key);
                } else {
                    self.unsettled.push(key);
                }
            }
            Telling::Typing { user } if told && room.typing.pass(&user.id, TYPING_INTERVAL_MS, now) => {
                self.broadcast(key, &encode::ephemeral(&Event::Typing { room: name.clone(), user }));
            }
            Telling::Read { user, seq } if told && room.reading.pass(&user.id, READ_INTERVAL_MS, now) => {
                self.broadcast(key, &encode::ephemeral(&Event::Read { room: name.clone(), user, seq }));
            }
            Telling::Typing { .. } | Telling::Read { .. } => {}
        }
    }

    /// Lets the other instances know; with a full bridge they do without.
    fn tell(&self, room: RoomName, telling: Telling) {
        if !self.alone {
            let _ = self.bridge.try_send(Tell { room, telling });
        }
    }

    /// Tells everyone in a room how many they are, if that is not what they were told last, and who came and went.
    fn announce(&mut self, key: RoomKey) {
        let (now, detail_limit, stale) = (self.elapsed(), self.config.detail_limit, self.link == Link::Down);
        let Some(room) = self.room_mut(key) else { return };
        let (name, before, counts) = (room.name.clone(), room.announced, room.attendance.counts());
        let (entered, gone) = (std::mem::take(&mut room.entered), std::mem::take(&mut room.left));
        let tell_counts = before != counts || room.told_otherwise;
        room.announced = counts;
        room.told_otherwise = false;
        if tell_counts || !entered.is_empty() || !gone.is_empty() {
            room.announced_at = now;
        }
        if tell_counts {
            let event = Event::Presence { room: name.clone(), counts, stale };
            self.broadcast(key, &encode::ephemeral(&event));
        }
        // Before and after: when a large room empties at once, nobody wants to hear of each.
        if before.total().max(counts.total()) > detail_limit {
            return;
        }
        if !entered.is_empty() {
            let event = Event::Entered { room: name.clone(), users: entered.into_values().collect() };
            self.broadcast(key, &encode::ephemeral(&event));
        }
        let mut left: HashMap<LeaveReason, Vec<_>> = HashMap::new();
        for (user, reason) in gone.into_values() {
            left.entry(reason).or_default().push(user);
        }
        for (reason, users) in left {
            let event = Event::Left { room: name.clone(), users, reason };
            self.broadcast(key, &encode::ephemeral(&event));
        }
    }

    /// What the store did not hear is told again with the next collection.
    pub(super) fn presence_failed(&mut self, key: RoomKey, changes: Vec<Change>) {
        if let Some(room) = self.room_mut(key) {
            room.presence_asked = false;
            room.attendance.failed(changes);
            self.unsettled.push(key);
        }
    }

    fn end_graces(&mut self) {
        let now = self.elapsed();
        // All graces are as long, so the first to end is in front.
        while let Some(grace) = self.graces.pop_front_if(|grace| grace.until <= now) {
            self.end_grace(&grace, LeaveReason::Lost);
        }
    }

    /// Ends the graces of somebody who was sent away meanwhile.
    pub(super) fn end_graces_of(&mut self, user: &UserId, reason: LeaveReason) {
        let (ended, rest): (VecDeque<_>, _) =
            std::mem::take(&mut self.graces).into_iter().partition(|grace| grace.user == *user);
        self.graces = rest;
        ended.iter().for_each(|grace| self.end_grace(grace, reason));
    }

    fn end_grace(&mut self, grace: &Grace, reason: LeaveReason) {
        if let Some(room) = self.room_mut(grace.room) {
            room.graces -= 1;
            room.attendance.leave(&grace.user, reason);
            self.unsettled.push(grace.room);
        }
    }

    /// Takes a `typing`.
    pub(super) fn typing(&mut self, connection: ConnectionId, id: Option<RequestId>, name: RoomName) {
        let (key, user) = match self.joined(connection, &name) {
            Ok((key, known)) => (key, known.user.clone()),
            Err(refusal) => return self.refuse(connection, id, Some(name), refusal),
        };
        let (now, detail_limit) = (self.elapsed(), self.config.detail_limit);
        if let Some(room) = self.room_mut(key)
            && room.attendance.counts().total() <= detail_limit
            && room.typing.pass(&user.id, TYPING_INTERVAL_MS, now)
        {
            self.broadcast(key, &encode::ephemeral(&Event::Typing { room: name.clone(), user: user.clone() }));
            self.tell(name, Telling::Typing { user });
        }
        self.done(connection);
    }

    /// A client has read up to an entry, and its marker says so.
    pub(super) fn has_read(&mut self, connection: ConnectionId, id: Option<RequestId>, name: &RoomName, seq: Seq) {
        let (now, detail_limit) = (self.elapsed(), self.config.detail_limit);
        if let Ok((key, known)) = self.joined(connection, name) {
            let user = known.user.clone();
            if let Some(room) = self.room_mut(key)
                && room.attendance.counts().total() <= detail_limit
                && room.reading.pass(&user.id, READ_INTERVAL_MS, now)
            {
                let event = Event::Read { room: name.clone(), user: user.clone(), seq };
                self.broadcast(key, &encode::ephemeral(&event));
                self.tell(name.clone(), Telling::Read { user, seq });
            }
        }
        self.reply(connection, &Event::Ack(Ack { id, ..Ack::default() }));
    }
}
