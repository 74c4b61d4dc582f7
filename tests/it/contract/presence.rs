//! Who is in which room.

use std::sync::Arc;

use hubbub::{
    broker::PresenceChange,
    protocol::{
        event::Counts,
        ids::RoomName,
        user::{Role, User},
    },
};

use super::{Store, support::*};

fn came(user: &Arc<User>) -> PresenceChange {
    PresenceChange { user: user.clone(), present: true, away_ms: 0 }
}

fn went(user: &Arc<User>) -> PresenceChange {
    PresenceChange { user: user.clone(), present: false, away_ms: 0 }
}

pub(super) async fn coming_and_going(store: &impl Store) {
    let presence = store.open().await.presence;
    let (room, ana, root) = (fresh_room(), ana(), fresh_user("root", Role::Admin));
    let outcome = presence.sync(room.clone(), vec![came(&ana), came(&root)]).await.unwrap();
    assert_eq!((outcome.entered, outcome.left), (vec![ana.clone(), root.clone()], vec![]));
    assert_eq!(outcome.counts, Counts { guests: 1, members: 0, admins: 1 });
    let outcome = presence.sync(room.clone(), vec![came(&ana)]).await.unwrap();
    assert_eq!((outcome.entered.len(), outcome.counts.total()), (0, 2), "already there");
    let outcome = presence.sync(room.clone(), vec![went(&ana)]).await.unwrap();
    assert_eq!((outcome.left, outcome.counts.total()), (vec![ana.clone()], 1));
    let outcome = presence.sync(room.clone(), vec![went(&ana)]).await.unwrap();
    assert_eq!((outcome.left.len(), outcome.counts.total()), (0, 1), "already gone");
    let outcome = presence.sync(room, vec![]).await.unwrap();
    assert_eq!((outcome.entered.len(), outcome.left.len(), outcome.counts.total()), (0, 0, 1));
}

pub(super) async fn users_are_listed_by_role_and_name(store: &impl Store) {
    let presence = store.open().await.presence;
    let room = fresh_room();
    let users: Vec<_> = [("zoe", Role::Guest), ("ana", Role::Guest), ("bob", Role::Member), ("max", Role::Admin)]
        .map(|(name, role)| fresh_user(name, role))
        .into();
    presence.sync(room.clone(), users.iter().map(came).collect()).await.unwrap();
    let names = async |limit| {
        let roster = presence.who(room.clone(), limit).await.unwrap();
        assert_eq!(roster.counts, Counts { guests: 2, members: 1, admins: 1 }, "the limit does not change the counts");
        roster.users.iter().map(|user| user.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(9).await, ["max", "bob", "ana", "zoe"]);
    assert_eq!(names(3).await, ["max", "bob", "ana"]);
    assert_eq!(presence.who(fresh_room(), 9).await.unwrap(), Default::default());
}

pub(super) async fn rooms_with_users_are_listed(store: &impl Store) {
    let presence = store.open().await.presence;
    let (base, ana, bob) = (fresh_room(), ana(), ana());
    let room = |suffix: &str| RoomName::parse(&format!("{:.40}{suffix}", base.as_str())).unwrap();
    presence.sync(room(".b"), vec![came(&ana)]).await.unwrap();
    presence.sync(room(".a"), vec![came(&ana), came(&bob)]).await.unwrap();
    presence.sync(room(".gone"), vec![came(&ana)]).await.unwrap();
    presence.sync(room(".gone"), vec![went(&ana)]).await.unwrap();
    presence.sync(room("-other"), vec![came(&ana)]).await.unwrap();
    let prefix = room(".").as_str().to_owned();
    let list = async |after, limit| presence.occupied_rooms(prefix.clone(), after, limit).await.unwrap();
    assert_eq!(list(None, 9).await, [(room(".a"), 2), (room(".b"), 1)]);
    assert_eq!(list(None, 1).await, [(room(".a"), 2)]);
    assert_eq!(list(Some(room(".a")), 9).await, [(room(".b"), 1)]);
}
