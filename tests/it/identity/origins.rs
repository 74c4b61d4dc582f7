//! Which pages may connect and change things.

use reqwest::Method;

use crate::support::*;

#[tokio::test]
async fn only_own_and_allowed_pages_connect() {
    let server = Server::setup().env("HUBBUB__AUTH__ALLOWED_ORIGINS", "https://chat.example.org").start();
    for foreign in ["null", "https://evil.example", "http://chat.example.org", "http://127.0.0.1:1"] {
        let refused = server.dial().header("origin", foreign).refused().await;
        assert_eq!((refused.status, refused.code()), (403, "forbidden"), "{foreign}");
    }
    let own = format!("http://{}", server.address);
    for good in [own.as_str(), "https://chat.example.org"] {
        let dial = server.dial().header("origin", good);
        dial.ask().await.unwrap();
        dial.enter().await;
    }
    server.dial().enter().await;
}

#[tokio::test]
async fn changes_by_cookie_need_an_own_origin() {
    let server = Server::start();
    let session = server.register("carol").await;
    let post = |origin: Option<&str>| {
        let request = reqwest::Client::new().request(Method::POST, server.url("/api/rooms/global/messages"));
        let request = request.header("cookie", format!("session={session}")).json(&json!({"text": "hi"}));
        match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        }
    };
    for bad in [None, Some("null"), Some("https://evil.example")] {
        let answer = web::send(post(bad)).await;
        assert_eq!((answer.status, answer.code()), (403, "forbidden"), "{bad:?}");
    }
    let own = format!("http://{}", server.address);
    assert_eq!(web::send(post(Some(&own))).await.status, 201);

    let logout = |origin: &str| {
        let request = reqwest::Client::new().post(server.url("/api/logout"));
        request.header("cookie", format!("session={session}")).header("origin", origin.to_owned())
    };
    assert_eq!(web::send(logout("https://evil.example")).await.status, 403);
    server.dial().cookie(&session).enter().await;
}

#[tokio::test]
async fn a_bearer_needs_no_origin() {
    let server = Server::with_jwt().start();
    let request = reqwest::Client::new().post(server.url("/api/rooms/global/messages"));
    let request = request.bearer_auth(token::of("ana", "member")).json(&json!({"text": "hi"}));
    assert_eq!(web::send(request).await.status, 201);
}
