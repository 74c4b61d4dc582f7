//! How many newcomers an instance can take, and how fast, by what it measured of itself.

use std::{num::NonZeroU32, time::Duration};

/// A hub that is late by so much takes the least: people notice from a tenth of a second on.
const MOST_LAG: Duration = Duration::from_millis(100);

/// Part of its rate that a ready instance takes however busy it is: those who were sent away must get in somewhere.
const LEAST: f64 = 0.1;

/// What an instance has left for newcomers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headroom {
    /// Connections that it can still take: `MAX_SESSIONS` less those that it has.
    pub sessions_free: usize,
    /// So many of them a second; 0 while it takes none.
    pub newcomers_per_second: u32,
}

/// How busy an instance is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// How late its hub is.
    pub lag: Duration,
    /// Which part of its processors' time it uses, 0 to 1.
    pub busy: f64,
}

impl Headroom {
    /// That of an instance that takes nobody: it starts or drains.
    pub const NONE: Self = Self { sessions_free: 0, newcomers_per_second: 0 };

    /// That of one that takes `per_second` when it has nothing else to do: the same part of it as its processors are
    /// idle, and less the later its hub is, whatever keeps it.
    pub fn measured(sessions_free: usize, per_second: NonZeroU32, load: Load) -> Self {
        let (idle, calm) = (1.0 - load.busy, 1.0 - load.lag.div_duration_f64(MOST_LAG));
        let part = idle.min(calm).clamp(LEAST, 1.0);
        // Never above the rate, which is a u32.
        let rate = (f64::from(per_second.get()) * part).round() as u32;
        Self { sessions_free, newcomers_per_second: rate.max(1) }
    }

    /// The part of one of so many who send their clients to it at the same time.
    pub fn shared_by(self, senders: usize) -> Self {
        let rate = self.newcomers_per_second;
        let part = (rate / u32::try_from(senders).unwrap_or(u32::MAX).max(1)).max(rate.min(1));
        Self { sessions_free: self.sessions_free / senders.max(1), newcomers_per_second: part }
    }

    /// Whether it takes anybody.
    pub fn takes_newcomers(self) -> bool {
        self.sessions_free > 0 && self.newcomers_per_second > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rate(busy: f64, lag_ms: u64) -> u32 {
        let load = Load { lag: Duration::from_millis(lag_ms), busy };
        Headroom::measured(9, NonZeroU32::new(200).unwrap(), load).newcomers_per_second
    }

    #[test]
    fn whoever_is_busy_or_late_takes_fewer() {
        assert_eq!((rate(0.0, 0), rate(0.25, 0), rate(0.0, 40)), (200, 150, 120));
        assert_eq!((rate(0.25, 40), rate(1.0, 0), rate(0.0, 5_000)), (120, 20, 20));
    }

    #[test]
    fn a_full_one_and_one_that_drains_take_nobody() {
        assert!(!Headroom::NONE.takes_newcomers());
        assert!(!Headroom { sessions_free: 0, newcomers_per_second: 9 }.takes_newcomers());
        assert!(Headroom { sessions_free: 1, newcomers_per_second: 9 }.takes_newcomers());
    }

    #[test]
    fn those_who_drain_at_once_share_it() {
        let all = Headroom { sessions_free: 100, newcomers_per_second: 9 };
        assert_eq!(all.shared_by(1), all);
        assert_eq!(all.shared_by(3), Headroom { sessions_free: 33, newcomers_per_second: 3 });
        assert_eq!(all.shared_by(20).newcomers_per_second, 1, "somebody must get in");
        assert_eq!(Headroom::NONE.shared_by(2), Headroom::NONE);
    }

    proptest! {
        #[test]
        fn the_rate_is_never_above_the_setting_nor_nothing(
            per_second in 1..u32::MAX, busy in -1.0..9.0f64, lag_ms in 0..10_000u64
        ) {
            let load = Load { lag: Duration::from_millis(lag_ms), busy };
            let rate = Headroom::measured(1, NonZeroU32::new(per_second).unwrap(), load).newcomers_per_second;
            prop_assert!((1..=per_second).contains(&rate));
        }
    }
}
