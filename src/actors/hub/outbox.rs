//! What waits for each worker's fan-out, and the bound on it.

use std::time::Instant;

use crate::actors::{
    fanout::Fanout,
    messages::{Deliver, Delivery, WorkerId},
};
use actix::{Addr, dev::SendError};

/// Deliveries waiting for one worker above which the hub takes no message until they are fewer: the worker cannot write as
/// fast.
const CONGESTED: usize = 16_384;

/// One queue per worker.
#[derive(Default)]
pub(super) struct Outboxes {
    workers: Vec<Option<Outbox>>,
}

struct Outbox {
    fanout: Addr<Fanout>,
    waiting: Vec<Delivery>,
    /// Since when the first of them waits.
    since: Instant,
}

impl Outboxes {
    /// A worker enlisted.
    pub(super) fn enlist(&mut self, WorkerId(worker): WorkerId, fanout: Addr<Fanout>) {
        if self.workers.len() <= worker {
            self.workers.resize_with(worker + 1, || None);
        }
        self.workers[worker] = Some(Outbox { fanout, waiting: Vec::new(), since: Instant::now() });
    }

    /// Queues a step for a worker.
    pub(super) fn push(&mut self, WorkerId(worker): WorkerId, delivery: Delivery) {
        if let Some(Some(outbox)) = self.workers.get_mut(worker) {
            if outbox.waiting.is_empty() {
                outbox.since = Instant::now();
            }
            outbox.waiting.push(delivery);
        }
    }

    /// Whether anything waits.
    pub(super) fn is_empty(&self) -> bool {
        self.workers.iter().flatten().all(|outbox| outbox.waiting.is_empty())
    }

    /// Whether a worker is so far behind that the hub has to wait for it.
    pub(super) fn is_congested(&self) -> bool {
        self.workers.iter().flatten().any(|outbox| outbox.waiting.len() >= CONGESTED)
    }

    /// Hands over what waits. A worker whose mailbox is full keeps its queue here.
    pub(super) fn flush(&mut self) {
        for outbox in self.workers.iter_mut().flatten().filter(|outbox| !outbox.waiting.is_empty()) {
            let deliveries = std::mem::take(&mut outbox.waiting);
            match outbox.fanout.try_send(Deliver { deliveries, since: outbox.since }) {
                Ok(()) => {}
                Err(SendError::Full(Deliver { deliveries, .. })) => outbox.waiting = deliveries,
                // The worker has stopped, and its sockets with it.
                Err(SendError::Closed(_)) => {}
            }
        }
    }
}
