//! Which rooms this instance listens to.

use std::sync::Arc;

use fred::interfaces::{ClientLike, PubsubInterface};

use super::{context::Context, keys::RoomKeys};
use crate::{broker::Unavailable, protocol::ids::RoomName};

/// The subscriptions.
pub(super) struct Subscriptions {
    ctx: Arc<Context>,
}

impl Subscriptions {
    pub(super) async fn enter(&self, room: &RoomName) -> Result<(), Unavailable> {
        self.ctx.clients.subscriber.subscribe(RoomKeys(room).channel()).await.map_err(|_| Unavailable)?;
        self.ctx.clients.subscriber.ping::<()>(None).await.map_err(|_| Unavailable)
    }

    pub(super) fn leave(&self, _: &RoomName) {}
}
