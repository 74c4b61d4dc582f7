//! What the parts of the store share.

use std::sync::atomic::{AtomicU64, Ordering};

use fred::error::Error;
use tokio::sync::{mpsc, watch};
use tracing::debug;

use super::{clients::Clients, config::RedisConfig, failure};
use crate::{
    broker::{BrokerEvent, HistoryConfig, Link},
    chat::link::Failure,
    clock::SharedClock,
    metrics::Metrics,
    protocol::{
        envelope::{Body, ENVELOPE_VERSION, Envelope, Incarnation},
        ids::Millis,
    },
};

/// The ground that the parts of the store stand on; each holds it in an `Arc`.
pub(super) struct Context {
    pub(super) config: RedisConfig,
    pub(super) history: HistoryConfig,
    /// How long an instance counts as alive after its last heartbeat.
    pub(super) instance_ttl_ms: Millis,
    /// This life of this instance.
    pub(super) me: Incarnation,
    pub(super) clock: SharedClock,
    pub(super) metrics: Metrics,
    pub(super) clients: Clients,
    /// To the hub.
    pub(super) events: mpsc::Sender<BrokerEvent>,
    /// Whether Redis can be used now; set by the link alone.
    pub(super) link: watch::Receiver<Link>,
    /// To the link: what went wrong. Bounded; see [`Context::failed`].
    pub(super) failures: mpsc::Sender<Failure>,
    /// Numbers the frames of this instance; starts at 0.
    pub(super) frames: AtomicU64,
}

impl Context {
    /// Whether Redis can be used now.
    pub(super) fn is_up(&self) -> bool {
        *self.link.borrow() == Link::Up
    }

    /// The number of the next frame this instance sends.
    pub(super) fn next_frame(&self) -> u64 {
        self.frames.fetch_add(1, Ordering::Relaxed)
    }

    /// A frame of this instance.
    pub(super) fn envelope(&self, body: Body) -> Envelope {
        Envelope { v: ENVELOPE_VERSION, origin: self.me.clone(), id: self.next_frame(), body }
    }

    /// Tells the link that a command failed, if that says something about Redis itself. What does not fit is dropped: the
    /// link has more than enough to go by then.
    pub(super) fn failed(&self, error: &Error) {
        if let Some(failure) = failure::classify(error) {
            let _ = self.failures.try_send(failure);
        }
    }

    /// Tells the hub. Waits while the hub is behind: what comes after must not overtake.
    pub(super) async fn tell_hub(&self, event: BrokerEvent) {
        if self.events.send(event).await.is_err() {
            debug!("the hub is gone");
        }
    }
}
