//! Whether the file can be used, and one line in the log each time that changes.

use std::sync::atomic::{AtomicBool, Ordering};

/// Set by the threads that use the file, read by everybody.
#[derive(Debug)]
pub(super) struct Health {
    what: &'static str,
    well: AtomicBool,
}

impl Health {
    /// Well so far; `what` is named in the log.
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, well: AtomicBool::new(true) }
    }

    /// Whether the last use succeeded.
    pub(super) fn is_well(&self) -> bool {
        self.well.load(Ordering::Acquire)
    }

    pub(super) fn succeeded(&self) {
        if !self.well.swap(true, Ordering::AcqRel) {
            tracing::info!("the store can be {} again", self.what);
        }
    }

    /// The first failure of a streak is logged, the rest would only repeat it.
    pub(super) fn failed(&self, error: &dyn std::error::Error) {
        if self.well.swap(false, Ordering::AcqRel) {
            tracing::error!(%error, "the store cannot be {}", self.what);
        }
    }
}
