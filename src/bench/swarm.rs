//! Thousands of clients on one thread, one poller and one read buffer.

use std::{
    io, mem,
    ops::Range,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token};

use super::{
    client::{Client, Heard},
    error::BenchError,
    target::Target,
    wire::{self, Kind},
};

/// Sockets looked after between two looks at the poller.
const EVENTS: usize = 1_024;

/// What one read takes at most, and so the longest frame; a `joined` with its entries has some 300 KiB (PROTOCOL
/// section 3).
const SCRATCH: usize = 1024 * 1024;

/// Clients that may be on their way into their rooms at once. More would measure what a storm of handshakes leaves in the
/// server's HTTP stack, not what a connection takes.
const ARRIVING: usize = 64;

/// How the answer of a balancer begins that did not get to reading a handshake before its `client_header_timeout`.
const NOT_READ: &str = "HTTP/1.1 408";

/// How long a turn waits for something to happen.
const TURN: Duration = Duration::from_millis(50);

/// The clients of a driver, numbered in the order of connecting.
pub(super) struct Swarm {
    targets: Vec<Target>,
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    scratch: Vec<u8>,
    bears_losses: bool,
    /// Those whose handshake was not read in time, while clients arrive.
    unread: Option<Vec<usize>>,
    /// Handshakes that were made again for that.
    again: usize,
}

impl Swarm {
    /// No clients yet; all will go to one server.
    pub(super) fn new(target: Target) -> Result<Self, BenchError> {
        Self::over(vec![target])
    }

    /// No clients yet. They will be spread over servers: the client number `n` goes to the one of that number, and on from
    /// the first.
    pub(super) fn over(targets: Vec<Target>) -> Result<Self, BenchError> {
        let events = Events::with_capacity(EVENTS);
        Ok(Self {
            targets,
            poll: Poll::new()?,
            events,
            clients: Vec::new(),
            scratch: vec![0; SCRATCH],
            bears_losses: false,
            unread: None,
            again: 0,
        })
    }

    /// Connects `count` guests and waits until each is in all of `rooms`; their numbers.
    ///
    /// # Errors
    /// If one is refused, or they do not all arrive within `limit`.
    pub(super) fn arrive(
        &mut self,
        count: usize,
        rooms: &[String],
        limit: Duration,
    ) -> Result<Range<usize>, BenchError> {
        self.arrive_with(count, rooms, limit, |_| Ok(()))
    }

    /// The same, and shows `on` every event that comes meanwhile. A handshake that a balancer was too slow to read is made
    /// again.
    ///
    /// # Errors
    /// As [`Swarm::arrive`], or what `on` gives.
    pub(super) fn arrive_with(
        &mut self,
        count: usize,
        rooms: &[String],
        limit: Duration,
        mut on: impl FnMut(&[u8]) -> Result<(), BenchError>,
    ) -> Result<Range<usize>, BenchError> {
        let first = self.clients.len();
        let names = rooms.join(",");
        let mut joined = 0;
        let deadline = Deadline::new("the arrival of the clients", limit);
        self.unread = Some(Vec::new());
        while joined < count * rooms.len() {
            let arrived = joined / rooms.len();
            while self.clients.len() - first < count.min(arrived + ARRIVING) {
                self.connect(&names)?;
            }
            self.turn(|client, heard| {
                let Heard::Text(event) = heard else { return Ok(()) };
                match wire::kind(event) {
                    Kind::Joined if client >= first => joined += 1,
                    Kind::Error => return Err(refused(event)),
                    _ => {}
                }
                on(event)
            })?;
            for index in self.unread.as_mut().map(mem::take).unwrap_or_default() {
                self.dial_again(index, &names)?;
            }
            deadline.check()?;
        }
        self.unread = None;
        Ok(first..first + count)
    }

    /// How many handshakes of those who arrived had to be made again.
    pub(super) fn again(&self) -> usize {
        self.again
    }

    /// From now on a connection that ends is told as [`Heard::Lost`], once, and is no failure.
    pub(super) fn bear_losses(&mut self) {
        self.bears_losses = true;
    }

    /// Connects a client again whose connection was lost, into no room; its welcome is still to come.
    ///
    /// # Errors
    /// If the server does not take the connection.
    pub(super) fn come_back(&mut self, index: usize, target: &Target) -> Result<(), BenchError> {
        let client = self.dial(index, target, "")?;
        self.put(index, client);
        Ok(())
    }

    fn connect(&mut self, rooms: &str) -> Result<(), BenchError> {
        let index = self.clients.len();
        let client = self.dial(index, self.target(index)?, rooms)?;
        self.clients.push(client);
        Ok(())
    }

    fn dial_again(&mut self, index: usize, rooms: &str) -> Result<(), BenchError> {
        let client = self.dial(index, self.target(index)?, rooms)?;
        self.put(index, client);
        self.again += 1;
        Ok(())
    }

    fn put(&mut self, index: usize, client: Client) {
        if let Some(lost) = self.clients.get_mut(index) {
            *lost = client;
        }
    }

    fn target(&self, index: usize) -> Result<&Target, BenchError> {
        let target = self.targets.get(index % self.targets.len().max(1));
        target.ok_or_else(|| BenchError::Broken("there is none to connect to".into()))
    }

    fn dial(&self, index: usize, target: &Target, rooms: &str) -> Result<Client, BenchError> {
        let mut client = Client::new(index, target.connect(index)?);
        self.poll.registry().register(&mut client.stream, Token(index), Interest::READABLE | Interest::WRITABLE)?;
        client.send(target.handshake(rooms).as_bytes())?;
        Ok(client)
    }

    /// Waits a moment for something to come, and tells `on` what each client heard.
    ///
    /// # Errors
    /// If a client lost its connection, or what `on` gives.
    pub(super) fn turn(
        &mut self,
        on: impl FnMut(usize, Heard<'_>) -> Result<(), BenchError>,
    ) -> Result<(), BenchError> {
        self.turn_within(TURN, on)
    }

    /// The same, with the longest wait.
    ///
    /// # Errors
    /// As [`Swarm::turn`].
    pub(super) fn turn_within(
        &mut self,
        longest: Duration,
        mut on: impl FnMut(usize, Heard<'_>) -> Result<(), BenchError>,
    ) -> Result<(), BenchError> {
        match self.poll.poll(&mut self.events, Some(longest)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        for event in &self.events {
            let Token(index) = event.token();
            let Some(client) = self.clients.get_mut(index).filter(|client| !client.gone) else { continue };
            let mut done = if event.is_writable() { client.flush() } else { Ok(()) };
            if done.is_ok() && event.is_readable() {
                done = client.read(&mut self.scratch, |heard| on(index, heard));
            }
            // The end may have come with the last of the data, and is not told again.
            while done.is_ok() && event.is_read_closed() {
                done = client.read(&mut self.scratch, |heard| on(index, heard));
            }
            match done {
                Err(BenchError::Lost { .. }) if self.bears_losses => {
                    client.gone = true;
                    on(index, Heard::Lost)?;
                }
                Err(BenchError::Refused { answer, .. }) if self.unread.is_some() && answer.starts_with(NOT_READ) => {
                    client.gone = true;
                    self.unread.iter_mut().for_each(|unread| unread.push(index));
                }
                done => done?,
            }
        }
        Ok(())
    }

    /// Sends frames that are encoded already.
    ///
    /// # Errors
    /// If the client has lost its connection.
    pub(super) fn send(&mut self, client: usize, frames: &[u8]) -> Result<(), BenchError> {
        let client = self.clients.get_mut(client).filter(|client| !client.gone);
        match client.map_or(Ok(()), |client| client.send(frames)) {
            // The next turn tells of it.
            Err(BenchError::Lost { .. }) if self.bears_losses => Ok(()),
            sent => sent,
        }
    }
}

/// What an `error` means to a benchmark: the server was not given the limits it needs, or is at fault.
pub(super) fn refused(event: &[u8]) -> BenchError {
    BenchError::Broken(format!("a command was refused: {}", String::from_utf8_lossy(event)))
}

/// The bound of a wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    what: &'static str,
    limit: Duration,
    start: Instant,
}

impl Deadline {
    /// From now on `what` may take `limit`.
    pub(super) fn new(what: &'static str, limit: Duration) -> Self {
        Self { what, limit, start: Instant::now() }
    }

    /// # Errors
    /// [`BenchError::Overdue`] when the time is up.
    pub(super) fn check(&self) -> Result<(), BenchError> {
        let Self { what, limit, start } = *self;
        if start.elapsed() < limit { Ok(()) } else { Err(BenchError::Overdue { what, limit }) }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
        thread,
    };

    use super::*;

    /// Reads a handshake and answers it.
    fn answer(listener: &TcpListener, answer: &[u8]) -> TcpStream {
        let (mut stream, _) = listener.accept().unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            read.extend(byte);
        }
        stream.write_all(answer).unwrap();
        stream
    }

    #[test]
    fn a_handshake_that_was_not_read_in_time_is_made_again_and_a_refusal_is_none() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            drop(answer(&listener, b"HTTP/1.1 408 Request Time-out\r\nConnection: close\r\n\r\n"));
            let joined = br#"{"type":"joined"}"#;
            let mut stream = answer(&listener, b"HTTP/1.1 101 Switching Protocols\r\n\r\n");
            // RFC 6455 section 5.2: a whole text of less than 126 bytes, not masked.
            stream.write_all(&[&[0x81, joined.len() as u8], &joined[..]].concat()).unwrap();
            drop(answer(&listener, b"HTTP/1.1 503 Service Unavailable\r\n\r\n"));
            stream
        });
        let mut swarm = Swarm::new(Target::local(address)).unwrap();
        let limit = Duration::from_secs(60);
        assert_eq!(swarm.arrive(1, &["global".into()], limit).unwrap(), 0..1);
        assert_eq!(swarm.again(), 1);
        let refused = swarm.arrive(1, &["global".into()], limit).unwrap_err();
        assert!(matches!(refused, BenchError::Refused { client: 1, .. }), "{refused}");
        server.join().unwrap();
    }
}
