//! The log of record, who is present, which instances live, and what is kept of people: small traits with one
//! implementation per mode.
//!
//! - [`Broker`]: numbers, commits and broadcasts entries; reads the log.
//! - [`PresenceStore`]: who is in which room, over all instances.
//! - [`Directory`]: the instances, and what they ask of one another.
//! - [`crate::auth::accounts::Accounts`]: accounts, login sessions, bans, read markers, the secret.
//!
//! [`local`] keeps all of it in memory and one SQLite file, [`redis`] in a Redis that many instances share. One contract
//! test suite (`tests/it/contract`) runs against both.

mod directory;
mod history;
pub mod local;
pub mod message_id;
pub mod redis;

pub use directory::{Directory, InstanceInfo, Measure, PeerRequest, PeerRequests};
pub use history::HistoryConfig;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::protocol::{
    command::Cursor,
    entry::{Entry, MessageState, Numbered, Print},
    envelope::Telling,
    error::{ErrorCode, Refusal},
    event::{Counts, Mode, ProvisionalMessage},
    ids::{Epoch, MessageId, Millis, Position, RoomName, Seq},
    user::User,
};

/// What a broker tells its hub.
#[derive(Clone, Debug, PartialEq)]
pub enum BrokerEvent {
    /// Entries committed to the log, of any rooms, in the order of each room.
    Committed(Vec<Numbered>),
    /// Messages accepted while the log is away: for those who are in the room on this instance. Each comes again in
    /// [`BrokerEvent::Committed`], with the same id, or in [`BrokerEvent::Undelivered`].
    Provisional(Vec<ProvisionalMessage>),
    /// Provisional messages that can no longer be logged.
    Undelivered {
        /// Where.
        room: RoomName,
        /// Which.
        ids: Vec<MessageId>,
    },
    /// Something may not have come: the log of this room, or of all, is to be looked at again.
    Missed(Option<RoomName>),
    /// Whether the log can be reached changed.
    Link(Link),
    /// Another instance, or the presence store, tells what passes in a room and is not logged.
    Told(RoomName, Telling),
}

/// Whether the log of record can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It can.
    Up,
    /// It cannot: messages are provisional.
    Down,
}

/// What a follower of a room's log has of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Where it stands.
    pub position: Position,
    /// The last entries it took, oldest first, by number.
    pub recent: Vec<(Seq, Print)>,
}

/// The hub's end of what a broker tells. Bounded: a broker that cannot hand an event over waits or, where it cannot wait,
/// drops it; the hub sees the gap in the numbers and reads the log.
pub type BrokerEvents = mpsc::Receiver<BrokerEvent>;

/// The log of record.
///
/// # Contract
/// - Number, commit, then broadcast and acknowledge: nobody learns of an entry that a crash could take back.
/// - Within an epoch the numbers of a room rise by exactly one per entry, and `ts` never falls.
/// - A message retried with the same key by the same user in the same room within [`Broker::idempotency_ms`] gives the
///   first answer again with `duplicate`, and logs nothing.
/// - A delete takes the text, and that of the message's edits, out of the store in the same step.
pub trait Broker: Send + Sync + 'static {
    /// Appends in the order given; the answers are in the same order. Entries of one batch share one commit where that
    /// is cheaper. When the queue in front of the log is full, every answer is [`AppendError::Unavailable`] at once.
    fn append(&self, batch: Vec<Append>) -> BoxFuture<'static, Vec<Result<Appended, AppendError>>>;

    /// Reads for somebody who joins: what follows `since` if the log covers it, else the last messages as they are now.
    /// Gives a room without entries its epoch.
    fn recover(
        &self,
        room: RoomName,
        since: Option<Position>,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Recovery, Unavailable>>;

    /// Makes sure that what is committed to the room from now on comes as [`BrokerEvent::Committed`]. While the log is away
    /// it fails; the broker catches up on it by itself and then says [`BrokerEvent::Missed`].
    fn subscribe(&self, room: RoomName) -> BoxFuture<'static, Result<(), Unavailable>>;

    /// Reads on for this instance itself, from what it has of a room. A log that does not hold what `tail` says was
    /// delivered has lost it; it is given a new epoch before it is read, so that no number is used twice in one.
    fn follow(
        &self,
        room: RoomName,
        tail: Option<Tail>,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Recovery, Unavailable>>;

    /// Tells the other instances what passes in a room and is not logged. Best effort: never waits, and what cannot be sent
    /// is dropped.
    fn tell(&self, room: &RoomName, telling: Telling);

    /// A page of messages as they are now, oldest first.
    fn history(&self, room: RoomName, cursor: Cursor, limit: usize) -> BoxFuture<'static, Result<Page, Unavailable>>;

    /// Rooms that have entries, by name from `after` (exclusive) on, with the time of the last entry.
    fn logged_rooms(
        &self,
        prefix: String,
        after: Option<RoomName>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<LoggedRoom>, Unavailable>>;

    /// Nobody of this instance is in the room any more: ends the subscription, and lets the epoch of a room that has no
    /// entry be forgotten; at once, or where other instances may be in it, some minutes after anybody last looked.
    fn release(&self, room: &RoomName);

    /// How long keys are remembered at least, in milliseconds.
    fn idempotency_ms(&self) -> Millis;

    /// Whether the last write succeeded; `false` shows in `/health` as `degraded`.
    fn is_healthy(&self) -> bool;

    /// How the server runs, for `welcome` and `/metrics`.
    fn mode(&self) -> Mode;
}

/// Somebody wants something in the log.
#[derive(Clone, Debug)]
pub struct Append {
    /// Where.
    pub room: RoomName,
    /// Who.
    pub user: Arc<User>,
    /// What.
    pub change: Change,
}

/// What an [`Append`] wants. Rights are the broker's to check, since it knows the state of the message it is about.
#[derive(Clone, Debug)]
pub enum Change {
    /// Say something.
    Message {
        /// What.
        text: Arc<str>,
        /// Makes retries harmless.
        key: Option<Box<str>>,
        /// The message it answers; must be in the log.
        reply_to: Option<MessageId>,
    },
    /// Change one's own text.
    Edit {
        /// Which.
        message_id: MessageId,
        /// The new text.
        text: Arc<str>,
    },
    /// Take a message back; the author's right, or an admin's.
    Delete {
        /// Which.
        message_id: MessageId,
    },
    /// Put a reaction on or take it off.
    React {
        /// Which.
        message_id: MessageId,
        /// Which emoji.
        emoji: Box<str>,
        /// On or off.
        on: bool,
    },
}

/// The answer to an [`Append`] that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The message it said or was about.
    pub message_id: MessageId,
    /// The entry's number; of the first time when `duplicate`, of the room's head when nothing had to change. `None` for a
    /// message that waits for the log to be back: provisional, and promised to nobody.
    pub seq: Option<Seq>,
    /// When; of the first time when `duplicate`.
    pub ts: Millis,
    /// Set when nothing was logged because it was so already.
    pub duplicate: bool,
}

/// Why an [`Append`] did not take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The log holds no such message, or it was deleted.
    #[error("the log holds no such message")]
    NotFound,
    /// Somebody else's message.
    #[error("only the author may do that")]
    Forbidden,
    /// A message takes at most [`MAX_EMOJI`] different emoji.
    #[error("a message takes at most 20 different emoji")]
    TooManyEmoji,
    /// The store is full or failing, or the queue before it is.
    #[error("the log cannot take entries now")]
    Unavailable,
}

/// Most different emoji on one message (PROTOCOL section 2).
pub const MAX_EMOJI: usize = 20;

/// What a client is told to wait when the store cannot take its entry.
pub const RETRY_AFTER_MS: Millis = 1_000;

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::NotFound => Refusal::new(ErrorCode::NotFound, error.to_string()),
            AppendError::Forbidden => Refusal::new(ErrorCode::Forbidden, error.to_string()),
            AppendError::TooManyEmoji => Refusal::new(ErrorCode::InvalidArgument, error.to_string()),
            AppendError::Unavailable => Refusal::unavailable(error.to_string(), RETRY_AFTER_MS),
        }
    }
}

/// A store that cannot be read or written now. The cause is logged where it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store cannot be reached now")]
pub struct Unavailable;

impl From<Unavailable> for Refusal {
    fn from(error: Unavailable) -> Self {
        Refusal::unavailable(error.to_string(), RETRY_AFTER_MS)
    }
}

/// How much [`Broker::recover`] gives at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimit {
    /// Raw entries after `since`.
    pub entries: usize,
    /// Bytes of them as JSON; the first entry is given whatever its size.
    pub bytes: usize,
    /// Messages of a snapshot.
    pub messages: usize,
}

/// What [`Broker::recover`] found.
#[derive(Clone, Debug, PartialEq)]
pub enum Recovery {
    /// Raw entries after `since`, complete and in order.
    Resumed {
        /// The position of the last entry given, or `since` itself when there was none.
        position: Position,
        /// The entries.
        entries: Vec<Entry>,
        /// Whether the log holds more after them.
        more: bool,
    },
    /// `since` was missing, of another epoch, beyond the head or no longer covered.
    Snapshot {
        /// The head of the log.
        position: Position,
        /// The last messages as they are now, oldest first.
        messages: Vec<MessageState>,
    },
}

/// A page of history.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Oldest first.
    pub messages: Vec<MessageState>,
    /// Whether there is more in the direction asked for.
    pub more: bool,
}

/// A room that has entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRoom {
    /// Which.
    pub room: RoomName,
    /// The life of its log.
    pub epoch: Epoch,
    /// When its last entry was logged.
    pub last_ts: Millis,
}

/// Who is in which room, over all instances.
pub trait PresenceStore: Send + Sync + 'static {
    /// Tells who came to and went from a room on this instance. Answers who thereby came or went in the whole cluster, and
    /// how many there are now.
    fn sync(
        &self,
        room: RoomName,
        changes: Vec<PresenceChange>,
    ) -> BoxFuture<'static, Result<PresenceOutcome, Unavailable>>;

    /// The first `limit` users of a room, and how many there are.
    fn who(&self, room: RoomName, limit: usize) -> BoxFuture<'static, Result<Roster, Unavailable>>;

    /// Rooms that have users, by name from `after` (exclusive) on.
    fn occupied_rooms(
        &self,
        prefix: String,
        after: Option<RoomName>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<(RoomName, usize)>, Unavailable>>;
}

/// A user whose first connection on this instance came to a room, or whose last one went.
#[derive(Clone, Debug, PartialEq)]
pub struct PresenceChange {
    /// Who.
    pub user: Arc<User>,
    /// Came or went.
    pub present: bool,
    /// For one who went: counts for so many milliseconds all the same, being expected on another instance. 0 when gone, and
    /// where there are no other instances.
    pub away_ms: Millis,
}

/// What [`PresenceStore::sync`] changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PresenceOutcome {
    /// Users new in the cluster.
    pub entered: Vec<Arc<User>>,
    /// Users gone from the cluster.
    pub left: Vec<Arc<User>>,
    /// How many there are now.
    pub counts: Counts,
    /// When they were counted, by the store's clock in microseconds; always 0 where counts come in order.
    pub counted_at: u64,
}

/// Who is in a room.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    /// The first of them, by role (admins first) and name.
    pub users: Vec<Arc<User>>,
    /// How many there are.
    pub counts: Counts,
}
