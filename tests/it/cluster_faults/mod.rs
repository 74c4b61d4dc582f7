//! Faults of what instances share, while people chat on all of them: every promise holds.
//!
//! - [`loss`]: what is in Redis is deleted. [`failover`]: another Redis takes over, and lacks something.
//! - [`instances`]: instances die, freeze, are replaced.
//!
//! `FAULT_SEED` plays a run again; `FAULT_TIMINGS=default` takes the timings that operators get.

mod failover;
mod instances;
mod loss;

use std::time::Duration;

use crate::support::{
    checker::{Checker, Plan},
    cluster::Cluster,
};

/// The instances of every cluster here.
const ALL: [usize; 3] = [1, 2, 3];

/// How many people there are.
const PEOPLE: usize = 9;

/// Nine people in three rooms, who are on all instances and talk all the time.
async fn people<R>(cluster: &Cluster<R>) -> Checker {
    let checker =
        Checker::start(cluster.addresses(), Plan { pause: Duration::from_millis(100), ..Plan::new(PEOPLE, 3) }).await;
    checker.acks(60).await;
    checker
}
