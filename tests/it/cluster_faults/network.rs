//! The way to Redis: it stalls for one instance, breaks for all, swallows.

use super::{ALL, chat_without_redis, outages, people, wait_for_outage};
use crate::support::{
    Redis,
    cluster::{Cluster, instance},
    proxy::Proxy,
};

/// A Redis, and each instance's own way to it.
struct Ways {
    /// Lives as long as the ways to it.
    _redis: Redis,
    proxies: Vec<Proxy>,
}

impl Ways {
    /// The way of an instance.
    fn of(&self, number: usize) -> &Proxy {
        &self.proxies[number - 1]
    }
}

async fn cluster() -> Cluster<Ways> {
    let redis = Redis::start();
    let mut proxies = Vec::new();
    for _ in ALL {
        proxies.push(Proxy::start(redis.address()).await);
    }
    let ways = Ways { _redis: redis, proxies };
    Cluster::around(ways, ALL.len(), |ways, number| instance(number, &Redis::url_at(ways.of(number).address()))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_instance_is_cut_off_in_silence() {
    let cluster = cluster().await;
    let checker = people(&cluster).await;
    checker.send_away(3).await;
    cluster.redis.of(1).stall();
    cluster.wait_until_degraded(&[1], true).await;
    chat_without_redis(&checker).await;
    // The others go on without it, and take it for dead.
    cluster.wait_until_degraded(&[2, 3], false).await;
    cluster.wait_for(&[2, 3]).await;
    checker.call_back();
    checker.acks(60).await;
    cluster.redis.of(1).resume();
    cluster.wait_until_degraded(&ALL, false).await;
    cluster.wait_for(&ALL).await;
    checker.acks(60).await;
    let counts = checker.keeps_its_promises().await;
    assert_eq!((counts.gaps, counts.undelivered), (0, 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_break_again_and_again() {
    let cluster = cluster().await;
    let checker = people(&cluster).await;
    checker.send_away(3).await;
    for hit in [&[1][..], &[2, 3], &ALL, &[2]] {
        let before = outages(&cluster, hit).await;
        hit.iter().for_each(|number| cluster.redis.of(*number).reset());
        wait_for_outage(&cluster, hit, &before).await;
        checker.acks(30).await;
        checker.call_back();
    }
    let counts = checker.keeps_its_promises().await;
    assert_eq!((counts.gaps, counts.undelivered), (0, 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_connections_lead_nowhere() {
    let cluster = cluster().await;
    let checker = people(&cluster).await;
    checker.send_away(3).await;
    for hit in [1, 2] {
        let way = cluster.redis.of(hit);
        let connections = way.accepted();
        way.blackhole(true);
        way.reset();
        cluster.wait_until_degraded(&[hit], true).await;
        checker.call_back();
        chat_without_redis(&checker).await;
        checker.acks(30).await;
        assert!(way.accepted() > connections, "it tries");
        way.blackhole(false);
        cluster.wait_until_degraded(&ALL, false).await;
        checker.acks(30).await;
    }
    let counts = checker.keeps_its_promises().await;
    assert_eq!((counts.gaps, counts.undelivered), (0, 0), "{counts:?}");
}
