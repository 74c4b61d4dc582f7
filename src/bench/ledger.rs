//! What the receivers of a benchmark had: every message once, in the order of its room.

use super::{error::BenchError, wire};

/// The seq each receiver has had last in each room.
#[derive(Debug)]
pub(super) struct Ledger {
    rooms: Vec<Vec<u8>>,
    receivers: Vec<Receiver>,
}

#[derive(Clone, Debug)]
struct Receiver {
    messages: u64,
    /// By room; none before the first message.
    last: Vec<Option<u64>>,
}

impl Ledger {
    /// So many receivers, each in all of `rooms`.
    pub(super) fn new(receivers: usize, rooms: &[String]) -> Self {
        let receiver = Receiver { messages: 0, last: vec![None; rooms.len()] };
        // As written in an event, so that it is found without decoding it.
        let rooms = rooms.iter().map(|room| format!(r#""room":"{room}""#).into_bytes()).collect();
        Self { rooms, receivers: vec![receiver; receivers] }
    }

    /// A receiver had a message.
    ///
    /// # Errors
    /// If it is not the next of its room.
    pub(super) fn note(&mut self, receiver: usize, message: &[u8]) -> Result<(), BenchError> {
        let shown = || String::from_utf8_lossy(message);
        let strange =
            || BenchError::Broken(format!("receiver {receiver} had a message of no room it is in: {}", shown()));
        let room = match self.rooms.as_slice() {
            [_] => Some(0),
            rooms => rooms.iter().position(|room| message.windows(room.len()).any(|window| window == room)),
        };
        let known = self.receivers.get_mut(receiver).ok_or_else(strange)?;
        let last = room.and_then(|room| known.last.get_mut(room)).ok_or_else(strange)?;
        let seq = wire::number_after(message, br#""seq":"#).ok_or_else(strange)?;
        if last.is_some_and(|last| last + 1 != seq) {
            let last = last.unwrap_or_default();
            return Err(BenchError::Broken(format!("receiver {receiver} had seq {seq} after {last}: {}", shown())));
        }
        *last = Some(seq);
        known.messages += 1;
        Ok(())
    }

    /// Whether every receiver had so many messages. More than were acked never are: the order would have a gap.
    pub(super) fn has_all(&self, messages: u64) -> bool {
        self.receivers.iter().all(|receiver| receiver.messages >= messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(room: &str, seq: u64) -> Vec<u8> {
        format!(r#"{{"type":"message","text":"x","room":"{room}","seq":{seq},"ts":1}}"#).into_bytes()
    }

    #[test]
    fn rooms_are_counted_apart_and_gaps_and_repeats_found() {
        let mut ledger = Ledger::new(1, &["a".into(), "b".into()]);
        for (room, seq, fits) in [("a", 7, true), ("b", 1, true), ("a", 8, true), ("a", 8, false), ("b", 3, false)] {
            assert_eq!(ledger.note(0, &message(room, seq)).is_ok(), fits, "{room} {seq}");
        }
        assert!(ledger.note(0, &message("c", 1)).is_err() && ledger.note(1, &message("a", 9)).is_err());
        assert!(ledger.note(0, br#"{"type":"message","room":"a"}"#).is_err());
        assert!(ledger.has_all(3) && !ledger.has_all(4));
    }
}
