//! The Redis of the tests, which is the one that operators are given.

use std::time::Duration;

use crate::support::{
    redis::Redis,
    resp::{self, Reply},
};

/// A script like those of the broker: a number, a log, an expiry, a publication, by the clock of Redis.
const APPEND: &str = "local t = redis.call('TIME') \
                      local seq = redis.call('HINCRBY', KEYS[1], 's', 1) \
                      redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10, seq .. '-0', 'm', ARGV[1]) \
                      redis.call('PEXPIRE', KEYS[2], 60000) \
                      redis.call('ZADD', KEYS[3], t[1], ARGV[1]) \
                      redis.call('PUBLISH', ARGV[2], ARGV[1]) \
                      return seq";

fn append(redis: &Redis, channel: &str) -> Reply {
    let keys = ["chat:meta:tea", "chat:stream:tea", "chat:presence:tea:guests"];
    redis.command_as_chat(&["EVAL", APPEND, "3", keys[0], keys[1], keys[2], "x", channel])
}

#[track_caller]
fn refused(reply: Reply, with: &str) {
    assert!(matches!(&reply, Reply::Error(said) if said.starts_with(with)), "{reply:?}");
}

#[test]
fn the_user_of_hubbub_may_do_what_it_does_and_no_more() {
    let redis = Redis::shared();
    assert_eq!(append(&redis, "chat:pubsub:tea:broadcast").int(), 1);
    let sha = redis.command_as_chat(&["SCRIPT", "LOAD", "return 7"]);
    assert_eq!(redis.command_as_chat(&["EVALSHA", sha.text(), "0"]).int(), 7);
    for allowed in [
        &["INFO"][..],
        &["ROLE"],
        &["TIME"],
        &["WAIT", "0", "1"],
        &["SUBSCRIBE", "chat:pubsub:tea:broadcast"],
        &["SSUBSCRIBE", "chat:pubsub:tea:broadcast"],
        &["PUBSUB", "NUMSUB", "chat:pubsub:tea:broadcast"],
        &["CLIENT", "SETNAME", "api-1"],
        &["HELLO", "3"],
        &["UNLINK", "chat:presence:tea:guests"],
        &["SET", "chat:secret", "x", "NX", "PX", "1000"],
    ] {
        // An answer in RESP3 is read as none at all; what counts is that it is no refusal.
        if allowed[0] != "HELLO" {
            assert!(!matches!(redis.command_as_chat(allowed), Reply::Error(_)), "{allowed:?}");
        }
    }
    for denied in [
        &["SET", "other", "x"][..],
        &["GET", "other"],
        &["PUBLISH", "other", "x"],
        &["SUBSCRIBE", "other"],
        &["PSUBSCRIBE", "*"],
        &["EVAL", "return redis.call('GET', 'other')", "0"],
        &["FLUSHALL"],
        &["FLUSHDB"],
        &["KEYS", "*"],
        &["CONFIG", "GET", "*"],
        &["CONFIG", "SET", "dir", "/tmp"],
        &["BGREWRITEAOF"],
        &["ACL", "LIST"],
        &["CLIENT", "LIST"],
        &["CLIENT", "KILL", "TYPE", "normal"],
        &["SCRIPT", "FLUSH"],
        &["FUNCTION", "FLUSH"],
        &["MONITOR"],
        &["SHUTDOWN"],
        &["REPLICAOF", "NO", "ONE"],
        &["MIGRATE", "127.0.0.1", "1", "chat:secret", "0", "1"],
    ] {
        let reply = redis.command_as_chat(denied);
        // The second is what a script is answered.
        let no = |said: &str| said.starts_with("NOPERM") || said.contains("can't access at least one of the keys");
        assert!(matches!(&reply, Reply::Error(said) if no(said)), "{denied:?}: {reply:?}");
    }
    refused(redis.command_as_nobody(&["PING"]), "NOAUTH");
}

#[test]
fn it_has_the_settings_that_are_shipped() {
    let redis = Redis::shared();
    for (name, value) in [
        ("appendonly", "yes"),
        ("appendfsync", "everysec"),
        ("maxmemory-policy", "noeviction"),
        ("timeout", "0"),
        ("tcp-keepalive", "60"),
        ("protected-mode", "yes"),
        ("save", ""),
    ] {
        assert_eq!(redis.command(&["CONFIG", "GET", name]).texts(), [name, value]);
    }
    let limits = redis.command(&["CONFIG", "GET", "client-output-buffer-limit"]);
    assert!(limits.texts()[1].contains("pubsub 67108864 16777216 60"), "{limits}");
}

#[test]
fn nobody_can_log_in_before_the_password_is_set() {
    // What is shipped, with an administrator beside it.
    let redis = Redis::start();
    let shipped = include_str!("../../../config/redis/users.acl");
    let path = redis.folder().join("users.acl");
    let admin = std::fs::read_to_string(&path).unwrap().lines().last().unwrap().to_owned();
    std::fs::write(&path, format!("{shipped}{admin}\n")).unwrap();
    redis.command(&["ACL", "LOAD"]);
    refused(redis.command_as_chat(&["PING"]), "WRONGPASS");
    refused(redis.command_as_nobody(&["PING"]), "NOAUTH");
}

#[test]
fn what_it_answered_outlives_its_crash() {
    // With `everysec`, as shipped, a slow disk can hold a write back for two seconds; the instances make up for that.
    let mut redis = Redis::setup().set("appendfsync", "always").start();
    let address = redis.address();
    for n in 1..=100 {
        assert_eq!(append(&redis, "chat:pubsub:tea:broadcast").int(), n);
    }
    redis.kill9();
    redis.restart();
    assert_eq!(redis.address(), address);
    assert_eq!(append(&redis, "chat:pubsub:tea:broadcast").int(), 101);
    redis.shutdown();
    redis.restart();
    assert_eq!(append(&redis, "chat:pubsub:tea:broadcast").int(), 102);
    // Its file is read as the user `default`: a script whose commands that user may not use would be left out.
    assert!(!redis.log().contains("NOPERM"), "{}", redis.log());
}

#[test]
fn a_full_memory_refuses_writes_and_evicts_nothing() {
    let redis = Redis::setup().start();
    assert_eq!(append(&redis, "chat:pubsub:tea:broadcast").int(), 1);
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    refused(append(&redis, "chat:pubsub:tea:broadcast"), "OOM");
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(append(&redis, "chat:pubsub:tea:broadcast").int(), 2);
}

#[test]
fn a_frozen_one_answers_when_it_is_thawed() {
    let redis = Redis::start();
    redis.freeze();
    let soon = Duration::from_millis(200);
    assert!(resp::call(redis.address(), None, &["PING"], soon).is_err(), "it is frozen");
    redis.thaw();
    assert_eq!(redis.command(&["PING"]).text(), "PONG");
    assert_eq!((redis.kill_clients("pubsub"), redis.info("connected_clients").as_str()), (0, "1"));
    assert!(redis.url().starts_with("redis://api-chat:") && redis.url().ends_with(&redis.address().to_string()));
}
