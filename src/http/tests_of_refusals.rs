//! What is refused, and what is told to pages from elsewhere.

use actix_web::{
    dev::ServiceResponse,
    http::{
        Method,
        header::{self, HeaderName},
    },
    test::TestRequest,
};
use serde_json::json;

use super::{
    testing::{Fixture, PASSWORD, fixture},
    tests::{ask, cookie_of, get, logged_in, post, status, with_key, with_origin},
};
use crate::{
    auth::{identity::Credentials, keys::Scope},
    protocol::ids::UserId,
};

fn value<'a>(response: &'a ServiceResponse<()>, name: &HeaderName) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

fn key(fixture: &Fixture, scope: Scope) -> &str {
    &fixture.keys.iter().find(|(of, _)| *of == scope).unwrap().1
}

async fn resume_token(fixture: &Fixture) -> String {
    fixture.state.identify.identify(Credentials::default()).await.unwrap().resume_token.unwrap()
}

#[actix_web::test]
async fn who_may_not_ask_is_refused_before_the_body_is_read() {
    let fixture = fixture(|_, limits| limits.logins_per_minute = 2).await;
    for path in ["/api/login", "/api/register", "/api/rooms/global/messages"] {
        let unread = TestRequest::post().uri(path).insert_header((header::AUTHORIZATION, "Bearer hubbub_wrong"));
        let foreign = unread.insert_header((header::ORIGIN, "https://evil.example")).set_payload("no JSON");
        let refused = status(&fixture, foreign).await;
        assert_eq!(refused, if path.contains("rooms") { 401 } else { 403 }, "{path}");
    }
    let unread = || TestRequest::post().uri("/api/login").set_payload("no JSON");
    for expected in [415, 415, 429] {
        assert_eq!(status(&fixture, unread()).await, expected);
    }
}

#[actix_web::test]
async fn logging_in_with_a_cookie_says_where_it_comes_from() {
    let fixture = fixture(|_, _| ()).await;
    let cookie = logged_in(&fixture, "/api/register", "Ana").await;
    let login = || post("/api/login", json!({"username": "boss", "password": PASSWORD}));
    assert_eq!(status(&fixture, login().insert_header(cookie.clone())).await, 403);
    assert_eq!(status(&fixture, with_origin(login()).insert_header(cookie.clone())).await, 200);
    let register = post("/api/register", json!({"username": "bob", "password": PASSWORD}));
    assert_eq!(status(&fixture, register.insert_header(cookie)).await, 403);
}

#[actix_web::test]
async fn a_body_that_cannot_be_read_is_not_repeated() {
    let fixture = fixture(|_, _| ()).await;
    let (response, body) = ask(&fixture, post("/api/login", json!({"username": "boss", "password": 12_345_678}))).await;
    assert_eq!((response.status().as_u16(), &body["error"]["code"]), (400, &json!("malformed")));
    let told = format!("{body} {:?}", fixture.state.journal.recent(None, usize::MAX));
    assert!(!told.contains("12345678"), "{told}");
}

#[actix_web::test]
async fn a_resume_token_opens_the_chat_and_nothing_else() {
    let fixture = fixture(|_, _| ()).await;
    let token = resume_token(&fixture).await;
    assert_eq!(status(&fixture, with_key(get("/api/connect"), &token)).await, 204);
    for path in ["/api/rooms", "/api/me"] {
        assert_eq!(status(&fixture, with_key(get(path), &token)).await, 401, "{path}");
    }
}

#[actix_web::test]
async fn the_token_is_found_in_any_line_of_offers() {
    let fixture = fixture(|auth, _| auth.guests = false).await;
    let offers = |token: &str| {
        let first = get("/api/connect").append_header((header::SEC_WEBSOCKET_PROTOCOL, "hubbub.v1"));
        first.append_header((header::SEC_WEBSOCKET_PROTOCOL, format!("hubbub.token.{token}")))
    };
    let (_, body) = ask(&fixture, offers("a.b.c")).await;
    assert!(!body["error"]["message"].as_str().unwrap().contains("guests"), "{body}");
}

#[actix_web::test]
async fn a_bot_can_be_banned() {
    let fixture = fixture(|_, _| ()).await;
    let read = || with_key(get("/api/rooms"), key(&fixture, Scope::Read));
    assert_eq!(status(&fixture, read()).await, 200);
    fixture.state.accounts.ban(UserId::bot("read"), u64::from(u32::MAX) * 1_000).await.unwrap();
    assert_eq!(status(&fixture, read()).await, 403);
}

#[actix_web::test]
async fn logging_out_has_a_limit() {
    let fixture = fixture(|_, limits| (limits.api_per_second, limits.api_burst) = (1, 2)).await;
    let logout = || TestRequest::post().uri("/api/logout").insert_header((header::COOKIE, "session=none"));
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(status(&fixture, with_origin(logout())).await);
    }
    assert_eq!(answers, [204, 204, 429]);
}

#[actix_web::test]
async fn connecting_renews_a_cookie_in_use_and_clears_a_dead_one() {
    let fixture = fixture(|auth, _| auth.guests = false).await;
    let cookie = logged_in(&fixture, "/api/login", "boss").await;
    let (renewed, _) = ask(&fixture, get("/api/connect").insert_header(cookie.clone())).await;
    assert_eq!((renewed.status().as_u16(), cookie_of(&renewed)), (204, cookie.clone()));
    assert!(value(&renewed, &header::SET_COOKIE).unwrap().contains("Max-Age=2592000"));

    let stale = || get("/api/connect").insert_header((header::COOKIE, "session=stale"));
    let (refused, _) = ask(&fixture, stale()).await;
    assert_eq!(refused.status(), 401);
    assert!(value(&refused, &header::SET_COOKIE).unwrap().contains("Max-Age=0"));
    // Where a token was to prove it, nothing is known of the cookie.
    let (refused, _) = ask(&fixture, with_key(stale(), "a.b.c")).await;
    assert_eq!((refused.status().as_u16(), value(&refused, &header::SET_COOKIE)), (401, None));
}

#[actix_web::test]
async fn wrong_methods_say_what_there_is() {
    let fixture = fixture(|_, _| ()).await;
    for (method, path, expected, allow) in [
        (Method::POST, "/chat", 405, Some("GET")),
        (Method::HEAD, "/chat", 405, Some("GET")),
        (Method::POST, "/index.html", 405, Some("GET, HEAD")),
        (Method::POST, "/", 405, Some("GET, HEAD")),
        (Method::POST, "/no/such", 404, None),
    ] {
        let (response, _) = ask(&fixture, TestRequest::with_uri(path).method(method.clone())).await;
        let found = (response.status().as_u16(), value(&response, &header::ALLOW));
        assert_eq!(found, (expected, allow), "{method} {path}");
    }
}

#[actix_web::test]
async fn a_page_is_sent_to_who_takes_no_encoding() {
    let fixture = fixture(|_, _| ()).await;
    for (accepted, encoding) in [("identity;q=0", None), ("br, *;q=0", None), ("identity;q=0, gzip", Some("gzip"))] {
        let (response, _) = ask(&fixture, get("/").insert_header((header::ACCEPT_ENCODING, accepted))).await;
        let found = (response.status().as_u16(), value(&response, &header::CONTENT_ENCODING));
        assert_eq!(found, (200, encoding), "{accepted}");
    }
}

#[actix_web::test]
async fn listed_pages_may_read_why_they_were_refused() {
    const LISTED: &str = "https://chat.example.org";
    let fixture = fixture(|_, _| ()).await;
    let from = |path: &str, origin: &str| get(path).insert_header((header::ORIGIN, origin.to_owned()));
    for (path, origin, expected) in [
        ("/api/connect", LISTED, Some(LISTED)),
        ("/api/connect?token=a.b.c", LISTED, Some(LISTED)),
        ("/js/app.js", LISTED, Some(LISTED)),
        ("/api/connect", "https://evil.example", None),
        ("/api/rooms", LISTED, None),
    ] {
        let (response, _) = ask(&fixture, from(path, origin)).await;
        assert_eq!(value(&response, &header::ACCESS_CONTROL_ALLOW_ORIGIN), expected, "{path} {origin}");
        let vary: Vec<_> = response.headers().get_all(header::VARY).collect();
        assert_eq!(vary.iter().any(|name| *name == "Origin"), path != "/api/rooms", "{path}");
        let exposed = expected.map(|_| "Retry-After");
        assert_eq!(value(&response, &header::ACCESS_CONTROL_EXPOSE_HEADERS), exposed);
    }
    let preflight = |origin: &str| {
        let asked = from("/api/connect", origin).method(Method::OPTIONS);
        let asked = asked.insert_header((header::ACCESS_CONTROL_REQUEST_METHOD, "GET"));
        asked.insert_header((header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization"))
    };
    let (allowed, _) = ask(&fixture, preflight(LISTED)).await;
    assert_eq!(allowed.status(), 204);
    assert_eq!(value(&allowed, &header::ACCESS_CONTROL_ALLOW_HEADERS), Some("authorization"));
    assert_eq!(value(&allowed, &header::ACCESS_CONTROL_ALLOW_ORIGIN), Some(LISTED));
    assert_eq!(status(&fixture, preflight("https://evil.example")).await, 405);
}
