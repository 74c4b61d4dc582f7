//! Who of this instance is in one room, and what to tell the presence store.
//!
//! A user with three tabs is one user: connections are counted, and only the first and the last matter. Somebody who comes
//! and goes between two collections is told to nobody. A connection that was lost still counts until its grace is over, and
//! whoever was sent to another instance until the time to be back there has come.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use crate::protocol::{
    event::{Counts, LeaveReason},
    ids::{Millis, UserId},
    user::{Role, User},
};

/// The users of this instance in one room.
#[derive(Debug, Default)]
pub struct Attendance {
    users: HashMap<UserId, Attendee>,
    unsettled: Vec<UserId>,
    counts: Counts,
}

#[derive(Debug)]
struct Attendee {
    user: Arc<User>,
    /// Open connections, and lost ones within their grace.
    holds: u32,
    /// Whether the store knows that it is here.
    known: bool,
    /// Whether the store knows another name or role.
    renamed: bool,
    /// Whether the user waits in `unsettled`.
    unsettled: bool,
    reason: LeaveReason,
    /// Until when whoever went is expected on another instance, and counts.
    back_by: Option<Millis>,
    /// Whether it may count by what another instance told of it, while the store does not know that it is here.
    elsewhere: bool,
}

impl Attendee {
    /// One without a connection yet.
    fn new(user: Arc<User>, reason: LeaveReason) -> Self {
        let (renamed, unsettled, elsewhere) = (false, false, false);
        Self { user, holds: 0, known: false, renamed, unsettled, reason, back_by: None, elsewhere }
    }

    fn is_here(&self) -> bool {
        self.holds > 0 || self.back_by.is_some()
    }

    /// How many more are in the room, through this user, than the store knows.
    fn more(&self) -> i8 {
        match (self.known, self.is_here()) {
            (false, true) if !self.elsewhere => 1,
            (true, false) => -1,
            _ => 0,
        }
    }

    /// Corrects counts that have the user as it stood `before`.
    fn count_since(&self, before: i8, counts: &mut Counts) {
        let count = of_role(counts, self.user.role);
        match self.more() - before {
            1 => *count += 1,
            -1 => *count = count.saturating_sub(1),
            _ => {}
        }
    }
}

/// Somebody the store has to hear about.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Who.
    pub user: Arc<User>,
    /// Came or went.
    pub present: bool,
    /// Why, for those who went.
    pub reason: LeaveReason,
    /// Until when those who went are expected on another instance, by the clock that [`Attendance::leave_until`] was told
    /// it by; `None` when they are not.
    pub back_by: Option<Millis>,
}

impl Attendance {
    /// A connection of `user` came. `returns`: it was in the room before, on this instance or another, where it may count
    /// still; then the store has to say first that it is one more.
    pub fn enter(&mut self, user: &Arc<User>, returns: bool) {
        let attendee = match self.users.entry(user.id.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Attendee::new(user.clone(), LeaveReason::Closed)),
        };
        if *attendee.user != **user {
            // Came back under another name, or with another role, before it was gone.
            if attendee.is_here() {
                let count = of_role(&mut self.counts, attendee.user.role);
                *count = count.saturating_sub(1);
                *of_role(&mut self.counts, user.role) += 1;
            }
            attendee.user = user.clone();
            attendee.renamed = attendee.known;
            Self::unsettle(attendee, &mut self.unsettled);
        }
        // Where the store said nothing yet, whoever comes is there at least.
        let returns = returns && self.counts.total() > 0;
        let before = attendee.more();
        attendee.holds += 1;
        attendee.back_by = None;
        if attendee.holds == 1 {
            attendee.elsewhere = returns;
            Self::unsettle(attendee, &mut self.unsettled);
        }
        attendee.count_since(before, &mut self.counts);
    }

    /// A connection of the user went, and is not waited for (any longer).
    pub fn leave(&mut self, user: &UserId, reason: LeaveReason) {
        self.leave_until(user, reason, None);
    }

    /// The same for a connection that is expected on another instance until `back_by`: the user counts as long. The store
    /// keeps somebody until then whom it knows; this instance has nothing more to do with it.
    pub fn leave_until(&mut self, user: &UserId, reason: LeaveReason, back_by: Option<Millis>) {
        let Some(attendee) = self.users.get_mut(user) else { return };
        if attendee.holds == 0 {
            return;
        }
        let before = attendee.more();
        attendee.holds -= 1;
        if attendee.known {
            attendee.back_by = attendee.back_by.max(back_by);
        }
        if attendee.holds == 0 {
            attendee.reason = reason;
            Self::unsettle(attendee, &mut self.unsettled);
        }
        attendee.count_since(before, &mut self.counts);
    }

    /// What the store has to hear since the last call. It counts as told; see [`Attendance::failed`].
    pub fn collect(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for id in std::mem::take(&mut self.unsettled) {
            let Entry::Occupied(mut entry) = self.users.entry(id) else { continue };
            let attendee = entry.get_mut();
            attendee.unsettled = false;
            let present = attendee.holds > 0;
            if present != attendee.known || (present && attendee.renamed) {
                attendee.known = present;
                attendee.renamed = false;
                let back_by = attendee.back_by.filter(|_| !present);
                changes.push(Change { user: attendee.user.clone(), present, reason: attendee.reason, back_by });
            }
            if !present {
                entry.remove();
            }
        }
        changes
    }

    /// The store did not hear: those changes are told again with the next collection.
    pub fn failed(&mut self, changes: Vec<Change>) {
        for Change { user, present, reason, back_by } in changes {
            let attendee = self.users.entry(user.id.clone());
            let attendee = attendee.or_insert_with(|| Attendee { back_by, ..Attendee::new(user, reason) });
            attendee.known = !present;
            attendee.renamed = false;
            // The store does not say whether it counts already: by what this instance knows it is one more.
            let before = attendee.more();
            attendee.elsewhere = false;
            attendee.count_since(before, &mut self.counts);
            Self::unsettle(attendee, &mut self.unsettled);
        }
    }

    /// Takes over what the store says, corrected by what it has not heard yet.
    pub fn settle(&mut self, counts: Counts) {
        self.counts = counts;
        for id in &self.unsettled {
            let Some(attendee) = self.users.get(id) else { continue };
            attendee.count_since(0, &mut self.counts);
        }
    }

    /// How many are in the room, as far as this instance knows now.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether nobody of this instance is in the room and the store knows it.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    fn unsettle(attendee: &mut Attendee, unsettled: &mut Vec<UserId>) {
        if !attendee.unsettled {
            attendee.unsettled = true;
            unsettled.push(attendee.user.id.clone());
        }
    }
}

fn of_role(counts: &mut Counts, role: Role) -> &mut usize {
    match role {
        Role::Guest => &mut counts.guests,
        Role::Member => &mut counts.members,
        Role::Admin => &mut counts.admins,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use std::collections::HashSet;

    fn user(n: u128) -> Arc<User> {
        Arc::new(User { id: UserId::guest(n), name: "x".into(), role: Role::Guest })
    }

    #[test]
    fn three_tabs_are_one_user() {
        let mut room = Attendance::default();
        (0..3).for_each(|_| room.enter(&user(1), false));
        assert_eq!(room.counts().guests, 1);
        assert_eq!(room.collect().len(), 1);
        (0..2).for_each(|_| room.leave(&user(1).id, LeaveReason::Closed));
        assert!(room.collect().is_empty());
        room.leave(&user(1).id, LeaveReason::Kicked);
        let gone = Change { user: user(1), present: false, reason: LeaveReason::Kicked, back_by: None };
        assert_eq!(room.collect(), [gone]);
        assert!(room.is_empty());
    }

    #[test]
    fn who_is_expected_elsewhere_counts_on() {
        let mut room = Attendance::default();
        (0..2).for_each(|_| room.enter(&user(1), false));
        room.enter(&user(2), false);
        room.collect();
        room.leave_until(&user(1).id, LeaveReason::Drained, Some(50));
        room.leave_until(&user(1).id, LeaveReason::Drained, Some(40));
        room.leave(&user(2).id, LeaveReason::Closed);
        assert_eq!(room.counts().guests, 1);
        room.settle(Counts { guests: 2, ..Counts::default() });
        assert_eq!(room.counts().guests, 1, "the store knows of neither yet");
        let changes = room.collect();
        assert_eq!(changes.iter().map(|change| change.back_by).collect::<Vec<_>>(), [Some(50), None]);
        room.failed(changes.clone());
        assert_eq!(room.collect(), changes, "told again as it was");
        room.settle(Counts { guests: 1, ..Counts::default() });
        assert_eq!((room.counts().guests, room.is_empty()), (1, true));
    }

    #[test]
    fn who_returns_counts_when_the_store_does_not_hear() {
        let mut room = Attendance::default();
        (1..=3).for_each(|n| room.enter(&user(n), true));
        assert_eq!(room.counts().guests, 1);
        let changes = room.collect();
        room.failed(changes);
        assert_eq!(room.counts().guests, 3);
        let changes = room.collect();
        room.failed(changes);
        assert_eq!(room.counts().guests, 3, "told again, counted once");
    }

    #[test]
    fn who_returns_may_count_already() {
        let mut room = Attendance::default();
        room.enter(&user(1), true);
        assert_eq!(room.counts().guests, 1, "it is there at least");
        room.collect();
        room.settle(Counts { guests: 5, ..Counts::default() });
        room.enter(&user(2), true);
        room.enter(&user(3), false);
        room.settle(Counts { guests: 5, ..Counts::default() });
        assert_eq!(room.counts().guests, 6, "one of the five may be the second");
        let changes = room.collect();
        room.failed(changes);
        room.settle(Counts { guests: 5, ..Counts::default() });
        assert_eq!(room.counts().guests, 7, "it did not hear of the second, so nobody knows");
        room.collect();
        room.settle(Counts { guests: 7, ..Counts::default() });
        room.leave(&user(2).id, LeaveReason::Closed);
        assert_eq!(room.counts().guests, 6);
        room.leave(&user(3).id, LeaveReason::Closed);
        assert_eq!(room.counts().guests, 5);
    }

    #[test]
    fn who_is_back_before_it_was_told_never_went() {
        let mut room = Attendance::default();
        room.enter(&user(1), false);
        room.leave_until(&user(1).id, LeaveReason::Drained, Some(50));
        assert_eq!(room.counts().guests, 0, "the store knows nobody to keep");
        room.enter(&user(1), false);
        room.collect();
        room.leave_until(&user(1).id, LeaveReason::Drained, Some(50));
        room.enter(&user(1), false);
        assert_eq!((room.counts().guests, room.collect()), (1, vec![]));
        room.leave(&user(1).id, LeaveReason::Closed);
        assert_eq!((room.counts().guests, room.collect()[0].back_by), (0, None));
    }

    #[test]
    fn who_comes_and_goes_between_collections_is_told_to_nobody() {
        let mut room = Attendance::default();
        room.enter(&user(1), false);
        room.leave(&user(1).id, LeaveReason::Closed);
        assert!(room.collect().is_empty() && room.is_empty());
    }

    #[test]
    fn what_the_store_did_not_hear_is_told_again() {
        let mut room = Attendance::default();
        room.enter(&user(1), false);
        let changes = room.collect();
        room.failed(changes.clone());
        assert_eq!(room.collect(), changes);
        room.leave(&user(1).id, LeaveReason::Closed);
        let gone = room.collect();
        room.failed(gone.clone());
        room.enter(&user(1), false);
        assert!(room.collect().is_empty(), "the store never heard that the user went");
    }

    #[test]
    fn who_comes_back_under_another_name_is_told_by_it() {
        let mut room = Attendance::default();
        room.enter(&user(1), false);
        room.collect();
        let renamed = Arc::new(User { name: "y".into(), role: Role::Admin, ..(*user(1)).clone() });
        room.enter(&renamed, false);
        assert_eq!(room.counts(), Counts { admins: 1, ..Counts::default() });
        let known = Change { user: renamed, present: true, reason: LeaveReason::Closed, back_by: None };
        assert_eq!(room.collect(), [known]);
        assert!(room.collect().is_empty());
    }

    proptest! {
        /// Whatever comes, goes and fails: what the store was told ends up as who is there.
        #[test]
        fn the_store_ends_up_right(steps in vec((0..4u128, any::<bool>(), 0..4u8), 0..60)) {
            let mut room = Attendance::default();
            let mut here = [0u32; 4];
            let mut store = HashSet::new();
            let tell = |room: &mut Attendance, store: &mut HashSet<UserId>, fails: bool| {
                let changes = room.collect();
                if fails {
                    room.failed(changes);
                } else {
                    for change in changes {
                        let id = change.user.id.clone();
                        assert!(if change.present { store.insert(id) } else { store.remove(&id) });
                    }
                    room.settle(Counts { guests: store.len(), ..Counts::default() });
                }
            };
            for (who, comes, then) in steps {
                if comes {
                    here[who as usize] += 1;
                    room.enter(&user(who), false);
                } else if here[who as usize] > 0 {
                    here[who as usize] -= 1;
                    room.leave(&user(who).id, LeaveReason::Closed);
                }
                match then { 0 => tell(&mut room, &mut store, false), 1 => tell(&mut room, &mut store, true), _ => {} }
                prop_assert_eq!(room.counts().guests, here.iter().filter(|&&n| n > 0).count());
            }
            tell(&mut room, &mut store, false);
            prop_assert_eq!(store.len(), here.iter().filter(|&&n| n > 0).count());
            prop_assert_eq!(room.is_empty(), store.is_empty());
        }
    }
}
