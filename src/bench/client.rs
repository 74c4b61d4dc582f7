//! One WebSocket of a driver: reads whole frames, answers pings, keeps nothing it need not.

use std::{
    io::{self, Read, Write},
    mem,
};

use mio::net::TcpStream;

use super::{error::BenchError, frames, frames::Frame};
use crate::protocol::frame::Opcode;

/// How the answer to an accepted handshake begins, and how it ends.
const ACCEPTED: &[u8] = b"HTTP/1.1 101";
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// What a client hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// An event.
    Text(&'a [u8]),
    /// A ping, answered already.
    Ping,
    /// The connection ended; only told to who said that this may happen.
    Lost,
}

/// A client's side of a WebSocket.
#[derive(Debug)]
pub(super) struct Client {
    index: usize,
    pub(super) stream: TcpStream,
    /// Its connection has ended.
    pub(super) gone: bool,
    upgraded: bool,
    /// The beginning of a frame whose end has not come.
    rest: Vec<u8>,
    /// What the kernel has not taken.
    unsent: Vec<u8>,
}

impl Client {
    /// The client number `index`, connected, before its handshake.
    pub(super) fn new(index: usize, stream: TcpStream) -> Self {
        Self { index, stream, gone: false, upgraded: false, rest: Vec::new(), unsent: Vec::new() }
    }

    /// Writes, or keeps what the kernel does not take for [`Client::flush`].
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), BenchError> {
        let written = if self.unsent.is_empty() { self.write(bytes)? } else { 0 };
        self.unsent.extend_from_slice(bytes.get(written..).unwrap_or_default());
        Ok(())
    }

    /// Writes what was kept.
    pub(super) fn flush(&mut self) -> Result<(), BenchError> {
        let unsent = mem::take(&mut self.unsent);
        if unsent.is_empty() { Ok(()) } else { self.send(&unsent) }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, BenchError> {
        match self.stream.write(bytes) {
            Ok(written) => Ok(written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(self.lost(error.to_string())),
        }
    }

    /// Reads all there is, through a buffer that all clients share, and hands on every whole frame.
    pub(super) fn read(
        &mut self,
        scratch: &mut [u8],
        mut on: impl FnMut(Heard<'_>) -> Result<(), BenchError>,
    ) -> Result<(), BenchError> {
        loop {
            let kept = self.rest.len();
            let Some((head, room)) = scratch.split_at_mut_checked(kept).filter(|(_, room)| !room.is_empty()) else {
                return Err(self.lost("a frame is too long for a driver".into()));
            };
            let read = match self.stream.read(room) {
                Ok(0) => return Err(self.lost("it ended without a close frame".into())),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(self.lost(error.to_string())),
            };
            head.copy_from_slice(&self.rest);
            let filled = scratch.get(..kept + read).unwrap_or_default();
            let used = self.take(filled, &mut on)?;
            self.rest = filled.get(used..).unwrap_or_default().to_vec();
            // A read that did not fill the buffer took all there was: one more would cost a system call to say so.
            if filled.len() < scratch.len() {
                return Ok(());
            }
        }
    }

    /// Handles what is whole at the start of `bytes`; how much that was.
    fn take(
        &mut self,
        bytes: &[u8],
        on: &mut impl FnMut(Heard<'_>) -> Result<(), BenchError>,
    ) -> Result<usize, BenchError> {
        let mut used = 0;
        if !self.upgraded {
            let Some(end) = bytes.windows(END_OF_HEAD.len()).position(|window| window == END_OF_HEAD) else {
                return Ok(0);
            };
            if !bytes.starts_with(ACCEPTED) {
                let answer = String::from_utf8_lossy(bytes).trim().replace("\r\n", "; ");
                return Err(BenchError::Refused { client: self.index, answer });
            }
            self.upgraded = true;
            used = end + END_OF_HEAD.len();
        }
        while let Some(frame) = Frame::first(bytes.get(used..).unwrap_or_default()) {
            used += frame.length;
            if frame.is(Opcode::Text) {
                on(Heard::Text(frame.payload))?;
            } else if frame.is(Opcode::Ping) {
                self.send(&frames::encode(Opcode::Pong, frame.payload))?;
                on(Heard::Ping)?;
            } else if frame.is(Opcode::Close) {
                return Err(self.lost(closing(frame.payload)));
            }
        }
        Ok(used)
    }

    fn lost(&self, why: String) -> BenchError {
        BenchError::Lost { client: self.index, why }
    }
}

/// The code and reason of a close frame (RFC 6455 section 5.5.1).
fn closing(payload: &[u8]) -> String {
    match payload.split_first_chunk() {
        Some((code, reason)) => {
            format!("closed with {} {}", u16::from_be_bytes(*code), String::from_utf8_lossy(reason))
        }
        None => "closed without a code".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::protocol::frame::Frame as ServerFrame;

    fn pair() -> (Client, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // Left blocking, so that a read waits for what a test sends.
        let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let far = listener.accept().unwrap().0;
        (Client::new(7, TcpStream::from_std(near)), far)
    }

    fn hear(client: &mut Client, far: &mut std::net::TcpStream, bytes: &[u8]) -> Result<Vec<String>, BenchError> {
        far.write_all(bytes).unwrap();
        let mut heard = Vec::new();
        client.read(&mut [0; 4096], |what| {
            heard.push(match what {
                Heard::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
                Heard::Ping => "ping".into(),
                Heard::Lost => "lost".into(),
            });
            Ok(())
        })?;
        Ok(heard)
    }

    #[test]
    fn frames_are_heard_however_they_are_cut() {
        let (mut client, mut far) = pair();
        let mut bytes = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".to_vec();
        bytes.extend_from_slice(ServerFrame::text("one").bytes());
        bytes.extend_from_slice(ServerFrame::ping(b"?").bytes());
        bytes.extend_from_slice(ServerFrame::text(&"two".repeat(99)).bytes());
        let mut heard = Vec::new();
        for byte in bytes {
            heard.extend(hear(&mut client, &mut far, &[byte]).unwrap());
        }
        assert_eq!(heard, ["one".to_owned(), "ping".into(), "two".repeat(99)]);
        let mut pong = [0; 7];
        far.read_exact(&mut pong).unwrap();
        assert!(Frame::first(&pong).is_some_and(|frame| frame.is(Opcode::Pong) && frame.length == 7));
    }

    #[test]
    fn a_refusal_and_a_close_are_told() {
        let (mut client, mut far) = pair();
        let refused = hear(&mut client, &mut far, b"HTTP/1.1 429 Too Many Requests\r\n\r\n").unwrap_err();
        assert!(refused.to_string().contains("client 7 was refused: HTTP/1.1 429"), "{refused}");
        let (mut client, mut far) = pair();
        let mut bytes = b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec();
        bytes.extend_from_slice(ServerFrame::close(4413, "slow reader").bytes());
        let lost = hear(&mut client, &mut far, &bytes).unwrap_err();
        assert!(lost.to_string().contains("closed with 4413 slow reader"), "{lost}");
        let (mut client, far) = pair();
        drop(far);
        assert!(matches!(client.read(&mut [0; 64], |_| Ok(())), Err(BenchError::Lost { client: 7, .. })));
    }
}
