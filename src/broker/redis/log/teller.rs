//! Tells the other instances what passes in a room and is not logged. Best effort.

use std::sync::Arc;

use fred::{error::Error, interfaces::PubsubInterface};
use futures_util::{StreamExt, stream};
use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};
use tracing::debug;

use crate::{
    broker::redis::{context::Context, keys::RoomKeys},
    protocol::{
        envelope::{Body, Telling},
        ids::RoomName,
    },
};

/// Tellings that may wait; more are dropped.
const WAITING: usize = 1_024;
/// Tellings on their way at once.
const IN_FLIGHT: usize = 64;

/// The queue of what is told.
pub(super) struct Teller {
    context: Arc<Context>,
    queue: mpsc::Sender<(String, String)>,
}

impl Teller {
    /// Starts the task that publishes.
    pub(super) fn start(context: Arc<Context>) -> (Self, JoinHandle<()>) {
        let (queue, mut frames) = mpsc::channel(WAITING);
        let task = Handle::current().spawn({
            let context = context.clone();
            async move {
                // Each is sent when it is first polled, so they go out in order.
                stream::poll_fn(|cx| frames.poll_recv(cx))
                    .map(|(channel, frame)| publish(&context, channel, frame))
                    .buffer_unordered(IN_FLIGHT)
                    .for_each(|()| async {})
                    .await;
            }
        });
        (Self { context, queue }, task)
    }

    /// Tells, or drops what cannot be told now.
    pub(super) fn tell(&self, room: &RoomName, telling: Telling) {
        if !self.context.is_up() {
            return;
        }
        // The contract's types have no fallible parts.
        if let Ok(frame) = serde_json::to_string(&self.context.envelope(Body::Told { telling })) {
            let _ = self.queue.try_send((RoomKeys(room).channel(), frame));
        }
    }
}

async fn publish(context: &Context, channel: String, frame: String) {
    let told: Result<(), Error> = context.clients.publisher.publish(channel, frame).await;
    if let Err(error) = told {
        context.failed(&error);
        debug!(kind = error.kind().to_str(), "a telling was dropped");
    }
}
