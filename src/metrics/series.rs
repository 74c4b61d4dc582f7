//! The table of metrics. The doc comment of a field is its HELP text, the field's name its name after `hubbub_`; a counter
//! is shown with `_total` behind it.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{self, Registry, Unit},
};

use super::{age::Age, latency::Latency};
use crate::{
    chat::link::Connection,
    protocol::{close::CloseCode, error::ErrorCode},
};

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
            pub struct $name { $($(#[$field_doc])* pub $field: $type,)+ }
        )*
    };
}

labels! {
    /// A code of the error catalogue.
    CodeLabel {
        /// Its name on the wire.
        code: &'static str,
    }
    /// A close code.
    CloseLabel {
        /// Its number.
        code: u16,
    }
    /// A code of the error catalogue, as the reason of a refused connect.
    ReasonLabel {
        /// Its name on the wire.
        reason: &'static str,
    }
    /// Why a room's log was read: `gap` and `fork` for what came with a number that did not fit, `check` for one that may
    /// have lost or missed something, `join` for those who came.
    CatchupLabel {
        /// Which.
        reason: &'static str,
    }
    /// A command.
    CommandLabel {
        /// Its `type` on the wire; never text from a client.
        r#type: &'static str,
    }
    /// One of the connections to Redis: `data`, `publisher`, `subscriber`.
    ConnectionLabel {
        /// Which.
        connection: &'static str,
    }
    /// What failed to prove somebody: `password`, `key`, `jwt`, `resume`; or what was wrong with a frame: `too_long`,
    /// `malformed`, `version`, `misplaced`, `unknown_channel`.
    KindLabel {
        /// Which.
        kind: &'static str,
    }
    /// An answered HTTP request.
    HttpLabel {
        /// The method, `OTHER` for one this server has no route for.
        method: &'static str,
        /// The route's pattern, `none` for an unknown path; never the path itself.
        route: &'static str,
        /// The status.
        status: u16,
    }
    /// A route.
    RouteLabel {
        /// Its pattern.
        route: &'static str,
    }
    /// A build.
    VersionLabel {
        /// As in the package.
        version: &'static str,
    }
}

/// A family of histograms of times by route.
pub type RouteTimes = Family<RouteLabel, Histogram, fn() -> Histogram>;

macro_rules! series {
    ($(#[doc = $help:literal] $name:ident: $type:ty $(= $make:expr)?;)*) => {
        /// Every metric. Names of counters are shown with `_total` behind them.
        #[derive(Clone, Debug)]
        pub struct Series { $(#[doc = $help] pub $name: $type,)* }

        impl Series {
            pub(super) fn register(registry: &mut Registry) -> Self {
                let series = Self { $($name: series!(@make $($make)?),)* };
                $(register(registry, stringify!($name), $help, series.$name.clone());)*
                series.begin_at_0();
                series
            }
        }
    };
    (@make) => { Default::default() };
    (@make $make:expr) => { $make };
}

series! {
    /// Connections open now.
    connections_open: Gauge;
    /// Connections that may be open at once: MAX_SESSIONS.
    connections_limit: Gauge;
    /// Connections opened since the start.
    connections: Counter;
    /// Connects refused before the upgrade, by error code.
    connects_refused: Family<ReasonLabel, Counter>;
    /// Connections closed by this server, by close code.
    closes: Family<CloseLabel, Counter>;
    /// Commands decoded, by type.
    commands: Family<CommandLabel, Counter>;
    /// Errors sent to clients over sockets and HTTP, by error code.
    refusals: Family<CodeLabel, Counter>;
    /// Entries handed to the log and taken by it.
    messages_published: Counter;
    /// Entries that came from the broker, those of this instance included.
    entries_received: Counter;
    /// Entries the log could not take.
    publish_failures: Counter;
    /// Frames handed to sockets.
    deliveries: Counter;
    /// Seconds from the hub having frames for a worker to the worker having written them to its sockets.
    delivery_seconds: Histogram = Histogram::new(exponential_buckets(0.00025, 2.0, 15));
    /// Ephemeral frames (typing, presence) dropped before a slow reader.
    ephemeral_dropped: Counter;
    /// Connections closed because they did not read.
    slow_readers: Counter;
    /// Commands refused because the hub's queue was full.
    hub_full: Counter;
    /// Seconds by which the hub was late, at worst of late: what a command would wait for.
    hub_lag_seconds: Gauge<f64, AtomicU64>;
    /// Times a room's log was read for those who are in it or join.
    log_reads: Counter;
    /// Gaps found in the numbers of a room.
    gaps: Counter;
    /// Entries that came with the number of another one: the log lost some and gave their numbers again.
    forks: Counter;
    /// Logs found to have lost what was delivered, and given a new epoch.
    epochs_moved: Counter;
    /// Times something of a room came from a read of its log rather than live, by the reason of the read.
    catchups: Family<CatchupLabel, Counter>;
    /// Entries delivered late, from a read of the log.
    recovered_entries: Counter;
    /// Gaps the log could not fill: everyone in the room was given a fresh position.
    unrecoverable_gaps: Counter;
    /// Appends answered as duplicates: retries, and changes that changed nothing.
    duplicate_acks: Counter;
    /// Seconds from accepting a command to its committed entry back at the hub.
    publish_latency_seconds: Latency = Latency::new(exponential_buckets(0.0005, 2.0, 14));
    /// Seconds a commit to the log took.
    commit_seconds: Histogram = Histogram::new(exponential_buckets(0.00025, 2.0, 14));
    /// Entries in one commit.
    commit_entries: Histogram = Histogram::new(exponential_buckets(1.0, 2.0, 11));
    /// Changes that wait for the log, those on their way included.
    outbox_waiting: Gauge;
    /// Seconds the oldest change in front of the log has waited.
    outbox_age_seconds: Gauge;
    /// Messages accepted while the log was away.
    provisional: Counter;
    /// Provisional messages that could no longer be logged.
    undelivered: Counter;
    /// Seconds from publishing a batch to its frame back from Redis.
    receipt_seconds: Latency = Latency::new(exponential_buckets(0.0005, 2.0, 14));
    /// Entries put back that the log had lost.
    rescued: Counter;
    /// Rooms with members on this instance.
    rooms_live: Gauge;
    /// Rounds in which collected comings and goings were sent out.
    presence_flush: Counter;
    /// Users taken out of rooms because no instance refreshed them any more.
    presence_reaped: Counter;
    /// Users of this instance that the presence store had lost and was told again.
    presence_drift: Counter;
    /// Whether this server is one of many: 1 then.
    distributed: Gauge;
    /// Whether the log cannot be reached or written now: 1 then.
    degraded: Gauge;
    /// Instances that live, this one included, when it last said that it does.
    instances_live: Gauge;
    /// Connections open on all instances that live, by what each said last; those of this one while Redis is away.
    cluster_clients: Gauge;
    /// Connections that this instance can still take; 0 while it takes none.
    headroom_sessions: Gauge;
    /// Newcomers a second that this instance can take, by how busy it is; 0 while it takes none.
    headroom_newcomers: Gauge;
    /// Connections that all instances that live can still take, by what each said last.
    cluster_headroom_sessions: Gauge;
    /// Seconds since Redis last heard that this instance lives; 0 for a server that stands alone.
    heartbeat_age_seconds: Age;
    /// Seconds since this instance began to drain; 0 before.
    draining_seconds: Age;
    /// Times this process had to take another id because another process has the one it was given.
    instance_id_collisions: Counter;
    /// Questions to other instances that at least one of them did not answer in time.
    peer_asks_unanswered: Counter;
    /// Questions and answers of other instances that were dropped because too many waited.
    peer_frames_dropped: Counter;
    /// Proofs of identity that failed, by kind.
    auth_failures: Family<KindLabel, Counter>;
    /// HTTP requests answered, by method, route and status.
    http_requests: Family<HttpLabel, Counter>;
    /// Seconds from an HTTP request to its answer, by route.
    http_request_seconds: RouteTimes = Family::new_with_constructor(route_times);
    /// Whether Redis can be used: 1 connected, 0 degraded. Always 0 for a server that stands alone.
    redis_up: Gauge;
    /// Times Redis was found to be away.
    redis_outages: Counter;
    /// Connections made to Redis, by connection; the first is counted too.
    redis_connects: Family<ConnectionLabel, Counter>;
    /// Recoveries that did not succeed and were tried again.
    redis_failed_recoveries: Counter;
    /// Seconds a recovery took, from the connections being back to everything being made up for.
    redis_recovery_seconds: Histogram = Histogram::new(exponential_buckets(0.002, 2.0, 14));
    /// Seconds from publishing a probe to its coming back.
    redis_probe_seconds: Histogram = Histogram::new(exponential_buckets(0.00025, 2.0, 14));
    /// Probes that did not come back.
    redis_lost_probes: Counter;
    /// Memory Redis uses, when it was last asked; 0 before, and where Redis does not tell.
    redis_memory_bytes: Gauge;
    /// Memory Redis may use (maxmemory); 0 for no limit.
    redis_memory_limit_bytes: Gauge;
    /// Connections Redis has, those of others included.
    redis_clients: Gauge;
    /// Connections Redis may have (maxclients).
    redis_clients_limit: Gauge;
    /// Rooms whose channel this instance listens to.
    rooms_subscribed: Gauge;
    /// Frames of other instances that were dropped for being bad, by kind.
    bad_frames: Family<KindLabel, Counter>;
    /// Frames that came twice and were dropped.
    duplicate_frames: Counter;
    /// Frames lost because the hub was behind.
    lagged_frames: Counter;
    /// Keys the limiters hold.
    limiter_keys: Gauge;
}

/// Takes a metric up. A unit at the end of its name is told apart, so that OpenMetrics has it.
fn register(registry: &mut Registry, name: &'static str, help: &'static str, metric: impl registry::Metric) {
    // The registry puts a full stop behind the text itself.
    let help = help.trim().trim_end_matches('.');
    if let Some(name) = name.strip_suffix("_seconds") {
        registry.register_with_unit(name, help, Unit::Seconds, metric);
    } else if let Some(name) = name.strip_suffix("_bytes") {
        registry.register_with_unit(name, help, Unit::Bytes, metric);
    } else {
        registry.register(name, help, metric);
    }
}

fn route_times() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 13))
}

/// What can be wrong with a frame of another instance.
const BAD_FRAMES: [&str; 5] = ["too_long", "malformed", "version", "misplaced", "unknown_channel"];

/// What can fail to prove somebody.
const PROOFS: [&str; 4] = ["password", "key", "jwt", "resume"];

impl Series {
    /// Shows what was not counted yet as 0: a rate needs a value before the first event, or it misses that one.
    fn begin_at_0(&self) {
        for code in ErrorCode::ALL {
            drop(self.refusals.get_or_create(&CodeLabel { code: code.as_str() }));
            drop(self.connects_refused.get_or_create(&ReasonLabel { reason: code.as_str() }));
        }
        for code in CloseCode::ALL {
            drop(self.closes.get_or_create(&CloseLabel { code: code.number() }));
        }
        for connection in Connection::ALL {
            drop(self.redis_connects.get_or_create(&ConnectionLabel { connection: connection.as_str() }));
        }
        for kind in BAD_FRAMES {
            drop(self.bad_frames.get_or_create(&KindLabel { kind }));
        }
        for kind in PROOFS {
            drop(self.auth_failures.get_or_create(&KindLabel { kind }));
        }
    }

    /// Counts an error sent to a client.
    pub fn refused(&self, code: ErrorCode) {
        self.refusals.get_or_create(&CodeLabel { code: code.as_str() }).inc();
    }

    /// Counts a connect refused before the upgrade.
    pub fn connect_refused(&self, code: ErrorCode) {
        self.connects_refused.get_or_create(&ReasonLabel { reason: code.as_str() }).inc();
    }

    /// Counts a connection that this server closed.
    pub fn closed(&self, code: u16) {
        self.closes.get_or_create(&CloseLabel { code }).inc();
    }

    /// Counts a command by its `type`, which must not be a client's text.
    pub fn command(&self, kind: &'static str) {
        self.commands.get_or_create(&CommandLabel { r#type: kind }).inc();
    }

    /// Counts a proof of identity that failed: `password`, `key`, `jwt` or `resume`.
    pub fn auth_failed(&self, kind: &'static str) {
        self.auth_failures.get_or_create(&KindLabel { kind }).inc();
    }

    /// Connections open now.
    pub fn open_connections(&self) -> usize {
        usize::try_from(self.connections_open.get()).unwrap_or(0)
    }
}
