//! Limits: who goes past them is told when to come back, and nobody else suffers.

use crate::support::*;

/// Asserts that a refusal over HTTP says when to come back, in both ways.
fn says_when(refused: &Refused) {
    let ms = refused.body["error"]["retryAfterMs"].as_u64().unwrap();
    let seconds: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(ms >= 1 && seconds == ms.div_ceil(1_000), "{ms} ms, {seconds} s");
}

#[tokio::test]
async fn commands_have_a_rate_and_say_when_to_come_back() {
    let server =
        Server::setup().env("HUBBUB__LIMITS__COMMANDS_PER_SECOND", 1).env("HUBBUB__LIMITS__COMMANDS_BURST", 5).start();
    let mut client = server.guest("Ana").await;
    let mut other = server.guest("Bob").await;
    for _ in 0..5 {
        assert_eq!(client.ask(json!({"type": "ping"})).await["type"], "pong");
    }
    let refused = client.ask(json!({"type": "message", "text": "too much"})).await;
    assert_eq!((&refused["code"], &refused["room"]), (&json!("rate_limited"), &json!("global")));
    assert!((1..=1_000).contains(&refused["retryAfterMs"].as_u64().unwrap()), "{refused}");
    other.send_acked("global", "not mine").await;
    until("the rate to let one through", async || {
        (client.ask(json!({"type": "ping"})).await["type"] == "pong").then_some(())
    })
    .await;
}

#[tokio::test]
async fn messages_have_a_rate_per_user_over_all_its_connections() {
    let server =
        Server::setup().env("HUBBUB__LIMITS__MESSAGES_PER_SECOND", 1).env("HUBBUB__LIMITS__MESSAGES_BURST", 3).start();
    let mut first = server.guest("Ana").await;
    let mut second = first.again().enter().await;
    let mut other = server.guest("Bob").await;
    let say = json!({"type": "message", "text": "hi"});
    first.acked(say.clone()).await;
    second.acked(say.clone()).await;
    first.acked(say.clone()).await;
    let refused = second.ask(say.clone()).await;
    assert_eq!(refused["code"], "rate_limited");
    assert!((1..=1_000).contains(&refused["retryAfterMs"].as_u64().unwrap()), "{refused}");
    other.acked(say).await;
}

#[tokio::test]
async fn a_connection_is_let_into_so_many_rooms_and_told_once_of_the_rest() {
    let server = Server::setup().env("HUBBUB__LIMITS__ROOMS_PER_CONNECTION", 2).start();
    let mut client = server.dial().rooms("a,b,c,d,e").open().await.unwrap();
    client.expect(|event| event["type"] == "joined" && event["room"] == "b").await;
    client.acked(json!({"type": "message", "room": "a", "text": "in"})).await;
    let refused = client.received.iter().filter(|event| event["type"] == "error").collect::<Vec<_>>();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!((&refused[0]["code"], &refused[0]["room"]), (&json!("room_limit"), &json!("c")));
}

#[tokio::test]
async fn a_hundred_refusals_by_limits_close() {
    let server =
        Server::setup().env("HUBBUB__LIMITS__COMMANDS_PER_SECOND", 1).env("HUBBUB__LIMITS__COMMANDS_BURST", 1).start();
    let mut client = server.guest("Ana").await;
    let mut other = server.guest("Bob").await;
    for _ in 0..150 {
        // It may be closed before the last one.
        if client.try_say("{\"type\":\"ping\"}").await.is_err() {
            break;
        }
    }
    assert_eq!(client.closed().await, 4429);
    let refused = client.received.iter().filter(|event| event["code"] == "rate_limited").count();
    assert_eq!(refused, 100);
    other.send_acked("global", "still here").await;
}

#[tokio::test]
async fn connects_have_a_rate_per_address() {
    let server =
        Server::setup().env("HUBBUB__LIMITS__CONNECTS_PER_SECOND", 1).env("HUBBUB__LIMITS__CONNECTS_BURST", 3).start();
    let mut clients = Vec::new();
    for n in 0..3 {
        clients.push(server.guest(&format!("g{n}")).await);
    }
    let Err(refused) = server.dial().open().await else { panic!("let in") };
    assert_eq!((refused.status, refused.code()), (429, "rate_limited"));
    says_when(&refused);
    clients[0].settle().await;
}

#[tokio::test]
async fn an_address_has_so_many_connections_open() {
    let server = Server::setup().env("HUBBUB__LIMITS__OPEN_PER_ADDRESS", 2).start();
    let first = server.guest("a").await;
    let _second = server.guest("b").await;
    let refused = server.dial().refused().await;
    assert_eq!((refused.status, refused.code()), (429, "rate_limited"));
    says_when(&refused);
    first.close().await;
    until("a place to be free", async || server.dial().open().await.ok()).await;
}

#[tokio::test]
async fn places_are_as_many_as_the_files_that_it_may_have() {
    const KEY: &str = "0123456789abcdef0123456789abcdef";
    for ((soft, hard), files) in [((600, 2_000), 2_000), ((600, 600), 600)] {
        let server = Server::setup().env("METRICS_API_KEY", KEY).files(soft, hard).start();
        let places = server.metric(KEY, "hubbub_connections_limit").await;
        assert_eq!(places, f64::from(files - 256), "soft {soft}, hard {hard}");
    }
}

#[tokio::test]
async fn a_full_server_refuses() {
    let server = Server::setup().env("MAX_SESSIONS", 2).start();
    let first = server.guest("a").await;
    let _second = server.guest("b").await;
    let refused = server.dial().refused().await;
    assert_eq!((refused.status, refused.code()), (503, "unavailable"));
    says_when(&refused);
    assert_eq!(server.get("/health").await.status, 200, "health is told all the same");
    assert_eq!(server.get("/ready").await.status, 503, "a balancer sends newcomers elsewhere");
    first.close().await;
    until("a place to be free", async || server.dial().open().await.ok()).await;
}

#[tokio::test]
async fn who_come_at_once_get_no_more_places_than_there_are() {
    let server = Server::setup().env("MAX_SESSIONS", 3).start();
    let dials = (0..40).map(|_| server.dial().open());
    let opened: Vec<_> = futures_util::future::join_all(dials).await.into_iter().flatten().collect();
    assert_eq!(opened.len(), 3);
}

#[tokio::test]
async fn forwarded_addresses_count_only_from_trusted_proxies() {
    let limited = |setup: server::Setup| setup.env("HUBBUB__LIMITS__OPEN_PER_ADDRESS", 1);
    let from = |server: &Server, address: &str| server.dial().header("x-forwarded-for", address);

    let server = limited(Server::setup()).start();
    let _first = from(&server, "203.0.113.1").enter().await;
    assert_eq!(from(&server, "203.0.113.2").refused().await.status, 429, "a client's own header says nothing");

    let server = limited(Server::with_jwt()).env("TRUSTED_PROXIES", "127.0.0.0/8,10.0.0.1").start();
    let _first = from(&server, "198.51.100.7, 203.0.113.1, 10.0.0.1").enter().await;
    assert_eq!(from(&server, "192.0.2.9, 203.0.113.1").refused().await.status, 429, "the right-most that is no proxy");
    let _second = from(&server, "203.0.113.2").enter().await;
    let _third = from(&server, "2001:db8:1:2::1").enter().await;
    assert_eq!(from(&server, "2001:db8:1:2:ffff::2").refused().await.status, 429, "one /64 is one address");
    let _fourth = from(&server, "2001:db8:1:3::1").enter().await;
    let sessions = server.get_as("/api/sessions", &token::admin()).await.json;
    let addresses: Vec<_> =
        sessions["sessions"].as_array().unwrap().iter().map(|each| each["address"].as_str().unwrap()).collect();
    assert_eq!(addresses, ["203.0.113.1", "203.0.113.2", "2001:db8:1:2::1", "2001:db8:1:3::1"]);
}

#[tokio::test]
async fn logins_and_registrations_have_rates() {
    let server = Server::start();
    for n in 0..5 {
        server.register(&format!("user{n}")).await;
    }
    let sixth = server.post("/api/register", json!({"username": "user5", "password": web::PASSWORD})).await;
    assert_eq!((sixth.status, sixth.code()), (429, "rate_limited"));
    assert!(!sixth.header("retry-after").is_empty());

    let login = |name: &str| server.post("/api/login", json!({"username": name, "password": "wrong password"}));
    for _ in 0..5 {
        assert_eq!(login("user0").await.status, 401);
    }
    assert_eq!(login("user0").await.status, 429, "five a minute for an account");
    for _ in 0..4 {
        assert_eq!(login("user1").await.status, 401);
    }
    assert_eq!(login("user2").await.status, 429, "ten a minute from an address");
}
