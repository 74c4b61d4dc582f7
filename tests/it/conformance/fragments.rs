//! Cases 5.*: fragmentation.

use super::client::{
    FIRST_TEXT, LAST, MORE, PING, PONG, TEXT, accepts, close, frame, refuses, said, said_close, talk_chopped,
};

#[test]
fn control_frames_are_not_fragmented() {
    for control in [0x08, 0x09, 0x0A] {
        let bytes = [frame(control, b"a"), frame(LAST, b"b")].concat();
        refuses(&bytes, &[], 1002);
    }
}

#[test]
fn fragments_are_joined() {
    let two = [frame(FIRST_TEXT, b"frag"), frame(LAST, b"ment")].concat();
    accepts(&two, &[said(TEXT, b"fragment")]);
    let binary = [frame(0x02, b"\xFF"), frame(MORE, b""), frame(LAST, b"\xFE")].concat();
    accepts(&binary, &[said(0x82, b"\xFF\xFE")]);
    let empty = [frame(FIRST_TEXT, b""), frame(MORE, b""), frame(LAST, b"")].concat();
    accepts(&empty, &[said(TEXT, b"")]);
}

#[test]
fn pings_between_fragments_are_answered_at_once() {
    let bytes = [
        frame(FIRST_TEXT, b"one "),
        frame(PING, b"p1"),
        frame(MORE, b"two "),
        frame(PING, b"p2"),
        frame(LAST, b"three"),
    ]
    .concat();
    let answers = [said(PONG, b"p1"), said(PONG, b"p2"), said(TEXT, b"one two three")];
    accepts(&bytes, &answers);
    let chopped = talk_chopped(&[bytes, close(1000)].concat(), 1);
    assert_eq!(chopped, [&answers[..], &[said_close(1000)]].concat());
}

#[test]
fn a_continuation_needs_a_beginning() {
    for first in [LAST, MORE] {
        refuses(&frame(first, b"nothing to continue"), &[], 1002);
        let after = [frame(TEXT, b"whole"), frame(first, b"no")].concat();
        refuses(&after, &[said(TEXT, b"whole")], 1002);
    }
    let after = [frame(FIRST_TEXT, b"a"), frame(LAST, b"b"), frame(LAST, b"c")].concat();
    refuses(&after, &[said(TEXT, b"ab")], 1002);
}

#[test]
fn a_message_does_not_start_inside_another() {
    for first in [TEXT, FIRST_TEXT, 0x82, 0x02] {
        refuses(&[frame(FIRST_TEXT, b"a"), frame(first, b"b")].concat(), &[], 1002);
    }
}
