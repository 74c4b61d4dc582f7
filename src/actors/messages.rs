//! What the actors tell each other.

use std::{net::IpAddr, sync::Arc, time::Instant};

use actix::{Addr, Message};
use smallvec::SmallVec;

use super::fanout::Fanout;
use crate::{
    auth::accounts::TokenHash,
    broker::{
        Append, AppendError, Appended, BrokerEvent, Page, PresenceChange, PresenceOutcome, Recovery, Roster, Tail,
        Unavailable,
    },
    chat::schedule::{Pace, Returns},
    protocol::{
        close::CloseCode,
        command::{Cursor, Request},
        envelope::{PeerAnswer, PeerAsk, Telling},
        frame::Frame,
        ids::{InstanceId, Millis, Position, RoomName, Seq, UserId},
        user::User,
    },
};

/// A connection of this instance; numbers are not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A worker thread, in the order in which they enlisted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WorkerId(pub usize);

/// A room while it lives on this instance. A number is used again only after every fan-out was told that all left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomKey(pub u32);

/// A question on its way through the bridge; its answer comes back with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(pub usize);

/// Worker → hub: here is my fan-out. Answered with the worker's number.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Enlist {
    /// Its number.
    pub worker: WorkerId,
    /// Where to send what its sockets get.
    pub fanout: Addr<Fanout>,
}

/// Connection → hub: I am here.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Connected {
    /// Me.
    pub connection: ConnectionId,
    /// The worker I live on.
    pub worker: WorkerId,
    /// Who is at the other end.
    pub user: Arc<User>,
    /// From where.
    pub address: IpAddr,
    /// The login session that proved it, if one did.
    pub login: Option<Box<TokenHash>>,
    /// Since when: its proof was not checked before.
    pub since: Millis,
}

/// Connection → hub: my client asks.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Asked {
    /// Me.
    pub connection: ConnectionId,
    /// What.
    pub request: Request,
}

/// Connection → hub: I am gone. Sent exactly once per [`Connected`].
#[derive(Message)]
#[rtype(result = "()")]
pub struct Gone {
    /// Me.
    pub connection: ConnectionId,
    /// Whether the client may come right back: no close frame, or one other than 1000 and 1001.
    pub lost: bool,
}

/// Hub → fan-out: what its sockets get, in this order.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Deliver {
    /// What.
    pub deliveries: Vec<Delivery>,
    /// Since when the first of them waits.
    pub since: Instant,
}

/// One step of a [`Deliver`].
#[derive(Debug)]
pub enum Delivery {
    /// To one connection.
    To(ConnectionId, Frame),
    /// To everyone in a room.
    Room(RoomKey, Frame),
    /// From here on the connection gets what the room gets.
    Enter(ConnectionId, RoomKey),
    /// From here on it does not.
    Exit(ConnectionId, RoomKey),
    /// Close it.
    Close(ConnectionId, CloseCode),
}

/// Hub → bridge: questions to the store.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Ask {
    /// Comes back with the answer.
    pub ticket: Ticket,
    /// What.
    pub question: Question,
}

/// What the hub asks of the store.
#[derive(Debug)]
pub enum Question {
    /// Append to the log.
    Append(Append),
    /// What follows what this instance has of a room; from here on the room's entries come.
    Follow {
        /// Where.
        room: RoomName,
        /// What it has.
        tail: Option<Tail>,
    },
    /// What follows a position.
    Recover {
        /// Where.
        room: RoomName,
        /// After what.
        since: Option<Position>,
    },
    /// Somebody's read marker.
    Marker {
        /// Where.
        room: RoomName,
        /// Whose.
        user: UserId,
    },
    /// A page of messages.
    History {
        /// Where.
        room: RoomName,
        /// From where on.
        cursor: Cursor,
        /// At most so many.
        limit: usize,
    },
    /// Who is there.
    Who {
        /// Where.
        room: RoomName,
        /// At most so many.
        limit: usize,
    },
    /// Tell who came and went.
    Presence {
        /// Where.
        room: RoomName,
        /// Who.
        changes: Vec<PresenceChange>,
    },
    /// Move a read marker.
    MarkRead {
        /// Where.
        room: RoomName,
        /// Whose.
        user: UserId,
        /// To where.
        seq: Seq,
    },
    /// Ask the other instances.
    Peers {
        /// What.
        ask: PeerAsk,
    },
    /// Refuse a user until then.
    Ban {
        /// Whom.
        user: UserId,
        /// Until when.
        until: Millis,
    },
}

/// Bridge → hub: answers.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Answered(pub SmallVec<[(Ticket, Answer); 1]>);

/// What the store answered to a [`Question`].
#[derive(Debug)]
pub enum Answer {
    /// To [`Question::Append`].
    Append(Result<Appended, AppendError>),
    /// To [`Question::Peers`].
    Peers(Result<Vec<(InstanceId, PeerAnswer)>, Unavailable>),
    /// To [`Question::Follow`] and [`Question::Recover`].
    Recover(Result<Recovery, Unavailable>),
    /// To [`Question::Marker`].
    Marker(Result<Option<Seq>, Unavailable>),
    /// To [`Question::History`].
    History(Result<Page, Unavailable>),
    /// To [`Question::Who`].
    Who(Result<Roster, Unavailable>),
    /// To [`Question::Presence`].
    Presence(Result<PresenceOutcome, Unavailable>),
    /// To [`Question::MarkRead`]: the marker as it is now.
    MarkRead(Result<Seq, Unavailable>),
    /// To [`Question::Ban`].
    Ban(Result<(), Unavailable>),
}

/// Bridge → hub: what the store tells. Answered when the hub has passed it on, so that the bridge takes no more from the
/// broker than the workers can write.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Brought(pub BrokerEvent);

/// Hub → bridge: let the other instances know what passes in a room. Nothing comes back.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Tell {
    /// Where.
    pub room: RoomName,
    /// What.
    pub telling: Telling,
}

/// App → hub: close everybody at this pace. Answered when nobody is left, with the milliseconds until the last is expected
/// to be back.
#[derive(Message, Debug)]
#[rtype(result = "Millis")]
pub struct Drain {
    /// How fast.
    pub pace: Pace,
    /// When they come back.
    pub returns: Returns,
}
