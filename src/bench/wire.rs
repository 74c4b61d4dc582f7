//! What a driver reads out of a server's JSON: the type of every event, and a number here and there.

use serde::Deserialize;

/// How an event of this server begins; the type's name follows.
const TYPE_FIRST: &[u8] = br#"{"type":""#;

/// The types a driver tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A logged message.
    Message,
    /// A command took effect.
    Ack,
    /// The connection stands.
    Welcome,
    /// A room was joined.
    Joined,
    /// How many are in a room.
    Presence,
    /// A command was refused.
    Error,
    /// Whatever else does not count.
    Other,
}

/// The type of an event: read from its first bytes, as decoding each would cost more than the server's work.
pub(super) fn kind(event: &[u8]) -> Kind {
    match event.strip_prefix(TYPE_FIRST) {
        Some(name) => named(name.split(|&byte| byte == b'"').next().unwrap_or_default()),
        None => decoded(event),
    }
}

fn named(name: &[u8]) -> Kind {
    match name {
        b"message" => Kind::Message,
        b"ack" => Kind::Ack,
        b"welcome" => Kind::Welcome,
        b"joined" => Kind::Joined,
        b"presence" => Kind::Presence,
        b"error" => Kind::Error,
        _ => Kind::Other,
    }
}

/// For a server that writes the fields in another order.
fn decoded(event: &[u8]) -> Kind {
    #[derive(Deserialize)]
    struct Typed<'a> {
        r#type: &'a str,
    }
    serde_json::from_slice(event).map_or(Kind::Other, |event: Typed<'_>| named(event.r#type.as_bytes()))
}

/// The number behind the last `mark` (`"seq":`). Texts of a driver hold no quotation marks, so no text looks like one.
pub(super) fn number_after(event: &[u8], mark: &[u8]) -> Option<u64> {
    let at = event.windows(mark.len()).rposition(|window| window == mark)?;
    let behind = event.get(at + mark.len()..)?;
    let end = behind.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(behind.len());
    std::str::from_utf8(behind.get(..end)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_apart_wherever_they_stand() {
        for (event, expected) in [
            (r#"{"type":"message","seq":1}"#, Kind::Message),
            (r#"{"type":"ack"}"#, Kind::Ack),
            (r#"{"seq":1,"type":"joined"}"#, Kind::Joined),
            (r#"{"type":"error","code":"internal"}"#, Kind::Error),
            (r#"{"type":"messages"}"#, Kind::Other),
            (r#"{"type":"#, Kind::Other),
            ("", Kind::Other),
        ] {
            assert_eq!(kind(event.as_bytes()), expected, "{event}");
        }
    }

    #[test]
    fn numbers_are_found_behind_their_name() {
        let event = br#"{"type":"ack","id":12,"seq":345,"ts":1}"#;
        assert_eq!(number_after(event, br#""id":"#), Some(12));
        assert_eq!(number_after(event, br#""seq":"#), Some(345));
        assert_eq!(number_after(event, br#""key":"#), None);
        assert_eq!(number_after(br#"{"seq":"x"}"#, br#""seq":"#), None);
        assert_eq!(number_after(br#"{"seq":99999999999999999999}"#, br#""seq":"#), None);
    }
}
