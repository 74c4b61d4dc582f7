//! Ids of messages: the same on every instance and for every retry with the same key.

use sha2::{Digest, Sha256};
use ulid::Ulid;

use crate::protocol::{
    error::Refusal,
    ids::{MessageId, Millis, RoomName, UserId},
};

/// The id of a message said at `now`. One with a key has the same id for every retry: 128 bits of SHA-256 over user,
/// room and key, so that finding the id is finding the first try. One without is a fresh ULID.
pub(crate) fn message_id(user: &UserId, room: &RoomName, key: Option<&str>, now: Millis) -> Result<MessageId, Refusal> {
    let id = match key {
        Some(key) => Ulid(keyed(user, room, key)),
        None => Ulid::from_parts(now, rand::random()),
    };
    let mut digits = [0; ulid::ULID_LEN];
    MessageId::parse(id.array_to_str(&mut digits))
}

fn keyed(user: &UserId, room: &RoomName, key: &str) -> u128 {
    let mut hash = Sha256::new();
    // With its length before each part, no two different triples read the same.
    for part in [user.as_str(), room.as_str(), key] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(16).fold(0, |id, byte| id << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(user: &str, room: &str, key: Option<&str>) -> MessageId {
        message_id(&UserId::parse(user).unwrap(), &RoomName::parse(room).unwrap(), key, 1).unwrap()
    }

    #[test]
    fn a_key_names_its_message() {
        assert_eq!(id("m:a", "r", Some("k")), id("m:a", "r", Some("k")));
        assert_ne!(id("m:a", "r", Some("k")), id("m:b", "r", Some("k")));
        assert_ne!(id("m:a", "r", Some("k")), id("m:a", "s", Some("k")));
        assert_ne!(id("m:a", "r", None), id("m:a", "r", None));
    }

    #[test]
    fn parts_do_not_run_into_one_another() {
        assert_ne!(id("a:b", "r", Some("c")), id("a", "r", Some("b:c")));
        assert_ne!(id("a", "rk", Some("e")), id("a", "r", Some("ke")));
    }

    proptest! {
        #[test]
        fn any_key_makes_a_valid_id(key in ".{1,64}") {
            prop_assert_eq!(id("m:a", "r", Some(&key)).as_str().len(), 26);
        }
    }
}
