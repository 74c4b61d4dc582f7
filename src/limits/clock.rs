//! The clock of the limits: nanoseconds since the process first looked, in eight bytes.

use std::{sync::LazyLock, time::Instant};

use governor::{clock::Clock, nanos::Nanos};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Monotonic time. It takes no room itself and its instants take half of [`Instant`]'s, which counts where every
/// connection holds one.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessClock;

impl Clock for ProcessClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        START.elapsed().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_forward() {
        let first = ProcessClock.now();
        assert!(ProcessClock.now() >= first);
    }
}
