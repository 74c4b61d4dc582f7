//! Questions to other instances that wait for answers.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::protocol::{envelope::Incarnation, envelope::PeerAnswer};

/// Questions under way at once.
const MAX_ASKS: usize = 64;

/// The questions, by the number of their frame.
#[derive(Default)]
pub(super) struct Asks(Mutex<HashMap<u64, Waiting>>);

struct Waiting {
    /// Who has not answered yet.
    missing: HashSet<Incarnation>,
    answers: Vec<(Incarnation, PeerAnswer)>,
    complete: Arc<Notify>,
}

/// A question under way; dropped, its answers are no longer taken.
pub(super) struct Asking<'a> {
    asks: &'a Asks,
    number: u64,
    complete: Arc<Notify>,
}

impl Asks {
    /// Waits for the answers of `peers` to the question of that number, unless too many wait already.
    pub(super) fn begin(&self, number: u64, peers: impl IntoIterator<Item = Incarnation>) -> Option<Asking<'_>> {
        let mut asks = self.lock();
        if asks.len() >= MAX_ASKS {
            return None;
        }
        let complete = Arc::new(Notify::new());
        let missing = peers.into_iter().collect();
        asks.insert(number, Waiting { missing, answers: Vec::new(), complete: complete.clone() });
        Some(Asking { asks: self, number, complete })
    }

    /// An answer came. One that nobody waits for is dropped, as is a second one.
    pub(super) fn answered(&self, number: u64, from: Incarnation, answer: PeerAnswer) {
        let mut asks = self.lock();
        let Some(waiting) = asks.get_mut(&number) else { return };
        if waiting.missing.remove(&from) {
            waiting.answers.push((from, answer));
            if waiting.missing.is_empty() {
                waiting.complete.notify_one();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asking<'_> {
    /// Waits until all have answered.
    pub(super) async fn complete(&self) {
        self.complete.notified().await;
    }

    /// What came, and whether that is all.
    pub(super) fn end(self) -> (Vec<(Incarnation, PeerAnswer)>, bool) {
        let waiting = self.asks.lock().remove(&self.number);
        waiting.map(|waiting| (waiting.answers, waiting.missing.is_empty())).unwrap_or_default()
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.asks.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn peer(n: u32) -> Incarnation {
        Incarnation::parse(&format!("api-{n}#{n:08x}")).unwrap()
    }

    #[test]
    fn only_those_asked_are_heard_and_once() {
        let asks = Asks::default();
        let asking = asks.begin(7, [peer(1), peer(2)]).unwrap();
        let answer = |closed| PeerAnswer::Disconnected { closed };
        asks.answered(7, peer(1), answer(1));
        asks.answered(7, peer(1), answer(2));
        asks.answered(7, peer(3), answer(3));
        asks.answered(8, peer(2), answer(4));
        assert!(asking.complete().now_or_never().is_none());
        asks.answered(7, peer(2), answer(5));
        assert!(asking.complete().now_or_never().is_some());
        assert_eq!(asking.end(), (vec![(peer(1), answer(1)), (peer(2), answer(5))], true));
        assert!(asks.lock().is_empty());
    }

    #[test]
    fn too_many_are_refused_and_ended_ones_make_room() {
        let asks = Asks::default();
        let mut all: Vec<_> = (0..MAX_ASKS as u64).map(|n| asks.begin(n, [peer(1)]).unwrap()).collect();
        assert!(asks.begin(99, [peer(1)]).is_none());
        let (answers, complete) = all.pop().unwrap().end();
        assert!(answers.is_empty() && !complete);
        assert!(asks.begin(99, [peer(1)]).is_some());
        drop(all);
        assert!(asks.lock().is_empty());
    }
}
