//! A client that says exactly the bytes it is told, right or wrong.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

/// No answer for this long fails the test.
const PATIENCE: Duration = Duration::from_secs(20);

const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

pub(super) const TEXT: u8 = 0x81;
pub(super) const BINARY: u8 = 0x82;
pub(super) const FIRST_TEXT: u8 = 0x01;
pub(super) const MORE: u8 = 0x00;
pub(super) const LAST: u8 = 0x80;
pub(super) const CLOSE: u8 = 0x88;
pub(super) const PING: u8 = 0x89;
pub(super) const PONG: u8 = 0x8A;

/// A frame as a client sends it: `first` is its first byte.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
    bytes
}

/// The header alone, announcing `length` bytes.
pub(super) fn header(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(0x80 | length as u8),
        126..=0xFFFF => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes
}

/// A close frame with a code.
pub(super) fn close(code: u16) -> Vec<u8> {
    frame(CLOSE, &code.to_be_bytes())
}

/// What the server said in one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) first: u8,
    /// Of a close frame only the code.
    pub(super) payload: Vec<u8>,
}

pub(super) fn said(first: u8, payload: &[u8]) -> Said {
    Said { first, payload: payload.to_vec() }
}

pub(super) fn said_close(code: u16) -> Said {
    said(CLOSE, &code.to_be_bytes())
}

/// A connection after (or, with [`Client::raw`], before) its handshake.
pub(super) struct Client {
    pub(super) stream: TcpStream,
    early: Vec<u8>,
}

impl Client {
    pub(super) fn raw(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, early: Vec::new() }
    }

    pub(super) fn connect(address: SocketAddr) -> Self {
        let mut client = Self::raw(address);
        client.send(&handshake("/echo"));
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        client
    }

    /// The head of an HTTP response; what follows it stays to be read.
    pub(super) fn head(&mut self) -> String {
        let mut byte = [0];
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            self.stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap().to_ascii_lowercase().replace("http/1.1", "HTTP/1.1")
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Everything up to the end of the connection.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.early);
        self.stream.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// The next frame; `None` at the end of the connection.
    pub(super) fn next(&mut self) -> Option<Said> {
        let mut start = [0; 2];
        if self.stream.read(&mut start[..1]).unwrap() == 0 {
            return None;
        }
        self.stream.read_exact(&mut start[1..]).unwrap();
        let mut wide = [0; 8];
        let len = match start[1] {
            126 => {
                self.stream.read_exact(&mut wide[6..]).unwrap();
                u64::from_be_bytes(wide)
            }
            127 => {
                self.stream.read_exact(&mut wide).unwrap();
                u64::from_be_bytes(wide)
            }
            len => u64::from(len),
        };
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        self.stream.read_exact(&mut payload).unwrap();
        if start[0] == CLOSE {
            payload.truncate(2);
        }
        Some(said(start[0], &payload))
    }

    /// All frames up to the end of the connection; answers the server's close frame as a client should.
    pub(super) fn transcript(&mut self) -> Vec<Said> {
        let mut all = Vec::new();
        while let Some(said) = self.next() {
            if said.first == CLOSE {
                // Either may fail when this side has closed already.
                let _ = self.stream.write_all(&frame(CLOSE, &said.payload));
                let _ = self.stream.shutdown(Shutdown::Write);
            }
            all.push(said);
        }
        all
    }
}

/// A proper handshake for a path.
pub(super) fn handshake(path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes()
}

/// Says `bytes` in pieces of `piece` and gives all that the server said.
pub(super) fn talk_chopped(bytes: &[u8], piece: usize) -> Vec<Said> {
    let mut client = Client::connect(*super::ECHO);
    for piece in bytes.chunks(piece) {
        client.send(piece);
    }
    client.transcript()
}

/// Says `bytes` at once and gives all that the server said.
pub(super) fn talk(bytes: &[u8]) -> Vec<Said> {
    talk_chopped(bytes, bytes.len().max(1))
}

/// Says the bytes, then closes with 1000: the server must say `answers`, and 1000.
#[track_caller]
pub(super) fn accepts(bytes: &[u8], answers: &[Said]) {
    let got = talk(&[bytes, &close(1000)].concat());
    assert_eq!(got, [answers, &[said_close(1000)]].concat());
}

/// Says the bytes and nothing more: the server must say `answers`, then close with `code`.
#[track_caller]
pub(super) fn refuses(bytes: &[u8], answers: &[Said], code: u16) {
    assert_eq!(talk(bytes), [answers, &[said_close(code)]].concat());
}
