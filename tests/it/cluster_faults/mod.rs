//! Faults of what instances share, while people chat on all of them: every promise holds.
//!
//! - [`redis`]: Redis itself dies, freezes, forgets its scripts, is full. [`network`]: the way to it breaks, for all or one.
//! - [`rights`]: what its user may do is taken away; strangers publish what nobody understands.
//! - [`loss`]: what is in Redis is deleted. [`failover`]: another Redis takes over, and lacks something.
//! - [`instances`]: instances die, freeze, are replaced. [`rolling`]: all are started anew, one after the other.
//!
//! `FAULT_SEED` plays a run again; `FAULT_TIMINGS=default` takes the timings that operators get.

mod failover;
mod instances;
mod loss;
mod network;
mod redis;
mod rights;
mod rolling;

use std::time::Duration;

use crate::support::{
    checker::{Checker, Plan},
    cluster::Cluster,
    ledger::Counts,
    until,
};

/// The instances of every cluster here.
const ALL: [usize; 3] = [1, 2, 3];

/// How many people there are.
const PEOPLE: usize = 9;

/// Nine people in three rooms, who are on all instances and talk all the time.
async fn people<R>(cluster: &Cluster<R>) -> Checker {
    begin(cluster, false).await
}

/// The same, who also change what they said: where no log is lost, that must hold too.
async fn writers<R>(cluster: &Cluster<R>) -> Checker {
    begin(cluster, true).await
}

async fn begin<R>(cluster: &Cluster<R>, changes: bool) -> Checker {
    let plan = Plan { pause: Duration::from_millis(100), changes, ..Plan::new(PEOPLE, 3) };
    let checker = Checker::start(cluster.addresses(), plan).await;
    checker.acks(60).await;
    checker
}

/// Waits until several messages were acked as provisional, or refused for there are too many of those already.
async fn chat_without_redis(checker: &Checker) {
    let unlogged = |counts: Counts| counts.provisional + counts.refused;
    let before = unlogged(checker.counts());
    checker.until("provisional acks", |counts| unlogged(counts) >= before + 10).await;
}

/// How often each of some instances found Redis away.
async fn outages<R>(cluster: &Cluster<R>, instances: &[usize]) -> Vec<f64> {
    let mut all = Vec::new();
    for number in instances {
        all.push(cluster.metric(*number, "hubbub_redis_outages_total").await);
    }
    all
}

/// Waits until each of some instances found Redis away again since `before`, and then that it is back.
async fn wait_for_outage<R>(cluster: &Cluster<R>, instances: &[usize], before: &[f64]) {
    until("the outage to be noticed", async || {
        let now = outages(cluster, instances).await;
        now.iter().zip(before).all(|(now, before)| now > before).then_some(())
    })
    .await;
    cluster.wait_until_degraded(instances, false).await;
}
