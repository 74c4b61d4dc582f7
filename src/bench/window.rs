//! One sender's messages that wait for their acks.

use std::time::Instant;

use super::{error::BenchError, frames, wire};
use crate::protocol::frame::Opcode;

/// A sender: a fixed number of places, in each of which a message waits for its ack.
///
/// A message's id is its place plus a multiple of their number, so an ack that came twice, or was never due, shows.
#[derive(Debug)]
pub(super) struct Window {
    /// The command after its id, up to its end.
    command: String,
    places: Vec<Place>,
    free: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    id: u64,
    /// When the message left that waits for its ack.
    sent: Option<Instant>,
}

impl Window {
    /// A sender of `text` to `room` with so many messages in flight.
    pub(super) fn new(room: &str, text: &str, in_flight: usize) -> Self {
        let places = (0..in_flight).map(|id| Place { id: id as u64, sent: None }).collect();
        let command = format!(r#","type":"message","room":"{room}","text":"{text}"}}"#);
        Self { command, places, free: (0..in_flight).rev().collect() }
    }

    /// Whether a message waits for its ack.
    pub(super) fn waits(&self) -> bool {
        self.free.len() < self.places.len()
    }

    /// Whether more may be sent.
    pub(super) fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    /// A message for every free place, to be sent in one write.
    pub(super) fn fill(&mut self, now: Instant) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(index) = self.free.pop() {
            let Some(place) = self.places.get_mut(index) else { continue };
            place.sent = Some(now);
            let command = format!(r#"{{"id":{}{}"#, place.id, self.command);
            bytes.extend(frames::encode(Opcode::Text, command.as_bytes()));
        }
        bytes
    }

    /// An ack came; how many microseconds after its message left.
    ///
    /// # Errors
    /// If no such ack was due, or it is one of a message that was there before.
    pub(super) fn acked(&mut self, ack: &[u8], now: Instant) -> Result<u32, BenchError> {
        let wrong = || BenchError::Broken(format!("this ack was not due: {}", String::from_utf8_lossy(ack)));
        let id = wire::number_after(ack, br#""id":"#).ok_or_else(wrong)?;
        let count = self.places.len() as u64;
        let index = usize::try_from(id % count).map_err(|_| wrong())?;
        let place = self.places.get_mut(index).filter(|place| place.id == id).ok_or_else(wrong)?;
        let sent = place.sent.take().ok_or_else(wrong)?;
        place.id += count;
        self.free.push(index);
        Ok(u32::try_from((now - sent).as_micros()).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ack(id: u64) -> String {
        format!(r#"{{"type":"ack","id":{id},"messageId":"01ARZ","seq":4,"ts":5,"duplicate":false}}"#)
    }

    #[test]
    fn every_ack_counts_once() {
        let mut window = Window::new("a", "b", 2);
        let start = Instant::now();
        assert!(window.has_room() && !window.waits());
        let both = window.fill(start);
        assert_eq!(frames::Frame::first(&both).unwrap().length * 2, both.len());
        assert!(!window.has_room() && window.waits());
        assert_eq!(window.acked(ack(1).as_bytes(), start + Duration::from_millis(2)).unwrap(), 2_000);
        for wrong in [1, 2, 3, 17] {
            assert!(window.acked(ack(wrong).as_bytes(), start).is_err(), "{wrong}");
        }
        assert!(window.acked(b"{\"type\":\"ack\"}", start).is_err());
        assert!(!window.fill(start).is_empty());
        assert_eq!(window.acked(ack(3).as_bytes(), start).unwrap(), 0);
        assert_eq!(window.acked(ack(0).as_bytes(), start).unwrap(), 0);
        assert!(!window.waits());
    }
}
