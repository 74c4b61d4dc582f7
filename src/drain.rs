//! The end of a server, in order: refuse newcomers, tell everyone, close at a pace, and only then stop.

use std::{num::NonZeroU32, time::Duration};

use actix::Addr;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::{
    actors::{hub::Hub, messages::Drain},
    broker::{Directory, InstanceInfo},
    chat::{
        headroom::Headroom,
        schedule::{LEAST_RECONNECT_MS, Pace, Returns},
    },
    lifecycle::{Lifecycle, Stage},
    metrics::Metrics,
    protocol::ids::{InstanceId, Millis},
};

/// How long after the last scheduled close the sockets may take: the closing handshake's own bound, and some.
pub const LAST_HANDSHAKES: Duration = Duration::from_secs(7);

/// How often the open sockets are counted in the end.
const LOOK: Duration = Duration::from_millis(10);

/// Section `drain`: stopping (PROTOCOL section 4, promise 6).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DrainConfig {
    /// Milliseconds between the first 503 of `/health` and the notice to clients; none when there are no clients.
    pub grace_ms: Millis,
    /// Longest time over which closes are spread, in milliseconds.
    pub max_ms: Millis,
    /// Closes a second, as long as that stays within `max_ms`; at least 1.
    pub per_second: NonZeroU32,
    /// How many of those whom another instance sends away this one takes a second when it has nothing else to do, at least
    /// 1. It tells the others what is left of it beside its other work, and they tell their clients when to come back.
    ///
    /// In the storms of docs/performance.md two servers on two shared cores took a third one's 3,333 clients in 1.4 s, each
    /// with what it had missed. The default leaves room for those who are there already, and has two that take over
    /// from a third keep up with the default of 500 closes a second.
    pub newcomers_per_second: NonZeroU32,
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self {
            grace_ms: 1_000,
            max_ms: 20_000,
            per_second: NonZeroU32::MIN.saturating_add(499),
            newcomers_per_second: NonZeroU32::MIN.saturating_add(249),
        }
    }
}

/// A server that is to stop.
pub struct Leaving<'a> {
    /// Its stage: [`Stage::Draining`] already.
    pub lifecycle: &'a Lifecycle,
    /// Who has its clients.
    pub hub: &'a Addr<Hub>,
    /// What is counted.
    pub metrics: &'a Metrics,
    /// Who else is there.
    pub directory: &'a dyn Directory,
    /// Who it is among them.
    pub instance: &'a InstanceId,
}

/// Drains a server: from now on health checks and upgrades answer 503. Returns when the last client is gone, or when those
/// that do not answer have had their time; with the milliseconds until the last is expected to be back.
pub async fn drain(leaving: Leaving<'_>, config: &DrainConfig) -> Millis {
    let Leaving { lifecycle, hub, metrics, directory, instance } = leaving;
    debug_assert!(lifecycle.stage() >= Stage::Draining);
    // Nobody else who drains is to count on it.
    directory.renew().await;
    let clients = metrics.open_connections();
    if clients > 0 {
        // Load balancers look at /health before newcomers are told to go elsewhere.
        tokio::time::sleep(Duration::from_millis(config.grace_ms)).await;
    }
    let pace = Pace { max_ms: config.max_ms, per_second: u64::from(config.per_second.get()) };
    let bound = Duration::from_millis(pace.max_ms) + LAST_HANDSHAKES;
    let survivors = survivors(directory, instance, config).await;
    let takers = survivors.iter().filter(|survivor| survivor.takes_newcomers()).count();
    info!(clients, takers, "draining");
    let returns = Returns::new(survivors, config.newcomers_per_second);
    let ended = async {
        // An error means that the hub has stopped already.
        let expected_in_ms = hub.send(Drain { pace, returns }).await;
        // The hub counts actors; a socket outlives its actor until its last answers and its close frame are through.
        while metrics.open_connections() > 0 {
            tokio::time::sleep(LOOK).await;
        }
        expected_in_ms.unwrap_or_default()
    };
    match tokio::time::timeout(bound, ended).await {
        Ok(expected_in_ms) => {
            info!("drained");
            expected_in_ms
        }
        Err(_) => {
            warn!("some clients did not close in time");
            LEAST_RECONNECT_MS
        }
    }
}

/// This one's part of what the other instances have left for newcomers: who else drains, and has clients still, sends
/// them to the same. One of a version that does not say what it has is taken for one like this that has nothing else to do.
/// None while the store is away.
async fn survivors(directory: &dyn Directory, this: &InstanceId, config: &DrainConfig) -> Vec<Headroom> {
    let unknown = Headroom { sessions_free: usize::MAX, newcomers_per_second: config.newcomers_per_second.get() };
    let instances = directory.instances().await.unwrap_or_default();
    let others: Vec<_> = instances.into_iter().filter(|info| info.instance != *this).collect();
    let drains = |info: &&InstanceInfo| info.connected_clients > 0 && info.headroom == Some(Headroom::NONE);
    let senders = 1 + others.iter().filter(drains).count();
    others.into_iter().map(|info| info.headroom.unwrap_or(unknown).shared_by(senders)).collect()
}
