//! `hubbub import`: what a server kept that stood alone, found again in Redis.

use std::process::Output;

use crate::support::{redis::Redis, server::run, *};

/// What a room's log was, as a client had it that was there.
struct Before {
    epoch: Value,
    /// Raw, the whole log.
    entries: Vec<Value>,
    /// As a newcomer is shown it.
    snapshot: Vec<Value>,
}

/// A server that stood alone, and has stopped; and what was in `global` and who was there.
struct Scene {
    server: Server,
    before: Before,
    banned: String,
    /// Guests who come back as who they were; Bob is banned.
    ana: Dial,
    bob: Dial,
}

async fn scene() -> Scene {
    let unlimited = ["HUBBUB__LIMITS__MESSAGES_PER_SECOND", "HUBBUB__LIMITS__COMMANDS_PER_SECOND"];
    let mut server = unlimited.iter().fold(Server::with_jwt(), |setup, name| setup.env(name, 0)).start();
    let carol = server.register("Carol").await;
    let mut ana = server.guest("Ana").await;
    let mut carol_here = server.dial().cookie(&carol).enter().await;
    let mut bob = server.guest("Bob").await;
    let mut admin = server.dial().bearer(&token::admin()).enter().await;

    let keyed = json!({"type": "message", "room": "global", "text": "first \"words\"", "key": "k1"});
    let first = ana.acked(keyed).await["messageId"].clone();
    let gone = bob.send_acked("global", "never said").await["messageId"].clone();
    bob.acked(json!({"type": "edit", "messageId": gone, "text": "never said so"})).await;
    for text in ["better words", "the best words"] {
        ana.acked(json!({"type": "edit", "messageId": first, "text": text})).await;
    }
    for (who, emoji) in [(&mut carol_here, "👍"), (&mut bob, "👍"), (&mut ana, "🎉")] {
        who.acked(json!({"type": "react", "messageId": first, "emoji": emoji, "on": true})).await;
    }
    bob.acked(json!({"type": "delete", "messageId": gone})).await;
    for number in 0..300 {
        carol_here.send_acked("global", &format!("number {number}")).await;
    }
    carol_here.acked(json!({"type": "read", "room": "global", "seq": 7})).await;
    carol_here.join("den").await;
    carol_here.send_acked("den", "quiet here").await;
    let (banned, ana, bob_again) = (bob.id(), ana.again(), bob.again());
    admin.acked(json!({"type": "kick", "userId": banned, "banMs": 3_600_000})).await;

    let before = everything(&mut carol_here).await;
    server.term();
    assert_eq!(server.exit_code(), Some(0));
    Scene { server, before, banned, ana, bob: bob_again }
}

async fn everything(client: &mut Client) -> Before {
    let joined = client.join("global").await;
    let epoch = joined["epoch"].clone();
    let mut entries = Vec::new();
    loop {
        let page = client.join_since("global", &epoch, entries.len() as u64).await;
        assert_eq!(page["recovered"], true, "{page}");
        entries.extend(page["entries"].as_array().unwrap().iter().cloned());
        if page["more"] == false {
            break;
        }
    }
    Before { epoch, entries, snapshot: joined["entries"].as_array().unwrap().clone() }
}

fn import(server: &Server, redis: &Redis, more: &[&str]) -> (Output, String) {
    let args = [&["import", "data/hubbub.db"], more].concat();
    let output = run(server.folder(), &args, &[("REDIS_URL", &redis.url())]);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output, said)
}

#[track_caller]
fn imported(server: &Server, redis: &Redis, more: &[&str]) -> String {
    let (output, said) = import(server, redis, more);
    assert_eq!(output.status.code(), Some(0), "{said}");
    said
}

/// Every key with what it holds, but for when it expires.
fn content(redis: &Redis) -> Vec<(String, String)> {
    let keys = redis.command(&["KEYS", "*"]);
    let held = |key: &str| match redis.command(&["TYPE", key]).text() {
        "hash" => {
            let all = redis.command(&["HGETALL", key]);
            let mut pairs: Vec<_> = all.texts().chunks(2).map(<[_]>::concat).collect();
            pairs.sort();
            pairs.join("\n")
        }
        "zset" => redis.command(&["ZRANGE", key, "0", "-1", "WITHSCORES"]).to_string(),
        _ => redis.command(&["GET", key]).to_string(),
    };
    let mut all: Vec<_> = keys.texts().into_iter().map(|key| (key.to_owned(), held(key))).collect();
    all.sort();
    all
}

#[tokio::test]
async fn everything_is_there_and_stays_as_it_is_the_second_time() {
    let (scene, redis) = (scene().await, Redis::start());
    let Scene { server, before, banned, .. } = &scene;
    let said = imported(server, &redis, &[]);
    for part in [
        "accounts      1\n",
        "bans          1\n",
        "read markers  1\n",
        "rooms         2, with 310 entries",
        "the file's",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }

    let get = |key: &str, field: &str| redis.command(&["HGET", key, field]).to_string();
    let meta = ["e", "s", "t", "importing"].map(|field| get("chat:meta:global", field));
    assert_eq!(meta, [before.epoch.as_str().unwrap(), "309", "0", "(nil)"]);
    assert_eq!(redis.command(&["HLEN", "chat:log:global"]).int(), 309);
    for entry in &before.entries {
        let kept: Value = serde_json::from_str(&get("chat:log:global", &entry["seq"].to_string())).unwrap();
        assert_eq!(kept, *entry);
    }
    let first = &before.entries[0];
    assert_eq!(get("chat:ids:global", first["id"].as_str().unwrap()), "1");
    assert_eq!(redis.command(&["HLEN", "chat:ids:global"]).int(), 302);
    let state: Value = serde_json::from_str(&get("chat:state:global", "1")).unwrap();
    assert_eq!((&state["text"], &state["edits"]), (&json!("the best words"), &json!([4, 5])));
    assert_eq!(state["reactions"][0][1].as_array().unwrap().len(), 2, "{state}");
    assert_eq!(redis.command(&["HLEN", "chat:state:global"]).int(), 1, "a deleted message has none");
    assert_eq!(redis.command(&["ZRANGE", "chat:rooms", "0", "-1"]).texts(), ["den", "global"]);
    assert!(redis.command(&["PTTL", "chat:log:global"]).int() > 0);
    assert_eq!(get("chat:account:carol", "name"), "Carol");
    assert_eq!(get("chat:read:global", "m:carol"), "7");
    assert!(redis.command(&["PTTL", &format!("chat:ban:{banned}")]).int() > 3_000_000);
    assert!(!content(&redis).iter().any(|(key, held)| key.contains("login") || held.contains("never said")));

    let once = content(&redis);
    let said = imported(server, &redis, &[]);
    assert!(said.contains("rooms         0") && said.contains("2: carried over before"), "{said}");
    assert_eq!(content(&redis), once);
}

#[tokio::test]
async fn one_of_many_goes_on_where_the_one_that_stood_alone_stopped() {
    let (scene, redis) = (scene().await, Redis::start());
    let Scene { mut server, before, ana, bob, .. } = scene;
    imported(&server, &redis, &[]);
    server.restart_with(|setup| {
        setup.env("ENABLE_DISTRIBUTED_CHAT", true).env("REDIS_URL", redis.url()).env("INSTANCE_ID", "api-1")
    });
    until("Redis to be used", async || (server.get("/health").await.json["status"] == "healthy").then_some(())).await;

    let login = server.post("/api/login", json!({"username": "carol", "password": web::PASSWORD})).await;
    let mut carol = server.dial().cookie(&login.session().unwrap()).enter().await;
    assert_eq!(carol.welcome["mode"], "distributed");
    let joined = carol.join("global").await;
    assert_eq!((&joined["epoch"], &joined["seq"], &joined["read"]), (&before.epoch, &json!(309), &json!(7)));
    assert_eq!(joined["entries"].as_array().unwrap(), &before.snapshot);
    let page = carol.ask(json!({"type": "history", "room": "global", "after": 0, "limit": 1})).await;
    let first = &page["entries"][0];
    assert_eq!((&first["text"], &first["reactions"][0]["count"]), (&json!("the best words"), &json!(2)), "{first}");
    let since = carol.join_since("global", &before.epoch, 5).await;
    assert_eq!(since["recovered"], true);
    assert_eq!(since["entries"].as_array().unwrap(), &before.entries[5..205]);

    assert_eq!(bob.refused().await.code(), "forbidden");
    let mut ana = ana.enter().await;
    let again = json!({"type": "message", "room": "global", "text": "first \"words\"", "key": "k1"});
    let again = ana.acked(again).await;
    assert_eq!((&again["duplicate"], &again["seq"]), (&json!(true), &json!(1)));
    let message = again["messageId"].clone();
    let off = json!({"type": "react", "room": "global", "messageId": message, "emoji": "🎉", "on": false});
    assert_eq!(ana.acked(off).await["seq"], 310);
    ana.acked(json!({"type": "delete", "room": "global", "messageId": message})).await;
    let log = redis.command(&["HVALS", "chat:log:global"]);
    assert!(!log.texts().iter().any(|entry| entry.contains("better words") || entry.contains("best words")));
}

#[tokio::test]
async fn what_was_broken_off_is_gone_on_with() {
    let (scene, redis) = (scene().await, Redis::start());
    imported(&scene.server, &redis, &[]);
    let whole = content(&redis);
    // As it is between the first piece and the last; and somebody said something meanwhile.
    redis.command(&["HSET", "chat:meta:global", "t", "309", "s", "310", "importing", "1"]);
    redis.command(&["HSET", "chat:log:global", "310", "{}"]);
    redis.command(&["HDEL", "chat:log:global", "2", "309"]);
    redis.command(&["DEL", "chat:state:global"]);
    let said = imported(&scene.server, &redis, &[]);
    assert!(said.contains("rooms         1, with 309 entries"), "{said}");
    redis.command(&["HDEL", "chat:log:global", "310"]);
    redis.command(&["HSET", "chat:meta:global", "s", "309"]);
    assert_eq!(content(&redis), whole);
}

#[tokio::test]
async fn what_redis_has_stays_as_it_is() {
    let (scene, redis) = (scene().await, Redis::start());
    redis.command(&["HSET", "chat:meta:global", "e", "other", "s", "5", "t", "0", "ts", "1"]);
    redis.command(&["HSET", "chat:meta:den", "e", "joined", "s", "0", "t", "0", "ts", "0"]);
    redis.command(&["HSET", "chat:account:carol", "name", "CAROL", "role", "member", "hash", "x"]);
    redis.command(&["SET", "chat:secret", &"0".repeat(64)]);
    let said = imported(&scene.server, &redis, &[]);
    for part in
        ["1: the name is taken in Redis (Carol)", "1: something was said there already (global)", "Redis has another"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let get = |key: &str, field: &str| redis.command(&["HGET", key, field]).to_string();
    assert_eq!((get("chat:meta:global", "s"), get("chat:account:carol", "name")), ("5".into(), "CAROL".into()));
    assert_eq!(get("chat:meta:den", "s"), "1", "nothing was said there");
    imported(&scene.server, &redis, &["--replace"]);
    assert_eq!(get("chat:account:carol", "name"), "Carol");
}

#[tokio::test]
async fn keys_of_trimmed_messages_are_remembered() {
    let redis = Redis::start();
    let mut server = Server::setup().env("HUBBUB__HISTORY__MAX_ENTRIES", 2).start();
    let mut ana = server.guest("Ana").await;
    let mut first = Value::Null;
    for number in 0..9 {
        let said = json!({"type": "message", "room": "global", "text": "hi", "key": number.to_string()});
        let ack = ana.acked(said).await;
        if number == 0 {
            first = ack;
        }
    }
    server.term();
    assert_eq!(server.exit_code(), Some(0));
    imported(&server, &redis, &[]);
    let idem = redis.command(&["KEYS", "chat:idem:global:*"]);
    let [idem] = idem.texts()[..] else { panic!("{idem}") };
    let known = redis.command(&["HGET", idem, first["messageId"].as_str().unwrap()]);
    assert_eq!(known.text(), format!("1:{}", first["ts"]));
    assert!(redis.command(&["PTTL", idem]).int() > 600_000);
    let meta = ["s", "t"].map(|field| redis.command(&["HGET", "chat:meta:global", field]).int());
    assert_eq!(meta[0] - meta[1], redis.command(&["HLEN", "chat:log:global"]).int());
    assert!(meta[1] > 0, "trimmed");
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let (server, mut redis) = (Server::start(), Redis::start());
    let (output, said) = import(&server, &redis, &[]);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("data/hubbub.db is in use by") && said.contains(&server.pid().to_string()), "{said}");

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("other.db"), "no database at all, but long enough for a header").unwrap();
    let url = redis.url();
    let redis_url = [("REDIS_URL", url.as_str())];
    for (file, env, code, part) in [
        ("nowhere/hubbub.db", &redis_url[..], 1, "cannot open nowhere/hubbub.db"),
        ("other.db", &redis_url[..], 1, "cannot open other.db"),
        ("other.db", &[], 2, "REDIS_URL"),
        ("other.db", &[("REDIS_URL", "http://u:hunter2@h")], 2, "REDIS_URL"),
    ] {
        let output = run(folder.path(), &["import", file], env);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{file}: {said}");
        assert!(said.contains(part) && !said.contains("hunter2"), "{part}: {said}");
    }
    assert!(!folder.path().join("nowhere").exists(), "a name mistyped makes no folder");

    let mut server = server;
    server.term();
    assert_eq!(server.exit_code(), Some(0));
    let wrong = redis.url().replace("api-chat:", "api-chat:not-");
    let output = run(server.folder(), &["import", "data/hubbub.db", "--redis-url", &wrong], &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot connect to Redis: WRONGPASS") && !said.contains("not-"), "{said}");
    redis.kill9();
    let (output, said) = import(&server, &redis, &[]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot connect to Redis: ") && said.contains("refused"), "{said}");
}
