//! What a server sends: one JSON object a frame, told apart by `type`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    command::RequestId,
    entry::{Entries, Entry, Message, is_false},
    error::{ErrorCode, Refusal},
    ids::{Epoch, InstanceId, MessageId, Millis, RoomName, Seq},
    user::User,
};

/// Everything a server sends but the logged entries, which are [`Entry`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The first event of a connection.
    Welcome(Box<Welcome>),
    /// Answer to `join`, or a fresh position at any time.
    Joined(Box<Joined>),
    /// Somebody said something while the log is away; it comes again as an entry with the same id.
    #[serde(rename = "message")]
    Provisional(ProvisionalMessage),
    /// Answer to a command that took effect.
    Ack(Ack),
    /// Answer to `history`.
    History(HistoryPage),
    /// Answer to `who`.
    Who(Who),
    /// Answer to `ping`.
    Pong {
        /// The command's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// The server's clock.
        ts: Millis,
    },
    /// Answer to a command that did not take effect.
    Error(ErrorEvent),
    /// Something to know about the server.
    Notice(Notice),
    /// Somebody types. Ephemeral.
    Typing {
        /// Where.
        room: RoomName,
        /// Who.
        user: Arc<User>,
    },
    /// How many are in a room. Ephemeral.
    Presence {
        /// Where.
        room: RoomName,
        /// How many.
        #[serde(flatten)]
        counts: Counts,
        /// Set while the numbers may be out of date.
        #[serde(default, skip_serializing_if = "is_false")]
        stale: bool,
    },
    /// Users whose first connection came. Ephemeral.
    Entered {
        /// Where.
        room: RoomName,
        /// Who.
        users: Vec<Arc<User>>,
    },
    /// Users whose last connection went. Ephemeral.
    Left {
        /// Where.
        room: RoomName,
        /// Who.
        users: Vec<Arc<User>>,
        /// Why.
        reason: LeaveReason,
    },
    /// Somebody read up to an entry. Ephemeral.
    Read {
        /// Where.
        room: RoomName,
        /// Who.
        user: Arc<User>,
        /// The last entry read.
        seq: Seq,
    },
}

/// `welcome`: who you are and what the server allows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Welcome {
    /// The contract's version.
    pub protocol: u32,
    /// Names this connection in lists.
    pub session: Box<str>,
    /// Proves a guest's id when it comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_token: Option<Box<str>>,
    /// Who you are.
    pub user: Arc<User>,
    /// The instance you are on.
    pub instance: InstanceId,
    /// How the server runs.
    pub mode: Mode,
    /// The interval of life signs.
    pub heartbeat_ms: Millis,
    /// What it allows.
    pub limits: AdvertisedLimits,
}

/// How the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Alone.
    Standalone,
    /// One of many.
    Distributed,
    /// One of many, cut off from them for now.
    Degraded,
}

/// The limits a client can act on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdvertisedLimits {
    /// Longest frame, bytes.
    pub frame: usize,
    /// Longest text, characters.
    pub text: usize,
    /// Longest key, characters.
    pub key: usize,
    /// Most rooms of a connection.
    pub rooms: usize,
    /// Largest history page.
    pub history: usize,
    /// How long a key is remembered at least.
    pub idempotency_ms: Millis,
}

/// `joined`: where a connection stands in a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Joined {
    /// The command's; missing when the server repositions by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// Where.
    pub room: RoomName,
    /// The log's life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// The position after `entries`; the next live entry is one more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
    /// Whether `entries` continue from the client's `since`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<bool>,
    /// Whether more remain: join again from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<bool>,
    /// Raw entries when recovered, else the last messages as they are now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<Entries>,
    /// The user's read marker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Seq>,
    /// How many are here, the client included.
    pub presence: Counts,
    /// Set while the log is away; a second `joined` follows.
    #[serde(default, skip_serializing_if = "is_false")]
    pub provisional: bool,
}

impl Joined {
    /// The answer while the log is away: no position and no entries.
    pub fn provisional(id: Option<RequestId>, room: RoomName, presence: Counts) -> Self {
        Self {
            id,
            room,
            epoch: None,
            seq: None,
            recovered: None,
            more: None,
            entries: None,
            read: None,
            presence,
            provisional: true,
        }
    }
}

/// A `message` without a number, shown to those on the sender's instance until the log is back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProvisionalMessage {
    /// What was said.
    #[serde(flatten)]
    pub message: Message,
    /// Where.
    pub room: RoomName,
    /// When, by the clock of the instance.
    pub ts: Millis,
    /// Always set; a numbered message has none.
    pub provisional: bool,
}

/// How many users are in a room, by role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Guests.
    pub guests: usize,
    /// Members.
    pub members: usize,
    /// Admins.
    pub admins: usize,
}

impl Counts {
    /// All of them.
    pub fn total(self) -> usize {
        self.guests + self.members + self.admins
    }
}

/// `ack`: a command took effect. Which fields are set depends on the command.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ack {
    /// The command's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// The message said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// The entry's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ts: Option<Millis>,
    /// Set when nothing was logged because it was so already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<bool>,
    /// How many connections a kick closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<usize>,
    /// Set for a message that waits for the log: not an ack in the sense of PROTOCOL section 4, promise 2.
    #[serde(default, skip_serializing_if = "is_false")]
    pub provisional: bool,
}

/// `history`: messages as they are now, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryPage {
    /// The command's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// Where.
    pub room: RoomName,
    /// The messages.
    pub entries: Entries,
    /// Whether there is more in that direction.
    pub more: bool,
    /// Set while the log is away: what this server has in memory, and there may be more.
    #[serde(default, skip_serializing_if = "is_false")]
    pub provisional: bool,
}

/// `who`: users in a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Who {
    /// The command's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// Where.
    pub room: RoomName,
    /// The first of them.
    pub users: Vec<Arc<User>>,
    /// How many there are.
    pub total: usize,
    /// Whether `users` is not all.
    pub more: bool,
    /// By role.
    #[serde(flatten)]
    pub counts: Counts,
}

/// `error`: a command did not take effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorEvent {
    /// The command's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// The room it was about, as the client wrote it: it may be no room name at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Box<str>>,
    /// What clients branch on.
    pub code: ErrorCode,
    /// What people read.
    pub message: Box<str>,
    /// When to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<Millis>,
}

impl ErrorEvent {
    /// The event that tells of a refusal.
    pub fn new(id: Option<RequestId>, room: Option<RoomName>, refusal: Refusal) -> Self {
        let room = room.map(|room| room.as_str().into());
        Self { id, room, code: refusal.code, message: refusal.message.into(), retry_after_ms: refusal.retry_after_ms }
    }

    /// The event that tells why a room asked for while connecting was not joined.
    pub fn about(room: &str, refusal: Refusal) -> Self {
        Self { room: Some(room.into()), ..Self::new(None, None, refusal) }
    }
}

/// `notice`: something to know about the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Notice {
    /// The log is away; messages are provisional.
    Degraded,
    /// It is back.
    Restored,
    /// The server stops.
    Draining {
        /// This connection closes in so long.
        close_in_ms: Millis,
        /// Come back so long after the close.
        reconnect_in_ms: Millis,
    },
    /// Provisional messages that can no longer be logged.
    Undelivered {
        /// Where.
        room: RoomName,
        /// Which.
        ids: Vec<MessageId>,
    },
}

/// Why a user left a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeaveReason {
    /// Left, or closed with 1000 or 1001.
    Closed,
    /// Vanished and did not come back within the grace.
    Lost,
    /// Removed by an admin.
    Kicked,
    /// Its server stopped.
    Drained,
}

/// Anything sent as a text frame: an [`Event`] or a logged [`Entry`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Sent {
    /// An entry of a log.
    Entry(Entry),
    /// Anything else.
    Event(Event),
}

#[cfg(test)]
mod tests {
    use super::super::{entry::*, ids::*, user::Role};
    use super::*;
    use proptest::{collection::vec, option, prelude::*};

    fn room() -> RoomName {
        RoomName::global()
    }

    fn user(name: &str) -> Arc<User> {
        Arc::new(User { id: UserId::account(name), name: name.into(), role: Role::Member })
    }

    fn message(text: &str) -> Message {
        Message {
            id: MessageId::parse("01J").unwrap(),
            from: user("ana"),
            text: text.into(),
            key: Some("k1".into()),
            reply_to: Some(MessageId::parse("01H").unwrap()),
            instance: InstanceId::parse("api-1").unwrap(),
            deleted: false,
        }
    }

    fn entry(body: EntryBody) -> Entry {
        Entry { body, room: room(), seq: 7, ts: 1000 }
    }

    fn view() -> MessageView {
        let state = MessageState {
            room: room(),
            seq: 7,
            ts: 1000,
            message: message("hi"),
            edited_ts: Some(2000),
            reactions: vec![Reactors { emoji: "👍".into(), users: vec![UserId::account("ana")] }],
        };
        state.seen_by(&UserId::account("ana"))
    }

    fn every_event() -> Vec<(&'static str, Sent)> {
        let message_id = MessageId::parse("01J").unwrap();
        let by = user("ana");
        let counts = Counts { guests: 1, members: 2, admins: 3 };
        let id = Some(RequestId::Integer(5));
        let event = |event| Sent::Event(event);
        let log = |body| Sent::Entry(entry(body));
        vec![
            (
                "welcome",
                event(Event::Welcome(Box::new(Welcome {
                    protocol: 1,
                    session: "s1".into(),
                    resume_token: Some("t".into()),
                    user: by.clone(),
                    instance: InstanceId::parse("api-1").unwrap(),
                    mode: Mode::Standalone,
                    heartbeat_ms: 25_000,
                    limits: AdvertisedLimits {
                        frame: 65_536,
                        text: 4_000,
                        key: 64,
                        rooms: 50,
                        history: 200,
                        idempotency_ms: 600_000,
                    },
                }))),
            ),
            (
                "joined_snapshot",
                event(Event::Joined(Box::new(Joined {
                    id: id.clone(),
                    room: room(),
                    epoch: Some(Epoch::from_random(1)),
                    seq: Some(7),
                    recovered: Some(false),
                    more: Some(false),
                    entries: Some(Entries::Now(vec![view()])),
                    read: Some(3),
                    presence: counts,
                    provisional: false,
                }))),
            ),
            (
                "joined_recovered",
                event(Event::Joined(Box::new(Joined {
                    id: None,
                    room: room(),
                    epoch: Some(Epoch::from_random(1)),
                    seq: Some(7),
                    recovered: Some(true),
                    more: Some(true),
                    entries: Some(Entries::Raw(vec![entry(EntryBody::Message(message("hi")))])),
                    read: None,
                    presence: counts,
                    provisional: false,
                }))),
            ),
            ("message", log(EntryBody::Message(message("hi")))),
            (
                "edited",
                log(EntryBody::Edited {
                    message_id: message_id.clone(),
                    text: "ho".into(),
                    by: by.clone(),
                    deleted: false,
                }),
            ),
            ("deleted", log(EntryBody::Deleted { message_id: message_id.clone(), by: by.clone() })),
            (
                "reaction",
                log(EntryBody::Reaction {
                    message_id: message_id.clone(),
                    emoji: "👍".into(),
                    on: true,
                    by: by.clone(),
                }),
            ),
            (
                "ack_message",
                event(Event::Ack(Ack {
                    id: Some(RequestId::Text("a".into())),
                    message_id: Some(message_id.clone()),
                    seq: Some(7),
                    ts: Some(1000),
                    duplicate: Some(false),
                    closed: None,
                    provisional: false,
                })),
            ),
            ("ack_kick", event(Event::Ack(Ack { closed: Some(2), ..Ack::default() }))),
            (
                "history",
                event(Event::History(HistoryPage {
                    id: id.clone(),
                    room: room(),
                    entries: Entries::Now(vec![view()]),
                    more: true,
                    provisional: false,
                })),
            ),
            (
                "who",
                event(Event::Who(Who {
                    id: id.clone(),
                    room: room(),
                    users: vec![by.clone()],
                    total: 6,
                    more: true,
                    counts,
                })),
            ),
            ("pong", event(Event::Pong { id: id.clone(), ts: 1000 })),
            ("error", event(Event::Error(ErrorEvent::new(id, Some(room()), Refusal::rate_limited("slow down", 250))))),
            ("notice_degraded", event(Event::Notice(Notice::Degraded))),
            ("notice_restored", event(Event::Notice(Notice::Restored))),
            ("notice_draining", event(Event::Notice(Notice::Draining { close_in_ms: 5, reconnect_in_ms: 6 }))),
            ("notice_undelivered", event(Event::Notice(Notice::Undelivered { room: room(), ids: vec![message_id] }))),
            ("typing", event(Event::Typing { room: room(), user: by.clone() })),
            ("presence", event(Event::Presence { room: room(), counts, stale: true })),
            ("entered", event(Event::Entered { room: room(), users: vec![by.clone()] })),
            ("left", event(Event::Left { room: room(), users: vec![by.clone()], reason: LeaveReason::Lost })),
            ("read", event(Event::Read { room: room(), user: by, seq: 7 })),
        ]
    }

    #[test]
    fn every_event_looks_as_the_contract_says() {
        for (name, event) in every_event() {
            insta::assert_json_snapshot!(name, event);
        }
    }

    #[test]
    fn every_event_comes_back_as_it_went() {
        for (name, event) in every_event() {
            let json = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Sent>(&json).unwrap(), event, "{name}");
        }
    }

    proptest! {
        #[test]
        fn entries_round_trip(
            text in any::<String>(), key in option::of(any::<String>()), seq in 1..=MAX_SAFE_INTEGER, ts in 0..=MAX_SAFE_INTEGER,
            kind in 0..4, name in any::<String>(), flag in any::<bool>(),
        ) {
            let by = Arc::new(User { id: UserId::guest(9), name: name.into(), role: Role::Guest });
            let message_id = MessageId::parse("m1").unwrap();
            let body = match kind {
                0 => EntryBody::Message(Message {
                    id: message_id, from: by, text: text.into(), key: key.map(Into::into), reply_to: None,
                    instance: InstanceId::parse("i").unwrap(), deleted: flag,
                }),
                1 => EntryBody::Edited { message_id, text: text.into(), by, deleted: flag },
                2 => EntryBody::Deleted { message_id, by },
                _ => EntryBody::Reaction { message_id, emoji: text.into(), on: flag, by },
            };
            let entry = Entry { body, room: room(), seq, ts };
            let json = serde_json::to_string(&entry).unwrap();
            prop_assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry);
        }

        #[test]
        fn user_lists_round_trip(names in vec(any::<String>(), 0..5), guests in 0..1000usize) {
            let users: Vec<_> = names.iter()
                .map(|name| Arc::new(User { id: UserId::guest(1), name: name.as_str().into(), role: Role::Guest }))
                .collect();
            let who = Event::Who(Who {
                id: None, room: room(), total: users.len(), users, more: false, counts: Counts { guests, ..Counts::default() },
            });
            let json = serde_json::to_string(&who).unwrap();
            prop_assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), who);
        }
    }
}
