//! Stand-ins for the log, presence and the directory until those are merged.

use std::sync::Arc;

use fred::error::Error;
use futures_util::{
    FutureExt,
    future::{self, BoxFuture},
};

use super::{context::Context, subscriptions::Subscriptions};
use crate::{
    broker::{
        Append, AppendError, Appended, Broker, Directory, InstanceInfo, LoggedRoom, Page, PeerRequests, PresenceChange,
        PresenceOutcome, PresenceStore, ReadLimit, Recovery, Roster, Tail, Unavailable, local::LocalPresence,
    },
    protocol::{
        command::Cursor,
        envelope::{Body, Envelope, PeerAnswer, PeerAsk, Telling},
        event::Mode,
        ids::{InstanceId, Millis, Position, RoomName},
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

#[derive(Default)]
pub struct RedisPresence(LocalPresence);

impl RedisPresence {
    pub(super) fn new(_: Arc<Context>) -> Arc<Self> {
        Arc::default()
    }

    pub(super) async fn full_sync(&self) {}
}

impl PresenceStore for RedisPresence {
    fn sync(
        &self,
        room: RoomName,
        changes: Vec<PresenceChange>,
    ) -> BoxFuture<'static, Result<PresenceOutcome, Unavailable>> {
        self.0.sync(room, changes)
    }

    fn who(&self, room: RoomName, limit: usize) -> BoxFuture<'static, Result<Roster, Unavailable>> {
        self.0.who(room, limit)
    }

    fn occupied_rooms(
        &self,
        prefix: String,
        after: Option<RoomName>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<(RoomName, usize)>, Unavailable>> {
        self.0.occupied_rooms(prefix, after, limit)
    }
}

pub struct RedisDirectory;

impl RedisDirectory {
    pub(super) fn new(_: Arc<Context>) -> (Arc<Self>, PeerRequests) {
        (Arc::new(Self), tokio::sync::mpsc::channel(1).1)
    }

    pub(super) fn received(&self, envelope: Envelope) {
        drop(envelope);
    }

    pub(super) async fn heartbeat(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Directory for RedisDirectory {
    fn instances(&self) -> BoxFuture<'static, Result<Vec<InstanceInfo>, Unavailable>> {
        future::ready(Err(Unavailable)).boxed()
    }

    fn ask(
        &self,
        _: Option<InstanceId>,
        _: PeerAsk,
    ) -> BoxFuture<'static, Result<Vec<(InstanceId, PeerAnswer)>, Unavailable>> {
        future::ready(Err(Unavailable)).boxed()
    }

    fn depart(&self) -> BoxFuture<'static, ()> {
        future::ready(()).boxed()
    }
}
