//! Who is in one room: found by id, listed by role and name.

use std::{
    borrow::Borrow,
    cmp::Ordering,
    collections::{BTreeSet, HashMap, HashSet},
    hash::{Hash, Hasher},
    sync::Arc,
};

use crate::{
    broker::{PresenceChange, PresenceOutcome, Roster},
    protocol::{
        event::Counts,
        ids::UserId,
        user::{Role, User},
    },
};

/// The users in a room. Holds two pointers to each, and nothing of its own.
#[derive(Debug, Default)]
pub(super) struct Members {
    by_id: HashSet<ById>,
    listed: BTreeSet<Listed>,
    counts: Counts,
}

/// A user as the set compares it: by id alone.
#[derive(Debug)]
struct ById(Arc<User>);

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for ById {}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl Borrow<UserId> for ById {
    fn borrow(&self) -> &UserId {
        &self.0.id
    }
}

/// A user as the list orders it: admins first, then by name; the id tells namesakes apart.
#[derive(Debug, PartialEq, Eq)]
struct Listed(Arc<User>);

impl Listed {
    fn rank(&self) -> (std::cmp::Reverse<Role>, &str, &UserId) {
        (std::cmp::Reverse(self.0.role), &self.0.name, &self.0.id)
    }
}

impl Ord for Listed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Listed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Members {
    /// Applies changes. Of several about one user the last holds, so somebody who came and went within them did neither.
    pub(super) fn sync(&mut self, changes: Vec<PresenceChange>) -> PresenceOutcome {
        let mut last = HashMap::with_capacity(changes.len());
        for (index, change) in changes.iter().enumerate() {
            last.insert(change.user.id.clone(), index);
        }
        let mut outcome = PresenceOutcome::default();
        for (index, PresenceChange { user, present, .. }) in changes.into_iter().enumerate() {
            if last.get(&user.id) != Some(&index) {
                continue;
            }
            let gone = self.remove(&user.id);
            if present {
                self.insert(user.clone());
            }
            match (gone, present) {
                (None, true) => outcome.entered.push(user),
                (Some(gone), false) => outcome.left.push(gone),
                // Who stays may have another name or role now; that is no coming or going.
                (Some(_), true) | (None, false) => {}
            }
        }
        outcome.counts = self.counts;
        outcome
    }

    /// The first `limit` and how many there are.
    pub(super) fn roster(&self, limit: usize) -> Roster {
        let users = self.listed.iter().take(limit).map(|Listed(user)| user.clone()).collect();
        Roster { users, counts: self.counts }
    }

    /// How many there are.
    pub(super) fn total(&self) -> usize {
        self.by_id.len()
    }

    fn insert(&mut self, user: Arc<User>) {
        *self.count(user.role) += 1;
        self.listed.insert(Listed(user.clone()));
        self.by_id.insert(ById(user));
    }

    fn remove(&mut self, id: &UserId) -> Option<Arc<User>> {
        let ById(user) = self.by_id.take(id)?;
        let listed = Listed(user);
        self.listed.remove(&listed);
        let Listed(user) = listed;
        *self.count(user.role) -= 1;
        Some(user)
    }

    fn count(&mut self, role: Role) -> &mut usize {
        match role {
            Role::Guest => &mut self.counts.guests,
            Role::Member => &mut self.counts.members,
            Role::Admin => &mut self.counts.admins,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn change(id: u8, name: &str, role: Role, present: bool) -> PresenceChange {
        let user = User { id: UserId::guest(u128::from(id)), name: name.into(), role };
        PresenceChange { user: Arc::new(user), present, away_ms: 0 }
    }

    #[test]
    fn admins_come_first_then_names() {
        let mut members = Members::default();
        members.sync(vec![
            change(1, "zoe", Role::Guest, true),
            change(2, "ana", Role::Guest, true),
            change(3, "max", Role::Admin, true),
            change(4, "bob", Role::Member, true),
        ]);
        let names = |limit| members.roster(limit).users.iter().map(|user| user.name.to_string()).collect::<Vec<_>>();
        assert_eq!(names(9), ["max", "bob", "ana", "zoe"]);
        assert_eq!(names(2), ["max", "bob"]);
        assert_eq!(members.roster(0).counts, Counts { guests: 2, members: 1, admins: 1 });
    }

    #[test]
    fn a_new_name_or_role_is_no_coming() {
        let mut members = Members::default();
        members.sync(vec![change(1, "ana", Role::Guest, true)]);
        let outcome = members.sync(vec![change(1, "anna", Role::Admin, true)]);
        assert_eq!((outcome.entered.len(), outcome.left.len()), (0, 0));
        assert_eq!(outcome.counts, Counts { guests: 0, members: 0, admins: 1 });
        assert_eq!(&*members.roster(1).users[0].name, "anna");
    }

    #[test]
    fn coming_and_going_within_one_sync_is_neither() {
        let mut members = Members::default();
        let outcome = members.sync(vec![change(1, "ana", Role::Guest, true), change(1, "ana", Role::Guest, false)]);
        assert_eq!(outcome, PresenceOutcome::default());
        assert_eq!(members.total(), 0);
    }

    fn role() -> impl Strategy<Value = Role> {
        prop_oneof![Just(Role::Guest), Just(Role::Member), Just(Role::Admin)]
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_map(
            syncs in proptest::collection::vec(
                proptest::collection::vec((0u8..12, "[a-c]", role(), any::<bool>()), 0..10), 0..10)
        ) {
            let mut members = Members::default();
            let mut model: BTreeMap<UserId, Arc<User>> = BTreeMap::new();
            for sync in syncs {
                let changes: Vec<_> = sync.iter().map(|(id, name, role, on)| change(*id, name, *role, *on)).collect();
                let before = model.clone();
                for PresenceChange { user, present, .. } in &changes {
                    if *present { model.insert(user.id.clone(), user.clone()); } else { model.remove(&user.id); }
                }
                let outcome = members.sync(changes);
                let ids = |users: &[Arc<User>]| {
                    let mut ids: Vec<_> = users.iter().map(|user| user.id.clone()).collect();
                    ids.sort();
                    ids
                };
                let missing = |from: &BTreeMap<UserId, Arc<User>>, of: &BTreeMap<UserId, Arc<User>>|
                    of.keys().filter(|id| !from.contains_key(*id)).cloned().collect::<Vec<_>>();
                prop_assert_eq!(ids(&outcome.entered), missing(&before, &model));
                prop_assert_eq!(ids(&outcome.left), missing(&model, &before));
                prop_assert_eq!(outcome.counts.total(), model.len());
                prop_assert_eq!(members.total(), model.len());
                let mut expected: Vec<_> = model.values().cloned().collect();
                expected.sort_by_key(|user| (std::cmp::Reverse(user.role), user.name.clone(), user.id.clone()));
                prop_assert_eq!(members.roster(usize::MAX).users, expected);
            }
        }
    }
}
