//! What Hubbub's user may do is taken away and given back; and frames from those who are none of the instances.

use super::{ALL, chat_without_redis, people};
use crate::support::{
    Redis,
    cluster::{Cluster, METRICS_KEY},
    json, until,
};

/// Changes the rules of Hubbub's user.
fn set(redis: &Redis, rules: &[&str]) {
    redis.command(&[&["ACL", "SETUSER", "api-chat"], rules].concat());
}

/// Takes rights away and gives them back, one after the other.
async fn lose_and_regain(rights: &[(&[&str], &[&str])]) {
    let cluster = Cluster::start(3).await;
    let checker = people(&cluster).await;
    for (taken, given) in rights {
        checker.send_away(3).await;
        set(&cluster.redis, taken);
        cluster.wait_until_degraded(&ALL, true).await;
        chat_without_redis(&checker).await;
        checker.call_back();
        set(&cluster.redis, given);
        cluster.wait_until_degraded(&ALL, false).await;
        checker.acks(60).await;
    }
    let counts = checker.keeps_its_promises().await;
    assert_eq!((counts.gaps, counts.undelivered), (0, 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_forbidden_for_a_while() {
    // Without the second one, what is logged is not told.
    lose_and_regain(&[(&["-hset"], &["+hset"]), (&["-publish"], &["+publish"]), (&["-evalsha"], &["+evalsha"])]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_channels_are_forbidden_for_a_while() {
    // Redis closes connections that listen where they may not any more.
    lose_and_regain(&[(&["resetchannels"], &["&chat:*"]), (&["resetkeys"], &["~chat:*"])]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_user_is_gone_for_a_while() {
    let cluster = Cluster::start(3).await;
    let checker = people(&cluster).await;
    checker.send_away(3).await;
    cluster.redis.command(&["ACL", "DELUSER", "api-chat"]);
    cluster.wait_until_degraded(&ALL, true).await;
    checker.call_back();
    chat_without_redis(&checker).await;
    // The file still has it.
    cluster.redis.command(&["ACL", "LOAD"]);
    cluster.wait_until_degraded(&ALL, false).await;
    checker.acks(60).await;
    let counts = checker.keeps_its_promises().await;
    assert_eq!((counts.gaps, counts.undelivered), (0, 0), "{counts:?}");
}

/// What no instance ever publishes, on any channel.
fn garbage() -> Vec<String> {
    let frame = |origin: &str, rest: &str| format!(r#"{{"v":1,"origin":"{origin}","id":7,{rest}}}"#);
    let other_room = r#""kind":"entries","epoch":"e","entries":[{"type":"deleted","messageId":"m","by":{"id":"m:x","name":"x","role":"member"},"room":"elsewhere","seq":1,"ts":1}]"#;
    vec![
        String::new(),
        "not JSON".into(),
        "[]".into(),
        "{}".into(),
        "null".into(),
        "[".repeat(100_000),
        "x".repeat(2 * 1024 * 1024),
        frame("api-1#0000000a", r#""kind":"probe""#).replace("\"v\":1", "\"v\":2"),
        frame("nobody", r#""kind":"probe""#),
        frame("api-1#0000000a", r#""kind":"no such kind""#),
        frame("api-1#0000000a", r#""kind":"entries","epoch":"e","entries":[{"type":"message"}]"#),
        frame("api-1#0000000a", r#""kind":"moved","epoch":7"#),
        frame("api-1#0000000a", r#""kind":"moved","epoch":"not an epoch!""#),
        frame("api-1#0000000a", other_room),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_published_everywhere() {
    let mut cluster = Cluster::start(3).await;
    let checker = people(&cluster).await;
    checker.send_away(3).await;
    let channels = cluster.redis.command(&["PUBSUB", "CHANNELS", "chat:*"]);
    let channels = channels.texts();
    // Three rooms and what all listen to, and one for each instance.
    assert_eq!(channels.len(), 3 + 1 + ALL.len(), "{channels:?}");
    let mut received = 0;
    for channel in &channels {
        for frame in garbage() {
            received += cluster.redis.command(&["PUBLISH", channel, &frame]).int();
        }
    }
    // And what has the form, but says what the log does not hold: a number far ahead in a life that never was.
    let user = json!({"id": "m:x", "name": "x", "role": "member"});
    for (room, id) in (0..3).zip(1..) {
        let room = format!("checked-{room}");
        let entry = json!({"type": "message", "id": format!("strange-{id}"), "from": user, "text": "strange",
            "instance": "api-9", "room": room, "seq": 1_000_000, "ts": 1});
        let told = json!({"v": 1, "origin": "api-9#0000000a", "id": id, "kind": "entries", "epoch": "strange",
            "entries": [entry]});
        let moved = json!({"v": 1, "origin": "api-9#0000000b", "id": id, "kind": "moved", "epoch": "strange"});
        for frame in [told, moved] {
            cluster.redis.command(&["PUBLISH", &format!("chat:pubsub:{room}:broadcast"), &frame.to_string()]);
        }
    }
    checker.acks(60).await;
    checker.call_back();
    until("all garbage to be counted", async || {
        let mut counted = 0.0;
        for number in ALL {
            counted += cluster.metric(number, "hubbub_bad_frames_total").await;
        }
        assert!(counted <= received as f64, "{counted} of {received}");
        (counted == received as f64).then_some(())
    })
    .await;
    for number in ALL {
        let server = cluster.server(number);
        assert_eq!(server.get_as("/metrics", METRICS_KEY).await.json["pubsub"]["isDegraded"], false);
        let log = server.log();
        let said = log.matches("a frame was dropped").count();
        assert!((1..=4).contains(&said), "once a kind, however many: {said}");
        assert!(!log.contains("not JSON") && !log.contains("xxxxxxxx"), "what is in it is not logged");
    }
    let counts = checker.keeps_its_promises().await;
    assert_eq!((counts.gaps, counts.provisional), (0, 0), "{counts:?}");
}
