//! The suite's checks of presence, in Redis.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use hubbub::{
    auth::secret::Secret,
    broker::{
        BrokerEvents, HistoryConfig, PresenceChange, PresenceOutcome, PresenceStore, Roster, Unavailable,
        redis::{RedisConfig, RedisOptions, RedisStore},
    },
    chat::headroom::Headroom,
    clock::SystemClock,
    metrics::Metrics,
    protocol::{
        envelope::Incarnation,
        ids::{InstanceId, RoomName},
    },
};
use tokio::sync::mpsc;

use super::{Opened, Store, local::Local, support::PATIENCE};
use crate::support::redis::Redis;

/// Presence in a Redis of its own; the rest of the store is a local one that these checks leave alone.
pub(super) struct Presence {
    redis: Redis,
    rest: Local,
}

impl Presence {
    pub(super) fn new() -> Self {
        Self { redis: Redis::start(), rest: Local::new() }
    }
}

/// The presence of a store, which must live as long, and whose events nobody wants to know.
struct Kept(RedisStore, #[expect(dead_code, reason = "it is kept open")] BrokerEvents);

impl PresenceStore for Kept {
    fn sync(
        &self,
        room: RoomName,
        changes: Vec<PresenceChange>,
    ) -> BoxFuture<'static, Result<PresenceOutcome, Unavailable>> {
        self.0.presence.sync(room, changes)
    }

    fn who(&self, room: RoomName, limit: usize) -> BoxFuture<'static, Result<Roster, Unavailable>> {
        self.0.presence.who(room, limit)
    }

    fn occupied_rooms(
        &self,
        prefix: String,
        after: Option<RoomName>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<(RoomName, usize)>, Unavailable>> {
        self.0.presence.occupied_rooms(prefix, after, limit)
    }
}

impl Store for Presence {
    async fn open(&self) -> Opened {
        let (sender, events) = mpsc::channel(4_096);
        let (store, _) = RedisStore::open(RedisOptions {
            url: Secret::new(self.redis.url()),
            config: RedisConfig::default(),
            history: HistoryConfig::default(),
            dedup_window_ms: 5_000,
            instance_ttl_ms: 10_000,
            me: Incarnation { instance: InstanceId::parse("test").unwrap(), nonce: rand::random() },
            clock: Arc::new(SystemClock),
            metrics: Metrics::default(),
            events: sender,
            measure: Arc::new(|| Headroom::NONE),
        })
        .unwrap();
        assert!(store.is_up_within(PATIENCE).await, "Redis is there");
        Opened { presence: Arc::new(Kept(store, events)), ..self.rest.open().await }
    }
}

super::suite! {
    crate::contract::redis_presence::Presence::new();
    presence: coming_and_going, users_are_listed_by_role_and_name, rooms_with_users_are_listed;
}
