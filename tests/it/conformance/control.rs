//! Cases 2.*: pings and pongs.

use super::client::{PING, PONG, accepts, close, frame, header, refuses, said, said_close, talk_chopped};

#[test]
fn a_ping_is_answered_with_its_payload() {
    let bytes: Vec<u8> = (0..125).map(|n| n | 0x80).collect();
    for payload in [&b""[..], b"Hello, world!", b"\x00\xFF\xFE\xFD\xFC\xFB\x00\xFF", &bytes] {
        accepts(&frame(PING, payload), &[said(PONG, payload)]);
    }
    let chopped = talk_chopped(&[frame(PING, &bytes), close(1000)].concat(), 1);
    assert_eq!(chopped, [said(PONG, &bytes), said_close(1000)]);
}

#[test]
fn a_control_frame_over_125_bytes_is_refused_at_its_header() {
    refuses(&frame(PING, &[0xFE; 126]), &[], 1002);
    refuses(&header(PING, 4096)[..2], &[], 1002);
}

#[test]
fn an_unsolicited_pong_is_ignored() {
    accepts(&frame(PONG, b""), &[]);
    accepts(&frame(PONG, b"unsolicited"), &[]);
    let bytes = [frame(PONG, b"unsolicited"), frame(PING, b"ping")].concat();
    accepts(&bytes, &[said(PONG, b"ping")]);
}

#[test]
fn ten_pings_are_answered_in_order() {
    let payloads: Vec<String> = (0..10).map(|n| format!("payload-{n}")).collect();
    let bytes: Vec<u8> = (payloads.iter()).flat_map(|payload| frame(PING, payload.as_bytes())).collect();
    let pongs: Vec<_> = (payloads.iter()).map(|payload| said(PONG, payload.as_bytes())).collect();
    accepts(&bytes, &pongs);
    let chopped = talk_chopped(&[bytes, close(1000)].concat(), 1);
    assert_eq!(chopped[..10], pongs);
}
