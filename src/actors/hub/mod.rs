//! One per instance: owns the rooms, and decides what each connection gets.
//!
//! It never waits. What the store must answer is a question with a ticket; the answer comes back as a message.
//!
//! - [`commands`]: what clients ask. [`joining`]: how they come into a room without missing or doubling anything.
//! - [`answers`]: what the store answers. [`committed`]: what the log brings.
//! - [`attending`]: presence, typing, and the grace of lost connections. [`forgetting`]: what is not kept any more.
//!   [`draining`]: the end.
//! - [`queries`]: what HTTP asks. [`lag`]: how late it is.
//! - [`connections`], [`room`], [`outbox`]: what it keeps.

mod answers;
mod attending;
mod commands;
mod committed;
mod connections;
mod dismissed;
mod draining;
mod forgetting;
mod joining;
mod lag;
mod outbox;
mod queries;
mod room;

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, WrapFuture};
use slab::Slab;
use tokio::sync::oneshot;

use super::{
    bridge::{Bridge, Release, Store},
    encode,
    messages::{Ask, Asked, Connected, ConnectionId, Delivery, Enlist, Gone, Question, RoomKey, Ticket, WorkerId},
};
use crate::{
    broker::{Appended, BrokerEvents, HistoryConfig, Link},
    chat::attendance::Change,
    clock::SharedClock,
    metrics::Metrics,
    protocol::{
        close::CloseCode,
        command::{Cursor, RequestId},
        envelope::DisconnectCause,
        error::Refusal,
        event::{ErrorEvent, Event, LeaveReason, Mode},
        frame::Frame,
        ids::{Millis, Position, RoomName, Seq, UserId},
    },
};
use connections::{Connections, Standing};
use dismissed::Dismissed;
use draining::Draining;
use outbox::Outboxes;
use room::{Joiner, Room};

/// Commands waiting for the hub; more are refused with `unavailable`.
const MAILBOX: usize = 16_384;

/// Questions to the store that are under way; more are refused with `unavailable`.
pub(super) const MAX_QUESTIONS: usize = 16_384;

/// Messages handled in one go; then others on the thread have their turn.
const TURN: u32 = 256;

/// How long a fan-out with a full mailbox is left alone: the actors have no signal for room in another's mailbox.
const RETRY_FLUSH: Duration = Duration::from_millis(5);

/// What the hub keeps to.
#[derive(Clone, Debug)]
pub struct HubConfig {
    /// How long comings and goings are collected, milliseconds.
    pub presence_debounce_ms: Millis,
    /// Users in a room above which only counts are sent.
    pub detail_limit: usize,
    /// How long a lost connection still counts as present, milliseconds.
    pub grace_ms: Millis,
    /// Most rooms of one connection.
    pub rooms_per_connection: usize,
    /// Most rooms that live on this instance at once.
    pub live_rooms: usize,
    /// What is kept of each room: nobody is shown more from memory.
    pub history: HistoryConfig,
}

/// The hub.
pub struct Hub {
    config: HubConfig,
    clock: SharedClock,
    metrics: Metrics,
    bridge: Addr<Bridge>,
    outboxes: Outboxes,
    flush_due: bool,
    /// Messages handled since the last rest.
    handled: u32,
    connections: Connections,
    rooms: Slab<Room>,
    names: HashMap<RoomName, RoomKey>,
    questions: Slab<Waiting>,
    unsettled: Vec<RoomKey>,
    graces: VecDeque<Grace>,
    dismissed: Dismissed,
    draining: Option<Draining>,
    /// Whether the log can be reached.
    link: Link,
    /// Whether there are no other instances, and the log is this one's own.
    alone: bool,
    /// Rooms to be held against their logs.
    checks: VecDeque<RoomKey>,
    /// Logs being read.
    checking: usize,
    /// Rooms whose logs could not be read.
    retries: Vec<RoomName>,
}

/// A connection that was lost and may come back.
struct Grace {
    until: Millis,
    room: RoomKey,
    user: UserId,
}

/// Who waits for an answer of the store.
enum Waiting {
    /// A client that changed the log.
    Change { connection: ConnectionId, id: Option<RequestId>, room: RoomName, says: bool, since: Instant },
    /// An HTTP request that changed the log.
    Post { reply: oneshot::Sender<Result<Appended, Refusal>>, since: Instant },
    /// A client that joins, for its read marker.
    Marker { room: RoomKey, joiner: Joiner },
    /// Everyone who wants what came in a room since their positions, of which this is the first.
    Page { room: RoomKey, since: Position },
    /// A room whose log is being read.
    Track { room: RoomKey },
    /// A room whose changes were told to the presence store.
    Presence { room: RoomKey, changes: Vec<Change>, due: bool },
    /// A client that wants a page.
    History { connection: ConnectionId, id: Option<RequestId>, room: RoomName, cursor: Cursor, limit: usize },
    /// A client that wants to know who is there.
    Who { connection: ConnectionId, id: Option<RequestId>, room: RoomName },
    /// A client that read something.
    Read { connection: ConnectionId, id: Option<RequestId>, room: RoomName, asked: Seq },
    /// An admin that bans.
    Ban { connection: ConnectionId, id: Option<RequestId>, user: UserId },
    /// An admin that kicks, until the other instances have done it.
    Kick { connection: ConnectionId, id: Option<RequestId>, user: UserId, cause: DisconnectCause },
}

/// Hand over what waits; comes when the mailbox is empty.
#[derive(Message)]
#[rtype(result = "()")]
struct Flush;

/// Tell who came and went.
#[derive(Message)]
#[rtype(result = "()")]
struct Collect;

impl Hub {
    /// Starts a hub and its bridge on the current arbiter.
    pub fn start(
        config: HubConfig,
        store: Store,
        events: BrokerEvents,
        clock: SharedClock,
        metrics: Metrics,
    ) -> Addr<Self> {
        let mode = store.broker.mode();
        Self::create(|ctx| {
            let bridge = Bridge::new(store, events, ctx.address()).start();
            Self {
                config,
                clock,
                metrics,
                bridge,
                outboxes: Outboxes::default(),
                flush_due: false,
                handled: 0,
                connections: HashMap::new(),
                rooms: Slab::new(),
                names: HashMap::new(),
                questions: Slab::new(),
                unsettled: Vec::new(),
                graces: VecDeque::new(),
                dismissed: Dismissed::default(),
                draining: None,
                link: if mode == Mode::Degraded { Link::Down } else { Link::Up },
                alone: mode == Mode::Standalone,
                checks: VecDeque::new(),
                checking: 0,
                retries: Vec::new(),
            }
        })
    }

    fn now(&self) -> Millis {
        self.clock.now_ms()
    }

    /// What durations are counted in.
    fn elapsed(&self) -> Millis {
        self.clock.elapsed_ms()
    }

    fn room(&self, key: RoomKey) -> Option<&Room> {
        self.rooms.get(key.0 as usize)
    }

    fn room_mut(&mut self, key: RoomKey) -> Option<&mut Room> {
        self.rooms.get_mut(key.0 as usize)
    }

    /// Asks the store; gives back who waits when too many questions are under way already.
    fn ask(&mut self, question: Question, waiting: Waiting) -> Result<(), Box<Waiting>> {
        if self.questions.len() >= MAX_QUESTIONS {
            return Err(Box::new(waiting));
        }
        let ticket = Ticket(self.questions.insert(waiting));
        match self.bridge.try_send(Ask { ticket, question }) {
            Ok(()) => Ok(()),
            Err(_) => Err(Box::new(self.questions.remove(ticket.0))),
        }
    }

    /// Sends a frame to one connection.
    fn send(&mut self, connection: ConnectionId, frame: Frame) {
        if let Some(known) = self.connections.get(&connection) {
            self.outboxes.push(known.worker, Delivery::To(connection, frame));
        }
    }

    /// Sends the answer to a command.
    fn reply(&mut self, connection: ConnectionId, event: &Event) {
        self.send(connection, encode::frame(event));
        self.done(connection);
    }

    /// Notes that a command is answered, and closes what was to be closed after its last one.
    fn done(&mut self, connection: ConnectionId) {
        let Some(known) = self.connections.get_mut(&connection) else { return };
        known.unanswered = known.unanswered.saturating_sub(1);
        if known.unanswered == 0
            && let Some(code) = known.ending.take()
        {
            self.close(connection, code);
        }
    }

    /// Sends the refusal of a command.
    fn refuse(
        &mut self,
        connection: ConnectionId,
        id: Option<RequestId>,
        room: Option<RoomName>,
        refusal: impl Into<Refusal>,
    ) {
        let refusal = refusal.into();
        self.metrics.refused(refusal.code);
        self.reply(connection, &Event::Error(ErrorEvent::new(id, room, refusal)));
    }

    fn close(&mut self, connection: ConnectionId, code: CloseCode) {
        if let Some(known) = self.connections.get_mut(&connection) {
            known.closed = true;
            self.outboxes.push(known.worker, Delivery::Close(connection, code));
        }
    }

    /// Lets a room go that nobody would miss.
    fn sweep_room(&mut self, key: RoomKey) {
        if !self.room(key).is_some_and(Room::is_idle) {
            return;
        }
        let room = self.rooms.remove(key.0 as usize);
        self.names.remove(&room.name);
        self.metrics.rooms_live.dec();
        // Only saves memory in the store; with a full mailbox it is done when the room is next let go.
        let _ = self.bridge.try_send(Release(room.name));
    }

    /// Ends the handling of a message: what waits goes to the workers when the mailbox is empty, or at the next rest.
    fn end_turn(&mut self, ctx: &mut Context<Self>) {
        self.handled += 1;
        if self.handled >= TURN || self.outboxes.is_congested() {
            self.rest(ctx);
        } else if !self.flush_due && !self.outboxes.is_empty() {
            self.flush_due = true;
            ctx.notify(Flush);
        }
    }

    /// Lets others have their turn. An actor's mailbox comes before all else it has to do, and under load it is never
    /// empty: without a rest nothing would be flushed, and the bridge on the same thread would not run. While workers are
    /// too far behind the hub takes nothing at all; then its mailbox fills, and connections refuse for it.
    fn rest(&mut self, ctx: &mut Context<Self>) {
        self.handled = 0;
        self.outboxes.flush();
        if self.outboxes.is_congested() {
            ctx.wait(tokio::time::sleep(RETRY_FLUSH).into_actor(self).map(|(), hub, ctx| hub.rest(ctx)));
        } else {
            ctx.wait(tokio::task::yield_now().into_actor(self));
        }
    }

    /// Sends itself a message again and again, through the mailbox: timers of a context come after it.
    fn every<M>(interval: Duration, ctx: &Context<Self>, message: impl Fn() -> M + 'static)
    where
        M: Message<Result = ()> + Send + 'static,
        Self: Handler<M>,
    {
        let hub = ctx.address().downgrade();
        actix_rt::spawn(async move {
            loop {
                tokio::time::sleep(interval).await;
                let Some(hub) = hub.upgrade() else { return };
                if hub.send(message()).await.is_err() {
                    return;
                }
            }
        });
    }

    /// From here on a connection gets nothing live of a room.
    fn end_live(&mut self, connection: ConnectionId, worker: WorkerId, key: RoomKey, standing: Standing) {
        if standing == Standing::Live {
            self.outboxes.push(worker, Delivery::Exit(connection, key));
            if let Some(room) = self.room_mut(key) {
                room.remove_live(worker);
            }
        }
    }

    /// A connection no longer stands in a room.
    fn step_away(&mut self, connection: ConnectionId, key: RoomKey) {
        if let Some(room) = self.room_mut(key) {
            room.connections -= 1;
            room.provisional.retain(|joiner| joiner.connection != connection);
        }
    }

    fn leave_everywhere(&mut self, connection: ConnectionId, lost: bool) {
        let Some(known) = self.connections.remove(&connection) else { return };
        let reason = known.leaves_as.unwrap_or(if lost { LeaveReason::Lost } else { LeaveReason::Closed });
        let back_by = self.expected_back(known.reconnect_in, reason);
        for (key, standing) in known.rooms {
            self.end_live(connection, known.worker, key, standing);
            self.step_away(connection, key);
            self.depart(key, &known.user.id, reason, back_by);
        }
    }
}

impl Actor for Hub {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        Self::every(Duration::from_millis(self.config.presence_debounce_ms.max(10)), ctx, || Collect);
        Self::keep_reading(ctx);
        Self::keep_forgetting(ctx);
        Self::watch_lag(ctx, self.metrics.clone());
    }
}

impl Handler<Enlist> for Hub {
    type Result = ();

    fn handle(&mut self, Enlist { worker, fanout }: Enlist, _: &mut Self::Context) {
        self.outboxes.enlist(worker, fanout);
    }
}

impl Handler<Connected> for Hub {
    type Result = ();

    fn handle(&mut self, connected: Connected, ctx: &mut Self::Context) {
        let id = connected.connection;
        self.connections.insert(id, connections::Connection::new(connected));
        self.send_away_late(id);
        // A connection that slipped in while the drain began is scheduled like the rest.
        self.schedule_late(id);
        self.end_turn(ctx);
    }
}

impl Handler<Gone> for Hub {
    type Result = ();

    fn handle(&mut self, Gone { connection, lost }: Gone, ctx: &mut Self::Context) {
        self.leave_everywhere(connection, lost);
        self.drained_one();
        self.end_turn(ctx);
    }
}

impl Handler<Asked> for Hub {
    type Result = ();

    fn handle(&mut self, Asked { connection, request }: Asked, ctx: &mut Self::Context) {
        self.command(connection, request);
        self.end_turn(ctx);
    }
}

impl Handler<Collect> for Hub {
    type Result = ();

    fn handle(&mut self, Collect: Collect, ctx: &mut Self::Context) {
        self.collect_presence();
        self.end_turn(ctx);
    }
}

impl Handler<Flush> for Hub {
    type Result = ();

    fn handle(&mut self, Flush: Flush, ctx: &mut Self::Context) {
        self.outboxes.flush();
        self.flush_due = !self.outboxes.is_empty();
        if self.flush_due {
            ctx.notify_later(Flush, RETRY_FLUSH);
        }
    }
}
