//! How much of its memory and connections Redis uses, for the metrics: it refuses writes when the memory is full.

use std::time::Duration;

use fred::{
    interfaces::ClientLike,
    types::{ClusterHash, CustomCommand},
};
use tokio::time::Instant;

use super::{context::Context, selftest::field};

/// How often it is asked: as often as Prometheus usually comes by.
const EVERY: Duration = Duration::from_secs(15);

/// When it is asked next.
pub(super) struct Usage(Option<Instant>);

impl Usage {
    /// At once.
    pub(super) fn new() -> Self {
        Self(None)
    }

    /// Asks when it is time to. A Redis that forbids INFO, or does not answer, leaves the metrics as they are: whether it can
    /// be used others find out.
    pub(super) async fn ask(&mut self, ctx: &Context) {
        if self.0.is_some_and(|next| Instant::now() < next) {
            return;
        }
        self.0 = Some(Instant::now() + EVERY);
        let command = CustomCommand::new_static("INFO", ClusterHash::FirstKey, false);
        let sections = vec!["memory", "clients"];
        let Ok(info) = ctx.clients.data.custom::<String, _>(command, sections).await else { return };
        let metrics = &ctx.metrics;
        for (name, gauge) in [
            ("used_memory", &metrics.redis_memory_bytes),
            ("maxmemory", &metrics.redis_memory_limit_bytes),
            ("connected_clients", &metrics.redis_clients),
            ("maxclients", &metrics.redis_clients_limit),
        ] {
            if let Some(value) = field(&info, name).and_then(|text| text.parse().ok()) {
                gauge.set(value);
            }
        }
    }
}
