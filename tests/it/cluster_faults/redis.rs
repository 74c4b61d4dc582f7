//! Redis itself: it dies, freezes, closes connections, forgets its scripts, is full.

use std::time::Duration;

use tokio::time::sleep;

use super::{ALL, chat_without_redis, outages, people, wait_for_outage};
use crate::support::{
    cluster::{Cluster, has_default_timings, presence_ttl},
    until,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_started_again_on_its_file() {
    let mut cluster = Cluster::start(3).await;
    let checker = people(&cluster).await;
    checker.send_away(3).await;
    for back_while_it_is_dead in [true, false] {
        cluster.redis.kill9();
        cluster.wait_until_degraded(&ALL, true).await;
        if back_while_it_is_dead {
            checker.call_back();
        }
        chat_without_redis(&checker).await;
        cluster.redis.restart();
        cluster.wait_until_degraded(&ALL, false).await;
        checker.acks(60).await;
        if back_while_it_is_dead {
            checker.send_away(3).await;
        }
    }
    checker.call_back();
    let counts = checker.keeps_its_promises().await;
    assert_eq!((counts.gaps, counts.undelivered), (0, 0), "its file has everything: {counts:?}");
}

/// How long it is frozen: longer than a command may take, and longer than somebody counts as present without a word.
fn freezes() -> Vec<Duration> {
    if has_default_timings() {
        vec![Duration::from_secs(3), Duration::from_secs(8), presence_ttl() + Duration::from_secs(1)]
    } else {
        vec![Duration::from_millis(1_500), presence_ttl() + Duration::from_millis(500)]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frozen_for_a_while() {
    let cluster = Cluster::start(3).await;
    let checker = people(&cluster).await;
    for freeze in freezes() {
        checker.send_away(3).await;
        cluster.redis.freeze();
        sleep(freeze).await;
        cluster.redis.thaw();
        cluster.wait_until_degraded(&ALL, false).await;
        checker.call_back();
        checker.acks(60).await;
    }
    let counts = checker.keeps_its_promises().await;
    assert!(counts.provisional > 0, "{counts:?}");
    assert_eq!((counts.gaps, counts.undelivered), (0, 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_closed_again_and_again() {
    let cluster = Cluster::start(3).await;
    let checker = people(&cluster).await;
    checker.send_away(3).await;
    for kind in ["pubsub", "normal", "pubsub", "normal"] {
        let before = outages(&cluster, &ALL).await;
        let killed = cluster.redis.kill_clients(kind);
        assert!(killed >= 3, "{kind}: {killed}");
        // The second time while what it takes to be back is under way.
        let again = cluster.redis.kill_clients(kind);
        println!("{kind}: {killed}, then {again}");
        wait_for_outage(&cluster, &ALL, &before).await;
        checker.acks(30).await;
        if kind == "normal" {
            checker.call_back();
        }
    }
    let counts = checker.keeps_its_promises().await;
    assert_eq!((counts.gaps, counts.undelivered), (0, 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_are_forgotten() {
    let cluster = Cluster::start(3).await;
    let checker = people(&cluster).await;
    checker.send_away(3).await;
    let before = outages(&cluster, &ALL).await;
    for _ in 0..10 {
        cluster.redis.command(&["SCRIPT", "FLUSH"]);
        checker.acks(20).await;
    }
    checker.call_back();
    assert_eq!(outages(&cluster, &ALL).await, before, "nobody need notice");
    let counts = checker.keeps_its_promises().await;
    assert_eq!((counts.gaps, counts.provisional), (0, 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full() {
    let cluster = Cluster::start(3).await;
    let checker = people(&cluster).await;
    let limit = cluster.redis.command(&["CONFIG", "GET", "maxmemory"]).texts()[1].to_owned();
    checker.send_away(3).await;
    // Its share of so little would be too little for any connection, the test's own included.
    cluster.redis.command(&["CONFIG", "SET", "maxmemory-clients", "0"]);
    // First a limit that the chat reaches by itself, and may fall below again; then one far below.
    let used: u64 = cluster.redis.info("used_memory").parse().unwrap();
    for most in [used + 50_000, 1] {
        let before = outages(&cluster, &ALL).await;
        cluster.redis.command(&["CONFIG", "SET", "maxmemory", &most.to_string()]);
        until("all to notice", async || {
            let now = outages(&cluster, &ALL).await;
            now.iter().zip(&before).all(|(now, before)| now > before).then_some(())
        })
        .await;
        checker.call_back();
        chat_without_redis(&checker).await;
        cluster.redis.command(&["CONFIG", "SET", "maxmemory", &limit]);
        cluster.wait_until_degraded(&ALL, false).await;
        checker.acks(60).await;
    }
    let counts = checker.keeps_its_promises().await;
    assert_eq!((counts.gaps, counts.undelivered), (0, 0), "{counts:?}");
}
