//! Cases 3.* and 4.*: reserved bits, reserved opcodes, and frames without a mask.

use super::client::{PING, TEXT, frame, header, refuses, said, said_close, talk_chopped};

/// A good message before the bad frame: it must be answered first.
fn after_a_message(bad: &[u8]) -> Vec<u8> {
    [frame(TEXT, b"good"), bad.to_vec(), frame(PING, b"late")].concat()
}

#[test]
fn reserved_bits_are_refused() {
    for rsv in 1..8_u8 {
        for first in [TEXT, 0x82, 0x88, PING, 0x8A] {
            let bad = frame(first | rsv << 4, b"small");
            refuses(&bad, &[], 1002);
            refuses(&after_a_message(&bad), &[said(TEXT, b"good")], 1002);
        }
    }
}

#[test]
fn reserved_opcodes_are_refused() {
    for opcode in [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF] {
        for payload in [&b""[..], b"reserved"] {
            let bad = frame(0x80 | opcode, payload);
            refuses(&bad, &[], 1002);
            refuses(&after_a_message(&bad), &[said(TEXT, b"good")], 1002);
        }
    }
}

#[test]
fn chopping_changes_nothing() {
    let bytes = after_a_message(&frame(0x83, b""));
    // What comes after the bad byte may or may not be read, but never answered.
    let got = talk_chopped(&bytes[..11], 1);
    assert_eq!(got, [said(TEXT, b"good"), said_close(1002)]);
}

#[test]
fn a_frame_without_a_mask_is_refused() {
    refuses(&[TEXT, 0x01, b'x'], &[], 1002);
}

#[test]
fn a_length_with_its_highest_bit_is_refused() {
    refuses(&header(TEXT, 1 << 63), &[], 1002);
}
