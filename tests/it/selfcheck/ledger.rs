//! The delivery ledger finds each kind of violation, and none where there is none.

use proptest::prelude::*;

use crate::support::{
    ledger::{Change, Kind, Ledger, Stage, Verdict},
    *,
};

const ROOM: &str = "tea";
const EPOCH: &str = "e1";

/// Two clients in a room, told event by event.
struct Story(Ledger);

impl Story {
    /// Both are in the room, which is empty.
    fn new() -> Self {
        let mut story = Self(Ledger::new(2, &[ROOM.into()]));
        for client in 0..2 {
            story.0.connected(client);
            story.hears(client, joined(EPOCH, 0, false, &[]));
        }
        story
    }

    fn hears(&mut self, client: usize, event: Value) {
        self.0.heard(client, &event);
    }

    fn both_hear(&mut self, event: Value) {
        (0..2).for_each(|client| self.hears(client, event.clone()));
    }

    /// A client says the message of this number, as the command of the same number.
    fn says(&mut self, client: usize, n: u64) {
        self.0.say(client, ROOM, &key(n), &text(n));
        self.0.sent(client, n, &key(n));
    }

    /// It is said by the first client, numbered by its name, heard by both and acked.
    fn round(&mut self, n: u64) {
        self.says(0, n);
        self.both_hear(message(n, n));
        self.hears(0, ack(n, n));
    }

    /// A client reads back.
    fn pages(&mut self, client: usize, entries: &[Value], more: bool) {
        self.0.asks_page(client, ROOM, 50);
        self.hears(client, page(entries, more));
    }

    fn comes_back(&mut self, client: usize, joined: Value) {
        self.0.disconnected(client, None);
        self.0.connected(client);
        self.hears(client, joined);
    }

    fn verdict(&self) -> Verdict {
        self.0.verdict()
    }

    #[track_caller]
    fn is_good(&self) {
        let verdict = self.verdict();
        assert!(verdict.violations.is_empty(), "{verdict}");
    }

    /// There is one kind of violation, so many times.
    #[track_caller]
    fn breaks(&self, kind: Kind, times: usize) {
        let verdict = self.verdict();
        assert_eq!(verdict.kinds(), [(kind, times)], "{verdict}");
    }
}

fn key(n: u64) -> String {
    format!("key{n}")
}

fn text(n: u64) -> String {
    format!("text {n}")
}

fn message(n: u64, seq: u64) -> Value {
    json!({"type": "message", "room": ROOM, "seq": seq, "id": format!("m{n}"), "key": key(n), "text": text(n)})
}

fn provisional(n: u64) -> Value {
    json!({"type": "message", "room": ROOM, "provisional": true, "id": format!("m{n}"), "key": key(n), "text": text(n)})
}

fn ack(n: u64, seq: u64) -> Value {
    json!({"type": "ack", "id": n, "messageId": format!("m{n}"), "seq": seq, "duplicate": false})
}

fn provisional_ack(n: u64) -> Value {
    json!({"type": "ack", "id": n, "messageId": format!("m{n}"), "provisional": true})
}

fn joined(epoch: &str, seq: u64, recovered: bool, entries: &[Value]) -> Value {
    json!({"type": "joined", "room": ROOM, "epoch": epoch, "seq": seq, "recovered": recovered, "more": false,
           "entries": entries, "presence": {"guests": 2, "members": 0, "admins": 0}})
}

/// The answer to the question that [`Story::pages`] asks.
fn page(entries: &[Value], more: bool) -> Value {
    json!({"type": "history", "id": 50, "room": ROOM, "entries": entries, "more": more})
}

fn joined_provisionally() -> Value {
    json!({"type": "joined", "room": ROOM, "provisional": true, "presence": {"guests": 2, "members": 0, "admins": 0}})
}

#[test]
fn a_good_run_has_no_violation_and_is_counted() {
    let mut story = Story::new();
    story.round(1);
    story.both_hear(json!({"type": "reaction", "room": ROOM, "seq": 2, "messageId": "m1", "emoji": "x", "on": true}));
    story.comes_back(1, joined(EPOCH, 2, true, &[]));
    story.round(3);
    // Somebody who was away for two, in two pages.
    story.0.disconnected(1, Some(1012));
    for n in [4, 5] {
        story.says(0, n);
        story.hears(0, ack(n, n));
        story.hears(0, message(n, n));
    }
    story.0.connected(1);
    assert_eq!(story.0.since(1, ROOM), Some(json!({"epoch": EPOCH, "seq": 3})));
    let mut page = joined(EPOCH, 4, true, &[message(4, 4)]);
    page["more"] = true.into();
    story.hears(1, page);
    assert_eq!(story.0.stage(1, ROOM), Stage::Paging);
    story.hears(1, joined(EPOCH, 5, true, &[message(5, 5)]));
    story.is_good();
    let counts = story.0.counts();
    assert_eq!((counts.sent, counts.acked, counts.delivered, counts.reconnects, counts.gaps), (4, 4, 10, 2, 0));
}

#[test]
fn an_acked_message_that_somebody_lacks_is_lost() {
    let mut story = Story::new();
    story.says(0, 1);
    story.hears(0, message(1, 1));
    story.hears(0, ack(1, 1));
    story.breaks(Kind::Lost, 1);
    // Nobody has it, its sender neither.
    let mut story = Story::new();
    story.says(0, 1);
    story.hears(0, ack(1, 1));
    story.breaks(Kind::Lost, 2);
    // Who left for good lacks nothing.
    story.0.gone(1);
    story.hears(0, json!({"type": "presence", "room": ROOM, "guests": 1, "members": 0, "admins": 0}));
    story.breaks(Kind::Lost, 1);
}

#[test]
fn a_message_that_vanished_from_the_log_is_lost() {
    let mut story = Story::new();
    story.round(1);
    story.round(2);
    // After a fail-over: another epoch, without the second.
    for client in 0..2 {
        story.hears(client, joined("e2", 1, false, &[message(1, 1)]));
    }
    story.breaks(Kind::Lost, 2);
    // It is put back, under another number.
    story.both_hear(message(2, 2));
    story.is_good();
    assert_eq!(story.0.counts().gaps, 2);
}

#[test]
fn what_comes_twice_is_doubled() {
    let mut story = Story::new();
    story.round(1);
    story.hears(1, message(1, 1));
    story.breaks(Kind::Doubled, 1);
    // Under another number it is two entries of the log as well.
    let mut story = Story::new();
    story.round(1);
    story.both_hear(message(1, 2));
    assert_eq!(story.verdict().kinds(), [(Kind::Doubled, 2), (Kind::Order, 2)]);
}

#[test]
fn a_number_left_out_is_a_gap() {
    let mut story = Story::new();
    story.says(0, 1);
    story.both_hear(message(1, 2));
    story.breaks(Kind::Gap, 2);
    let mut story = Story::new();
    story.says(0, 1);
    story.hears(0, json!({"type": "deleted", "room": ROOM, "seq": 1, "messageId": "m0"}));
    story.hears(0, message(1, 2));
    story.comes_back(1, joined(EPOCH, 2, true, &[message(1, 2)]));
    story.breaks(Kind::Gap, 1);
}

#[test]
fn two_entries_of_one_number_are_no_order() {
    let mut story = Story::new();
    story.says(0, 1);
    story.says(1, 2);
    story.hears(0, message(1, 1));
    story.hears(0, message(2, 2));
    story.hears(1, message(2, 1));
    story.hears(1, message(1, 2));
    assert!(story.verdict().kinds().contains(&(Kind::Order, 2)), "{}", story.verdict());
}

#[test]
fn messages_of_one_sender_keep_their_order_unless_refused() {
    let swapped = |story: &mut Story| {
        story.says(0, 1);
        story.says(0, 2);
    };
    let mut story = Story::new();
    swapped(&mut story);
    story.both_hear(message(2, 1));
    story.both_hear(message(1, 2));
    story.breaks(Kind::SenderOrder, 1);

    let mut story = Story::new();
    swapped(&mut story);
    story.hears(0, json!({"type": "error", "id": 1, "code": "unavailable", "retryAfterMs": 1}));
    story.both_hear(message(2, 1));
    assert_eq!(story.0.outbox(0).map(|(key, ..)| key).collect::<Vec<_>>(), ["key1"]);
    story.both_hear(message(1, 2));
    story.is_good();
    assert_eq!(story.0.counts().refused, 1);
}

#[test]
fn a_retry_that_becomes_another_message_is_found() {
    let mut story = Story::new();
    story.round(1);
    let mut again = message(1, 2);
    again["id"] = "other".into();
    story.both_hear(again);
    story.breaks(Kind::Identity, 2);
    let mut story = Story::new();
    story.round(1);
    story.0.sent(0, 9, &key(1));
    story.hears(0, json!({"type": "ack", "id": 9, "messageId": "other", "seq": 2}));
    assert!(story.verdict().kinds().contains(&(Kind::Identity, 1)));
}

#[test]
fn what_nobody_said_is_forged() {
    let mut story = Story::new();
    story.says(0, 1);
    let mut other = message(1, 1);
    other["text"] = "something else".into();
    story.both_hear(other);
    story.both_hear(message(7, 2));
    story.breaks(Kind::Forged, 4);
}

#[test]
fn a_joined_that_does_not_continue_is_found() {
    for wrong in [joined("e2", 1, true, &[]), joined(EPOCH, 2, true, &[])] {
        let mut story = Story::new();
        story.round(1);
        story.comes_back(1, wrong);
        story.breaks(Kind::Position, 1);
    }
    let mut story = Story::new();
    story.round(1);
    let mut nowhere = joined(EPOCH, 1, true, &[]);
    nowhere["epoch"] = Value::Null;
    story.hears(1, nowhere);
    story.breaks(Kind::Position, 1);
    let mut story = Story::new();
    story.round(1);
    story.round(2);
    story.comes_back(1, joined(EPOCH, 2, false, &[message(2, 2), message(1, 1)]));
    story.breaks(Kind::Position, 1);
}

#[test]
fn what_comes_before_its_joined_is_early() {
    let mut story = Story::new();
    story.says(0, 1);
    story.hears(0, message(1, 1));
    story.0.disconnected(1, None);
    story.0.connected(1);
    story.hears(1, message(1, 1));
    story.hears(1, provisional(1));
    story.hears(1, joined(EPOCH, 1, true, &[message(1, 1)]));
    story.breaks(Kind::Early, 2);
    let mut story = Story::new();
    story.says(0, 1);
    story.hears(0, message(1, 1));
    story.comes_back(1, joined_provisionally());
    story.hears(1, message(1, 1));
    story.hears(1, joined(EPOCH, 1, true, &[message(1, 1)]));
    story.breaks(Kind::Early, 1);
}

#[test]
fn a_provisional_message_ends_with_a_number_or_is_announced() {
    let begun = || {
        let mut story = Story::new();
        story.both_hear(json!({"type": "notice", "kind": "degraded"}));
        story.says(0, 1);
        story.both_hear(provisional(1));
        story.hears(0, provisional_ack(1));
        story
    };
    let story = begun();
    assert_eq!(story.verdict().kinds(), [(Kind::Unresolved, 2), (Kind::Unfinished, 1)]);
    assert_eq!((story.0.counts().provisional, story.0.counts().acked), (1, 0));

    let mut story = begun();
    story.both_hear(message(1, 1));
    story.is_good();

    let mut story = begun();
    story.both_hear(json!({"type": "notice", "kind": "undelivered", "room": ROOM, "ids": ["m1"]}));
    story.is_good();

    // Shown again by the same instance; by another one it may be.
    let mut story = begun();
    story.both_hear(message(1, 1));
    story.hears(1, provisional(1));
    story.breaks(Kind::Doubled, 1);
    let mut story = begun();
    story.comes_back(1, joined_provisionally());
    story.hears(1, provisional(1));
    story.hears(1, joined(EPOCH, 1, true, &[message(1, 1)]));
    story.hears(0, message(1, 1));
    story.is_good();

    // Its instance died with it, and its sender does not come back.
    let mut story = begun();
    story.0.gone(0);
    story.hears(1, json!({"type": "presence", "room": ROOM, "guests": 1, "members": 0, "admins": 0}));
    story.is_good();
}

#[test]
fn wrong_counts_are_found() {
    let mut story = Story::new();
    story.hears(1, json!({"type": "presence", "room": ROOM, "guests": 3, "members": 0, "admins": 0}));
    story.hears(0, json!({"type": "who", "room": ROOM, "total": 1}));
    story.breaks(Kind::Presence, 2);
    story.hears(1, json!({"type": "presence", "room": ROOM, "guests": 2, "members": 0, "admins": 0}));
    story.hears(0, json!({"type": "who", "room": ROOM, "total": 2}));
    story.is_good();
}

#[test]
fn final_refusals_and_closes_are_found() {
    let mut story = Story::new();
    story.says(0, 1);
    story.hears(0, json!({"type": "error", "id": 1, "code": "invalid_text"}));
    story.breaks(Kind::Refused, 1);
    assert_eq!(story.0.outbox(0).count(), 0);
    let mut story = Story::new();
    story.0.disconnected(1, Some(4400));
    story.0.connected(1);
    story.hears(1, joined(EPOCH, 0, true, &[]));
    story.breaks(Kind::Refused, 1);
}

#[test]
fn who_is_not_back_is_found() {
    let mut story = Story::new();
    story.round(1);
    story.0.disconnected(1, None);
    story.breaks(Kind::Unfinished, 1);
}

#[test]
fn a_snapshot_is_read_back_to_its_beginning() {
    let mut story = Story::new();
    (1..=4).for_each(|n| story.round(n));
    story.comes_back(1, joined(EPOCH, 4, false, &[message(4, 4)]));
    assert_eq!(story.0.floor(1, ROOM), Some(4));
    story.breaks(Kind::Lost, 3);
    let mut some = page(&[message(3, 3)], false);
    some["provisional"] = true.into();
    story.0.asks_page(1, ROOM, 50);
    story.hears(1, some);
    assert_eq!(story.0.floor(1, ROOM), Some(4));
    story.pages(1, &[message(2, 2), message(3, 3)], true);
    assert_eq!(story.0.floor(1, ROOM), Some(2));
    story.pages(1, &[message(1, 1)], false);
    assert_eq!(story.0.floor(1, ROOM), None);
    story.is_good();
    // A page with what is there already.
    story.comes_back(1, joined(EPOCH, 4, false, &[message(3, 3), message(4, 4)]));
    story.pages(1, &[message(1, 1), message(1, 2)], false);
    assert!(story.verdict().kinds().contains(&(Kind::Doubled, 1)));
}

#[test]
fn a_page_asked_for_before_the_copy_was_replaced_counts_for_nothing() {
    let mut story = Story::new();
    (1..=4).for_each(|n| story.round(n));
    story.comes_back(1, joined(EPOCH, 4, false, &[message(4, 4)]));
    story.0.asks_page(1, ROOM, 50);
    // The log was lost, asked, and put back.
    let next = |n| joined("the next", 4, false, &[message(n, 4)]);
    story.both_hear(next(4));
    story.hears(1, page(&[], false));
    assert_eq!(story.0.floor(1, ROOM), Some(4), "there is more, whatever the answer to the old question says");
    (0..2).for_each(|client| story.pages(client, &[message(1, 1), message(2, 2), message(3, 3)], false));
    story.is_good();
}

fn edited(n: u64, seq: u64, text: &str) -> Value {
    json!({"type": "edited", "room": ROOM, "seq": seq, "ts": seq, "messageId": format!("m{n}"), "text": text})
}

fn changed(command: u64, seq: u64) -> Value {
    json!({"type": "ack", "id": command, "seq": seq, "duplicate": false})
}

#[test]
fn an_acked_change_must_show() {
    let mut story = Story::new();
    story.round(1);
    story.0.changes(0, 10, ROOM, "m1", Change::Edit("new".into()));
    story.both_hear(edited(1, 2, "new"));
    story.hears(0, changed(10, 2));
    story.is_good();
    story.0.changes(0, 11, ROOM, "m1", Change::Delete);
    story.hears(0, changed(11, 3));
    let kinds: Vec<_> = story.verdict().kinds();
    assert_eq!(kinds, [(Kind::Lost, 1), (Kind::Changed, 2)], "{}", story.verdict());
    story.both_hear(json!({"type": "deleted", "room": ROOM, "seq": 3, "ts": 3, "messageId": "m1"}));
    story.is_good();
    assert!(story.0.changeable(0, ROOM).is_empty());
}

#[test]
fn a_change_that_was_not_answered_may_show_or_not_but_to_all() {
    let mut story = Story::new();
    story.round(1);
    story.0.changes(0, 10, ROOM, "m1", Change::Edit("maybe".into()));
    story.hears(0, json!({"type": "error", "id": 10, "code": "unavailable"}));
    story.is_good();
    story.hears(0, edited(1, 2, "maybe"));
    story.breaks(Kind::Changed, 1);
    story.hears(1, edited(1, 2, "maybe"));
    story.is_good();
    story.0.changes(0, 11, ROOM, "m1", Change::React("x".into()));
    story.hears(0, json!({"type": "error", "id": 11, "code": "forbidden"}));
    story.breaks(Kind::Refused, 1);
}

#[test]
fn an_older_page_takes_nothing_back() {
    let mut story = Story::new();
    story.round(1);
    let snapshot = [json!({"type": "message", "room": ROOM, "seq": 2, "id": "m2", "text": "text 2"})];
    story.comes_back(1, joined(EPOCH, 2, false, &snapshot));
    story.hears(1, edited(1, 3, "new"));
    story.pages(1, &[message(1, 1)], false);
    story.hears(0, json!({"type": "message", "room": ROOM, "seq": 2, "id": "m2", "text": "text 2"}));
    story.hears(0, edited(1, 3, "new"));
    story.is_good();
}

#[test]
fn a_page_is_held_to_the_epoch_that_its_reader_ends_in() {
    let mut story = Story::new();
    (1..=4).for_each(|n| story.round(n));
    story.comes_back(1, joined(EPOCH, 4, false, &[message(4, 4)]));
    story.pages(1, &[message(4, 1), message(2, 2), message(3, 3)], false);
    assert_eq!(story.verdict().kinds(), [(Kind::Lost, 1), (Kind::Doubled, 1), (Kind::Order, 1)]);
    // It was of the next life of the log, and the client had not been told of that yet.
    let next: Vec<_> = [4, 1, 2, 3].into_iter().zip(1..).map(|(n, seq)| message(n, seq)).collect();
    for client in 0..2 {
        story.comes_back(client, joined("the next", 4, false, &next));
    }
    story.is_good();
}

/// What a network or a server does wrong with one delivery.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Drop,
    Repeat,
    SwapWithNext,
    Alter,
}

proptest! {
    /// Some messages of two senders, the second client away for a part of them; with one wrong delivery there is a
    /// violation, and without there is none.
    #[test]
    fn one_wrong_delivery_is_found(
        senders in prop::collection::vec(0..2_usize, 2..20),
        away in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        fault in prop::sample::select(vec![None, Some(Fault::Drop), Some(Fault::Repeat), Some(Fault::SwapWithNext),
                                           Some(Fault::Alter)]),
    ) {
        let mut story = Story::new();
        let messages: Vec<_> = (1..).take(senders.len()).map(|n| message(n, n)).collect();
        for (n, sender) in (1..).zip(&senders) {
            story.says(*sender, n);
            story.hears(*sender, ack(n, n));
        }
        story.0.disconnected(1, None);
        story.0.connected(1);
        let mut wrong = messages.clone();
        match (at.index(messages.len()), fault) {
            (at, Some(Fault::Drop)) => drop(wrong.remove(at)),
            (at, Some(Fault::Repeat)) => wrong.insert(at, messages[at].clone()),
            (at, Some(Fault::SwapWithNext)) => wrong.swap(at, if at + 1 < messages.len() { at + 1 } else { at - 1 }),
            (at, Some(Fault::Alter)) => wrong[at]["text"] = "something else".into(),
            (_, None) => {}
        }
        // A part is recovered, the rest comes live.
        let away = away.index(wrong.len());
        let seq = wrong[..away].last().map_or(0, |last| last["seq"].as_u64().unwrap());
        story.hears(1, joined(EPOCH, seq, true, &wrong[..away]));
        wrong[away..].iter().for_each(|entry| story.hears(1, entry.clone()));
        messages.into_iter().for_each(|entry| story.hears(0, entry));
        let verdict = story.verdict();
        prop_assert_eq!(verdict.violations.is_empty(), fault.is_none(), "{}", verdict);
    }
}
