//! Instances are started anew while people are on them: nobody loses anything, and nobody else notices.

use std::time::{Duration, Instant};

use super::ALL;
use crate::support::{
    Client, Dial, Redis, Value,
    checker::{Checker, Plan},
    cluster::{Cluster, instance},
    until,
};

/// Through a drain and a start nobody is sent away by the test: they talk, are closed, and come back when they were told
/// to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_are_started_anew_while_everybody_talks() {
    let mut cluster = Cluster::start(3).await;
    let people = 12;
    let plan = Plan { pause: Duration::from_millis(100), changes: true, ..Plan::new(people, 3) };
    let checker = Checker::start(cluster.addresses(), plan).await;
    checker.acks(60).await;
    for number in ALL {
        cluster.server(number).term();
        assert_eq!(cluster.server(number).exit_code(), Some(0));
        cluster.server(number).restart();
        cluster.wait_for(&ALL).await;
        checker.acks(60).await;
    }
    let counts = checker.keeps_its_promises().await;
    println!("longest interruption of a client: {:?}", counts.longest_interruption);
    assert!(counts.reconnects >= people, "each was on one that was started anew: {counts:?}");
    assert_eq!((counts.gaps, counts.undelivered), (0, 0), "{counts:?}");
    assert!(counts.longest_interruption > Duration::ZERO);
}

/// How long those who were drained may take to come back, after the time they were told: a busy machine's time.
const GRACE: Duration = Duration::from_secs(8);

/// What a watcher was told of others: who came, who went and why, and how many guests there were, as it changed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Noticed {
    entered: Vec<String>,
    left: Vec<(String, String)>,
    guests: Vec<u64>,
}

impl Noticed {
    fn of(watcher: &Client, since: usize) -> Self {
        let mut noticed = Self::default();
        for event in &watcher.received[since..] {
            let users = || event["users"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().into());
            match event["type"].as_str().unwrap() {
                "entered" => noticed.entered.extend(users()),
                "left" => {
                    let reason = event["reason"].as_str().unwrap();
                    noticed.left.extend(users().map(|user| (user, reason.to_owned())));
                }
                "presence" if noticed.guests.last() != event["guests"].as_u64().as_ref() => {
                    noticed.guests.extend(event["guests"].as_u64());
                }
                _ => {}
            }
        }
        noticed
    }
}

/// A client waits for its close and for as long as it was told to, then comes to another instance and goes on where it was.
async fn moves(mut client: Client, to: std::net::SocketAddr) -> Client {
    let joined = client.received.iter().find(|event| event["type"] == "joined").unwrap();
    let (epoch, seq) = (joined["epoch"].clone(), joined["seq"].as_u64().unwrap());
    let notice = client.expect_type("notice").await;
    let reconnect_in = Duration::from_millis(notice["reconnectInMs"].as_u64().unwrap());
    assert_eq!(client.closed().await, 1012);
    tokio::time::sleep(reconnect_in).await;
    let mut client = Dial::new(to).subprotocol(&client.resume_token()).rooms("").enter().await;
    let joined = client.join_since("global", &epoch, seq).await;
    assert_eq!((&joined["recovered"], &joined["presence"]["guests"]), (&Value::Bool(true), &Value::from(9)));
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_stay_do_not_notice_that_others_move() {
    let calm = |redis: &Redis, number| {
        instance(number, &redis.url())
            .env("HUBBUB__PRESENCE__GRACE_MS", GRACE.as_millis())
            // Clients that nobody reads for a while answer no pings.
            .env("HEARTBEAT_INTERVAL_MS", 25_000)
    };
    let mut cluster = Cluster::around(Redis::start(), 3, calm).await;
    let addresses = cluster.addresses();
    let mut watchers = Vec::new();
    for number in [1, 2] {
        watchers.push(cluster.server(number).guest(&format!("watcher-{number}")).await);
    }
    let mut movers = Vec::new();
    for number in 0..6 {
        movers.push(cluster.server(3).guest(&format!("mover-{number}")).await);
    }
    let stays_away = cluster.server(3).guest("stays-away").await;
    let gone = stays_away.id();
    for watcher in &mut watchers {
        watcher.expect(|event| event["type"] == "presence" && event["guests"] == 9).await;
        // Until everybody who came was told of.
        let named = |event: &Value| event["type"] == "entered" && event["users"].to_string().contains(&gone);
        watcher.expect(named).await;
    }
    let since: Vec<_> = watchers.iter().map(|watcher| watcher.received.len()).collect();

    cluster.server(3).term();
    let moving: Vec<_> = movers
        .into_iter()
        .enumerate()
        .map(|(number, mover)| tokio::spawn(moves(mover, addresses[number % 2])))
        .collect();
    let staying_away = tokio::spawn(async move {
        let mut client = stays_away;
        client.closed().await
    });
    let mut back = Vec::new();
    for mover in moving {
        back.push(mover.await.unwrap());
    }
    assert_eq!(staying_away.await.unwrap(), 1012);
    assert_eq!(cluster.server(3).exit_code(), Some(0));
    let is_out = Instant::now();
    let roster = back[0].ask(serde_json::json!({"type": "who"})).await;
    assert_eq!(roster["guests"], 9, "nobody is counted twice, and who is expected is counted: {roster}");

    // Who does not come back leaves, and is the only one.
    for (watcher, since) in watchers.iter_mut().zip(since) {
        watcher.expect_for(2 * GRACE, |event| event["type"] == "left").await;
        watcher.expect_for(2 * GRACE, |event| event["type"] == "presence" && event["guests"] == 8).await;
        let mut noticed = Noticed::of(watcher, since);
        // It may be told again what it knows.
        if noticed.guests.first() != Some(&9) {
            noticed.guests.insert(0, 9);
        }
        let expected = Noticed { entered: vec![], left: vec![(gone.clone(), "drained".into())], guests: vec![9, 8] };
        assert_eq!(noticed, expected);
    }
    println!("who did not come back was gone {:?} after the drain", is_out.elapsed());
    until("the rosters to agree", async || {
        let mut right = true;
        for client in &mut back {
            right &= client.ask(serde_json::json!({"type": "who"})).await["guests"] == 8;
        }
        right.then_some(())
    })
    .await;
}
