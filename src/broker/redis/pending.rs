//! A stand-in for the log until that is merged.

use std::sync::Arc;

use futures_util::{
    FutureExt,
    future::{self, BoxFuture},
};

use super::{context::Context, subscriptions::Subscriptions};
use crate::{
    broker::{Append, AppendError, Appended, Broker, LoggedRoom, Page, ReadLimit, Recovery, Tail, Unavailable},
    protocol::{
        command::Cursor,
        envelope::{Body, Telling},
        event::Mode,
        ids::{Millis, Position, RoomName},
    },
};

pub struct RedisBroker {
    ctx: Arc<Context>,
    subscriptions: Arc<Subscriptions>,
}

impl RedisBroker {
    pub(super) fn new(ctx: Arc<Context>, subscriptions: Arc<Subscriptions>) -> Arc<Self> {
        Arc::new(Self { ctx, subscriptions })
    }

    pub(super) fn own_frame_came(&self, _: u64) {}

    pub(super) async fn recover_after_outage(&self) {}
}

impl Broker for RedisBroker {
    fn append(&self, batch: Vec<Append>) -> BoxFuture<'static, Vec<Result<Appended, AppendError>>> {
        future::ready(batch.iter().map(|_| Err(AppendError::Unavailable)).collect()).boxed()
    }

    fn recover(
        &self,
        _: RoomName,
        _: Option<Position>,
        _: ReadLimit,
    ) -> BoxFuture<'static, Result<Recovery, Unavailable>> {
        future::ready(Err(Unavailable)).boxed()
    }

    fn subscribe(&self, room: RoomName) -> BoxFuture<'static, Result<(), Unavailable>> {
        let subscriptions = self.subscriptions.clone();
        async move { subscriptions.enter(&room).await }.boxed()
    }

    fn follow(
        &self,
        room: RoomName,
        tail: Option<Tail>,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Recovery, Unavailable>> {
        self.recover(room, tail.map(|tail| tail.position), limit)
    }

    fn tell(&self, _: &RoomName, telling: Telling) {
        drop(self.ctx.envelope(Body::Told { telling }));
    }

    fn history(&self, _: RoomName, _: Cursor, _: usize) -> BoxFuture<'static, Result<Page, Unavailable>> {
        future::ready(Err(Unavailable)).boxed()
    }

    fn logged_rooms(
        &self,
        _: String,
        _: Option<RoomName>,
        _: usize,
    ) -> BoxFuture<'static, Result<Vec<LoggedRoom>, Unavailable>> {
        future::ready(Err(Unavailable)).boxed()
    }

    fn release(&self, room: &RoomName) {
        self.subscriptions.leave(room);
    }

    fn idempotency_ms(&self) -> Millis {
        600_000
    }

    fn is_healthy(&self) -> bool {
        self.ctx.is_up()
    }

    fn mode(&self) -> Mode {
        if self.ctx.is_up() { Mode::Distributed } else { Mode::Degraded }
    }
}
