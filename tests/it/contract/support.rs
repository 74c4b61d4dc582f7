//! Short ways to say what checks say often.

use std::{sync::Arc, time::Duration};

use hubbub::{
    broker::{Append, AppendError, Appended, Broker, BrokerEvent, BrokerEvents, Change, Page, ReadLimit, Recovery},
    protocol::{
        command::Cursor,
        entry::{Entry, Numbered},
        ids::{MessageId, Position, RoomName, Seq, UserId},
        user::{Role, User},
    },
};

/// How long a check waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// No limit that a check meets by chance.
pub(crate) const ALL: ReadLimit = ReadLimit { entries: 10_000, bytes: usize::MAX, messages: 10_000 };

/// A room of its own.
pub(crate) fn fresh_room() -> RoomName {
    RoomName::parse(&format!("r{:x}", rand::random::<u128>())).unwrap()
}

/// A user of its own.
pub(crate) fn fresh_user(name: &str, role: Role) -> Arc<User> {
    Arc::new(User { id: UserId::guest(rand::random()), name: name.into(), role })
}

pub(crate) fn ana() -> Arc<User> {
    fresh_user("ana", Role::Guest)
}

pub(crate) fn message(text: &str, key: Option<&str>) -> Change {
    Change::Message { text: text.into(), key: key.map(Into::into), reply_to: None }
}

pub(crate) fn reply(text: &str, id: &MessageId) -> Change {
    Change::Message { text: text.into(), key: None, reply_to: Some(id.clone()) }
}

pub(crate) fn edit(id: &MessageId, text: &str) -> Change {
    Change::Edit { message_id: id.clone(), text: text.into() }
}

pub(crate) fn delete(id: &MessageId) -> Change {
    Change::Delete { message_id: id.clone() }
}

pub(crate) fn react(id: &MessageId, emoji: &str, on: bool) -> Change {
    Change::React { message_id: id.clone(), emoji: emoji.into(), on }
}

pub(crate) fn append(room: &RoomName, user: &Arc<User>, change: Change) -> Append {
    Append { room: room.clone(), user: user.clone(), change }
}

/// Appends one.
pub(crate) async fn one(
    broker: &Arc<dyn Broker>,
    room: &RoomName,
    user: &Arc<User>,
    change: Change,
) -> Result<Appended, AppendError> {
    broker.append(vec![append(room, user, change)]).await.remove(0)
}

/// Says something and is believed.
pub(crate) async fn say(broker: &Arc<dyn Broker>, room: &RoomName, user: &Arc<User>, text: &str) -> Appended {
    one(broker, room, user, message(text, None)).await.unwrap()
}

/// The number of an append that was logged.
pub(crate) fn number(appended: &Appended) -> Seq {
    appended.seq.expect("the log is there")
}

/// The next `count` entries of a room that the broker tells of.
pub(crate) async fn told(events: &mut BrokerEvents, room: &RoomName, count: usize) -> Vec<Numbered> {
    let mut entries = Vec::new();
    while entries.len() < count {
        let event = tokio::time::timeout(PATIENCE, events.recv()).await.expect("entries must be told");
        let BrokerEvent::Committed(committed) = event.expect("the broker lives") else { continue };
        entries.extend(committed.into_iter().filter(|numbered| numbered.entry.room == *room));
    }
    entries
}

/// The room's position now.
pub(crate) async fn position(broker: &Arc<dyn Broker>, room: &RoomName) -> Position {
    match broker.recover(room.clone(), None, ALL).await.unwrap() {
        Recovery::Snapshot { position, .. } => position,
        resumed @ Recovery::Resumed { .. } => panic!("resumed from nothing: {resumed:?}"),
    }
}

/// What follows a position, with the position of the last and whether there is more.
pub(crate) async fn resume(
    broker: &Arc<dyn Broker>,
    room: &RoomName,
    since: &Position,
    limit: ReadLimit,
) -> (Position, Vec<Entry>, bool) {
    match broker.recover(room.clone(), Some(since.clone()), limit).await.unwrap() {
        Recovery::Resumed { position, entries, more } => (position, entries, more),
        snapshot @ Recovery::Snapshot { .. } => panic!("not resumed: {snapshot:?}"),
    }
}

/// The whole log of a room.
pub(crate) async fn whole_log(broker: &Arc<dyn Broker>, room: &RoomName) -> Vec<Entry> {
    let epoch = position(broker, room).await.epoch;
    resume(broker, room, &Position { epoch, seq: 0 }, ALL).await.1
}

pub(crate) async fn history(broker: &Arc<dyn Broker>, room: &RoomName, cursor: Cursor, limit: usize) -> Page {
    broker.history(room.clone(), cursor, limit).await.unwrap()
}

/// The texts of a page.
pub(crate) fn texts(page: &Page) -> Vec<&str> {
    page.messages.iter().map(|state| &*state.message.text).collect()
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
