//! What the parts of the store share.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, watch};
use tracing::debug;

use super::{clients::Clients, config::RedisConfig};
use crate::{
    broker::{BrokerEvent, HistoryConfig, Link},
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

    /// Tells the hub. Waits while the hub is behind: what comes after must not overtake.
    pub(super) async fn tell_hub(&self, event: BrokerEvent) {
        if self.events.send(event).await.is_err() {
            debug!("the hub is gone");
        }
    }
}
