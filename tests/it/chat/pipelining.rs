//! Commands sent in one go: they take effect in the order sent, and each is answered once.

use crate::support::*;

/// The answer to the command `id`.
fn answers(id: u64) -> impl FnMut(&Value) -> bool {
    move |event| event["id"] == id
}

/// A server that takes commands as fast as they come.
fn unlimited() -> Server {
    Server::setup().without_limits().start()
}

#[tokio::test]
async fn who_leaves_before_the_join_is_answered_is_not_in() {
    let server = Server::start();
    let mut client = server.dial().rooms("").enter().await;
    let mut other = server.guest("Bob").await;
    for _ in 0..20 {
        let join = client.begin(json!({"type": "join", "room": "side"})).await;
        let leave = client.begin(json!({"type": "leave", "room": "side"})).await;
        let joined = client.expect(answers(join)).await;
        client.expect(answers(leave)).await;
        // Either the join was answered first, or it says that it is void.
        assert!(joined["type"] == "joined" || joined["code"] == "not_joined", "{joined}");
        assert_eq!(client.refused(json!({"type": "message", "room": "side", "text": "hi"})).await, "not_joined");
    }
    other.join("side").await;
    other.send_acked("side", "anybody?").await;
    client.settle().await;
    assert!(client.received.iter().all(|event| event["type"] != "message"));
}

#[tokio::test]
async fn joins_of_one_room_are_answered_in_order_and_the_last_counts() {
    let server = unlimited();
    let mut writer = server.guest("Bob").await;
    let first = writer.send_acked("global", "0").await["seq"].as_u64().unwrap();
    for n in 1..=250 {
        writer.send_acked("global", &n.to_string()).await;
    }
    let mut client = server.guest("Ana").await;
    let here = client.join("global").await;
    let (epoch, head) = (here["epoch"].clone(), here["seq"].as_u64().unwrap());
    let since = |seq: u64| json!({"type": "join", "since": {"epoch": epoch, "seq": seq}});
    let old = client.begin(since(first)).await;
    let new = client.begin(since(head)).await;
    let old = client.expect(answers(old)).await;
    assert_eq!((&old["more"], &old["seq"]), (&json!(true), &json!(first + 200)));
    let new = client.expect(answers(new)).await;
    assert_eq!((&new["recovered"], &new["seq"]), (&json!(true), &json!(head)));
    writer.send_acked("global", "live").await;
    let live = client.expect(|event| event["type"] == "message" && event["text"] == "live").await;
    assert_eq!(live["seq"], head + 1);
}

#[tokio::test]
async fn a_burst_of_many_is_answered_message_by_message() {
    let server = unlimited();
    let mut clients = Vec::new();
    for n in 0..10 {
        clients.push(server.dial().rooms(&format!("room{n}")).enter().await);
    }
    for (room, client) in clients.iter_mut().enumerate() {
        for n in 0..1_000 {
            let text = format!("{n} at once");
            client.say(json!({"type": "message", "room": format!("room{room}"), "id": n, "text": text})).await;
        }
    }
    for client in &mut clients {
        let mut acked = 0;
        while acked < 1_000 {
            let event = client.next().await.unwrap();
            assert_ne!(event["type"], "error", "{event}");
            acked += u32::from(event["type"] == "ack");
        }
    }
}

#[tokio::test]
async fn many_rooms_with_long_histories_close_nobody() {
    let server = unlimited();
    let rooms: Vec<_> = (0..20).map(|n| format!("long{n}")).collect();
    let mut writer = server.dial().rooms(&rooms.join(",")).enter().await;
    for room in &rooms {
        for n in 0..50 {
            writer.send_acked(room, &format!("{n}{}", "x".repeat(3_500))).await;
        }
    }
    let mut reader = server.dial().rooms(&rooms.join(",")).receive_buffer(16 * 1024).enter().await;
    let told = |reader: &Client, room: &str| {
        reader.received.iter().any(|event| event["type"] == "joined" && event["room"] == room)
    };
    for room in &rooms {
        while !told(&reader, room) {
            reader.expect_type("joined").await;
        }
    }
    assert_eq!(reader.ask(json!({"type": "ping"})).await["type"], "pong");
}
