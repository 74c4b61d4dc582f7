//! Stand-ins for presence and the directory until those are merged.

use std::sync::Arc;

use fred::error::Error;
use futures_util::{
    FutureExt,
    future::{self, BoxFuture},
};

use super::context::Context;
use crate::{
    broker::{
        Directory, InstanceInfo, PeerRequests, PresenceChange, PresenceOutcome, PresenceStore, Roster, Unavailable,
        local::LocalPresence,
    },
    protocol::{
        envelope::{Envelope, PeerAnswer, PeerAsk},
        ids::{InstanceId, RoomName},
    },
};

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
