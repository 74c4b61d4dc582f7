//! WebSocket frames as a load driver needs them: counted by their headers, never copied.

use crate::protocol::frame::Opcode;

/// Payload lengths from here on are written in two, then in eight bytes (RFC 6455 section 5.2).
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// The mask bit of the second byte, and the low seven bits that hold the length.
const MASK: u8 = 0x80;
const SEVEN_BITS: u8 = 0x7F;

/// FIN and the operation code of the first byte.
const FIN: u8 = 0x80;
const OPCODE_BITS: u8 = 0x0F;

/// A fixed masking key: the servers measured are not proxies to be protected, but must unmask as always.
const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A whole frame at the start of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// The operation code, such as [`Opcode::Text`].
    pub(super) opcode: u8,
    /// What it carries; still masked if it came from a client.
    pub(super) payload: &'a [u8],
    /// Bytes it takes, header included.
    pub(super) length: usize,
}

impl<'a> Frame<'a> {
    /// The first frame in `bytes`, if all of it is there.
    pub(super) fn first(bytes: &'a [u8]) -> Option<Self> {
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        let (payload_length, extended) = match second & SEVEN_BITS {
            LENGTH_16 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
            LENGTH_64 => (u64::from_be_bytes(*rest.first_chunk()?), 8),
            short => (u64::from(short), 0),
        };
        let masking = if second & MASK == 0 { 0 } else { KEY.len() };
        let start = 2 + extended + masking;
        let end = start.checked_add(usize::try_from(payload_length).ok()?)?;
        Some(Self { opcode: first & OPCODE_BITS, payload: bytes.get(start..end)?, length: end })
    }

    /// Whether it is of this kind.
    pub(super) fn is(&self, opcode: Opcode) -> bool {
        self.opcode == opcode as u8
    }
}

/// A client's frame: final and masked (RFC 6455 section 5.3). Payloads have at most 65,535 bytes; more is cut off.
pub(super) fn encode(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let mut frame = vec![FIN | opcode as u8];
    match u8::try_from(length) {
        Ok(short) if short < LENGTH_16 => frame.push(MASK | short),
        _ => {
            frame.push(MASK | LENGTH_16);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend(KEY);
    frame.extend(payload.iter().take(usize::from(length)).zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::frame;

    proptest! {
        #[test]
        fn finds_what_a_server_encodes_however_much_follows(payload in ".{0,400}", rest in prop::collection::vec(any::<u8>(), 0..9)) {
            let mut bytes = frame::Frame::text(&payload).bytes().to_vec();
            let length = bytes.len();
            for cut in 0..length {
                prop_assert_eq!(Frame::first(&bytes[..cut]), None);
            }
            bytes.extend(rest);
            let found = Frame::first(&bytes).unwrap();
            prop_assert!(found.is(Opcode::Text) && found.length == length);
            prop_assert_eq!(found.payload, payload.as_bytes());
        }

        #[test]
        fn a_clients_frame_unmasks_to_its_payload(payload in prop::collection::vec(any::<u8>(), 0..70_000)) {
            let bytes = encode(Opcode::Text, &payload);
            let found = Frame::first(&bytes).unwrap();
            let plain: Vec<u8> = found.payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
            prop_assert_eq!(found.length, bytes.len());
            prop_assert_eq!(&plain, &payload[..payload.len().min(65_535)]);
        }
    }
}
