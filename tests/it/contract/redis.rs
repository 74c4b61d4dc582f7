//! The suite against the Redis store, and what only a Redis can show.

use std::{sync::Arc, time::Duration};

use hubbub::{
    auth::secret::Secret,
    broker::{
        AppendError, Broker, BrokerEvent, HistoryConfig, Recovery, Tail,
        redis::{RedisConfig, RedisOptions, RedisStore},
    },
    chat::headroom::Headroom,
    clock::{ManualClock, SharedClock, SystemClock},
    metrics::Metrics,
    protocol::{
        command::Cursor,
        entry::EntryBody,
        envelope::{Incarnation, Telling},
        ids::{Epoch, InstanceId, Position, RoomName},
    },
};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use tokio::sync::mpsc;

use super::{Opened, Store, model, support::*};
use crate::support::redis::Redis;

super::suite! {
    crate::contract::redis::InRedis::shared();
    log: numbers_rise_by_one, answers_are_in_order, entries_say_what_was_said, retries_give_the_first_answer,
        retries_in_one_batch, retries_after_reopening, keys_are_per_user_and_room, concurrent_appends_have_one_order,
        replies_need_their_message, only_authors_edit, the_same_text_again_logs_nothing,
        authors_and_admins_delete, a_delete_takes_the_texts, reactions_go_on_and_off,
        changes_of_one_message_in_one_batch,
        a_message_takes_twenty_emoji, a_refusal_leaves_its_batch_alone, messages_belong_to_their_room;
    recovery: an_empty_room_has_an_epoch, release_keeps_a_log, every_position_resumes,
        pages_by_entries, pages_by_bytes, a_position_not_covered_gives_a_snapshot, reopening_keeps_the_log;
    history: pages_go_back, pages_go_on, pages_hold_messages_as_they_are_now, an_unknown_room_is_empty,
        rooms_are_listed_by_name;
}

/// A store in a Redis.
pub(super) struct InRedis {
    pub(super) redis: Arc<Redis>,
    pub(super) history: HistoryConfig,
    pub(super) config: RedisConfig,
    clock: SharedClock,
}

impl InRedis {
    fn at(redis: Arc<Redis>) -> Self {
        let (history, config) = (HistoryConfig::default(), RedisConfig::default());
        Self { redis, history, config, clock: Arc::new(SystemClock) }
    }

    /// In a Redis that others use too.
    pub(super) fn shared() -> Self {
        Self::at(Redis::shared())
    }

    /// In one of its own.
    fn alone() -> Self {
        Self::at(Arc::new(Redis::start()))
    }
}

impl Store for InRedis {
    async fn open(&self) -> Opened {
        let (sender, events) = mpsc::channel(4_096);
        let options = RedisOptions {
            url: Secret::new(self.redis.url()),
            config: self.config.clone(),
            history: self.history,
            dedup_window_ms: 5_000,
            instance_ttl_ms: 10_000,
            me: Incarnation { instance: InstanceId::parse("test").unwrap(), nonce: rand::random() },
            clock: self.clock.clone(),
            metrics: Metrics::default(),
            events: sender,
            measure: Arc::new(|| Headroom::NONE),
        };
        let (store, requests) = RedisStore::open(options).unwrap();
        assert!(store.is_up_within(PATIENCE).await, "Redis can be used");
        Opened {
            broker: store.broker.clone(),
            accounts: store.accounts.clone(),
            presence: store.presence.clone(),
            events,
            _rest: Box::new((store, requests)),
        }
    }
}

/// Keys of a room.
fn key(kind: &str, room: &RoomName) -> String {
    format!("chat:{kind}:{room}")
}

#[tokio::test]
async fn any_history_agrees_with_a_plain_model() {
    let store = InRedis::shared();
    let mut runner = TestRunner::default();
    let steps = proptest::collection::vec(model::step().prop_filter("slow", |step| !step.is_reopen()), 1..60);
    for _ in 0..16 {
        model::run(&store, steps.new_tree(&mut runner).unwrap().current()).await;
    }
}

#[tokio::test]
async fn an_empty_room_is_forgotten_in_time() {
    let store = InRedis::shared();
    let opened = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    let start = position(&opened.broker, &room).await;
    let ttl = || store.redis.command(&["PTTL", &key("meta", &room)]).int();
    assert!((240_000..=300_000).contains(&ttl()), "{}", ttl());
    say(&opened.broker, &room, &ana, "hi").await;
    assert!(ttl() > 30 * 24 * 60 * 60 * 1_000, "{}", ttl());
    assert_eq!(position(&opened.broker, &room).await, Position { seq: 1, ..start });
}

#[tokio::test]
async fn a_log_without_an_age_lives_for_ever() {
    let store = InRedis { history: HistoryConfig { max_entries: 0, max_age: 0 }, ..InRedis::shared() };
    let opened = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    position(&opened.broker, &room).await;
    say(&opened.broker, &room, &ana, "hi").await;
    for kind in ["meta", "log", "ids"] {
        assert_eq!(store.redis.command(&["PTTL", &key(kind, &room)]).int(), -1, "{kind}");
    }
}

#[tokio::test]
async fn the_last_entries_are_kept() {
    let store = InRedis { history: HistoryConfig { max_entries: 16, max_age: 0 }, ..InRedis::shared() };
    let opened = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    let first = one(&opened.broker, &room, &ana, message("0", Some("k"))).await.unwrap();
    one(&opened.broker, &room, &ana, react(&first.message_id, "👍", true)).await.unwrap();
    for n in 1..60 {
        say(&opened.broker, &room, &ana, &n.to_string()).await;
    }
    let page = history(&opened.broker, &room, Cursor::Latest {}, 200).await;
    assert_eq!((page.messages.len(), page.more), (16, false));
    let oldest = page.messages[0].seq;
    let epoch = position(&opened.broker, &room).await.epoch;
    let at = |seq| Some(Position { epoch: epoch.clone(), seq });
    let resumed = |recovery| matches!(recovery, Recovery::Resumed { .. });
    assert!(resumed(opened.broker.recover(room.clone(), at(oldest - 1), ALL).await.unwrap()));
    assert!(!resumed(opened.broker.recover(room.clone(), at(oldest - 2), ALL).await.unwrap()));
    for change in [edit(&first.message_id, "x"), delete(&first.message_id), react(&first.message_id, "👍", false)] {
        let refused = one(&opened.broker, &room, &ana, change).await;
        assert_eq!(refused, Err(hubbub::broker::AppendError::NotFound));
    }
    let again = one(&opened.broker, &room, &ana, message("0", Some("k"))).await.unwrap();
    assert_eq!((again.seq, again.ts, again.duplicate), (Some(1), first.ts, true));
    for (kind, fields) in [("log", 16), ("ids", 16), ("state", 0)] {
        assert_eq!(store.redis.command(&["HLEN", &key(kind, &room)]).int(), fields, "{kind}");
    }
}

#[tokio::test]
async fn old_entries_go_with_the_next() {
    let store = InRedis { history: HistoryConfig { max_entries: 0, max_age: 100 }, ..InRedis::shared() };
    let opened = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    say(&opened.broker, &room, &ana, "old").await;
    until("the old one is taken away", async || {
        say(&opened.broker, &room, &ana, "young").await;
        let page = history(&opened.broker, &room, Cursor::Latest {}, 200).await;
        page.messages.iter().all(|state| &*state.message.text == "young")
    })
    .await;
}

#[tokio::test]
async fn a_deleted_text_leaves_redis() {
    let store = InRedis::shared();
    let opened = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    let id = one(&opened.broker, &room, &ana, message("said-secret", Some("k"))).await.unwrap().message_id;
    one(&opened.broker, &room, &ana, edit(&id, "edited-secret")).await.unwrap();
    let whole =
        || ["log", "state"].map(|kind| store.redis.command(&["HGETALL", &key(kind, &room)]).to_string()).concat();
    assert!(whole().contains("said-secret") && whole().contains("edited-secret"), "the search would find it");
    one(&opened.broker, &room, &ana, delete(&id)).await.unwrap();
    assert!(!whole().contains("secret"), "{}", whole());
    // It is still found by its id, for a retry and for a reply.
    assert!(one(&opened.broker, &room, &ana, message("x", Some("k"))).await.unwrap().duplicate);
    assert!(one(&opened.broker, &room, &ana, delete(&id)).await.unwrap().duplicate);
}

#[tokio::test]
async fn a_page_finds_few_messages_among_many_entries() {
    let store = InRedis::shared();
    let opened = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    let id = say(&opened.broker, &room, &ana, "first").await.message_id;
    say(&opened.broker, &room, &ana, "second").await;
    for batch in 0..40 {
        let reactions = (0..64).map(|n| append(&room, &ana, react(&id, "👍", (batch * 64 + n) % 2 == 0)));
        assert!(opened.broker.append(reactions.collect()).await.iter().all(Result::is_ok));
    }
    let page = history(&opened.broker, &room, Cursor::Latest {}, 1).await;
    assert_eq!((texts(&page), page.more), (vec!["second"], true));
    let page = history(&opened.broker, &room, Cursor::Latest {}, 2).await;
    assert_eq!((texts(&page), page.more), (vec!["first", "second"], false));
    let page = history(&opened.broker, &room, Cursor::After(2), 9).await;
    assert_eq!((page.messages.len(), page.more), (0, false));
}

#[tokio::test]
async fn what_is_told_comes_to_others_only() {
    let store = InRedis::shared();
    let (mut one, mut two) = (store.open().await, store.open().await);
    let (room, ana) = (fresh_room(), ana());
    for opened in [&one, &two] {
        opened.broker.subscribe(room.clone()).await.unwrap();
    }
    one.broker.tell(&room, Telling::Typing { user: ana.clone() });
    say(&one.broker, &room, &ana, "behind it").await;
    let expected = BrokerEvent::Told(room.clone(), Telling::Typing { user: ana });
    assert_eq!(next(&mut two, &room).await, expected);
    assert!(matches!(next(&mut two, &room).await, BrokerEvent::Committed(_)));
    assert!(matches!(next(&mut one, &room).await, BrokerEvent::Committed(_)));
}

/// The next that is told of a room.
async fn next(opened: &mut Opened, room: &RoomName) -> BrokerEvent {
    loop {
        let event = tokio::time::timeout(PATIENCE, opened.events.recv()).await.unwrap().unwrap();
        match &event {
            BrokerEvent::Told(of, _) | BrokerEvent::Missed(Some(of)) if of == room => return event,
            BrokerEvent::Committed(entries) if entries.iter().any(|numbered| numbered.entry.room == *room) => {
                return event;
            }
            _ => {}
        }
    }
}

/// What this instance has of a room.
async fn tail(broker: &Arc<dyn Broker>, room: &RoomName) -> Tail {
    let recent = whole_log(broker, room).await.iter().map(|entry| (entry.seq, entry.print())).collect();
    Tail { position: position(broker, room).await, recent }
}

/// The texts of a room's messages.
async fn said(broker: &Arc<dyn Broker>, room: &RoomName) -> Vec<String> {
    texts(&history(broker, room, Cursor::Latest {}, 1_000).await).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_sound_log_is_followed() {
    let store = InRedis::shared();
    let opened = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    for n in 0..5 {
        say(&opened.broker, &room, &ana, &n.to_string()).await;
    }
    let tail = tail(&opened.broker, &room).await;
    say(&opened.broker, &room, &ana, "next").await;
    let followed = opened.broker.follow(room.clone(), Some(tail.clone()), ALL).await.unwrap();
    let Recovery::Resumed { position, entries, more } = followed else { panic!("{followed:?}") };
    assert_eq!((position, entries.len(), more), (Position { seq: 6, ..tail.position }, 1, false));
}

#[tokio::test]
async fn a_lost_suffix_is_put_back_in_a_new_epoch() {
    let store = InRedis::shared();
    let (mut opened, other) = (store.open().await, store.open().await);
    let (room, ana) = (fresh_room(), ana());
    opened.broker.subscribe(room.clone()).await.unwrap();
    say(&other.broker, &room, &ana, "theirs").await;
    let mine = one(&opened.broker, &room, &ana, message("mine 1", Some("k"))).await.unwrap();
    say(&opened.broker, &room, &ana, "mine 2").await;
    let tail = tail(&opened.broker, &room).await;
    // A fail-over lost the last two entries, and somebody went on.
    store.redis.command(&["HSET", &key("meta", &room), "s", "1"]);
    store.redis.command(&["HDEL", &key("log", &room), "2", "3"]);
    store.redis.command(&["HDEL", &key("ids", &room), mine.message_id.as_str()]);
    assert_eq!(say(&other.broker, &room, &ana, "after").await.seq, Some(2));
    let followed = opened.broker.follow(room.clone(), Some(tail.clone()), ALL).await.unwrap();
    let Recovery::Snapshot { position, .. } = followed else { panic!("{followed:?}") };
    assert_ne!(position.epoch, tail.position.epoch);
    assert_eq!(position.seq, 4);
    assert_eq!(said(&opened.broker, &room).await, ["theirs", "after", "mine 1", "mine 2"]);
    let again = one(&opened.broker, &room, &ana, message("mine 1", Some("k"))).await.unwrap();
    assert_eq!((again.message_id, again.seq, again.duplicate), (mine.message_id, Some(3), true));
    // Everybody else is told to look again.
    while next(&mut opened, &room).await != BrokerEvent::Missed(Some(room.clone())) {}
    // Once is enough.
    let tail = self::tail(&opened.broker, &room).await;
    let followed = opened.broker.follow(room.clone(), Some(tail.clone()), ALL).await.unwrap();
    assert_eq!(followed, Recovery::Resumed { position: tail.position, entries: Vec::new(), more: false });
}

/// A fail-over lost what others had logged; this instance lost nothing, but it told its clients of what is lost.
#[tokio::test]
async fn no_number_that_was_seen_is_given_again() {
    let store = InRedis::shared();
    for says_first in [true, false] {
        let (mut opened, other) = (store.open().await, store.open().await);
        let (room, ana) = (fresh_room(), ana());
        opened.broker.subscribe(room.clone()).await.unwrap();
        let first = if says_first { &opened } else { &other };
        say(&first.broker, &room, &ana, "first").await;
        for text in ["lost 1", "lost 2"] {
            say(&other.broker, &room, &ana, text).await;
        }
        let before = position(&other.broker, &room).await;
        let all_came = async {
            let mut last = 0;
            while last < 3 {
                if let BrokerEvent::Committed(entries) = next(&mut opened, &room).await {
                    last = entries.iter().map(|numbered| numbered.entry.seq).max().unwrap_or(last);
                }
            }
        };
        all_came.await;
        store.redis.command(&["HSET", &key("meta", &room), "s", "1"]);
        store.redis.command(&["HDEL", &key("log", &room), "2", "3"]);
        store.redis.command(&["DEL", &key("ids", &room)]);
        let next = say(&opened.broker, &room, &ana, "next").await;
        let after = position(&opened.broker, &room).await;
        assert_ne!(after.epoch, before.epoch, "says first: {says_first}; {next:?}");
        assert_eq!(said(&opened.broker, &room).await, ["first", "next"]);
        assert_eq!(say(&opened.broker, &room, &ana, "and on").await.seq, Some(after.seq + 1), "once is enough");
        assert_eq!(position(&opened.broker, &room).await.epoch, after.epoch);
    }
}

#[tokio::test]
async fn a_client_changes_no_epoch() {
    let store = InRedis::shared();
    let opened = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    say(&opened.broker, &room, &ana, "one").await;
    let head = position(&opened.broker, &room).await;
    let ahead = Position { seq: head.seq + 5, ..head.clone() };
    let recovery = opened.broker.recover(room.clone(), Some(ahead), ALL).await.unwrap();
    assert!(matches!(recovery, Recovery::Snapshot { position, .. } if position == head));
}

#[tokio::test]
async fn a_flushed_redis_gets_back_what_this_instance_logged() {
    let store = InRedis { config: RedisConfig { check_ms: 50, ..RedisConfig::default() }, ..InRedis::alone() };
    let opened = store.open().await;
    let (room, other, ana) = (fresh_room(), fresh_room(), ana());
    let id = say(&opened.broker, &room, &ana, "one").await.message_id;
    say(&opened.broker, &other, &ana, "elsewhere").await;
    one(&opened.broker, &room, &ana, edit(&id, "one, better")).await.unwrap();
    one(&opened.broker, &room, &ana, message("two", Some("k"))).await.unwrap();
    let before = position(&opened.broker, &room).await;
    store.redis.command(&["FLUSHALL"]);
    until("everything is back", async || {
        said(&opened.broker, &room).await == ["one, better", "two"]
            && said(&opened.broker, &other).await == ["elsewhere"]
    })
    .await;
    let after = position(&opened.broker, &room).await;
    assert_ne!(after.epoch, before.epoch);
    assert_eq!(after.seq, 3);
    assert!(one(&opened.broker, &room, &ana, message("two", Some("k"))).await.unwrap().duplicate);
}

/// A Redis that is looked at all the time.
fn looked_at() -> InRedis {
    InRedis { config: RedisConfig { check_ms: 50, ..RedisConfig::default() }, ..InRedis::alone() }
}

#[tokio::test]
async fn a_reply_is_put_back_though_what_it_answers_is_gone() {
    let store = looked_at();
    let (opened, other) = (store.open().await, store.open().await);
    let (room, ana) = (fresh_room(), ana());
    let asked = say(&other.broker, &room, &ana, "why?").await.message_id;
    one(&opened.broker, &room, &ana, reply("because", &asked)).await.unwrap();
    drop(other);
    store.redis.command(&["FLUSHALL"]);
    until("the reply is back", async || said(&opened.broker, &room).await == ["because"]).await;
}

#[tokio::test]
async fn a_delete_that_comes_before_its_message_waits_for_it() {
    let store = looked_at();
    // It looks only when it has something to say.
    let other = InRedis { config: RedisConfig::default(), ..InRedis::at(store.redis.clone()) };
    let (opened, other) = (store.open().await, other.open().await);
    let (room, ana) = (fresh_room(), ana());
    let id = say(&other.broker, &room, &ana, "secret").await.message_id;
    say(&opened.broker, &room, &ana, "mine").await;
    one(&opened.broker, &room, &ana, delete(&id)).await.unwrap();
    store.redis.command(&["FLUSHALL"]);
    until("what can be put back is", async || said(&opened.broker, &room).await == ["mine"]).await;
    let epoch = position(&opened.broker, &room).await.epoch;
    say(&other.broker, &room, &ana, "on").await;
    until("the text is gone again", async || said(&opened.broker, &room).await == ["mine", "", "on"]).await;
    say(&opened.broker, &room, &ana, "and on").await;
    assert_eq!(position(&opened.broker, &room).await.epoch, epoch, "nothing was lost since");
}

#[tokio::test]
async fn what_waits_for_its_message_comes_before_what_is_done_to_it_next() {
    let store = InRedis::alone();
    let (opened, other) = (store.open().await, store.open().await);
    let (room, ana) = (fresh_room(), ana());
    let id = say(&other.broker, &room, &ana, "one").await.message_id;
    one(&opened.broker, &room, &ana, edit(&id, "two")).await.unwrap();
    store.redis.command(&["FLUSHALL"]);
    // Each puts back what it had logged as soon as it logs more; the edit waits from then on.
    say(&opened.broker, &room, &ana, "on").await;
    say(&other.broker, &room, &ana, "and on").await;
    one(&opened.broker, &room, &ana, edit(&id, "three")).await.unwrap();
    let edits: Vec<_> = whole_log(&opened.broker, &room)
        .await
        .into_iter()
        .filter_map(|entry| match entry.body {
            EntryBody::Edited { text, .. } => Some(text.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(edits, ["two", "three"]);
}

#[tokio::test]
async fn a_change_that_was_made_again_is_not_missed_for_ever() {
    let store = InRedis::shared();
    let (opened, other) = (store.open().await, store.open().await);
    let (room, ana) = (fresh_room(), ana());
    let id = say(&opened.broker, &room, &ana, "nice").await.message_id;
    one(&opened.broker, &room, &ana, react(&id, "👍", true)).await.unwrap();
    // A fail-over lost the reaction; the user made it again, elsewhere.
    store.redis.command(&["HSET", &key("meta", &room), "s", "1"]);
    store.redis.command(&["HDEL", &key("log", &room), "2"]);
    store.redis.command(&["DEL", &key("state", &room)]);
    one(&other.broker, &room, &ana, react(&id, "👍", true)).await.unwrap();
    say(&other.broker, &room, &ana, "after").await;
    let look = async || {
        let elsewhere = Tail { position: Position { epoch: Epoch::from_random(1), seq: 1 }, recent: Vec::new() };
        opened.broker.follow(room.clone(), Some(elsewhere), ALL).await.unwrap();
        position(&opened.broker, &room).await
    };
    let before = position(&opened.broker, &room).await;
    let first = look().await;
    assert_ne!(first.epoch, before.epoch, "it has a number of its own for what was lost");
    assert_eq!((look().await, look().await), (first.clone(), first));
}

/// Read markers count in the numbers of a log: another begins with none.
#[tokio::test]
async fn a_log_that_begins_anew_is_unread() {
    let store = InRedis::shared();
    let opened = store.open().await;
    let ana = ana();
    let gone = |room: &RoomName, kinds: &[&str]| {
        kinds.iter().for_each(|kind| _ = store.redis.command(&["DEL", &key(kind, room)]));
    };
    let begin_anew: [(&[&str], bool); 3] =
        [(&["meta", "log", "ids"], true), (&["meta", "log", "ids"], false), (&["log"], true)];
    for (lost, says) in begin_anew {
        let room = fresh_room();
        let before = position(&opened.broker, &room).await;
        say(&opened.broker, &room, &ana, "read").await;
        opened.accounts.mark_read(room.clone(), ana.id.clone(), 1).await.unwrap();
        gone(&room, lost);
        // Another instance: this one would put back what it had logged.
        let other = store.open().await;
        if says {
            say(&other.broker, &room, &ana, "unread").await;
        }
        assert_ne!(position(&other.broker, &room).await.epoch, before.epoch);
        assert_eq!(opened.accounts.read_marker(room, ana.id.clone()).await, Ok(None), "{lost:?} {says}");
    }
    let room = fresh_room();
    say(&opened.broker, &room, &ana, "read").await;
    opened.accounts.mark_read(room.clone(), ana.id.clone(), 1).await.unwrap();
    gone(&room, &["log"]);
    let elsewhere = Tail { position: position(&opened.broker, &room).await, recent: Vec::new() };
    opened.broker.follow(room.clone(), Some(elsewhere), ALL).await.unwrap();
    assert_eq!(opened.accounts.read_marker(room, ana.id.clone()).await, Ok(None), "moved");
}

/// A batch that was held up on its way, until a later one of the same instance was done.
#[tokio::test]
async fn what_comes_too_late_undoes_nothing() {
    let store = InRedis::alone();
    let opened = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    let id = say(&opened.broker, &room, &ana, "one").await.message_id;
    one(&opened.broker, &room, &ana, edit(&id, "two")).await.unwrap();
    let keys = store.redis.command(&["KEYS", &format!("chat:done:{room}:*")]);
    let done = keys.texts()[0];
    let answered = store.redis.command(&["GET", done]);
    let (_, answer) = answered.text().split_once('\n').unwrap();
    store.redis.command(&["SET", done, &format!("{}\n{answer}", u32::MAX)]);
    let before = position(&opened.broker, &room).await;
    assert_eq!(one(&opened.broker, &room, &ana, edit(&id, "before two")).await, Err(AppendError::Unavailable));
    assert_eq!(
        (said(&opened.broker, &room).await, position(&opened.broker, &room).await),
        (vec!["two".into()], before)
    );
}

/// A message that two instances keep stands, once one of them has put it back, far below where the other knew it.
#[tokio::test]
async fn what_another_put_back_moves_nobody_again() {
    let store = InRedis::alone();
    let (one_of_two, other) = (store.open().await, store.open().await);
    let (room, ana) = (fresh_room(), ana());
    say(&one_of_two.broker, &room, &ana, "first").await;
    store.redis.command(&["HSET", &key("meta", &room), "s", "500", "t", "500"]);
    let kept = one(&one_of_two.broker, &room, &ana, message("kept", Some("k"))).await.unwrap();
    assert_eq!(kept.seq, Some(501));
    assert!(one(&other.broker, &room, &ana, message("kept", Some("k"))).await.unwrap().duplicate);
    store.redis.command(&["FLUSHALL"]);
    assert_eq!(say(&other.broker, &room, &ana, "the other goes on").await.seq, Some(2));
    let before = position(&other.broker, &room).await;
    assert_eq!(say(&one_of_two.broker, &room, &ana, "the one too").await.seq, Some(4));
    assert_eq!(said(&other.broker, &room).await, ["kept", "the other goes on", "first", "the one too"]);
    assert_eq!(position(&other.broker, &room).await.epoch, before.epoch, "nothing was lost since");
}

#[tokio::test]
async fn where_messages_are_is_found_again_in_the_log() {
    let store = InRedis::shared();
    let opened = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    let id = say(&opened.broker, &room, &ana, "one").await.message_id;
    one(&opened.broker, &room, &ana, message("two", Some("k"))).await.unwrap();
    for _ in 0..600 {
        one(&opened.broker, &room, &ana, react(&id, "x", true)).await.unwrap();
        one(&opened.broker, &room, &ana, react(&id, "x", false)).await.unwrap();
    }
    let before = position(&opened.broker, &room).await;
    store.redis.command(&["DEL", &key("ids", &room)]);
    let again = one(&opened.broker, &room, &ana, message("two", Some("k"))).await.unwrap();
    assert_eq!((again.seq, again.duplicate), (Some(2), true));
    assert_eq!(position(&opened.broker, &room).await, before);
    one(&opened.broker, &room, &ana, edit(&id, "one, better")).await.unwrap();
    assert_eq!(said(&opened.broker, &room).await, ["one, better", "two"]);
}

#[tokio::test]
async fn what_cannot_be_logged_is_provisional_and_comes_in_order() {
    let redis = Redis::start();
    let store = InRedis {
        config: RedisConfig { command_timeout_ms: 300, ..RedisConfig::default() },
        ..InRedis::at(Arc::new(redis))
    };
    let mut opened = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    opened.broker.subscribe(room.clone()).await.unwrap();
    let id = say(&opened.broker, &room, &ana, "before").await.message_id;
    store.redis.freeze();
    let batch = ["one", "two", "three"].map(|text| append(&room, &ana, message(text, Some(text))));
    let mut batch = batch.to_vec();
    batch.push(append(&room, &ana, edit(&id, "x")));
    let answers = opened.broker.append(batch).await;
    assert!(answers[..3].iter().all(|answer| answer.as_ref().is_ok_and(|appended| appended.seq.is_none())));
    assert_eq!(answers[3], Err(hubbub::broker::AppendError::Unavailable));
    let four = one(&opened.broker, &room, &ana, message("four", Some("four"))).await;
    assert!(matches!(four, Ok(ref appended) if appended.seq.is_none()), "{four:?}");
    let mut provisional = Vec::new();
    while provisional.len() < 4 {
        let event = tokio::time::timeout(PATIENCE, opened.events.recv()).await.unwrap().unwrap();
        if let BrokerEvent::Provisional(messages) = event {
            provisional.extend(messages.into_iter().map(|said| said.message.text.to_string()));
        }
    }
    assert_eq!(provisional, ["one", "two", "three", "four"]);
    store.redis.thaw();
    until("all are logged, once and in order", async || {
        opened.broker.history(room.clone(), Cursor::Latest {}, 99).await.is_ok_and(|page| page.messages.len() >= 5)
    })
    .await;
    let said = said(&opened.broker, &room).await;
    assert_eq!(said[said.len() - 4..], ["one", "two", "three", "four"]);
    assert_eq!(said.len(), 5);
    let retried = one(&opened.broker, &room, &ana, message("one", Some("one"))).await.unwrap();
    assert!(retried.duplicate && retried.seq.is_some());
}

#[tokio::test]
async fn a_redis_that_lost_everything_gets_it_back_before_what_waited() {
    let config = RedisConfig { command_timeout_ms: 300, ..RedisConfig::default() };
    let mut store = InRedis { config, ..InRedis::alone() };
    let opened = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    for text in ["acked 1", "acked 2"] {
        one(&opened.broker, &room, &ana, message(text, Some(text))).await.unwrap();
    }
    let before = position(&opened.broker, &room).await;
    let redis = Arc::get_mut(&mut store.redis).unwrap();
    redis.kill9();
    until("it is noticed", async || !opened.broker.is_healthy()).await;
    let waits = one(&opened.broker, &room, &ana, message("waited", Some("waited"))).await;
    assert_eq!(waits.map(|appended| appended.seq), Ok(None));
    std::fs::remove_dir_all(redis.folder().join("appendonlydir")).unwrap();
    redis.restart();
    until("all is there", async || {
        opened.broker.history(room.clone(), Cursor::Latest {}, 9).await.is_ok_and(|page| page.messages.len() >= 3)
    })
    .await;
    assert_eq!(said(&opened.broker, &room).await, ["acked 1", "acked 2", "waited"]);
    assert_ne!(position(&opened.broker, &room).await.epoch, before.epoch);
}

#[tokio::test]
async fn what_was_logged_before_comes_before_what_is_said_next() {
    let store = InRedis::alone();
    let opened = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    for text in ["acked 1", "acked 2"] {
        one(&opened.broker, &room, &ana, message(text, None)).await.unwrap();
    }
    store.redis.command(&["FLUSHALL"]);
    let next = one(&opened.broker, &room, &ana, message("next", None)).await.unwrap();
    assert_eq!(next.seq, Some(3));
    assert_eq!(said(&opened.broker, &room).await, ["acked 1", "acked 2", "next"]);
}

#[tokio::test]
async fn what_waits_too_long_is_announced_whatever_the_clock_is_set_to() {
    let config = RedisConfig { command_timeout_ms: 200, outbox_age_ms: 500, ..RedisConfig::default() };
    let clock = ManualClock::at(1_000_000);
    let store = InRedis { config, clock: clock.clone(), ..InRedis::alone() };
    let mut opened = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    store.redis.freeze();
    let waiting = one(&opened.broker, &room, &ana, message("one", None)).await.unwrap();
    assert_eq!(waiting.seq, None);
    clock.advance(400);
    assert_eq!(one(&opened.broker, &room, &ana, message("two", None)).await.unwrap().seq, None);
    clock.set(9_000_000);
    clock.advance(200);
    let announced = loop {
        match tokio::time::timeout(PATIENCE, opened.events.recv()).await.unwrap().unwrap() {
            BrokerEvent::Undelivered { room, ids } => break (room, ids),
            _ => continue,
        }
    };
    store.redis.thaw();
    assert_eq!(announced, (room, vec![waiting.message_id]));
}

#[tokio::test]
async fn without_a_replica_nothing_is_acked_that_needs_one() {
    let config = RedisConfig { wait_replicas: 1, command_timeout_ms: 300, ..RedisConfig::default() };
    let store = InRedis { config, ..InRedis::alone() };
    let opened = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    let answer = tokio::time::timeout(Duration::from_secs(5), one(&opened.broker, &room, &ana, message("x", None)));
    assert_eq!(answer.await.unwrap().map(|appended| appended.seq), Ok(None), "provisional: it is nowhere safe");
}

/// A primary that took the place of another has a replica too, which confirms what neither of them has.
#[tokio::test]
async fn what_another_primary_confirms_is_looked_for_there() {
    let config = RedisConfig { wait_replicas: 1, ..RedisConfig::default() };
    let store = InRedis { config, ..InRedis::alone() };
    let replica = Redis::setup().replica_of(&store.redis).start();
    until("the replica to follow", async || replica.info("master_link_status") == "up").await;
    let opened = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    assert_eq!(say(&opened.broker, &room, &ana, "first").await.seq, Some(1));
    replica.freeze();
    let (broker, of, user) = (opened.broker.clone(), room.clone(), ana.clone());
    let second = tokio::spawn(async move { one(&broker, &of, &user, message("second", None)).await });
    until("it to be logged", async || store.redis.command(&["HLEN", &key("log", &room)]).int() == 2).await;
    // The other primary has never heard of it.
    store.redis.command(&["HSET", &key("meta", &room), "s", "1"]);
    store.redis.command(&["HDEL", &key("log", &room), "2"]);
    store.redis.command(&["DEL", &key("ids", &room)]);
    replica.thaw();
    second.await.unwrap().unwrap();
    until("it is there", async || said(&opened.broker, &room).await == ["first", "second"]).await;
}
