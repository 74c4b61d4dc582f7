//! The end of a server, in order: refuse newcomers, tell everyone, close at a pace, and only then stop.

use std::time::Duration;

use actix::Addr;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::{
    actors::{hub::Hub, messages::Drain},
    chat::schedule::Pace,
    lifecycle::{Lifecycle, Stage},
    metrics::Metrics,
    protocol::ids::Millis,
};

/// How long after the last scheduled close the sockets may take: the closing handshake's own bound, and some.
const LAST_HANDSHAKES: Duration = Duration::from_secs(7);

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
    pub per_second: std::num::NonZeroU32,
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self { grace_ms: 1_000, max_ms: 20_000, per_second: std::num::NonZeroU32::MIN.saturating_add(499) }
    }
}

/// Drains a server whose stage is [`Stage::Draining`] already: from then on health checks and upgrades answer 503.
/// Returns when the last client is gone, or when those that do not answer have had their time.
pub async fn drain(lifecycle: &Lifecycle, hub: &Addr<Hub>, metrics: &Metrics, config: &DrainConfig) {
    debug_assert!(lifecycle.stage() >= Stage::Draining);
    let clients = metrics.open_connections();
    if clients > 0 {
        // Load balancers look at /health before newcomers are told to go elsewhere.
        tokio::time::sleep(Duration::from_millis(config.grace_ms)).await;
    }
    let pace = Pace { max_ms: config.max_ms, per_second: u64::from(config.per_second.get()) };
    let bound = Duration::from_millis(pace.max_ms) + LAST_HANDSHAKES;
    info!(clients, "draining");
    let ended = async {
        // An error means that the hub has stopped already.
        let _ = hub.send(Drain { pace }).await;
        // The hub counts actors; a socket outlives its actor until its last answers and its close frame are through.
        while metrics.open_connections() > 0 {
            tokio::time::sleep(LOOK).await;
        }
    };
    match tokio::time::timeout(bound, ended).await {
        Ok(()) => info!("drained"),
        Err(_) => warn!("some clients did not close in time"),
    }
}
