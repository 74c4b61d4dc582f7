//! Counting offences within a sliding window.

use std::collections::VecDeque;

use crate::protocol::ids::Millis;

/// How often is too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// So many within the window are borne; one more is out.
    pub strikes: usize,
    /// The window, in milliseconds.
    pub window_ms: Millis,
}

/// The offences of one connection. Takes no memory beyond the struct before the first.
#[derive(Debug, Default)]
pub struct Strikes(VecDeque<Millis>);

impl Strikes {
    /// Notes an offence at `now`; whether that is one too many.
    pub fn strike(&mut self, tolerance: Tolerance, now: Millis) -> bool {
        while self.0.front().is_some_and(|&at| now.saturating_sub(at) >= tolerance.window_ms) {
            self.0.pop_front();
        }
        if self.0.len() >= tolerance.strikes {
            return true;
        }
        self.0.push_back(now);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_offences_within_the_window_count() {
        let tolerance = Tolerance { strikes: 2, window_ms: 100 };
        let mut strikes = Strikes::default();
        assert!(!strikes.strike(tolerance, 0));
        assert!(!strikes.strike(tolerance, 50));
        assert!(strikes.strike(tolerance, 99));
        assert!(!strikes.strike(tolerance, 100));
        assert!(strikes.strike(tolerance, 149));
    }
}
