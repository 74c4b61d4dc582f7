//! What this instance has left for newcomers, of what it measures of itself.

use std::{sync::Arc, time::Duration};

use crate::{
    broker::Measure,
    chat::headroom::{Headroom, Load},
    lifecycle::Lifecycle,
    metrics::{Metrics, load::CpuMeter},
    settings::Settings,
};

/// The measure of a server.
pub(super) fn measure(settings: &Settings, lifecycle: Lifecycle, metrics: Metrics) -> Measure {
    let sessions = settings.server.session_limit();
    let per_second = settings.drain.newcomers_per_second;
    let cpu = CpuMeter::default();
    Arc::new(move || {
        if !lifecycle.is_ready() {
            return Headroom::NONE;
        }
        let lag = Duration::try_from_secs_f64(metrics.hub_lag_seconds.get()).unwrap_or_default();
        let free = sessions.saturating_sub(metrics.open_connections());
        Headroom::measured(free, per_second, Load { lag, busy: cpu.busy() })
    })
}
