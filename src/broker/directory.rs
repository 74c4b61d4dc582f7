//! The instances that form one chat, and what they ask of one another.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::Unavailable;
use crate::{
    chat::headroom::Headroom,
    protocol::{
        envelope::{PeerAnswer, PeerAsk},
        ids::{InstanceId, Millis},
    },
};

/// The instances.
pub trait Directory: Send + Sync + 'static {
    /// Those that live, this one included, by id.
    fn instances(&self) -> BoxFuture<'static, Result<Vec<InstanceInfo>, Unavailable>>;

    /// Asks one other instance, or all others, and gives what came back within the patience of the store. An instance that
    /// does not answer is missing from the result.
    fn ask(
        &self,
        to: Option<InstanceId>,
        ask: PeerAsk,
    ) -> BoxFuture<'static, Result<Vec<(InstanceId, PeerAnswer)>, Unavailable>>;

    /// Says at once what is new of this instance, rather than with the next heartbeat: that it takes nobody any more.
    fn renew(&self) -> BoxFuture<'static, ()>;

    /// Takes this instance out, which is about to stop, and lets go of its users: whom it still has counts for `away_ms`
    /// milliseconds, in which they are expected on another instance.
    fn depart(&self, away_ms: Millis) -> BoxFuture<'static, ()>;
}

/// Tells what this instance has left for newcomers now.
pub type Measure = Arc<dyn Fn() -> Headroom + Send + Sync>;

/// An instance that lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceInfo {
    /// Which.
    pub instance: InstanceId,
    /// Since when.
    pub started_at: Millis,
    /// When it was last heard, by the store's clock.
    pub last_heartbeat: Millis,
    /// Its open connections at that time.
    pub connected_clients: usize,
    /// What it had left for newcomers; `None` of a version that does not say.
    pub headroom: Option<Headroom>,
}

/// A question of another instance. Whoever takes it answers through `reply`; dropped, the asker goes without.
#[derive(Debug)]
pub struct PeerRequest {
    /// What.
    pub ask: PeerAsk,
    /// Where the answer goes.
    pub reply: oneshot::Sender<PeerAnswer>,
}

/// The server's end of what other instances ask. Bounded: what does not fit is dropped, and its asker goes without.
pub type PeerRequests = mpsc::Receiver<PeerRequest>;
