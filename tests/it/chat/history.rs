//! `history`: pages both ways.

use super::joining::{fill, unlimited};
use crate::support::*;

fn numbers(page: &Value) -> Vec<u64> {
    page["entries"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn pages_go_back_and_forth_oldest_first() {
    let server = unlimited();
    let mut client = server.guest("Ana").await;
    fill(&mut client, "global", 120).await;
    for (query, wanted, more) in [
        (json!({}), 71..=120, true),
        (json!({"before": 71}), 21..=70, true),
        (json!({"before": 21}), 1..=20, false),
        (json!({"before": 51, "limit": 50}), 1..=50, false),
        (json!({"after": 0, "limit": 100}), 1..=100, true),
        (json!({"after": 100, "limit": 100}), 101..=120, false),
        (json!({"limit": 200}), 1..=120, false),
        (json!({"limit": 1}), 120..=120, true),
    ] {
        let mut command = query.clone();
        command["type"] = "history".into();
        let page = client.ask(command).await;
        assert_eq!(page["type"], "history");
        assert_eq!(numbers(&page), wanted.collect::<Vec<_>>(), "{query}");
        assert_eq!(page["more"], more, "{query}");
        assert!(page["entries"].as_array().unwrap().iter().all(|entry| entry["type"] == "message"));
    }
    for (before, after) in [(json!(1), json!(null)), (json!(null), json!(120))] {
        let page = client.ask(json!({"type": "history", "before": before, "after": after})).await;
        assert_eq!((&page["entries"], &page["more"]), (&json!([]), &json!(false)));
    }
    for bad in [json!({"limit": 0}), json!({"limit": 201}), json!({"before": 1, "after": 1}), json!({"before": -1})] {
        let mut command = bad;
        command["type"] = "history".into();
        assert_eq!(client.refused(command).await, "invalid_argument");
    }
}

#[tokio::test]
async fn history_and_who_need_no_join() {
    let server = Server::start();
    let mut inside = server.dial().rooms("a").enter().await;
    inside.send_acked("a", "hi").await;
    let mut outside = server.dial().rooms("").enter().await;
    let page = outside.ask(json!({"type": "history", "room": "a"})).await;
    assert_eq!(page["entries"][0]["text"], "hi");
    assert_eq!(page["room"], "a");
    let nowhere = outside.ask(json!({"type": "history", "room": "nowhere"})).await;
    assert_eq!((&nowhere["entries"], &nowhere["more"]), (&json!([]), &json!(false)));
    let who = outside.ask(json!({"type": "who", "room": "nowhere"})).await;
    assert_eq!((&who["users"], &who["total"]), (&json!([]), &json!(0)));
}

#[tokio::test]
async fn changes_are_no_entries_of_a_page() {
    let server = Server::start();
    let mut client = server.guest("Ana").await;
    let first = client.send_acked("global", "one").await["messageId"].clone();
    client.acked(json!({"type": "edit", "messageId": first, "text": "uno"})).await;
    client.acked(json!({"type": "react", "messageId": first, "emoji": "x", "on": true})).await;
    client.send_acked("global", "two").await;
    let page = client.ask(json!({"type": "history"})).await;
    assert_eq!(numbers(&page), [1, 4]);
    assert_eq!(page["entries"][0]["text"], "uno");
    let after = client.ask(json!({"type": "history", "after": 1})).await;
    assert_eq!(numbers(&after), [4]);
}

#[tokio::test]
async fn history_outlives_the_server() {
    let mut server = Server::start();
    let mut client = server.guest("Ana").await;
    let ack = client.send_acked("global", "kept").await;
    let epoch = client.join("global").await["epoch"].clone();
    server.kill9();
    server.restart();
    let mut client = server.dial().rooms("").enter().await;
    let joined = client.join("global").await;
    assert_eq!((&joined["epoch"], &joined["seq"]), (&epoch, &json!(1)));
    assert_eq!(joined["entries"][0]["id"], ack["messageId"]);
    let next = client.send_acked("global", "next").await;
    assert_eq!(next["seq"], 2);
    assert!(next["ts"].as_u64() >= ack["ts"].as_u64());
}

#[tokio::test]
async fn who_joins_is_not_shown_what_is_not_kept_any_more() {
    let server = Server::setup().env("HUBBUB__HISTORY__MAX_ENTRIES", 3).env("HUBBUB__HISTORY__MAX_AGE", 4_000).start();
    let mut ana = server.guest("Ana").await;
    // The room is open from here on, and what is said is in memory.
    for _ in 0..5 {
        ana.send_acked("global", "hi").await;
    }
    let mut bob = server.dial().rooms("").enter().await;
    let joined = bob.join("global").await;
    assert_eq!((numbers(&joined), &joined["seq"]), (vec![3, 4, 5], &json!(5)));
    let joined = until("all to be too old", async || {
        let joined = server.dial().rooms("").enter().await.join("global").await;
        numbers(&joined).is_empty().then_some(joined)
    })
    .await;
    assert_eq!(joined["seq"], 5);
}
