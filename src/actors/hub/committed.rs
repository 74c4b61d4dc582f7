//! What the log brings: entries in order, gaps that are filled before anything later is passed on.

use std::{rc::Rc, time::Duration};

use actix::{AsyncContext, Context, Handler};

use super::{Hub, Waiting, room::Snapshot};
use crate::{
    actors::{
        encode,
        messages::{Committed, Question, RoomKey},
    },
    broker::{Recovery, Unavailable},
    chat::position::{Found, Observed},
    protocol::{
        entry::{Entry, Numbered},
        ids::RoomName,
    },
};

/// How long after a failed read of a room's log it is tried again.
const RETRY_READ: Duration = Duration::from_secs(1);

impl Handler<Committed> for Hub {
    type Result = ();

    fn handle(&mut self, Committed(entries): Committed, ctx: &mut Self::Context) {
        self.metrics.entries_received.inc_by(entries.len() as u64);
        for entry in entries {
            self.observe(entry);
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
                self.read_log(key);
            }
        }
    }

    fn pass_on(&mut self, key: RoomKey, entry: &Entry) {
        let frame = encode::frame(entry);
        if let Some(room) = self.room_mut(key) {
            room.remember(entry.seq, &frame);
        }
        self.broadcast(key, &frame);
    }

    /// Reads what follows a room's position.
    pub(super) fn read_log(&mut self, key: RoomKey) {
        let Some(room) = self.room_mut(key).filter(|room| !room.log_asked) else { return };
        room.log_asked = true;
        let question = Question::Recover { room: room.name.clone(), since: room.track.position().cloned() };
        let asked = self.ask(question, Waiting::Track { room: key });
        self.asked_about(key, asked);
    }

    /// What followed a room's position, or the head of the log if that was not to be had.
    pub(super) fn log_was_read(&mut self, key: RoomKey, read: Result<Recovery, Unavailable>, ctx: &mut Context<Self>) {
        let Some(room) = self.room_mut(key) else { return };
        room.log_asked = false;
        let (found, snapshot) = match read {
            Ok(Recovery::Resumed { entries, more, .. }) => (Found::Next(entries, more), None),
            Ok(Recovery::Snapshot { position, messages }) => {
                (Found::Elsewhere(position.clone()), Some(Rc::new(Snapshot { position, messages })))
            }
            Err(unavailable) => {
                let name = room.name.clone();
                ctx.run_later(RETRY_READ, move |hub, _| hub.read_log_again(&name));
                return self.fail_all_joins(key, &unavailable.into());
            }
        };
        let result = room.track.found(found);
        self.metrics.catchups.inc();
        if let Some(snapshot) = snapshot {
            if result.moved {
                self.reposition(key, &snapshot);
            }
            if let Some(room) = self.room_mut(key) {
                room.snapshot = Some(snapshot);
            }
        }
        for entry in &result.deliver {
            self.pass_on(key, entry);
        }
        if result.again {
            self.read_log(key);
        } else {
            self.unpark(key);
        }
    }

    fn read_log_again(&mut self, name: &RoomName) {
        if let Some(&key) = self.names.get(name)
            && self.room(key).is_some_and(|room| room.track.settled().is_none())
        {
            self.read_log(key);
        }
    }
}
