//! What instances tell each other: one JSON object per frame on a Redis channel.
//!
//! Everything that comes in is checked by [`Envelope::parse`] before anybody acts on it: the size, the structure, who it
//! is from, and that its parts agree with one another and with the channel.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    entry::Entry,
    event::{Counts, LeaveReason},
    ids::{Epoch, InstanceId, Millis, RoomName, Seq, UserId},
    record::{Kind, Record},
    user::User,
    vitals::Vitals,
};

/// The version of this form; a frame of another one is dropped.
pub const ENVELOPE_VERSION: u32 = 1;

/// Longest frame between instances that is looked at, in bytes: a batch of entries is at most 64 KiB of texts, which JSON
/// escapes can make six times as long.
pub const MAX_ENVELOPE: usize = 1024 * 1024;

/// One life of an instance: its id, and a nonce made when it started. Two processes that were given one id, and one that
/// was paused past its expiry and came back, are told apart by it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Incarnation {
    /// The instance.
    pub instance: InstanceId,
    /// Which start of it.
    pub nonce: u32,
}

impl Incarnation {
    /// Reads `<id>#<8 hexadecimal digits>`.
    pub fn parse(text: &str) -> Option<Self> {
        let (instance, nonce) = text.rsplit_once('#')?;
        let plain = nonce.len() == 8 && nonce.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let nonce = u32::from_str_radix(nonce, 16).ok().filter(|_| plain)?;
        Some(Self { instance: InstanceId::parse(instance).ok()?, nonce })
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{:08x}", self.instance, self.nonce)
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Incarnation {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Incarnation {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("no incarnation"))
    }
}

/// A frame between instances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// [`ENVELOPE_VERSION`].
    pub v: u32,
    /// Who sent it.
    pub origin: Incarnation,
    /// The sender's number for it; with the origin it names the frame, so that one sent twice is taken once.
    pub id: u64,
    /// What it says.
    #[serde(flatten)]
    pub body: Body,
}

/// What an [`Envelope`] says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    /// On a room's channel: entries were committed, in this order.
    Entries {
        /// The life of the room's log.
        epoch: Epoch,
        /// The entries.
        entries: Vec<Entry>,
    },
    /// On a room's channel: its log has a new life; everyone looks at it again.
    Moved {
        /// Which.
        epoch: Epoch,
    },
    /// On a room's channel: something that is worth nothing later.
    Told {
        /// What.
        telling: Telling,
    },
    /// On the control channel, or an instance's own: a question. Answered on the asker's own channel.
    Ask {
        /// What.
        ask: PeerAsk,
    },
    /// On an instance's own channel: the answer to its question of that number.
    Answer {
        /// The question's [`Envelope::id`].
        to: u64,
        /// The answer.
        answer: PeerAnswer,
    },
    /// On an instance's own channel: does this connection still bring anything?
    Probe,
}

/// Something that passes in a room and is never logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Telling {
    /// Somebody types.
    Typing {
        /// Who.
        user: Arc<User>,
    },
    /// Somebody read up to an entry.
    Read {
        /// Who.
        user: Arc<User>,
        /// The entry.
        seq: Seq,
    },
    /// Who came and went, and how many there are now.
    Presence {
        /// How many.
        counts: Counts,
        /// When they were counted, by the store's clock in microseconds: what is told can overtake one another.
        counted_at: u64,
        /// Users new in the cluster.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        entered: Vec<Arc<User>>,
        /// Users gone from the cluster.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left: Vec<(Arc<User>, LeaveReason)>,
    },
}

/// What an instance asks of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum PeerAsk {
    /// Close connections.
    Disconnect {
        /// Whose.
        whom: Whom,
        /// Why.
        cause: DisconnectCause,
    },
    /// List connections, by number from `after` (exclusive) on.
    Sessions {
        /// The last one of the page before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
        /// At most so many.
        limit: usize,
    },
    /// List the connections in which a word is found; a question of its own, since those who do not know of words would
    /// answer [`PeerAsk::Sessions`] with all.
    FindSessions {
        /// The word.
        query: String,
        /// The last one of the page before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
        /// At most so many.
        limit: usize,
    },
    /// Count connections.
    CountSessions,
    /// Say how it does.
    Vitals,
    /// Show the recent refusals, failed proofs and faults, newest first.
    Records {
        /// At most so many of each kind.
        limit: usize,
        /// Only these; those who do not know of it answer with all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<Kind>,
    },
    /// Drain.
    Drain,
    /// Something of a later version; answered at once, so that nobody waits for it.
    #[serde(other)]
    Unknown,
}

/// What an instance answers to a [`PeerAsk`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum PeerAnswer {
    /// So many were closed.
    Disconnected {
        /// How many.
        closed: usize,
    },
    /// Connections.
    Sessions {
        /// In order of their numbers.
        sessions: Vec<SessionInfo>,
    },
    /// How many connections there are.
    Counted {
        /// By role.
        counts: Counts,
    },
    /// How it does.
    Vitals {
        /// That.
        vitals: Vitals,
    },
    /// Recent refusals, failed proofs and faults.
    Records {
        /// Newest first.
        records: Vec<Record>,
    },
    /// The drain has begun.
    Draining,
    /// It could not be answered in time, or not at all.
    Busy,
}

/// Whose connections are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// Everything of a user.
    User(UserId),
    /// What one login session proved, by the SHA-256 of its token.
    Login([u8; 32]),
}

/// Why connections are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisconnectCause {
    /// 4403; may come right back.
    Kicked,
    /// 4403; may not, not even with a handshake that passed its checks just before the ban.
    Banned,
    /// 4401.
    SessionEnded,
}

/// One connection, as admins see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    /// Its number on its instance; shown with the instance in front.
    pub session: u64,
    /// Who.
    pub user: Arc<User>,
    /// Where they are.
    pub rooms: Vec<RoomName>,
    /// Since when.
    pub connected_at: Millis,
    /// The client's address.
    pub address: core::net::IpAddr,
}

/// Why a frame from another instance is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BadEnvelope {
    /// Longer than [`MAX_ENVELOPE`].
    #[error("too long")]
    TooLong,
    /// No JSON object of a known kind with valid parts.
    #[error("not of a known form")]
    Malformed,
    /// Of another version.
    #[error("of another version")]
    Version,
    /// About another room than its channel's, or not for a channel of this kind.
    #[error("on the wrong channel")]
    Misplaced,
}

/// What a channel carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel<'a> {
    /// What concerns one room.
    Room(&'a RoomName),
    /// What concerns instances.
    Control,
}

impl Envelope {
    /// Reads a frame that came on a channel.
    ///
    /// # Errors
    /// What is wrong with it. It is to be counted and dropped.
    pub fn parse(frame: &[u8], channel: Channel<'_>) -> Result<Self, BadEnvelope> {
        if frame.len() > MAX_ENVELOPE {
            return Err(BadEnvelope::TooLong);
        }
        let envelope: Self = serde_json::from_slice(frame).map_err(|_| BadEnvelope::Malformed)?;
        if envelope.v != ENVELOPE_VERSION {
            return Err(BadEnvelope::Version);
        }
        let placed = match (&envelope.body, channel) {
            (Body::Entries { entries, .. }, Channel::Room(room)) => entries.iter().all(|entry| entry.room == *room),
            (Body::Moved { .. } | Body::Told { .. }, Channel::Room(_))
            | (Body::Ask { .. } | Body::Answer { .. } | Body::Probe, Channel::Control) => true,
            _ => false,
        };
        if placed { Ok(envelope) } else { Err(BadEnvelope::Misplaced) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{error::ErrorCode, record::Note, user::Role, vitals::Status};

    fn user() -> Arc<User> {
        Arc::new(User { id: UserId::account("ana"), name: "Ana".into(), role: Role::Member })
    }

    fn envelope(body: Body) -> Envelope {
        let origin = Incarnation::parse("api-1#00c0ffee").unwrap();
        Envelope { v: ENVELOPE_VERSION, origin, id: 7, body }
    }

    fn written(body: Body) -> Vec<u8> {
        serde_json::to_vec(&envelope(body)).unwrap()
    }

    #[test]
    fn every_kind_round_trips_on_its_channel() {
        let entries = serde_json::from_str::<Entry>(
            r#"{"type":"deleted","messageId":"m1","by":{"id":"m:ana","name":"Ana","role":"member"},"room":"global","seq":3,"ts":4}"#,
        );
        let epoch = Epoch::from_random(1);
        let presence = Telling::Presence {
            counts: Counts { guests: 1, members: 2, admins: 0 },
            counted_at: 1_795_273_867_999_000,
            entered: vec![user()],
            left: vec![(user(), LeaveReason::Lost)],
        };
        let session = SessionInfo {
            session: 1,
            user: user(),
            rooms: vec![RoomName::global()],
            connected_at: 5,
            address: [127, 0, 0, 1].into(),
        };
        let vitals = Vitals {
            status: Status::Healthy,
            hostname: "host".into(),
            version: "0.1.0".into(),
            uptime_ms: 5,
            connected_clients: 2,
            memory_bytes: Some(9),
            cpu_seconds: None,
            messages_published: 3,
            latency_count: 2,
            latency_sum_ms: 2.5,
            latency_max_ms: 1.5,
        };
        let note = Note::new(Kind::Refusal, "no").code(ErrorCode::Forbidden).address([127, 0, 0, 1].into());
        let record = Record { ts: 9, first_ts: 7, count: 2, note };
        let find = PeerAsk::FindSessions { query: "ana".into(), after: None, limit: 5 };
        let room = RoomName::global();
        for (body, channel) in [
            (Body::Entries { epoch: epoch.clone(), entries: vec![entries.unwrap()] }, Channel::Room(&room)),
            (Body::Moved { epoch }, Channel::Room(&room)),
            (Body::Told { telling: Telling::Typing { user: user() } }, Channel::Room(&room)),
            (Body::Told { telling: Telling::Read { user: user(), seq: 9 } }, Channel::Room(&room)),
            (Body::Told { telling: presence }, Channel::Room(&room)),
            (Body::Ask { ask: PeerAsk::Sessions { after: Some(1), limit: 5 } }, Channel::Control),
            (Body::Ask { ask: find }, Channel::Control),
            (Body::Ask { ask: PeerAsk::CountSessions }, Channel::Control),
            (Body::Ask { ask: PeerAsk::Records { limit: 5, kind: Some(Kind::Fault) } }, Channel::Control),
            (Body::Ask { ask: PeerAsk::Vitals }, Channel::Control),
            (Body::Answer { to: 1, answer: PeerAnswer::Vitals { vitals } }, Channel::Control),
            (Body::Answer { to: 1, answer: PeerAnswer::Records { records: vec![record] } }, Channel::Control),
            (Body::Answer { to: 1, answer: PeerAnswer::Sessions { sessions: vec![session] } }, Channel::Control),
            (Body::Probe, Channel::Control),
        ] {
            let bytes = written(body.clone());
            assert_eq!(Envelope::parse(&bytes, channel), Ok(envelope(body)), "{}", String::from_utf8_lossy(&bytes));
        }
        for whom in [Whom::User(UserId::account("ana")), Whom::Login([7; 32])] {
            let body = Body::Ask { ask: PeerAsk::Disconnect { whom, cause: DisconnectCause::Banned } };
            assert_eq!(Envelope::parse(&written(body.clone()), Channel::Control), Ok(envelope(body)));
        }
    }

    #[test]
    fn a_question_of_a_later_version_is_known_as_one() {
        let later = String::from_utf8(written(Body::Ask { ask: PeerAsk::Records { limit: 5, kind: None } })).unwrap();
        let later = later.replace("records", "horoscope");
        let unknown = envelope(Body::Ask { ask: PeerAsk::Unknown });
        assert_eq!(Envelope::parse(later.as_bytes(), Channel::Control), Ok(unknown));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let room = RoomName::global();
        let probe = written(Body::Probe);
        assert_eq!(Envelope::parse(&probe, Channel::Room(&room)), Err(BadEnvelope::Misplaced));
        assert_eq!(Envelope::parse(&vec![b' '; MAX_ENVELOPE + 1], Channel::Control), Err(BadEnvelope::TooLong));
        for bad in [&b"garbage"[..], b"{}", b"\xff", br#"{"v":1,"origin":"a#1","id":1,"kind":"probe"}"#] {
            assert_eq!(Envelope::parse(bad, Channel::Control), Err(BadEnvelope::Malformed));
        }
        let other = String::from_utf8(probe).unwrap().replace("\"v\":1", "\"v\":2");
        assert_eq!(Envelope::parse(other.as_bytes(), Channel::Control), Err(BadEnvelope::Version));
        let elsewhere = Body::Moved { epoch: Epoch::from_random(1) };
        assert_eq!(Envelope::parse(&written(elsewhere), Channel::Control), Err(BadEnvelope::Misplaced));
    }

    #[test]
    fn an_incarnation_reads_as_it_is_written() {
        let one = Incarnation { instance: InstanceId::parse("api-1").unwrap(), nonce: 0xab };
        assert_eq!(one.to_string(), "api-1#000000ab");
        assert_eq!(Incarnation::parse(&one.to_string()), Some(one));
        for bad in ["api-1", "api-1#", "#000000ab", "api-1#000000AB", "a b#000000ab", "api-1#+00000ab"] {
            assert_eq!(Incarnation::parse(bad), None, "{bad}");
        }
    }
}
