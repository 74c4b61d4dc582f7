//! The store that many instances share: one Redis.
//!
//! - [`link`] keeps the connections ([`clients`], [`address`]) and says whether Redis can be used; [`probing`] tries them,
//!   [`sentinels`] hears of another primary, [`usage`] of how full it is,
//!   [`selftest`] proves that Redis does what is needed, [`recovery`] makes up for an outage.
//! - [`log`] is the log of record, [`presence`] knows who is where, [`directory`] the instances, [`leases`] what only one may
//!   have.
//! - [`subscriptions`] keeps what is listened to, [`receiver`] takes what comes.
//! - [`accounts`] and [`bans`]: people; [`import`]: what a server kept that stood alone. [`inspect`]: for the doctor.
//! - [`context`] is what all parts stand on; [`keys`] and [`scripts`] are all that Redis gets to see.

mod accounts;
pub mod address;
mod bans;
mod clients;
mod config;
mod context;
mod directory;
mod failure;
mod import;
mod inspect;
mod keys;
mod leases;
mod link;
mod listening;
mod log;
mod presence;
mod probing;
mod receiver;
mod recovery;
mod scripts;
mod selftest;
mod sentinels;
mod subscriptions;
mod unavailable;
mod usage;

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use fred::interfaces::{ClientLike, EventInterface};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};

pub use accounts::RedisAccounts;
pub use config::RedisConfig;
pub use directory::{RedisDirectory, settle_identity};
pub use import::{Carried, ImportError, RedisImport};
pub use inspect::{ClockOffset, InspectError, Inspection, ListedInstance, RedisSettings, ServerInfo, inspect};
pub use leases::{Lease, Leases};
pub use log::RedisBroker;
pub use presence::RedisPresence;

use self::{
    clients::Clients,
    context::Context,
    link::Supervisor,
    receiver::{Hearing, Receiver},
    recovery::Recovery,
    selftest::Warned,
    subscriptions::Subscriptions,
};
use super::{BrokerEvent, HistoryConfig, Link, Measure, PeerRequests};
use crate::{
    auth::{config::InvalidSetting, secret::Secret},
    chat::link::Connection,
    clock::SharedClock,
    metrics::Metrics,
    protocol::{envelope::Incarnation, ids::Millis},
};

/// Reports of failures that may wait; one is enough.
const FAILURES: usize = 64;

/// How long a connection may take to end.
const QUIT_LIMIT: Duration = Duration::from_secs(1);

/// What the store is to be.
pub struct RedisOptions {
    /// Where Redis is.
    pub url: Secret,
    /// Times and bounds.
    pub config: RedisConfig,
    /// How much is kept of each room.
    pub history: HistoryConfig,
    /// How long frames are remembered so that one that comes twice is taken once, milliseconds.
    pub dedup_window_ms: Millis,
    /// How long an instance counts as alive after its last heartbeat, milliseconds.
    pub instance_ttl_ms: Millis,
    /// Who this is; see [`settle_identity`].
    pub me: Incarnation,
    /// The time.
    pub clock: SharedClock,
    /// The counters.
    pub metrics: Metrics,
    /// To the hub.
    pub events: mpsc::Sender<BrokerEvent>,
    /// What this instance has left for newcomers; the others are told with each heartbeat.
    pub measure: Measure,
}

/// The store. Its tasks run on the runtime it was opened on.
pub struct RedisStore {
    /// The log of record.
    pub broker: Arc<RedisBroker>,
    /// Who is where.
    pub presence: Arc<RedisPresence>,
    /// What is kept of people.
    pub accounts: Arc<RedisAccounts>,
    /// The instances.
    pub directory: Arc<RedisDirectory>,
    /// What only one may have.
    pub leases: Leases,
    clients: Clients,
    up: watch::Receiver<Link>,
    tasks: Mutex<JoinSet<()>>,
}

impl RedisStore {
    /// Opens the store. Does not wait for Redis: while that is away the store is degraded. Gives what other instances ask
    /// beside it.
    ///
    /// # Errors
    /// Names the setting if the address of Redis is none.
    pub fn open(options: RedisOptions) -> Result<(Self, PeerRequests), InvalidSetting> {
        let clients = Clients::new(&options.url, &options.config)?;
        let (up_end, up) = watch::channel(Link::Down);
        let (failures_end, failures) = mpsc::channel(FAILURES);
        let ctx = Arc::new(Context {
            config: options.config,
            history: options.history,
            instance_ttl_ms: options.instance_ttl_ms,
            me: options.me,
            clock: options.clock,
            metrics: options.metrics,
            clients: clients.clone(),
            events: options.events,
            link: up.clone(),
            failures: failures_end,
            frames: AtomicU64::new(0),
        });
        let (subscriptions, renewals) = Subscriptions::new(ctx.clone());
        let broker = RedisBroker::new(ctx.clone(), subscriptions.clone());
        let presence = RedisPresence::new(ctx.clone());
        let accounts = Arc::new(RedisAccounts::new(ctx.clone()));
        let leases = Leases::new(ctx.clone());
        let (directory, requests) =
            RedisDirectory::new(ctx.clone(), presence.clone(), accounts.clone(), leases.clone(), options.measure);
        let hearing = Arc::new(Hearing::default());
        let receiver =
            Receiver::new(ctx.clone(), hearing.clone(), broker.clone(), directory.clone(), options.dedup_window_ms);
        let recovery = Recovery {
            ctx: ctx.clone(),
            hearing: hearing.clone(),
            subscriptions: subscriptions.clone(),
            broker: broker.clone(),
            presence: presence.clone(),
            accounts: accounts.clone(),
            directory: directory.clone(),
            warned: Warned::default(),
        };
        let (events_end, events) = link::events();
        let mut tasks = JoinSet::new();
        // Those who listen are there before anything can come.
        tasks.spawn(receiver.run(clients.subscriber.message_rx()));
        tasks.spawn(subscriptions.run(renewals));
        tasks.spawn(Supervisor::new(ctx.clone(), up_end, events_end.clone(), recovery).run(events, failures));
        tasks.spawn(probing::run(ctx.clone(), hearing, events_end.clone()));
        tasks.spawn(sentinels::run(ctx, events_end.clone()));
        tasks.spawn(link::keep(Connection::Data, clients.data.clone(), events_end.clone()));
        tasks.spawn(link::keep(Connection::Publisher, clients.publisher.clone(), events_end.clone()));
        tasks.spawn(link::keep(Connection::Subscriber, clients.subscriber.clone(), events_end));
        let store = Self { broker, presence, accounts, directory, leases, clients, up, tasks: Mutex::new(tasks) };
        Ok((store, requests))
    }

    /// Waits until Redis can be used, at most so long. Answers whether it can.
    pub async fn is_up_within(&self, limit: Duration) -> bool {
        let mut up = self.up.clone();
        timeout(limit, up.wait_for(|link| *link == Link::Up)).await.is_ok_and(|up| up.is_ok())
    }

    /// Ends all that runs, and the connections. Afterwards everything is `Unavailable`.
    pub async fn shut_down(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
        let Clients { data, publisher, subscriber } = &self.clients;
        // One that does not end in time ends with the process.
        let ended = futures_util::future::join3(data.quit(), publisher.quit(), subscriber.quit());
        let _ = timeout(QUIT_LIMIT, ended).await;
    }
}
