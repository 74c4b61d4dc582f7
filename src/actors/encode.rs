//! From an event to the frame that every socket gets.

use serde::Serialize;
use tracing::error;

use crate::protocol::{event::Event, frame::Frame};

/// Encodes anything the contract sends; once, however many read it.
pub fn frame(sent: &impl Serialize) -> Frame {
    Frame::text(&json(sent))
}

/// Encodes a page of a log that a client asked for.
pub fn page(event: &Event) -> Frame {
    Frame::text(&json(event)).requested()
}

/// Encodes an event that may be dropped for a slow reader: typing, presence and the like.
pub fn ephemeral(event: &Event) -> Frame {
    Frame::ephemeral(&json(event))
}

fn json(sent: &impl Serialize) -> String {
    serde_json::to_string(sent).unwrap_or_else(|error| {
        // Cannot happen: the contract's types have string keys and no fallible parts.
        error!(%error, "could not encode an event");
        r#"{"type":"error","code":"internal","message":"the server could not encode an event"}"#.to_owned()
    })
}
