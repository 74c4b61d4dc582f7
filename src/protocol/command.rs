//! What a client sends: one JSON object a text frame, told apart by `type`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{
    error::{ErrorCode, Refusal},
    ids::{Epoch, MAX_SAFE_INTEGER, MessageId, Millis, Position, RoomName, Seq, UserId},
    object::Object,
    text,
};

/// Largest page of `history` and `who`.
pub const MAX_PAGE: usize = 200;
/// Page of `history` when none is asked for, and messages in a `joined` that did not recover.
pub const DEFAULT_PAGE: usize = 50;
/// How long a `kick` bans when it does not say.
pub const DEFAULT_BAN_MS: Millis = 600_000;
/// Longest `reason` of a `kick`, in characters.
const MAX_REASON_CHARS: usize = 100;

/// A client's name for a command; the answer repeats it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RequestId {
    /// An integer within ±2^53.
    Integer(i64),
    /// At most 64 characters.
    Text(Box<str>),
}

/// A command with the name its answer repeats.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The client's name for it.
    pub id: Option<RequestId>,
    /// What to do.
    pub command: Command,
}

/// What a client asks for; every field has passed its rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Command {
    /// Is somebody there?
    Ping,
    /// Be in a room, from a position on.
    Join {
        /// Which.
        room: RoomName,
        /// What was seen before.
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<Position>,
    },
    /// Be in a room no longer.
    Leave {
        /// Which.
        room: RoomName,
    },
    /// Say something.
    Message {
        /// Where.
        room: RoomName,
        /// What, trimmed.
        text: Box<str>,
        /// Makes retries harmless.
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<Box<str>>,
        /// The message it answers.
        #[serde(skip_serializing_if = "Option::is_none")]
        reply_to: Option<MessageId>,
    },
    /// Change one's own text.
    Edit {
        /// Where.
        room: RoomName,
        /// Which.
        message_id: MessageId,
        /// The new text, trimmed.
        text: Box<str>,
    },
    /// Take a message back.
    Delete {
        /// Where.
        room: RoomName,
        /// Which.
        message_id: MessageId,
    },
    /// Put a reaction on a message or take it off.
    React {
        /// Where.
        room: RoomName,
        /// Which.
        message_id: MessageId,
        /// Which emoji.
        emoji: Box<str>,
        /// On or off.
        on: bool,
    },
    /// Show that one types.
    Typing {
        /// Where.
        room: RoomName,
    },
    /// Move one's read marker.
    Read {
        /// Where.
        room: RoomName,
        /// The last entry read.
        seq: Seq,
    },
    /// A page of messages as they are now.
    History {
        /// Where.
        room: RoomName,
        /// From where, in which direction.
        #[serde(flatten)]
        cursor: Cursor,
        /// At most so many.
        limit: usize,
    },
    /// Who is here.
    Who {
        /// Where.
        room: RoomName,
        /// At most so many names.
        limit: usize,
    },
    /// Close a user's connections everywhere.
    Kick {
        /// Who.
        user_id: UserId,
        /// Why, for the log.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
        /// How long to refuse the user; 0 not at all.
        ban_ms: Millis,
    },
}

impl Command {
    /// Its `type` on the wire.
    pub fn kind(&self) -> &'static str {
        match self {
            Command::Ping => "ping",
            Command::Join { .. } => "join",
            Command::Leave { .. } => "leave",
            Command::Message { .. } => "message",
            Command::Edit { .. } => "edit",
            Command::Delete { .. } => "delete",
            Command::React { .. } => "react",
            Command::Typing { .. } => "typing",
            Command::Read { .. } => "read",
            Command::History { .. } => "history",
            Command::Who { .. } => "who",
            Command::Kick { .. } => "kick",
        }
    }

    /// The room it is about; `None` for `ping` and `kick`.
    pub fn room(&self) -> Option<&RoomName> {
        match self {
            Command::Ping | Command::Kick { .. } => None,
            Command::Join { room, .. }
            | Command::Leave { room }
            | Command::Message { room, .. }
            | Command::Edit { room, .. }
            | Command::Delete { room, .. }
            | Command::React { room, .. }
            | Command::Typing { room }
            | Command::Read { room, .. }
            | Command::History { room, .. }
            | Command::Who { room, .. } => Some(room),
        }
    }
}

/// Where a page starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cursor {
    /// Those below a number, going back.
    Before(Seq),
    /// Those above a number, going on.
    After(Seq),
    /// The newest, going back: no field on the wire.
    #[serde(untagged)]
    Latest {},
}

impl Cursor {
    /// From the two optional fields of a request.
    ///
    /// # Errors
    /// `invalid_argument` when both are given.
    pub fn from_fields(before: Option<Seq>, after: Option<Seq>) -> Result<Self, Refusal> {
        match (before, after) {
            (None, None) => Ok(Cursor::Latest {}),
            (Some(seq), None) => Ok(Cursor::Before(seq)),
            (None, Some(seq)) => Ok(Cursor::After(seq)),
            (Some(_), Some(_)) => Err(invalid("give 'before' or 'after', not both")),
        }
    }
}

/// A frame that is no command, with what an answer can say of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    /// The frame's `id`, if it had one that could be read.
    pub id: Option<RequestId>,
    /// What is wrong.
    pub refusal: Refusal,
}

/// Decodes one text frame.
///
/// # Errors
/// `malformed` when it is no JSON object with a string `type` and a readable `id`; `unknown_type`; or what is wrong with
/// a field: `invalid_room`, `invalid_text`, `invalid_argument`.
pub fn decode(frame: &str) -> Result<Request, Rejection> {
    let Object(header) = serde_json::from_str::<Object<Header<'_>>>(frame).map_err(|error| Rejection {
        id: None,
        refusal: Refusal::new(ErrorCode::Malformed, format!("not a command: {error}")),
    })?;
    let id = header.id;
    if !id.as_ref().is_none_or(acceptable_id) {
        let refusal = Refusal::new(ErrorCode::Malformed, "an id is an integer or a string of at most 64 characters");
        return Err(Rejection { id: None, refusal });
    }
    match decode_fields(&header.kind, frame) {
        Ok(command) => Ok(Request { id, command }),
        Err(refusal) => Err(Rejection { id, refusal }),
    }
}

fn acceptable_id(id: &RequestId) -> bool {
    match id {
        RequestId::Integer(number) => number.unsigned_abs() <= MAX_SAFE_INTEGER,
        RequestId::Text(text) => text.chars().take(text::MAX_KEY_CHARS + 1).count() <= text::MAX_KEY_CHARS,
    }
}

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    id: Option<RequestId>,
}

/// The fields any command may have; which are read depends on its `type`, the rest is ignored as the contract says.
fn decode_fields(kind: &str, frame: &str) -> Result<Command, Refusal> {
    Ok(match kind {
        "ping" => Command::Ping,
        "join" => {
            let JoinFields { room, since } = fields(frame)?;
            let since = since.map(|Object(since)| since.check()).transpose()?;
            Command::Join { room: parse_room(room)?, since }
        }
        "leave" => Command::Leave { room: parse_room(fields::<RoomField>(frame)?.room)? },
        "message" => {
            let MessageFields { room, text, key, reply_to } = fields(frame)?;
            Command::Message {
                room: parse_room(room)?,
                text: text::message(&text)?.into(),
                key: key.map(|key| text::key(&key).map(Into::into)).transpose()?,
                reply_to: reply_to.map(|id| MessageId::parse(&id)).transpose()?,
            }
        }
        "edit" => {
            let EditFields { room, message_id, text } = fields(frame)?;
            Command::Edit {
                room: parse_room(room)?,
                message_id: MessageId::parse(&message_id)?,
                text: text::message(&text)?.into(),
            }
        }
        "delete" => {
            let DeleteFields { room, message_id } = fields(frame)?;
            Command::Delete { room: parse_room(room)?, message_id: MessageId::parse(&message_id)? }
        }
        "react" => {
            let ReactFields { room, message_id, emoji, on } = fields(frame)?;
            Command::React {
                room: parse_room(room)?,
                message_id: MessageId::parse(&message_id)?,
                emoji: text::emoji(&emoji)?.into(),
                on,
            }
        }
        "typing" => Command::Typing { room: parse_room(fields::<RoomField>(frame)?.room)? },
        "read" => {
            let ReadFields { room, seq } = fields(frame)?;
            Command::Read { room: parse_room(room)?, seq: safe("seq", seq)? }
        }
        "history" => {
            let HistoryFields { room, before, after, limit } = fields(frame)?;
            let before = before.map(|seq| safe("before", seq)).transpose()?;
            let after = after.map(|seq| safe("after", seq)).transpose()?;
            Command::History {
                room: parse_room(room)?,
                cursor: Cursor::from_fields(before, after)?,
                limit: page_limit(limit, DEFAULT_PAGE)?,
            }
        }
        "who" => {
            let WhoFields { room, limit } = fields(frame)?;
            Command::Who { room: parse_room(room)?, limit: page_limit(limit, MAX_PAGE)? }
        }
        "kick" => {
            let KickFields { user_id, reason, ban_ms } = fields(frame)?;
            let reason = reason.map(|reason| check_reason(&reason)).transpose()?;
            let ban_ms = ban_ms.map(|ms| safe("banMs", ms)).transpose()?.unwrap_or(DEFAULT_BAN_MS);
            Command::Kick { user_id: UserId::parse(&user_id)?, reason, ban_ms }
        }
        _ => return Err(Refusal::new(ErrorCode::UnknownType, "this server does not know that command")),
    })
}

fn fields<'a, T: Deserialize<'a>>(frame: &'a str) -> Result<T, Refusal> {
    serde_json::from_str(frame).map_err(|error| invalid(error.to_string()))
}

fn invalid(message: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorCode::InvalidArgument, message)
}

fn parse_room(room: Option<Cow<'_, str>>) -> Result<RoomName, Refusal> {
    room.map_or_else(|| Ok(RoomName::global()), |name| RoomName::parse(&name))
}

fn safe(field: &'static str, number: u64) -> Result<u64, Refusal> {
    if number <= MAX_SAFE_INTEGER { Ok(number) } else { Err(invalid(format!("'{field}' is above 2^53-1"))) }
}

/// Checks the `limit` of a page: 1 to [`MAX_PAGE`].
///
/// # Errors
/// `invalid_argument` for any other.
pub fn page_limit(limit: Option<u64>, default: usize) -> Result<usize, Refusal> {
    match limit {
        None => Ok(default),
        Some(limit) => usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=MAX_PAGE).contains(limit))
            .ok_or_else(|| invalid("'limit' is 1 to 200")),
    }
}

/// Until when a ban that begins now lasts, both in milliseconds of the epoch: as long as asked for, within what JSON
/// carries.
pub fn ban_end(now: Millis, ban_ms: Millis) -> Millis {
    now.saturating_add(ban_ms).min(MAX_SAFE_INTEGER)
}

fn check_reason(reason: &str) -> Result<Box<str>, Refusal> {
    let short = reason.chars().take(MAX_REASON_CHARS + 1).count() <= MAX_REASON_CHARS;
    if short && !reason.chars().any(char::is_control) {
        Ok(reason.into())
    } else {
        Err(invalid("'reason' has at most 100 characters and no control characters"))
    }
}

#[derive(Deserialize)]
struct RoomField<'a> {
    #[serde(borrow, default)]
    room: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct JoinFields<'a> {
    #[serde(borrow, default)]
    room: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    since: Option<Object<SinceFields<'a>>>,
}

#[derive(Deserialize)]
struct SinceFields<'a> {
    #[serde(borrow)]
    epoch: Cow<'a, str>,
    seq: u64,
}

impl SinceFields<'_> {
    fn check(self) -> Result<Position, Refusal> {
        Ok(Position { epoch: Epoch::parse(&self.epoch)?, seq: safe("since.seq", self.seq)? })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageFields<'a> {
    #[serde(borrow, default)]
    room: Option<Cow<'a, str>>,
    #[serde(borrow)]
    text: Cow<'a, str>,
    #[serde(borrow, default)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    reply_to: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EditFields<'a> {
    #[serde(borrow, default)]
    room: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message_id: Cow<'a, str>,
    #[serde(borrow)]
    text: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeleteFields<'a> {
    #[serde(borrow, default)]
    room: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message_id: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReactFields<'a> {
    #[serde(borrow, default)]
    room: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message_id: Cow<'a, str>,
    #[serde(borrow)]
    emoji: Cow<'a, str>,
    on: bool,
}

#[derive(Deserialize)]
struct ReadFields<'a> {
    #[serde(borrow, default)]
    room: Option<Cow<'a, str>>,
    seq: u64,
}

#[derive(Deserialize)]
struct HistoryFields<'a> {
    #[serde(borrow, default)]
    room: Option<Cow<'a, str>>,
    #[serde(default)]
    before: Option<u64>,
    #[serde(default)]
    after: Option<u64>,
    #[serde(default)]
    limit: Option<u64>,
}

#[derive(Deserialize)]
struct WhoFields<'a> {
    #[serde(borrow, default)]
    room: Option<Cow<'a, str>>,
    #[serde(default)]
    limit: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KickFields<'a> {
    #[serde(borrow)]
    user_id: Cow<'a, str>,
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
    #[serde(default)]
    ban_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{option, prelude::*};

    fn code(frame: &str) -> ErrorCode {
        decode(frame).unwrap_err().refusal.code
    }

    #[test]
    fn what_is_no_command_says_why() {
        use ErrorCode::*;
        for (frame, expected) in [
            ("", Malformed),
            ("[]", Malformed),
            ("[\"ping\"]", Malformed),
            ("[\"ping\",7]", Malformed),
            ("{}", Malformed),
            ("{\"type\":5}", Malformed),
            ("{\"type\":\"ping\",\"id\":{}}", Malformed),
            ("{\"type\":\"ping\",\"id\":9007199254740993}", Malformed),
            ("{\"type\":\"dance\"}", UnknownType),
            ("{\"type\":\"message\"}", InvalidArgument),
            ("{\"type\":\"message\",\"text\":5}", InvalidArgument),
            ("{\"type\":\"message\",\"text\":\" \"}", InvalidText),
            ("{\"type\":\"message\",\"text\":\"a\",\"key\":\"\"}", InvalidArgument),
            ("{\"type\":\"join\",\"room\":\"No\"}", InvalidRoom),
            ("{\"type\":\"join\",\"since\":{\"epoch\":\"a\",\"seq\":-1}}", InvalidArgument),
            ("{\"type\":\"join\",\"since\":[\"a\",1]}", InvalidArgument),
            ("{\"type\":\"history\",\"limit\":201}", InvalidArgument),
            ("{\"type\":\"history\",\"before\":1,\"after\":2}", InvalidArgument),
        ] {
            assert_eq!(code(frame), expected, "{frame}");
        }
    }

    #[test]
    fn a_ban_ends_within_what_json_carries() {
        assert_eq!(ban_end(1_000, 500), 1_500);
        for (now, ban_ms) in [(1_000, MAX_SAFE_INTEGER), (Millis::MAX, Millis::MAX)] {
            assert_eq!(ban_end(now, ban_ms), MAX_SAFE_INTEGER);
        }
    }

    #[test]
    fn a_bad_command_keeps_its_id() {
        let rejection = decode("{\"type\":\"dance\",\"id\":\"x\"}").unwrap_err();
        assert_eq!(rejection.id, Some(RequestId::Text("x".into())));
    }

    #[test]
    fn fields_of_other_commands_are_ignored() {
        let request = decode("{\"type\":\"ping\",\"id\":1,\"text\":7,\"later\":[]}").unwrap();
        assert_eq!(request, Request { id: Some(RequestId::Integer(1)), command: Command::Ping });
    }

    #[test]
    fn rooms_default_to_global_and_texts_are_trimmed() {
        let request = decode("{\"type\":\"message\",\"text\":\" hi \"}").unwrap();
        let expected = Command::Message { room: RoomName::global(), text: "hi".into(), key: None, reply_to: None };
        assert_eq!(request.command, expected);
    }

    fn command() -> impl Strategy<Value = Command> {
        let room = "[a-z0-9][a-z0-9._-]{0,20}".prop_map(|name| RoomName::parse(&name).unwrap());
        let id = "[A-Za-z0-9_-]{1,26}".prop_map(|id| MessageId::parse(&id).unwrap());
        let text =
            "[^\\p{C}\\s][^\\p{C}]{0,30}[^\\p{C}\\s]".prop_filter("has visible text", |t| text::message(t) == Ok(t));
        let key = option::of("[a-zA-Z0-9]{1,64}".prop_map(Box::from));
        let seq = 0..=MAX_SAFE_INTEGER;
        let since =
            option::of((any::<u64>(), seq.clone()).prop_map(|(e, seq)| Position { epoch: Epoch::from_random(e), seq }));
        let cursor = prop_oneof![
            Just(Cursor::Latest {}),
            seq.clone().prop_map(Cursor::Before),
            seq.clone().prop_map(Cursor::After)
        ];
        let limit = 1..=MAX_PAGE;
        prop_oneof![
            Just(Command::Ping),
            (room.clone(), since).prop_map(|(room, since)| Command::Join { room, since }),
            room.clone().prop_map(|room| Command::Leave { room }),
            (room.clone(), text.clone(), key, option::of(id.clone()))
                .prop_map(|(room, text, key, reply_to)| Command::Message { room, text: text.into(), key, reply_to }),
            (room.clone(), id.clone(), text).prop_map(|(room, message_id, text)| Command::Edit {
                room,
                message_id,
                text: text.into()
            }),
            (room.clone(), id.clone()).prop_map(|(room, message_id)| Command::Delete { room, message_id }),
            (room.clone(), id, any::<bool>()).prop_map(|(room, message_id, on)| Command::React {
                room,
                message_id,
                emoji: "🎉".into(),
                on
            }),
            room.clone().prop_map(|room| Command::Typing { room }),
            (room.clone(), seq).prop_map(|(room, seq)| Command::Read { room, seq }),
            (room.clone(), cursor, limit.clone()).prop_map(|(room, cursor, limit)| Command::History {
                room,
                cursor,
                limit
            }),
            (room, limit).prop_map(|(room, limit)| Command::Who { room, limit }),
            (any::<u128>(), 0..=MAX_SAFE_INTEGER).prop_map(|(id, ban_ms)| Command::Kick {
                user_id: UserId::guest(id),
                reason: None,
                ban_ms
            }),
        ]
    }

    proptest! {
        #[test]
        fn every_command_round_trips(command in command()) {
            let json = serde_json::to_value(&command).unwrap();
            prop_assert_eq!(json["type"].as_str(), Some(command.kind()));
            prop_assert_eq!(decode(&json.to_string()).unwrap().command, command);
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = decode(&text);
        }

        #[test]
        fn no_disturbed_command_panics(command in command(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut json = serde_json::to_string(&command).unwrap().into_bytes();
            let at = at.index(json.len());
            json[at] = byte;
            if let Ok(text) = std::str::from_utf8(&json) {
                let _ = decode(text);
            }
        }
    }
}
