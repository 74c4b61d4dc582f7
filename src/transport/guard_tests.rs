//! Tests of the guard: each rule by itself, then any bytes in any chunks against the codec behind it.

use super::*;
use actix_codec::Decoder;
use actix_http::ws::{Codec, Frame};
use bytes::BytesMut;
use proptest::prelude::*;

const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
const LIMIT: usize = 1000;

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=0xFFFF => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
    bytes
}

fn inspect(bytes: &[u8]) -> Inspected {
    FrameGuard::new(LIMIT, true).inspect(bytes)
}

/// The same bytes one by one: the sum must be what one look gives.
fn inspect_slowly(bytes: &[u8], chunk: usize, binary: bool) -> Inspected {
    let mut guard = FrameGuard::new(LIMIT, binary);
    let mut sum = Inspected { ok: 0, end: None };
    for chunk in bytes.chunks(chunk) {
        let seen = guard.inspect(chunk);
        sum.ok += seen.ok;
        sum.end = seen.end;
    }
    sum
}

#[track_caller]
fn refused(bytes: &[u8], at: usize, why: Violation) {
    let seen = inspect(bytes);
    assert_eq!(seen.end, Some(End::Violated(why)));
    assert_eq!(seen.ok, at, "the byte that gives it away");
    assert_eq!(seen, inspect_slowly(bytes, 1, true));
}

#[test]
fn headers_are_refused_at_the_byte_that_is_wrong() {
    use Violation::*;
    refused(&frame(0xC1, b"x"), 0, ReservedBits);
    refused(&frame(0x91, b"x"), 0, ReservedBits);
    refused(&frame(0x83, b""), 0, UnknownOpcode);
    refused(&frame(0x8B, b""), 0, UnknownOpcode);
    refused(&[0x81, 0x01, b'x'], 1, Unmasked);
    refused(&frame(0x89, &[0; 126]), 1, LongControl);
    refused(&frame(0x09, b""), 0, FragmentedControl);
    refused(&frame(0x80, b"x"), 0, StrayContinuation);
    refused(&[0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], 2, LengthOutOfRange);
    let nested = [frame(0x01, b"a"), frame(0x81, b"b")].concat();
    refused(&nested, 7, InterruptedMessage);
}

#[test]
fn size_is_refused_at_the_announcement() {
    let gib = [&[0x82, 0xFF][..], &(1_u64 << 30).to_be_bytes()].concat();
    refused(&gib, 9, Violation::TooBig);
    assert_eq!(inspect(&frame(0x82, &[0; LIMIT])).end, None);
    refused(&frame(0x82, &[0; LIMIT + 1]), 3, Violation::TooBig);
    let parts = [frame(0x02, &[0; LIMIT]), frame(0x00, b""), frame(0x80, b"x")].concat();
    refused(&parts, LIMIT + 8 + 6 + 1, Violation::TooBig);
}

#[test]
fn binary_is_refused_where_only_text_is_spoken() {
    let seen = FrameGuard::new(LIMIT, false).inspect(&frame(0x82, b"x"));
    assert_eq!(seen.end, Some(End::Violated(Violation::Binary)));
    assert_eq!(Violation::Binary.code().number(), 1003);
}

#[test]
fn text_is_refused_at_the_bad_byte() {
    refused(&frame(0x81, b"abc\xFFdef"), 6 + 3, Violation::NotUtf8);
    let long = [&[b'a'; 700][..], b"\xC0"].concat();
    refused(&frame(0x81, &long), 8 + 700, Violation::NotUtf8);
    // Over fragments, with a ping between; the second half is wrong at its first byte.
    let parts = [frame(0x01, b"\xE2\x82"), frame(0x89, b"\xFF"), frame(0x80, b"x")].concat();
    refused(&parts, 8 + 7 + 6, Violation::NotUtf8);
    // A character cut off by the end: in the last byte, and in an empty last fragment.
    refused(&frame(0x81, b"a\xE2\x82"), 6 + 2, Violation::NotUtf8);
    let parts = [frame(0x01, b"\xE2\x82"), frame(0x80, b"")].concat();
    refused(&parts, 8 + 5, Violation::NotUtf8);
}

#[test]
fn close_frames_are_checked_and_end_the_stream() {
    for (payload, code) in [(&b""[..], None), (b"\x03\xE8", Some(1000)), (b"\x0F\xA0bye", Some(4000))] {
        let bytes = [frame(0x88, payload), frame(0x81, b"late")].concat();
        let seen = inspect(&bytes);
        assert_eq!(seen.end, Some(End::Closed(code)));
        assert_eq!(seen.ok, 6 + payload.len());
        assert_eq!(seen, inspect_slowly(&bytes, 1, true));
    }
    refused(&frame(0x88, b"\x03"), 1, Violation::BadClose);
    refused(&frame(0x88, b"\x03\xE8\xFF"), 6 + 2, Violation::NotUtf8);
    refused(&frame(0x88, b"\x03\xE8a\xC3"), 6 + 3, Violation::NotUtf8);
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        refused(&frame(0x88, &code.to_be_bytes()), 7, Violation::BadClose);
    }
}

/// Frames as a client may send them, most of them right, some of them not.
fn client_bytes() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        6 => prop::sample::select(vec![0x81_u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A]),
        1 => Just(0x88),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        3 => any::<String>().prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..200),
    ];
    let one = (first, payload).prop_map(|(first, payload)| frame(first, &payload));
    let damage = prop::option::weighted(0.2, (any::<usize>(), any::<u8>()));
    (prop::collection::vec(one, 0..8), damage).prop_map(|(frames, damage)| {
        let mut bytes = frames.concat();
        if let (Some((at, byte)), false) = (damage, bytes.is_empty()) {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn chunk_boundaries_change_nothing(bytes in client_bytes(), chunk in 1..40_usize, binary: bool) {
        let whole = FrameGuard::new(LIMIT, binary).inspect(&bytes);
        prop_assert_eq!(whole, inspect_slowly(&bytes, chunk, binary));
        prop_assert!(whole.end.is_some() || whole.ok == bytes.len());
    }

    /// What is handed on never makes the codec fail, and after all that is right no whole frame is left out.
    #[test]
    fn the_codec_accepts_what_is_handed_on(bytes in client_bytes()) {
        let seen = inspect(&bytes);
        let mut codec = Codec::new().max_size(LIMIT);
        let mut good = BytesMut::from(&bytes[..seen.ok]);
        let mut closed = false;
        while let Some(frame) = codec.decode(&mut good).map_err(|e| TestCaseError::fail(e.to_string()))? {
            closed = matches!(frame, Frame::Close(_));
        }
        prop_assert_eq!(closed, matches!(seen.end, Some(End::Closed(_))));
        prop_assert!(seen.end.is_some() || seen.ok == bytes.len());
    }
}
