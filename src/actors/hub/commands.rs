//! What clients ask.

use std::time::Instant;

use tracing::info;

use super::{
    Hub, Waiting,
    connections::{Connection, JoinAsked, PageAsked},
};
use crate::{
    actors::{
        messages::{ConnectionId, Question, RoomKey},
        requests::DisconnectCause,
    },
    broker::{Append, Change, Link, RETRY_AFTER_MS, Unavailable},
    protocol::{
        command::{Command, Request, RequestId, ban_end},
        error::{ErrorCode, Refusal},
        event::{Ack, Event, LeaveReason},
        ids::{Millis, RoomName, UserId},
    },
};

impl Hub {
    /// Takes a command; every path ends in exactly one answer, but `typing`, which has none. One that crossed the close of
    /// its connection is not taken.
    pub(super) fn command(&mut self, connection: ConnectionId, Request { id, command }: Request) {
        let Some(known) = self.connections.get_mut(&connection) else { return };
        if known.closed || known.ending.is_some() {
            return;
        }
        known.unanswered += 1;
        match command {
            // The connection answers pings itself.
            Command::Ping => self.reply(connection, &Event::Pong { id, ts: self.clock.now_ms() }),
            Command::Join { room, since } => self.join(connection, id, room, since),
            Command::Leave { room } => self.leave(connection, id, room),
            Command::Message { room, text, key, reply_to } => {
                self.change(connection, id, room, Change::Message { text: text.into(), key, reply_to });
            }
            Command::Edit { room, message_id, text } => {
                self.change(connection, id, room, Change::Edit { message_id, text: text.into() });
            }
            Command::Delete { room, message_id } => self.change(connection, id, room, Change::Delete { message_id }),
            Command::React { room, message_id, emoji, on } => {
                self.change(connection, id, room, Change::React { message_id, emoji, on });
            }
            Command::Typing { room } => self.typing(connection, id, room),
            Command::Read { room, seq } => self.read(connection, id, room, seq),
            Command::History { room, cursor, limit } => {
                let page = PageAsked { id, room, cursor, limit };
                if known.changes == 0 { self.page(connection, page) } else { known.pages.push(page) }
            }
            Command::Who { room, limit } => {
                // Who has just joined is to find itself there.
                if let Some(&key) = self.names.get(&room) {
                    self.tell_presence(key, false);
                }
                let question = Question::Who { room: room.clone(), limit };
                self.ask_for(connection, question, Waiting::Who { connection, id, room });
            }
            Command::Kick { user_id, reason, ban_ms } => {
                info!(by = %known.user.id, user = %user_id, ban_ms, reason = reason.as_deref(), "kick");
                self.kick(connection, id, user_id, ban_ms);
            }
        }
    }

    /// The room and the connection in it.
    pub(super) fn joined(
        &mut self,
        connection: ConnectionId,
        room: &RoomName,
    ) -> Result<(RoomKey, &Connection), Refusal> {
        let not_joined = || Refusal::new(ErrorCode::NotJoined, "join the room first");
        let key = *self.names.get(room).ok_or_else(not_joined)?;
        let known = self.connections.get(&connection).ok_or_else(not_joined)?;
        known.standing(key).map(|_| (key, known)).ok_or_else(not_joined)
    }

    fn leave(&mut self, connection: ConnectionId, id: Option<RequestId>, room: RoomName) {
        if let Some(&key) = self.names.get(&room) {
            self.leave_room(connection, key, LeaveReason::Closed);
            self.void_joins(connection, &room);
        }
        self.reply(connection, &Event::Ack(Ack { id, ..Ack::default() }));
    }

    /// Answers the joins of a room that waited when it was left.
    fn void_joins(&mut self, connection: ConnectionId, room: &RoomName) {
        let Some(known) = self.connections.get_mut(&connection) else { return };
        let void: Vec<_> = known.joins.extract_if(.., |asked| asked.room == *room).collect();
        for JoinAsked { id, room, .. } in void {
            let refusal = Refusal::new(ErrorCode::NotJoined, "you left before you were in");
            self.refuse(connection, id, Some(room), refusal);
        }
    }

    /// Takes a connection out of one room.
    pub(super) fn leave_room(&mut self, connection: ConnectionId, key: RoomKey, reason: LeaveReason) {
        let Some(known) = self.connections.get_mut(&connection) else { return };
        let Some(standing) = known.standing(key) else { return };
        known.rooms.retain(|(room, _)| *room != key);
        let (worker, user) = (known.worker, known.user.id.clone());
        self.end_live(connection, worker, key, standing);
        self.step_away(connection, key);
        self.depart(key, &user, reason, None);
    }

    fn change(&mut self, connection: ConnectionId, id: Option<RequestId>, room: RoomName, change: Change) {
        let user = match self.joined(connection, &room) {
            Ok((_, known)) => known.user.clone(),
            Err(refusal) => return self.refuse(connection, id, Some(room), refusal),
        };
        let says = matches!(change, Change::Message { .. });
        let question = Question::Append(Append { room: room.clone(), user, change });
        let since = Instant::now();
        if self.ask_for(connection, question, Waiting::Change { connection, id, room, says, since })
            && let Some(known) = self.connections.get_mut(&connection)
        {
            known.changes += 1;
        }
    }

    /// Notes that a change is answered, and asks for the pages that waited for the last one.
    pub(super) fn change_done(&mut self, connection: ConnectionId) {
        let Some(known) = self.connections.get_mut(&connection) else { return };
        known.changes = known.changes.saturating_sub(1);
        if known.changes == 0 {
            for page in std::mem::take(&mut known.pages) {
                self.page(connection, page);
            }
        }
    }

    fn page(&mut self, connection: ConnectionId, PageAsked { id, room, cursor, limit }: PageAsked) {
        let question = Question::History { room: room.clone(), cursor, limit };
        self.ask_for(connection, question, Waiting::History { connection, id, room, cursor, limit });
    }

    /// Asks the store on behalf of a client, or refuses for it and answers `false`.
    pub(super) fn ask_for(&mut self, connection: ConnectionId, question: Question, waiting: Waiting) -> bool {
        match self.ask(question, waiting) {
            Ok(()) => true,
            Err(waiting) => {
                let (id, room) = waiting.answers_to();
                self.refuse(connection, id, room, busy());
                false
            }
        }
    }

    fn read(&mut self, connection: ConnectionId, id: Option<RequestId>, room: RoomName, seq: u64) {
        let (key, keeps, user) = match self.joined(connection, &room) {
            Ok((key, known)) => (key, known.keeps_marker(), known.user.id.clone()),
            Err(refusal) => return self.refuse(connection, id, Some(room), refusal),
        };
        if self.link == Link::Down {
            return self.refuse(connection, id, Some(room), Unavailable);
        }
        // Before the position is known there is nothing to clamp to, and nothing that could have been read.
        let Some(head) = self.room(key).and_then(|room| room.track.position()).map(|position| position.seq) else {
            return self.refuse(connection, id, Some(room), busy());
        };
        let seq = seq.min(head);
        if keeps {
            let question = Question::MarkRead { room: room.clone(), user, seq };
            self.ask_for(connection, question, Waiting::Read { connection, id, room, asked: seq });
        } else {
            self.has_read(connection, id, &room, seq);
        }
    }

    fn kick(&mut self, connection: ConnectionId, id: Option<RequestId>, user: UserId, ban_ms: Millis) {
        if ban_ms == 0 {
            return self.kick_everywhere(connection, id, user, DisconnectCause::Kicked);
        }
        let until = ban_end(self.now(), ban_ms);
        let question = Question::Ban { user: user.clone(), until };
        self.ask_for(connection, question, Waiting::Ban { connection, id, user });
    }
}

/// The refusal of a hub or store with too much to do.
pub(super) fn busy() -> Refusal {
    Refusal::unavailable("the server has too much to do", RETRY_AFTER_MS)
}

impl Waiting {
    /// What a refusal of it names.
    fn answers_to(self) -> (Option<RequestId>, Option<RoomName>) {
        match self {
            Waiting::Change { id, room, .. }
            | Waiting::History { id, room, .. }
            | Waiting::Who { id, room, .. }
            | Waiting::Read { id, room, .. } => (id, Some(room)),
            Waiting::Marker { joiner, .. } => (joiner.id, None),
            Waiting::Ban { id, .. } | Waiting::Kick { id, .. } => (id, None),
            Waiting::Post { .. } | Waiting::Page { .. } | Waiting::Track { .. } | Waiting::Presence { .. } => {
                (None, None)
            }
        }
    }
}
