//! The connections of an instance, as the hub knows them.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use smallvec::SmallVec;

use crate::{
    actors::messages::{Connected, ConnectionId, RoomKey, WorkerId},
    auth::accounts::TokenHash,
    protocol::{
        close::CloseCode,
        command::{Cursor, RequestId},
        event::LeaveReason,
        ids::{Millis, Position, RoomName},
        user::{Role, User},
    },
};

/// All of them.
pub(super) type Connections = HashMap<ConnectionId, Connection>;

/// One of them.
pub(super) struct Connection {
    pub(super) worker: WorkerId,
    pub(super) user: Arc<User>,
    pub(super) address: IpAddr,
    pub(super) login: Option<Box<TokenHash>>,
    pub(super) since: Millis,
    pub(super) rooms: SmallVec<[(RoomKey, Standing); 1]>,
    /// Commands that are not answered yet.
    pub(super) unanswered: u32,
    /// Those of them that change a log.
    pub(super) changes: u32,
    /// Pages asked for behind such changes: commands take effect in the order sent, so they are read after them.
    pub(super) pages: Vec<PageAsked>,
    /// Counts its joins.
    pub(super) turns: u32,
    /// Joins of rooms whose join before is not answered yet: commands take effect in the order sent.
    pub(super) joins: Vec<JoinAsked>,
    /// To be closed with this code once everything is answered.
    pub(super) ending: Option<CloseCode>,
    /// Its socket was told to close: what it still says was said too late, and could not be answered.
    pub(super) closed: bool,
    /// What the others are told when it goes, if not what its end shows.
    pub(super) leaves_as: Option<LeaveReason>,
    /// How long after its end it is to come back to another instance, milliseconds, once it was told of a drain.
    pub(super) reconnect_in: Option<Millis>,
}

/// A `history` that waits.
pub(super) struct PageAsked {
    pub(super) id: Option<RequestId>,
    pub(super) room: RoomName,
    pub(super) cursor: Cursor,
    pub(super) limit: usize,
}

/// A `join` that waits.
pub(super) struct JoinAsked {
    pub(super) id: Option<RequestId>,
    pub(super) room: RoomName,
    pub(super) since: Option<Position>,
}

/// How a connection stands in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may post; its position is being read. Which of its joins that is.
    Joining(u32),
    /// It may post, and waits for the log to be back. Which of its joins that is.
    Provisional(u32),
    /// It may post, and pages through what it missed.
    Paging,
    /// It gets what the room gets.
    Live,
}

impl Connection {
    pub(super) fn new(connected: Connected) -> Self {
        let Connected { connection: _, worker, user, address, login, since } = connected;
        Self {
            worker,
            user,
            address,
            login,
            since,
            rooms: SmallVec::new(),
            unanswered: 0,
            changes: 0,
            pages: Vec::new(),
            turns: 0,
            joins: Vec::new(),
            ending: None,
            closed: false,
            leaves_as: None,
            reconnect_in: None,
        }
    }

    pub(super) fn standing(&self, room: RoomKey) -> Option<Standing> {
        self.rooms.iter().find(|(key, _)| *key == room).map(|(_, standing)| *standing)
    }

    pub(super) fn stand(&mut self, room: RoomKey, standing: Standing) {
        match self.rooms.iter_mut().find(|(key, _)| *key == room) {
            Some(entry) => entry.1 = standing,
            None => self.rooms.push((room, standing)),
        }
    }

    /// Whether read markers are kept for it: guests come and go, and nobody would ever sweep theirs.
    pub(super) fn keeps_marker(&self) -> bool {
        self.user.role > Role::Guest
    }
}
