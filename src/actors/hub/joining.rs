//! How a connection comes into a room without missing or doubling anything.
//!
//! The log is read while the room goes on. What was read ends at some number; the room stands at another. The joiner is let
//! in when both agree: it waits until the room gets there, or is given the frames that the room had meanwhile.
//!
//! Who joins while the log is away is let in provisionally, and gets a position when it is back.

use std::rc::Rc;

use super::{
    Hub, Waiting,
    commands::busy,
    connections::{JoinAsked, Standing},
    room::{Found, Joiner, Resumed, Room},
};
use crate::{
    actors::{
        encode,
        messages::{ConnectionId, Delivery, Question, RoomKey},
    },
    broker::{Link, Recovery, Unavailable},
    chat::recent::Recent,
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
        let (key, turn) = match self.enter(connection, &name, since.is_some()) {
            Ok(entered) => entered,
            Err(refusal) => return self.refuse(connection, id, Some(name), refusal),
        };
        self.begin(key, Joiner::new(connection, turn, since).asked_as(id));
    }

    /// Starts a join: asks for the read marker, if one is kept, and goes on.
    fn begin(&mut self, key: RoomKey, joiner: Joiner) {
        if self.link == Link::Down {
            return self.join_provisionally(key, joiner);
        }
        let Some(name) = self.room(key).map(|room| room.name.clone()) else { return };
        let known = self.connections.get(&joiner.connection);
        match known.filter(|known| known.keeps_marker()).map(|known| known.user.id.clone()) {
            Some(user) => {
                let asked = self.ask(Question::Marker { room: name, user }, Waiting::Marker { room: key, joiner });
                self.asked_about(key, asked);
            }
            None => self.advance(key, joiner),
        }
    }

    /// Puts a connection into a room, to wait there for its position. `returns`: it was there before.
    fn enter(&mut self, connection: ConnectionId, name: &RoomName, returns: bool) -> Result<(RoomKey, u32), Refusal> {
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
            // Alone, or with the store away, it counts by what this instance knows.
            let returns = returns && !self.alone && self.link != Link::Down;
            let Some(room) = self.room_mut(key) else { return Err(busy()) };
            room.connections += 1;
            room.attendance.enter(&user, returns);
            self.unsettled.push(key);
        } else if matches!(standing, Some(Standing::Provisional(_)))
            && let Some(room) = self.room_mut(key)
        {
            // This join takes the place of the one that waits.
            room.provisional.retain(|joiner| joiner.connection != connection);
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
            Err(Waiting::Marker { joiner, .. }) => self.fail_join(key, joiner, busy()),
            Err(Waiting::Presence { changes, .. }) => self.presence_failed(key, changes),
            Err(Waiting::Track { .. }) => {
                if let Some(room) = self.room_mut(key) {
                    room.log_asked = false;
                }
                self.retry_read(key);
                self.fail_all_joins(key);
            }
            Err(_) => self.fail_all_joins(key),
        }
    }

    /// Brings a joiner one step on.
    pub(super) fn advance(&mut self, key: RoomKey, mut joiner: Joiner) {
        let Some(room) = self.rooms.get_mut(key.0 as usize) else { return };
        let Some(position) = room.track.settled().cloned() else {
            room.parked.push(joiner);
            // Under way already, unless the store was too busy to be asked.
            return self.read_log(key);
        };
        if let Some(found) = joiner.found.take() {
            return self.place(key, joiner, found);
        }
        room.forget_old(&self.config.history, self.clock.now_ms());
        // Set with the position, and kept up with it.
        let Some(recent) = room.recent().cloned() else { return self.fail_join(key, joiner, busy()) };
        match &joiner.since {
            Some(since) if *since == position => {
                let nothing = Resumed { since: since.seq, position, entries: Vec::new(), more: false };
                let found = Found::Resumed(Rc::new(nothing), since.seq);
                self.place(key, joiner, found);
            }
            Some(since) if since.epoch == position.epoch => match room.page_for(since) {
                Some(found) => self.place(key, joiner, found),
                // One read serves everyone who comes while it is under way, and a while longer.
                None => {
                    room.wanting_page.push(joiner);
                    self.read_page(key);
                }
            },
            _ => self.place(key, joiner, Found::Snapshot(recent)),
        }
    }

    /// Reads what those who wait missed, from the first of their positions on.
    fn read_page(&mut self, key: RoomKey) {
        let Some(room) = self.room_mut(key).filter(|room| room.page_asked.is_none()) else { return };
        let since = room.wanting_page.iter().filter_map(|joiner| joiner.since.as_ref()).min_by_key(|since| since.seq);
        let Some(since) = since.cloned() else { return };
        room.page_asked = Some(since.clone());
        room.page_spoiled = false;
        let question = Question::Recover { room: room.name.clone(), since: Some(since.clone()) };
        self.metrics.log_reads.inc();
        let asked = self.ask(question, Waiting::Page { room: key, since });
        self.asked_about(key, asked);
    }

    /// What those who wait missed, or that the log does not hold it.
    pub(super) fn page_was_read(&mut self, key: RoomKey, asked: &Position, read: Result<Recovery, Unavailable>) {
        // An answer that nobody waits for any more: those who asked were sent elsewhere, and others may have asked since.
        let Some(room) = self.room_mut(key).filter(|room| room.page_asked.as_ref() == Some(asked)) else { return };
        if std::mem::take(&mut room.page_spoiled) && read.is_ok() {
            room.page_asked = None;
            return self.read_page(key);
        }
        let joiners = std::mem::take(&mut room.wanting_page);
        match read {
            Ok(Recovery::Resumed { position, entries, more }) => {
                room.keep_page(Rc::new(Resumed { since: asked.seq, position, entries, more }));
                self.unsettled.push(key);
                // Nothing is asked until all have been looked at.
                joiners.into_iter().for_each(|joiner| self.advance(key, joiner));
            }
            Ok(Recovery::Snapshot { position, messages }) => {
                let recent = Rc::new(Recent::new(position, messages));
                for joiner in joiners {
                    let covers = |since: &Position| since.epoch == asked.epoch && since.seq <= asked.seq;
                    if joiner.since.as_ref().is_some_and(covers) {
                        self.place(key, joiner, Found::Snapshot(Rc::clone(&recent)));
                    } else {
                        self.advance(key, joiner);
                    }
                }
            }
            Err(Unavailable) => joiners.into_iter().for_each(|joiner| self.store_failed(key, joiner)),
        }
        if let Some(room) = self.room_mut(key) {
            room.page_asked = None;
        }
        self.read_page(key);
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
            let checked = std::mem::replace(&mut joiner.checked, true);
            room.parked.push(joiner);
            // What the log has is on its way here, unless it was lost on it.
            if !checked {
                self.check(key);
            }
            return;
        }
        match room.tail_after(at.seq).map(<[_]>::to_vec) {
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
        self.joined_or_not(key, joiner.connection, joiner.asked);
    }

    /// Notes that a join is answered, and takes the next.
    fn joined_or_not(&mut self, key: RoomKey, connection: ConnectionId, asked: bool) {
        if asked {
            self.done(connection);
        }
        self.next_join(connection, key);
    }

    /// Lets a joiner in without a position: the log is away. It gets one, unasked, when the log is back.
    fn join_provisionally(&mut self, key: RoomKey, joiner: Joiner) {
        let Some(known) = self.connections.get_mut(&joiner.connection) else { return };
        if known.standing(key) != Some(Standing::Joining(joiner.turn)) {
            return self.void_join(key, joiner);
        }
        known.stand(key, Standing::Provisional(joiner.turn));
        let worker = known.worker;
        let Some(room) = self.rooms.get_mut(key.0 as usize) else { return };
        let Joiner { connection, turn, id, asked, since, .. } = joiner;
        room.provisional.push(Joiner::new(connection, turn, since));
        if asked {
            let presence = room.attendance.counts();
            room.told_otherwise |= presence != room.announced;
            let joined = Joined::provisional(id, room.name.clone(), presence);
            let frame = encode::page(&Event::Joined(Box::new(joined)));
            self.outboxes.push(worker, Delivery::To(connection, frame));
        }
        self.unsettled.push(key);
        self.joined_or_not(key, connection, asked);
    }

    /// Gives a position to those who were let in without one.
    pub(super) fn place_provisional(&mut self, key: RoomKey) {
        let Some(room) = self.room_mut(key) else { return };
        for joiner in std::mem::take(&mut room.provisional) {
            let Some(known) = self.connections.get_mut(&joiner.connection) else { continue };
            if known.standing(key) == Some(Standing::Provisional(joiner.turn)) {
                known.stand(key, Standing::Joining(joiner.turn));
                self.begin(key, joiner);
            }
        }
    }

    /// The store could not tell what a joiner needs.
    pub(super) fn store_failed(&mut self, key: RoomKey, joiner: Joiner) {
        if self.alone {
            self.fail_join(key, joiner, Unavailable.into());
        } else {
            self.join_provisionally(key, joiner);
            self.retry_read(key);
        }
    }

    /// Answers a join whose room was left before it was answered.
    fn void_join(&mut self, key: RoomKey, joiner: Joiner) {
        if !joiner.asked {
            return;
        }
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
        if !joiner.asked {
            self.join_provisionally(key, joiner);
            return self.retry_read(key);
        }
        let name = self.room(key).map(|room| room.name.clone());
        self.leave_room(joiner.connection, key, LeaveReason::Closed);
        self.refuse(joiner.connection, joiner.id, name, refusal);
        self.next_join(joiner.connection, key);
    }

    /// Nobody who is joining the room can be served: the hub has too much to do.
    pub(super) fn fail_all_joins(&mut self, key: RoomKey) {
        for joiner in self.all_joiners(key) {
            self.fail_join(key, joiner, busy());
        }
    }

    /// Everyone who waits for the room's log.
    pub(super) fn all_joiners(&mut self, key: RoomKey) -> Vec<Joiner> {
        let Some(room) = self.room_mut(key) else { return Vec::new() };
        room.page_asked = None;
        let mut joiners = std::mem::take(&mut room.parked);
        joiners.append(&mut room.wanting_page);
        joiners
    }

    /// Gives everyone in a room a fresh position, unasked: its log went elsewhere.
    pub(super) fn reposition(&mut self, key: RoomKey, recent: &Rc<Recent>) {
        let Some(room) = self.rooms.get_mut(key.0 as usize) else { return };
        room.forget_log();
        // What is told here of who is there may be on its way back already to what everyone was told before.
        room.told_otherwise |= room.attendance.counts() != room.announced;
        self.unsettled.push(key);
        let found = Found::Snapshot(Rc::clone(recent));
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
            Found::Snapshot(recent) => (recent.position(), false),
            Found::Resumed(page, _) => (&page.position, page.more),
        }
    }

    fn joined(&self, room: &Room, id: Option<RequestId>, read: Option<Seq>, viewer: &UserId) -> Joined {
        let (position, more) = self.position();
        let (recovered, entries) = match self {
            Found::Snapshot(recent) => {
                (false, Entries::Now(recent.messages().map(|message| message.seen_by(viewer)).collect()))
            }
            Found::Resumed(page, since) => {
                (true, Entries::Raw(page.entries.iter().filter(|entry| entry.seq > *since).cloned().collect()))
            }
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
