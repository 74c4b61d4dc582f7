//! Any bytes of a client, in any chunks: the guard never panics, does not depend on the chunks, and hands the
//! codec only what it accepts. The first byte of the input is the chunk size, the second the mode.
#![no_main]

use actix_codec::Decoder;
use actix_http::ws::{Codec, Frame};
use bytes::BytesMut;
use hubbub::transport::guard::{End, FrameGuard};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1000;

fuzz_target!(|input: &[u8]| {
    let [size, mode, bytes @ ..] = input else { return };
    let binary = mode & 1 == 1;
    let whole = FrameGuard::new(LIMIT, binary).inspect(bytes);

    let mut guard = FrameGuard::new(LIMIT, binary);
    let mut ok = 0;
    for chunk in bytes.chunks(usize::from(*size).max(1)) {
        ok += guard.inspect(chunk).ok;
    }
    assert_eq!((ok, guard.end()), (whole.ok, whole.end));

    let mut codec = Codec::new().max_size(LIMIT);
    let mut good = BytesMut::from(&bytes[..whole.ok]);
    let mut closed = false;
    while let Some(frame) = codec.decode(&mut good).expect("the guard lets only good frames through") {
        closed = matches!(frame, Frame::Close(_));
    }
    assert_eq!(closed, matches!(whole.end, Some(End::Closed(_))));
});
