//! The primary dies, and the replica that takes over has all, or lacks what was logged last.

use super::{ALL, PEOPLE, people};
use crate::support::{
    cluster::{Cluster, instance},
    sentinel::Sentinels,
};

async fn watched() -> Cluster<Sentinels> {
    let setup = |sentinels: &Sentinels, number| instance(number, &sentinels.url());
    Cluster::around(Sentinels::start(3), ALL.len(), setup).await
}

/// The primary dies; done when the other one is what all use.
async fn lose_primary(cluster: &mut Cluster<Sentinels>) {
    cluster.redis.kill_primary();
    cluster.wait_until_degraded(&ALL, false).await;
}

/// The one that died comes back, as the replica of the other.
fn bring_back(cluster: &mut Cluster<Sentinels>) {
    cluster.redis.replica().restart();
    cluster.redis.wait_for_replica();
}

/// A metric of all instances together.
async fn sum(cluster: &Cluster<Sentinels>, name: &str) -> f64 {
    let mut sum = 0.0;
    for number in ALL {
        sum += cluster.metric(number, name).await;
    }
    sum
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_primary_dies_and_then_the_other() {
    let mut cluster = watched().await;
    let checker = people(&cluster).await;
    for _ in 0..2 {
        checker.send_away(3).await;
        lose_primary(&mut cluster).await;
        checker.acks(40).await;
        checker.call_back();
        bring_back(&mut cluster);
        checker.acks(40).await;
    }
    let counts = checker.keeps_its_promises().await;
    assert!(counts.provisional > 0, "{counts:?}");
    assert_eq!(counts.undelivered, 0, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_roles_change_while_both_live() {
    let mut cluster = watched().await;
    let checker = people(&cluster).await;
    for _ in 0..2 {
        checker.send_away(3).await;
        cluster.redis.fail_over();
        checker.call_back();
        cluster.redis.wait_for_replica();
        checker.acks(40).await;
        cluster.wait_until_degraded(&ALL, false).await;
    }
    let counts = checker.keeps_its_promises().await;
    assert_eq!(counts.undelivered, 0, "{counts:?}");
}

/// What was logged last is lost. `lost`: about how many entries; `away`: who goes away knowing the last of them.
async fn suffix_is_lost(lost: usize, away: usize) {
    let mut cluster = watched().await;
    let checker = people(&cluster).await;
    cluster.redis.wait_for_replica();
    // One knows nothing of what will be lost.
    checker.send_away(1).await;
    cluster.redis.cut_replication();
    checker.acks(lost).await;
    checker.send_away(away).await;
    lose_primary(&mut cluster).await;
    assert!(sum(&cluster, "hubbub_rescued_total").await >= 1.0, "what was lost is put back");
    assert!(sum(&cluster, "hubbub_epochs_moved_total").await >= 1.0, "no number means two things in one epoch");
    if away < PEOPLE {
        // Past every number that was lost.
        checker.acks(2 * lost).await;
    }
    checker.call_back();
    checker.acks(40).await;
    bring_back(&mut cluster);
    let counts = checker.keeps_its_promises().await;
    assert!(counts.gaps > 0, "the old epoch is over: {counts:?}");
    assert_eq!(counts.undelivered, 0, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_entries_are_lost() {
    suffix_is_lost(100, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_entries_are_lost() {
    suffix_is_lost(1, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_are_lost_when_nobody_is_there() {
    suffix_is_lost(40, PEOPLE).await;
}
