//! Letting something pass once per user and interval: typing and read markers.

use std::collections::HashMap;

use crate::protocol::ids::{Millis, UserId};

/// When each user last passed.
#[derive(Debug, Default)]
pub struct Throttle(HashMap<UserId, Millis>);

impl Throttle {
    /// Whether `user` may pass at `now`, given that once in `interval_ms` is enough; if so, notes it.
    pub fn pass(&mut self, user: &UserId, interval_ms: Millis, now: Millis) -> bool {
        if self.0.get(user).is_some_and(|&last| now.saturating_sub(last) < interval_ms) {
            return false;
        }
        self.0.insert(user.clone(), now);
        true
    }

    /// Forgets those who may pass anyway.
    pub fn sweep(&mut self, interval_ms: Millis, now: Millis) {
        self.0.retain(|_, last| now.saturating_sub(*last) < interval_ms);
        if self.0.is_empty() {
            self.0 = HashMap::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_passes_once_an_interval() {
        let (ana, ben) = (UserId::guest(1), UserId::guest(2));
        let mut throttle = Throttle::default();
        assert!(throttle.pass(&ana, 100, 0));
        assert!(!throttle.pass(&ana, 100, 99));
        assert!(throttle.pass(&ben, 100, 99));
        assert!(throttle.pass(&ana, 100, 100));
        throttle.sweep(100, 199);
        assert_eq!(throttle.0.len(), 1);
    }
}
