//! API keys and what each opens.

use reqwest::Method;

use crate::support::*;

const METRICS: &str = "a metrics key of 32 characters or more";
const ROTATED: &str = "the next metrics key of 32 characters or more";
const READER: &str = "a key of the tests that reads";
const POSTER: &str = "a key of the tests that posts";
const ADMIN: &str = "a key of the tests that administers";

fn hash(key: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn server() -> Server {
    let entry = |name: &str, key: &str, scope: &str| {
        format!("[[api_keys]]\nname = \"{name}\"\nsha256 = \"{}\"\nscopes = [\"{scope}\"]\n", hash(key))
    };
    let keys = [entry("reader", READER, "read"), entry("poster", POSTER, "post"), entry("boss", ADMIN, "admin")];
    Server::with_jwt().env("METRICS_API_KEY", format!("{METRICS},{ROTATED}")).config(&keys.concat()).start()
}

#[tokio::test]
async fn each_scope_opens_its_own_routes_only() {
    let server = server();
    let id = server.get("/api/instance").await.json["instanceId"].as_str().unwrap().to_owned();
    let routes = [
        (Method::GET, "/metrics".to_owned(), "metrics"),
        (Method::GET, "/metrics/prometheus".to_owned(), "metrics"),
        (Method::GET, "/api/sessions/stats".to_owned(), "metrics read"),
        (Method::GET, "/api/sessions".to_owned(), "read"),
        (Method::GET, "/api/rooms/global/messages".to_owned(), "read"),
        (Method::GET, "/api/rooms/global/presence".to_owned(), "read"),
        (Method::POST, "/api/rooms/global/messages".to_owned(), "post"),
        (Method::DELETE, "/api/users/g:1/connections".to_owned(), "admin"),
        (Method::GET, "/api/events".to_owned(), "admin"),
        (Method::POST, format!("/api/instances/{id}x/drain"), "admin"),
    ];
    for (method, path, opened_by) in routes {
        for (scope, key) in
            [("metrics", METRICS), ("metrics", ROTATED), ("read", READER), ("post", POSTER), ("admin", ADMIN)]
        {
            let request = server.request(method.clone(), &path).bearer_auth(key).json(&json!({"text": "hi"}));
            let answer = web::send(request).await;
            let forbidden = answer.status == 403;
            assert_eq!(forbidden, !opened_by.contains(scope), "{method} {path} with '{scope}': {}", answer.status);
            assert!(forbidden || [200, 201, 404].contains(&answer.status), "{method} {path}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn no_key_or_a_wrong_one_is_401_and_counted() {
    let server = server();
    for path in ["/metrics", "/api/sessions", "/api/sessions/stats", "/api/events"] {
        assert_eq!(server.get(path).await.status, 401, "{path}");
        let wrong = server.get_as(path, "a key that nobody was given, ever").await;
        assert_eq!((wrong.status, wrong.code()), (401, "unauthorized"), "{path}");
        assert_eq!(server.get_as(path, &token::of("bob", "member")).await.status, 403, "{path}");
        assert_eq!(server.get_as(path, &token::admin()).await.status, 200, "{path}");
    }
    assert_eq!(server.metric(METRICS, "hubbub_auth_failures_total{kind=\"key\"}").await, 4.0);
}

#[tokio::test]
async fn without_a_metrics_key_only_admins_see_them() {
    let server = Server::with_jwt().start();
    assert_eq!(server.get("/metrics").await.status, 401);
    assert_eq!(server.get_as("/metrics", &token::admin()).await.status, 200);
}

#[tokio::test]
async fn a_bot_posts_under_its_name() {
    let server = server();
    let mut reader = server.guest("Ana").await;
    let posted = server.post_as("/api/rooms/global/messages", POSTER, json!({"text": "beep"})).await;
    assert_eq!(posted.status, 201, "{}", posted.text);
    let event = reader.expect_type("message").await;
    assert_eq!(event["from"], json!({"id": "bot:poster", "name": "poster", "role": "member"}));
    assert_eq!(event["id"], posted.json["messageId"]);
}

#[tokio::test]
async fn keys_have_a_rate() {
    let server = Server::setup()
        .env("METRICS_API_KEY", METRICS)
        .env("HUBBUB__LIMITS__API_PER_SECOND", 1)
        .env("HUBBUB__LIMITS__API_BURST", 2)
        .start();
    for _ in 0..2 {
        assert_eq!(server.get_as("/metrics", METRICS).await.status, 200);
    }
    let refused = server.get_as("/metrics", METRICS).await;
    assert_eq!((refused.status, refused.code()), (429, "rate_limited"));
    assert!(!refused.header("retry-after").is_empty());
}
