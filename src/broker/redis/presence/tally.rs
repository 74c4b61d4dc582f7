//! Who came to and went from a room, summed up over several answers of Redis.

use std::{collections::HashMap, sync::Arc};

use indexmap::IndexMap;

use crate::{
    broker::{PresenceChange, PresenceOutcome},
    protocol::{event::Counts, ids::UserId, user::User},
};

/// Who came and went. Somebody who did both did neither.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    entered: IndexMap<UserId, Arc<User>>,
    left: IndexMap<UserId, Arc<User>>,
}

impl Tally {
    /// Somebody came to the cluster.
    pub(super) fn enter(&mut self, user: Arc<User>) {
        if self.left.shift_remove(&user.id).is_none() {
            self.entered.insert(user.id.clone(), user);
        }
    }

    /// Somebody went from the cluster.
    pub(super) fn leave(&mut self, user: Arc<User>) {
        if self.entered.shift_remove(&user.id).is_none() {
            self.left.insert(user.id.clone(), user);
        }
    }

    /// Those who came, and those who went, in order.
    pub(super) fn into_parts(self) -> (Vec<Arc<User>>, Vec<Arc<User>>) {
        (self.entered.into_values().collect(), self.left.into_values().collect())
    }

    /// With how many there are now.
    pub(super) fn into_outcome(self, counts: Counts, counted_at: u64) -> PresenceOutcome {
        let (entered, left) = self.into_parts();
        PresenceOutcome { entered, left, counts, counted_at }
    }
}

/// The last change of each user, in the order of the changes.
pub(super) fn last_of_each(changes: Vec<PresenceChange>) -> Vec<PresenceChange> {
    let last: HashMap<_, _> = changes.iter().enumerate().map(|(at, change)| (change.user.id.clone(), at)).collect();
    let kept = changes.into_iter().enumerate().filter(|(at, change)| last.get(&change.user.id) == Some(at));
    kept.map(|(_, change)| change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::user::Role;

    fn user(n: u128) -> Arc<User> {
        Arc::new(User { id: UserId::guest(n), name: "x".into(), role: Role::Guest })
    }

    #[test]
    fn coming_and_going_cancel_out() {
        let mut tally = Tally::default();
        tally.enter(user(1));
        tally.leave(user(2));
        tally.enter(user(3));
        tally.leave(user(1));
        tally.enter(user(2));
        tally.leave(user(4));
        assert_eq!(tally.into_parts(), (vec![user(3)], vec![user(4)]));
    }

    #[test]
    fn of_several_changes_of_a_user_the_last_holds() {
        let change = |n, present| PresenceChange { user: user(n), present, away_ms: 0 };
        let changes = vec![change(1, true), change(2, true), change(1, false), change(3, false)];
        assert_eq!(last_of_each(changes), [change(2, true), change(1, false), change(3, false)]);
    }
}
