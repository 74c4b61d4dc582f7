//! What many connections together may have waiting of pages that clients asked for, beside what is live.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of pages that may wait for all clients of a server. Each may have many times its queue of them, and without
/// this some hundreds that ask and never read would fill the memory.
const MOST: usize = 64 * 1024 * 1024;

/// Counts them; shared by the queues.
#[derive(Debug)]
pub struct Pages {
    most: usize,
    waiting: AtomicUsize,
}

impl Pages {
    /// Room for so many bytes.
    pub const fn new(most: usize) -> Self {
        Self { most, waiting: AtomicUsize::new(0) }
    }

    /// Takes so many bytes, or answers `false` and takes none where there is not room for all.
    pub fn take(&self, bytes: usize) -> bool {
        let fits = |waiting: usize| waiting.checked_add(bytes).filter(|sum| *sum <= self.most);
        bytes == 0 || self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    /// Gives back what was taken.
    pub fn give_back(&self, bytes: usize) {
        if bytes > 0 {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl Default for Pages {
    fn default() -> Self {
        Self::new(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_not_taken() {
        let pages = Pages::new(10);
        assert!(pages.take(6) && !pages.take(5) && pages.take(4) && pages.take(0));
        assert!(!pages.take(usize::MAX));
        pages.give_back(5);
        assert!(pages.take(5) && !pages.take(1));
    }
}
