//! Who is there: counts, comings and goings.

use std::time::Instant;

use crate::support::*;

/// Whether `event` is of a type and names a user.
fn names(event: &Value, kind: &str, user: &str) -> bool {
    event["type"] == kind
        && event["room"] == "global"
        && event["users"].as_array().is_some_and(|users| users.iter().any(|each| each["id"] == user))
}

#[tokio::test]
async fn comings_and_goings_are_told_with_counts() {
    let server = Server::with_jwt().start();
    let mut ana = server.guest("Ana").await;
    let bob = server.dial().bearer(&token::of("bob", "member")).enter().await;
    let entered = ana.expect(|event| names(event, "entered", "j:bob")).await;
    assert!(entered["users"].as_array().unwrap().contains(&bob.welcome["user"]));
    ana.expect(|event| {
        event["type"] == "presence" && event["members"] == 1 && event["guests"] == 1 && event["admins"] == 0
    })
    .await;
    bob.close().await;
    let left = ana.expect(|event| names(event, "left", "j:bob")).await;
    assert_eq!(left["reason"], "closed");
    ana.expect(|event| event["type"] == "presence" && event["members"] == 0).await;
}

#[tokio::test]
async fn three_tabs_are_one_user() {
    let server = Server::start();
    let mut watcher = server.guest("Watcher").await;
    let first = server.guest("Ana").await;
    let (id, second, third) = (first.id(), first.again().enter().await, first.again().enter().await);
    watcher.expect(|event| names(event, "entered", &id)).await;
    let who = watcher.ask(json!({"type": "who"})).await;
    assert_eq!((&who["total"], &who["guests"]), (&json!(2), &json!(2)));
    second.close().await;
    first.close().await;
    let who = watcher.ask(json!({"type": "who"})).await;
    assert_eq!(who["total"], 2, "one tab is still open");
    third.close().await;
    watcher.expect(|event| names(event, "left", &id)).await;
    let entered = watcher.received.iter().filter(|event| names(event, "entered", &id)).count();
    let left = watcher.received.iter().filter(|event| names(event, "left", &id)).count();
    assert_eq!((entered, left), (1, 1));
}

#[tokio::test]
async fn who_comes_and_goes_between_two_collections_is_in_neither() {
    let server = Server::setup().env("PRESENCE_DEBOUNCE_MS", 2_000).start();
    let mut watcher = server.guest("Watcher").await;
    watcher.expect(|event| event["type"] == "presence" || event["type"] == "entered").await;
    // Right after a collection, so that the next one is far.
    let brief = server.guest("Brief").await;
    let id = brief.id();
    brief.close().await;
    let stays = server.guest("Stays").await;
    watcher.expect(|event| names(event, "entered", &stays.id())).await;
    assert!(!watcher.received.iter().any(|event| names(event, "entered", &id) || names(event, "left", &id)));
}

#[tokio::test]
async fn a_lost_connection_has_a_grace_of_five_seconds() {
    let server = Server::start();
    let mut watcher = server.guest("Watcher").await;
    let lost = server.guest("Lost").await;
    let id = lost.id();
    watcher.expect(|event| names(event, "entered", &id)).await;
    let start = Instant::now();
    lost.vanish();
    let left = watcher.expect(|event| names(event, "left", &id)).await;
    assert_eq!(left["reason"], "lost");
    let after = start.elapsed().as_millis();
    assert!((4_900..8_000).contains(&after), "after {after} ms");
}

#[tokio::test]
async fn who_comes_back_within_the_grace_never_left() {
    let server = Server::setup().env("HUBBUB__PRESENCE__GRACE_MS", 1_500).start();
    let mut watcher = server.guest("Watcher").await;
    let lost = server.guest("Ana").await;
    let (id, again) = (lost.id(), lost.again());
    watcher.expect(|event| names(event, "entered", &id)).await;
    lost.vanish();
    let back = again.enter().await;
    let marker = server.guest("Marker").await;
    let marked = marker.id();
    marker.vanish();
    watcher.expect(|event| names(event, "left", &marked)).await;
    assert!(!watcher.received.iter().any(|event| names(event, "left", &id)));
    back.close().await;
    watcher.expect(|event| names(event, "left", &id)).await;
}

#[tokio::test]
async fn leaving_a_room_is_told_there_only() {
    let server = Server::start();
    let mut watcher = server.dial().rooms("global,other").enter().await;
    let mut ana = server.dial().rooms("global,other").enter().await;
    let id = ana.id();
    watcher.expect(|event| names(event, "entered", &id)).await;
    ana.acked(json!({"type": "leave"})).await;
    watcher.expect(|event| names(event, "left", &id)).await;
    let who = watcher.ask(json!({"type": "who", "room": "other"})).await;
    assert_eq!(who["total"], 2);
    assert!(!watcher.received.iter().any(|event| event["type"] == "left" && event["room"] == "other"));
}

#[tokio::test]
async fn who_lists_users_by_page() {
    let server = Server::with_jwt().start();
    let mut client = server.dial().bearer(&token::admin()).enter().await;
    let mut others = Vec::new();
    for n in 0..4 {
        others.push(server.guest(&format!("g{n}")).await);
    }
    let who = until("everyone to be counted", async || {
        let who = client.ask(json!({"type": "who"})).await;
        (who["total"] == 5).then_some(who)
    })
    .await;
    assert_eq!(
        (&who["guests"], &who["members"], &who["admins"], &who["more"]),
        (&json!(4), &json!(0), &json!(1), &json!(false))
    );
    assert_eq!(who["users"].as_array().unwrap().len(), 5);
    let page = client.ask(json!({"type": "who", "limit": 2})).await;
    assert_eq!((&page["total"], &page["more"]), (&json!(5), &json!(true)));
    assert_eq!(page["users"].as_array().unwrap().len(), 2);
    let over_http = server.get("/api/rooms/global/presence?limit=2").await;
    assert_eq!(over_http.json["users"], page["users"]);
    assert_eq!(over_http.json["total"], 5);
}

#[tokio::test]
async fn above_the_detail_limit_only_counts_are_told() {
    let server = Server::setup().env("HUBBUB__PRESENCE__DETAIL_LIMIT", 2).start();
    let mut watcher = server.guest("Watcher").await;
    let mut second = server.guest("Second").await;
    watcher.expect(|event| names(event, "entered", &second.id())).await;
    second.say(json!({"type": "typing"})).await;
    watcher.expect_type("typing").await;
    let mut third = server.guest("Third").await;
    watcher.expect(|event| event["type"] == "presence" && event["guests"] == 3).await;
    third.say(json!({"type": "typing"})).await;
    third.acked(json!({"type": "read", "seq": 0})).await;
    watcher.settle().await;
    let id = third.id();
    let detailed = ["entered", "left", "typing", "read"];
    let told = |event: &Value| detailed.iter().any(|kind| event["type"] == *kind) && event.to_string().contains(&id);
    assert!(!watcher.received.iter().any(told));
    third.close().await;
    watcher.expect(|event| event["type"] == "presence" && event["guests"] == 2).await;
}

#[tokio::test]
async fn counts_come_at_most_once_in_half_a_second() {
    let server = Server::start();
    let mut watcher = server.guest("Watcher").await;
    let mut times = Vec::new();
    let mut others = Vec::new();
    for n in 0..12 {
        others.push(server.guest(&format!("g{n}")).await);
    }
    while watcher.received.iter().rfind(|event| event["type"] == "presence").is_none_or(|event| event["guests"] != 13) {
        watcher.expect_type("presence").await;
        times.push(Instant::now());
    }
    let gaps = times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).min();
    assert!(gaps.is_none_or(|least| least >= 400), "{gaps:?} ms apart");
}

#[tokio::test]
async fn who_comes_back_under_another_name_is_listed_by_it() {
    let server = Server::start();
    let mut watcher = server.guest("Watcher").await;
    let ana = server.guest("Ana").await;
    let id = ana.id();
    watcher.expect(|event| names(event, "entered", &id)).await;
    let again = ana.again().query("name=Berta");
    ana.vanish();
    let berta = again.enter().await;
    assert_eq!((berta.id(), berta.welcome["user"]["name"].as_str()), (id.clone(), Some("Berta")));
    until("the list to know the new name", async || {
        let who = watcher.ask(json!({"type": "who"})).await;
        let users = who["users"].as_array().unwrap().clone();
        users.iter().any(|user| user["id"] == id.as_str() && user["name"] == "Berta").then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_asks_right_after_joining_finds_itself_there() {
    let server = Server::setup().env("PRESENCE_DEBOUNCE_MS", 60_000).start();
    let mut ana = server.guest("Ana").await;
    let who = ana.ask(json!({"type": "who"})).await;
    assert_eq!((&who["total"], &who["users"][0]["id"]), (&json!(1), &ana.welcome["user"]["id"]));
}
