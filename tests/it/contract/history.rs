//! Pages of messages as they are now, and the list of rooms.

use hubbub::protocol::{command::Cursor, ids::RoomName};

use super::{Store, support::*};

pub(super) async fn pages_go_back(store: &impl Store) {
    let store = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    for n in 1..=7 {
        say(&store.broker, &room, &ana, &n.to_string()).await;
    }
    let latest = history(&store.broker, &room, Cursor::Latest {}, 3).await;
    assert_eq!((texts(&latest), latest.more), (vec!["5", "6", "7"], true));
    let before = history(&store.broker, &room, Cursor::Before(latest.messages[0].seq), 3).await;
    assert_eq!((texts(&before), before.more), (vec!["2", "3", "4"], true));
    let first = history(&store.broker, &room, Cursor::Before(2), 3).await;
    assert_eq!((texts(&first), first.more), (vec!["1"], false));
    let exact = history(&store.broker, &room, Cursor::Latest {}, 7).await;
    assert_eq!((exact.messages.len(), exact.more), (7, false));
    let none = history(&store.broker, &room, Cursor::Before(1), 3).await;
    assert_eq!((none.messages.len(), none.more), (0, false));
}

pub(super) async fn pages_go_on(store: &impl Store) {
    let store = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    for n in 1..=5 {
        say(&store.broker, &room, &ana, &n.to_string()).await;
    }
    let page = history(&store.broker, &room, Cursor::After(0), 3).await;
    assert_eq!((texts(&page), page.more), (vec!["1", "2", "3"], true));
    let page = history(&store.broker, &room, Cursor::After(3), 3).await;
    assert_eq!((texts(&page), page.more), (vec!["4", "5"], false));
    let page = history(&store.broker, &room, Cursor::After(99), 3).await;
    assert_eq!((page.messages.len(), page.more), (0, false));
}

pub(super) async fn pages_hold_messages_as_they_are_now(store: &impl Store) {
    let store = store.open().await;
    let (room, ana) = (fresh_room(), ana());
    let first = say(&store.broker, &room, &ana, "first").await;
    let second = one(&store.broker, &room, &ana, message("second", Some("k"))).await.unwrap();
    let edited = one(&store.broker, &room, &ana, edit(&first.message_id, "first, better")).await.unwrap();
    one(&store.broker, &room, &ana, react(&second.message_id, "👍", true)).await.unwrap();
    let page = history(&store.broker, &room, Cursor::Latest {}, 9).await;
    assert_eq!(texts(&page), ["first, better", "second"], "edits and reactions are no items of their own");
    let [one, two] = &page.messages[..] else { panic!("two messages") };
    assert_eq!((one.seq, one.ts, one.edited_ts), (number(&first), first.ts, Some(edited.ts)));
    assert_eq!((two.message.key.as_deref(), two.edited_ts), (Some("k"), None));
    assert_eq!((&*two.reactions[0].emoji, &two.reactions[0].users), ("👍", &vec![ana.id.clone()]));
}

pub(super) async fn an_unknown_room_is_empty(store: &impl Store) {
    let store = store.open().await;
    for cursor in [Cursor::Latest {}, Cursor::Before(5), Cursor::After(0)] {
        let page = history(&store.broker, &fresh_room(), cursor, 9).await;
        assert_eq!((page.messages.len(), page.more), (0, false));
    }
}

pub(super) async fn rooms_are_listed_by_name(store: &impl Store) {
    let store = store.open().await;
    let (prefix, ana) = (fresh_room(), ana());
    let room = |suffix: &str| RoomName::parse(&format!("{:.40}{suffix}", prefix.as_str())).unwrap();
    let last = say(&store.broker, &room(".a"), &ana, "hi").await;
    for suffix in [".c", ".b", "-other"] {
        say(&store.broker, &room(suffix), &ana, "hi").await;
    }
    // Joined but without entries: not listed.
    position(&store.broker, &room(".d")).await;
    let prefix = room(".").as_str().to_owned();
    let list = async |after, limit| store.broker.logged_rooms(prefix.clone(), after, limit).await.unwrap();
    let all = list(None, 9).await;
    assert_eq!(all.iter().map(|logged| logged.room.clone()).collect::<Vec<_>>(), [room(".a"), room(".b"), room(".c")]);
    assert_eq!(all[0].last_ts, last.ts);
    assert_eq!(all[0].epoch, position(&store.broker, &room(".a")).await.epoch);
    let rest = list(Some(room(".a")), 1).await;
    assert_eq!(rest.iter().map(|logged| logged.room.clone()).collect::<Vec<_>>(), [room(".b")]);
}
