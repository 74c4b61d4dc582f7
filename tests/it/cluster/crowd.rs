//! Who is there, as people on several servers see it; and what servers of one host or one name share.

use crate::support::{
    Server, Value,
    cluster::{Cluster, METRICS_KEY, instance},
    json,
    redis::Redis,
    until,
};

fn names(event: &Value, kind: &str, user: &str) -> bool {
    event["type"] == kind && event["users"].as_array().is_some_and(|users| users.iter().any(|each| each["id"] == user))
}

#[tokio::test]
async fn a_user_on_two_servers_is_one() {
    let mut cluster = Cluster::start(2).await;
    let mut watcher = cluster.server(1).guest("Watcher").await;
    let first = cluster.server(1).guest("Ana").await;
    let id = first.id();
    watcher.expect(|event| names(event, "entered", &id)).await;
    let token = first.resume_token();
    let second = cluster.server(2).dial().subprotocol(&token).enter().await;
    assert_eq!(second.id(), id);
    let mut far = cluster.server(2).guest("Far").await;
    watcher.expect(|event| names(event, "entered", &far.id())).await;
    for client in [&mut watcher, &mut far] {
        let who = client.ask(json!({"type": "who"})).await;
        assert_eq!((&who["total"], &who["users"].as_array().unwrap().len()), (&json!(3), &3));
    }
    first.close().await;
    far.send_acked("global", "anything").await;
    let who = far.ask(json!({"type": "who"})).await;
    assert_eq!(who["total"], 3, "she is on the other");
    second.close().await;
    for client in [&mut watcher, &mut far] {
        client.expect(|event| names(event, "left", &id)).await;
        client.expect(|event| event["type"] == "presence" && event["guests"] == 2).await;
    }
    for client in [&watcher, &far] {
        let left = client.received.iter().filter(|event| names(event, "left", &id)).count();
        let entered = client.received.iter().filter(|event| names(event, "entered", &id)).count();
        assert!(left == 1 && entered <= 1, "{left}, {entered}");
    }
}

#[tokio::test]
async fn those_of_a_killed_server_go_as_lost() {
    let mut cluster = Cluster::start(2).await;
    let mut watcher = cluster.server(1).guest("Watcher").await;
    let gone = cluster.server(2).guest("Gone").await;
    let id = gone.id();
    watcher.expect(|event| names(event, "entered", &id)).await;
    cluster.server(2).kill9();
    let left = watcher.expect(|event| names(event, "left", &id)).await;
    assert_eq!(left["reason"], "lost");
    watcher.expect(|event| event["type"] == "presence" && event["guests"] == 1).await;
    cluster.wait_for(&[1]).await;
}

#[tokio::test]
async fn those_of_a_server_that_stops_are_gone_at_once() {
    let mut cluster = Cluster::start(2).await;
    let mut watcher = cluster.server(1).guest("Watcher").await;
    let gone = cluster.server(2).guest("Gone").await;
    let id = gone.id();
    watcher.expect(|event| names(event, "entered", &id)).await;
    cluster.server(2).term();
    watcher.expect(|event| names(event, "left", &id)).await;
    assert_eq!(cluster.server(2).exit_code(), Some(0));
    let index = cluster.redis.command(&["ZRANGE", "chat:instances", "0", "-1"]);
    assert_eq!(index.texts().len(), 1, "{index}");
    assert_eq!(cluster.redis.command(&["EXISTS", "chat:instances:api-2"]).int(), 0);
    cluster.wait_for(&[1]).await;
}

#[tokio::test]
async fn servers_of_one_host_lease_their_ports() {
    let redis = Redis::start();
    // A range of its own, whose first port something else holds.
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let first = held.local_addr().unwrap().port();
    let start = |number| {
        let setup = instance(number, &redis.url()).env("PORT", "auto").env("HOSTNAME", "box");
        setup.env("PORT_RANGE_START", first).env("PORT_RANGE_END", first.saturating_add(50)).start()
    };
    let (mut one, two) = (start(1), start(2));
    let leased = || {
        let ports = redis.command(&["ZRANGE", "chat:leases:ports:box", "0", "-1"]);
        let mut ports: Vec<u16> = ports.texts().iter().map(|port| port.parse().unwrap()).collect();
        ports.sort_unstable();
        ports
    };
    let mut ports = [one.address.port(), two.address.port()];
    ports.sort_unstable();
    assert!(ports[0] > first && ports[0] != ports[1], "{ports:?}");
    assert_eq!(leased(), ports);
    one.term();
    assert_eq!(one.exit_code(), Some(0));
    assert_eq!(leased(), [two.address.port()], "it gave its own back");
}

#[tokio::test]
async fn two_servers_with_one_id_are_told_apart_everywhere() {
    let redis = Redis::start();
    let (one, two) = (instance(1, &redis.url()).start(), instance(1, &redis.url()).start());
    let id_of = async |server: &Server| {
        let metrics = server.get_as("/metrics", METRICS_KEY).await.json;
        metrics["instanceId"].as_str().unwrap().to_owned()
    };
    let (first, second) = (id_of(&one).await, id_of(&two).await);
    assert_eq!(first, "api-1");
    assert!(second.starts_with("api-1."), "{second}");
    assert!(two.log().contains("INSTANCE_ID"), "{}", two.log());
    until("both in the list", async || {
        let metrics = one.get_as("/metrics", METRICS_KEY).await.json;
        let instances = metrics["cluster"]["instances"].as_array()?;
        let listed: Vec<_> = instances.iter().filter_map(|each| each["instanceId"].as_str()).collect();
        (listed == [first.as_str(), &second]).then_some(())
    })
    .await;
}
