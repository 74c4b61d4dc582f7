//! What the store answers.

use std::time::Instant;

use actix::Handler;
use tracing::debug;

use super::{Hub, Waiting};
use crate::{
    actors::{
        encode,
        messages::{Answer, Answered, ConnectionId, RoomKey},
        requests::{DisconnectCause, closed_by},
    },
    broker::{AppendError, Appended, Page, Roster, Unavailable},
    protocol::{
        command::{Cursor, RequestId},
        entry::Entries,
        error::Refusal,
        event::{Ack, Event, HistoryPage, Who},
        ids::{RoomName, UserId},
    },
};

impl Handler<Answered> for Hub {
    type Result = ();

    fn handle(&mut self, Answered(answers): Answered, ctx: &mut Self::Context) {
        for (ticket, answer) in answers {
            if let Some(waiting) = self.questions.try_remove(ticket.0) {
                self.answered(waiting, answer);
            }
        }
        self.end_turn(ctx);
    }
}

impl Hub {
    fn answered(&mut self, waiting: Waiting, answer: Answer) {
        match (waiting, answer) {
            (Waiting::Change { connection, id, room, says, since }, Answer::Append(appended)) => {
                self.count_append(&appended, since);
                self.changed(connection, id, room, says, appended);
                self.change_done(connection);
            }
            (Waiting::Post { reply, since }, Answer::Append(appended)) => {
                self.count_append(&appended, since);
                // The HTTP client may have gone; what it said is in the log all the same.
                let _ = reply.send(appended.map_err(Refusal::from));
            }
            (Waiting::Marker { room, mut joiner }, Answer::Marker(marker)) => {
                self.answered_about(room);
                match marker {
                    Ok(marker) => {
                        joiner.read = marker;
                        self.advance(room, joiner);
                    }
                    Err(Unavailable) => self.store_failed(room, joiner),
                }
                self.sweep_room(room);
            }
            (Waiting::Page { room, since }, Answer::Recover(recovery)) => {
                self.answered_about(room);
                self.page_was_read(room, &since, recovery);
                self.sweep_room(room);
            }
            (Waiting::Track { room }, Answer::Recover(recovery)) => {
                self.answered_about(room);
                self.log_was_read(room, recovery);
                self.sweep_room(room);
            }
            (Waiting::Presence { room, changes, due }, Answer::Presence(outcome)) => {
                self.answered_about(room);
                self.presence_was_told(room, changes, outcome, due);
                self.sweep_room(room);
            }
            (Waiting::History { connection, id, room, cursor, limit }, Answer::History(page)) => match page {
                Ok(page) => self.give_history(connection, id, room, &page, false),
                Err(Unavailable) => self.give_recent(connection, id, room, cursor, limit),
            },
            (Waiting::Who { connection, id, room }, Answer::Who(roster)) => match roster {
                Ok(roster) => self.give_roster(connection, id, room, roster),
                Err(unavailable) => self.refuse(connection, id, Some(room), unavailable),
            },
            (Waiting::Read { connection, id, room, asked }, Answer::MarkRead(marker)) => match marker {
                // A marker further on than what was asked stays, and nobody needs to hear of it again.
                Ok(marker) if marker > asked => self.reply(connection, &Event::Ack(Ack { id, ..Ack::default() })),
                Ok(marker) => self.has_read(connection, id, &room, marker),
                Err(unavailable) => self.refuse(connection, id, Some(room), unavailable),
            },
            (Waiting::Ban { connection, id, user }, Answer::Ban(banned)) => self.banned(connection, id, user, banned),
            (Waiting::Kick { connection, id, user, cause }, Answer::Peers(answers)) => {
                let elsewhere = answers.map_or(0, |answers| closed_by(&answers));
                self.kicked(connection, id, &user, cause, elsewhere);
            }
            (_, answer) => debug!(?answer, "an answer to another question"),
        }
    }

    fn answered_about(&mut self, key: RoomKey) {
        if let Some(room) = self.room_mut(key) {
            room.questions -= 1;
        }
    }

    fn count_append(&mut self, appended: &Result<Appended, AppendError>, since: Instant) {
        match appended {
            Ok(appended) if appended.duplicate => {
                self.metrics.duplicate_acks.inc();
            }
            Ok(_) => {
                self.metrics.messages_published.inc();
                self.metrics.publish_latency_seconds.observe(since.elapsed());
            }
            Err(AppendError::Unavailable) => {
                self.metrics.publish_failures.inc();
            }
            Err(_) => {}
        }
    }

    fn changed(
        &mut self,
        connection: ConnectionId,
        id: Option<RequestId>,
        room: RoomName,
        says: bool,
        appended: Result<Appended, AppendError>,
    ) {
        match appended {
            Ok(Appended { message_id, seq, ts, duplicate }) => {
                let provisional = seq.is_none();
                let mut ack = Ack { id, seq, duplicate: Some(duplicate), provisional, ..Ack::default() };
                if says {
                    (ack.message_id, ack.ts) = (Some(message_id), Some(ts));
                }
                self.reply(connection, &Event::Ack(ack));
            }
            Err(error) => self.refuse(connection, id, Some(room), error),
        }
    }

    fn give_history(
        &mut self,
        connection: ConnectionId,
        id: Option<RequestId>,
        room: RoomName,
        page: &Page,
        provisional: bool,
    ) {
        let Some(known) = self.connections.get(&connection) else { return };
        let entries = page.messages.iter().map(|message| message.seen_by(&known.user.id)).collect();
        let page = HistoryPage { id, room, entries: Entries::Now(entries), more: page.more, provisional };
        self.send(connection, encode::page(&Event::History(page)));
        self.done(connection);
    }

    /// Answers a `history` from memory: the log is away.
    fn give_recent(
        &mut self,
        connection: ConnectionId,
        id: Option<RequestId>,
        room: RoomName,
        cursor: Cursor,
        limit: usize,
    ) {
        let (kept, now) = (self.config.history, self.now());
        let known = self.names.get(&room).copied().and_then(|key| self.room_mut(key));
        let recent = known.and_then(|room| {
            room.forget_old(&kept, now);
            room.recent().cloned()
        });
        match recent.filter(|_| !self.alone) {
            Some(recent) => {
                let (messages, more) = recent.page(cursor, limit);
                self.give_history(connection, id, room, &Page { messages, more }, true);
            }
            None => self.refuse(connection, id, Some(room), Unavailable),
        }
    }

    fn give_roster(&mut self, connection: ConnectionId, id: Option<RequestId>, room: RoomName, roster: Roster) {
        let Roster { users, counts } = roster;
        let more = counts.total() > users.len();
        self.reply(connection, &Event::Who(Who { id, room, users, total: counts.total(), more, counts }));
    }

    fn banned(
        &mut self,
        connection: ConnectionId,
        id: Option<RequestId>,
        user: UserId,
        banned: Result<(), Unavailable>,
    ) {
        match banned {
            Ok(()) => self.kick_everywhere(connection, id, user, DisconnectCause::Banned),
            Err(unavailable) => self.refuse(connection, id, None, unavailable),
        }
    }
}
