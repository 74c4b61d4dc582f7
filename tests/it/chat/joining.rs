//! Positions: where a `join` puts a client, from nowhere and from a position it knows.

use crate::support::*;

/// What opens the metrics.
const KEY: &str = "a metrics key of 32 characters or more";

/// A server whose writers are not held back.
pub(super) fn unlimited() -> Server {
    Server::setup().without_limits().start()
}

/// Says `count` messages and waits for all acks.
pub(super) async fn fill(client: &mut Client, room: &str, count: usize) {
    let mut ids = Vec::new();
    for n in 1..=count {
        ids.push(client.begin(json!({"type": "message", "room": room, "text": format!("{n}")})).await);
    }
    for id in ids {
        let ack = client.expect(|event| event["id"] == id).await;
        assert_eq!(ack["type"], "ack", "{ack}");
    }
}

fn texts(entries: &Value) -> Vec<&str> {
    entries.as_array().unwrap().iter().map(|entry| entry["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_empty_room_has_an_epoch_and_stands_at_zero() {
    let server = Server::start();
    let mut client = server.dial().rooms("").enter().await;
    let joined = client.join("new").await;
    assert!(joined["epoch"].is_string());
    assert_eq!(joined["seq"], 0);
    assert_eq!(joined["recovered"], false);
    assert_eq!(joined["more"], false);
    assert_eq!(joined["entries"], json!([]));
    assert_eq!(joined["presence"], json!({"guests": 1, "members": 0, "admins": 0}));
    let ack = client.send_acked("new", "first").await;
    assert_eq!(ack["seq"], 1);
}

#[tokio::test]
async fn without_since_the_last_fifty_messages_come_as_they_are_now() {
    let server = unlimited();
    let mut writer = server.guest("Ana").await;
    fill(&mut writer, "global", 60).await;
    let first =
        writer.received.iter().find(|event| event["type"] == "message" && event["text"] == "55").unwrap().clone();
    writer.acked(json!({"type": "edit", "messageId": first["id"], "text": "fifty-five"})).await;
    writer.acked(json!({"type": "react", "messageId": first["id"], "emoji": "👍", "on": true})).await;

    let mut reader = server.dial().rooms("").enter().await;
    let joined = reader.join("global").await;
    assert_eq!(joined["seq"], 62);
    assert_eq!(joined["recovered"], false);
    let entries = joined["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 50);
    assert_eq!((&entries[0]["text"], &entries[49]["text"]), (&json!("11"), &json!("60")));
    assert_eq!(entries[44]["text"], "fifty-five");
    assert!(entries[44]["editedTs"].is_u64());
    assert_eq!(entries[44]["reactions"], json!([{"emoji": "👍", "count": 1, "mine": false}]));
    assert_eq!(entries[43]["reactions"], json!([]));
}

#[tokio::test]
async fn since_gives_the_raw_entries_after_it() {
    let server = Server::start();
    let mut writer = server.guest("Ana").await;
    let ack = writer.send_acked("global", "one").await;
    writer.send_acked("global", "two").await;
    writer.acked(json!({"type": "edit", "messageId": ack["messageId"], "text": "uno"})).await;

    let mut reader = server.dial().rooms("").enter().await;
    let epoch = reader.join("global").await["epoch"].clone();
    let joined = reader.join_since("global", &epoch, 1).await;
    assert_eq!((&joined["recovered"], &joined["more"], &joined["seq"]), (&json!(true), &json!(false), &json!(3)));
    let entries = joined["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(
        (&entries[0]["type"], &entries[0]["seq"], &entries[0]["text"]),
        (&json!("message"), &json!(2), &json!("two"))
    );
    assert_eq!(
        (&entries[1]["type"], &entries[1]["seq"], &entries[1]["text"]),
        (&json!("edited"), &json!(3), &json!("uno"))
    );
    assert!(entries[0].get("reactions").is_none());

    let joined = reader.join_since("global", &epoch, 3).await;
    assert_eq!((&joined["recovered"], &joined["entries"]), (&json!(true), &json!([])));
}

#[tokio::test]
async fn more_than_a_page_comes_in_pages_and_live_events_start_after_the_last() {
    let server = unlimited();
    let mut writer = server.guest("Ana").await;
    fill(&mut writer, "global", 450).await;
    let mut reader = server.dial().rooms("").enter().await;
    let epoch = reader.join("global").await["epoch"].clone();
    reader.acked(json!({"type": "leave", "room": "global"})).await;

    let mut at = 0;
    let mut pages = Vec::new();
    loop {
        let joined = reader.join_since("global", &epoch, at).await;
        assert_eq!(joined["recovered"], true);
        pages.push(texts(&joined["entries"]).len());
        at = joined["seq"].as_u64().unwrap();
        if joined["more"] == false {
            break;
        }
        if pages.len() == 1 {
            writer.send_acked("global", "meanwhile").await;
        }
    }
    assert_eq!(pages, [200, 200, 51]);
    assert!(reader.received.iter().all(|event| event["type"] != "message"), "nothing live before the last page");
    writer.send_acked("global", "live").await;
    assert_eq!(reader.expect_type("message").await["seq"], 452);
}

#[tokio::test]
async fn pages_are_bounded_in_bytes_too() {
    let server = unlimited();
    let mut writer = server.guest("Ana").await;
    let text = "é".repeat(4_000);
    for _ in 0..50 {
        writer.send_acked("global", &text).await;
    }
    let mut reader = server.dial().rooms("").enter().await;
    let epoch = reader.join("global").await["epoch"].clone();
    let joined = reader.join_since("global", &epoch, 0).await;
    assert_eq!((&joined["recovered"], &joined["more"]), (&json!(true), &json!(true)));
    let entries = joined["entries"].as_array().unwrap();
    assert!(entries.len() < 50 && entries.len() > 10, "{}", entries.len());
    assert_eq!(joined["seq"], entries.last().unwrap()["seq"]);
    assert!(joined["entries"].to_string().len() <= 256 * 1024);
}

#[tokio::test]
async fn a_since_that_the_log_does_not_cover_gives_what_no_since_gives() {
    let server = Server::setup().env("HUBBUB__HISTORY__MAX_ENTRIES", 10).without_limits().start();
    let mut writer = server.guest("Ana").await;
    fill(&mut writer, "global", 5).await;
    let mut reader = server.dial().rooms("").enter().await;
    let epoch = reader.join("global").await["epoch"].clone();

    for (epoch, seq) in [(json!("another"), 2), (epoch.clone(), 6)] {
        let joined = reader.join_since("global", &epoch, seq).await;
        assert_eq!((&joined["recovered"], &joined["seq"]), (&json!(false), &json!(5)));
        assert_eq!(texts(&joined["entries"]), ["1", "2", "3", "4", "5"]);
    }

    // Trimming has slack, so that not every message costs one.
    until("the log to be trimmed", async || {
        fill(&mut writer, "global", 50).await;
        (reader.join_since("global", &epoch, 2).await["recovered"] == false).then_some(())
    })
    .await;
}

#[tokio::test]
async fn joining_again_positions_afresh() {
    let server = Server::start();
    let mut client = server.guest("Ana").await;
    client.send_acked("global", "one").await;
    let again = client.join("global").await;
    assert_eq!((&again["seq"], texts(&again["entries"])), (&json!(1), vec!["one"]));
    assert_eq!(again["presence"]["guests"], 1, "still one user");
    client.send_acked("global", "two").await;
    client.expect(|event| event["type"] == "message" && event["text"] == "two").await;
    client.settle().await;
    let live = client.received.iter().filter(|event| event["type"] == "message").count();
    assert_eq!(live, 2, "each once");
}

#[tokio::test]
async fn who_left_is_told_nothing_more() {
    let server = Server::start();
    let mut gone = server.guest("Ana").await;
    let mut writer = server.guest("Bob").await;
    gone.acked(json!({"type": "leave", "room": "global"})).await;
    writer.send_acked("global", "hi").await;
    gone.settle().await;
    assert!(gone.received.iter().all(|event| event["type"] != "message"));
    assert_eq!(gone.refused(json!({"type": "message", "text": "hi"})).await, "not_joined");
    gone.acked(json!({"type": "leave", "room": "global"})).await;
}

/// How often the server has read logs.
async fn log_reads(server: &Server) -> u64 {
    let page = server.get_as("/metrics/prometheus", KEY).await.text;
    let line = page.lines().find(|line| line.starts_with("hubbub_log_reads_total ")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_storm_of_joins_reads_the_log_once() {
    let unlimited = Server::setup()
        .without_limits()
        .env("METRICS_API_KEY", KEY)
        // What was read is kept for a round of presence or two; here for the whole test.
        .env("PRESENCE_DEBOUNCE_MS", 60_000);
    let server = unlimited.start();
    let mut writer = server.guest("Ana").await;
    fill(&mut writer, "global", 60).await;
    let epoch = writer.received.iter().find(|event| event["type"] == "joined").unwrap()["epoch"].clone();

    let mut clients = Vec::new();
    for _ in 0..30 {
        clients.push(server.dial().rooms("").enter().await);
    }
    let before = log_reads(&server).await;
    for client in &mut clients {
        assert_eq!(client.join("global").await["entries"].as_array().unwrap().len(), 50);
    }
    assert_eq!(log_reads(&server).await, before, "the last messages are at hand");

    let since = |client: usize| 10 + client as u64;
    for (n, client) in clients.iter_mut().enumerate() {
        client.begin(json!({"type": "join", "since": {"epoch": epoch, "seq": since(n)}})).await;
        if n == 0 {
            client.expect(|event| event["type"] == "joined" && event["recovered"] == true).await;
        }
    }
    writer.send_acked("global", "meanwhile").await;
    for (n, client) in clients.iter_mut().enumerate() {
        if n > 0 {
            client.expect(|event| event["type"] == "joined" && event["recovered"] == true).await;
        }
        client.expect(|event| event["type"] == "message" && event["text"] == "meanwhile").await;
        let joined = client.received.iter().rfind(|event| event["type"] == "joined").unwrap();
        let seqs: Vec<_> = joined["entries"].as_array().unwrap().iter().map(|entry| entry["seq"].clone()).collect();
        let last = joined["seq"].as_u64().unwrap();
        assert_eq!(seqs, (since(n) + 1..=last).map(|seq| json!(seq)).collect::<Vec<_>>(), "client {n}");
        assert!(last == 61 || client.received.iter().any(|event| event["seq"] == last + 1));
    }
    assert_eq!(log_reads(&server).await, before + 1, "one read serves all who come back");

    // A text that was taken back is not given from what was kept.
    let taken = writer.received.iter().find(|event| event["text"] == "30").unwrap()["id"].clone();
    writer.acked(json!({"type": "delete", "messageId": taken})).await;
    let joined = clients[0].join_since("global", &epoch, 20).await;
    let entry = joined["entries"].as_array().unwrap().iter().find(|entry| entry["seq"] == 30).unwrap();
    assert_eq!((&entry["text"], &entry["deleted"]), (&json!(""), &json!(true)));
}
