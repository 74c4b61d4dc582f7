//! Cases 7.*: the closing handshake.

use super::client::{CLOSE, Client, FIRST_TEXT, PING, TEXT, close, frame, refuses, said, said_close, talk};
use std::net::Shutdown;

#[test]
fn a_close_is_echoed_and_the_connection_ends() {
    assert_eq!(talk(&close(1000)), [said_close(1000)]);
    let after = [frame(TEXT, b"Hello"), close(1000)].concat();
    assert_eq!(talk(&after), [said(TEXT, b"Hello"), said_close(1000)]);
}

#[test]
fn a_close_without_a_code_is_answered_without_one() {
    assert_eq!(talk(&frame(CLOSE, b"")), [said(CLOSE, b"")]);
}

#[test]
fn nothing_after_the_close_is_answered() {
    for late in [close(1000), frame(PING, b""), frame(TEXT, b"late"), frame(0x83, b"")] {
        let bytes = [close(1000), late].concat();
        assert_eq!(talk(&bytes), [said_close(1000)]);
    }
    // 7.1.5: in the middle of a message; 7.1.6: with a lot behind it.
    let inside = [frame(FIRST_TEXT, b"part"), close(1000), frame(0x80, b"rest")].concat();
    assert_eq!(talk(&inside), [said_close(1000)]);
    let big = vec![b'*'; 256 * 1024];
    let bytes = [frame(TEXT, &big), close(1000), frame(PING, b"")].concat();
    assert_eq!(talk(&bytes), [said(TEXT, &big), said_close(1000)]);
}

#[test]
fn a_close_payload_is_a_code_and_utf8() {
    refuses(&frame(CLOSE, b"\x03"), &[], 1002);
    refuses(&frame(CLOSE, b"\x03\xE8\xCE\xBA\xED\xA0\x80"), &[], 1007);
    refuses(&frame(CLOSE, &[0x03; 126]), &[], 1002);
    let longest = [&1000_u16.to_be_bytes()[..], &[b'*'; 123]].concat();
    assert_eq!(talk(&frame(CLOSE, &longest)), [said_close(1000)]);
    let reason = [&1000_u16.to_be_bytes()[..], "Hello World! €".as_bytes()].concat();
    assert_eq!(talk(&frame(CLOSE, &reason)), [said_close(1000)]);
}

#[test]
fn codes_a_peer_may_send_are_echoed() {
    let registered = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011];
    for code in registered.into_iter().chain([3000, 3999, 4000, 4999]) {
        assert_eq!(talk(&close(code)), [said_close(code)]);
    }
}

#[test]
fn codes_a_peer_may_not_send_are_refused() {
    let reserved = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999];
    for code in reserved.into_iter().chain([5000, 65_535]) {
        refuses(&close(code), &[], 1002);
    }
}

#[test]
fn an_end_without_a_close_is_an_end() {
    let mut client = Client::connect(*super::ECHO);
    client.send(&frame(FIRST_TEXT, b"half a message"));
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.next(), None);
}
