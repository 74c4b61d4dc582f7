//! The routes, asked as a client asks them, without sockets.

use actix_web::{
    body::to_bytes,
    dev::ServiceResponse,
    http::{Method, StatusCode, header},
    test::{TestRequest, call_service, init_service},
};
use serde_json::{Value, json};

use super::{
    app,
    routes::ROUTES,
    testing::{Fixture, PASSWORD, fixture},
};
use crate::{
    auth::keys::Scope,
    journal::{Kind, Note},
    lifecycle::Stage,
};

/// Asks one request; gives the answer and its JSON, `null` where there is none.
pub(super) async fn ask(fixture: &Fixture, request: TestRequest) -> (ServiceResponse<()>, Value) {
    let service = init_service(app(fixture.state.clone())).await;
    let response = call_service(&service, request.to_request()).await;
    let (request, response) = response.into_parts();
    let (response, body) = response.into_parts();
    let bytes = to_bytes(body).await.ok().unwrap_or_default();
    let json = serde_json::from_slice(&bytes).unwrap_or_default();
    (ServiceResponse::new(request, response.set_body(())), json)
}

pub(super) async fn status(fixture: &Fixture, request: TestRequest) -> u16 {
    ask(fixture, request).await.0.status().as_u16()
}

pub(super) fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path)
}

pub(super) fn post(path: &str, body: Value) -> TestRequest {
    TestRequest::post().uri(path).set_json(body)
}

pub(super) fn with_origin(request: TestRequest) -> TestRequest {
    request.insert_header((header::HOST, "chat.local")).insert_header((header::ORIGIN, "http://chat.local"))
}

pub(super) fn with_key(request: TestRequest, key: &str) -> TestRequest {
    request.insert_header((header::AUTHORIZATION, format!("Bearer {key}")))
}

/// A login cookie, as a browser sends it back.
pub(super) fn cookie_of(response: &ServiceResponse<()>) -> (header::HeaderName, String) {
    let set = response.headers().get(header::SET_COOKIE).unwrap().to_str().unwrap();
    (header::COOKIE, set.split(';').next().unwrap().to_owned())
}

pub(super) async fn logged_in(fixture: &Fixture, path: &str, username: &str) -> (header::HeaderName, String) {
    let (response, body) = ask(fixture, post(path, json!({"username": username, "password": PASSWORD}))).await;
    assert!(response.status().is_success(), "{body}");
    cookie_of(&response)
}

#[actix_web::test]
async fn wrong_methods_and_paths_are_refused_in_the_one_form_with_every_header() {
    let fixture = fixture(|_, _| ()).await;
    let paths = ROUTES.iter().map(|route| route.path.replace(['{', '}'], "")).chain(["/no/such".into()]);
    for path in paths.filter(|path| !path.contains('*')) {
        let (response, body) = ask(&fixture, TestRequest::with_uri(&path).method(Method::PATCH)).await;
        let expected = if path == "/no/such" { (404, "not_found") } else { (405, "invalid_argument") };
        assert_eq!((response.status().as_u16(), body["error"]["code"].as_str().unwrap()), expected, "{path}");
        assert_eq!(response.headers().contains_key(header::ALLOW), expected.0 == 405, "{path}");
        for name in ["content-security-policy", "x-content-type-options", "referrer-policy", "cache-control"] {
            assert!(response.headers().contains_key(name), "{path} {name}");
        }
    }
}

#[actix_web::test]
async fn each_route_takes_its_own_scope_and_no_other() {
    use Scope::{Admin, Metrics, Post, Read};
    let fixture = fixture(|_, limits| limits.api_per_second = 0).await;
    let message = || post("/api/rooms/global/messages", json!({"text": "hi"}));
    let kick = || TestRequest::delete().uri("/api/users/m:ana/connections?banMs=0");
    let drain = || post("/api/instances/api-1/drain", json!({}));
    let routes: [(&dyn Fn() -> TestRequest, &[Scope]); 12] = [
        (&|| get("/metrics"), &[Metrics]),
        (&|| get("/metrics/prometheus"), &[Metrics]),
        (&|| get("/api/rooms"), &[Read]),
        (&|| get("/api/rooms/global/messages"), &[Read]),
        (&|| get("/api/rooms/global/presence"), &[Read]),
        (&message, &[Post]),
        (&|| get("/api/sessions"), &[Read]),
        (&|| get("/api/sessions/stats"), &[Read, Metrics]),
        (&|| get("/api/events"), &[Admin]),
        (&|| get("/api/instances"), &[Metrics]),
        (&kick, &[Admin]),
        (&drain, &[Admin]),
    ];
    for (request, scopes) in routes {
        for (scope, key) in &fixture.keys {
            let (response, body) = ask(&fixture, with_key(request(), key)).await;
            let path = response.request().path();
            assert_eq!(response.status().is_success(), scopes.contains(scope), "{path} {scope:?}: {body}");
        }
        let (response, body) = ask(&fixture, with_key(request(), "hubbub_wrong")).await;
        assert_eq!((response.status().as_u16(), &body["error"]["code"]), (401, &json!("unauthorized")));
    }
    assert_eq!(fixture.state.journal.recent(Some(Kind::Authentication), 1).len(), 1);
    assert_eq!(fixture.state.lifecycle.stage(), Stage::Draining);
}

#[actix_web::test]
async fn an_account_comes_and_goes() {
    let fixture = fixture(|_, _| ()).await;
    let cookie = logged_in(&fixture, "/api/register", "Ana").await;
    let (again, body) = ask(&fixture, post("/api/register", json!({"username": "ANA", "password": PASSWORD}))).await;
    assert_eq!((again.status().as_u16(), &body["error"]["code"]), (409, &json!("conflict")));
    let (_, body) = ask(&fixture, get("/api/me").insert_header(cookie.clone())).await;
    assert_eq!(body, json!({"user": {"id": "m:ana", "name": "Ana", "role": "member"}}));
    assert_eq!(status(&fixture, get("/api/events").insert_header(cookie.clone())).await, 403);

    let logout = || TestRequest::post().uri("/api/logout").insert_header(cookie.clone());
    assert_eq!(status(&fixture, logout()).await, 403, "without Origin");
    let (out, _) = ask(&fixture, with_origin(logout())).await;
    assert_eq!(out.status(), 204);
    assert!(out.headers().get(header::SET_COOKIE).unwrap().to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(status(&fixture, get("/api/me").insert_header(cookie.clone())).await, 401);
    assert_eq!(status(&fixture, with_origin(logout())).await, 204, "twice");
}

#[actix_web::test]
async fn a_change_by_cookie_says_where_it_comes_from() {
    let fixture = fixture(|_, _| ()).await;
    let cookie = logged_in(&fixture, "/api/login", "boss").await;
    for change in [
        || post("/api/rooms/global/messages", json!({"text": "hi"})),
        || TestRequest::delete().uri("/api/users/m:ana/connections"),
        || post("/api/instances/api-1/drain", json!({})),
    ] {
        let change = || change().insert_header(cookie.clone());
        assert_eq!(status(&fixture, change()).await, 403);
        assert_eq!(status(&fixture, change().insert_header((header::ORIGIN, "https://evil.example"))).await, 403);
        assert!((200..203).contains(&status(&fixture, with_origin(change())).await));
        assert!(
            (200..203).contains(
                &status(&fixture, change().insert_header((header::ORIGIN, "https://chat.example.org"))).await
            )
        );
    }
}

#[actix_web::test]
async fn guessing_passwords_has_a_limit_that_no_header_lifts() {
    let fixture = fixture(|_, limits| limits.account_logins_per_minute = 3).await;
    let guess = |from: &str| {
        let body = json!({"username": "Boss", "password": "not the one"});
        post("/api/login", body).insert_header((header::X_FORWARDED_FOR, from))
    };
    for _ in 0..3 {
        assert_eq!(status(&fixture, guess("1.2.3.4")).await, 401);
    }
    let (response, body) = ask(&fixture, guess("5.6.7.8")).await;
    assert_eq!((response.status().as_u16(), &body["error"]["code"]), (429, &json!("rate_limited")));
    assert!(response.headers().contains_key(header::RETRY_AFTER) && body["error"]["retryAfterMs"].is_u64());
}

#[actix_web::test]
async fn connect_answers_what_chat_would() {
    let fixture = fixture(|_, limits| (limits.connects_per_second, limits.connects_burst) = (1, 8)).await;
    let connect = |query: &str| get(&format!("/api/connect{query}"));
    assert_eq!(status(&fixture, connect("?name=Ana&room=a,b")).await, 204);
    let (stale, _) = ask(&fixture, connect("").insert_header((header::COOKIE, "session=stale"))).await;
    assert_eq!(stale.status(), 204);
    assert!(stale.headers().contains_key(header::SET_COOKIE));
    assert_eq!(status(&fixture, connect("?token=a.b.c")).await, 401);
    assert_eq!(status(&fixture, with_key(connect(""), "no.resume")).await, 401);
    assert_eq!(status(&fixture, connect("").insert_header((header::ORIGIN, "null"))).await, 403);
    assert_eq!(status(&fixture, get("/chat")).await, 426);

    let places = [fixture.state.places.take().unwrap(), fixture.state.places.take().unwrap()];
    assert_eq!(status(&fixture, get("/ready")).await, 503);
    let (full, body) = ask(&fixture, connect("")).await;
    assert_eq!((full.status().as_u16(), &body["error"]["code"]), (503, &json!("unavailable")));
    assert!(full.headers().contains_key(header::RETRY_AFTER));
    drop(places);
    assert_eq!(status(&fixture, get("/ready")).await, 200);

    let over = loop {
        match status(&fixture, connect("")).await {
            204 => {}
            other => break other,
        }
    };
    assert_eq!(over, 429);

    fixture.state.lifecycle.advance(Stage::Draining);
    assert_eq!(status(&fixture, connect("")).await, 503);
    assert_eq!(status(&fixture, get("/ready")).await, 503);
    let (health, body) = ask(&fixture, get("/health")).await;
    assert_eq!((health.status().as_u16(), &body["status"]), (503, &json!("draining")));
}

#[actix_web::test]
async fn without_guests_nobody_reads() {
    let fixture = fixture(|auth, _| auth.guests = false).await;
    for path in ["/api/rooms", "/api/rooms/global/messages", "/api/connect", "/api/me"] {
        assert_eq!(status(&fixture, get(path)).await, 401, "{path}");
    }
    let cookie = logged_in(&fixture, "/api/login", "boss").await;
    assert_eq!(status(&fixture, get("/api/rooms").insert_header(cookie)).await, 200);
}

#[actix_web::test]
async fn connections_are_listed_by_pages() {
    let fixture = fixture(|_, _| ()).await;
    let key = &fixture.keys.iter().find(|(scope, _)| *scope == Scope::Read).unwrap().1;
    let (_, first) = ask(&fixture, with_key(get("/api/sessions?limit=2"), key)).await;
    assert_eq!((first["sessions"].as_array().unwrap().len(), &first["more"]), (2, &json!(true)));
    let next = format!("/api/sessions?limit=2&cursor={}", first["cursor"].as_str().unwrap());
    let (_, second) = ask(&fixture, with_key(get(&next), key)).await;
    assert_eq!((&second["sessions"][0]["session"], &second["more"]), (&json!("api-1:3"), &json!(false)));
    assert_eq!(status(&fixture, with_key(get("/api/sessions?cursor=other"), key)).await, 400);
    let long = format!("/api/sessions?q={}", "a".repeat(101));
    assert_eq!(status(&fixture, with_key(get(&long), key)).await, 400);
}

#[actix_web::test]
async fn a_flood_of_refusals_hides_no_fault() {
    let fixture = fixture(|_, _| ()).await;
    let key = &fixture.keys.iter().find(|(scope, _)| *scope == Scope::Admin).unwrap().1;
    let journal = &fixture.state.journal;
    journal.record(1, Note::new(Kind::Fault, "disk full"));
    for n in 0..300 {
        journal.record(2 + n, Note::new(Kind::Refusal, format!("no {n}")));
    }
    for path in ["/api/events", "/api/events?limit=100", "/api/events?all=true", "/api/events?all=true&limit=100"] {
        let (_, all) = ask(&fixture, with_key(get(path), key)).await;
        let events = all["events"].as_array().unwrap();
        assert_eq!(
            (&events[0]["detail"], &events.last().unwrap()["kind"]),
            (&json!("no 299"), &json!("fault")),
            "{path}"
        );
    }
    for path in ["/api/events?kind=fault", "/api/events?all=true&kind=fault&limit=1"] {
        let (_, faults) = ask(&fixture, with_key(get(path), key)).await;
        let events = faults["events"].as_array().unwrap();
        assert_eq!((events.len(), &events[0]["detail"]), (1, &json!("disk full")), "{path}");
    }
    assert_eq!(status(&fixture, with_key(get("/api/events?kind=other"), key)).await, 400);
}

#[actix_web::test]
async fn a_page_is_sent_once_and_then_known() {
    let fixture = fixture(|_, _| ()).await;
    let (page, _) = ask(&fixture, get("/")).await;
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers().get(header::CONTENT_TYPE).unwrap(), "text/html; charset=utf-8");
    let tag = page.headers().get(header::ETAG).unwrap().clone();
    assert_eq!(status(&fixture, get("/").insert_header((header::IF_NONE_MATCH, tag))).await, 304);
    assert_eq!(status(&fixture, get("/../Cargo.toml")).await, 404);
}

#[actix_web::test]
async fn a_slash_after_admin_leads_to_the_page() {
    let fixture = fixture(|_, _| ()).await;
    let (answer, _) = ask(&fixture, get("/admin/")).await;
    // Relative, so that it also leads there below another path.
    assert_eq!(answer.status(), StatusCode::PERMANENT_REDIRECT);
    assert_eq!(answer.headers().get(header::LOCATION).unwrap(), "../admin");
    assert_eq!(status(&fixture, get("/admin")).await, 200);
    assert_eq!(status(&fixture, get("/admin/x")).await, 404);
}
