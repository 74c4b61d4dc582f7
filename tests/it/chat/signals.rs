//! `typing` and `read`.

use std::time::Instant;

use crate::support::*;

#[tokio::test]
async fn typing_passes_once_in_three_seconds() {
    let server = Server::start();
    let mut ana = server.guest("Ana").await;
    let mut bob = server.guest("Bob").await;
    let start = Instant::now();
    ana.say(json!({"type": "typing", "id": 99})).await;
    let event = bob.expect_type("typing").await;
    assert_eq!(event, json!({"type": "typing", "room": "global", "user": ana.welcome["user"]}));
    // At four a second, well within the limits, until the second one passes.
    let mut sent = 1;
    let again = loop {
        ana.say(json!({"type": "typing"})).await;
        sent += 1;
        let wait = std::time::Duration::from_millis(250);
        if let Ok(event) = tokio::time::timeout(wait, bob.expect_type("typing")).await {
            break event;
        }
    };
    assert_eq!(again["user"], event["user"]);
    let after = start.elapsed().as_millis();
    assert!((2_900..4_500).contains(&after), "after {after} ms and {sent} commands");
    ana.settle().await;
    assert!(!ana.received.iter().any(|event| event["id"] == 99), "typing has no reply");
}

#[tokio::test]
async fn a_read_marker_is_clamped_and_only_rises() {
    let server = Server::with_jwt().start();
    let mut ana = server.dial().bearer(&token::of("ana", "member")).enter().await;
    let mut bob = server.guest("Bob").await;
    for text in ["one", "two", "three"] {
        bob.send_acked("global", text).await;
    }
    ana.expect(|event| event["text"] == "three").await;
    let read = |seq: u64| json!({"type": "read", "seq": seq});
    let ack = ana.acked(read(2)).await;
    assert!(ack.get("seq").is_none() && ack.get("duplicate").is_none(), "{ack}");
    let event = bob.expect_type("read").await;
    assert_eq!(event, json!({"type": "read", "room": "global", "user": ana.welcome["user"], "seq": 2}));
    assert_eq!(ana.join("global").await["read"], 2);
    ana.acked(read(1)).await;
    assert_eq!(ana.join("global").await["read"], 2, "below the marker: ignored");
    ana.acked(read(1_000)).await;
    assert_eq!(ana.join("global").await["read"], 3, "above the head: clamped");
    assert!(bob.join("global").await.get("read").is_none(), "no marker of his own");
}

#[tokio::test]
async fn read_passes_once_in_two_seconds() {
    let server = Server::start();
    let mut ana = server.guest("Ana").await;
    let mut bob = server.guest("Bob").await;
    for text in ["one", "two"] {
        ana.send_acked("global", text).await;
    }
    for seq in [1, 2] {
        ana.acked(json!({"type": "read", "seq": seq})).await;
    }
    bob.settle().await;
    bob.expect_type("read").await;
    let told = bob.received.iter().filter(|event| event["type"] == "read").count();
    assert_eq!(told, 1);
}

#[tokio::test]
async fn a_members_marker_outlives_the_server() {
    let mut server = Server::with_jwt().start();
    let ana = token::of("ana", "member");
    let mut client = server.dial().bearer(&ana).enter().await;
    client.send_acked("global", "one").await;
    client.expect_type("message").await;
    client.acked(json!({"type": "read", "seq": 1})).await;
    server.kill9();
    server.restart();
    let mut client = server.dial().bearer(&ana).rooms("").enter().await;
    assert_eq!(client.join("global").await["read"], 1);
}
