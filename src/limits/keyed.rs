//! A rate for each key: address, user, account or API key.

use std::{hash::Hash, time::Duration};

use governor::{Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, state::keyed::DashMapStateStore};

use super::clock::ProcessClock;
use crate::protocol::{error::Refusal, ids::Millis};

type Limiter<K, C> = RateLimiter<K, DashMapStateStore<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Counts by key. Keys stay until [`Self::sweep`], so sweep at times.
pub struct Keyed<K, C = ProcessClock>
where
    K: Hash + Eq + Clone,
    C: Clock,
{
    /// None: no limit, and nothing to remember.
    limiter: Option<Limiter<K, C>>,
    refusal: &'static str,
}

impl<K: Hash + Eq + Clone> Keyed<K> {
    /// With a quota (none: no limit) and the sentence of its refusals.
    pub fn new(quota: Option<Quota>, refusal: &'static str) -> Self {
        Self::with_clock(quota, refusal, ProcessClock)
    }
}

impl<K: Hash + Eq + Clone, C: Clock> Keyed<K, C> {
    /// As `new`, by another clock.
    pub fn with_clock(quota: Option<Quota>, refusal: &'static str, clock: C) -> Self {
        Self { limiter: quota.map(|quota| RateLimiter::dashmap_with_clock(quota, clock)), refusal }
    }

    /// Counts one for `key`.
    ///
    /// # Errors
    /// `rate_limited`, with the time until one more is allowed.
    pub fn check(&self, key: &K) -> Result<(), Refusal> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        limiter
            .check_key(key)
            .map_err(|not_until| refuse(self.refusal, not_until.wait_time_from(limiter.clock().now())))
    }

    /// Forgets the keys that are as good as new, and gives their memory back.
    pub fn sweep(&self) {
        if let Some(limiter) = &self.limiter {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    /// How many keys are remembered.
    pub fn remembered(&self) -> usize {
        self.limiter.as_ref().map_or(0, RateLimiter::len)
    }
}

/// A refusal with the time to wait, rounded up: who waits so long is let in.
pub(super) fn refuse(why: &'static str, wait: Duration) -> Refusal {
    Refusal::rate_limited(why, wait.as_nanos().div_ceil(1_000_000) as Millis)
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::{super::config::per_second, *};
    use crate::protocol::error::ErrorCode;

    fn keyed(rate: u32, burst: u32) -> (Keyed<u32, FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Keyed::with_clock(per_second(rate, burst), "too fast", clock.clone()), clock)
    }

    #[test]
    fn a_burst_then_the_rate_for_each_key() {
        let (keyed, clock) = keyed(10, 30);
        for _ in 0..30 {
            keyed.check(&1).unwrap();
        }
        let refusal = keyed.check(&1).unwrap_err();
        assert_eq!((refusal.code, &*refusal.message), (ErrorCode::RateLimited, "too fast"));
        assert_eq!(refusal.retry_after_ms, Some(100));
        keyed.check(&2).unwrap();

        clock.advance(Duration::from_micros(99_500));
        assert_eq!(keyed.check(&1).unwrap_err().retry_after_ms, Some(1));
        clock.advance(Duration::from_millis(1));
        keyed.check(&1).unwrap();
        keyed.check(&1).unwrap_err();
    }

    #[test]
    fn sweeping_forgets_the_quiet_and_only_them() {
        let (keyed, clock) = keyed(1, 2);
        keyed.check(&1).unwrap();
        clock.advance(Duration::from_secs(10));
        keyed.check(&2).unwrap();
        assert_eq!(keyed.remembered(), 2);
        keyed.sweep();
        assert_eq!(keyed.remembered(), 1);
        clock.advance(Duration::from_secs(10));
        keyed.sweep();
        assert_eq!(keyed.remembered(), 0);
    }

    #[test]
    fn sweeping_gives_nobody_more_than_is_due() {
        let (keyed, clock) = keyed(1, 3);
        let mut given = 0;
        for _ in 0..100 {
            given += (0..5).filter(|_| keyed.check(&1).is_ok()).count();
            clock.advance(Duration::from_millis(500));
            keyed.sweep();
        }
        assert!((50..=53).contains(&given), "{given}");
    }
}
