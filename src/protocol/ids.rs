//! Names of things: rooms, users, messages, positions. Each is a cheap-to-clone string that is valid once it exists.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::error::{ErrorCode, Refusal};

/// Number of an entry in a room's log: 1 for the first, then one more each, within an [`Epoch`].
pub type Seq = u64;

/// Integer milliseconds since 1970 UTC.
pub type Millis = u64;

/// The largest integer that JavaScript holds exactly; the contract keeps every number within it.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text of it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(from)?;
                Self::parse(&text).map_err(|refusal| de::Error::custom(refusal.message))
            }
        }
    };
}

string_id! {
    /// A room: `[a-z0-9][a-z0-9._-]{0,63}`.
    RoomName
}

impl RoomName {
    /// Takes a name that keeps the rule.
    ///
    /// # Errors
    /// `invalid_room` for any other.
    pub fn parse(name: &str) -> Result<Self, Refusal> {
        let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let rest =
            name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'));
        if first && rest && name.len() <= 64 {
            Ok(Self(name.into()))
        } else {
            Err(Refusal::new(
                ErrorCode::InvalidRoom,
                "a room name has 1 to 64 of a-z, 0-9, '.', '_' and '-' and starts with a letter or digit",
            ))
        }
    }

    /// [`super::DEFAULT_ROOM`].
    pub fn global() -> Self {
        Self(super::DEFAULT_ROOM.into())
    }
}

string_id! {
    /// A user: `g:…` guest, `m:…` account, `j:…` subject of a JWT, `bot:…` API key. Public; only a token proves one.
    UserId
}

impl UserId {
    /// Takes any text of 1 to 80 bytes of `[A-Za-z0-9._@|:-]`.
    ///
    /// # Errors
    /// `invalid_argument` for any other.
    pub fn parse(id: &str) -> Result<Self, Refusal> {
        plain_id(id, 80, b"._@|:-", "a user id").map(Self)
    }

    /// The id of a guest; 32 hexadecimal digits.
    pub fn guest(random: u128) -> Self {
        Self(format!("g:{random:032x}").into())
    }

    /// The id of an account, by its name.
    pub fn account(name: &str) -> Self {
        Self(format!("m:{name}").into())
    }

    /// The id of a JWT's subject.
    pub fn subject(sub: &str) -> Self {
        Self(format!("j:{sub}").into())
    }

    /// The id of the holder of an API key.
    pub fn bot(name: &str) -> Self {
        Self(format!("bot:{name}").into())
    }
}

string_id! {
    /// A message, the same on every instance and for every retry with the same key.
    MessageId
}

impl MessageId {
    /// Takes any text of 1 to 64 bytes of `[A-Za-z0-9_-]`.
    ///
    /// # Errors
    /// `invalid_argument` for any other.
    pub fn parse(id: &str) -> Result<Self, Refusal> {
        plain_id(id, 64, b"_-", "a message id").map(Self)
    }
}

string_id! {
    /// One life of a room's log. A number is comparable only to numbers of the same epoch.
    Epoch
}

impl Epoch {
    /// Takes any text of 1 to 64 bytes of `[A-Za-z0-9_-]`.
    ///
    /// # Errors
    /// `invalid_argument` for any other.
    pub fn parse(epoch: &str) -> Result<Self, Refusal> {
        plain_id(epoch, 64, b"_-", "an epoch").map(Self)
    }

    /// A fresh epoch of 16 hexadecimal digits.
    pub fn from_random(random: u64) -> Self {
        Self(format!("{random:016x}").into())
    }
}

string_id! {
    /// A server process among its peers: `[A-Za-z0-9._-]{1,64}`.
    InstanceId
}

impl InstanceId {
    /// Takes a name that keeps the rule.
    ///
    /// # Errors
    /// `invalid_argument` for any other.
    pub fn parse(id: &str) -> Result<Self, Refusal> {
        plain_id(id, 64, b"._-", "an instance id").map(Self)
    }
}

fn plain_id(id: &str, max: usize, also: &[u8], what: &str) -> Result<Arc<str>, Refusal> {
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || also.contains(&b));
    if plain && !id.is_empty() && id.len() <= max {
        Ok(id.into())
    } else {
        Err(Refusal::new(
            ErrorCode::InvalidArgument,
            format!("{what} has 1 to {max} letters, digits or characters of '{}'", String::from_utf8_lossy(also)),
        ))
    }
}

/// Where a client stands in a room's log: everything up to and including `seq` of `epoch` was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The life of the log that `seq` counts in.
    pub epoch: Epoch,
    /// The last entry seen; 0 before the first.
    pub seq: Seq,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_names_keep_the_rule() {
        for good in ["global", "0", "a.b_c-d", &"x".repeat(64)] {
            assert_eq!(RoomName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "A", "-a", ".a", "a b", "a:b", "é", &"x".repeat(65)] {
            assert_eq!(RoomName::parse(bad).unwrap_err().code, ErrorCode::InvalidRoom, "{bad:?}");
        }
    }

    #[test]
    fn user_ids_name_their_kind() {
        assert_eq!(UserId::guest(255).as_str(), "g:000000000000000000000000000000ff");
        assert_eq!(UserId::account("ana").as_str(), "m:ana");
        assert!(UserId::parse("j:a@b.c|d").is_ok());
        assert!(UserId::parse("a b").is_err());
    }

    #[test]
    fn ids_are_checked_when_read_from_json() {
        assert!(serde_json::from_str::<RoomName>("\"NO\"").is_err());
        assert!(serde_json::from_str::<Epoch>("\"abc\"").is_ok());
    }
}
