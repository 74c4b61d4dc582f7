//! The instances that form one chat, and what they ask of one another.

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::Unavailable;
use crate::protocol::{
    envelope::{PeerAnswer, PeerAsk},
    ids::{InstanceId, Millis},
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

    /// Takes this instance, and the presence of its users, out: it is about to stop.
    fn depart(&self) -> BoxFuture<'static, ()>;
}

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
