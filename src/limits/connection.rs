//! The rate of one connection's commands.

use std::num::NonZeroU32;

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};

use super::{clock::ProcessClock, keyed::refuse};
use crate::protocol::error::Refusal;

/// Counts the commands of one connection in 32 bytes: there is one for every connection.
pub struct PerConnection<C: Clock = ProcessClock> {
    limiter: RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>,
}

impl PerConnection {
    /// With a quota; none: no limit.
    pub fn new(quota: Option<Quota>) -> Self {
        Self::with_clock(quota, ProcessClock)
    }
}

impl<C: Clock> PerConnection<C> {
    /// As `new`, by another clock.
    pub fn with_clock(quota: Option<Quota>, clock: C) -> Self {
        Self { limiter: RateLimiter::direct_with_clock(quota.unwrap_or_else(unlimited), clock) }
    }

    /// Counts one command.
    ///
    /// # Errors
    /// `rate_limited`, with the time until one more is allowed.
    pub fn check(&self) -> Result<(), Refusal> {
        self.limiter.check().map_err(|not_until| {
            refuse("you send commands too fast", not_until.wait_time_from(self.limiter.clock().now()))
        })
    }
}

/// More than a connection can send, and without the eight bytes an `Option` would take.
fn unlimited() -> Quota {
    Quota::per_second(NonZeroU32::MIN.saturating_add(999_999_999)).allow_burst(NonZeroU32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::{super::config::per_second, *};

    #[test]
    fn it_is_small() {
        assert!(size_of::<PerConnection>() <= 32, "{}", size_of::<PerConnection>());
    }

    #[test]
    fn a_burst_then_the_rate() {
        let clock = FakeRelativeClock::default();
        let commands = PerConnection::with_clock(per_second(50, 100), clock.clone());
        assert_eq!((0..200).filter(|_| commands.check().is_ok()).count(), 100);
        assert_eq!(commands.check().unwrap_err().retry_after_ms, Some(20));
        clock.advance(Duration::from_millis(20));
        commands.check().unwrap();
        commands.check().unwrap_err();
    }

    #[test]
    fn none_is_unlimited_even_while_time_stands_still() {
        let commands = PerConnection::with_clock(None, FakeRelativeClock::default());
        assert!((0..100_000).all(|_| commands.check().is_ok()));
    }
}
