//! One room while somebody of this instance is in it.

use std::{collections::HashMap, rc::Rc, sync::Arc};

use smallvec::SmallVec;

use crate::{
    actors::messages::{ConnectionId, WorkerId},
    broker::Recovery,
    chat::{attendance::Attendance, position::Track, throttle::Throttle},
    protocol::{
        command::RequestId,
        entry::{Entry, MessageState},
        event::{Counts, LeaveReason},
        frame::Frame,
        ids::{Position, RoomName, Seq, UserId},
        user::User,
    },
};

/// Frames kept for those who are joining; a join that takes longer starts over.
const MAX_TAIL: usize = 1_000;

/// A room.
pub(super) struct Room {
    pub(super) name: RoomName,
    pub(super) track: Track,
    /// Connections that stand in the room.
    pub(super) connections: u32,
    /// Those of them that get what the room gets, by worker.
    live: SmallVec<[u32; 2]>,
    pub(super) attendance: Attendance,
    /// The counts that everyone was told last.
    pub(super) announced: Counts,
    /// Who came and went since everyone was told, as the store said.
    pub(super) entered: HashMap<UserId, Arc<User>>,
    pub(super) left: HashMap<UserId, (Arc<User>, LeaveReason)>,
    /// Whether a joiner was told other counts since, so that they have to be told again even if nothing changed.
    pub(super) told_otherwise: bool,
    /// Questions about the room that are not answered yet. The room stays until then.
    pub(super) questions: u32,
    /// Whether one of these reads on from the position.
    pub(super) log_asked: bool,
    /// Whether one of these is about presence; changes go to the store one batch at a time.
    pub(super) presence_asked: bool,
    /// Connections lost a moment ago that still count as present.
    pub(super) graces: u32,
    /// Who waits for the position to settle.
    pub(super) parked: Vec<Joiner>,
    /// Who waits for the one read of a snapshot that is under way.
    pub(super) wanting_snapshot: Vec<Joiner>,
    /// The last snapshot read; good while the position is still its own.
    pub(super) snapshot: Option<Rc<Snapshot>>,
    tail: Vec<(Seq, Frame)>,
    pub(super) typing: Throttle,
    pub(super) reading: Throttle,
}

/// The last messages of a room as they were at a position.
pub(super) struct Snapshot {
    pub(super) position: Position,
    pub(super) messages: Vec<MessageState>,
}

/// Somebody who is joining.
pub(super) struct Joiner {
    pub(super) connection: ConnectionId,
    /// Which of the connection's joins; a later one, or a `leave`, makes it void.
    pub(super) turn: u32,
    pub(super) id: Option<RequestId>,
    pub(super) since: Option<Position>,
    pub(super) read: Option<Seq>,
    /// What the log gave, when only the position is waited for.
    pub(super) found: Option<Found>,
}

/// What the log gave to somebody who joins.
pub(super) enum Found {
    Snapshot(Rc<Snapshot>),
    Resumed { position: Position, entries: Vec<Entry>, more: bool },
}

impl From<Recovery> for Found {
    fn from(recovery: Recovery) -> Self {
        match recovery {
            Recovery::Resumed { position, entries, more } => Self::Resumed { position, entries, more },
            Recovery::Snapshot { position, messages } => Self::Snapshot(Rc::new(Snapshot { position, messages })),
        }
    }
}

impl Room {
    pub(super) fn new(name: RoomName) -> Self {
        Self {
            name,
            track: Track::new(),
            connections: 0,
            live: SmallVec::new(),
            attendance: Attendance::default(),
            announced: Counts::default(),
            entered: HashMap::new(),
            left: HashMap::new(),
            told_otherwise: false,
            questions: 0,
            log_asked: false,
            presence_asked: false,
            graces: 0,
            parked: Vec::new(),
            wanting_snapshot: Vec::new(),
            snapshot: None,
            tail: Vec::new(),
            typing: Throttle::default(),
            reading: Throttle::default(),
        }
    }

    /// Whether nobody would miss it.
    pub(super) fn is_idle(&self) -> bool {
        self.connections == 0 && self.questions == 0 && self.graces == 0 && self.attendance.is_empty()
    }

    pub(super) fn add_live(&mut self, WorkerId(worker): WorkerId) {
        if self.live.len() <= worker {
            self.live.resize(worker + 1, 0);
        }
        self.live[worker] += 1;
    }

    pub(super) fn remove_live(&mut self, WorkerId(worker): WorkerId) {
        if let Some(live) = self.live.get_mut(worker) {
            *live = live.saturating_sub(1);
        }
    }

    /// The workers on which somebody gets what the room gets.
    pub(super) fn workers(&self) -> impl Iterator<Item = WorkerId> + use<> {
        let live: SmallVec<[u32; 2]> = self.live.clone();
        live.into_iter().enumerate().filter(|(_, live)| *live > 0).map(|(worker, _)| WorkerId(worker))
    }

    /// Keeps a delivered frame for those who are joining.
    pub(super) fn remember(&mut self, seq: Seq, frame: &Frame) {
        if self.questions == 0 && self.parked.is_empty() {
            self.tail = Vec::new();
            return;
        }
        if self.tail.len() == MAX_TAIL {
            self.tail.drain(..MAX_TAIL / 2);
        }
        self.tail.push((seq, frame.clone()));
    }

    /// Forgets the frames kept: they are of a life of the log that is over.
    pub(super) fn forget_tail(&mut self) {
        self.tail = Vec::new();
    }

    /// The frames delivered after `seq` up to the position; `None` when they were not kept.
    pub(super) fn tail_after(&self, seq: Seq) -> Option<&[(Seq, Frame)]> {
        let start = self.tail.iter().position(|(at, _)| *at == seq + 1)?;
        Some(&self.tail[start..])
    }
}
