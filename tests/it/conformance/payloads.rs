//! Cases 1.* and 10.1: messages of every size around the length forms, whole and chopped.

use super::client::{BINARY, FIRST_TEXT, LAST, MORE, TEXT, accepts, close, frame, said, said_close, talk_chopped};

const SIZES: [usize; 8] = [0, 1, 125, 126, 127, 128, 65_535, 65_536];

#[test]
fn every_length_form_is_echoed() {
    for first in [TEXT, BINARY] {
        for size in SIZES {
            let payload = vec![b'*'; size];
            accepts(&frame(first, &payload), &[said(first, &payload)]);
        }
    }
}

#[test]
fn chopping_changes_nothing() {
    for first in [TEXT, BINARY] {
        for (size, piece) in SIZES.into_iter().zip([1, 1, 1, 1, 1, 1, 997, 997]) {
            let payload = vec![b'*'; size];
            let bytes = [frame(first, &payload), close(1000)].concat();
            let got = talk_chopped(&bytes, piece);
            assert_eq!(got, [said(first, &payload), said_close(1000)], "{size}");
        }
    }
}

#[test]
fn a_long_message_in_fragments_of_1300_is_echoed() {
    let payload = vec![b'*'; 65_536];
    let mut bytes = Vec::new();
    for (index, part) in payload.chunks(1300).enumerate() {
        bytes.extend(frame(if index == 0 { FIRST_TEXT } else { MORE }, part));
    }
    bytes.extend(frame(LAST, b""));
    accepts(&bytes, &[said(TEXT, &payload)]);
}
