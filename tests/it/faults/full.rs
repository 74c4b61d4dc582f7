//! A store that takes no more: refused and shown, and nothing is told that is not kept.

use crate::support::*;

#[tokio::test]
async fn a_full_store_refuses_and_health_shows_it() {
    let server = Server::with_jwt().env("HUBBUB__STORE__MAX_BYTES", 400_000).without_limits().start();
    let mut writer = server.guest("Writer").await;
    let mut reader = server.guest("Reader").await;
    let text = "x".repeat(4_000);
    let mut acked = 0;
    let refused = loop {
        let answer = writer.ask(json!({"type": "message", "text": text})).await;
        match answer["type"].as_str() {
            Some("ack") => acked += 1,
            _ => break answer,
        }
        assert!(acked < 500, "it takes everything");
    };
    assert!(acked > 0);
    assert_eq!(refused["code"], "unavailable");
    assert!(refused["retryAfterMs"].as_u64().is_some_and(|ms| ms > 0), "{refused}");

    let health = server.get("/health").await;
    assert_eq!((health.status, &health.json["status"]), (200, &json!("degraded")));
    let metrics = server.get_as("/metrics", &token::admin()).await.json;
    assert_eq!(metrics["pubsub"]["isDegraded"], true);
    assert!(metrics["pubsub"]["publishFailures"].as_u64() > Some(0));
    let over_http = server.post_as("/api/rooms/global/messages", &token::admin(), json!({"text": text})).await;
    assert_eq!((over_http.status, over_http.code()), (503, "unavailable"));

    reader.expect(|event| event["type"] == "message" && event["seq"] == acked).await;
    reader.settle().await;
    let told = reader.received.iter().filter(|event| event["type"] == "message").count();
    assert_eq!(told, acked, "what is not kept is told to nobody");
    let page = reader.ask(json!({"type": "history", "limit": 1})).await;
    assert_eq!(page["entries"][0]["seq"], acked, "reading goes on");
}
