//! One per worker: writes to the worker's sockets itself, without waking their tasks, and sees to their life signs.
//!
//! What waits is joined: all frames for one room that came since the last turn go to each socket in one write.

use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler, Message};
use bytes::{Bytes, BytesMut};

use super::{
    members::SharedMembers,
    messages::{ConnectionId, Deliver, Delivery, RoomKey},
};
use crate::{
    chat::lifesigns::{Vital, judge},
    clock::SharedClock,
    metrics::Metrics,
    protocol::{close::CloseCode, frame::Frame, ids::Millis},
    transport::socket::Socket,
};

/// Batches a fan-out holds at most; the hub keeps what does not fit.
const MAILBOX: usize = 64;

/// Deliveries that are joined at most before they are written.
const MOST_JOINED: usize = 4_096;

/// The writer of one worker.
pub struct Fanout {
    members: SharedMembers,
    heartbeat_ms: Millis,
    clock: SharedClock,
    metrics: Metrics,
    waiting: Vec<Delivery>,
    /// Since when what waits does, batch by batch.
    since: Vec<Instant>,
}

/// Write what waits; comes behind everything that is in the mailbox already.
#[derive(Message)]
#[rtype(result = "()")]
struct Flush;

impl Fanout {
    /// The fan-out of the worker whose sockets these are.
    pub fn new(members: SharedMembers, heartbeat_ms: Millis, clock: SharedClock, metrics: Metrics) -> Self {
        Self { members, heartbeat_ms, clock, metrics, waiting: Vec::new(), since: Vec::new() }
    }

    fn check_life_signs(&mut self) {
        let ping = Frame::ping(b"");
        let now = self.clock.now_ms();
        for member in self.members.borrow_mut().iter_mut() {
            let silent_ms = member.socket.last_heard().elapsed().as_millis() as Millis;
            member.asked &= silent_ms >= self.heartbeat_ms;
            if member.expires.is_some_and(|expires| expires <= now) {
                close(&member.socket, CloseCode::SessionEnded);
            }
            match judge(silent_ms, member.asked, self.heartbeat_ms) {
                Vital::Fine => {}
                Vital::Ask => {
                    member.asked = true;
                    member.socket.send(&ping);
                }
                Vital::Dead => close(&member.socket, CloseCode::Silent),
            }
        }
    }

    fn flush(&mut self) {
        let deliveries = std::mem::take(&mut self.waiting);
        self.write(deliveries);
        for since in self.since.drain(..) {
            self.metrics.delivery_seconds.observe(since.elapsed().as_secs_f64());
        }
    }

    fn write(&self, deliveries: Vec<Delivery>) {
        let mut rooms = Run::default();
        let mut replies = Run::default();
        for delivery in deliveries {
            match delivery {
                // An ack and the event it caused may pass each other, so runs of both are joined side by side.
                Delivery::To(connection, frame) => replies.frames.push((connection, frame)),
                Delivery::Room(room, frame) => rooms.frames.push((room, frame)),
                Delivery::Enter(connection, room) => {
                    self.end_runs(&mut rooms, &mut replies);
                    self.members.borrow_mut().enter(connection, room);
                }
                Delivery::Exit(connection, room) => {
                    self.end_runs(&mut rooms, &mut replies);
                    self.members.borrow_mut().exit(connection, room);
                }
                Delivery::Close(connection, code) => {
                    self.end_runs(&mut rooms, &mut replies);
                    if let Some(socket) = self.members.borrow().get(connection) {
                        close(socket, code);
                    }
                }
            }
        }
        self.end_runs(&mut rooms, &mut replies);
    }

    fn end_runs(&self, rooms: &mut Run<RoomKey>, replies: &mut Run<ConnectionId>) {
        let members = self.members.borrow();
        rooms.end(|room: RoomKey, joined, frames| {
            let sockets = members.room(room);
            self.metrics
                .deliveries
                .inc_by(sockets.map(|socket| socket.send_joined(joined, frames)).count() as u64 * frames.len() as u64);
        });
        replies.end(|connection: ConnectionId, joined, frames| {
            if let Some(socket) = members.get(connection) {
                socket.send_joined(joined, frames);
            }
        });
    }
}

/// Frames for several targets; those of one target keep their order and leave in one piece.
struct Run<K> {
    frames: Vec<(K, Frame)>,
}

impl<K> Default for Run<K> {
    fn default() -> Self {
        Self { frames: Vec::new() }
    }
}

impl<K: Copy + Ord> Run<K> {
    fn end(&mut self, mut send: impl FnMut(K, &Bytes, &[Frame])) {
        let mut run = std::mem::take(&mut self.frames);
        run.sort_by_key(|(target, _)| *target);
        let mut frames = Vec::new();
        let mut run = run.into_iter().peekable();
        while let Some((target, frame)) = run.next() {
            frames.push(frame);
            if run.peek().is_none_or(|(next, _)| *next != target) {
                send(target, &join(&frames), &frames);
                frames.clear();
            }
        }
    }
}

fn join(frames: &[Frame]) -> Bytes {
    match frames {
        [one] => one.bytes().clone(),
        many => {
            let mut joined = BytesMut::with_capacity(many.iter().map(Frame::len).sum());
            many.iter().for_each(|frame| joined.extend_from_slice(frame.bytes()));
            joined.freeze()
        }
    }
}

/// Closes a socket. The one way in which the actors end a connection by themselves; it is counted when it has stopped.
pub fn close(socket: &Socket, code: CloseCode) {
    socket.close(code.number(), code.reason());
}

impl Actor for Fanout {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        // Four looks a heartbeat: a client is pinged, and given up, at most a quarter late.
        let interval = Duration::from_millis((self.heartbeat_ms / 4).clamp(10, 1_000));
        ctx.run_interval(interval, |fanout, _| fanout.check_life_signs());
    }
}

impl Handler<Deliver> for Fanout {
    type Result = ();

    fn handle(&mut self, Deliver { deliveries, since }: Deliver, ctx: &mut Self::Context) {
        if self.waiting.is_empty() {
            ctx.notify(Flush);
        }
        self.waiting.extend(deliveries);
        self.since.push(since);
        // The mailbox comes before the note to flush, and might never be empty.
        if self.waiting.len() >= MOST_JOINED {
            self.flush();
        }
    }
}

impl Handler<Flush> for Fanout {
    type Result = ();

    fn handle(&mut self, Flush: Flush, _: &mut Self::Context) {
        self.flush();
    }
}
