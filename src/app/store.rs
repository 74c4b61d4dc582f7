//! Which store the server keeps everything in: a file of its own, or a Redis that others share.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tracing::warn;

use super::{Ground, StartError};
use crate::{
    actors::bridge::Store,
    auth::secret::Secret,
    broker::{
        BrokerEvent, PeerRequests,
        local::{LocalBroker, LocalDirectory, LocalPresence},
        redis::{self, Leases, RedisOptions, RedisStore},
    },
    protocol::envelope::Incarnation,
};

/// How long the start waits for Redis; then the server starts degraded.
const START_PATIENCE: Duration = Duration::from_secs(3);

/// An open store.
pub(super) struct Opened {
    /// As the hub and the routes see it.
    pub(super) store: Store,
    /// What other instances ask of this one.
    pub(super) requests: PeerRequests,
    /// What is to be ended.
    pub(super) backend: Backend,
}

/// What keeps everything.
pub(super) enum Backend {
    Local(Arc<LocalBroker>),
    Redis(RedisStore),
}

/// Opens the store that the settings name; it tells `events`. Before that, an instance that is one of many settles its id.
pub(super) async fn open(
    ground: &mut Ground<'_>,
    events: mpsc::Sender<BrokerEvent>,
    new_epoch: bool,
) -> Result<Opened, StartError> {
    if ground.settings.distributed.enabled {
        open_redis(ground, events).await
    } else {
        open_file(ground, events, new_epoch)
    }
}

fn open_file(ground: &Ground<'_>, events: mpsc::Sender<BrokerEvent>, new_epoch: bool) -> Result<Opened, StartError> {
    let Ground { settings, instance, clock, metrics, .. } = ground;
    let broker =
        LocalBroker::open(settings.local(), clock.clone(), instance.id.clone(), metrics.clone(), events, new_epoch)?;
    let broker = Arc::new(broker);
    let store = Store {
        broker: broker.clone(),
        presence: Arc::new(LocalPresence::default()),
        accounts: broker.clone(),
        directory: LocalDirectory::new(
            instance.id.clone(),
            instance.started_at,
            clock.clone(),
            metrics.clone(),
            ground.measure.clone(),
        ),
    };
    // There is nobody to ask.
    let (_, requests) = mpsc::channel(1);
    Ok(Opened { store, requests, backend: Backend::Local(broker) })
}

async fn open_redis(ground: &mut Ground<'_>, events: mpsc::Sender<BrokerEvent>) -> Result<Opened, StartError> {
    let settings = ground.settings;
    let file = &settings.store.path;
    if file.exists() {
        warn!(
            "{0} holds history and accounts that are not in Redis; `hubbub import {0}` carries them over",
            file.display()
        );
    }
    let url = settings.distributed.redis_url.clone().unwrap_or_else(|| Secret::new(""));
    let instance_ttl_ms = settings.distributed.instance_ttl_ms;
    let wanted = Incarnation { instance: ground.instance.id.clone(), nonce: rand::random() };
    let me = redis::settle_identity(&url, &settings.redis, instance_ttl_ms, wanted, &ground.metrics).await?;
    ground.instance.id = me.instance.clone();
    let (redis, requests) = RedisStore::open(RedisOptions {
        url,
        config: settings.redis.clone(),
        history: settings.history,
        dedup_window_ms: settings.dedup.window_ms,
        instance_ttl_ms,
        me,
        clock: ground.clock.clone(),
        metrics: ground.metrics.clone(),
        events,
        measure: ground.measure.clone(),
    })?;
    if !redis.is_up_within(START_PATIENCE).await {
        warn!("starting without Redis: until it is there, messages reach this instance only and are provisional");
    }
    let store = Store {
        broker: redis.broker.clone(),
        presence: redis.presence.clone(),
        accounts: redis.accounts.clone(),
        directory: redis.directory.clone(),
    };
    Ok(Opened { store, requests, backend: Backend::Redis(redis) })
}

impl Backend {
    /// What one instance of many has at a time; `None` for one that stands alone.
    pub(super) fn leases(&self) -> Option<&Leases> {
        match self {
            Self::Local(_) => None,
            Self::Redis(redis) => Some(&redis.leases),
        }
    }

    /// Ends it, after all who use it.
    pub(super) async fn close(self) {
        match self {
            Backend::Local(broker) => broker.shut_down(),
            Backend::Redis(redis) => redis.shut_down().await,
        }
    }
}
