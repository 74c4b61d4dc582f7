//! `message`: its ack, its event, its key.

use crate::support::*;

#[tokio::test]
async fn a_message_is_acked_and_comes_to_everyone_with_its_number() {
    let server = Server::setup().env("INSTANCE_ID", "api-1").start();
    let mut ana = server.guest("Ana").await;
    let mut bob = server.guest("Bob").await;
    let ack = ana.acked(json!({"type": "message", "text": "  hello \n there ", "key": "k1"})).await;
    assert_eq!((&ack["seq"], &ack["duplicate"]), (&json!(1), &json!(false)));
    for client in [&mut ana, &mut bob] {
        let event = client.expect_type("message").await;
        let wanted = json!({
            "type": "message", "room": "global", "seq": 1, "ts": ack["ts"], "id": ack["messageId"], "key": "k1",
            "from": {"id": event["from"]["id"], "name": "Ana", "role": "guest"}, "text": "hello \n there", "instance": "api-1",
        });
        assert_eq!(event, wanted);
    }
    assert!(ack["ts"].as_i64().is_some_and(|ts| (ts / 1_000 - token::now()).abs() < 60));
    let answer = bob.acked(json!({"type": "message", "text": "hi", "replyTo": ack["messageId"]})).await;
    let event = ana.expect(|event| event["text"] == "hi").await;
    assert_eq!((&event["replyTo"], &event["id"]), (&ack["messageId"], &answer["messageId"]));
    assert!(event.get("key").is_none());
}

#[tokio::test]
async fn ids_of_commands_are_repeated_as_they_were() {
    let server = Server::start();
    let mut client = server.guest("Ana").await;
    for id in [json!("text"), json!(7), json!(-1), json!(0), json!("x".repeat(64))] {
        client.say(json!({"type": "ping", "id": id})).await;
        assert_eq!(client.expect_type("pong").await["id"], id);
    }
    client.say(json!({"type": "message", "text": "hi"})).await;
    let ack = client.expect_type("ack").await;
    assert!(ack.get("id").is_none() && ack["seq"] == 1, "a reply without id is still sent: {ack}");
    client.say(json!({"type": "ping", "unknown": {"field": [1]}})).await;
    let pong = client.expect_type("pong").await;
    assert!(pong["ts"].is_u64() && pong.get("id").is_none());
}

#[tokio::test]
async fn commands_take_effect_in_the_order_sent() {
    let server = Server::start();
    let mut client = server.dial().rooms("").enter().await;
    for command in [
        json!({"type": "join", "room": "a"}),
        json!({"type": "message", "room": "a", "text": "one"}),
        json!({"type": "message", "room": "a", "text": "two"}),
        json!({"type": "leave", "room": "a"}),
        json!({"type": "message", "room": "a", "text": "three"}),
    ] {
        client.begin(command).await;
    }
    assert_eq!(client.expect(|event| event["id"] == 5).await["code"], "not_joined");
    assert_eq!(client.expect(|event| event["id"] == 2).await["seq"], 1);
    assert_eq!(client.expect(|event| event["id"] == 3).await["seq"], 2);
    let joined = client.join("a").await;
    assert_eq!(joined["seq"], 2);
}

#[tokio::test]
async fn a_retry_with_the_same_key_is_the_first_ack_again() {
    let server = Server::start();
    let mut client = server.guest("Ana").await;
    let say = |key: &str, text: &str| json!({"type": "message", "text": text, "key": key});
    let first = client.acked(say("k", "once")).await;
    let again = client.acked(say("k", "another text")).await;
    assert_eq!(again["duplicate"], true);
    for field in ["messageId", "seq", "ts"] {
        assert_eq!(first[field], again[field], "{field}");
    }
    let other = client.acked(say("other", "twice")).await;
    assert_eq!(other["seq"], 2);
    client.settle().await;
    let texts: Vec<_> = client.received.iter().filter(|event| event["type"] == "message").map(|e| &e["text"]).collect();
    assert_eq!(texts, ["once", "twice"]);
}

#[tokio::test]
async fn a_key_belongs_to_the_user_and_the_room() {
    let server = Server::start();
    let mut ana = server.dial().rooms("a,b").enter().await;
    let mut bob = server.dial().rooms("a").enter().await;
    let say = |room: &str| json!({"type": "message", "room": room, "text": "hi", "key": "k"});
    for (client, room) in [(&mut ana, "a"), (&mut bob, "a")] {
        assert_eq!(client.acked(say(room)).await["duplicate"], false);
    }
    assert_eq!(ana.acked(say("b")).await["duplicate"], false);
    let mut tab = ana.again().rooms("a").enter().await;
    assert_eq!(tab.id(), ana.id());
    assert_eq!(tab.acked(say("a")).await["duplicate"], true);
}

#[tokio::test]
async fn a_key_is_remembered_through_a_kill() {
    let mut server = Server::start();
    let mut client = server.guest("Ana").await;
    let say = json!({"type": "message", "text": "once", "key": "k"});
    let first = client.acked(say.clone()).await;
    let again = client.again();
    server.kill9();
    server.restart();
    let mut client = again.enter().await;
    let retry = client.acked(say).await;
    assert_eq!((&retry["duplicate"], &retry["messageId"]), (&json!(true), &first["messageId"]));
    assert_eq!(client.join("global").await["seq"], 1);
}

#[tokio::test]
async fn retries_sent_at_once_are_one_message() {
    let server = Server::start();
    let mut client = server.guest("Ana").await;
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.push(client.begin(json!({"type": "message", "text": "once", "key": "k"})).await);
    }
    let mut fresh = 0;
    for id in ids {
        let ack = client.expect(|event| event["id"] == id).await;
        assert_eq!(ack["seq"], 1);
        fresh += usize::from(ack["duplicate"] == false);
    }
    assert_eq!(fresh, 1);
}

#[tokio::test]
async fn a_reply_to_what_the_log_does_not_hold_is_not_found() {
    let server = Server::start();
    let mut client = server.dial().rooms("a,b").enter().await;
    let ack = client.send_acked("a", "hi").await;
    for (room, target) in [("a", json!("nothing")), ("b", ack["messageId"].clone())] {
        let reply = json!({"type": "message", "room": room, "text": "re", "replyTo": target});
        assert_eq!(client.refused(reply).await, "not_found");
    }
}

#[tokio::test]
async fn texts_keep_their_rule() {
    let server = Server::start();
    let mut client = server.guest("Ana").await;
    for bad in ["", "  \n\t ", "bell\u{7}", "\u{200b}\u{200d}", &"x".repeat(4_001)] {
        assert_eq!(client.refused(json!({"type": "message", "text": bad})).await, "invalid_text", "{bad:?}");
    }
    for good in ["a", "tab\tand\nline", &"é".repeat(4_000), &format!(" {} ", "x".repeat(4_000)), "👩‍👩‍👧"]
    {
        client.send_acked("global", good).await;
    }
}
