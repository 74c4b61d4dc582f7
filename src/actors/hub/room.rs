//! One room while somebody of this instance is in it.

use std::{collections::HashMap, rc::Rc, sync::Arc};

use smallvec::SmallVec;

use crate::{
    actors::messages::{ConnectionId, WorkerId},
    broker::HistoryConfig,
    chat::{attendance::Attendance, position::Track, recent::Recent, throttle::Throttle},
    protocol::{
        command::RequestId,
        entry::{Entry, EntryBody},
        event::{Counts, LeaveReason},
        frame::Frame,
        ids::{Millis, Position, RoomName, Seq, UserId},
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
    pub(super) announced_at: Millis,
    /// When the store counted what is known, in its microseconds.
    counted_at: u64,
    /// Who came and went since everyone was told, as the store said.
    pub(super) entered: HashMap<UserId, Arc<User>>,
    pub(super) left: HashMap<UserId, (Arc<User>, LeaveReason)>,
    /// Whether a joiner was told other counts since, so that they have to be told again even if nothing changed.
    pub(super) told_otherwise: bool,
    /// Questions about the room that are not answered yet. The room stays until then.
    pub(super) questions: u32,
    /// Whether one of these reads on from the position.
    pub(super) log_asked: bool,
    /// Why it is read, if not for those who join.
    pub(super) read_for: Option<&'static str>,
    /// Whether something was missed since that one was asked: it may have read too early.
    pub(super) read_stale: bool,
    /// Whether one of these is about presence; changes go to the store one batch at a time.
    pub(super) presence_asked: bool,
    /// Connections lost a moment ago that still count as present.
    pub(super) graces: u32,
    /// Who waits for the position to settle.
    pub(super) parked: Vec<Joiner>,
    /// Who waits for the one read of what came since their positions.
    pub(super) wanting_page: Vec<Joiner>,
    /// Whether one of the questions is that read, and from where.
    pub(super) page_asked: Option<Position>,
    /// Whether a text was taken back since that was asked: it may still be in what comes.
    pub(super) page_spoiled: bool,
    /// What the last such read gave; serves all who come back at about the same time.
    page: Option<Rc<Resumed>>,
    /// Whether the page was of use since it was looked at last.
    page_used: bool,
    /// Who was let in while the log is away, and waits for a position.
    pub(super) provisional: Vec<Joiner>,
    /// The last messages as they are at the room's position.
    recent: Option<Rc<Recent>>,
    /// Whether the room waits to be held against its log.
    pub(super) check_due: bool,
    /// Whether its log could not be read and is to be tried again.
    pub(super) retry_due: bool,
    tail: Vec<(Seq, Frame)>,
    pub(super) typing: Throttle,
    pub(super) reading: Throttle,
}

/// Somebody who is joining.
pub(super) struct Joiner {
    pub(super) connection: ConnectionId,
    /// Which of the connection's joins; a later one, or a `leave`, makes it void.
    pub(super) turn: u32,
    pub(super) id: Option<RequestId>,
    /// Whether a command waits for it; not so when it was answered provisionally before.
    pub(super) asked: bool,
    pub(super) since: Option<Position>,
    pub(super) read: Option<Seq>,
    /// What the log gave, when only the position is waited for.
    pub(super) found: Option<Found>,
    /// Whether the room was held against its log for it.
    pub(super) checked: bool,
}

impl Joiner {
    /// One that no command waits for.
    pub(super) fn new(connection: ConnectionId, turn: u32, since: Option<Position>) -> Self {
        Self { connection, turn, id: None, asked: false, since, read: None, found: None, checked: false }
    }

    /// One whose answer names the command.
    pub(super) fn asked_as(self, id: Option<RequestId>) -> Self {
        Self { id, asked: true, ..self }
    }
}

/// What is given to somebody who joins.
pub(super) enum Found {
    /// The last messages.
    Snapshot(Rc<Recent>),
    /// What came since.
    Resumed(Rc<Resumed>, Seq),
}

/// Entries right after a position.
pub(super) struct Resumed {
    /// After what.
    pub(super) since: Seq,
    /// The position of the last entry, or the first position when there is none.
    pub(super) position: Position,
    pub(super) entries: Vec<Entry>,
    /// Whether the log holds more after them.
    pub(super) more: bool,
}

impl Resumed {
    /// Whether it holds what comes after `since`, or some of it.
    fn serves(&self, since: &Position) -> bool {
        let ends = if self.more { since.seq < self.position.seq } else { since.seq <= self.position.seq };
        since.epoch == self.position.epoch && self.since <= since.seq && ends
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
            announced_at: 0,
            counted_at: 0,
            entered: HashMap::new(),
            left: HashMap::new(),
            told_otherwise: false,
            questions: 0,
            log_asked: false,
            read_for: None,
            read_stale: false,
            presence_asked: false,
            graces: 0,
            parked: Vec::new(),
            wanting_page: Vec::new(),
            page_asked: None,
            page_spoiled: false,
            page: None,
            page_used: false,
            provisional: Vec::new(),
            recent: None,
            check_due: false,
            retry_due: false,
            tail: Vec::new(),
            typing: Throttle::default(),
            reading: Throttle::default(),
        }
    }

    /// Whether nobody would miss it.
    pub(super) fn is_idle(&self) -> bool {
        self.connections == 0
            && self.questions == 0
            && self.graces == 0
            && self.attendance.is_empty()
            && self.parked.is_empty()
            && self.wanting_page.is_empty()
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

    /// Takes who came and went, as the store said, to be told with the next collection.
    pub(super) fn came_and_went(
        &mut self,
        counts: Counts,
        counted_at: u64,
        entered: &[Arc<User>],
        left: &[(Arc<User>, LeaveReason)],
    ) {
        // What is told can overtake one another.
        if counted_at >= self.counted_at {
            self.counted_at = counted_at;
            self.attendance.settle(counts);
        }
        for user in entered {
            if self.left.remove(&user.id).is_none() {
                self.entered.insert(user.id.clone(), user.clone());
            }
        }
        for (user, reason) in left {
            if self.entered.remove(&user.id).is_none() {
                self.left.insert(user.id.clone(), (user.clone(), *reason));
            }
        }
    }

    /// Takes an entry that is being delivered: keeps its frame for those who are joining, and the messages as they are now.
    pub(super) fn take(&mut self, entry: &Entry, frame: &Frame) {
        if let Some(recent) = &mut self.recent
            && !Rc::make_mut(recent).apply(entry)
        {
            self.recent = None;
        }
        if matches!(entry.body, EntryBody::Deleted { .. }) {
            // It may hold the text.
            self.page = None;
            self.page_spoiled = self.page_asked.is_some();
        }
        if self.questions == 0 && self.parked.is_empty() && self.page.is_none() {
            self.tail = Vec::new();
            return;
        }
        if self.tail.len() == MAX_TAIL {
            self.tail.drain(..MAX_TAIL / 2);
        }
        self.tail.push((entry.seq, frame.clone()));
    }

    /// Sets the messages as they are now: the log was read at a new position.
    pub(super) fn set_recent(&mut self, recent: Rc<Recent>) {
        self.recent = Some(recent);
    }

    /// Lets go of the messages that are not `kept` any more.
    pub(super) fn forget_old(&mut self, kept: &HistoryConfig, now: Millis) {
        let Some(recent) = &mut self.recent else { return };
        let (first, since) = (kept.first_kept(recent.position().seq), kept.kept_since(now));
        if recent.reaches_before(first, since) {
            Rc::make_mut(recent).forget_before(first, since);
        }
    }

    /// The messages as they are at the room's position.
    pub(super) fn recent(&self) -> Option<&Rc<Recent>> {
        self.recent.as_ref().filter(|recent| self.track.position() == Some(recent.position()))
    }

    /// What came since a position, if it was read a moment ago and what came after it is at hand.
    pub(super) fn page_for(&mut self, since: &Position) -> Option<Found> {
        let page = self.page.clone().filter(|page| page.serves(since))?;
        // What ends ahead of the room is waited for; what the room is past must be at hand.
        let past = self.track.position().is_some_and(|at| at.seq > page.position.seq);
        if !page.more && past && self.tail_after(page.position.seq).is_none() {
            self.page = None;
            return None;
        }
        self.page_used = true;
        Some(Found::Resumed(page, since.seq))
    }

    /// Keeps what was read for those who come back at about the same time.
    pub(super) fn keep_page(&mut self, page: Rc<Resumed>) {
        self.page = Some(page);
        self.page_used = true;
    }

    /// Lets the page go that nobody used since the last call. Answers whether one is still kept.
    pub(super) fn age_page(&mut self) -> bool {
        if !std::mem::take(&mut self.page_used) {
            self.page = None;
        }
        self.page.is_some()
    }

    /// Forgets what belongs to a life of the log that is over.
    pub(super) fn forget_log(&mut self) {
        self.tail = Vec::new();
        self.page = None;
    }

    /// The frames delivered after `seq` up to the position; `None` when they were not kept.
    pub(super) fn tail_after(&self, seq: Seq) -> Option<&[(Seq, Frame)]> {
        if self.track.position().is_some_and(|at| at.seq == seq) {
            return Some(&[]);
        }
        let start = self.tail.iter().position(|(at, _)| *at == seq + 1)?;
        Some(&self.tail[start..])
    }
}
