//! Several instances around one Redis: they know each other, and the checker is at home there.
//!
//! Most is ignored until the program can run as one of many; then these are the first tests that it must pass.

use crate::support::{
    Redis, Server,
    checker::{Checker, Plan},
    cluster::{Cluster, METRICS_KEY, instance},
    proxy::Proxy,
};

#[tokio::test]
async fn a_server_that_stands_alone_is_a_cluster_of_one() {
    let alone = |(): &(), _| Server::setup().env("INSTANCE_ID", "api-1").env("METRICS_API_KEY", METRICS_KEY);
    let mut cluster = Cluster::around((), 1, alone).await;
    let before = cluster.addresses();
    cluster.server(1).freeze();
    cluster.server(1).thaw();
    cluster.wait_until_degraded(&[1], false).await;
    cluster.server(1).kill9();
    cluster.server(1).restart();
    cluster.wait_for(&[1]).await;
    assert_eq!(cluster.addresses(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_know_who_lives() {
    let mut cluster = Cluster::start(3).await;
    cluster.server(2).kill9();
    cluster.wait_for(&[1, 3]).await;
    cluster.server(2).restart();
    cluster.wait_for(&[1, 2, 3]).await;
    cluster.server(3).freeze();
    cluster.wait_for(&[1, 2]).await;
    cluster.server(3).thaw();
    cluster.wait_for(&[1, 2, 3]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promises_are_kept_while_redis_is_away() {
    let redis = Redis::start();
    let proxy = Proxy::start(redis.address()).await;
    let mut cluster = Cluster::around((redis, proxy), 2, |(redis, proxy), number| {
        // The first by way of a network that can be cut.
        let address = if number == 1 { proxy.address() } else { redis.address() };
        instance(number, &Redis::url_at(address))
    })
    .await;
    let checker = Checker::start(cluster.addresses(), Plan::new(8, 2)).await;
    checker.acks(100).await;

    cluster.redis.1.stall();
    cluster.wait_until_degraded(&[1], true).await;
    checker.until("a provisional ack", |counts| counts.provisional > 0).await;
    cluster.redis.1.resume();
    cluster.wait_until_degraded(&[1, 2], false).await;
    checker.acks(100).await;

    cluster.redis.0.kill9();
    cluster.wait_until_degraded(&[1, 2], true).await;
    cluster.redis.0.restart();
    cluster.wait_until_degraded(&[1, 2], false).await;
    checker.acks(100).await;
    checker.keeps_its_promises().await;
}
