//! Which credential wins, and what each comes to.

use super::*;
use crate::{
    auth::{
        jwt::Grant,
        password::Passwords,
        resume::{LIFETIME_MS, ResumeTokens},
        secret::Secret,
        testing::FakeAccounts,
    },
    clock::ManualClock,
};

struct World {
    identify: Identify,
    sessions: Sessions,
    accounts: Arc<FakeAccounts>,
    clock: Arc<ManualClock>,
    jwt: String,
}

fn world(guests: bool) -> World {
    let config = Config { guests, password_memory_kib: 8, password_passes: 1, ..Config::default() };
    let (accounts, clock) = (FakeAccounts::with(&["taken"]), ManualClock::at(1_000_000));
    let jwt = Jwt::new(Some(&Secret::new("s".repeat(32)))).unwrap();
    let grant = Grant { sub: "jo".into(), name: None, role: Role::Admin, expires_ms: 2_000_000 };
    let signed = jwt.sign(&grant).unwrap();
    let sessions = Sessions::new(accounts.clone(), Passwords::new(&config).unwrap(), clock.clone(), &config);
    let names = Names::new(accounts.clone(), None);
    let resume = ResumeTokens::new(&[7; 32]).into();
    let identify = Identify::new(jwt, resume, sessions.clone(), names, accounts.clone(), clock.clone(), &config);
    World { identify, sessions, accounts, clock, jwt: signed }
}

impl World {
    async fn ask(&self, credentials: Credentials<'_>) -> Result<Identity, Refusal> {
        self.identify.identify(credentials).await
    }

    async fn refused(&self, credentials: Credentials<'_>) -> ErrorCode {
        self.ask(credentials).await.unwrap_err().code
    }

    async fn cookie(&self) -> String {
        self.sessions.register("ana", "correct horse".into()).await.unwrap().token
    }
}

#[tokio::test]
async fn the_first_credential_wins_even_if_it_is_bad() {
    let world = world(true);
    let cookie = world.cookie().await;
    let (jwt, cookie) = (Some(&*world.jwt), Some(&*cookie));
    let bad = Some("a.b.c");
    for (credentials, id) in [
        (Credentials { bearer: jwt, subprotocol: bad, query: bad, cookie, name: None }, Some("j:jo")),
        (Credentials { subprotocol: jwt, query: bad, cookie, ..Default::default() }, Some("j:jo")),
        (Credentials { query: jwt, cookie, ..Default::default() }, Some("j:jo")),
        (Credentials { cookie, name: Some("Bob"), ..Default::default() }, Some("m:ana")),
        (Credentials { bearer: bad, subprotocol: jwt, query: jwt, cookie, name: None }, None),
        (Credentials { subprotocol: bad, query: jwt, cookie, ..Default::default() }, None),
        (Credentials { query: bad, cookie, ..Default::default() }, None),
    ] {
        let found = world.ask(credentials).await;
        match id {
            Some(id) => assert_eq!(found.unwrap().user.id.as_str(), id, "{credentials:?}"),
            None => assert_eq!(found.unwrap_err().code, ErrorCode::Unauthorized, "{credentials:?}"),
        }
    }
}

#[tokio::test]
async fn a_token_ends_and_gives_no_resume_token() {
    let world = world(false);
    let bearer = Credentials { bearer: Some(&world.jwt), ..Default::default() };
    let identity = world.ask(bearer).await.unwrap();
    assert_eq!((identity.expires_ms, identity.resume_token, identity.login), (Some(2_030_000), None, None));
    assert_eq!(identity.user.role, Role::Admin);
    world.clock.advance(1_030_000);
    assert_eq!(world.refused(bearer).await, ErrorCode::Unauthorized);
}

#[tokio::test]
async fn a_guest_keeps_id_and_name_by_its_resume_token() {
    let world = world(true);
    let first = world.ask(Credentials { name: Some("Bob"), ..Default::default() }).await.unwrap();
    assert_eq!((&*first.user.name, first.user.role, first.expires_ms), ("Bob", Role::Guest, None));

    world.clock.advance(LIFETIME_MS - 1);
    let token = first.resume_token.as_deref();
    let again = world.ask(Credentials { subprotocol: token, ..Default::default() }).await.unwrap();
    assert_eq!(again.user, first.user);
    let renamed = Credentials { subprotocol: token, name: Some("Taken"), ..Default::default() };
    let renamed = world.ask(renamed).await.unwrap();
    assert_eq!(renamed.user.id, first.user.id);
    assert!(renamed.user.name.starts_with("Taken-"), "{}", renamed.user.name);

    // An account made since takes the name from who only had it as a guest.
    world.accounts.add("Bob");
    let [apart, again_apart] = {
        let first = world.ask(Credentials { subprotocol: token, ..Default::default() }).await.unwrap();
        let token = first.resume_token.as_deref();
        [first.user.clone(), world.ask(Credentials { subprotocol: token, ..Default::default() }).await.unwrap().user]
    };
    assert!(apart.name.starts_with("Bob-"), "{}", apart.name);
    assert_eq!(again_apart, apart);

    // Each welcome starts the seven days anew.
    world.clock.advance(1);
    assert_eq!(world.refused(Credentials { subprotocol: token, ..Default::default() }).await, ErrorCode::Unauthorized);
    let fresh = again.resume_token.as_deref();
    assert!(world.ask(Credentials { subprotocol: fresh, ..Default::default() }).await.is_ok());
}

#[tokio::test]
async fn a_resume_token_stands_in_no_url() {
    let world = world(true);
    let token = world.ask(Credentials::default()).await.unwrap().resume_token;
    assert_eq!(
        world.refused(Credentials { query: token.as_deref(), ..Default::default() }).await,
        ErrorCode::Unauthorized
    );
}

#[tokio::test]
async fn a_cookie_is_a_login_or_is_cleared() {
    let world = world(true);
    let cookie = world.cookie().await;
    let credentials = Credentials { cookie: Some(&cookie), name: Some("Bob"), ..Default::default() };
    let identity = world.ask(credentials).await.unwrap();
    assert!(identity.login.is_some() && !identity.clear_cookie && identity.resume_token.is_none());
    // The session lives on with every use; an end noted now would cut off a connection in use.
    assert_eq!(identity.expires_ms, None);

    world.sessions.logout(&cookie).await.unwrap();
    let guest = world.ask(credentials).await.unwrap();
    assert!(guest.clear_cookie && guest.login.is_none());
    assert_eq!((&*guest.user.name, guest.user.role), ("Bob", Role::Guest));
}

#[tokio::test]
async fn where_guests_are_off_only_the_known_come_in() {
    let world = world(false);
    let cookie = world.cookie().await;
    let resume = ResumeTokens::new(&[7; 32]).issue(&UserId::guest(1), "Bob", 1_000_000);
    assert_eq!(world.refused(Credentials::default()).await, ErrorCode::Unauthorized);
    assert_eq!(
        world.refused(Credentials { subprotocol: Some(&resume), ..Default::default() }).await,
        ErrorCode::Unauthorized
    );
    assert_eq!(world.refused(Credentials { cookie: Some("old"), ..Default::default() }).await, ErrorCode::Unauthorized);
    assert!(world.ask(Credentials { cookie: Some(&cookie), ..Default::default() }).await.is_ok());
}

#[tokio::test]
async fn the_banned_are_refused_until_it_is_over() {
    let world = world(true);
    let credentials = Credentials { bearer: Some(&world.jwt), ..Default::default() };
    world.accounts.ban(UserId::subject("jo"), 1_060_000).await.unwrap();
    assert_eq!(world.refused(credentials).await, ErrorCode::Forbidden);
    world.clock.advance(60_000);
    assert!(world.ask(credentials).await.is_ok());
}

#[tokio::test]
async fn while_the_store_is_away_guests_and_tokens_come_in_and_cookies_wait() {
    let world = world(true);
    let cookie = world.cookie().await;
    world.accounts.set_away(true);
    assert!(world.ask(Credentials::default()).await.is_ok());
    assert!(world.ask(Credentials { bearer: Some(&world.jwt), ..Default::default() }).await.is_ok());
    assert_eq!(
        world.refused(Credentials { cookie: Some(&cookie), ..Default::default() }).await,
        ErrorCode::Unavailable
    );
}

#[tokio::test]
async fn a_name_against_the_rules_is_refused() {
    let world = world(true);
    let credentials = Credentials { name: Some("a\u{202E}b"), ..Default::default() };
    assert_eq!(world.refused(credentials).await, ErrorCode::InvalidArgument);
}

#[test]
fn headers_are_read() {
    assert_eq!(bearer("Bearer abc"), Some("abc"));
    assert_eq!(bearer("bearer  abc "), Some("abc"));
    assert_eq!(bearer("Basic abc"), None);
    assert_eq!(bearer("Bearer"), None);
    assert_eq!(subprotocol_token(["hubbub.v1", "hubbub.token.a.b"]), Some("a.b"));
    assert_eq!(subprotocol_token(["hubbub.v1"]), None);
}
