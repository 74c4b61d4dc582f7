//! `edit`, `delete` and `react`: who may, what changes nothing, and what is gone afterwards.

use crate::support::*;

/// A server with Ana, Bob and an administrator in `global`, and a message of Ana's.
async fn scene() -> (Server, Client, Client, Client, Value) {
    let server = Server::with_jwt().start();
    let mut ana = server.guest("Ana").await;
    let mut bob = server.guest("Bob").await;
    let mut admin = server.dial().bearer(&token::admin()).enter().await;
    let message = ana.send_acked("global", "first words").await["messageId"].clone();
    for client in [&mut ana, &mut bob, &mut admin] {
        client.expect_type("message").await;
    }
    (server, ana, bob, admin, message)
}

fn edit(message: &Value, text: &str) -> Value {
    json!({"type": "edit", "messageId": message, "text": text})
}

fn delete(message: &Value) -> Value {
    json!({"type": "delete", "messageId": message})
}

fn react(message: &Value, emoji: &str, on: bool) -> Value {
    json!({"type": "react", "messageId": message, "emoji": emoji, "on": on})
}

#[tokio::test]
async fn authors_edit_and_nobody_else() {
    let (_server, mut ana, mut bob, mut admin, message) = scene().await;
    assert_eq!(bob.refused(edit(&message, "mine")).await, "forbidden");
    assert_eq!(admin.refused(edit(&message, "mine")).await, "forbidden");
    let ack = ana.acked(edit(&message, "better words")).await;
    assert_eq!((&ack["seq"], &ack["duplicate"]), (&json!(2), &json!(false)));
    let event = bob.expect_type("edited").await;
    assert_eq!(
        event,
        json!({"type": "edited", "room": "global", "seq": 2, "ts": event["ts"], "messageId": message,
               "text": "better words", "by": ana.welcome["user"]})
    );
    let same = ana.acked(edit(&message, "better words")).await;
    assert_eq!(same["duplicate"], true);
    let next = ana.send_acked("global", "next").await;
    assert_eq!(next["seq"], 3, "a change of nothing logs nothing");
    assert_eq!(ana.refused(edit(&json!("nothing"), "x")).await, "not_found");
}

#[tokio::test]
async fn the_same_user_edits_over_another_connection() {
    let (_server, ana, _bob, _admin, message) = scene().await;
    let mut tab = ana.again().enter().await;
    tab.acked(edit(&message, "from another tab")).await;
}

#[tokio::test]
async fn authors_and_admins_delete() {
    let (_server, mut ana, mut bob, mut admin, message) = scene().await;
    assert_eq!(bob.refused(delete(&message)).await, "forbidden");
    let ack = admin.acked(delete(&message)).await;
    assert_eq!((&ack["seq"], &ack["duplicate"]), (&json!(2), &json!(false)));
    let event = bob.expect_type("deleted").await;
    assert_eq!(
        event,
        json!({"type": "deleted", "room": "global", "seq": 2, "ts": event["ts"], "messageId": message,
               "by": admin.welcome["user"]})
    );
    assert_eq!(ana.acked(delete(&message)).await["duplicate"], true);
    let own = ana.send_acked("global", "mine").await["messageId"].clone();
    assert_eq!(ana.acked(delete(&own)).await["duplicate"], false);
}

#[tokio::test]
async fn a_delete_takes_the_text_and_that_of_its_edits() {
    let (_server, mut ana, mut bob, _admin, message) = scene().await;
    ana.acked(edit(&message, "second words")).await;
    ana.acked(delete(&message)).await;
    let page = bob.ask(json!({"type": "history"})).await;
    let entries = page["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((&entries[0]["deleted"], &entries[0]["text"]), (&json!(true), &json!("")));

    let epoch = bob.join("global").await["epoch"].clone();
    let joined = bob.join_since("global", &epoch, 0).await;
    let raw = joined["entries"].as_array().unwrap();
    assert_eq!(
        raw.iter().map(|entry| entry["type"].as_str().unwrap()).collect::<Vec<_>>(),
        ["message", "edited", "deleted"]
    );
    for entry in &raw[..2] {
        assert_eq!((&entry["deleted"], &entry["text"]), (&json!(true), &json!("")), "{entry}");
    }
    assert!(!joined.to_string().contains("words"));
}

#[tokio::test]
async fn a_deleted_text_is_in_no_file() {
    let (mut server, mut ana, _bob, _admin, _) = scene().await;
    let message = ana.send_acked("global", "zweiundvierzig Geheimnisse").await["messageId"].clone();
    ana.acked(delete(&message)).await;
    server.term();
    assert_eq!(server.exit_code(), Some(0));
    for file in std::fs::read_dir(server.folder().join("data")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(14).any(|window| window == b"zweiundvierzig"));
    }
}

#[tokio::test]
async fn reactions_go_on_and_off_once() {
    let (_server, mut ana, mut bob, _admin, message) = scene().await;
    let ack = bob.acked(react(&message, "👍", true)).await;
    assert_eq!((&ack["seq"], &ack["duplicate"]), (&json!(2), &json!(false)));
    let event = ana.expect_type("reaction").await;
    assert_eq!(
        event,
        json!({"type": "reaction", "room": "global", "seq": 2, "ts": event["ts"], "messageId": message,
               "emoji": "👍", "on": true, "by": bob.welcome["user"]})
    );
    assert_eq!(bob.acked(react(&message, "👍", true)).await["duplicate"], true);
    assert_eq!(ana.acked(react(&message, "👍", false)).await["duplicate"], true, "it never was on for her");
    ana.acked(react(&message, "👍", true)).await;
    ana.acked(react(&message, "🎉", true)).await;
    let seen = bob.ask(json!({"type": "history"})).await["entries"][0]["reactions"].clone();
    assert_eq!(seen, json!([{"emoji": "👍", "count": 2, "mine": true}, {"emoji": "🎉", "count": 1, "mine": false}]));
    assert_eq!(bob.acked(react(&message, "👍", false)).await["duplicate"], false);
    assert_eq!(bob.acked(react(&message, "👍", false)).await["duplicate"], true);
    let seen = ana.ask(json!({"type": "history"})).await["entries"][0]["reactions"].clone();
    assert_eq!(seen[0], json!({"emoji": "👍", "count": 1, "mine": true}));
}

#[tokio::test]
async fn a_message_takes_twenty_different_emoji() {
    let (_server, mut ana, mut bob, _admin, message) = scene().await;
    let emoji = |n: u32| char::from_u32(0x1F600 + n).unwrap().to_string();
    for n in 0..20 {
        ana.acked(react(&message, &emoji(n), true)).await;
    }
    assert_eq!(bob.refused(react(&message, &emoji(20), true)).await, "invalid_argument");
    bob.acked(react(&message, &emoji(3), true)).await;
    for bad in ["", "a b", &"x".repeat(33), "\u{7}"] {
        assert_eq!(bob.refused(react(&message, bad, true)).await, "invalid_argument", "{bad:?}");
    }
}

#[tokio::test]
async fn what_is_deleted_takes_no_edits_and_reactions() {
    let (_server, mut ana, _bob, _admin, message) = scene().await;
    ana.acked(delete(&message)).await;
    assert_eq!(ana.refused(edit(&message, "back")).await, "not_found");
    assert_eq!(ana.refused(react(&message, "👍", true)).await, "not_found");
}
