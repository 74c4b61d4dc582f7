//! How busy this process is.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{allowance, process};

/// Over less time than this, a count of ticks of 10 ms says too little.
const LEAST: Duration = Duration::from_secs(1);

/// Which part of its processors' time this process uses. Threads of it that wait for a processor that others have do not
/// show here; what they are late by does, in `hub_lag_seconds`.
#[derive(Debug)]
pub struct CpuMeter {
    processors: f64,
    last: Mutex<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    cpu_seconds: f64,
    busy: f64,
}

impl Default for CpuMeter {
    /// For the processors that this process may use, parts of one included, from now on.
    fn default() -> Self {
        let processors = allowance::cpu_cores().unwrap_or(1.0);
        let cpu_seconds = process::cpu_seconds().unwrap_or_default();
        Self { processors, last: Mutex::new(Sample { at: Instant::now(), cpu_seconds, busy: 0.0 }) }
    }
}

impl CpuMeter {
    /// The part used since it was last asked for, 0 to 1; the same again when that is less than a second ago. Always 0 on a
    /// system that does not tell.
    pub fn busy(&self) -> f64 {
        let Some(cpu_seconds) = process::cpu_seconds() else { return 0.0 };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = last.next(Instant::now(), cpu_seconds, self.processors);
        last.busy
    }
}

impl Sample {
    fn next(self, at: Instant, cpu_seconds: f64, processors: f64) -> Self {
        let passed = at.saturating_duration_since(self.at);
        if passed < LEAST {
            return self;
        }
        let busy = (cpu_seconds - self.cpu_seconds) / (passed.as_secs_f64() * processors);
        Self { at, cpu_seconds, busy: busy.clamp(0.0, 1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_of_all_processors_and_of_some_time() {
        let start = Sample { at: Instant::now(), cpu_seconds: 10.0, busy: 0.0 };
        let after = |ms, cpu_seconds| start.next(start.at + Duration::from_millis(ms), cpu_seconds, 2.0);
        assert_eq!(after(2_000, 11.0).busy, 0.25);
        assert_eq!(after(2_000, 99.0).busy, 1.0);
        assert_eq!(start.next(start.at + Duration::from_secs(2), 11.0, 0.5).busy, 1.0, "half of one, all of the time");
        let soon = after(999, 11.0);
        assert_eq!((soon.at, soon.busy), (start.at, 0.0), "looked at again later, over all of the time");
    }
}
