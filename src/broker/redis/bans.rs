//! The bans this instance knows of, for while Redis is away.

use std::collections::HashMap;

use crate::protocol::ids::{Millis, UserId};

/// Most bans kept. Of more, the one that ends first is forgotten: a lookup while Redis is there is not concerned.
const MOST: usize = 1_000;

/// Bans that were made here, or met by somebody who came here, by the time they end.
#[derive(Debug, Default)]
pub(super) struct Bans(HashMap<UserId, Millis>);

impl Bans {
    /// A user is refused until then; none, or a time not after `now`, if not at all.
    pub(super) fn note(&mut self, user: UserId, until: Option<Millis>, now: Millis) {
        let Some(until) = until.filter(|until| *until > now) else {
            self.0.remove(&user);
            return;
        };
        if self.0.len() >= MOST && !self.0.contains_key(&user) {
            self.0.retain(|_, until| *until > now);
            let first = self.0.iter().min_by_key(|(_, until)| **until).map(|(user, _)| user.clone());
            if let Some(first) = first.filter(|_| self.0.len() >= MOST) {
                self.0.remove(&first);
            }
        }
        self.0.insert(user, until);
    }

    /// Until when a user is refused, as far as is known here.
    pub(super) fn until(&self, user: &UserId, now: Millis) -> Option<Millis> {
        self.0.get(user).copied().filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_end_and_are_lifted() {
        let (mut bans, user) = (Bans::default(), UserId::guest(1));
        bans.note(user.clone(), Some(10), 5);
        assert_eq!((bans.until(&user, 9), bans.until(&user, 10)), (Some(10), None));
        bans.note(user.clone(), None, 5);
        assert_eq!(bans.until(&user, 5), None);
        bans.note(user.clone(), Some(5), 5);
        assert_eq!(bans.until(&user, 4), None, "a time past lifts");
    }

    #[test]
    fn those_that_end_last_are_kept() {
        let mut bans = Bans::default();
        for number in 0..=MOST as u64 {
            bans.note(UserId::guest(number.into()), Some(100 + number), 5);
        }
        assert_eq!(bans.0.len(), MOST);
        assert_eq!(bans.until(&UserId::guest(0), 5), None);
        assert!(bans.until(&UserId::guest(1), 5).is_some());
        bans.note(UserId::guest(0), Some(9_999), 200);
        assert_eq!(bans.0.len(), MOST - 99, "those that ended make room first");
    }
}
