//! The program's own files, packed as well as gzip can, and scripts without their comments: they never change while it
//! runs, so each is packed once, where [`Compress`](actix_web::middleware::Compress) would pack it quickly, and worse,
//! for every visitor.

use std::{
    collections::HashMap,
    io::Write,
    sync::{LazyLock, PoisonError, RwLock},
};

use actix_web::{
    HttpMessage, HttpRequest,
    http::header::{AcceptEncoding, Encoding},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

use super::comments::without_comments;

/// A file as it is sent.
#[derive(Clone)]
struct Packed {
    /// The SHA-256 of what is in it.
    of: [u8; 32],
    bytes: Bytes,
}

/// By path; as many as the program has files. A build for development reads them from the folder, so that the content
/// may change under the same path.
static PACKED: LazyLock<RwLock<HashMap<String, Packed>>> = LazyLock::new(RwLock::default);

/// Whether the answer to a request may be packed.
pub(super) fn wanted(request: &HttpRequest) -> bool {
    let wanted = request.get_header::<AcceptEncoding>();
    wanted.is_some_and(|wanted| {
        wanted.negotiate([Encoding::gzip(), Encoding::identity()].iter()) == Some(Encoding::gzip())
    })
}

/// A file of the program in gzip's format (RFC 1952); none if it does not get smaller.
pub(super) fn packed(path: &str, content: &[u8], hash: [u8; 32]) -> Option<Bytes> {
    // Whoever panicked while holding it left whole entries behind.
    let known = PACKED.read().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
    let bytes = match known {
        Some(known) if known.of == hash => known.bytes,
        _ => {
            let bare =
                if path.ends_with(".js") { str::from_utf8(content).ok().and_then(without_comments) } else { None };
            let bytes = pack(bare.as_ref().map_or(content, String::as_bytes))?;
            let mut all = PACKED.write().unwrap_or_else(PoisonError::into_inner);
            all.insert(path.to_owned(), Packed { of: hash, bytes: bytes.clone() });
            bytes
        }
    };
    (bytes.len() < content.len()).then_some(bytes)
}

fn pack(content: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(content.len() / 2), Compression::best());
    // Writing into memory does not fail; if it did, the file would go as it is.
    encoder.write_all(content).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use actix_web::test::TestRequest;
    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn what_is_packed_is_the_same_inside_and_follows_the_content() {
        for (hash, content) in [([1; 32], "first ".repeat(100)), ([2; 32], "second ".repeat(100))] {
            for _ in 0..2 {
                let packed = packed("packing/test.js", content.as_bytes(), hash).unwrap();
                assert!(packed.len() < 100);
                let mut unpacked = String::new();
                GzDecoder::new(&packed[..]).read_to_string(&mut unpacked).unwrap();
                assert_eq!(unpacked, content);
            }
        }
        assert_eq!(packed("packing/tiny", b"x", [3; 32]), None);
    }

    #[test]
    fn of_scripts_only_the_program_is_sent() {
        for (path, content, inside) in [
            ("packing/a.js", "/** What it is. */\nlet a; // a\n".repeat(9), "\nlet a;\n".repeat(9)),
            ("packing/unclear.js", "}/a/ // b\n".repeat(99), "}/a/ // b\n".repeat(99)),
            ("packing/a.css", "a {} /* b */ ".repeat(99), "a {} /* b */ ".repeat(99)),
        ] {
            let mut unpacked = String::new();
            let packed = packed(path, content.as_bytes(), [4; 32]).unwrap();
            GzDecoder::new(&packed[..]).read_to_string(&mut unpacked).unwrap();
            assert_eq!(unpacked, inside, "{path}");
        }
    }

    #[test]
    fn only_who_takes_gzip_gets_it() {
        let asks =
            |value: &str| wanted(&TestRequest::get().insert_header(("accept-encoding", value)).to_http_request());
        for yes in ["gzip", "gzip, deflate, br, zstd", "deflate;q=0.1, gzip;q=0.5"] {
            assert!(asks(yes), "{yes}");
        }
        for no in ["identity", "br", "gzip;q=0", ""] {
            assert!(!asks(no), "{no}");
        }
        assert!(!wanted(&TestRequest::get().to_http_request()));
    }
}
