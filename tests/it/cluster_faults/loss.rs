//! What is in Redis is deleted by somebody, while people chat and no connection is lost.

use super::people;
use crate::support::{Redis, cluster::Cluster, until};

/// A room of the checker.
const ROOM: &str = "checked-0";

/// Deletes keys by their names, those that are there.
fn delete(redis: &Redis, keys: &[String]) {
    let command: Vec<_> = ["DEL"].into_iter().chain(keys.iter().map(String::as_str)).collect();
    redis.command(&command);
}

/// Waits until Redis counts so many guests in the room again.
async fn wait_for_guests(cluster: &Cluster, guests: i64) {
    until("everybody to be present again", async || {
        let counted = cluster.redis.command(&["ZCARD", &format!("chat:presence:{ROOM}:guests")]).int();
        (counted == guests).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_present_is_deleted() {
    let cluster = Cluster::start(3).await;
    let checker = people(&cluster).await;
    for _ in 0..3 {
        let keys = cluster.redis.command(&["KEYS", "chat:presence:*"]);
        let keys: Vec<_> = keys.texts().into_iter().map(str::to_owned).collect();
        assert!(keys.len() >= 6, "the guests of three rooms, and who holds them: {keys:?}");
        delete(&cluster.redis, &keys);
        checker.acks(20).await;
        wait_for_guests(&cluster, 9).await;
    }
    let counts = checker.keeps_its_promises().await;
    assert_eq!((counts.gaps, counts.undelivered), (0, 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_is_deleted() {
    let cluster = Cluster::start(3).await;
    let checker = people(&cluster).await;
    let all = ["log", "meta", "ids", "state"];
    for parts in [&all[..], &["log"], &["meta"], &["log", "meta"], &["meta", "ids"], &["ids"], &["state"]] {
        checker.send_away(3).await;
        let before = checker.counts();
        delete(&cluster.redis, &parts.iter().map(|part| format!("chat:{part}:{ROOM}")).collect::<Vec<_>>());
        checker.acks(40).await;
        checker.call_back();
        checker.acks(40).await;
        println!("{parts:?}: {before:?}, then {:?}", checker.counts());
    }
    let counts = checker.keeps_its_promises().await;
    assert!(counts.gaps > 0, "nobody can go on in a log that is gone: {counts:?}");
    assert_eq!(counts.undelivered, 0, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_deleted() {
    let cluster = Cluster::start(3).await;
    let checker = people(&cluster).await;
    for _ in 0..2 {
        checker.send_away(3).await;
        cluster.redis.command(&["FLUSHALL"]);
        checker.acks(40).await;
        // The secret that their tokens were signed with is put back with the next heartbeat.
        checker.call_back();
        wait_for_guests(&cluster, 9).await;
        checker.acks(40).await;
    }
    // And once more as the chat ends: what nobody speaks in is looked at too.
    cluster.redis.command(&["FLUSHALL"]);
    let counts = checker.keeps_its_promises().await;
    assert!(counts.gaps > 0, "nobody can go on in a log that is gone: {counts:?}");
    assert_eq!(counts.undelivered, 0, "{counts:?}");
    cluster.wait_for(&super::ALL).await;
    let secrets = cluster.redis.command(&["EXISTS", "chat:secret"]).int();
    assert_eq!(secrets, 1, "people are recognised tomorrow");
}
