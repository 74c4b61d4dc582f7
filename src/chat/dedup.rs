//! What was taken already, for a while: the second of two equal things is dropped (PROTOCOL section 4, promise 3).

use std::{
    collections::{HashSet, VecDeque},
    hash::Hash,
};

use crate::protocol::ids::Millis;

/// The window is forgotten in so many parts: it lasts up to a part longer than asked for.
const PARTS: u64 = 5;

/// Most that is remembered, so that a flood costs no memory: at 100,000 a few MB (REDIS.md section 5).
const MOST: usize = 100_000;

/// The keys of the last milliseconds.
#[derive(Debug)]
pub struct Window<K> {
    part_ms: Millis,
    most: usize,
    /// By when each began; the newest last.
    parts: VecDeque<(Millis, HashSet<K>)>,
}

impl<K: Hash + Eq> Window<K> {
    /// One that remembers for `window_ms`; 0 remembers nothing.
    pub fn new(window_ms: Millis) -> Self {
        Self::bounded(window_ms, MOST)
    }

    fn bounded(window_ms: Millis, most: usize) -> Self {
        Self { part_ms: window_ms.div_ceil(PARTS), most, parts: VecDeque::new() }
    }

    /// Whether `key` is new at `now`; it is remembered from here on.
    pub fn is_new(&mut self, key: K, now: Millis) -> bool {
        if self.part_ms == 0 {
            return true;
        }
        let kept_ms = self.part_ms * (PARTS + 1);
        while self.parts.front().is_some_and(|(since, _)| since.saturating_add(kept_ms) <= now) {
            self.parts.pop_front();
        }
        if self.parts.iter().any(|(_, keys)| keys.contains(&key)) {
            return false;
        }
        // A part that is full ends early, and the oldest makes room.
        let most = self.most / PARTS as usize;
        let goes_on =
            |(since, keys): &(Millis, HashSet<K>)| now < since.saturating_add(self.part_ms) && keys.len() < most;
        if !self.parts.back().is_some_and(goes_on) {
            if self.parts.len() > PARTS as usize {
                self.parts.pop_front();
            }
            self.parts.push_back((now, HashSet::new()));
        }
        if let Some((_, keys)) = self.parts.back_mut() {
            keys.insert(key);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_second_is_known_until_the_window_has_passed() {
        let mut window = Window::new(5_000);
        assert!(window.is_new('a', 10_000));
        assert!(!window.is_new('a', 10_000) && !window.is_new('a', 14_999) && !window.is_new('a', 15_000));
        assert!(window.is_new('b', 15_000));
        assert!(window.is_new('a', 17_000), "a part longer at most");
        let mut none = Window::new(0);
        assert!(none.is_new('a', 1) && none.is_new('a', 1));
    }

    #[test]
    fn a_flood_costs_no_memory() {
        let mut window = Window::bounded(5_000, 100);
        for key in 0..10_000 {
            assert!(window.is_new(key, 1));
        }
        let kept: usize = window.parts.iter().map(|(_, keys)| keys.len()).sum();
        assert!((100..=120).contains(&kept), "{kept}");
        assert!(!window.is_new(9_999, 1));
    }

    proptest! {
        /// Within the window nothing passes twice, and beyond it and a part everything passes again.
        #[test]
        fn as_a_list_of_all_would(steps in prop::collection::vec((0..8_u8, 0..400_u64), 0..200)) {
            let (mut window, mut now, mut last) = (Window::new(500), 0, std::collections::HashMap::new());
            for (key, wait) in steps {
                now += wait;
                let age = last.get(&key).map(|at| now - at);
                match window.is_new(key, now) {
                    true => {
                        prop_assert!(age.is_none_or(|age| age > 500), "{age:?}");
                        last.insert(key, now);
                    }
                    false => prop_assert!(age.is_some_and(|age| age <= 600), "{age:?}"),
                }
            }
        }
    }
}
