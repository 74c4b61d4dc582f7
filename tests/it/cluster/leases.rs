//! Leases of several owners.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hubbub::broker::redis::Leases;

use super::instance::*;
use crate::support::{PATIENCE, redis::Redis, until};

/// Longer than a test takes.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(900);

#[tokio::test]
async fn the_lowest_that_is_free_is_leased_until_there_is_none() {
    let redis = Redis::start();
    let (one, two) = (Instance::start(&redis, "api-1").await, Instance::start(&redis, "api-2").await);
    let reserve = async |instance: &Instance| instance.store.leases.reserve("ports:host", 7..=9, LONG).await.unwrap();
    let first = reserve(&one).await.unwrap();
    let second = reserve(&two).await.unwrap();
    let third = reserve(&one).await.unwrap();
    assert_eq!([first.number(), second.number(), third.number()], [7, 8, 9]);
    assert!(first.fence() < second.fence() && second.fence() < third.fence());
    assert!(reserve(&two).await.is_none());
    let fence = third.fence();
    second.release().await;
    let again = reserve(&one).await.unwrap();
    assert_eq!(again.number(), 8);
    assert!(again.fence() > fence);
    let elsewhere = two.store.leases.reserve("ports:other", 7..=9, LONG).await.unwrap().unwrap();
    assert_eq!(elsewhere.number(), 7, "pools have nothing to do with each other");
}

#[tokio::test]
async fn one_that_is_renewed_outlives_its_time_and_one_that_is_not_does_not() {
    let redis = Redis::start();
    let (one, two) = (Instance::start(&redis, "api-1").await, Instance::start(&redis, "api-2").await);
    let held = one.store.leases.reserve("pool", 1..=1, SHORT).await.unwrap().unwrap();
    until_redis_is_older(&redis, SHORT * 2).await;
    assert!(!held.is_lost());
    assert!(two.store.leases.reserve("pool", 1..=1, SHORT).await.unwrap().is_none());
    // As when its process was killed.
    let fence = held.fence();
    drop(held);
    let next = until("it free", async || two.store.leases.reserve("pool", 1..=1, SHORT).await.unwrap()).await;
    assert!(next.fence() > fence);
}

#[tokio::test]
async fn an_owner_learns_that_it_lost_a_lease() {
    let redis = Redis::start();
    let one = Instance::start(&redis, "api-1").await;
    let mut deleted = one.store.leases.reserve("pool", 1..=1, SHORT).await.unwrap().unwrap();
    redis.command(&["DEL", "chat:leases:pool", "chat:leases:pool:owners"]);
    tokio::time::timeout(PATIENCE, deleted.lost()).await.expect("the next renewal tells");
    assert!(deleted.is_lost());
    let mut cut_off = one.store.leases.reserve("pool", 1..=1, SHORT).await.unwrap().unwrap();
    redis.freeze();
    tokio::time::timeout(PATIENCE, cut_off.lost()).await.expect("it cannot be renewed");
    redis.thaw();
}

#[tokio::test]
async fn a_number_has_one_owner_whatever_happens() {
    let redis = Redis::start();
    let mut instances = Vec::new();
    for n in 0..3 {
        instances.push(Instance::start(&redis, &format!("api-{n}")).await);
    }
    // Who holds which number, and the greatest token seen.
    let held: Arc<Mutex<(HashMap<u32, u64>, u64)>> = Arc::default();
    let got = Arc::new(AtomicUsize::new(0));
    let work = async |leases: Leases, drops: bool| {
        for _ in 0..25 {
            let Some(lease) = leases.reserve("pool", 1..=2, LONG).await.unwrap() else {
                tokio::task::yield_now().await;
                continue;
            };
            {
                let mut held = held.lock().unwrap();
                assert!(held.0.insert(lease.number(), lease.fence()).is_none(), "{} has two owners", lease.number());
                held.1 = held.1.max(lease.fence());
            }
            got.fetch_add(1, Ordering::Relaxed);
            if !drops {
                tokio::task::yield_now().await;
            }
            assert_eq!(held.lock().unwrap().0.remove(&lease.number()), Some(lease.fence()));
            lease.release().await;
        }
    };
    let tasks = instances
        .iter()
        .flat_map(|instance| [work(instance.store.leases.clone(), false), work(instance.store.leases.clone(), true)]);
    futures_util::future::join_all(tasks).await;
    let got = got.load(Ordering::Relaxed);
    assert!(got > 25, "{got} were had");
    assert_eq!(held.lock().unwrap().1, got as u64, "each had a token of its own");
    assert_eq!(redis.command(&["ZCARD", "chat:leases:pool"]).int(), 0);
}

#[tokio::test]
async fn a_job_is_done_by_one_at_a_time_and_by_another_when_that_is_gone() {
    let redis = Redis::start();
    let (one, two) = (Instance::start(&redis, "api-1").await, Instance::start(&redis, "api-2").await);
    let (working, worked) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let start = |instance: &Instance, name: &'static str| {
        let (leases, working, worked) = (instance.store.leases.clone(), working.clone(), worked.clone());
        tokio::spawn(async move {
            leases
                .whenever_held("job", SHORT, async |fence| {
                    struct Busy(Arc<AtomicUsize>);
                    impl Drop for Busy {
                        fn drop(&mut self) {
                            self.0.fetch_sub(1, Ordering::SeqCst);
                        }
                    }
                    assert_eq!(working.fetch_add(1, Ordering::SeqCst), 0, "two do it");
                    let _busy = Busy(working.clone());
                    worked.lock().unwrap().push((name, fence));
                    std::future::pending().await
                })
                .await;
        })
    };
    let first = start(&one, "one");
    until("the first at work", async || (worked.lock().unwrap().len() == 1).then_some(())).await;
    let second = start(&two, "two");
    until_redis_is_older(&redis, SHORT * 2).await;
    assert_eq!(worked.lock().unwrap().len(), 1);
    first.abort();
    until("the other at work", async || (worked.lock().unwrap().len() == 2).then_some(())).await;
    let worked = worked.lock().unwrap().clone();
    assert!(worked[0].0 == "one" && worked[1].0 == "two" && worked[0].1 < worked[1].1, "{worked:?}");
    second.abort();
}
