//! Appending: numbers, order, rights, retries.

use std::{collections::BTreeSet, sync::Arc};

use hubbub::{
    broker::{AppendError, Change},
    protocol::{
        command::Cursor,
        entry::EntryBody,
        ids::MessageId,
        user::{Role, User},
    },
};

use super::{Store, support::*};

pub(super) async fn numbers_rise_by_one(store: &impl Store) {
    let mut store = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    store.broker.subscribe(room.clone()).await.unwrap();
    let mut last_ts = 0;
    for seq in 1..=20 {
        let appended = say(&store.broker, &room, &ana, "hi").await;
        assert_eq!((number(&appended), appended.duplicate), (seq, false));
        assert!(appended.ts >= last_ts);
        last_ts = appended.ts;
    }
    let told = told(&mut store.events, &room, 20).await;
    assert!(told.iter().map(|numbered| numbered.entry.seq).eq(1..=20));
    assert!(told.iter().all(|numbered| numbered.epoch == told[0].epoch));
}

pub(super) async fn answers_are_in_order(store: &impl Store) {
    let mut store = store.open().await;
    let (room, other, ana) = (fresh_room(), fresh_room(), ana());
    store.broker.subscribe(room.clone()).await.unwrap();
    let batch = (0..50)
        .map(|n| append(if n % 5 == 0 { &other } else { &room }, &ana, message(&format!("{n}"), None)))
        .collect();
    let answers: Vec<_> = store.broker.append(batch).await.into_iter().map(Result::unwrap).collect();
    let told = told(&mut store.events, &room, 40).await;
    let mut numbers = (0, 0);
    for (n, answer) in answers.iter().enumerate() {
        let number = if n % 5 == 0 { &mut numbers.0 } else { &mut numbers.1 };
        *number += 1;
        assert_eq!(answer.seq, Some(*number));
    }
    let expected: Vec<_> = answers.iter().enumerate().filter(|(n, _)| n % 5 != 0).map(|(_, answer)| answer).collect();
    for (numbered, answer) in told.iter().zip(expected) {
        let EntryBody::Message(message) = &numbered.entry.body else { panic!("no message: {numbered:?}") };
        assert_eq!(
            (&message.id, numbered.entry.seq, numbered.entry.ts),
            (&answer.message_id, number(answer), answer.ts)
        );
    }
}

pub(super) async fn entries_say_what_was_said(store: &impl Store) {
    let mut store = store.open().await;
    let (room, ana) = (fresh_room(), fresh_user("Ana é", Role::Member));
    store.broker.subscribe(room.clone()).await.unwrap();
    let first = say(&store.broker, &room, &ana, "first").await;
    let reply = hubbub::broker::Change::Message {
        text: "zwei\n\t🎈".into(),
        key: Some("k-1".into()),
        reply_to: Some(first.message_id.clone()),
    };
    let second = one(&store.broker, &room, &ana, reply).await.unwrap();
    one(&store.broker, &room, &ana, edit(&second.message_id, "drei")).await.unwrap();
    one(&store.broker, &room, &ana, react(&second.message_id, "👍", true)).await.unwrap();
    let told = told(&mut store.events, &room, 4).await;
    let EntryBody::Message(message) = &told[1].entry.body else { panic!("no message: {told:?}") };
    assert_eq!((&*message.text, message.key.as_deref()), ("zwei\n\t🎈", Some("k-1")));
    assert_eq!((&message.from, message.reply_to.as_ref()), (&ana, Some(&first.message_id)));
    assert_eq!(
        told[2].entry.body,
        EntryBody::Edited {
            message_id: second.message_id.clone(),
            text: "drei".into(),
            by: ana.clone(),
            deleted: false
        }
    );
    assert_eq!(
        told[3].entry.body,
        EntryBody::Reaction { message_id: second.message_id, emoji: "👍".into(), on: true, by: ana }
    );
    // What was told live and what is read later are the same.
    let read = whole_log(&store.broker, &room).await;
    assert_eq!(read, told.into_iter().map(|numbered| numbered.entry).collect::<Vec<_>>());
}

pub(super) async fn retries_give_the_first_answer(store: &impl Store) {
    let store = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    let first = one(&store.broker, &room, &ana, message("one", Some("k"))).await.unwrap();
    say(&store.broker, &room, &ana, "between").await;
    let again = one(&store.broker, &room, &ana, message("other text", Some("k"))).await.unwrap();
    assert_eq!((&again.message_id, again.seq, again.ts), (&first.message_id, first.seq, first.ts));
    assert!(again.duplicate && !first.duplicate);
    assert_eq!(whole_log(&store.broker, &room).await.len(), 2);
    assert_eq!(texts(&history(&store.broker, &room, Cursor::Latest {}, 9).await), ["one", "between"]);
}

pub(super) async fn retries_in_one_batch(store: &impl Store) {
    let store = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    let batch = vec![append(&room, &ana, message("one", Some("k"))); 3];
    let answers: Vec<_> = store.broker.append(batch).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().map(|answer| answer.duplicate).collect::<Vec<_>>(), [false, true, true]);
    assert!(answers.iter().all(|answer| (answer.seq, answer.ts) == (Some(1), answers[0].ts)));
    assert_eq!(whole_log(&store.broker, &room).await.len(), 1);
}

pub(super) async fn retries_after_reopening(store: &impl Store) {
    let (room, ana) = (fresh_room(), ana());
    let first = {
        let store = store.open().await;
        one(&store.broker, &room, &ana, message("one", Some("k"))).await.unwrap()
    };
    let store = store.open().await;
    let again = one(&store.broker, &room, &ana, message("one", Some("k"))).await.unwrap();
    assert_eq!((again.message_id, again.seq, again.duplicate), (first.message_id, first.seq, true));
}

pub(super) async fn keys_are_per_user_and_room(store: &impl Store) {
    let store = store.open().await;
    let (room, other, ana, bob) = (fresh_room(), fresh_room(), ana(), ana());
    for (room, user, seq) in [(&room, &ana, 1), (&room, &bob, 2), (&other, &ana, 1)] {
        let appended = one(&store.broker, room, user, message("hi", Some("k"))).await.unwrap();
        assert_eq!((number(&appended), appended.duplicate), (seq, false));
    }
}

pub(super) async fn concurrent_appends_have_one_order(store: &impl Store) {
    let mut store = store.open().await;
    let room = fresh_room();
    store.broker.subscribe(room.clone()).await.unwrap();
    let senders = (0..8).map(|_| {
        let (broker, room, ana) = (store.broker.clone(), room.clone(), ana());
        tokio::spawn(async move {
            let mut seqs = Vec::new();
            for n in 0..40 {
                seqs.push(say(&broker, &room, &ana, &format!("{n}")).await.seq);
            }
            assert!(seqs.is_sorted(), "one sender's entries stay in its order");
            seqs
        })
    });
    let mut seqs = BTreeSet::new();
    for sender in senders.collect::<Vec<_>>() {
        seqs.extend(sender.await.unwrap());
    }
    assert!(seqs.into_iter().eq((1..=320).map(Some)));
    let told = told(&mut store.events, &room, 320).await;
    assert!(told.iter().map(|numbered| numbered.entry.seq).eq(1..=320));
    assert!(told.is_sorted_by_key(|numbered| numbered.entry.ts));
}

pub(super) async fn replies_need_their_message(store: &impl Store) {
    let store = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    let nowhere = MessageId::parse("nowhere").unwrap();
    assert_eq!(one(&store.broker, &room, &ana, reply("re", &nowhere)).await, Err(AppendError::NotFound));
    let first = say(&store.broker, &room, &ana, "first").await;
    assert_eq!(first.seq, Some(1), "a refusal takes no number");
    assert_eq!(one(&store.broker, &room, &ana, reply("re", &first.message_id)).await.unwrap().seq, Some(2));
}

pub(super) async fn only_authors_edit(store: &impl Store) {
    let store = store.open().await;
    let (room, ana, bob, admin) = (fresh_room(), ana(), ana(), fresh_user("root", Role::Admin));
    let id = say(&store.broker, &room, &ana, "mine").await.message_id;
    for other in [&bob, &admin] {
        assert_eq!(one(&store.broker, &room, other, edit(&id, "x")).await, Err(AppendError::Forbidden));
    }
    let edited = one(&store.broker, &room, &ana, edit(&id, "still mine")).await.unwrap();
    assert_eq!((edited.seq, edited.duplicate, &edited.message_id), (Some(2), false, &id));
    let nowhere = MessageId::parse("nowhere").unwrap();
    assert_eq!(one(&store.broker, &room, &ana, edit(&nowhere, "x")).await, Err(AppendError::NotFound));
    one(&store.broker, &room, &ana, delete(&id)).await.unwrap();
    assert_eq!(one(&store.broker, &room, &ana, edit(&id, "x")).await, Err(AppendError::NotFound));
}

pub(super) async fn the_same_text_again_logs_nothing(store: &impl Store) {
    let store = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    let id = say(&store.broker, &room, &ana, "one").await.message_id;
    let same = one(&store.broker, &room, &ana, edit(&id, "one")).await.unwrap();
    assert_eq!((same.seq, same.duplicate), (Some(1), true));
    one(&store.broker, &room, &ana, edit(&id, "two")).await.unwrap();
    assert!(one(&store.broker, &room, &ana, edit(&id, "two")).await.unwrap().duplicate);
    // Back to the first text is a change.
    assert_eq!(one(&store.broker, &room, &ana, edit(&id, "one")).await.unwrap().seq, Some(3));
    assert_eq!(whole_log(&store.broker, &room).await.len(), 3);
}

pub(super) async fn authors_and_admins_delete(store: &impl Store) {
    let store = store.open().await;
    let (room, ana, bob, admin) = (fresh_room(), ana(), ana(), fresh_user("root", Role::Admin));
    let first = say(&store.broker, &room, &ana, "one").await.message_id;
    let second = say(&store.broker, &room, &ana, "two").await.message_id;
    assert_eq!(one(&store.broker, &room, &bob, delete(&first)).await, Err(AppendError::Forbidden));
    assert_eq!(one(&store.broker, &room, &ana, delete(&first)).await.unwrap().seq, Some(3));
    assert_eq!(one(&store.broker, &room, &admin, delete(&second)).await.unwrap().seq, Some(4));
    let again = one(&store.broker, &room, &ana, delete(&first)).await.unwrap();
    assert_eq!((again.seq, again.duplicate), (Some(4), true));
    let nowhere = MessageId::parse("nowhere").unwrap();
    assert_eq!(one(&store.broker, &room, &admin, delete(&nowhere)).await, Err(AppendError::NotFound));
}

pub(super) async fn a_delete_takes_the_texts(store: &impl Store) {
    let store = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    let id = say(&store.broker, &room, &ana, "secret one").await.message_id;
    one(&store.broker, &room, &ana, edit(&id, "secret two")).await.unwrap();
    one(&store.broker, &room, &ana, react(&id, "👍", true)).await.unwrap();
    one(&store.broker, &room, &ana, delete(&id)).await.unwrap();
    let log = whole_log(&store.broker, &room).await;
    assert_eq!(log.len(), 4);
    assert!(matches!(&log[0].body, EntryBody::Message(message) if message.text.is_empty() && message.deleted));
    assert!(matches!(&log[1].body, EntryBody::Edited { text, deleted: true, .. } if text.is_empty()));
    assert_eq!(log[3].body, EntryBody::Deleted { message_id: id, by: ana });
    let page = history(&store.broker, &room, Cursor::Latest {}, 9).await;
    let state = &page.messages[0];
    assert!(state.message.text.is_empty() && state.message.deleted && state.reactions.is_empty());
}

pub(super) async fn reactions_go_on_and_off(store: &impl Store) {
    let store = store.open().await;
    let (room, ana, bob) = (fresh_room(), ana(), ana());
    let id = say(&store.broker, &room, &ana, "one").await.message_id;
    for (user, emoji, on, duplicate) in [
        (&bob, "👍", true, false),
        (&ana, "🎈", true, false),
        (&ana, "👍", true, false),
        (&ana, "👍", true, true),
        (&bob, "🎈", false, true),
        (&ana, "🎈", false, false),
        (&ana, "🎈", true, false),
    ] {
        assert_eq!(one(&store.broker, &room, user, react(&id, emoji, on)).await.unwrap().duplicate, duplicate);
    }
    let page = history(&store.broker, &room, Cursor::Latest {}, 9).await;
    let reactions: Vec<_> =
        page.messages[0].reactions.iter().map(|reactors| (&*reactors.emoji, reactors.users.clone())).collect();
    assert_eq!(reactions, [("👍", vec![bob.id.clone(), ana.id.clone()]), ("🎈", vec![ana.id.clone()])]);
    one(&store.broker, &room, &ana, delete(&id)).await.unwrap();
    assert_eq!(one(&store.broker, &room, &bob, react(&id, "👍", true)).await, Err(AppendError::NotFound));
}

pub(super) async fn changes_of_one_message_in_one_batch(store: &impl Store) {
    let store = store.open().await;
    let (room, ana, bob) = (fresh_room(), ana(), ana());
    let id = say(&store.broker, &room, &ana, "one").await.message_id;
    let all = async |changes: Vec<(&Arc<User>, Change)>| {
        let batch = changes.into_iter().map(|(user, change)| append(&room, user, change)).collect();
        store.broker.append(batch).await.into_iter().map(|answer| answer.map(|at| at.duplicate)).collect::<Vec<_>>()
    };
    let batch = vec![
        (&ana, edit(&id, "two")),
        (&bob, react(&id, "👍", true)),
        (&ana, react(&id, "🎈", true)),
        (&bob, react(&id, "👍", true)),
        (&ana, edit(&id, "three")),
        (&bob, react(&id, "👍", false)),
    ];
    assert_eq!(all(batch).await, [Ok(false), Ok(false), Ok(false), Ok(true), Ok(false), Ok(false)]);
    let page = history(&store.broker, &room, Cursor::Latest {}, 9).await;
    let reactions: Vec<_> = page.messages[0].reactions.iter().map(|reactors| &*reactors.emoji).collect();
    assert_eq!((texts(&page), reactions), (vec!["three"], vec!["🎈"]));
    let batch = vec![(&bob, react(&id, "👍", true)), (&ana, delete(&id)), (&bob, react(&id, "🎈", true))];
    assert_eq!(all(batch).await, [Ok(false), Ok(false), Err(AppendError::NotFound)]);
    let page = history(&store.broker, &room, Cursor::Latest {}, 9).await;
    assert_eq!((texts(&page), page.messages[0].reactions.len()), (vec![""], 0));
}

pub(super) async fn a_message_takes_twenty_emoji(store: &impl Store) {
    let store = store.open().await;
    let (room, ana, bob) = (fresh_room(), ana(), ana());
    let id = say(&store.broker, &room, &ana, "one").await.message_id;
    for n in 0..20 {
        one(&store.broker, &room, &ana, react(&id, &format!("e{n}"), true)).await.unwrap();
    }
    assert_eq!(one(&store.broker, &room, &bob, react(&id, "e20", true)).await, Err(AppendError::TooManyEmoji));
    assert!(one(&store.broker, &room, &bob, react(&id, "e19", true)).await.is_ok(), "one in use is no new one");
    one(&store.broker, &room, &ana, react(&id, "e0", false)).await.unwrap();
    assert!(one(&store.broker, &room, &bob, react(&id, "e20", true)).await.is_ok());
}

pub(super) async fn a_refusal_leaves_its_batch_alone(store: &impl Store) {
    let store = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    let nowhere = MessageId::parse("nowhere").unwrap();
    let batch = vec![
        append(&room, &ana, message("one", None)),
        append(&room, &ana, delete(&nowhere)),
        append(&room, &ana, message("two", None)),
    ];
    let answers = store.broker.append(batch).await;
    assert_eq!(answers[1], Err(AppendError::NotFound));
    assert_eq!((answers[0].as_ref().unwrap().seq, answers[2].as_ref().unwrap().seq), (Some(1), Some(2)));
    assert!(store.broker.append(Vec::new()).await.is_empty());
    assert!(store.broker.is_healthy());
}

pub(super) async fn messages_belong_to_their_room(store: &impl Store) {
    let store = store.open().await;
    let (room, other, ana) = (fresh_room(), fresh_room(), ana());
    let id = say(&store.broker, &room, &ana, "here").await.message_id;
    say(&store.broker, &other, &ana, "there").await;
    for change in [edit(&id, "x"), delete(&id), react(&id, "👍", true)] {
        assert_eq!(one(&store.broker, &other, &ana, change).await, Err(AppendError::NotFound));
    }
}
