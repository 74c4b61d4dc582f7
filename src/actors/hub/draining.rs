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
    chat::schedule::{LEAST_RECONNECT_MS, Returns},
    protocol::{
        close::CloseCode,
        event::{Event, LeaveReason, Notice},
        ids::Millis,
    },
};

/// How often the schedule is looked at.
const TICK: Duration = Duration::from_millis(20);

/// A drain under way.
pub(super) struct Draining {
    began: Millis,
    /// Who closes when, soonest first.
    schedule: VecDeque<(Millis, ConnectionId)>,
    /// When those who were closed come back.
    returns: Returns,
    done: Option<oneshot::Sender<Millis>>,
}

impl Draining {
    /// What `reconnectInMs` says to the next one, who closes so long after the drain began.
    fn next_reconnect_in(&mut self, close: Millis) -> Millis {
        self.returns.after(close + LEAST_RECONNECT_MS) - close
    }
}

impl Handler<Drain> for Hub {
    type Result = ResponseFuture<Millis>;

    fn handle(&mut self, Drain { pace, returns }: Drain, ctx: &mut Self::Context) -> Self::Result {
        let (done, drained) = oneshot::channel();
        let (now, clients) = (self.elapsed(), self.connections.len());
        let connections: Vec<_> = self.connections.keys().copied().collect();
        let schedule = VecDeque::with_capacity(clients);
        let mut draining = Draining { began: now, schedule, returns, done: Some(done) };
        for (index, connection) in connections.into_iter().enumerate() {
            let close_in_ms = pace.close_in_ms(index, clients);
            let reconnect_in_ms = draining.next_reconnect_in(close_in_ms);
            self.tell_draining(connection, close_in_ms, reconnect_in_ms);
            draining.schedule.push_back((now + close_in_ms, connection));
        }
        self.draining = Some(draining);
        self.drained_one();
        Self::every(TICK, ctx, || CloseDue);
        self.end_turn(ctx);
        Box::pin(async move {
            // An error means that the hub has stopped, and everyone with it.
            drained.await.unwrap_or_default()
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
        let now = self.elapsed();
        let Some(draining) = &mut self.draining else { return };
        let at = draining.schedule.back().map_or(now, |(last, _)| (*last).max(now));
        draining.schedule.push_back((at, connection));
        let reconnect_in_ms = draining.next_reconnect_in(at - draining.began);
        self.tell_draining(connection, at - now, reconnect_in_ms);
    }

    /// Tells who waits when nobody is left.
    pub(super) fn drained_one(&mut self) {
        let now = self.elapsed();
        if self.connections.is_empty()
            && let Some(draining) = &mut self.draining
            && let Some(done) = draining.done.take()
        {
            // Nobody waits any more when the process is on its way out.
            let _ = done.send((draining.began + draining.returns.end_ms()).saturating_sub(now));
        }
    }

    /// Until when somebody whose connection ended for that reason is expected on another instance; `None` when not, and
    /// where there is no other that could know.
    pub(super) fn expected_back(&self, reconnect_in: Option<Millis>, reason: LeaveReason) -> Option<Millis> {
        let comes_back = !self.alone && matches!(reason, LeaveReason::Drained | LeaveReason::Lost);
        reconnect_in.filter(|_| comes_back).map(|in_ms| self.elapsed() + in_ms + self.config.grace_ms)
    }

    fn tell_draining(&mut self, connection: ConnectionId, close_in_ms: Millis, reconnect_in_ms: Millis) {
        if let Some(known) = self.connections.get_mut(&connection) {
            known.reconnect_in = Some(reconnect_in_ms);
        }
        let notice = Notice::Draining { close_in_ms, reconnect_in_ms };
        self.send(connection, encode::frame(&Event::Notice(notice)));
    }

    fn close_due(&mut self) {
        let now = self.elapsed();
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
