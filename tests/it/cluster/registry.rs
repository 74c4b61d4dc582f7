//! The instances, and what they ask of one another.

use std::time::Duration;

use hubbub::{
    auth::{accounts::Accounts, secret::Secret},
    broker::{Directory, PeerRequest, redis::settle_identity},
    chat::headroom::Headroom,
    metrics::Metrics,
    protocol::{
        envelope::{Incarnation, PeerAnswer, PeerAsk},
        event::Counts,
        ids::InstanceId,
    },
};

use super::instance::*;
use crate::support::{redis::Redis, until};

/// The instances, as soon as Redis tells: on a busy machine it may have been taken for away for a moment.
async fn ids(instance: &Instance) -> Vec<String> {
    let instances = until("an answer", async || instance.store.directory.instances().await.ok()).await;
    instances.iter().map(|info| info.instance.to_string()).collect()
}

async fn until_ids(instance: &Instance, expected: &[&str]) {
    until(&format!("the instances {expected:?}"), async || (ids(instance).await == expected).then_some(())).await;
}

/// Answers how many connections there are with a number of its own.
fn answer_counts(instance: Instance, guests: usize) -> tokio::task::AbortHandle {
    let task = tokio::spawn(async move {
        // All of it, so that it lives as long.
        let mut instance = instance;
        while let Some(PeerRequest { ask, reply }) = instance.requests.recv().await {
            assert_eq!(ask, PeerAsk::CountSessions);
            reply.send(PeerAnswer::Counted { counts: Counts { guests, ..Counts::default() } }).unwrap();
        }
    });
    task.abort_handle()
}

fn counted(id: &str, guests: usize) -> (InstanceId, PeerAnswer) {
    let counts = Counts { guests, ..Counts::default() };
    (InstanceId::parse(id).unwrap(), PeerAnswer::Counted { counts })
}

#[tokio::test]
async fn instances_know_one_another() {
    let redis = Redis::start();
    let one = Instance::start(&redis, "api-1").await;
    one.metrics.connections_open.set(7);
    let two = Instance::start(&redis, "api-2").await;
    until("what the first says of itself", async || {
        let instances = two.store.directory.instances().await.unwrap();
        let known = instances.iter().map(|info| (info.instance.as_str(), info.connected_clients));
        (known.collect::<Vec<_>>() == [("api-1", 7), ("api-2", 0)]).then_some(())
    })
    .await;
    let keys = redis.command(&["KEYS", "chat:instances*"]);
    let mut keys = keys.texts();
    keys.sort_unstable();
    assert_eq!(keys, ["chat:instances", "chat:instances:api-1", "chat:instances:api-2"]);
    let instances = one.store.directory.instances().await.unwrap();
    let headroom = Headroom { sessions_free: 7, newcomers_per_second: 9 };
    assert!(instances.iter().all(|info| info.headroom == Some(headroom)));
    until("the gauge", async || (one.metrics.instances_live.get() == 2).then_some(())).await;
}

/// As in a rolling upgrade.
#[tokio::test]
async fn one_of_a_version_that_does_not_tell_its_headroom_is_known() {
    let redis = Redis::start();
    let one = Instance::start(&redis, "api-1").await;
    let info =
        r#"{"instanceId":"old","incarnation":"old#0000000a","startedAt":5,"connectedClients":7,"version":"0.1.0"}"#;
    redis.command(&["HSET", "chat:instances:old", "nonce", "0000000a", "hb", "5", "info", info]);
    redis.command(&["ZADD", "chat:instances", "9007199254740991", "old#0000000a"]);
    let instances = one.store.directory.instances().await.unwrap();
    let old = instances.iter().find(|info| info.instance.as_str() == "old").unwrap();
    assert_eq!((old.connected_clients, old.headroom), (7, None));
}

#[tokio::test]
async fn one_that_is_killed_is_forgotten_and_buried() {
    let redis = Redis::start();
    let (one, two) = (Instance::start(&redis, "api-1").await, Instance::start(&redis, "api-2").await);
    assert_eq!(ids(&one).await, ["api-1", "api-2"]);
    drop(two);
    until_ids(&one, &["api-1"]).await;
    until("it out of the index", async || {
        let index = redis.command(&["ZRANGE", "chat:instances", "0", "-1"]);
        (index.texts() == [one.me.to_string()]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn all_others_are_asked_and_a_deaf_one_is_not_waited_for() {
    let redis = Redis::start();
    let asker = Instance::start(&redis, "api-1").await;
    let two = answer_counts(Instance::start(&redis, "api-2").await, 2);
    let three = answer_counts(Instance::start(&redis, "api-3").await, 3);
    let ask = async |to: Option<&str>| {
        let to = to.map(|id| InstanceId::parse(id).unwrap());
        let mut answers = asker.store.directory.ask(to, PeerAsk::CountSessions).await.unwrap();
        answers.sort_by(|a, b| a.0.cmp(&b.0));
        answers
    };
    assert_eq!(ask(None).await, [counted("api-2", 2), counted("api-3", 3)]);
    assert_eq!(ask(Some("api-3")).await, [counted("api-3", 3)]);
    assert_eq!(ask(Some("api-9")).await, []);
    assert_eq!(ask(Some("api-1")).await, [], "nobody asks itself");
    assert_eq!(asker.metrics.peer_asks_unanswered.get(), 0);

    let _deaf = Instance::start(&redis, "api-4").await;
    assert_eq!(ask(None).await, [counted("api-2", 2), counted("api-3", 3)]);
    assert_eq!(asker.metrics.peer_asks_unanswered.get(), 1);
    two.abort();
    three.abort();
}

async fn settle(redis: &Redis, id: &str) -> (Incarnation, Incarnation, Metrics) {
    let (wanted, metrics) = (incarnation(id), Metrics::default());
    let url = Secret::new(redis.url());
    let settled = settle_identity(&url, &config(), TTL_MS, wanted.clone(), &metrics).await.unwrap();
    (wanted, settled, metrics)
}

#[tokio::test]
async fn two_with_one_id_are_told_apart() {
    let redis = Redis::start();
    let (wanted, settled, _) = settle(&redis, "api-1").await;
    assert_eq!(settled, wanted);
    let one = Instance::start_as(&redis, settled).await;

    let (wanted, settled, metrics) = settle(&redis, "api-1").await;
    let other = format!("api-1.{:04x}", wanted.nonce & 0xffff);
    assert_eq!(settled.instance.as_str(), other);
    assert_eq!((settled.nonce, metrics.instance_id_collisions.get()), (wanted.nonce, 1));
    let two = Instance::start_as(&redis, settled).await;
    assert_eq!(ids(&two).await, ["api-1", &other]);
    assert_eq!(one.metrics.instance_id_collisions.get(), 0);
}

#[tokio::test]
async fn a_killed_one_that_comes_back_has_its_id_again() {
    let redis = Redis::start();
    drop(Instance::start(&redis, "api-1").await);
    let (wanted, settled, metrics) = settle(&redis, "api-1").await;
    assert_eq!((settled.clone(), metrics.instance_id_collisions.get()), (wanted, 0));
    let again = Instance::start_as(&redis, settled).await;
    until_ids(&again, &["api-1"]).await;
}

#[tokio::test]
async fn without_redis_an_instance_starts_under_the_id_it_was_given() {
    let mut redis = Redis::start();
    redis.kill9();
    let (wanted, settled, _) = settle(&redis, "api-1").await;
    assert_eq!(settled, wanted);
}

#[tokio::test]
async fn one_whose_id_is_taken_while_it_runs_goes_on_under_another() {
    let redis = Redis::start();
    let (one, two) = (Instance::start(&redis, "api-1").await, Instance::start(&redis, "api-2").await);
    // As when it was paused for long, and another was started in its place.
    let usurper = incarnation("api-1");
    let beat = include_str!("../../../src/broker/redis/lua/heartbeat.lua");
    let (nonce, ttl) = (format!("{:08x}", usurper.nonce), TTL_MS.to_string());
    redis.command(&["DEL", "chat:instances:api-1"]);
    let other = format!("api-1.{:04x}", one.me.nonce & 0xffff);
    until("the first under another id", async || {
        let command =
            ["EVAL", beat, "2", "chat:instances:api-1", "chat:instances", "api-1", &nonce, &ttl, "{}", "", ""];
        redis.command(&command);
        ids(&two).await.contains(&other).then_some(())
    })
    .await;
    assert_eq!(one.metrics.instance_id_collisions.get(), 1);
    let one = answer_counts(one, 1);
    let answers = two.store.directory.ask(Some(InstanceId::parse(&other).unwrap()), PeerAsk::CountSessions).await;
    assert_eq!(answers.unwrap(), [counted(&other, 1)], "it is reached under it");
    one.abort();
}

/// Redis lost everything, and somebody starts before the others have put it back.
#[tokio::test]
async fn the_older_of_two_secrets_is_kept() {
    let redis = Redis::start();
    let one = Instance::start(&redis, "api-1").await;
    let secret = one.store.accounts.secret().await.unwrap();
    // Stands for the one that starts: it is younger than any.
    let younger = "ab".repeat(32);
    redis.command(&["FLUSHALL"]);
    redis.command(&["MSET", "chat:secret", &younger, "chat:secret:made", "9007199254740991"]);
    until("the older one back", async || {
        let kept = redis.command(&["GET", "chat:secret"]).text().to_owned();
        (kept != younger).then_some(())
    })
    .await;
    let two = Instance::start(&redis, "api-2").await;
    assert_eq!(two.store.accounts.secret().await.unwrap(), secret);
    // And whoever has the younger one takes the older one over.
    let oldest = "cd".repeat(32);
    redis.command(&["MSET", "chat:secret", &oldest, "chat:secret:made", "5"]);
    for instance in [&one, &two] {
        until("the oldest one", async || (instance.store.accounts.secret().await.unwrap() == [0xcd; 32]).then_some(()))
            .await;
    }
}

#[tokio::test]
async fn what_redis_forgets_is_put_back() {
    let redis = Redis::start();
    let one = Instance::start(&redis, "api-1").await;
    let secret = one.store.accounts.secret().await.unwrap();
    let (room, ana) = (room("lobby"), member("ana"));
    one.come(&room, &[&ana]).await;
    redis.command(&["FLUSHALL"]);
    until_ids(&one, &["api-1"]).await;
    one.until_total(&room, 1).await;
    until("the secret", async || (redis.command(&["EXISTS", "chat:secret"]).int() == 1).then_some(())).await;
    assert_eq!(one.store.accounts.secret().await.unwrap(), secret);
}

#[tokio::test]
async fn garbage_among_the_instances_harms_nobody() {
    let redis = Redis::start();
    let one = Instance::start(&redis, "api-1").await;
    redis.command(&["ZADD", "chat:instances", "99999999999999", "no incarnation"]);
    redis.command(&["ZADD", "chat:instances", "99999999999999", "api-9#00000000"]);
    redis.command(&["HSET", "chat:instances:api-9", "nonce", "00000000", "info", "[garbage"]);
    assert_eq!(ids(&one).await, ["api-1"]);
    let asked = one.store.directory.ask(None, PeerAsk::CountSessions);
    assert_eq!(tokio::time::timeout(Duration::from_secs(5), asked).await.unwrap().unwrap(), []);
}
