//! The raw writer: what a fan-out costs when there is nothing but a `write(2)` for each recipient.
//!
//! It takes every handshake, and writes one and the same frame to all for each frame that anyone sends. It joins nothing,
//! waits for nothing and stores nothing, so a server that does all that can be put in relation to it on any machine.

use std::{
    io::{self, Read, Write},
    net::Ipv4Addr,
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

use super::{child, error::BenchError, frames::Frame as ClientFrame};
use crate::protocol::frame::Frame;

/// The listener's token; clients have their number.
const LISTENER: Token = Token(usize::MAX);

/// Sockets looked after between two looks at the poller.
const EVENTS: usize = 1_024;

/// What one read takes.
const SCRATCH: usize = 64 * 1024;

/// What a client awaits before it is counted as arrived.
const JOINED: &str = r#"{"type":"joined"}"#;

/// `hubbub bench raw`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct RawArgs {
    /// Bytes of the event that is written, its header not counted.
    #[arg(long)]
    pub(super) bytes: usize,
}

struct Client {
    stream: TcpStream,
    upgraded: bool,
    rest: Vec<u8>,
}

struct Writer {
    poll: Poll,
    listener: TcpListener,
    clients: Vec<Option<Client>>,
    scratch: Vec<u8>,
    frame: Frame,
}

/// Serves on a free port, which it prints, until it is killed.
///
/// # Errors
/// If the system refuses something, or a client reads so slowly that its socket is full.
pub(super) fn run(args: &RawArgs) -> Result<(), BenchError> {
    let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let frame = Frame::text(&message(args.bytes));
    let mut writer = Writer { poll, listener, clients: Vec::new(), scratch: vec![0; SCRATCH], frame };
    let mut events = Events::with_capacity(EVENTS);
    child::announce(writer.listener.local_addr()?.port())?;
    loop {
        match writer.poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            match event.token() {
                LISTENER => writer.accept()?,
                Token(index) => {
                    for _ in 0..writer.read(index)? {
                        writer.broadcast()?;
                    }
                }
            }
        }
    }
}

/// An event that a driver counts as a message, filled up to `bytes`.
fn message(bytes: usize) -> String {
    let empty = r#"{"type":"message","text":""}"#;
    let text = ".".repeat(bytes.saturating_sub(empty.len()));
    format!(r#"{{"type":"message","text":"{text}"}}"#)
}

impl Writer {
    fn accept(&mut self) -> Result<(), BenchError> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            stream.set_nodelay(true)?;
            self.poll.registry().register(&mut stream, Token(self.clients.len()), Interest::READABLE)?;
            self.clients.push(Some(Client { stream, upgraded: false, rest: Vec::new() }));
        }
    }

    /// Reads what a client sent; how many frames that were.
    fn read(&mut self, index: usize) -> Result<usize, BenchError> {
        let Some(Some(client)) = self.clients.get_mut(index) else { return Ok(0) };
        let read = match client.stream.read(&mut self.scratch) {
            Ok(read) if read > 0 => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            // Gone, with or without a word.
            Ok(_) | Err(_) => {
                self.clients[index] = None;
                return Ok(0);
            }
        };
        client.rest.extend_from_slice(self.scratch.get(..read).unwrap_or_default());
        if !client.upgraded {
            if client.rest.ends_with(b"\r\n\r\n") {
                client.rest.clear();
                client.stream.write_all(&welcome())?;
                client.upgraded = true;
            }
            return Ok(0);
        }
        let mut frames = 0;
        while let Some(frame) = ClientFrame::first(&client.rest) {
            let length = frame.length;
            client.rest.drain(..length);
            frames += 1;
        }
        Ok(frames)
    }

    fn broadcast(&mut self) -> Result<(), BenchError> {
        let bytes = self.frame.bytes();
        for client in self.clients.iter_mut().flatten().filter(|client| client.upgraded) {
            match client.stream.write(bytes) {
                Ok(written) if written == bytes.len() => {}
                Ok(_) => return Err(BenchError::Broken("the raw writer found a socket full".into())),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// The answer to a handshake, and the event that a driver awaits.
fn welcome() -> Vec<u8> {
    let mut answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".to_vec();
    answer.extend_from_slice(Frame::text(JOINED).bytes());
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::wire::{Kind, kind};

    #[test]
    fn what_it_writes_has_the_length_asked_for_and_counts_as_a_message() {
        for bytes in [28, 100, 400] {
            let message = message(bytes);
            assert_eq!((message.len(), kind(message.as_bytes())), (bytes, Kind::Message));
        }
        assert!(welcome().ends_with(JOINED.as_bytes()));
    }
}
