//! When to ask a client whether it lives, and when to stop believing it.

use crate::protocol::ids::Millis;

/// What to do about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vital {
    /// It was heard, or asked, lately.
    Fine,
    /// Ping it.
    Ask,
    /// Close it: no life sign for two heartbeats.
    Dead,
}

/// Judges a connection by how long it was silent, and whether it was pinged since (PROTOCOL section 1: a ping after
/// `heartbeat_ms` of silence, the end after twice that).
pub fn judge(silent_ms: Millis, asked: bool, heartbeat_ms: Millis) -> Vital {
    if silent_ms >= 2 * heartbeat_ms {
        Vital::Dead
    } else if silent_ms >= heartbeat_ms && !asked {
        Vital::Ask
    } else {
        Vital::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_asked_once_and_then_ends() {
        assert_eq!(judge(99, false, 100), Vital::Fine);
        assert_eq!(judge(100, false, 100), Vital::Ask);
        assert_eq!(judge(150, true, 100), Vital::Fine);
        assert_eq!(judge(200, true, 100), Vital::Dead);
    }
}
