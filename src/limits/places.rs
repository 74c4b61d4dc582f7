//! How many connections the whole instance has room for.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// `MAX_SESSIONS` places. Clones share them.
#[derive(Clone, Debug)]
pub struct Places {
    taken: Arc<AtomicUsize>,
    max: usize,
}

impl Places {
    /// `max` places, all free.
    pub fn new(max: usize) -> Self {
        Self { taken: Arc::new(AtomicUsize::new(0)), max }
    }

    /// Takes a place until the guard is dropped; none when all are taken. However many ask at once, no more than there
    /// are get one.
    pub fn take(&self) -> Option<Place> {
        let more = |taken| (taken < self.max).then_some(taken + 1);
        self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Place(Arc::clone(&self.taken)))
    }

    /// How many there are.
    pub const fn max(&self) -> usize {
        self.max
    }

    /// Whether all are taken.
    pub fn are_taken(&self) -> bool {
        self.taken.load(Ordering::Acquire) >= self.max
    }
}

/// A place that is taken; dropping it frees it.
#[must_use = "dropping the guard frees the place"]
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_as_there_are() {
        let places = Places::new(2);
        let (one, two) = (places.take(), places.clone().take());
        assert!(one.is_some() && two.is_some() && places.take().is_none() && places.are_taken());
        drop(one);
        assert!(!places.are_taken() && places.take().is_some());
    }

    #[test]
    fn who_ask_at_once_get_no_more() {
        let places = Places::new(100);
        let taken = std::thread::scope(|scope| {
            let take = || (0..100).filter_map(|_| places.take()).collect::<Vec<_>>();
            let threads = [(); 4].map(|()| scope.spawn(take));
            threads.map(|thread| thread.join().unwrap())
        });
        assert_eq!(taken.iter().map(Vec::len).sum::<usize>(), 100);
    }
}
