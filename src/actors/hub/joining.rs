//! How a connection comes into a room without missing or doubling anything.
//!
//! The log is read while the room goes on. What was read ends at some number; the room stands at another. The joiner is let
//! in when both agree: it waits until the room gets there, or is given the frames that the room had meanwhile.

use std::rc::Rc;

use super::{
    Hub, Waiting,
    commands::busy,
    connections::{JoinAsked, Standing},
    room::{Found, Joiner, Room, Snapshot},
};
use crate::{
    actors::{
        encode,
        messages::{ConnectionId, Delivery, Question, RoomKey},
    },
    protocol::{
        command::RequestId,
        entry::Entries,
        error::{ErrorCode, Refusal},
        event::{Event, Joined, LeaveReason},
        frame::Frame,
        ids::{Position, RoomName, Seq, UserId},
    },
};

/// Joins of one connection that may wait for the one before of the same room.
const MAX_WAITING_JOINS: usize = 64;

impl Hub {
    /// Takes a `join`.
    pub(super) fn join(
        &mut self,
        connection: ConnectionId,
        id: Option<RequestId>,
        name: RoomName,
        since: Option<Position>,
    ) {
        let Some(known) = self.connections.get_mut(&connection) else { return };
        let standing = self.names.get(&name).and_then(|key| known.standing(*key));
        if matches!(standing, Some(Standing::Joining(_))) {
            if known.joins.len() >= MAX_WAITING_JOINS {
                return self.refuse(connection, id, Some(name), busy());
            }
            return known.joins.push(JoinAsked { id, room: name, since });
        }
        let (key, turn) = match self.enter(connection, &name) {
            Ok(entered) => entered,
            Err(refusal) => return self.refuse(connection, id, Some(name), refusal),
        };
        let joiner = Joiner { connection, turn, id, since, read: None, found: None };
        let reader =
            self.connections.get(&connection).filter(|known| known.keeps_marker()).map(|known| known.user.id.clone());
        match reader {
            Some(user) => {
                let asked = self.ask(Question::Marker { room: name, user }, Waiting::Marker { room: key, joiner });
                self.asked_about(key, asked);
            }
            None => self.advance(key, joiner),
        }
    }

    /// Puts a connection into a room, to wait there for its position.
    fn enter(&mut self, connection: ConnectionId, name: &RoomName) -> Result<(RoomKey, u32), Refusal> {
        let Some(known) = self.connections.get(&connection) else { return Err(busy()) };
        let key = self.names.get(name).copied();
        let standing = key.and_then(|key| known.standing(key));
        if standing.is_none() && known.rooms.len() >= self.config.rooms_per_connection {
            return Err(Refusal::new(ErrorCode::RoomLimit, "this connection is in as many rooms as it may be"));
        }
        let user = known.user.clone();
        let key = match key {
            Some(key) => key,
            None => self.open(name)?,
        };
        self.step_out(connection, key);
        if standing.is_none() {
            let Some(room) = self.room_mut(key) else { return Err(busy()) };
            room.connections += 1;
            room.attendance.enter(&user);
            self.unsettled.push(key);
        }
        let Some(known) = self.connections.get_mut(&connection) else { return Err(busy()) };
        known.turns = known.turns.wrapping_add(1);
        known.stand(key, Standing::Joining(known.turns));
        Ok((key, known.turns))
    }

    fn open(&mut self, name: &RoomName) -> Result<RoomKey, Refusal> {
        if self.rooms.len() >= self.config.live_rooms {
            return Err(Refusal::new(ErrorCode::RoomLimit, "this server has as many rooms open as it may have"));
        }
        let key = RoomKey(self.rooms.insert(Room::new(name.clone())) as u32);
        self.names.insert(name.clone(), key);
        self.metrics.rooms_live.inc();
        self.read_log(key);
        Ok(key)
    }

    /// Counts a question about a room, or refuses for those who asked it.
    pub(super) fn asked_about(&mut self, key: RoomKey, asked: Result<(), Box<Waiting>>) {
        match asked.map_err(|waiting| *waiting) {
            Ok(()) => {
                if let Some(room) = self.room_mut(key) {
                    room.questions += 1;
                }
            }
            Err(Waiting::Marker { joiner, .. } | Waiting::Resume { joiner, .. }) => self.fail_join(key, joiner, busy()),
            Err(Waiting::Presence { changes, .. }) => self.presence_failed(key, changes),
            Err(Waiting::Track { .. }) => {
                if let Some(room) = self.room_mut(key) {
                    room.log_asked = false;
                }
                // The next collection asks again.
                self.unsettled.push(key);
                self.fail_all_joins(key, &busy());
            }
            Err(_) => self.fail_all_joins(key, &busy()),
        }
    }

    /// Brings a joiner one step on.
    pub(super) fn advance(&mut self, key: RoomKey, mut joiner: Joiner) {
        let Some(room) = self.rooms.get_mut(key.0 as usize) else { return };
        let Some(position) = room.track.settled() else {
            room.parked.push(joiner);
            // Under way already, unless the store was too busy to be asked.
            return self.read_log(key);
        };
        if let Some(found) = joiner.found.take() {
            return self.place(key, joiner, found);
        }
        let snapshot = room.snapshot.clone().filter(|snapshot| snapshot.position == *position);
        match (&joiner.since, snapshot) {
            (Some(since), _) if since == position => {
                let nothing = Found::Resumed { position: position.clone(), entries: Vec::new(), more: false };
                self.place(key, joiner, nothing);
            }
            (None, Some(snapshot)) => self.place(key, joiner, Found::Snapshot(snapshot)),
            (Some(_), _) => {
                let question = Question::Recover { room: room.name.clone(), since: joiner.since.clone() };
                let asked = self.ask(question, Waiting::Resume { room: key, joiner });
                self.asked_about(key, asked);
            }
            // One read serves everyone who comes while it is under way.
            (None, None) => {
                room.wanting_snapshot.push(joiner);
                if room.wanting_snapshot.len() == 1 {
                    let question = Question::Recover { room: room.name.clone(), since: None };
                    let asked = self.ask(question, Waiting::Snapshot { room: key });
                    self.asked_about(key, asked);
                }
            }
        }
    }

    /// Lets a joiner in if what the log gave meets what the room had; else it waits, or starts over.
    pub(super) fn place(&mut self, key: RoomKey, mut joiner: Joiner, found: Found) {
        let Some(room) = self.rooms.get_mut(key.0 as usize) else { return };
        let Some(position) = room.track.settled() else {
            joiner.found = Some(found);
            return room.parked.push(joiner);
        };
        let (at, more) = found.position();
        if more {
            return self.tell_joined(key, joiner, &found, &[]);
        }
        if at.epoch != position.epoch {
            // The log went elsewhere and the room has not heard: it reads, and the joiner starts over after that.
            room.track.read_again();
            return self.advance(key, joiner);
        }
        if at.seq > position.seq {
            joiner.found = Some(found);
            return room.parked.push(joiner);
        }
        let tail = if at.seq == position.seq { Some([].as_slice()) } else { room.tail_after(at.seq) };
        match tail.map(<[_]>::to_vec) {
            Some(tail) => self.tell_joined(key, joiner, &found, &tail),
            None => self.advance(key, joiner),
        }
    }

    /// Tells a joiner where it stands, what came since, and, if it missed nothing, lets it in.
    fn tell_joined(&mut self, key: RoomKey, joiner: Joiner, found: &Found, tail: &[(Seq, Frame)]) {
        let Some(known) = self.connections.get(&joiner.connection) else { return };
        let Some(room) = self.rooms.get_mut(key.0 as usize) else { return };
        if known.standing(key) != Some(Standing::Joining(joiner.turn)) {
            return self.void_join(key, joiner);
        }
        let (worker, more) = (known.worker, found.position().1);
        let joined = found.joined(room, joiner.id, joiner.read, &known.user.id);
        room.told_otherwise |= joined.presence != room.announced;
        let frame = encode::page(&Event::Joined(Box::new(joined)));
        self.outboxes.push(worker, Delivery::To(joiner.connection, frame));
        if !more {
            for (_, frame) in tail {
                self.outboxes.push(worker, Delivery::To(joiner.connection, frame.clone()));
            }
            self.outboxes.push(worker, Delivery::Enter(joiner.connection, key));
        }
        if let Some(room) = self.room_mut(key)
            && !more
        {
            room.add_live(worker);
        }
        if let Some(known) = self.connections.get_mut(&joiner.connection) {
            known.stand(key, if more { Standing::Paging } else { Standing::Live });
        }
        self.unsettled.push(key);
        self.done(joiner.connection);
        self.next_join(joiner.connection, key);
    }

    /// Answers a join whose room was left before it was answered.
    fn void_join(&mut self, key: RoomKey, joiner: Joiner) {
        let name = self.room(key).map(|room| room.name.clone());
        self.refuse(
            joiner.connection,
            joiner.id,
            name,
            Refusal::new(ErrorCode::NotJoined, "you left before you were in"),
        );
    }

    /// Takes the next join of a room, now that the one before is answered.
    fn next_join(&mut self, connection: ConnectionId, key: RoomKey) {
        let Some(name) = self.room(key).map(|room| room.name.clone()) else { return };
        let Some(known) = self.connections.get_mut(&connection) else { return };
        if let Some(at) = known.joins.iter().position(|asked| asked.room == name) {
            let JoinAsked { id, room, since } = known.joins.remove(at);
            self.join(connection, id, room, since);
        }
    }

    /// From here on a connection in the room gets nothing live, until its new position is told.
    fn step_out(&mut self, connection: ConnectionId, key: RoomKey) {
        let Some(known) = self.connections.get_mut(&connection) else { return };
        if known.standing(key) != Some(Standing::Live) {
            return;
        }
        known.stand(key, Standing::Paging);
        let worker = known.worker;
        self.end_live(connection, worker, key, Standing::Live);
    }

    /// Lets in, or brings on, those who waited for the room to get somewhere.
    pub(super) fn unpark(&mut self, key: RoomKey) {
        let Some(room) = self.room_mut(key) else { return };
        if room.track.settled().is_none() {
            return;
        }
        for joiner in std::mem::take(&mut room.parked) {
            self.advance(key, joiner);
        }
    }

    /// A joiner cannot be served: it is not in the room.
    pub(super) fn fail_join(&mut self, key: RoomKey, joiner: Joiner, refusal: Refusal) {
        let standing = self.connections.get(&joiner.connection).and_then(|known| known.standing(key));
        if standing != Some(Standing::Joining(joiner.turn)) {
            return self.void_join(key, joiner);
        }
        let name = self.room(key).map(|room| room.name.clone());
        self.leave_room(joiner.connection, key, LeaveReason::Closed);
        self.refuse(joiner.connection, joiner.id, name, refusal);
        self.next_join(joiner.connection, key);
    }

    /// Nobody who is joining the room can be served.
    pub(super) fn fail_all_joins(&mut self, key: RoomKey, refusal: &Refusal) {
        let Some(room) = self.room_mut(key) else { return };
        let parked = std::mem::take(&mut room.parked);
        let wanting = std::mem::take(&mut room.wanting_snapshot);
        for joiner in parked.into_iter().chain(wanting) {
            self.fail_join(key, joiner, refusal.clone());
        }
    }

    /// Gives everyone in a room a fresh position, unasked: its log went elsewhere.
    pub(super) fn reposition(&mut self, key: RoomKey, snapshot: &Rc<Snapshot>) {
        let Some(room) = self.rooms.get_mut(key.0 as usize) else { return };
        room.forget_tail();
        let found = Found::Snapshot(Rc::clone(snapshot));
        let live = self.connections.iter().filter(|(_, known)| known.standing(key) == Some(Standing::Live));
        for (&connection, known) in live {
            let joined = found.joined(room, None, None, &known.user.id);
            let frame = encode::page(&Event::Joined(Box::new(joined)));
            self.outboxes.push(known.worker, Delivery::To(connection, frame));
            // It is in already; entering again keeps the fan-out from sending later frames of the room first.
            self.outboxes.push(known.worker, Delivery::Enter(connection, key));
        }
    }
}

impl Found {
    fn position(&self) -> (&Position, bool) {
        match self {
            Found::Snapshot(snapshot) => (&snapshot.position, false),
            Found::Resumed { position, more, .. } => (position, *more),
        }
    }

    fn joined(&self, room: &Room, id: Option<RequestId>, read: Option<Seq>, viewer: &UserId) -> Joined {
        let (position, more) = self.position();
        let (recovered, entries) = match self {
            Found::Snapshot(snapshot) => {
                (false, Entries::Now(snapshot.messages.iter().map(|message| message.seen_by(viewer)).collect()))
            }
            Found::Resumed { entries, .. } => (true, Entries::Raw(entries.clone())),
        };
        Joined {
            id,
            room: room.name.clone(),
            epoch: Some(position.epoch.clone()),
            seq: Some(position.seq),
            recovered: Some(recovered),
            more: Some(more),
            entries: Some(entries),
            read,
            presence: room.attendance.counts(),
            provisional: false,
        }
    }
}
