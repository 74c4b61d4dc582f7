//! The store of an instance without a server around it.

use std::{sync::Arc, time::Duration};

use hubbub::{
    auth::secret::Secret,
    broker::{
        Broker, BrokerEvent, BrokerEvents, HistoryConfig, PeerRequests, PresenceChange, PresenceOutcome, PresenceStore,
        redis::{RedisConfig, RedisOptions, RedisStore},
    },
    chat::headroom::Headroom,
    clock::SystemClock,
    metrics::Metrics,
    protocol::{
        envelope::{Incarnation, Telling},
        event::{Counts, LeaveReason},
        ids::{InstanceId, Millis, RoomName, UserId},
        user::{Role, User},
    },
};
use tokio::sync::mpsc;

use crate::support::{PATIENCE, redis::Redis, until};

/// A user counts for so long after the last refresh, and an instance after the last heartbeat.
pub(super) const TTL_MS: Millis = 3_000;

/// Quick ones, with room for a busy machine.
pub(super) fn config() -> RedisConfig {
    RedisConfig {
        heartbeat_ms: 200,
        presence_ttl_ms: TTL_MS,
        presence_refresh_ms: 300,
        reap_ms: 50,
        command_timeout_ms: 500,
        probe_ms: 200,
        ..RedisConfig::default()
    }
}

/// An instance. Dropped, it is as good as killed: it takes leave of nobody.
pub(super) struct Instance {
    pub(super) store: RedisStore,
    pub(super) requests: PeerRequests,
    pub(super) events: BrokerEvents,
    pub(super) metrics: Metrics,
    pub(super) me: Incarnation,
}

pub(super) fn incarnation(id: &str) -> Incarnation {
    Incarnation { instance: InstanceId::parse(id).unwrap(), nonce: rand::random() }
}

impl Instance {
    /// Starts one, and waits until it is part of the chat.
    pub(super) async fn start(redis: &Redis, id: &str) -> Self {
        Self::start_as(redis, incarnation(id)).await
    }

    pub(super) async fn start_as(redis: &Redis, me: Incarnation) -> Self {
        let (sender, events) = mpsc::channel(4_096);
        let metrics = Metrics::default();
        let (store, requests) = RedisStore::open(RedisOptions {
            url: Secret::new(redis.url()),
            config: config(),
            history: HistoryConfig::default(),
            dedup_window_ms: 5_000,
            instance_ttl_ms: TTL_MS,
            me: me.clone(),
            clock: Arc::new(SystemClock),
            metrics: metrics.clone(),
            events: sender,
            measure: Arc::new(|| Headroom { sessions_free: 7, newcomers_per_second: 9 }),
        })
        .unwrap();
        assert!(store.is_up_within(PATIENCE).await, "Redis is there");
        Self { store, requests, events, metrics, me }
    }

    /// Users come to a room of this instance.
    pub(super) async fn come(&self, room: &RoomName, users: &[&Arc<User>]) -> PresenceOutcome {
        self.sync(room, users, true, 0).await
    }

    /// Users go from a room of this instance.
    pub(super) async fn go(&self, room: &RoomName, users: &[&Arc<User>]) -> PresenceOutcome {
        self.sync(room, users, false, 0).await
    }

    /// Users go from a room of this instance, and are expected on another one within so long.
    pub(super) async fn send_away(&self, room: &RoomName, users: &[&Arc<User>], within: Duration) -> PresenceOutcome {
        self.sync(room, users, false, within.as_millis() as u64).await
    }

    async fn sync(&self, room: &RoomName, users: &[&Arc<User>], present: bool, away_ms: Millis) -> PresenceOutcome {
        let change = |user: &&Arc<User>| PresenceChange { user: Arc::clone(user), present, away_ms };
        let changes = users.iter().map(change).collect();
        self.store.presence.sync(room.clone(), changes).await.unwrap()
    }

    /// How many are in a room.
    pub(super) async fn counts(&self, room: &RoomName) -> Counts {
        self.store.presence.who(room.clone(), 0).await.unwrap().counts
    }

    /// Waits until so many are in a room.
    pub(super) async fn until_total(&self, room: &RoomName, total: usize) {
        until(&format!("{total} users in {room}"), async || (self.counts(room).await.total() == total).then_some(()))
            .await;
    }

    /// Listens to what others tell of a room.
    pub(super) async fn listen(&self, room: &RoomName) {
        self.store.broker.subscribe(room.clone()).await.unwrap();
    }

    /// The next that is told of who came and went in a room; numbers alone are told with each refresh.
    pub(super) async fn told(&mut self, room: &RoomName) -> (Counts, Vec<Arc<User>>, Vec<(Arc<User>, LeaveReason)>) {
        loop {
            let event = tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("it must be told");
            if let BrokerEvent::Told(of, Telling::Presence { counts, entered, left, .. }) =
                event.expect("the store lives")
                && of == *room
                && !(entered.is_empty() && left.is_empty())
            {
                return (counts, entered, left);
            }
        }
    }

    /// Whether anything was told so far of somebody who came to or went from a room. Forgets it.
    pub(super) fn was_told_of(&mut self, room: &RoomName, user: &Arc<User>) -> bool {
        let mut found = false;
        while let Ok(event) = self.events.try_recv() {
            if let BrokerEvent::Told(of, Telling::Presence { entered, left, .. }) = event
                && of == *room
            {
                found |= entered.contains(user) || left.iter().any(|(gone, _)| gone == user);
            }
        }
        found
    }
}

pub(super) fn member(name: &str) -> Arc<User> {
    Arc::new(User { id: UserId::account(name), name: name.into(), role: Role::Member })
}

pub(super) fn room(name: &str) -> RoomName {
    RoomName::parse(name).unwrap()
}

/// Waits until Redis' clock has gone on for so long: what must not happen in that time has not.
pub(super) async fn until_redis_is_older(redis: &Redis, by: Duration) {
    let now = || {
        let time = redis.command(&["TIME"]);
        let parts: Vec<u64> = time.texts().iter().map(|part| part.parse().unwrap()).collect();
        Duration::from_secs(parts[0]) + Duration::from_micros(parts[1])
    };
    let start = now();
    until("time to pass", async || (now() >= start + by).then_some(())).await;
}
