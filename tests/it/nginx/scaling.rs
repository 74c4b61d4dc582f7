//! Strategies and replicas change while people chat: sockets that were open stay, newcomers follow.

use std::{collections::BTreeSet, time::Duration};

use hubbub::cluster::nginx::Strategy;

use super::{instance_of, replica, replicas};
use crate::support::{
    checker::{Checker, Plan},
    nginx::Nginx,
    *,
};

/// People who look at each other's messages, each from an address of its own.
const PEOPLE: usize = 12;

/// So many people come in, say something, and hear everybody; the instances they are on.
async fn chat(nginx: &Nginx, room: &str) -> (Vec<Client>, BTreeSet<usize>) {
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        people.push(nginx.dial(number).rooms(room).enter().await);
    }
    talk(&mut people, room, "hello").await;
    let on = people.iter().map(|client| instance_of(&client.welcome)).collect();
    (people, on)
}

/// Everybody says something, and hears everybody.
async fn talk(people: &mut [Client], room: &str, what: &str) {
    for (number, client) in people.iter_mut().enumerate() {
        client.send_acked(room, &format!("{what} {number}")).await;
    }
    for client in people.iter_mut() {
        for number in 0..PEOPLE {
            let text = format!("{what} {number}");
            client.expect(|event| event["type"] == "message" && event["text"] == text.as_str()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_chat_through_every_strategy() {
    let cluster = replicas(3, &[]).await;
    let mut nginx = Nginx::start(Strategy::IpHash, &cluster.addresses());
    let mut earlier: Vec<(Vec<Client>, &str)> = Vec::new();
    for strategy in Strategy::ALL {
        nginx.reload(strategy, &cluster.addresses()).await;
        let (people, on) = chat(&nginx, strategy.name()).await;
        assert!(on.len() > 1, "{strategy:?} spreads: {on:?}");
        if matches!(strategy, Strategy::RoundRobin | Strategy::LeastConn) {
            assert_eq!(on.len(), 3, "{strategy:?} spreads evenly");
        }
        if matches!(strategy, Strategy::IpHash | Strategy::ConsistentHash) {
            for client in &people[..4] {
                let number = people.iter().position(|each| each.id() == client.id()).unwrap();
                let again = nginx.dial(number).enter().await;
                assert_eq!(again.welcome["instance"], client.welcome["instance"], "{strategy:?} knows its address");
            }
        }
        earlier.push((people, strategy.name()));
    }
    // Through all those reloads.
    for (people, room) in &mut earlier {
        talk(people, room, "still here").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scaling_out_and_in_under_load_cuts_nobody_else_and_loses_nothing() {
    let mut cluster = replicas(3, &[("HUBBUB__DRAIN__MAX_MS", 1_000)]).await;
    let mut nginx = Nginx::start(Strategy::LeastConn, &cluster.addresses());
    let plan = Plan { pause: Duration::from_millis(100), apart: true, ..Plan::new(15, 3) };
    let checker = Checker::start(vec![nginx.address], plan).await;
    let (mut people, on) = chat(&nginx, "from-before").await;
    assert_eq!(on.len(), 3);
    let reconnects = checker.counts().reconnects;

    for number in [4, 5] {
        let setup = replica(&cluster.redis, number);
        assert_eq!(cluster.add(setup.env("HUBBUB__DRAIN__MAX_MS", 1_000)), number);
    }
    cluster.wait_for(&[1, 2, 3, 4, 5]).await;
    nginx.reload(Strategy::LeastConn, &cluster.addresses()).await;
    talk(&mut people, "from-before", "five").await;
    let (mut newcomers, on) = chat(&nginx, "from-after").await;
    assert!(on.contains(&4) && on.contains(&5), "newcomers reach who is new: {on:?}");
    checker.acks(60).await;
    assert_eq!(checker.counts().reconnects, reconnects, "adding cuts nobody");

    // First nobody is sent there any more, then who is there is told to go.
    let staying = cluster.addresses()[..2].to_vec();
    nginx.reload(Strategy::LeastConn, &staying).await;
    for number in [3, 4, 5] {
        cluster.server(number).term();
    }
    for number in [3, 4, 5] {
        assert_eq!(cluster.server(number).exit_code(), Some(0));
    }
    checker.acks(60).await;
    let stays = |client: &Client| instance_of(&client.welcome) <= 2;
    let (staying, leaving): (Vec<_>, Vec<_>) = people.drain(..).chain(newcomers.drain(..)).partition(stays);
    assert!(!staying.is_empty() && !leaving.is_empty(), "{} stay, {} leave", staying.len(), leaving.len());
    for mut client in staying {
        client.join("who-is-left").await;
        client.send_acked("who-is-left", "I am").await;
    }
    for mut client in leaving {
        assert_eq!(client.closed().await, 1012, "told to come back");
        let again = client.again().enter().await;
        assert!(stays(&again));
    }
    let counts = checker.keeps_its_promises().await;
    assert_eq!((counts.gaps, counts.undelivered), (0, 0), "{counts:?}");
}
