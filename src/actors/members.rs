//! The sockets of one worker, and which rooms they are in.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use indexmap::IndexMap;

use super::messages::{ConnectionId, RoomKey};
use crate::{protocol::ids::Millis, transport::socket::Socket};

/// Shared by the connections of a worker, which enter and leave, and its fan-out, which writes.
pub type SharedMembers = Rc<RefCell<Members>>;

/// The sockets of one worker.
#[derive(Debug, Default)]
pub struct Members {
    all: HashMap<ConnectionId, Member>,
    // Dense, so that a broadcast walks memory in order; indexed, so that ten thousand leaving one room is not quadratic.
    rooms: HashMap<RoomKey, IndexMap<ConnectionId, Rc<Socket>>>,
}

/// One socket with what its life signs need.
#[derive(Debug)]
pub struct Member {
    /// Where to write.
    pub socket: Rc<Socket>,
    /// Whether a ping was sent since the client was last heard.
    pub asked: bool,
    /// When its proof of identity ends.
    pub expires: Option<Millis>,
}

impl Members {
    /// A connection came.
    pub fn insert(&mut self, connection: ConnectionId, socket: Rc<Socket>, expires: Option<Millis>) {
        self.all.insert(connection, Member { socket, asked: false, expires });
    }

    /// A connection went; the hub tells which rooms it leaves.
    pub fn remove(&mut self, connection: ConnectionId) {
        self.all.remove(&connection);
    }

    /// One socket.
    pub fn get(&self, connection: ConnectionId) -> Option<&Rc<Socket>> {
        self.all.get(&connection).map(|member| &member.socket)
    }

    /// Everyone, for the round of life signs.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.all.values_mut()
    }

    /// The sockets in a room.
    pub fn room(&self, room: RoomKey) -> impl Iterator<Item = &Rc<Socket>> {
        self.rooms.get(&room).into_iter().flat_map(IndexMap::values)
    }

    /// From now on the connection gets what the room gets.
    pub fn enter(&mut self, connection: ConnectionId, room: RoomKey) {
        if let Some(member) = self.all.get(&connection) {
            self.rooms.entry(room).or_default().insert(connection, Rc::clone(&member.socket));
        }
    }

    /// From now on it does not.
    pub fn exit(&mut self, connection: ConnectionId, room: RoomKey) {
        if let Some(members) = self.rooms.get_mut(&room) {
            members.swap_remove(&connection);
            if members.is_empty() {
                self.rooms.remove(&room);
            }
        }
    }
}
