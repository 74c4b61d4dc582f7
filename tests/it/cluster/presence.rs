//! Who is in which room, told by several instances.

use std::{sync::Arc, time::Duration};

use hubbub::{
    broker::{BrokerEvent, Directory, Link, PresenceChange, PresenceStore, Unavailable},
    protocol::{
        event::{Counts, LeaveReason},
        ids::{RoomName, UserId},
        user::{Role, User},
    },
};

use super::instance::*;
use crate::support::{PATIENCE, redis::Redis, resp::Reply, until};

const TTL: Duration = Duration::from_millis(TTL_MS);

#[tokio::test]
async fn a_user_on_two_instances_counts_once() {
    let redis = Redis::start();
    let (one, two) = (Instance::start(&redis, "api-1").await, Instance::start(&redis, "api-2").await);
    let (room, ana) = (room("lobby"), member("ana"));
    assert_eq!(one.come(&room, &[&ana]).await.entered, std::slice::from_ref(&ana));
    let second = two.come(&room, &[&ana]).await;
    assert_eq!((second.entered.len(), second.counts), (0, Counts { members: 1, ..Counts::default() }));
    let first_goes = one.go(&room, &[&ana]).await;
    assert_eq!((first_goes.left.len(), first_goes.counts.total()), (0, 1), "she is on the other still");
    until_redis_is_older(&redis, TTL * 2).await;
    assert_eq!(one.counts(&room).await.total(), 1, "and is refreshed by it");
    let last_goes = two.go(&room, &[&ana]).await;
    assert_eq!((last_goes.left, last_goes.counts.total()), (vec![ana], 0));
}

#[tokio::test]
async fn users_of_a_killed_instance_go_within_their_time_and_are_told_of_once() {
    let redis = Redis::start();
    let mut one = Instance::start(&redis, "api-1").await;
    let mut two = Instance::start(&redis, "api-2").await;
    let killed = Instance::start(&redis, "api-3").await;
    let (room, ana, bob) = (room("lobby"), member("ana"), member("bob"));
    for instance in [&one, &two] {
        instance.listen(&room).await;
        instance.come(&room, &[&ana]).await;
    }
    killed.come(&room, &[&ana, &bob]).await;
    drop(killed);
    for instance in [&mut one, &mut two] {
        let (counts, entered, left) = instance.told(&room).await;
        assert_eq!((counts.total(), entered, left), (1, vec![], vec![(bob.clone(), LeaveReason::Lost)]));
    }
    assert_eq!(one.metrics.presence_reaped.get() + two.metrics.presence_reaped.get(), 1, "one instance gets him");
    until_redis_is_older(&redis, TTL).await;
    assert!(!one.was_told_of(&room, &bob) && !two.was_told_of(&room, &bob), "nor is anybody told again");
    assert_eq!(redis.command(&["HLEN", "chat:presence:lobby:refs"]).int(), 1);
}

#[tokio::test]
async fn a_dead_holder_keeps_nobody_who_left_elsewhere() {
    let redis = Redis::start();
    let (one, two) = (Instance::start(&redis, "api-1").await, Instance::start(&redis, "api-2").await);
    let (room, ana, bob) = (room("lobby"), member("ana"), member("bob"));
    two.come(&room, &[&ana]).await;
    one.come(&room, &[&ana, &bob]).await;
    drop(two);
    one.go(&room, &[&ana]).await;
    one.until_total(&room, 1).await;
    let names: Vec<_> = one.store.presence.who(room, 9).await.unwrap().users;
    assert_eq!(names, [bob]);
}

#[tokio::test]
async fn what_an_operator_deletes_comes_back() {
    let redis = Redis::start();
    let mut one = Instance::start(&redis, "api-1").await;
    let (room, ana) = (room("lobby"), member("ana"));
    let guest = Arc::new(User { id: UserId::guest(7), name: "gus".into(), role: Role::Guest });
    one.come(&room, &[&ana, &guest]).await;
    let key = |part: &str| format!("chat:presence:lobby:{part}");
    let parts = ["guests", "members", "admins", "refs"].map(key);
    for deleted in [&parts[..], &parts[..1], &parts[1..2], &parts[3..], &["chat:occupied".to_owned()]] {
        let command: Vec<_> = ["DEL"].into_iter().chain(deleted.iter().map(String::as_str)).collect();
        redis.command(&command);
        until(&format!("{deleted:?} back"), async || {
            let roster = one.store.presence.who(room.clone(), 9).await.unwrap();
            let rooms = one.store.presence.occupied_rooms(String::new(), None, 9).await.unwrap();
            let back = roster.users == [ana.clone(), guest.clone()]
                && roster.counts == Counts { guests: 1, members: 1, admins: 0 }
                && rooms == [(room.clone(), 2)];
            back.then_some(())
        })
        .await;
    }
    let (counts, _, left) = one.told(&room).await;
    assert_eq!((counts.total(), left.len()), (2, 0), "the counts are told again");
    redis.command(&["FLUSHALL"]);
    one.until_total(&room, 2).await;
}

#[tokio::test]
async fn another_name_or_role_moves_the_user() {
    let redis = Redis::start();
    let (one, two) = (Instance::start(&redis, "api-1").await, Instance::start(&redis, "api-2").await);
    let (room, ana) = (room("lobby"), member("ana"));
    one.come(&room, &[&ana]).await;
    // What separates the parts of an entry may be in a name.
    let promoted = Arc::new(User { name: "1|Ana,=\n|".into(), role: Role::Admin, ..(*ana).clone() });
    let outcome = two.come(&room, &[&promoted]).await;
    assert_eq!((outcome.entered.len(), outcome.left.len()), (0, 0));
    assert_eq!(outcome.counts, Counts { admins: 1, ..Counts::default() });
    assert_eq!(one.store.presence.who(room.clone(), 9).await.unwrap().users, [promoted]);
    until_redis_is_older(&redis, TTL * 2).await;
    assert_eq!(one.counts(&room).await, Counts { admins: 1, ..Counts::default() });
}

#[tokio::test]
async fn an_outage_loses_nobody() {
    let redis = Redis::start();
    let mut one = Instance::start(&redis, "api-1").await;
    let two = Instance::start(&redis, "api-2").await;
    let (room, ana, bob) = (room("lobby"), member("ana"), member("bob"));
    one.listen(&room).await;
    one.come(&room, &[&ana]).await;
    two.come(&room, &[&bob]).await;
    redis.freeze();
    let down = async { while one.events.recv().await.expect("the store lives") != BrokerEvent::Link(Link::Down) {} };
    tokio::time::timeout(PATIENCE, down).await.expect("the outage is seen");
    assert!(one.store.presence.who(room.clone(), 9).await.is_err());
    // It lasts longer than anybody counts: nothing but the time itself can show that.
    tokio::time::sleep(TTL * 2).await;
    redis.thaw();
    assert!(one.store.is_up_within(PATIENCE).await);
    assert_eq!(one.counts(&room).await.total(), 2, "nobody had the time to come back yet");
    assert!(two.store.is_up_within(PATIENCE).await);
    until_redis_is_older(&redis, TTL * 2).await;
    assert_eq!(one.counts(&room).await.total(), 2);
    assert!(!one.was_told_of(&room, &bob) && !one.was_told_of(&room, &ana));
    // What holds during an outage does not hold for ever.
    drop(two);
    let (counts, _, left) = one.told(&room).await;
    assert_eq!((counts.total(), left), (1, vec![(bob, LeaveReason::Lost)]));
}

#[tokio::test]
async fn who_stops_takes_leave_of_the_others() {
    let redis = Redis::start();
    let (mut one, two) = (Instance::start(&redis, "api-1").await, Instance::start(&redis, "api-2").await);
    let (room, ana, bob) = (room("lobby"), member("ana"), member("bob"));
    one.listen(&room).await;
    one.come(&room, &[&ana]).await;
    two.come(&room, &[&ana, &bob]).await;
    two.store.directory.depart(0).await;
    let (counts, entered, left) = one.told(&room).await;
    assert_eq!((counts.total(), entered, left), (1, vec![], vec![(bob, LeaveReason::Drained)]));
    assert_eq!(redis.command(&["EXISTS", "chat:instances:api-2"]).int(), 0);
    assert_eq!(redis.command(&["ZRANGE", "chat:instances", "0", "-1"]).texts(), [one.me.to_string()]);
    assert!(two.store.presence.who(room, 9).await.is_err(), "it has nothing more to say");
}

#[tokio::test]
async fn who_is_sent_to_another_instance_was_never_away() {
    let redis = Redis::start();
    let (mut one, two) = (Instance::start(&redis, "api-1").await, Instance::start(&redis, "api-2").await);
    let (room, ana, bob) = (room("lobby"), member("ana"), member("bob"));
    one.listen(&room).await;
    one.come(&room, &[&ana]).await;
    two.come(&room, &[&bob]).await;
    // Longer than anybody counts whom nobody refreshes.
    let sent = two.send_away(&room, &[&bob], TTL * 20).await;
    assert_eq!((sent.left.len(), sent.counts.total()), (0, 2));
    let again = two.send_away(&room, &[&bob], TTL).await;
    assert_eq!((again.left.len(), again.counts.total()), (0, 2), "told twice, which shortens nothing");
    drop(two);
    until_redis_is_older(&redis, TTL * 2).await;
    assert_eq!(one.counts(&room).await.total(), 2);
    let back = one.come(&room, &[&bob]).await;
    assert_eq!((back.entered.len(), back.counts.total()), (0, 2));
    assert!(!one.was_told_of(&room, &bob));
    let gone = one.go(&room, &[&bob]).await;
    assert_eq!((gone.left, gone.counts.total()), (vec![bob], 1), "nobody expects him any more");
}

#[tokio::test]
async fn who_is_sent_to_another_instance_and_does_not_come_leaves() {
    let redis = Redis::start();
    let (mut one, two) = (Instance::start(&redis, "api-1").await, Instance::start(&redis, "api-2").await);
    let (room, ana, bob, eve) = (room("lobby"), member("ana"), member("bob"), member("eve"));
    one.listen(&room).await;
    one.come(&room, &[&ana]).await;
    two.come(&room, &[&ana, &bob, &eve]).await;
    let sent = two.send_away(&room, &[&ana, &bob], TTL / 3).await;
    assert_eq!((sent.left.len(), sent.counts.total()), (0, 3));
    let (counts, entered, left) = one.told(&room).await;
    assert_eq!((counts.total(), entered, left), (2, vec![], vec![(bob.clone(), LeaveReason::Drained)]));
    // Whom it has when it stops is sent away too.
    two.store.directory.depart(TTL.as_millis() as u64 / 3).await;
    assert_eq!(one.counts(&room).await.total(), 2);
    let (counts, entered, left) = one.told(&room).await;
    assert_eq!((counts.total(), entered, left), (1, vec![], vec![(eve, LeaveReason::Drained)]));
    let gone = one.go(&room, &[&ana]).await;
    assert_eq!(gone.left, [ana], "who is elsewhere is not expected there");
}

#[tokio::test]
async fn who_is_unknown_is_not_expected() {
    let redis = Redis::start();
    let (one, two) = (Instance::start(&redis, "api-1").await, Instance::start(&redis, "api-2").await);
    let (room, ana, bob) = (room("lobby"), member("ana"), member("bob"));
    one.come(&room, &[&ana]).await;
    let sent = two.send_away(&room, &[&bob], TTL * 20).await;
    assert_eq!((sent.entered.len(), sent.left.len(), sent.counts.total()), (0, 0, 1));
}

#[tokio::test]
async fn many_users_are_refreshed_and_listed_in_part() {
    let redis = Redis::start();
    let one = Instance::start(&redis, "api-1").await;
    let room = room("stadium");
    let users: Vec<_> = (0..1_000).map(|n| member(&format!("u{n:04}"))).collect();
    let outcome = one.come(&room, &users.iter().collect::<Vec<_>>()).await;
    assert_eq!((outcome.entered.len(), outcome.counts.members), (1_000, 1_000));
    until_redis_is_older(&redis, TTL * 2).await;
    let roster = one.store.presence.who(room.clone(), 3).await.unwrap();
    assert_eq!((roster.users, roster.counts.members), (users[..3].to_vec(), 1_000));
    let gone = one.go(&room, &users.iter().collect::<Vec<_>>()).await;
    assert_eq!((gone.left.len(), gone.counts.total()), (1_000, 0));
    assert!(one.store.presence.occupied_rooms(String::new(), None, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_was_not_answered_is_put_right_with_the_next_call() {
    let redis = Redis::start();
    let one = Instance::start(&redis, "api-1").await;
    let (forgotten, retried, ana, bob) = (room("forgotten"), room("retried"), member("ana"), member("bob"));
    let come = |room: &RoomName, users: &[&Arc<User>]| {
        let changes =
            users.iter().map(|user| PresenceChange { user: Arc::clone(user), present: true, away_ms: 0 }).collect();
        one.store.presence.sync(room.clone(), changes)
    };
    redis.freeze();
    // Both may be done later all the same, or not.
    let failed = tokio::join!(come(&forgotten, &[&ana]), come(&retried, &[&ana]));
    assert_eq!(failed, (Err(Unavailable), Err(Unavailable)));
    redis.thaw();
    // In one room she is gone again before Redis is back: the hub has no reason to mention her.
    let outcome = until("an answer", async || come(&forgotten, &[&bob]).await.ok()).await;
    assert_eq!((outcome.entered, outcome.left.len(), outcome.counts.total()), (vec![bob.clone()], 0, 1));
    // In the other she is told of again.
    let outcome = until("an answer", async || come(&retried, &[&ana, &bob]).await.ok()).await;
    assert_eq!((outcome.entered, outcome.counts.total()), (vec![ana, bob], 2));
}

/// A command whose connection broke is sent again.
#[test]
fn a_call_that_comes_twice_is_answered_twice_the_same() {
    let redis = Redis::start();
    let sync = include_str!("../../../src/broker/redis/lua/presence_sync.lua");
    let keys = ["g", "m", "a", "refs", "occupied", "answer"].map(|key| format!("chat:presence:x:{key}"));
    let call = |number: &str, sign: &str, ttl: &str| {
        let head = ["api-1#00000001", ttl, "60000", "0", "x", number, sign, "m:ana", "2", "Ana"];
        let mut command = vec!["EVAL", sync, "6"];
        command.extend(keys.iter().map(String::as_str).chain(head));
        let reply = redis.command_as_chat(&command);
        // But for the time until the first expires, and the time itself.
        reply
            .list()
            .iter()
            .enumerate()
            .filter(|(at, _)| !(4..6).contains(at))
            .map(|(_, part)| part.clone())
            .collect::<Vec<_>>()
    };
    let said = |text: &str| Reply::Text(text.into());
    let came = call("1", "+", "60000");
    assert_eq!(came.last(), Some(&said("0;")));
    assert_eq!(call("1", "+", "60000"), came);
    assert_eq!(call("2", "+", "60000").last(), Some(&said(";")), "she is there already");
    let went = call("3", "-", "60000");
    assert_eq!(went.last(), Some(&said(";0")));
    assert_eq!(call("3", "-", "60000"), went);

    let reap = include_str!("../../../src/broker/redis/lua/presence_reap.lua");
    assert_eq!(call("4", "+", "0").last(), Some(&said("0;")));
    let reap_until = |number: &str, deadline: &str| {
        let mut command = vec!["EVAL", reap, "6", &keys[5], &keys[4]];
        command.extend(keys[..4].iter().map(String::as_str).chain([number, "100", deadline, "x"]));
        redis.command_as_chat(&command)
    };
    let reap = |number: &str| reap_until(number, "9007199254740991");
    let late = reap_until("0", "1");
    assert_eq!(late.list()[0].list().len(), 6, "who was cut off itself takes nobody out");
    let taken_out = reap("5");
    let room = taken_out.list()[0].list();
    assert_eq!((room.len(), room[6..9].to_vec()), (10, vec![said("m:ana"), said("2"), said("Ana")]));
    assert_eq!(room[9].int(), 0, "she was not sent anywhere");
    assert_eq!(reap("5"), taken_out);
    assert_eq!(reap("6").list()[0].list().len(), 6, "nobody is left");
}
