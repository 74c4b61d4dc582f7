//! Instances that find one another, and what Redis is told and tells.

use super::{joined, metric, texts};
use crate::support::{
    Redis, Server,
    cluster::{Cluster, instance},
    json, until,
};

/// How many listen to a channel.
fn listeners(redis: &Redis, channel: &str) -> i64 {
    redis.command(&["PUBSUB", "NUMSUB", channel]).list()[1].int()
}

const GLOBAL: &str = "chat:pubsub:global:broadcast";

#[tokio::test]
async fn two_instances_are_one_chat() {
    let mut cluster = Cluster::start(2).await;
    let mut ana = cluster.server(1).guest("Ana").await;
    let mut ben = cluster.server(2).guest("Ben").await;
    assert_eq!((&ana.welcome["mode"], &ben.welcome["mode"]), (&json!("distributed"), &json!("distributed")));
    assert_eq!(joined(&ana)["epoch"], joined(&ben)["epoch"], "one log");

    let ack = ana.send_acked("global", "hello from 1").await;
    let heard = ben.expect_type("message").await;
    assert_eq!((&heard["seq"], &heard["id"], &heard["instance"]), (&ack["seq"], &ack["messageId"], &json!("api-1")));
    ben.send_acked("global", "hello from 2").await;
    ana.expect(|event| event["text"] == "hello from 2").await;
    assert_eq!(texts(&ana.received), [(1, "hello from 1"), (2, "hello from 2")]);
    ben.expect(|event| event["text"] == "hello from 2").await;
    assert_eq!(texts(&ben.received), texts(&ana.received));

    // A third comes to the one and sees what was said at the other.
    let cora = cluster.server(2).guest("Cora").await;
    assert_eq!(joined(&cora)["entries"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn operators_see_who_listens() {
    let linger = |redis: &Redis, number| instance(number, &redis.url()).env("HUBBUB__REDIS__LINGER_MS", 100);
    let mut cluster = Cluster::around(Redis::start(), 2, linger).await;
    let ana = cluster.server(1).guest("Ana").await;
    let ben = cluster.server(2).guest("Ben").await;
    until("both to listen", async || (listeners(&cluster.redis, GLOBAL) == 2).then_some(())).await;
    let channels = cluster.redis.command(&["PUBSUB", "CHANNELS", "chat:*"]);
    let channels: Vec<_> = channels.list().iter().map(|channel| channel.text().to_owned()).collect();
    for channel in [GLOBAL, "chat:pubsub:control"] {
        assert!(channels.iter().any(|listed| listed == channel), "{channel} in {channels:?}");
    }
    assert_eq!(channels.iter().filter(|channel| channel.starts_with("chat:pubsub:instance:api-")).count(), 2);
    // Nobody is left: after a while nobody listens.
    ana.close().await;
    ben.close().await;
    until("none to listen", async || (listeners(&cluster.redis, GLOBAL) == 0).then_some(())).await;
}

#[tokio::test]
async fn garbage_in_the_channels_is_counted_and_dropped() {
    let mut cluster = Cluster::start(2).await;
    let mut ana = cluster.server(1).guest("Ana").await;
    let mut ben = cluster.server(2).guest("Ben").await;
    let probe = |v: u32, id: u32| format!(r##"{{"v":{v},"origin":"evil#00000000","id":{id},"kind":"probe"}}"##);
    let told = r##"{"v":1,"origin":"evil#00000000","id":9,"kind":"told","telling":{"what":"typing","user":{"id":"g:1","name":"Eve","role":"guest"}}}"##;
    let other_room = r##"{"v":1,"origin":"evil#00000000","id":3,"kind":"entries","epoch":"e","entries":[{"type":"deleted","messageId":"m","by":{"id":"m:a","name":"A","role":"admin"},"room":"other","seq":1,"ts":1}]}"##;
    for (channel, frame) in [
        (GLOBAL, "garbage".to_owned()),
        (GLOBAL, "\u{fffd}{}".to_owned()),
        (GLOBAL, "x".repeat(2 * 1024 * 1024)),
        (GLOBAL, probe(1, 1)),
        (GLOBAL, other_room.to_owned()),
        ("chat:pubsub:control", probe(2, 2)),
        ("chat:pubsub:control", told.to_owned()),
        (GLOBAL, told.to_owned()),
        (GLOBAL, told.to_owned()),
    ] {
        assert_eq!(cluster.redis.command(&["PUBLISH", channel, &frame]).int(), 2, "{channel}");
    }
    // What stands behind them comes.
    ana.send_acked("global", "still here").await;
    ben.expect(|event| event["text"] == "still here").await;
    ben.settle().await;
    let typing = ben.received.iter().filter(|event| event["type"] == "typing").count();
    assert_eq!(typing, 1, "one of two equal frames is dropped");
    let server = cluster.server(2);
    assert_eq!(metric(server, "hubbub_duplicate_frames_total").await, 1.0);
    let mut counted = Vec::new();
    for kind in ["malformed", "too_long", "misplaced", "version"] {
        counted.push(metric(server, &format!("hubbub_bad_frames_total{{kind=\"{kind}\"}}")).await);
    }
    assert_eq!(counted, [2.0, 1.0, 3.0, 1.0]);
    let log = server.log();
    assert_eq!(log.matches("a frame was dropped").count(), 4, "one line for each kind a minute:\n{log}");
    assert!(!log.contains("garbage") && !log.contains("p%40ss") && !log.contains("p@ss"), "{log}");
}

#[tokio::test]
async fn a_file_that_is_left_behind_is_pointed_out() {
    let redis = Redis::start();
    let mut server = Server::start();
    server.term();
    server.exit_code();
    server.restart_with(|setup| setup.env("ENABLE_DISTRIBUTED_CHAT", true).env("REDIS_URL", redis.url()));
    assert_eq!(server.log().matches("`hubbub import data/hubbub.db` carries them over").count(), 1);
}
