//! The property behind every position: whoever comes while others write misses nothing and gets nothing twice.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::joining::unlimited;
use crate::support::*;

/// Writes as fast as acks come, until told to stop; gives how many were acked.
async fn write(mut client: Client, stop: Arc<AtomicBool>) -> usize {
    let mut acked = 0;
    while !stop.load(Ordering::Relaxed) {
        client.send_acked("global", "busy").await;
        acked += 1;
    }
    acked
}

/// The next logged event of the room, live.
async fn next_live(client: &mut Client) -> u64 {
    client.expect_type("message").await["seq"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_under_load_goes_on_at_the_next_event() {
    let server = unlimited();
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for n in 0..3 {
        writers.push(tokio::spawn(write(server.guest(&format!("w{n}")).await, stop.clone())));
    }

    let mut client = server.dial().rooms("").enter().await;
    let mut known: Option<(Value, u64)> = None;
    for round in 0..50 {
        let joined = match &known {
            Some((epoch, seq)) if round % 2 == 1 => client.join_since("global", epoch, *seq).await,
            _ => client.join("global").await,
        };
        let mut at = joined["seq"].as_u64().unwrap();
        if let (true, Some((_, seq))) = (joined["recovered"] == true, &known) {
            let numbers: Vec<u64> =
                joined["entries"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
            assert_eq!(numbers, (seq + 1..=at).collect::<Vec<_>>(), "round {round}: what was missed, complete");
        }
        if joined["more"] == false {
            // What was on its way before the answer belongs to the position before.
            let live: Vec<Value> = client.take_unseen();
            assert!(live.iter().all(|event| event["type"] != "message" || event["seq"].as_u64() <= Some(at)));
            for _ in 0..3 {
                assert_eq!(next_live(&mut client).await, at + 1, "round {round}: the next is one more");
                at += 1;
            }
        }
        known = Some((joined["epoch"].clone(), at));
        match round % 3 {
            // In place, after a leave, and over a new connection.
            0 => {}
            1 => {
                client.acked(json!({"type": "leave", "room": "global"})).await;
                client.take_unseen();
            }
            _ => {
                client.vanish();
                client = server.dial().rooms("").enter().await;
            }
        }
    }

    stop.store(true, Ordering::Relaxed);
    let mut acked = 0;
    for writer in writers {
        acked += writer.await.unwrap();
    }
    assert_eq!(client.join("global").await["seq"], acked, "every ack is one entry");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everyone_sees_the_same_order() {
    let server = unlimited();
    let mut readers = vec![server.guest("r1").await, server.guest("r2").await, server.guest("r3").await];
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for n in 0..3 {
        writers.push(tokio::spawn(write(server.guest(&format!("w{n}")).await, stop.clone())));
    }
    for _ in 0..200 {
        next_live(&mut readers[0]).await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut acked = 0;
    for writer in writers {
        acked += writer.await.unwrap();
    }
    let mut seen = Vec::new();
    for reader in &mut readers {
        // One of them may have taken it already while it was counting.
        let is_last = |event: &Value| event["type"] == "message" && event["seq"] == acked;
        if !reader.received.iter().any(is_last) {
            reader.expect(is_last).await;
        }
        let entries = reader.received.iter().filter(|event| event["type"] == "message");
        seen.push(entries.map(|entry| (entry["seq"].as_u64().unwrap(), entry["id"].clone())).collect::<Vec<_>>());
    }
    assert!(seen[0].iter().map(|(seq, _)| *seq).eq(1..=acked as u64));
    assert!(seen.iter().all(|order| *order == seen[0]));
}
