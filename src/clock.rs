//! Time as a trait, so that what depends on it can be tested without waiting.
//!
//! A machine's clock is set now and then: by hand, by NTP, after a pause of the whole machine. What is shown to people or
//! compared with other machines is [`Clock::now_ms`]; what only lasts is counted in [`Clock::elapsed_ms`].

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use crate::protocol::ids::Millis;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970 UTC.
    fn now_ms(&self) -> Millis;

    /// Milliseconds since some moment in the past; goes forward evenly whatever the clock is set to.
    fn elapsed_ms(&self) -> Millis;
}

/// A clock that many hold.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Clock for SystemClock {
    fn now_ms(&self) -> Millis {
        // A machine set before 1970 reads as 1970: ts never falls within a room, so order holds even then.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
    }

    fn elapsed_ms(&self) -> Millis {
        START.elapsed().as_millis() as Millis
    }
}

/// A clock that stands still until told.
#[derive(Debug, Default)]
pub struct ManualClock {
    now: AtomicU64,
    elapsed: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn at(now: Millis) -> Arc<Self> {
        Arc::new(Self { now: now.into(), elapsed: now.into() })
    }

    /// Moves it on.
    pub fn advance(&self, by: Millis) {
        self.now.fetch_add(by, Ordering::SeqCst);
        self.elapsed.fetch_add(by, Ordering::SeqCst);
    }

    /// Sets it, as somebody sets a machine's clock: no time passes.
    pub fn set(&self, now: Millis) {
        self.now.store(now, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> Millis {
        self.now.load(Ordering::SeqCst)
    }

    fn elapsed_ms(&self) -> Millis {
        self.elapsed.load(Ordering::SeqCst)
    }
}
