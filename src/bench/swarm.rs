//! Thousands of clients on one thread, one poller and one read buffer.

use std::{
    io,
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

/// How long a turn waits for something to happen.
const TURN: Duration = Duration::from_millis(50);

/// The clients of a driver, numbered in the order of connecting.
pub(super) struct Swarm {
    target: Target,
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    scratch: Vec<u8>,
}

impl Swarm {
    /// No clients yet.
    pub(super) fn new(target: Target) -> Result<Self, BenchError> {
        let events = Events::with_capacity(EVENTS);
        Ok(Self { target, poll: Poll::new()?, events, clients: Vec::new(), scratch: vec![0; SCRATCH] })
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
        let first = self.clients.len();
        let handshake = self.target.handshake(&rooms.join(","));
        let mut joined = 0;
        let deadline = Deadline::new("the arrival of the clients", limit);
        while joined < count * rooms.len() {
            let arrived = joined / rooms.len();
            while self.clients.len() - first < count.min(arrived + ARRIVING) {
                self.connect(&handshake)?;
            }
            self.turn(|client, heard| {
                let Heard::Text(event) = heard else { return Ok(()) };
                match wire::kind(event) {
                    Kind::Joined if client >= first => joined += 1,
                    Kind::Error => return Err(refused(event)),
                    _ => {}
                }
                Ok(())
            })?;
            deadline.check()?;
        }
        Ok(first..first + count)
    }

    fn connect(&mut self, handshake: &str) -> Result<(), BenchError> {
        let index = self.clients.len();
        let mut client = Client::new(index, self.target.connect(index)?);
        self.poll.registry().register(&mut client.stream, Token(index), Interest::READABLE | Interest::WRITABLE)?;
        client.send(handshake.as_bytes())?;
        self.clients.push(client);
        Ok(())
    }

    /// Waits a moment for something to come, and tells `on` what each client heard.
    ///
    /// # Errors
    /// If a client lost its connection, or what `on` gives.
    pub(super) fn turn(
        &mut self,
        mut on: impl FnMut(usize, Heard<'_>) -> Result<(), BenchError>,
    ) -> Result<(), BenchError> {
        match self.poll.poll(&mut self.events, Some(TURN)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        for event in &self.events {
            let Token(index) = event.token();
            let Some(client) = self.clients.get_mut(index) else { continue };
            if event.is_writable() {
                client.flush()?;
            }
            if event.is_readable() {
                client.read(&mut self.scratch, |heard| on(index, heard))?;
            }
        }
        Ok(())
    }

    /// Sends frames that are encoded already.
    ///
    /// # Errors
    /// If the client has lost its connection.
    pub(super) fn send(&mut self, client: usize, frames: &[u8]) -> Result<(), BenchError> {
        self.clients.get_mut(client).map_or(Ok(()), |client| client.send(frames))
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
