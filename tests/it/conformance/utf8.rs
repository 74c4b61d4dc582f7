//! Cases 6.*: UTF-8, whole, in fragments, and refused at the byte that is wrong.

use super::client::{
    FIRST_TEXT, LAST, MORE, TEXT, accepts, close, frame, header, refuses, said, said_close, talk_chopped,
};

const VALID: &[&[u8]] = &[
    "Hello-µ@ßöäüàá-UTF-8!!".as_bytes(),
    "κόσμε".as_bytes(),
    // First and last code points of each length (6.6, 6.7, 6.9, 6.23).
    b"\x00",
    b"\x7F",
    b"\xC2\x80",
    b"\xDF\xBF",
    b"\xE0\xA0\x80",
    b"\xED\x9F\xBF",
    b"\xEE\x80\x80",
    b"\xEF\xBF\xBD",
    b"\xEF\xBF\xBF",
    b"\xF0\x90\x80\x80",
    b"\xF4\x8F\xBF\xBF",
    // Noncharacters are characters enough (6.22).
    b"\xEF\xBF\xBE",
    b"\xF0\x9F\xBF\xBE",
    b"\xF0\x9F\xBF\xBF",
    b"\xF3\xAF\xBF\xBF",
    b"\xF4\x8F\xBF\xBE",
];

const INVALID: &[&[u8]] = &[
    // A surrogate in the middle of a text (6.3).
    b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xED\xA0\x80edited",
    // Characters cut off by the end (6.6).
    b"\xCE",
    b"\xCE\xBA\xE1",
    b"\xCE\xBA\xE1\xBD",
    b"\xE2\x82",
    b"\xF0\x90\x80",
    // Beyond U+10FFFF, and five and six bytes (6.8, 6.10).
    b"\xF4\x90\x80\x80",
    b"\xF7\xBF\xBF\xBF",
    b"\xF8\x88\x80\x80\x80",
    b"\xFC\x84\x80\x80\x80\x80",
    b"\xFB\xBF\xBF\xBF\xBF",
    b"\xFD\xBF\xBF\xBF\xBF\xBF",
    // Lone continuation bytes (6.12).
    b"\x80",
    b"\xBF",
    b"\x80\xBF\x80\xBF",
    // Lone first bytes (6.13, 6.14).
    b"\xC3 \xC4 ",
    b"\xE0 \xEF ",
    b"\xF0 \xF4 ",
    b"\xFE",
    b"\xFF",
    b"\xFE\xFE\xFF\xFF",
    // Overlong (6.15–6.18).
    b"\xC0\xAF",
    b"\xE0\x80\xAF",
    b"\xF0\x80\x80\xAF",
    b"\xC1\xBF",
    b"\xE0\x9F\xBF",
    b"\xF0\x8F\xBF\xBF",
    b"\xC0\x80",
    b"\xE0\x80\x80",
    b"\xF0\x80\x80\x80",
    // Surrogates, alone and in pairs (6.20, 6.21).
    b"\xED\xA0\x80",
    b"\xED\xAD\xBF",
    b"\xED\xAE\x80",
    b"\xED\xAF\xBF",
    b"\xED\xB0\x80",
    b"\xED\xBE\x80",
    b"\xED\xBF\xBF",
    b"\xED\xA0\x80\xED\xB0\x80",
    b"\xED\xAF\xBF\xED\xBF\xBF",
];

/// The text in fragments of one byte each.
fn fragments(text: &[u8]) -> Vec<u8> {
    let mut bytes = frame(FIRST_TEXT, b"");
    for byte in text {
        bytes.extend(frame(MORE, &[*byte]));
    }
    bytes.extend(frame(LAST, b""));
    bytes
}

#[test]
fn valid_text_is_echoed() {
    for text in VALID {
        accepts(&frame(TEXT, text), &[said(TEXT, text)]);
        accepts(&fragments(text), &[said(TEXT, text)]);
        let bytes = [frame(TEXT, text), close(1000)].concat();
        assert_eq!(talk_chopped(&bytes, 1), [said(TEXT, text), said_close(1000)]);
    }
}

#[test]
fn invalid_text_is_refused() {
    for text in INVALID {
        refuses(&frame(TEXT, text), &[], 1007);
        refuses(&fragments(text), &[], 1007);
    }
}

#[test]
fn the_bad_byte_is_refused_before_the_message_ends() {
    for (good, bad) in [(&b"\xCE\xBA\xE1\xBD\xB9"[..], &b"\xF4\x90"[..]), (b"abc", b"\xED\xA0"), (b"", b"\xFF")] {
        // 6.4.1 and 6.4.2: a fragment ends with it, and the rest never comes.
        let fragment = [frame(FIRST_TEXT, good), frame(MORE, bad)].concat();
        refuses(&fragment, &[], 1007);
        // 6.4.3 and 6.4.4: inside one frame, of which the rest never comes.
        let masked = frame(TEXT, &[good, bad].concat());
        let mut part = header(TEXT, 1000);
        part.extend(&masked[6..]);
        refuses(&part, &[], 1007);
    }
}

#[test]
fn a_message_before_the_bad_one_is_answered() {
    let bytes = [frame(TEXT, b"good"), frame(TEXT, b"\xFF")].concat();
    refuses(&bytes, &[said(TEXT, b"good")], 1007);
}

#[test]
fn binary_is_not_text() {
    accepts(&frame(0x82, b"\xFF\xFE"), &[said(0x82, b"\xFF\xFE")]);
}
