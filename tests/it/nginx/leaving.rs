//! Replicas leave: newcomers do not notice, and who was there goes on elsewhere.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hubbub::cluster::nginx::Strategy;

use super::{instance_of, replicas};
use crate::support::{
    checker::{Checker, Plan},
    nginx::Nginx,
    *,
};

/// Newcomers of one address who arrive while its replica drains.
const NEWCOMERS: usize = 1_000;

/// Connects that are made at once.
const AT_ONCE: usize = 50;

/// How long the shipped client waits for an answer of `/api/connect`.
const CLIENT_PATIENCE: Duration = Duration::from_secs(5);

/// A client whose address leads to its replica, which lets nobody in any more.
const THERE: usize = 7;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draining_replica_fails_no_newcomer() {
    // Two closes a second: 60 s for those who are on it.
    let settings =
        [("HUBBUB__DRAIN__PER_SECOND", 2), ("HUBBUB__DRAIN__MAX_MS", 60_000), ("HUBBUB__DRAIN__GRACE_MS", 0)];
    let mut cluster = replicas(3, &settings).await;
    let nginx = Nginx::start(Strategy::IpHash, &cluster.addresses());
    let mut held = Vec::new();
    for _ in 0..120 {
        held.push(nginx.dial(THERE).enter().await);
    }
    let leaving = instance_of(&held[0].welcome);
    assert!(held.iter().all(|client| instance_of(&client.welcome) == leaving), "one address, one replica");
    cluster.server(leaving).term();
    let server = cluster.server(leaving);
    until("the drain", async || (server.get("/ready").await.status == 503).then_some(())).await;

    let nginx = Arc::new(nginx);
    let arrivals = (0..AT_ONCE).map(|_| {
        let nginx = nginx.clone();
        tokio::spawn(async move {
            let mut arrived = Vec::new();
            for _ in 0..NEWCOMERS / AT_ONCE {
                let arrival = nginx.dial(THERE).rooms("").open().await;
                arrived.push(arrival.unwrap_or_else(|refused| panic!("refused: {refused:?}")));
            }
            arrived
        })
    });
    let mut arrived = Vec::new();
    for arrival in arrivals.collect::<Vec<_>>() {
        arrived.extend(arrival.await.unwrap());
    }
    assert_eq!(server.get("/ready").await.status, 503, "it was draining all the time");
    assert_eq!(arrived.len(), NEWCOMERS);
    assert!(arrived.iter().all(|client| instance_of(&client.welcome) != leaving));

    // Three refusals, of each that was on its way by then, and it is asked no more.
    let address = server.address.to_string();
    drop(arrived);
    let of_newcomers = |each: &Value| each["path"] == "/chat" && each["replica"] != address;
    let accesses = until("the end of all newcomers", async || {
        Some(nginx.accesses().into_iter().filter(of_newcomers).collect::<Vec<_>>()).filter(|all| all.len() >= NEWCOMERS)
    })
    .await;
    let asked = accesses.iter().filter(|each| each["replica"].as_str().unwrap().starts_with(&address)).count();
    assert!((1..=AT_ONCE + 3).contains(&asked), "the one that drains was asked {asked} times");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_keep_away_from_a_frozen_replica_once_clients_have_asked() {
    let mut cluster = replicas(3, &[]).await;
    let nginx = Nginx::start(Strategy::RoundRobin, &cluster.addresses());
    let frozen = 2;
    cluster.server(frozen).freeze();
    let address = cluster.server(frozen).address.to_string();
    let passed_over = || {
        let was_asked = |each: &Value| each["replica"].as_str().is_some_and(|replicas| replicas.starts_with(&address));
        nginx.accesses().into_iter().filter(|each| each["path"] == "/api/connect" && was_asked(each)).count()
    };
    // As clients do whose socket did not open: each has an answer before it gives up, and after three nobody is sent there.
    let url = format!("http://{}/api/connect", nginx.address);
    until("three who were passed on", async || {
        let answer = reqwest::Client::new().get(&url).timeout(CLIENT_PATIENCE).send().await.expect("an answer in time");
        assert!(answer.status().as_u16() < 500, "{answer:?}");
        (passed_over() >= 3).then_some(())
    })
    .await;
    for client in 0..9 {
        let client = nginx.dial(client).enter().await;
        assert_ne!(instance_of(&client.welcome), frozen);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_on_a_killed_replica_goes_on_elsewhere() {
    let mut cluster = replicas(3, &[]).await;
    let nginx = Nginx::start(Strategy::IpHash, &cluster.addresses());
    let plan = Plan { pause: Duration::from_millis(100), apart: true, ..Plan::new(12, 3) };
    let checker = Checker::start(vec![nginx.address], plan).await;
    checker.acks(60).await;
    let mut on = Vec::new();
    for number in 1..=3 {
        on.push(cluster.metric(number, "hubbub_connections_open").await);
    }
    assert!(on.iter().filter(|open| **open > 0.0).count() > 1, "spread: {on:?}");
    let fullest = (1..=3).max_by(|a, b| on[a - 1].total_cmp(&on[b - 1])).unwrap();
    cluster.server(fullest).kill9();
    checker.acks(120).await;
    cluster.server(fullest).restart();
    cluster.wait_for(&[1, 2, 3]).await;
    checker.acks(60).await;
    let counts = checker.keeps_its_promises().await;
    assert!(counts.reconnects as f64 >= on[fullest - 1], "{counts:?}");
    assert_eq!((counts.gaps, counts.undelivered), (0, 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fast_restart_of_all_fails_no_newcomer() {
    let mut cluster = replicas(3, &[("HUBBUB__DRAIN__MAX_MS", 500)]).await;
    let nginx = Arc::new(Nginx::start(Strategy::IpHash, &cluster.addresses()));
    let plan = Plan { pause: Duration::from_millis(100), apart: true, ..Plan::new(9, 3) };
    let checker = Checker::start(vec![nginx.address], plan).await;
    // Newcomers of ever new addresses, each alone for a moment.
    let (over, let_in) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let newcomers = [0, 1, 2].map(|line| {
        let (nginx, over, let_in) = (nginx.clone(), over.clone(), let_in.clone());
        tokio::spawn(async move {
            for client in (1_000 + line..).step_by(3) {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let arrival = nginx.dial(client).rooms("").open().await;
                let client = arrival.unwrap_or_else(|refused| panic!("newcomer {client} was refused: {refused:?}"));
                drop(client);
                let_in.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let more = async |count: usize| {
        let now = let_in.load(Ordering::Relaxed);
        until("newcomers", async || (let_in.load(Ordering::Relaxed) >= now + count).then_some(())).await;
    };
    for number in 1..=3 {
        more(30).await;
        cluster.server(number).term();
        assert_eq!(cluster.server(number).exit_code(), Some(0));
        more(30).await;
        cluster.server(number).restart();
        let server = cluster.server(number);
        until("readiness", async || (server.get("/ready").await.status == 200).then_some(())).await;
    }
    more(30).await;
    over.store(true, Ordering::Relaxed);
    for line in newcomers {
        line.await.unwrap();
    }
    let counts = checker.keeps_its_promises().await;
    assert!(counts.reconnects >= 9, "{counts:?}");
    assert_eq!((counts.gaps, counts.undelivered), (0, 0), "{counts:?}");
}
