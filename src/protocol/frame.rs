//! A WebSocket frame from server to client, encoded once and shared by all who get it.

use bytes::{BufMut, Bytes, BytesMut};

/// Most payload bytes of a control frame (RFC 6455 section 5.5).
pub const CONTROL_PAYLOAD_MAX: usize = 125;

/// FIN bit: every frame of this server is a whole message (RFC 6455 section 5.2).
const FIN: u8 = 0x80;

/// What a frame carries (RFC 6455 section 5.2, the opcodes a server sends; it never fragments).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// A UTF-8 message.
    Text = 0x1,
    /// A message of bytes.
    Binary = 0x2,
    /// The closing handshake.
    Close = 0x8,
    /// A question for a sign of life.
    Ping = 0x9,
    /// The answer to a ping.
    Pong = 0xA,
}

/// One encoded, unmasked frame: header and payload in one shared buffer.
///
/// A clone costs a reference count, so a frame for a whole room is encoded once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
    ephemeral: bool,
    requested: bool,
}

impl Frame {
    /// A text frame that must arrive.
    pub fn text(text: &str) -> Self {
        Self::encode(Opcode::Text, text.as_bytes())
    }

    /// A text frame that is worth nothing later (typing, presence): the first to go when a reader is slow.
    pub fn ephemeral(text: &str) -> Self {
        Self { ephemeral: true, ..Self::text(text) }
    }

    /// The frame as one that the client asked for, a page of a log: it has room in the queue beside what is live.
    #[must_use]
    pub fn requested(self) -> Self {
        Self { requested: true, ..self }
    }

    /// A binary frame that must arrive.
    pub fn binary(payload: &[u8]) -> Self {
        Self::encode(Opcode::Binary, payload)
    }

    /// A ping; of `payload` at most [`CONTROL_PAYLOAD_MAX`] bytes are sent.
    pub fn ping(payload: &[u8]) -> Self {
        Self::encode(Opcode::Ping, clip(payload))
    }

    /// A pong; of `payload` at most [`CONTROL_PAYLOAD_MAX`] bytes are sent.
    pub fn pong(payload: &[u8]) -> Self {
        Self::encode(Opcode::Pong, clip(payload))
    }

    /// A close frame; a `reason` over 123 bytes is cut at a character (RFC 6455 section 5.5.1).
    pub fn close(code: u16, reason: &str) -> Self {
        let end = reason.floor_char_boundary(CONTROL_PAYLOAD_MAX - size_of::<u16>());
        let mut payload = Vec::with_capacity(CONTROL_PAYLOAD_MAX);
        payload.extend_from_slice(&code.to_be_bytes());
        payload.extend(reason.bytes().take(end));
        Self::encode(Opcode::Close, &payload)
    }

    /// A close frame without a code, the answer to one without (RFC 6455 section 7.1.5).
    pub fn close_without_code() -> Self {
        Self::encode(Opcode::Close, &[])
    }

    /// Bytes that are whole frames already, as a codec wrote them; they must arrive.
    pub fn from_encoded(bytes: Bytes) -> Self {
        Self { bytes, ephemeral: false, requested: false }
    }

    /// Header and payload as they go onto the wire.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Bytes on the wire, header included.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing to send; only so for [`Frame::from_encoded`] of nothing.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether the frame may be dropped for a slow reader.
    pub fn is_ephemeral(&self) -> bool {
        self.ephemeral
    }

    /// Whether the client asked for it.
    pub fn is_requested(&self) -> bool {
        self.requested
    }

    /// Whether this is a pong.
    pub fn is_pong(&self) -> bool {
        self.bytes.first() == Some(&(FIN | Opcode::Pong as u8))
    }

    fn encode(opcode: Opcode, payload: &[u8]) -> Self {
        let mut bytes = BytesMut::with_capacity(payload.len() + 10);
        bytes.put_u8(FIN | opcode as u8);
        // The shortest of the three length forms, as RFC 6455 section 5.2 demands.
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(len @ 0..=125), _) => bytes.put_u8(len),
            (_, Ok(len)) => {
                bytes.put_u8(126);
                bytes.put_u16(len);
            }
            _ => {
                bytes.put_u8(127);
                bytes.put_u64(payload.len() as u64);
            }
        }
        bytes.put_slice(payload);
        Self::from_encoded(bytes.freeze())
    }
}

fn clip(payload: &[u8]) -> &[u8] {
    &payload[..payload.len().min(CONTROL_PAYLOAD_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_takes_the_shortest_form() {
        for (len, header) in [
            (0, vec![0x82, 0]),
            (125, vec![0x82, 125]),
            (126, vec![0x82, 126, 0, 126]),
            (65_535, vec![0x82, 126, 0xFF, 0xFF]),
            (65_536, vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let frame = Frame::binary(&vec![7; len]);
            assert_eq!(frame.bytes()[..header.len()], header, "length {len}");
            assert_eq!(frame.len(), header.len() + len);
        }
    }

    #[test]
    fn control_frames_never_exceed_their_limit() {
        assert_eq!(Frame::ping(&[1; 200]).len(), 2 + CONTROL_PAYLOAD_MAX);
        assert_eq!(Frame::pong(&[1; 200]).len(), 2 + CONTROL_PAYLOAD_MAX);
        // 62 two-byte letters are 124 bytes: one letter has to go, not half of one.
        let close = Frame::close(4413, &"é".repeat(62));
        assert_eq!(close.bytes()[..4], [0x88, 124, 0x11, 0x3D]);
        assert!(std::str::from_utf8(&close.bytes()[4..]).is_ok());
    }

    #[test]
    fn kinds_are_told_apart() {
        assert!(Frame::pong(b"x").is_pong() && !Frame::ping(b"x").is_pong());
        assert!(Frame::ephemeral("{}").is_ephemeral() && !Frame::text("{}").is_ephemeral());
        assert_eq!(Frame::close_without_code().bytes()[..], [0x88, 0]);
        assert!(Frame::from_encoded(Bytes::new()).is_empty());
    }
}
