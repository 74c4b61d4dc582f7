//! Composes the server: everything is built once, in this order, and ended in the reverse.
//!
//! Store → identity → hub and bridge on a thread of their own → HTTP and sockets on the workers. A signal, or an admin,
//! begins the drain; the others are told that this instance is gone, the workers stop, then
//! the store closes.

mod doorman;
mod headroom;
mod listener;
mod people;
mod signals;
mod store;

use std::{
    io,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use actix::Addr;
use actix_rt::Arbiter;
use actix_web::web::Data;
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::info;

use crate::{
    actors::{
        bridge::Store,
        hub::{Hub, HubConfig},
    },
    auth::{address::TrustedProxies, config::InvalidSetting, keys::Keys, origin::Origins},
    broker::{BrokerEvents, Measure, local::OpenError},
    clock::{SharedClock, SystemClock},
    drain::{self, Leaving},
    http::{
        self,
        state::{AppState, HubDoor, Instance},
    },
    journal::Journal,
    lifecycle::{Lifecycle, Stage},
    limits::{Limits, places::Places},
    metrics::{Metrics, process},
    protocol::error::Refusal,
    settings::Settings,
    transport::server::{self, PEER_TIMEOUT, ServerOptions},
};
use doorman::Doorman;
use listener::Listening;
use people::People;
use signals::Signals;

/// Batches of entries between the store and the hub; the store waits when the hub is so far behind.
const BROKER_EVENTS: usize = 64;

/// How often what the limits remember is swept.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting that cannot be used.
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The administrator's account cannot be made.
    #[error("the administrator's account: {0}")]
    Admin(#[from] Refusal),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// Something the system did not give.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl StartError {
    /// Whether it is for the operator to put right, by the settings or by ending another process: exit code 2.
    pub fn is_operators(&self) -> bool {
        matches!(self, Self::Setting(_) | Self::Admin(_) | Self::Store(OpenError::Locked { .. }))
    }
}

/// What every part stands on.
struct Ground<'a> {
    settings: &'a Settings,
    instance: Instance,
    clock: SharedClock,
    metrics: Metrics,
    lifecycle: Lifecycle,
    limits: Arc<Limits>,
    measure: Measure,
}

impl<'a> Ground<'a> {
    fn new(settings: &'a Settings) -> Result<Self, StartError> {
        let clock: SharedClock = Arc::new(SystemClock);
        let instance = Instance {
            id: settings.server.identify(rand::random())?,
            hostname: settings.server.display_hostname(),
            started_at: clock.now_ms(),
        };
        let (lifecycle, metrics) = (Lifecycle::default(), Metrics::default());
        Ok(Self {
            settings,
            instance,
            clock,
            measure: headroom::measure(settings, lifecycle.clone(), metrics.clone()),
            metrics,
            lifecycle,
            limits: Arc::new(Limits::new(settings.limits)?),
        })
    }
}

/// Runs the server until it has drained. Prints its address on standard output once it takes connections.
///
/// # Errors
/// [`StartError`]; once it listens, it ends without one.
pub fn serve(settings: &Settings, new_epoch: bool) -> Result<(), StartError> {
    // Before anything counts how many connections that makes.
    process::raise_file_limit();
    actix_rt::System::new().block_on(run(settings, new_epoch))
}

async fn run(settings: &Settings, new_epoch: bool) -> Result<(), StartError> {
    let mut ground = Ground::new(settings)?;
    let (events_in, events) = mpsc::channel(BROKER_EVENTS);
    let store::Opened { store, requests, backend } = store::open(&mut ground, events_in, new_epoch).await?;
    let directory = store.directory.clone();
    let people = People::new(settings, &store.accounts, &ground.clock).await?;

    let arbiter = Arbiter::new();
    let hub = start_hub(&arbiter, &ground, &store, events).await?;

    let Listening { listener, address, lease } = listener::listen(settings, backend.leases()).await?;
    let stop = Arc::new(Notify::new());
    let state = Data::new(state(&ground, store, people, &hub, &stop)?);
    actix_rt::spawn(http::peers::serve(requests, state.clone()));
    let options = ServerOptions {
        workers: settings.server.worker_count(),
        max_connections: settings.server.http_connections_per_worker(),
        peer_timeout: PEER_TIMEOUT,
    };
    let server = server::build(listener, &options, move || http::app(state.clone()))?;
    let workers = server.handle();
    actix_rt::spawn(server);
    actix_rt::spawn(sweep(ground.limits.clone()));

    // Before anybody can know that it runs: a signal without a listener ends the process where it stands.
    let mut signals = Signals::listen()?;
    ground.lifecycle.advance(Stage::Ready);
    listener::announce(address)?;
    // From now on it takes newcomers.
    actix_rt::spawn(directory.renew());
    let by_signal = tokio::select! {
        name = signals.next() => {
            info!("{name}: draining");
            true
        }
        () = stop.notified() => {
            info!("an admin asked: draining");
            false
        }
    };
    ground.lifecycle.advance(Stage::Draining);
    ground.metrics.draining_seconds.begin();
    actix_rt::spawn(signals.end_at_the_second(by_signal));
    let leaving = Leaving {
        lifecycle: &ground.lifecycle,
        hub: &hub,
        metrics: &ground.metrics,
        directory: &*directory,
        instance: &ground.instance.id,
    };
    let expected_in_ms = drain::drain(leaving, &settings.drain).await;
    directory.depart(expected_in_ms + settings.presence.grace_ms).await;

    workers.stop(false).await;
    arbiter.stop();
    if let Some(lease) = lease {
        lease.release().await;
    }
    backend.close().await;
    ground.lifecycle.advance(Stage::Stopped);
    info!("stopped");
    Ok(())
}

async fn start_hub(
    arbiter: &Arbiter,
    ground: &Ground<'_>,
    store: &Store,
    events: BrokerEvents,
) -> Result<Addr<Hub>, StartError> {
    let settings = ground.settings;
    let config = HubConfig {
        presence_debounce_ms: settings.presence.debounce_ms,
        detail_limit: settings.presence.detail_limit,
        grace_ms: settings.presence.grace_ms,
        rooms_per_connection: settings.limits.rooms_per_connection,
        live_rooms: settings.limits.live_rooms,
        history: settings.history,
    };
    let (store, clock, metrics) = (store.clone(), ground.clock.clone(), ground.metrics.clone());
    let (started, hub) = oneshot::channel();
    arbiter.spawn_fn(move || {
        // Nobody takes it only if the start failed meanwhile.
        let _ = started.send(Hub::start(config, store, events, clock, metrics));
    });
    hub.await.map_err(|_| StartError::Io(io::Error::other("the hub's thread did not start")))
}

async fn sweep(limits: Arc<Limits>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        limits.sweep();
    }
}

fn state(
    ground: &Ground<'_>,
    store: Store,
    people: People,
    hub: &Addr<Hub>,
    stop: &Arc<Notify>,
) -> Result<AppState, StartError> {
    let settings = ground.settings;
    let doorman = Doorman::new(ground, hub, store.broker.clone())?;
    let stop = stop.clone();
    Ok(AppState {
        instance: ground.instance.clone(),
        clock: ground.clock.clone(),
        lifecycle: ground.lifecycle.clone(),
        metrics: ground.metrics.clone(),
        journal: Journal::default(),
        requests: AtomicU64::new(0),
        broker: store.broker,
        presence: store.presence,
        accounts: store.accounts,
        directory: store.directory,
        measure: ground.measure.clone(),
        hub: HubDoor {
            post: hub.clone().recipient(),
            disconnect: hub.clone().recipient(),
            sessions: hub.clone().recipient(),
            counts: hub.clone().recipient(),
        },
        doorman: Arc::new(doorman),
        drain: Arc::new(move || stop.notify_one()),
        limits: ground.limits.clone(),
        identify: people.identify,
        sessions: people.sessions,
        keys: Keys::new(settings.auth.metrics_api_key.as_ref(), &settings.api_keys)?,
        origins: Origins::new(&settings.auth.allowed_origins)?,
        proxies: TrustedProxies::new(&settings.auth.trusted_proxies)?,
        rooms: settings.room_rules()?,
        guests: settings.auth.guests,
        session_timeout_ms: settings.auth.session_timeout_ms,
        places: Places::new(settings.server.session_limit()),
        static_dir: settings.server.static_dir.clone(),
    })
}
