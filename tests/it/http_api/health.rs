//! How the server is, and what unknown paths and methods get.

use reqwest::Method;

use crate::support::*;

#[tokio::test]
async fn health_has_its_shape() {
    let server = Server::setup().env("INSTANCE_ID", "api-1").env("HOSTNAME", "host-1").start();
    for path in ["/health", "/api/health"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 200);
        let json = &answer.json;
        assert_eq!(
            (&json["status"], &json["instanceId"], &json["hostname"]),
            (&json!("healthy"), &json!("api-1"), &json!("host-1"))
        );
        assert!(json["uptime"].is_u64() && json["requests"].is_u64(), "{json}");
        rfc3339(&json["timestamp"]);
    }
    let (first, second) = (server.get("/health").await.json, server.get("/health").await.json);
    assert!(second["requests"].as_u64() > first["requests"].as_u64(), "each request counts");
    assert_eq!(server.get("/ready").await.status, 200);
    assert_eq!(server.get("/api/instance").await.json, json!({"instanceId": "api-1", "hostname": "host-1"}));
    assert_eq!(server.get("/api/connect").await.status, 204);
}

/// Asserts the form `2026-01-10T12:00:00.000Z`.
pub(super) fn rfc3339(value: &Value) {
    let text = value.as_str().unwrap();
    let form: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(form, "0000-00-00T00:00:00.000Z", "{text}");
}

#[tokio::test]
async fn instances_have_ids_of_their_own() {
    let (first, second) = (Server::start(), Server::start());
    let id = async |server: &Server| server.get("/api/instance").await.json["instanceId"].clone();
    assert_ne!(id(&first).await, id(&second).await);
}

#[tokio::test]
async fn unknown_paths_and_methods_get_errors_of_the_one_form() {
    let server = Server::start();
    for path in ["/nowhere", "/api/nowhere", "/../etc/passwd", "/js/none.js", "/.git/config"] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "{path}");
        assert!(answer.json["error"]["message"].is_string());
    }
    let answer = web::send(server.request(Method::DELETE, "/health")).await;
    assert_eq!(answer.status, 405);
    assert!(answer.header("allow").contains("GET") && answer.json["error"]["code"].is_string(), "{}", answer.text);
    let answer = server.get("/chat").await;
    assert_eq!(answer.status, 426, "no upgrade asked for");
}

#[tokio::test]
async fn bodies_are_bounded() {
    let server = Server::with_jwt().start();
    let text = "x".repeat(100_000);
    let answer = server.post_as("/api/rooms/global/messages", &token::of("ana", "member"), json!({"text": text})).await;
    assert_eq!(answer.status, 413);
    assert!(answer.json["error"]["code"].is_string());
}
