//! Redis away, or not as it has to be: the instances go on, and come back by themselves.

use super::{joined, metric, texts};
use crate::support::{
    Redis, Server, Value,
    cluster::{Cluster, instance},
    json, until,
};

/// Instances whose clients may be left unread for a while.
async fn calm(instances: usize) -> Cluster {
    let setup = |redis: &Redis, number| instance(number, &redis.url()).env("HEARTBEAT_INTERVAL_MS", 25_000);
    Cluster::around(Redis::start(), instances, setup).await
}

async fn healthy(server: &Server) -> bool {
    server.get("/health").await.json["status"] == "healthy"
}

#[tokio::test]
async fn an_instance_started_while_redis_is_away_joins_later() {
    let mut redis = Redis::start();
    let mut first = instance(1, &redis.url()).start();
    redis.kill9();
    let mut second = instance(2, &redis.url()).env("SESSION_SECRET", "").start();
    assert_eq!(second.get("/health").await.json["status"], "degraded");
    let mut ana = second.guest("Ana").await;
    assert_eq!(ana.welcome["mode"], "degraded");
    assert!(ana.welcome["resumeToken"].is_null(), "its secret is in Redis");
    assert_eq!(joined(&ana)["provisional"], true);
    let ack = ana.send_acked("global", "anybody there?").await;
    assert_eq!((&ack["provisional"], &ack["seq"]), (&json!(true), &json!(null)));
    assert_eq!(ana.expect_type("message").await["provisional"], true);

    redis.restart();
    // It comes with its number by itself, or in what the room is when it is back.
    let id = &ack["messageId"];
    let numbered = |entry: &Value| entry["id"] == *id && entry["seq"].is_u64();
    ana.expect(|event| numbered(event) || event["entries"].as_array().is_some_and(|all| all.iter().any(numbered)))
        .await;
    for server in [&first, &second] {
        until("it to be healthy", async || healthy(server).await.then_some(())).await;
    }
    let mut ben = first.guest("Ben").await;
    assert_eq!(joined(&ben)["entries"][0]["text"], "anybody there?");
    ben.send_acked("global", "here").await;
    ana.expect(|event| event["text"] == "here" && event["seq"].is_u64()).await;
    // People are recognised from now on, by either.
    until("resume tokens", async || {
        let guest = second.guest("Cora").await;
        guest.welcome["resumeToken"].is_string().then_some(())
    })
    .await;
    first.kill9();
    second.kill9();
}

#[tokio::test]
async fn a_user_who_may_not_is_told_what_is_missing() {
    let redis = Redis::start();
    for (taken, given, named) in [
        (&["-hset"][..], &["+hset"][..], "ACL: +hset"),
        (&["resetchannels"], &["&chat:*"], "ACL: &chat:*"),
        (&["resetkeys"], &["~chat:*"], "ACL: ~chat:*"),
        (&["-script|load"], &["+script|load"], "ACL: +script|load"),
        (&["-evalsha", "-publish"], &["+evalsha", "+publish"], "ACL: +evalsha"),
    ] {
        let set = |rules: &[&str]| redis.command(&[&["ACL", "SETUSER", "api-chat"], rules].concat());
        set(taken);
        let server = instance(1, &redis.url()).start();
        until(named, async || server.log().contains(named).then_some(())).await;
        assert_eq!(server.get("/health").await.json["status"], "degraded");
        assert!(metric(&server, "hubbub_redis_failed_recoveries_total").await >= 1.0);
        let said = server.log().matches("may not do what is needed").count();
        assert_eq!(said, 1, "once, however often it is tried:\n{}", server.log());
        set(given);
        until("it to be healthy", async || healthy(&server).await.then_some(())).await;
    }
}

#[tokio::test]
async fn rights_taken_while_it_runs_degrade_it_and_given_back_heal_it() {
    let mut cluster = Cluster::start(1).await;
    let mut ana = cluster.server(1).guest("Ana").await;
    cluster.redis.command(&["ACL", "SETUSER", "api-chat", "-hset"]);
    let ack = ana.send_acked("global", "one").await;
    assert_eq!(ack["provisional"], true);
    cluster.wait_until_degraded(&[1], true).await;
    cluster.redis.command(&["ACL", "SETUSER", "api-chat", "+hset"]);
    cluster.wait_until_degraded(&[1], false).await;
    ana.expect(|event| event["text"] == "one" && event["seq"].is_u64()).await;
}

#[tokio::test]
async fn connections_that_are_killed_come_back_and_nothing_is_missed() {
    let mut cluster = calm(2).await;
    let mut ana = cluster.server(1).guest("Ana").await;
    let mut ben = cluster.server(2).guest("Ben").await;
    let mut sent = 0;
    for kind in ["pubsub", "normal", "pubsub"] {
        let (before, mut killed) = (outages(&mut cluster).await, 0);
        killed += cluster.redis.kill_clients(kind);
        assert!(killed >= 2, "{kind}: {killed}");
        for _ in 0..5 {
            sent += 1;
            ana.send_acked("global", &format!("message {sent}")).await;
        }
        until("the outage to be noticed", async || (outages(&mut cluster).await > before).then_some(())).await;
        cluster.wait_until_degraded(&[1, 2], false).await;
    }
    for client in [&mut ana, &mut ben] {
        let last = format!("message {sent}");
        client.expect(|event| event["text"] == *last && event["seq"].is_u64()).await;
        let wanted: Vec<_> = (1..=sent).map(|number| (number, format!("message {number}"))).collect();
        let wanted: Vec<_> = wanted.iter().map(|(number, text)| (*number, text.as_str())).collect();
        assert_eq!(texts(&client.received), wanted);
    }
}

async fn outages(cluster: &mut Cluster) -> f64 {
    let one = metric(cluster.server(1), "hubbub_redis_outages_total").await;
    one + metric(cluster.server(2), "hubbub_redis_outages_total").await
}

#[tokio::test]
async fn a_redis_that_freezes_is_noticed_and_comes_back() {
    let mut cluster = calm(2).await;
    let mut ana = cluster.server(1).guest("Ana").await;
    let mut ben = cluster.server(2).guest("Ben").await;
    cluster.redis.freeze();
    cluster.wait_until_degraded(&[1, 2], true).await;
    let ack = ana.send_acked("global", "into the cold").await;
    assert_eq!(ack["provisional"], true);
    cluster.redis.thaw();
    cluster.wait_until_degraded(&[1, 2], false).await;
    ben.expect(|event| event["text"] == "into the cold" && event["seq"].is_u64()).await;
    ana.expect(|event| event["text"] == "into the cold" && event["seq"].is_u64()).await;
    assert_eq!(texts(&ana.received), texts(&ben.received));
}
