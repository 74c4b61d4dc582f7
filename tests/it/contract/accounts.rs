//! What is kept of people.

use hubbub::{
    auth::accounts::{Account, AccountsError, TokenHash},
    protocol::{ids::UserId, user::Role},
};

use super::{Store, support::*};

fn account() -> Account {
    let folded = format!("a{:x}", rand::random::<u64>());
    Account {
        name: folded.to_uppercase().into(),
        folded: folded.into(),
        role: Role::Member,
        password_hash: "$argon2id$".into(),
    }
}

fn token() -> TokenHash {
    rand::random()
}

/// Far from any clock, so that stores of every mode agree that it is to come.
const LATER: u64 = 4_000_000_000_000;

pub(super) async fn names_are_taken_once(store: &impl Store) {
    let store = store.open().await;
    let account = account();
    assert_eq!(store.accounts.find(account.folded.to_string()).await, Ok(None));
    assert_eq!(store.accounts.create(account.clone()).await, Ok(()));
    let other = Account { role: Role::Admin, ..account.clone() };
    assert_eq!(store.accounts.create(other).await, Err(AccountsError::NameTaken));
    assert_eq!(store.accounts.find(account.folded.to_string()).await, Ok(Some(account)));
}

pub(super) async fn put_replaces(store: &impl Store) {
    let store = store.open().await;
    let account = account();
    let admin = Account { role: Role::Admin, password_hash: "other".into(), ..account.clone() };
    store.accounts.put(account.clone()).await.unwrap();
    store.accounts.put(admin.clone()).await.unwrap();
    assert_eq!(store.accounts.find(account.folded.to_string()).await, Ok(Some(admin)));
}

pub(super) async fn put_ends_sessions_of_another_password_or_role(store: &impl Store) {
    let accounts = store.open().await.accounts;
    let member = account();
    accounts.create(member.clone()).await.unwrap();
    let admin = Account { role: Role::Admin, ..member.clone() };
    let changed = Account { password_hash: "other".into(), ..admin.clone() };
    for (put, goes_on) in [(member, true), (admin, false), (changed.clone(), false), (changed, true)] {
        let token = token();
        accounts.start_session(token, put.folded.to_string(), LATER).await.unwrap();
        accounts.put(put.clone()).await.unwrap();
        assert_eq!(accounts.use_session(token, 1, LATER).await, Ok(goes_on.then_some(put)));
    }
}

pub(super) async fn admins_are_demoted(store: &impl Store) {
    let accounts = store.open().await.accounts;
    let [kept, struck] = [(); 2].map(|()| (Account { role: Role::Admin, ..account() }, token()));
    for (admin, token) in [&kept, &struck] {
        accounts.put(admin.clone()).await.unwrap();
        accounts.start_session(*token, admin.folded.to_string(), LATER).await.unwrap();
    }
    accounts.demote_admins_but(Some(kept.0.folded.clone())).await.unwrap();
    assert_eq!(accounts.use_session(kept.1, 1, LATER).await, Ok(Some(kept.0)));
    assert_eq!(accounts.use_session(struck.1, 1, LATER).await, Ok(None));
    let role = accounts.find(struck.0.folded.to_string()).await.map(|found| found.map(|account| account.role));
    assert_eq!(role, Ok(Some(Role::Member)));
}

pub(super) async fn a_hash_is_renewed(store: &impl Store) {
    let accounts = store.open().await.accounts;
    let (account, token) = (account(), token());
    accounts.create(account.clone()).await.unwrap();
    accounts.start_session(token, account.folded.to_string(), LATER).await.unwrap();
    accounts.rehash(account.folded.clone(), "not this".into(), "b".into()).await.unwrap();
    accounts.rehash(account.folded.clone(), account.password_hash.clone(), "c".into()).await.unwrap();
    let renewed = Account { password_hash: "c".into(), ..account };
    assert_eq!(accounts.use_session(token, 1, LATER).await, Ok(Some(renewed)));
}

pub(super) async fn sessions_of_a_short_life_are_prolonged(store: &impl Store) {
    let accounts = store.open().await.accounts;
    let (account, token) = (account(), token());
    accounts.create(account.clone()).await.unwrap();
    accounts.start_session(token, account.folded.to_string(), LATER).await.unwrap();
    // Of a life of a minute half is over.
    let used = accounts.use_session(token, LATER - 30_000, LATER + 30_000).await;
    assert_eq!(used, Ok(Some(account.clone())));
    assert_eq!(accounts.use_session(token, LATER + 1, LATER).await, Ok(Some(account)));
}

pub(super) async fn sessions_end_and_are_prolonged(store: &impl Store) {
    let store = store.open().await;
    let (account, token) = (account(), token());
    let accounts = &store.accounts;
    accounts.create(account.clone()).await.unwrap();
    accounts.start_session(token, account.folded.to_string(), LATER).await.unwrap();
    assert_eq!(accounts.use_session(token, LATER, LATER).await, Ok(None), "ended");
    assert_eq!(accounts.use_session(token, LATER - 1, LATER + 120_000).await, Ok(Some(account.clone())));
    assert_eq!(accounts.use_session(token, LATER + 119_999, LATER).await, Ok(Some(account)), "prolonged");
    assert_eq!(accounts.use_session(token, LATER + 120_000, LATER).await, Ok(None), "never shortened nor revived");
    assert_eq!(accounts.use_session(rand::random(), 0, LATER).await, Ok(None), "unknown");
}

pub(super) async fn sessions_can_be_ended(store: &impl Store) {
    let store = store.open().await;
    let (account, token) = (account(), token());
    store.accounts.create(account.clone()).await.unwrap();
    store.accounts.start_session(token, account.folded.to_string(), LATER).await.unwrap();
    store.accounts.end_session(token).await.unwrap();
    assert_eq!(store.accounts.use_session(token, 1, LATER).await, Ok(None));
}

pub(super) async fn bans_end_and_are_lifted(store: &impl Store) {
    let store = store.open().await;
    let (accounts, user) = (&store.accounts, UserId::guest(rand::random()));
    assert_eq!(accounts.banned_until(user.clone(), 1).await, Ok(None));
    accounts.ban(user.clone(), LATER).await.unwrap();
    assert_eq!(accounts.banned_until(user.clone(), LATER - 1).await, Ok(Some(LATER)));
    assert_eq!(accounts.banned_until(user.clone(), LATER).await, Ok(None));
    accounts.ban(user.clone(), 0).await.unwrap();
    assert_eq!(accounts.banned_until(user, 1).await, Ok(None));
}

pub(super) async fn bans_are_listed_those_that_last_longest_first(store: &impl Store) {
    let store = store.open().await;
    let accounts = &store.accounts;
    // Other tests ban too, for less long.
    let [first, second, lifted] = [3, 2, 1].map(|more| (UserId::guest(rand::random()), LATER + more));
    // Who is banned anew is so until the new time, sooner or later.
    accounts.ban(second.0.clone(), LATER + 9).await.unwrap();
    for (user, until) in [&second, &lifted, &first] {
        accounts.ban(user.clone(), *until).await.unwrap();
    }
    accounts.ban(lifted.0.clone(), 0).await.unwrap();
    assert_eq!(accounts.bans(LATER, 10).await, Ok(vec![first.clone(), second]));
    assert_eq!(accounts.bans(LATER, 1).await, Ok(vec![first.clone()]));
    assert_eq!(accounts.bans(first.1, 10).await, Ok(vec![]));
}

pub(super) async fn markers_only_rise(store: &impl Store) {
    let store = store.open().await;
    let (accounts, room, user) = (&store.accounts, fresh_room(), UserId::guest(rand::random()));
    assert_eq!(accounts.read_marker(room.clone(), user.clone()).await, Ok(None));
    for (seq, marker) in [(0, 0), (5, 5), (3, 5), (7, 7), (7, 7)] {
        assert_eq!(accounts.mark_read(room.clone(), user.clone(), seq).await, Ok(marker));
    }
    assert_eq!(accounts.read_marker(room, user.clone()).await, Ok(Some(7)));
    assert_eq!(accounts.read_marker(fresh_room(), user).await, Ok(None));
}

pub(super) async fn the_secret_stays(store: &impl Store) {
    let first = store.open().await.accounts.secret().await.unwrap();
    let second = store.open().await.accounts.secret().await.unwrap();
    assert_eq!(first, second);
    assert_ne!(first, [0; 32]);
}

pub(super) async fn people_outlive_reopening(store: &impl Store) {
    let (account, token, banned, room) = (account(), token(), UserId::guest(rand::random()), fresh_room());
    {
        let accounts = store.open().await.accounts;
        accounts.create(account.clone()).await.unwrap();
        accounts.start_session(token, account.folded.to_string(), LATER).await.unwrap();
        accounts.ban(banned.clone(), LATER).await.unwrap();
        accounts.mark_read(room.clone(), banned.clone(), 3).await.unwrap();
    }
    let accounts = store.open().await.accounts;
    assert_eq!(accounts.use_session(token, 1, LATER).await, Ok(Some(account)));
    assert_eq!(accounts.banned_until(banned.clone(), 1).await, Ok(Some(LATER)));
    assert_eq!(accounts.read_marker(room, banned).await, Ok(Some(3)));
}
