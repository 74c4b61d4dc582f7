//! The first event, and the rooms of the handshake.

use std::collections::BTreeSet;

use crate::support::*;

#[tokio::test]
async fn a_guest_is_told_who_it_is_and_what_is_allowed() {
    let server = Server::setup().env("INSTANCE_ID", "api-1").start();
    let client = server.guest("Ana").await;
    let welcome = &client.welcome;
    assert_eq!(welcome["protocol"], 1);
    assert_eq!(welcome["instance"], "api-1");
    assert_eq!(welcome["mode"], "standalone");
    assert_eq!(welcome["heartbeatMs"], 25_000);
    assert_eq!(
        welcome["limits"],
        json!({"frame": 65_536, "text": 4_000, "key": 64, "rooms": 50, "history": 200, "idempotencyMs": 600_000})
    );
    assert_eq!(welcome["user"]["name"], "Ana");
    assert_eq!(welcome["user"]["role"], "guest");
    let (kind, random) = welcome["user"]["id"].as_str().unwrap().split_once(':').unwrap();
    assert_eq!((kind, random.len()), ("g", 32));
    assert!(random.chars().all(|c| c.is_ascii_hexdigit()));
    assert!(welcome["resumeToken"].is_string() && welcome["session"].is_string());
    assert_eq!(client.received[0]["type"], "welcome");
}

#[tokio::test]
async fn without_rooms_named_it_is_global() {
    let server = Server::start();
    let client = server.guest("Ana").await;
    assert_eq!(client.received[1]["type"], "joined");
    assert_eq!(client.received[1]["room"], "global");
}

#[tokio::test]
async fn the_rooms_of_the_query_are_joined() {
    let server = Server::start();
    let mut client = server.dial().rooms("b,a").enter().await;
    client.settle().await;
    // Each is answered when its log was read; the contract promises no order of answers.
    let joined = client.received.iter().filter(|event| event["type"] == "joined");
    assert_eq!(
        joined.map(|event| event["room"].as_str().unwrap()).collect::<BTreeSet<_>>(),
        BTreeSet::from(["a", "b"])
    );
}

#[tokio::test]
async fn an_empty_list_of_rooms_joins_none() {
    let server = Server::start();
    let mut client = server.dial().rooms("").enter().await;
    assert_eq!(client.refused(json!({"type": "message", "text": "hi"})).await, "not_joined");
    assert!(client.received.iter().all(|event| event["type"] != "joined"));
}

#[tokio::test]
async fn names_that_may_not_be_joined_are_told_after_the_welcome() {
    let server =
        Server::setup().config("[[rooms]]\nmatch = \"staff.*\"\njoin = \"member\"\npost = \"admin\"\n").start();
    let mut client = server.dial().rooms("good,No,staff.a").open().await.unwrap();
    let bad = client.expect(|event| event["code"] == "invalid_room").await;
    let forbidden = client.expect(|event| event["code"] == "forbidden").await;
    assert_eq!((&bad["type"], &bad["room"]), (&json!("error"), &json!("No")));
    assert_eq!((&forbidden["type"], &forbidden["room"]), (&json!("error"), &json!("staff.a")));
    client.expect(|event| event["type"] == "joined" && event["room"] == "good").await;
    assert_eq!(client.received[0]["type"], "welcome");
}

#[tokio::test]
async fn rules_of_rooms_tell_who_may_join_and_who_may_post() {
    let rules = "[[rooms]]\nmatch = \"staff.*\"\njoin = \"member\"\npost = \"admin\"\n";
    let server = Server::with_jwt().config(rules).start();
    let mut guest = server.guest("Ana").await;
    for command in ["join", "history", "who"] {
        assert_eq!(guest.refused(json!({"type": command, "room": "staff.a"})).await, "forbidden");
    }
    let mut member = server.dial().bearer(&token::of("bob", "member")).rooms("staff.a").enter().await;
    let say = json!({"type": "message", "room": "staff.a", "text": "hi"});
    assert_eq!(member.refused(say.clone()).await, "forbidden");
    let mut admin = server.dial().bearer(&token::admin()).rooms("staff.a").enter().await;
    admin.acked(say).await;
    member.expect_type("message").await;
}

#[tokio::test]
async fn a_room_without_members_and_entries_does_not_exist() {
    let server = Server::start();
    let mut client = server.dial().rooms("empty,kept").enter().await;
    client.send_acked("kept", "hi").await;
    client.close().await;
    until("the empty room to go", async || {
        let rooms = server.get("/api/rooms").await.json["rooms"].clone();
        (rooms.as_array()?.len() == 1 && rooms[0]["room"] == "kept" && rooms[0]["members"] == 0).then_some(())
    })
    .await;
}
