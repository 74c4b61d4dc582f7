//! Instances die, freeze, and are replaced one after the other.

use std::time::{Duration, Instant};

use super::{ALL, people};
use crate::support::{
    Client, PATIENCE, Redis, Server, Value,
    cluster::{Cluster, has_default_timings, instance, presence_ttl},
    json,
};

/// All but one.
fn others(number: usize) -> Vec<usize> {
    ALL.into_iter().filter(|other| *other != number).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_is_killed_and_started_again() {
    let mut cluster = Cluster::start(3).await;
    let checker = people(&cluster).await;
    for number in ALL {
        checker.send_away(3).await;
        cluster.server(number).kill9();
        checker.acks(40).await;
        checker.call_back();
        cluster.wait_for(&others(number)).await;
        cluster.server(number).restart();
        cluster.wait_for(&ALL).await;
        checker.acks(40).await;
    }
    let counts = checker.keeps_its_promises().await;
    assert!(counts.reconnects >= 12, "those who were on it, and those who were away: {counts:?}");
    assert_eq!((counts.gaps, counts.undelivered), (0, 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_is_killed_and_started_again_at_once() {
    let mut cluster = Cluster::start(3).await;
    let checker = people(&cluster).await;
    for _ in 0..3 {
        cluster.server(2).kill9();
        cluster.server(2).restart();
        checker.acks(40).await;
    }
    cluster.wait_for(&ALL).await;
    let counts = checker.keeps_its_promises().await;
    assert_eq!((counts.gaps, counts.undelivered), (0, 0), "{counts:?}");
}

/// How long an instance is frozen: shorter than it takes to count as dead, and longer than people of it count as
/// present.
fn freezes() -> [Duration; 2] {
    let ttl = presence_ttl();
    [ttl / 3, ttl + ttl / 3]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_freezes_and_goes_on() {
    let mut cluster = Cluster::start(3).await;
    let checker = people(&cluster).await;
    for (number, freeze) in [2, 3].into_iter().zip(freezes()) {
        let frozen = Instant::now();
        cluster.server(number).freeze();
        checker.acks(40).await;
        if freeze > presence_ttl() {
            cluster.wait_for(&others(number)).await;
        }
        tokio::time::sleep(freeze.saturating_sub(frozen.elapsed())).await;
        cluster.server(number).thaw();
        cluster.wait_for(&ALL).await;
        cluster.wait_until_degraded(&ALL, false).await;
        checker.acks(40).await;
    }
    let counts = checker.keeps_its_promises().await;
    assert_eq!((counts.gaps, counts.undelivered), (0, 0), "{counts:?}");
    for number in ALL {
        let collisions = cluster.metric(number, "hubbub_instance_id_collisions_total").await;
        assert_eq!(collisions, 0.0, "it came back as who it was");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_is_replaced_in_calm() {
    let mut cluster = Cluster::start(3).await;
    let checker = people(&cluster).await;
    for number in ALL {
        checker.send_away(2).await;
        cluster.server(number).term();
        assert_eq!(cluster.server(number).exit_code(), Some(0));
        // It took itself out.
        cluster.wait_for(&others(number)).await;
        checker.call_back();
        cluster.server(number).restart();
        cluster.wait_for(&ALL).await;
        checker.acks(40).await;
    }
    let counts = checker.keeps_its_promises().await;
    assert_eq!((counts.gaps, counts.undelivered), (0, 0), "{counts:?}");
}

/// Waits until a client is told of so many guests. What it was told before is forgotten.
async fn told(client: &mut Client, guests: u64) {
    let right = |event: &Value| event["type"] == "presence" && event["guests"] == guests;
    client.expect_for(2 * PATIENCE, right).await;
    client.take_unseen();
}

async fn guests(server: &Server, count: usize) -> Vec<Client> {
    let mut all = Vec::new();
    for number in 0..count {
        all.push(server.guest(&format!("guest-{number}")).await);
    }
    all
}

/// With the timings that operators get, who is there is right 15 s after an instance died and a second after somebody
/// left (issue 3).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_there_is_right_soon_after_a_death_and_a_leave() {
    // Clients that nobody reads for a while answer no pings.
    let calm = |redis: &Redis, number| instance(number, &redis.url()).env("HEARTBEAT_INTERVAL_MS", 25_000);
    let mut cluster = Cluster::around(Redis::start(), 3, calm).await;
    let mut first = cluster.server(1).guest("first").await;
    let mut second = cluster.server(2).guest("second").await;
    let mut leaves = cluster.server(2).guest("leaves").await;
    let _there = guests(cluster.server(3), 3).await;
    for client in [&mut first, &mut second] {
        told(client, 6).await;
    }
    let left = Instant::now();
    leaves.acked(json!({"type": "leave", "room": "global"})).await;
    for client in [&mut first, &mut second] {
        told(client, 5).await;
    }
    let after_leave = left.elapsed();
    let died = Instant::now();
    cluster.server(3).kill9();
    for client in [&mut first, &mut second] {
        told(client, 2).await;
    }
    let after_death = died.elapsed();
    println!("right {after_leave:?} after a leave, {after_death:?} after a death");
    if has_default_timings() {
        assert!(after_leave <= Duration::from_secs(1), "{after_leave:?}");
        assert!(after_death <= Duration::from_secs(15), "{after_death:?}");
    }
}
