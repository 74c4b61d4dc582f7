//! Accounts come, log in and go; the administrator follows the settings.

use super::{super::testing::FakeAccounts, *};
use crate::clock::ManualClock;

fn sessions(change: impl FnOnce(&mut Config)) -> (Sessions, Arc<FakeAccounts>, Arc<ManualClock>) {
    let mut config = Config { password_memory_kib: 8, password_passes: 1, ..Config::default() };
    config.session_timeout_ms = 100_000;
    change(&mut config);
    let (accounts, clock) = (FakeAccounts::with(&[]), ManualClock::at(1_000));
    let passwords = Passwords::new(&config).unwrap();
    (Sessions::new(accounts.clone(), passwords, clock.clone(), &config), accounts, clock)
}

fn code<T>(result: Result<T, Refusal>) -> ErrorCode {
    result.map(|_| ()).unwrap_err().code
}

#[tokio::test]
async fn register_login_and_logout() {
    let (sessions, ..) = sessions(|_| ());
    let made = sessions.register("Ana", "correct horse".into()).await.unwrap();
    assert_eq!((made.user.id.as_str(), &*made.user.name, made.user.role), ("m:ana", "Ana", Role::Member));
    assert_eq!(made.token.len(), 43);

    let again = sessions.login("ANA", "correct horse".into()).await.unwrap();
    assert_ne!(again.token, made.token);
    let used = sessions.resume(&again.token).await.unwrap().unwrap();
    assert_eq!((used.user, used.token), (made.user, hash(&again.token).unwrap()));

    sessions.logout(&again.token).await.unwrap();
    assert_eq!(sessions.resume(&again.token).await.unwrap(), None);
    assert!(sessions.resume(&made.token).await.unwrap().is_some());
    sessions.logout("nonsense").await.unwrap();
}

#[tokio::test]
async fn wrong_names_and_passwords_answer_alike() {
    let (sessions, ..) = sessions(|_| ());
    sessions.register("ana", "correct horse".into()).await.unwrap();
    let wrong = sessions.login("ana", "wrong horse".into()).await.err().unwrap();
    for (name, password) in [("bob", "wrong horse"), ("no such name!", "x"), ("ana", &"x".repeat(600))] {
        assert_eq!(sessions.login(name, password.into()).await.err().unwrap(), wrong);
    }
    assert_eq!(wrong.code, ErrorCode::Unauthorized);
}

#[tokio::test]
async fn names_are_taken_once_whatever_the_case() {
    let (sessions, ..) = sessions(|_| ());
    sessions.register("ana", "correct horse".into()).await.unwrap();
    assert_eq!(code(sessions.register("ANA", "correct horse".into()).await), ErrorCode::Conflict);
    assert_eq!(code(sessions.register("Admin", "correct horse".into()).await), ErrorCode::Conflict);
    assert_eq!(code(sessions.register("a b", "correct horse".into()).await), ErrorCode::InvalidArgument);
    assert_eq!(code(sessions.register("bob", "short".into()).await), ErrorCode::InvalidArgument);
}

#[tokio::test]
async fn closed_registration_is_forbidden() {
    let (sessions, ..) = sessions(|config| config.registration = Registration::Closed);
    assert_eq!(code(sessions.register("ana", "correct horse".into()).await), ErrorCode::Forbidden);
}

#[tokio::test]
async fn the_admin_of_the_settings_can_log_in_and_be_renewed() {
    let (sessions, ..) = sessions(|_| ());
    let name = AccountName::parse("admin").unwrap();
    sessions.put_admin(&name, "first password").await.unwrap();
    sessions.put_admin(&name, "second password").await.unwrap();
    assert_eq!(code(sessions.login("admin", "first password".into()).await), ErrorCode::Unauthorized);
    let login = sessions.login("admin", "second password".into()).await.unwrap();
    assert_eq!(login.user.role, Role::Admin);
}

#[tokio::test]
async fn a_restart_keeps_the_admins_sessions_and_a_new_password_ends_them() {
    let (sessions, accounts, _) = sessions(|_| ());
    let name = AccountName::parse("boss").unwrap();
    let squatter = sessions.register("boss", "first password".into()).await.unwrap();
    sessions.put_admin(&name, "first password").await.unwrap();
    assert_eq!(sessions.resume(&squatter.token).await.unwrap(), None, "a member's session is no admin's");

    let login = sessions.login("boss", "first password".into()).await.unwrap();
    let hash = accounts.find("boss".into()).await.unwrap().unwrap().password_hash;
    sessions.put_admin(&name, "first password").await.unwrap();
    assert_eq!(accounts.find("boss".into()).await.unwrap().unwrap().password_hash, hash);
    assert!(sessions.resume(&login.token).await.unwrap().is_some());
    sessions.put_admin(&name, "second password").await.unwrap();
    assert_eq!(sessions.resume(&login.token).await.unwrap(), None);
}

#[tokio::test]
async fn who_is_struck_from_the_settings_is_a_member() {
    let (sessions, ..) = sessions(|_| ());
    let (old, new) = (AccountName::parse("old").unwrap(), AccountName::parse("new").unwrap());
    sessions.put_admin(&old, "first password").await.unwrap();
    sessions.put_admin(&new, "first password").await.unwrap();
    let login = sessions.login("old", "first password".into()).await.unwrap();
    sessions.keep_admin(Some(&new)).await.unwrap();
    assert_eq!(sessions.resume(&login.token).await.unwrap(), None);
    for (name, role) in [("old", Role::Member), ("new", Role::Admin)] {
        assert_eq!(sessions.login(name, "first password".into()).await.unwrap().user.role, role);
    }
    sessions.keep_admin(None).await.unwrap();
    assert_eq!(sessions.login("new", "first password".into()).await.unwrap().user.role, Role::Member);
}

#[tokio::test]
async fn a_login_brings_the_hash_to_the_cost_of_the_settings() {
    let (before, accounts, clock) = sessions(|_| ());
    before.register("ana", "correct horse".into()).await.unwrap();
    let dearer = Config { password_memory_kib: 16, password_passes: 1, ..Config::default() };
    let after = Sessions::new(accounts.clone(), Passwords::new(&dearer).unwrap(), clock, &dearer);
    after.login("ana", "correct horse".into()).await.unwrap();
    let hash = accounts.find("ana".into()).await.unwrap().unwrap().password_hash;
    assert!(hash.starts_with("$argon2id$v=19$m=16,"), "{hash}");
    after.login("ana", "correct horse".into()).await.unwrap();
    assert_eq!(accounts.find("ana".into()).await.unwrap().unwrap().password_hash, hash);
}

#[tokio::test]
async fn use_prolongs_and_time_ends_a_session() {
    let (sessions, _, clock) = sessions(|_| ());
    let login = sessions.register("ana", "correct horse".into()).await.unwrap();
    clock.advance(99_999);
    assert!(sessions.resume(&login.token).await.unwrap().is_some());
    clock.advance(99_999);
    assert!(sessions.resume(&login.token).await.unwrap().is_some());
    clock.advance(100_000);
    assert_eq!(sessions.resume(&login.token).await.unwrap(), None);
}

#[tokio::test]
async fn a_store_that_is_away_is_said_to_be() {
    let (sessions, accounts, _) = sessions(|_| ());
    let login = sessions.register("ana", "correct horse".into()).await.unwrap();
    accounts.set_away(true);
    assert_eq!(code(sessions.login("ana", "correct horse".into()).await), ErrorCode::Unavailable);
    assert_eq!(code(sessions.resume(&login.token).await), ErrorCode::Unavailable);
    // What cannot be a token is not asked for.
    for cookie in ["", "x", &"é".repeat(22), &"x".repeat(44)] {
        assert_eq!(sessions.resume(cookie).await.unwrap(), None);
    }
}
