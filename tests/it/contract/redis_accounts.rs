//! What is kept of people, in Redis: the suite, and what only a Redis can show.

use std::sync::Arc;

use hubbub::{
    auth::{
        accounts::{Account, Accounts, AccountsError},
        secret::Secret,
    },
    broker::{
        HistoryConfig,
        local::LocalPresence,
        redis::{RedisAccounts, RedisConfig, RedisImport},
    },
    clock::{Clock, SystemClock},
    protocol::{
        ids::{RoomName, UserId},
        user::Role,
    },
};

use super::{Opened, Store, local::Local, support::fresh_room};
use crate::support::{redis::Redis, until};

/// Accounts in a Redis of their own, for one check demotes every admin there is; the rest of the store is a local one that these checks leave alone.
pub(super) struct People {
    redis: Redis,
    rest: Local,
}

impl People {
    pub(super) fn new() -> Self {
        Self { redis: Redis::start(), rest: Local::new() }
    }
}

impl Store for People {
    async fn open(&self) -> Opened {
        let opened = self.rest.open().await;
        let accounts = Arc::new(accounts_in(&self.redis).await);
        Opened { accounts, presence: Arc::new(LocalPresence::default()), ..opened }
    }
}

async fn accounts_in(redis: &Redis) -> RedisAccounts {
    let url = Secret::new(redis.url());
    let config = RedisConfig { command_timeout_ms: 500, ..RedisConfig::default() };
    let import = RedisImport::connect(&url, &config, HistoryConfig::default(), Arc::new(SystemClock)).await.unwrap();
    import.accounts().clone()
}

super::suite! {
    crate::contract::redis_accounts::People::new();
    accounts: names_are_taken_once, put_replaces, put_ends_sessions_of_another_password_or_role,
        admins_are_demoted, a_hash_is_renewed, sessions_end_and_are_prolonged, sessions_of_a_short_life_are_prolonged,
        sessions_can_be_ended, bans_end_and_are_lifted, bans_are_listed_those_that_last_longest_first, markers_only_rise,
        the_secret_stays, people_outlive_reopening;
}

fn ana(role: Role) -> Account {
    Account { name: "Ana".into(), folded: "ana".into(), role, password_hash: "$argon2id$x".into() }
}

/// Far from any clock.
const LATER: u64 = 4_000_000_000_000;

#[tokio::test]
async fn a_command_that_is_sent_twice_is_done_once() {
    let redis = Redis::start();
    let accounts = accounts_in(&redis).await;
    assert_eq!(accounts.create(ana(Role::Member)).await, Ok(()));
    assert_eq!(accounts.create(ana(Role::Member)).await, Ok(()), "its answer was lost");
    let other = Account { password_hash: "$argon2id$y".into(), ..ana(Role::Member) };
    assert_eq!(accounts.create(other).await, Err(AccountsError::NameTaken));
}

#[tokio::test]
async fn only_logins_bans_and_markers_expire() {
    let redis = Redis::start();
    let accounts = accounts_in(&redis).await;
    let room = RoomName::parse("quiet").unwrap();
    accounts.create(ana(Role::Admin)).await.unwrap();
    for token in [[1; 32], [2; 32]] {
        accounts.start_session(token, "ana".into(), LATER).await.unwrap();
    }
    accounts.ban(UserId::account("bo"), LATER).await.unwrap();
    accounts.mark_read(room, UserId::account("ana"), 3).await.unwrap();
    accounts.secret().await.unwrap();
    let expires = |key: &str| redis.command(&["PTTL", key]).int() > 0;
    let login = format!("chat:login:{}", "01".repeat(32));
    for (key, forgotten) in [
        ("chat:account:ana", false),
        ("chat:admins", false),
        ("chat:secret", false),
        ("chat:logins:ana", true),
        (&login, true),
        ("chat:ban:m:bo", true),
        ("chat:bans", false),
        ("chat:read:quiet", true),
    ] {
        assert_eq!(redis.command(&["EXISTS", key]).int(), 1, "{key}");
        assert_eq!(expires(key), forgotten, "{key}");
    }
    accounts.demote_admins_but(None).await.unwrap();
    accounts.ban(UserId::account("bo"), 0).await.unwrap();
    for gone in ["chat:ban:m:bo", "chat:bans", "chat:admins", "chat:logins:ana", &login] {
        assert_eq!(redis.command(&["EXISTS", gone]).int(), 0, "{gone}");
    }
}

#[tokio::test]
async fn a_ban_that_has_ended_is_no_longer_listed() {
    let redis = Redis::start();
    let accounts = accounts_in(&redis).await;
    let soon = SystemClock.now_ms() + 100;
    accounts.ban(UserId::account("bo"), soon).await.unwrap();
    let ended = async || (redis.command(&["EXISTS", "chat:ban:m:bo"]).int() == 0).then_some(());
    until("the end of the ban", ended).await;
    assert_eq!(accounts.bans(SystemClock.now_ms(), 10).await, Ok(vec![]));
    // The next one takes its place.
    accounts.ban(UserId::account("cy"), LATER).await.unwrap();
    assert_eq!(redis.command(&["ZCARD", "chat:bans"]).int(), 1);
}

#[tokio::test]
async fn one_of_many_who_ask_first_makes_the_secret() {
    let redis = Redis::start();
    let (one, two) = (accounts_in(&redis).await, accounts_in(&redis).await);
    let (first, second) = tokio::join!(one.secret(), two.secret());
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_known_ban_and_the_secret_outlive_the_loss_of_redis() {
    let mut redis = Redis::start();
    let accounts = accounts_in(&redis).await;
    let (banned, other) = (UserId::account("bo"), UserId::account("cy"));
    accounts.ban(banned.clone(), LATER).await.unwrap();
    let secret = accounts.secret().await;
    redis.kill9();
    assert_eq!(accounts.banned_until(banned, 1).await, Ok(Some(LATER)));
    assert_eq!(accounts.banned_until(other.clone(), 1).await, Err(AccountsError::Unavailable));
    assert_eq!(accounts.mark_read(fresh_room(), other, 1).await, Err(AccountsError::Unavailable));
    assert_eq!(accounts.secret().await, secret);
}
