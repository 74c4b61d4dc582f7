//! Joining: positions, what follows them, snapshots.

use hubbub::{
    broker::{Broker, ReadLimit, Recovery},
    protocol::ids::{Epoch, Position, RoomName},
};
use std::sync::Arc;

use super::{Store, support::*};

pub(super) async fn an_empty_room_has_an_epoch(store: &impl Store) {
    let mut store = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    store.broker.subscribe(room.clone()).await.unwrap();
    let start = position(&store.broker, &room).await;
    assert_eq!(start.seq, 0);
    assert_eq!(position(&store.broker, &room).await, start);
    assert_eq!(resume(&store.broker, &room, &start, ALL).await, (start.clone(), Vec::new(), false));
    say(&store.broker, &room, &ana, "first").await;
    assert_eq!(told(&mut store.events, &room, 1).await[0].epoch, start.epoch);
    let (at, entries, more) = resume(&store.broker, &room, &start, ALL).await;
    assert_eq!((at.epoch, at.seq, entries.len(), more), (start.epoch, 1, 1, false));
}

pub(super) async fn release_keeps_a_log(store: &impl Store) {
    let store = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    say(&store.broker, &room, &ana, "stays").await;
    let kept = position(&store.broker, &room).await;
    store.broker.release(&room);
    assert_eq!(position(&store.broker, &room).await, kept);
}

/// A log of messages, edits, reactions and a delete.
async fn mixed_log(broker: &Arc<dyn Broker>, room: &RoomName) {
    let ana = ana();
    for n in 0..5 {
        let id = say(broker, room, &ana, &format!("message {n}")).await.message_id;
        one(broker, room, &ana, edit(&id, &format!("edited {n}"))).await.unwrap();
        one(broker, room, &ana, react(&id, "👍", true)).await.unwrap();
        if n == 2 {
            one(broker, room, &ana, delete(&id)).await.unwrap();
        }
    }
}

pub(super) async fn every_position_resumes(store: &impl Store) {
    let store = store.open().await;
    let room = fresh_room();
    mixed_log(&store.broker, &room).await;
    let all = whole_log(&store.broker, &room).await;
    assert!(all.iter().map(|entry| entry.seq).eq(1..=16));
    let head = position(&store.broker, &room).await;
    for seq in 0..=16 {
        let since = Position { epoch: head.epoch.clone(), seq };
        let (at, entries, more) = resume(&store.broker, &room, &since, ALL).await;
        assert_eq!((&at, more), (&head, false));
        assert_eq!(entries, all[seq as usize..]);
    }
}

pub(super) async fn pages_by_entries(store: &impl Store) {
    let store = store.open().await;
    let room = fresh_room();
    mixed_log(&store.broker, &room).await;
    let all = whole_log(&store.broker, &room).await;
    let mut at = Position { seq: 0, ..position(&store.broker, &room).await };
    let mut read = Vec::new();
    loop {
        let (next, entries, more) = resume(&store.broker, &room, &at, ReadLimit { entries: 3, ..ALL }).await;
        assert_eq!(more, next.seq < 16);
        assert_eq!(entries.len(), if more { 3 } else { 1 });
        read.extend(entries);
        at = next;
        if !more {
            break;
        }
    }
    assert_eq!(read, all);
}

pub(super) async fn pages_by_bytes(store: &impl Store) {
    let store = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    for _ in 0..4 {
        say(&store.broker, &room, &ana, &"x".repeat(100)).await;
    }
    let start = Position { seq: 0, ..position(&store.broker, &room).await };
    let (_, all, _) = resume(&store.broker, &room, &start, ALL).await;
    // With the comma behind it; all have the same length.
    let one = serde_json::to_string(&all[0]).unwrap().len() + 1;
    for (bytes, count) in [(0, 1), (one - 1, 1), (2 * one - 1, 1), (2 * one, 2), (4 * one - 1, 3), (4 * one, 4)] {
        let (at, entries, more) = resume(&store.broker, &room, &start, ReadLimit { bytes, ..ALL }).await;
        assert_eq!((at.seq, entries.len(), more), (count, count as usize, count < 4), "{bytes} bytes");
    }
}

pub(super) async fn a_position_not_covered_gives_a_snapshot(store: &impl Store) {
    let store = store.open().await;
    let room = fresh_room();
    mixed_log(&store.broker, &room).await;
    let head = position(&store.broker, &room).await;
    let other = Epoch::parse("another").unwrap();
    for since in [None, Some(Position { epoch: other, seq: 1 }), Some(Position { seq: head.seq + 1, ..head.clone() })] {
        let recovery = store.broker.recover(room.clone(), since, ReadLimit { messages: 3, ..ALL }).await.unwrap();
        let Recovery::Snapshot { position, messages } = recovery else { panic!("resumed: {recovery:?}") };
        assert_eq!(position, head);
        let texts: Vec<_> = messages.iter().map(|state| &*state.message.text).collect();
        assert_eq!(texts, ["", "edited 3", "edited 4"]);
    }
}

pub(super) async fn reopening_keeps_the_log(store: &impl Store) {
    let room = fresh_room();
    let (head, all) = {
        let store = store.open().await;
        mixed_log(&store.broker, &room).await;
        (position(&store.broker, &room).await, whole_log(&store.broker, &room).await)
    };
    let store = store.open().await;
    assert_eq!(position(&store.broker, &room).await, head);
    assert_eq!(whole_log(&store.broker, &room).await, all);
    assert_eq!(say(&store.broker, &room, &ana(), "on").await.seq, Some(head.seq + 1));
}
