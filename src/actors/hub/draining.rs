//! The end of an instance: everyone is told when, and closed at that time, after their last answer.

use std::{collections::VecDeque, time::Duration};

use actix::{Handler, Message, ResponseFuture};
use tokio::sync::oneshot;

use super::Hub;
use crate::{
    actors::{
        encode,
        messages::{ConnectionId, Drain},
    },
    protocol::{
        close::CloseCode,
        event::{Event, LeaveReason, Notice},
        ids::Millis,
    },
};

/// How often the schedule is looked at.
const TICK: Duration = Duration::from_millis(20);

/// What `reconnectInMs` says: long enough for another instance, or this one started anew, to be there. The closes are
/// spread, so those who come back are too.
const RECONNECT_IN_MS: Millis = 1_000;

/// A drain under way.
pub(super) struct Draining {
    /// Who closes when, soonest first.
    schedule: VecDeque<(Millis, ConnectionId)>,
    done: Option<oneshot::Sender<()>>,
}

impl Handler<Drain> for Hub {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Drain { pace }: Drain, ctx: &mut Self::Context) -> Self::Result {
        let (done, drained) = oneshot::channel();
        let (now, clients) = (self.now(), self.connections.len());
        let connections: Vec<_> = self.connections.keys().copied().collect();
        let mut schedule = VecDeque::with_capacity(clients);
        for (index, connection) in connections.into_iter().enumerate() {
            let close_in_ms = pace.close_in_ms(index, clients);
            self.tell_draining(connection, close_in_ms);
            schedule.push_back((now + close_in_ms, connection));
        }
        self.draining = Some(Draining { schedule, done: Some(done) });
        self.drained_one();
        Self::every(TICK, ctx, || CloseDue);
        self.end_turn(ctx);
        Box::pin(async move {
            // An error means that the hub has stopped, and everyone with it.
            let _ = drained.await;
        })
    }
}

/// Close who is due.
#[derive(Message)]
#[rtype(result = "()")]
struct CloseDue;

impl Handler<CloseDue> for Hub {
    type Result = ();

    fn handle(&mut self, CloseDue: CloseDue, ctx: &mut Self::Context) {
        self.close_due();
        self.end_turn(ctx);
    }
}

impl Hub {
    /// Puts a connection that came after the drain began at its end.
    pub(super) fn schedule_late(&mut self, connection: ConnectionId) {
        let now = self.now();
        let Some(draining) = &mut self.draining else { return };
        let at = draining.schedule.back().map_or(now, |(last, _)| (*last).max(now));
        draining.schedule.push_back((at, connection));
        self.tell_draining(connection, at - now);
    }

    /// Tells who waits when nobody is left.
    pub(super) fn drained_one(&mut self) {
        if self.connections.is_empty()
            && let Some(done) = self.draining.as_mut().and_then(|draining| draining.done.take())
        {
            // Nobody waits any more when the process is on its way out.
            let _ = done.send(());
        }
    }

    fn tell_draining(&mut self, connection: ConnectionId, close_in_ms: Millis) {
        let notice = Notice::Draining { close_in_ms, reconnect_in_ms: RECONNECT_IN_MS };
        self.send(connection, encode::frame(&Event::Notice(notice)));
    }

    fn close_due(&mut self) {
        let now = self.now();
        while let Some((_, connection)) =
            self.draining.as_mut().and_then(|draining| draining.schedule.pop_front_if(|(at, _)| *at <= now))
        {
            let Some(known) = self.connections.get_mut(&connection) else { continue };
            known.leaves_as = Some(LeaveReason::Drained);
            if known.unanswered == 0 {
                self.close(connection, CloseCode::Draining);
            } else {
                known.ending = Some(CloseCode::Draining);
            }
        }
    }
}
