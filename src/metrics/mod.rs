//! Every metric, declared once with its meaning, and the two forms in which they are shown.
//!
//! - [`series`]: the table of metrics and the labels they carry.
//! - [`latency`]: a histogram that also knows its average and maximum, for the JSON form. [`age`]: seconds since something.
//! - [`load`]: which part of its processors' time the process uses.
//! - [`process`]: memory, processor time and files, read when somebody looks; `allowance`: how much of them there may be.
//! - [`report`]: the JSON form, of the shape PROTOCOL section 5 fixes.
//! - [`exposition`]: the Prometheus and OpenMetrics text forms.

pub mod age;
mod allowance;
pub mod exposition;
pub mod latency;
pub mod load;
pub mod process;
pub mod report;
pub mod series;

use std::{
    fmt,
    ops::Deref,
    sync::Arc,
    time::{Duration, Instant},
};

use prometheus_client::{
    metrics::{family::Family, gauge::ConstGauge},
    registry::Registry,
};

pub use series::Series;

/// Prefix of every name but those of the process, which have names all programs share.
const PREFIX: &str = "hubbub";

/// The metrics of one server, shared by everyone who counts; cloning shares them. Fields are those of [`Series`].
#[derive(Clone)]
pub struct Metrics(Arc<Shared>);

struct Shared {
    series: Series,
    registry: Registry,
    started: Instant,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let series = Series::register(registry.sub_registry_with_prefix(PREFIX));
        let build = Family::<_, ConstGauge<i64>, _>::new_with_constructor(|| ConstGauge::new(1));
        drop(build.get_or_create(&series::VersionLabel { version: env!("CARGO_PKG_VERSION") }));
        registry.sub_registry_with_prefix(PREFIX).register("build_info", "Always 1; the version that runs", build);
        process::started();
        registry.register_collector(Box::new(process::ProcessCollector));
        Self(Arc::new(Shared { series, registry, started: Instant::now() }))
    }
}

impl Metrics {
    /// How long this server has run.
    pub fn uptime(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// The times of messages through the broker that the JSON form tells: from publishing a batch to its frame back from
    /// Redis, or of a server that stands alone from accepting a command to its committed entry back at the hub.
    pub fn latency(&self, distributed: bool) -> &latency::Latency {
        if distributed { &self.receipt_seconds } else { &self.publish_latency_seconds }
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }
}

impl Deref for Metrics {
    type Target = Series;

    fn deref(&self) -> &Series {
        &self.0.series
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("uptime", &self.uptime()).finish_non_exhaustive()
    }
}
