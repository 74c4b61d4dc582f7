//! A gauge of the seconds since something began, counted when somebody looks.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder},
    metrics::{MetricType, TypedMetric, gauge::ConstGauge},
};

/// The time since [`Age::begin`], in seconds; 0 while it has not begun. By the monotonic clock: one that is set anew does
/// not make it older. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Age(Arc<Mutex<Option<Instant>>>);

impl Age {
    /// Counts from now on.
    pub fn begin(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// How old it is.
    pub fn get(&self) -> Duration {
        let began = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        began.map_or(Duration::ZERO, |began| began.elapsed())
    }
}

impl TypedMetric for Age {
    const TYPE: MetricType = MetricType::Gauge;
}

impl EncodeMetric for Age {
    fn encode(&self, encoder: MetricEncoder<'_>) -> std::fmt::Result {
        ConstGauge::new(self.get().as_secs_f64()).encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_0_until_it_began_and_only_grows_from_then_on() {
        let age = Age::default();
        assert_eq!(age.get(), Duration::ZERO);
        age.clone().begin();
        let young = age.get();
        assert!(young > Duration::ZERO && age.get() >= young);
    }
}
