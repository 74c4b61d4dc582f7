//! Every error code a client can reach, and the connections that end by them.

use crate::support::*;

#[tokio::test]
async fn what_is_wrong_has_a_code_and_the_connection_lives_on() {
    let server = Server::start();
    let mut client = server.guest("Ana").await;
    for (command, code) in [
        (json!({"type": "dance"}), "unknown_type"),
        (json!({"type": "join", "room": "No Room"}), "invalid_room"),
        (json!({"type": "join", "room": "x".repeat(65)}), "invalid_room"),
        (json!({"type": "message", "text": ""}), "invalid_text"),
        (json!({"type": "message"}), "invalid_argument"),
        (json!({"type": "message", "text": 5}), "invalid_argument"),
        (json!({"type": "message", "text": "x", "key": "k".repeat(65)}), "invalid_argument"),
        (json!({"type": "message", "text": "x", "room": "elsewhere"}), "not_joined"),
        (json!({"type": "edit", "messageId": "x", "text": "x", "room": "elsewhere"}), "not_joined"),
        (json!({"type": "delete", "messageId": "x", "room": "elsewhere"}), "not_joined"),
        (json!({"type": "react", "messageId": "x", "emoji": "x", "on": true, "room": "elsewhere"}), "not_joined"),
        (json!({"type": "typing", "room": "elsewhere"}), "not_joined"),
        (json!({"type": "read", "seq": 1, "room": "elsewhere"}), "not_joined"),
        (json!({"type": "edit", "messageId": "x", "text": "x"}), "not_found"),
        (json!({"type": "delete", "messageId": "x"}), "not_found"),
        (json!({"type": "kick", "userId": "g:1"}), "forbidden"),
        (json!({"type": "read", "seq": 9_007_199_254_740_992_u64}), "invalid_argument"),
        (json!({"type": "join", "since": {"epoch": "x"}}), "invalid_argument"),
    ] {
        assert_eq!(client.refused(command.clone()).await, code, "{command}");
    }
    client.send_acked("global", "still here").await;
}

#[tokio::test]
async fn errors_name_the_room_they_are_about() {
    let server = Server::start();
    let mut client = server.guest("Ana").await;
    let error = client.ask(json!({"type": "message", "room": "elsewhere", "text": "x"})).await;
    assert_eq!((&error["room"], error.get("retryAfterMs")), (&json!("elsewhere"), None));
}

#[tokio::test]
async fn twenty_malformed_commands_a_minute_are_borne() {
    let server = Server::start();
    let mut client = server.guest("Ana").await;
    let long_id = json!({"type": "ping", "id": "x".repeat(65)}).to_string();
    for bad in ["", "?", "[]", "{}", "{\"type\":5}", "{\"type\":\"ping\",\"id\":{}}", "\"ping\"", &long_id] {
        client.say_raw(bad).await;
        assert_eq!(client.expect_type("error").await["code"], "malformed", "{bad}");
    }
    for _ in 8..20 {
        client.say_raw("?").await;
    }
    client.settle().await;
    client.say_raw("?").await;
    assert_eq!(client.closed().await, 4400);
    assert_eq!(client.received.iter().filter(|event| event["code"] == "malformed").count(), 21);
}

#[tokio::test]
async fn a_connection_is_in_so_many_rooms_and_no_more() {
    let server = Server::setup().env("HUBBUB__LIMITS__ROOMS_PER_CONNECTION", 3).start();
    let mut client = server.dial().rooms("a,b,c").enter().await;
    assert_eq!(client.welcome["limits"]["rooms"], 3);
    assert_eq!(client.refused(json!({"type": "join", "room": "d"})).await, "room_limit");
    client.join("a").await;
    client.acked(json!({"type": "leave", "room": "b"})).await;
    client.join("d").await;
}

#[tokio::test]
async fn an_instance_has_so_many_rooms_and_no_more() {
    let server = Server::setup().env("HUBBUB__LIMITS__LIVE_ROOMS", 2).start();
    let mut client = server.dial().rooms("a,b").enter().await;
    assert_eq!(client.refused(json!({"type": "join", "room": "c"})).await, "room_limit");
}

#[tokio::test]
async fn frames_that_are_not_text_or_too_big_close() {
    let server = Server::start();
    let mut client = server.guest("Ana").await;
    client.say_bytes(b"{}").await;
    assert_eq!(client.closed().await, 1003);
    let mut client = server.guest("Ana").await;
    let _ = client.try_say(&"x".repeat(65_537)).await;
    assert_eq!(client.closed().await, 1009);
    let mut client = server.guest("Ana").await;
    client.say_raw(&format!("{{\"type\":\"ping\",\"pad\":\"{}\"}}", "x".repeat(65_500))).await;
    client.expect_type("pong").await;
}
