//! Accounts, and the cookie that proves them.

use reqwest::Method;

use crate::support::*;

fn credentials(name: &str, password: &str) -> Value {
    json!({"username": name, "password": password})
}

#[tokio::test]
async fn register_login_and_who_am_i() {
    let server = Server::start();
    let made = server.post("/api/register", credentials("Carol", web::PASSWORD)).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.json, json!({"user": {"id": "m:carol", "name": "Carol", "role": "member"}}));
    let cookie = made.header("set-cookie").to_owned();
    for part in ["session=", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
    assert!(!cookie.contains("Secure"), "not behind TLS: {cookie}");

    let again = server.post("/api/login", credentials("cAROL", web::PASSWORD)).await;
    assert_eq!((again.status, &again.json["user"]["id"]), (200, &json!("m:carol")));
    assert_ne!(again.session(), made.session(), "each login is a session of its own");

    let me = web::send(
        server.request(Method::GET, "/api/me").header("cookie", format!("session={}", made.session().unwrap())),
    );
    assert_eq!(me.await.json["user"]["name"], "Carol");
    assert_eq!(server.get("/api/me").await.status, 401);
    let client = server.dial().cookie(&again.session().unwrap()).enter().await;
    assert_eq!(client.welcome["user"], made.json["user"]);
    assert!(client.welcome.get("resumeToken").is_none());
}

#[tokio::test]
async fn what_is_wrong_with_an_account_is_told() {
    let server = Server::setup().env("HUBBUB__LIMITS__REGISTRATIONS_PER_HOUR", 0).start();
    server.register("carol").await;
    for taken in ["carol", "CAROL", "admin", "System"] {
        let answer = server.post("/api/register", credentials(taken, web::PASSWORD)).await;
        assert_eq!((answer.status, answer.code()), (409, "conflict"), "{taken}");
    }
    for (name, password) in [("a b", web::PASSWORD), ("", web::PASSWORD), ("dora", "short"), ("é", web::PASSWORD)] {
        let answer = server.post("/api/register", credentials(name, password)).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_argument"), "{name}");
    }
    for (name, password) in [("carol", "wrong password"), ("nobody", web::PASSWORD)] {
        let answer = server.post("/api/login", credentials(name, password)).await;
        assert_eq!((answer.status, answer.code()), (401, "unauthorized"), "{name}");
        assert_eq!(answer.session(), None);
    }
    for bad in ["{", "[]", "{\"username\":1}"] {
        let request = server.request(Method::POST, "/api/login").header("content-type", "application/json").body(bad);
        let answer = web::send(request).await;
        assert_eq!(answer.status, 400, "{bad}");
        assert!(["malformed", "invalid_argument"].contains(&answer.code()), "{}", answer.text);
    }
}

#[tokio::test]
async fn registration_can_be_closed() {
    let server = Server::setup().env("HUBBUB__AUTH__REGISTRATION", "closed").start();
    assert_eq!(server.post("/api/register", credentials("carol", web::PASSWORD)).await.status, 403);
}

#[tokio::test]
async fn the_administrator_of_the_settings_is_one() {
    let mut server = Server::setup().env("ADMIN_USERNAME", "Boss").env("ADMIN_PASSWORD", web::PASSWORD).start();
    let login = server.post("/api/login", credentials("boss", web::PASSWORD)).await;
    assert_eq!(login.json["user"], json!({"id": "m:boss", "name": "Boss", "role": "admin"}));
    let session = login.session().unwrap();
    server.kill9();
    server.restart();
    assert_eq!(server.dial().cookie(&session).enter().await.id(), "m:boss");
    server.kill9();
    server.restart_with(|setup| setup.env("ADMIN_PASSWORD", "another password"));
    assert_eq!(server.post("/api/login", credentials("boss", web::PASSWORD)).await.status, 401);
    let login = server.post("/api/login", credentials("boss", "another password")).await;
    assert_eq!(login.status, 200);
    let ended = server.dial().cookie(&session).enter().await;
    assert_eq!(ended.welcome["user"]["role"], "guest");
}

#[tokio::test]
async fn a_session_outlives_the_server() {
    let mut server = Server::start();
    let session = server.register("carol").await;
    server.kill9();
    server.restart();
    let client = server.dial().cookie(&session).enter().await;
    assert_eq!(client.id(), "m:carol");
    // Opening the chat is a use: the cookie lives on in the browser as the session does in the store.
    let renewed = client.cookie.unwrap();
    assert!(renewed.starts_with(&format!("session={session};")) && renewed.contains("Max-Age=2592000"), "{renewed}");
}

#[tokio::test]
async fn a_cookie_that_is_worth_nothing_counts_as_none_and_is_cleared() {
    let server = Server::start();
    let unknown = "A".repeat(43);
    let client = server.dial().cookie(&unknown).enter().await;
    assert_eq!(client.welcome["user"]["role"], "guest");
    let cleared = client.cookie.unwrap();
    assert!(cleared.starts_with("session=;") && cleared.contains("Max-Age=0"), "{cleared}");
    let answer =
        web::send(server.request(Method::GET, "/api/connect").header("cookie", format!("session={unknown}"))).await;
    assert_eq!(answer.status, 204);
    assert!(answer.header("set-cookie").starts_with("session=;"));
}

#[tokio::test]
async fn behind_tls_the_cookie_is_secure() {
    let server = Server::setup().env("TRUSTED_PROXIES", "127.0.0.1").start();
    let request = server.request(Method::POST, "/api/register").json(&credentials("carol", web::PASSWORD));
    let answer = web::send(request.header("x-forwarded-proto", "https")).await;
    assert!(answer.header("set-cookie").contains("Secure"), "{}", answer.header("set-cookie"));
    let untrusting = Server::start();
    let request = untrusting.request(Method::POST, "/api/register").json(&credentials("carol", web::PASSWORD));
    let answer = web::send(request.header("x-forwarded-proto", "https")).await;
    assert!(!answer.header("set-cookie").contains("Secure"));
}
