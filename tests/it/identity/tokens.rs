//! JWTs, resume tokens, and which of several counts.

use jsonwebtoken::Algorithm;

use crate::support::*;

#[tokio::test]
async fn a_jwt_is_taken_in_every_place_it_may_stand() {
    let server = Server::with_jwt().start();
    let jwt = token::jwt(json!({"sub": "ana", "name": "Ana", "role": "admin"}));
    let wanted = json!({"id": "j:ana", "name": "Ana", "role": "admin"});
    for dial in
        [server.dial().bearer(&jwt), server.dial().subprotocol(&jwt), server.dial().query(&format!("token={jwt}"))]
    {
        let client = dial.enter().await;
        assert_eq!(client.welcome["user"], wanted);
        assert!(client.welcome.get("resumeToken").is_none(), "guests only");
    }
}

#[tokio::test]
async fn the_server_selects_the_protocol_and_never_the_token() {
    let server = Server::with_jwt().start();
    let client = server.dial().subprotocol(&token::of("ana", "member")).enter().await;
    assert_eq!(client.protocol.as_deref(), Some("hubbub.v1"));
    let client = server.dial().header("sec-websocket-protocol", "hubbub.v1").enter().await;
    assert_eq!(client.protocol.as_deref(), Some("hubbub.v1"));
    assert_eq!(server.guest("Ana").await.protocol, None);
}

#[tokio::test]
async fn the_first_proof_counts() {
    let server = Server::with_jwt().start();
    let session = server.register("carol").await;
    let (ana, bob, dan) = (token::of("ana", "member"), token::of("bob", "member"), token::of("dan", "member"));
    let all = server.dial().bearer(&ana).subprotocol(&bob).query(&format!("token={dan}")).cookie(&session);
    assert_eq!(all.enter().await.id(), "j:ana");
    let without_header = server.dial().subprotocol(&bob).query(&format!("token={dan}")).cookie(&session);
    assert_eq!(without_header.enter().await.id(), "j:bob");
    let without_offer = server.dial().query(&format!("token={dan}")).cookie(&session);
    assert_eq!(without_offer.enter().await.id(), "j:dan");
    assert_eq!(server.dial().cookie(&session).enter().await.id(), "m:carol");
}

#[tokio::test]
async fn bad_jwts_are_refused() {
    let server = Server::with_jwt().start();
    let now = token::now();
    let claims = json!({"sub": "ana", "exp": now + 600});
    let good = token::jwt(claims.clone());
    let (head, _) = good.rsplit_once('.').unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", good.split('.').nth(1).unwrap());
    for (what, bad) in [
        ("another algorithm", token::sign(Algorithm::HS512, token::JWT_SECRET, &claims)),
        ("no algorithm", unsigned),
        ("another secret", token::sign(Algorithm::HS256, &"x".repeat(40), &claims)),
        ("no signature", format!("{head}.")),
        ("expired", token::jwt(json!({"sub": "ana", "exp": now - 60}))),
        ("no exp", token::sign(Algorithm::HS256, token::JWT_SECRET, &json!({"sub": "ana"}))),
        ("no sub", token::sign(Algorithm::HS256, token::JWT_SECRET, &json!({"exp": now + 600}))),
        ("a bad sub", token::jwt(json!({"sub": "a b"}))),
        ("an empty sub", token::jwt(json!({"sub": ""}))),
        ("a long sub", token::jwt(json!({"sub": "x".repeat(65)}))),
        ("an unknown role", token::jwt(json!({"sub": "ana", "role": "owner"}))),
        ("no token at all", "abc".to_owned()),
    ] {
        let refused = server.dial().bearer(&bad).refused().await;
        assert_eq!((refused.status, refused.code()), (401, "unauthorized"), "{what}");
    }
    let member = server.dial().bearer(&token::jwt(json!({"sub": "a.B_c@d|e-1"}))).enter().await;
    assert_eq!(member.welcome["user"]["role"], "member");
    assert_eq!(member.id(), "j:a.B_c@d|e-1");
}

#[tokio::test]
async fn without_a_secret_every_jwt_is_refused() {
    let server = Server::start();
    assert_eq!(server.dial().bearer(&token::of("ana", "admin")).refused().await.status, 401);
}

#[tokio::test]
async fn a_resume_token_is_the_guest_in_several_tabs_and_after_a_restart() {
    let mut server = Server::start();
    let first = server.guest("Ana").await;
    let second = first.again().enter().await;
    assert_eq!(second.welcome["user"], first.welcome["user"]);
    let renamed = first.again().query("name=Anna").enter().await;
    assert_eq!((renamed.id(), &renamed.welcome["user"]["name"]), (first.id(), &json!("Anna")));
    server.kill9();
    server.restart();
    let back = second.again().enter().await;
    assert_eq!(back.welcome["user"], first.welcome["user"]);
}

#[tokio::test]
async fn a_resume_token_that_was_changed_is_refused() {
    let server = Server::start();
    let good = server.guest("Ana").await.resume_token();
    let (body, mac) = good.split_once('.').unwrap();
    let other = server.guest("Bob").await.resume_token();
    let (other_body, _) = other.split_once('.').unwrap();
    for bad in [format!("{other_body}.{mac}"), format!("{body}."), format!("{body}.{}", mac.to_lowercase())] {
        let refused = server.dial().subprotocol(&bad).refused().await;
        assert_eq!((refused.status, refused.code()), (401, "unauthorized"));
    }
}

#[tokio::test]
async fn a_shared_session_secret_makes_tokens_good_on_every_server() {
    let secret = "a session secret of 32 characters, or more";
    let first = Server::setup().env("SESSION_SECRET", secret).start();
    let second = Server::setup().env("SESSION_SECRET", secret).start();
    let third = Server::start();
    let ana = first.guest("Ana").await;
    let there = second.dial().subprotocol(&ana.resume_token()).enter().await;
    assert_eq!(there.id(), ana.id());
    assert_eq!(third.dial().subprotocol(&ana.resume_token()).refused().await.status, 401);
}

#[tokio::test]
async fn guests_can_be_switched_off() {
    let server = Server::with_jwt().env("HUBBUB__AUTH__GUESTS", "false").start();
    let refused = server.dial().refused().await;
    assert_eq!((refused.status, refused.code()), (401, "unauthorized"));
    server.dial().bearer(&token::of("ana", "member")).enter().await;
    let session = server.register("carol").await;
    server.dial().cookie(&session).enter().await;
}

#[tokio::test]
async fn tokens_and_passwords_are_in_no_log() {
    let server = Server::with_jwt().env("RUST_LOG", "trace").start();
    let jwt = token::of("ana", "member");
    let guest = server.guest("Guest").await;
    let session = server.register("carol").await;
    server.dial().query(&format!("token={jwt}")).enter().await;
    server.dial().subprotocol(&jwt).enter().await;
    server.dial().bearer(&jwt).enter().await;
    server.dial().cookie(&session).enter().await;
    guest.again().enter().await;
    let bad = format!("{jwt}x");
    server.dial().query(&format!("token={bad}")).refused().await;
    server.dial().subprotocol(&bad).refused().await;
    server.post("/api/login", json!({"username": "carol", "password": "a wrong password"})).await;
    server.get(&format!("/api/connect?token={bad}")).await;
    server.get(&format!("/nowhere?token={jwt}")).await;
    let log = server.log();
    for (what, secret) in [
        ("JWT", jwt.as_str()),
        ("signature", jwt.rsplit('.').next().unwrap()),
        ("resume token", &guest.resume_token()),
        ("session", &session),
        ("password", web::PASSWORD),
        ("wrong password", "a wrong password"),
        ("secret", token::JWT_SECRET),
    ] {
        assert!(!log.contains(secret), "the log holds a {what}");
    }
}
