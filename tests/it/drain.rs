//! Stopping: PROTOCOL section 4, promise 6.

use std::time::{Duration, Instant};

use crate::support::{
    cluster::{Cluster, METRICS_KEY, instance},
    *,
};

/// A server that waits long enough before its notice for a test to look.
fn server() -> server::Setup {
    Server::with_jwt().without_limits().env("HUBBUB__DRAIN__GRACE_MS", 600)
}

#[tokio::test]
async fn draining_is_told_before_the_end_and_ends_with_0() {
    let mut server = server().env("HUBBUB__DRAIN__PER_SECOND", 2).start();
    let mut clients = Vec::new();
    for n in 0..4 {
        clients.push(server.guest(&format!("g{n}")).await);
    }
    let asked = Instant::now();
    server.term();
    let health = until("the drain to begin", async || {
        let health = server.get("/health").await;
        (health.status == 503).then_some(health)
    })
    .await;
    assert_eq!(health.json["status"], "draining");
    assert_eq!(server.get("/ready").await.status, 503);
    let refused = server.dial().refused().await;
    assert_eq!((refused.status, refused.code()), (503, "unavailable"));
    assert!(refused.headers.contains_key("retry-after"));

    let mut ends = Vec::new();
    let mut all_told = Vec::new();
    for mut client in clients {
        let notice = client.expect_type("notice").await;
        assert_eq!(notice["kind"], "draining");
        assert!(notice["reconnectInMs"].is_u64(), "{notice}");
        let told = notice["closeInMs"].as_u64().unwrap();
        all_told.push(told);
        ends.push(tokio::spawn(async move {
            let code = client.closed().await;
            let drained = client.received.iter().any(|event| event["type"] == "left" && event["reason"] == "drained");
            (code, drained, told, asked.elapsed().as_millis())
        }));
    }
    all_told.sort_unstable();
    assert_eq!(all_told, [0, 500, 1_000, 1_500], "spread evenly");

    let mut saw_others_go = false;
    for end in ends {
        let (code, drained, told, after) = end.await.unwrap();
        assert_eq!(code, 1012);
        saw_others_go |= drained;
        assert!(after >= told.into(), "closed after {after} ms, told {told} ms");
    }
    assert!(saw_others_go, "the last are told that the first were drained");
    assert_eq!(server.exit_code(), Some(0));
}

#[tokio::test]
async fn commands_work_until_the_close_and_each_is_answered_before_it() {
    let mut server = server().start();
    let mut clients = Vec::new();
    for n in 0..20 {
        clients.push(server.guest(&format!("g{n}")).await);
    }
    let writers: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            tokio::spawn(async move {
                let mut sent = 0;
                // Says the next when the last is answered, until the connection takes no more.
                while client.try_say("{\"type\":\"message\",\"text\":\"hi\",\"id\":\"w\"}").await.is_ok() {
                    sent += 1;
                    if !client.reads_until(|event| event["id"] == "w").await {
                        break;
                    }
                }
                let code = client.closed().await;
                let acked: Vec<u64> = client
                    .received
                    .iter()
                    .filter(|event| event["id"] == "w" && event["type"] == "ack")
                    .map(|ack| ack["seq"].as_u64().unwrap())
                    .collect();
                let others = client.received.iter().filter(|event| event["type"] == "error").count();
                (sent, acked, others, code)
            })
        })
        .collect();
    until("everyone to write", async || {
        let head = server.get("/api/rooms/global/messages?limit=1").await.json["entries"][0]["seq"].as_u64();
        head.is_some_and(|head| head > 40).then_some(())
    })
    .await;
    server.term();
    let mut acked = Vec::new();
    for writer in writers {
        let (sent, numbers, refused, code) = writer.await.unwrap();
        assert_eq!(code, 1012);
        assert!(numbers.len() + refused <= sent);
        acked.extend(numbers);
    }
    assert_eq!(server.exit_code(), Some(0));
    server.restart();
    let mut reader = server.dial().rooms("").enter().await;
    let head = reader.join("global").await["seq"].as_u64().unwrap();
    acked.sort_unstable();
    // An entry without an ack would be a command that was accepted and not answered.
    assert_eq!(acked, (1..=head).collect::<Vec<_>>());
}

#[tokio::test]
async fn without_clients_it_ends_at_once() {
    let mut server = Server::setup().env("HUBBUB__DRAIN__GRACE_MS", 9_000).start();
    let start = Instant::now();
    server.term();
    assert_eq!(server.exit_code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut server = Server::setup().env("HUBBUB__DRAIN__GRACE_MS", 60_000).start();
    let mut client = server.guest("Ana").await;
    let ack = client.send_acked("global", "kept").await;
    let again = client.again();
    server.term();
    until("the drain to begin", async || (server.get("/health").await.status == 503).then_some(())).await;
    server.term();
    server.exit_code();
    server.restart();
    let mut client = again.enter().await;
    assert_eq!(client.ask(json!({"type": "history"})).await["entries"][0]["id"], ack["messageId"]);
}

#[tokio::test]
async fn an_admin_drains_an_instance() {
    let mut server = server().env("INSTANCE_ID", "api-1").start();
    let mut client = server.guest("Ana").await;
    let other = server.post_as("/api/instances/api-2/drain", &token::admin(), json!({})).await;
    assert_eq!(other.status, 404);
    let member = server.post_as("/api/instances/api-1/drain", &token::of("bob", "member"), json!({})).await;
    assert_eq!(member.status, 403);
    let answer = server.post_as("/api/instances/api-1/drain", &token::admin(), json!({})).await;
    assert!((200..300).contains(&answer.status), "{}", answer.text);
    assert_eq!(client.expect_type("notice").await["kind"], "draining");
    assert_eq!(client.closed().await, 1012);
    assert_eq!(server.exit_code(), Some(0));
}

#[tokio::test]
async fn the_first_signal_after_an_admins_drain_lets_it_go_on() {
    let mut server = server().env("INSTANCE_ID", "api-1").env("HUBBUB__DRAIN__GRACE_MS", 60_000).start();
    let _client = server.guest("Ana").await;
    let answer = server.post_as("/api/instances/api-1/drain", &token::admin(), json!({})).await;
    assert_eq!(answer.status, 202);
    until("the drain to begin", async || (server.get("/health").await.status == 503).then_some(())).await;
    server.term();
    until("the signal to be heard", async || server.log().contains("SIGTERM").then_some(())).await;
    assert_eq!(server.get("/health").await.json["status"], "draining");
    server.term();
    assert_eq!(server.exit_code(), Some(1));
}

#[tokio::test]
async fn who_was_drained_comes_back_without_a_gap() {
    let mut server = server().start();
    let mut ana = server.guest("Ana").await;
    let mut bob = server.guest("Bob").await;
    ana.send_acked("global", "before").await;
    let joined = bob.join("global").await;
    server.term();
    bob.expect_type("notice").await;
    assert_eq!((ana.closed().await, bob.closed().await), (1012, 1012));
    assert_eq!(server.exit_code(), Some(0));
    server.restart();
    let mut ana = ana.again().enter().await;
    ana.send_acked("global", "after").await;
    let mut bob = bob.again().rooms("").enter().await;
    let resumed = bob.join_since("global", &joined["epoch"], joined["seq"].as_u64().unwrap()).await;
    assert_eq!((&resumed["recovered"], &resumed["entries"][0]["text"]), (&json!(true), &json!("after")));
    assert_eq!(resumed["presence"]["guests"], 2, "nobody from before is left");
}

#[tokio::test]
async fn clients_come_back_as_fast_as_those_who_take_them_can() {
    let slow = |redis: &Redis, number| {
        instance(number, &redis.url())
            .env("HUBBUB__DRAIN__NEWCOMERS_PER_SECOND", 2)
            .env("MAX_SESSIONS", 50)
            .env("HUBBUB__DRAIN__GRACE_MS", 3_000)
    };
    let mut cluster = Cluster::around(Redis::start(), 2, slow).await;
    until("all to take newcomers", async || {
        let metrics = cluster.server(1).get_as("/metrics", METRICS_KEY).await.json;
        let instances = metrics["cluster"]["instances"].as_array().unwrap();
        let takes = |instance: &Value| {
            instance["sessionsFree"] == 50 && instance["newcomersPerSecond"].as_u64().is_some_and(|rate| rate > 0)
        };
        instances.iter().all(takes).then_some(())
    })
    .await;
    let mut notices = Vec::new();
    for number in 0..5 {
        let mut client = cluster.server(2).guest(&format!("g{number}")).await;
        // Who does not read gives no sign of life.
        notices.push(tokio::spawn(async move { (client.expect_type("notice").await, client) }));
    }
    until("the others to know of them", async || {
        let metrics = cluster.server(1).get_as("/metrics", METRICS_KEY).await.json;
        (metrics["cluster"]["instances"][1]["sessionsFree"] == 45).then_some(())
    })
    .await;
    cluster.server(2).term();
    until("the others to know that it takes nobody", async || {
        let metrics = cluster.server(1).get_as("/metrics", METRICS_KEY).await.json;
        let instances = metrics["cluster"]["instances"].as_array().unwrap();
        // It is there for as long as it has clients.
        let draining = instances.iter().find(|each| each["instanceId"] == "api-2").expect("still there");
        (draining["newcomersPerSecond"] == 0).then_some(())
    })
    .await;
    let mut returns = Vec::new();
    for notice in notices {
        let (notice, _client) = notice.await.unwrap();
        let [close, reconnect] = ["closeInMs", "reconnectInMs"].map(|key| notice[key].as_u64().unwrap());
        assert!(reconnect >= 1_000, "{notice}");
        returns.push(close + reconnect);
    }
    returns.sort_unstable();
    assert_eq!(returns[0], 1_000);
    for pair in returns.windows(2) {
        // Twice as much when the other is as busy as it can be.
        assert!((500..=1_000).contains(&(pair[1] - pair[0])), "{returns:?}");
    }
}
