//! A histogram of times that also knows their average and maximum.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder},
    metrics::{MetricType, TypedMetric, histogram::Histogram},
};

/// Times in seconds as a histogram; average and maximum since the start in milliseconds. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Latency {
    histogram: Histogram,
    totals: Arc<Totals>,
}

/// Kept beside the histogram, which cannot be read back.
#[derive(Debug, Default)]
struct Totals {
    count: AtomicU64,
    sum_us: AtomicU64,
    max_us: AtomicU64,
}

impl Latency {
    /// An empty one with these upper bounds, in seconds, ascending.
    pub fn new(bounds: impl IntoIterator<Item = f64>) -> Self {
        Self { histogram: Histogram::new(bounds), totals: Arc::default() }
    }

    /// Counts one time.
    pub fn observe(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.histogram.observe(time.as_secs_f64());
        self.totals.count.fetch_add(1, Ordering::Relaxed);
        self.totals.sum_us.fetch_add(micros, Ordering::Relaxed);
        self.totals.max_us.fetch_max(micros, Ordering::Relaxed);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.totals.count.load(Ordering::Relaxed)
    }

    /// The mean of all, in milliseconds; 0 when there was none.
    pub fn average_ms(&self) -> f64 {
        match self.count() {
            0 => 0.0,
            count => self.sum_ms() / count as f64,
        }
    }

    /// The sum of all, in milliseconds.
    pub fn sum_ms(&self) -> f64 {
        self.totals.sum_us.load(Ordering::Relaxed) as f64 / 1e3
    }

    /// The longest of all, in milliseconds; 0 when there was none.
    pub fn max_ms(&self) -> f64 {
        self.totals.max_us.load(Ordering::Relaxed) as f64 / 1e3
    }
}

impl TypedMetric for Latency {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Latency {
    fn encode(&self, encoder: MetricEncoder<'_>) -> std::fmt::Result {
        self.histogram.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_average_and_maximum() {
        let latency = Latency::new([0.001, 0.01]);
        assert_eq!((latency.average_ms(), latency.max_ms()), (0.0, 0.0));
        latency.observe(Duration::from_millis(2));
        latency.clone().observe(Duration::from_millis(4));
        assert_eq!((latency.count(), latency.average_ms(), latency.max_ms()), (2, 3.0, 4.0));
        assert_eq!(latency.sum_ms(), 6.0);
    }
}
