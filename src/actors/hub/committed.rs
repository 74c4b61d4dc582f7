//! What the store brings: entries in order, gaps that are filled before anything later is passed on; what is said while
//! the log is away; what passes on other instances.

use std::{rc::Rc, time::Duration};

use actix::{Context, Handler};

use super::{Hub, Waiting, connections::Standing};
use crate::{
    actors::{
        encode,
        messages::{Brought, Delivery, Question, RoomKey},
    },
    broker::{BrokerEvent, Link, Recovery, Tail, Unavailable},
    chat::{
        position::{Found, Observed},
        recent::Recent,
    },
    metrics::series::CatchupLabel,
    protocol::{
        entry::{Entry, Numbered},
        event::{Event, Notice, ProvisionalMessage},
        frame::Frame,
        ids::{MessageId, RoomName},
    },
};

/// How long after a failed read of a room's log it is tried again.
const RETRY_READ: Duration = Duration::from_secs(1);

/// Logs being read above which rooms wait to be held against theirs (REDIS.md section 6).
const CHECKS: usize = 32;

impl Handler<Brought> for Hub {
    type Result = ();

    fn handle(&mut self, Brought(event): Brought, ctx: &mut Self::Context) {
        match event {
            BrokerEvent::Committed(entries) => {
                self.metrics.entries_received.inc_by(entries.len() as u64);
                for entry in entries {
                    self.observe(entry);
                }
            }
            BrokerEvent::Provisional(messages) => messages.into_iter().for_each(|message| self.show(message)),
            BrokerEvent::Undelivered { room, ids } => self.tell_undelivered(&room, ids),
            BrokerEvent::Missed(room) => self.missed(room),
            BrokerEvent::Link(link) => self.link_is(link),
            BrokerEvent::Told(room, telling) => self.told(&room, telling),
        }
        self.end_turn(ctx);
    }
}

impl Hub {
    fn observe(&mut self, live: Numbered) {
        let Some(&key) = self.names.get(&live.entry.room) else { return };
        let Some(room) = self.room_mut(key) else { return };
        match room.track.observe(live) {
            Observed::Deliver(entry) => {
                self.pass_on(key, &entry);
                self.unpark(key);
            }
            Observed::Duplicate | Observed::Waits => {}
            Observed::Gap => {
                self.metrics.gaps.inc();
                self.read_log_from_now(key, "gap");
            }
            Observed::Fork => {
                self.metrics.forks.inc();
                self.read_log_from_now(key, "fork");
            }
        }
    }

    fn pass_on(&mut self, key: RoomKey, entry: &Entry) {
        let frame = encode::frame(entry);
        let Some(room) = self.rooms.get_mut(key.0 as usize) else { return };
        room.take(entry, &frame);
        for worker in room.workers() {
            self.outboxes.push(worker, Delivery::Room(key, frame.clone()));
        }
    }

    /// Shows a message that waits for the log to those who are in the room here.
    fn show(&mut self, message: ProvisionalMessage) {
        let Some(&key) = self.names.get(&message.room) else { return };
        // It may have been logged all the same, and be here already.
        if self.room(key).and_then(|room| room.recent()).is_some_and(|recent| recent.holds(&message.message.id)) {
            return;
        }
        self.broadcast(key, &encode::frame(&Event::Provisional(message)));
    }

    fn tell_undelivered(&mut self, name: &RoomName, ids: Vec<MessageId>) {
        let Some(&key) = self.names.get(name) else { return };
        let notice = Notice::Undelivered { room: name.clone(), ids };
        self.broadcast(key, &encode::frame(&Event::Notice(notice)));
    }

    /// Something may not have come of a room, or of all.
    fn missed(&mut self, room: Option<RoomName>) {
        let keys: Vec<_> = match room {
            Some(room) => self.names.get(&room).copied().into_iter().collect(),
            None => self.names.values().copied().collect(),
        };
        keys.into_iter().for_each(|key| self.check(key));
    }

    /// Holds a room against its log, when it is its turn.
    pub(super) fn check(&mut self, key: RoomKey) {
        let Some(room) = self.room_mut(key) else { return };
        if !std::mem::replace(&mut room.check_due, true) {
            self.checks.push_back(key);
        }
        self.check_next();
    }

    fn check_next(&mut self) {
        while self.checking < CHECKS
            && let Some(key) = self.checks.pop_front()
        {
            if self.room_mut(key).is_some_and(|room| std::mem::take(&mut room.check_due)) {
                self.read_log_from_now(key, "check");
            }
        }
    }

    fn link_is(&mut self, link: Link) {
        if std::mem::replace(&mut self.link, link) == link {
            return;
        }
        let notice = if link == Link::Up { Notice::Restored } else { Notice::Degraded };
        let frame = encode::frame(&Event::Notice(notice));
        for (id, known) in &self.connections {
            self.outboxes.push(known.worker, Delivery::To(*id, frame.clone()));
        }
        let keys: Vec<_> = self.names.values().copied().collect();
        for key in keys {
            match link {
                Link::Up => self.place_provisional_if_settled(key),
                Link::Down => {
                    for joiner in self.all_joiners(key) {
                        self.store_failed(key, joiner);
                    }
                }
            }
        }
    }

    fn place_provisional_if_settled(&mut self, key: RoomKey) {
        if self.room(key).is_some_and(|room| room.track.settled().is_some()) {
            self.place_provisional(key);
        } else {
            self.read_log(key);
        }
    }

    /// Sends a frame that has no number to everyone in a room, those without a position too.
    pub(super) fn broadcast(&mut self, key: RoomKey, frame: &Frame) {
        let Some(room) = self.rooms.get(key.0 as usize) else { return };
        for worker in room.workers() {
            self.outboxes.push(worker, Delivery::Room(key, frame.clone()));
        }
        for joiner in &room.provisional {
            let known = self.connections.get(&joiner.connection);
            if let Some(known) = known.filter(|known| known.standing(key) == Some(Standing::Provisional(joiner.turn))) {
                self.outboxes.push(known.worker, Delivery::To(joiner.connection, frame.clone()));
            }
        }
    }

    /// Reads a room's log as it is from now on: a read that is under way may have come too early, and is followed by another.
    fn read_log_from_now(&mut self, key: RoomKey, reason: &'static str) {
        if let Some(room) = self.room_mut(key) {
            room.read_for = Some(reason);
        }
        match self.room_mut(key) {
            Some(room) if room.log_asked => room.read_stale = true,
            _ => self.read_log(key),
        }
    }

    /// Reads what follows a room's position.
    pub(super) fn read_log(&mut self, key: RoomKey) {
        let Some(room) = self.room_mut(key).filter(|room| !room.log_asked) else { return };
        room.log_asked = true;
        let tail = room
            .track
            .position()
            .map(|position| Tail { position: position.clone(), recent: room.track.prints().collect() });
        let question = Question::Follow { room: room.name.clone(), tail };
        self.metrics.log_reads.inc();
        let asked = self.ask(question, Waiting::Track { room: key });
        self.checking += usize::from(asked.is_ok());
        self.asked_about(key, asked);
    }

    /// What followed a room's position, or the head of the log if that was not to be had.
    pub(super) fn log_was_read(&mut self, key: RoomKey, read: Result<Recovery, Unavailable>) {
        self.checking = self.checking.saturating_sub(1);
        self.take_log(key, read);
        self.check_next();
    }

    fn take_log(&mut self, key: RoomKey, read: Result<Recovery, Unavailable>) {
        let Some(room) = self.room_mut(key) else { return };
        room.log_asked = false;
        let (found, recent) = match read {
            Ok(Recovery::Resumed { entries, more, .. }) => (Found::Next(entries, more), None),
            Ok(Recovery::Snapshot { position, messages }) => {
                (Found::Elsewhere(position.clone()), Some(Rc::new(Recent::new(position, messages))))
            }
            Err(Unavailable) => {
                for joiner in self.all_joiners(key) {
                    self.store_failed(key, joiner);
                }
                return self.retry_read(key);
            }
        };
        let result = room.track.found(found);
        let reason = room.read_for.take().unwrap_or("join");
        if !result.deliver.is_empty() || result.moved {
            self.metrics.catchups.get_or_create(&CatchupLabel { reason }).inc();
        }
        self.metrics.recovered_entries.inc_by(result.deliver.len() as u64);
        self.metrics.unrecoverable_gaps.inc_by(u64::from(result.moved));
        if let Some(recent) = recent {
            if let Some(room) = self.room_mut(key) {
                room.set_recent(Rc::clone(&recent));
            }
            if result.moved {
                self.reposition(key, &recent);
            }
        }
        for entry in &result.deliver {
            self.pass_on(key, entry);
        }
        let stale = self.room_mut(key).is_some_and(|room| std::mem::take(&mut room.read_stale));
        if result.again || stale {
            self.read_log(key);
        }
        if !result.again {
            self.unpark(key);
            self.place_provisional(key);
        }
    }

    /// Tries a room's log again a while later, if it still has to be read.
    pub(super) fn retry_read(&mut self, key: RoomKey) {
        if let Some(room) = self.rooms.get_mut(key.0 as usize)
            && !std::mem::replace(&mut room.retry_due, true)
        {
            self.retries.push(room.name.clone());
        }
    }

    /// Tries the logs that could not be read.
    pub(super) fn read_again(&mut self) {
        for name in std::mem::take(&mut self.retries) {
            let Some(&key) = self.names.get(&name) else { continue };
            let Some(room) = self.room_mut(key) else { continue };
            room.retry_due = false;
            self.read_log(key);
        }
    }

    /// Looks again and again whether a log is to be tried once more.
    pub(super) fn keep_reading(ctx: &Context<Self>) {
        Self::every(RETRY_READ, ctx, || ReadAgain);
    }
}

/// Try the logs that could not be read.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub(super) struct ReadAgain;

impl Handler<ReadAgain> for Hub {
    type Result = ();

    fn handle(&mut self, ReadAgain: ReadAgain, ctx: &mut Self::Context) {
        self.read_again();
        self.end_turn(ctx);
    }
}
