//! One client's socket, shared on its thread by its driver, its actor and the fan-out.

pub use super::config::SocketConfig;

use super::{
    guard::{End, FrameGuard, Inspected},
    intake::Intake,
    outbox::Outbox,
};
use crate::protocol::{close::CloseCode, frame::Frame};
use actix_rt::net::TcpStream;
use bytes::Bytes;
use socket2::SockRef;
use std::{
    cell::{Cell, RefCell},
    io,
    net::Shutdown,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant},
};

/// How a connection ended, or is ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The client sent a close frame, with this code if any.
    ByPeer {
        /// Its code.
        code: Option<u16>,
    },
    /// This side sent a close frame first.
    ByUs {
        /// Its code.
        code: u16,
    },
    /// The connection ended without a close frame: end of file, a reset, a time-out.
    Lost,
}

/// Where the connection stands; it only ever moves down this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// A close frame is queued or sent; the peer's is due.
    Closing,
    /// The peer's close frame came, or none is expected: what is queued goes out, then the write side ends.
    Ending,
    /// The write side has ended; the peer's end is due.
    Ended,
    Gone,
}

/// A WebSocket connection after its handshake. Held as `Rc<Socket>`; belongs to one thread.
///
/// Everything may be called at any time from that thread; after the end it does nothing.
#[derive(Debug)]
pub struct Socket {
    stream: RefCell<Option<TcpStream>>,
    outbox: RefCell<Outbox>,
    intake: Intake,
    driver: RefCell<Option<Waker>>,
    close_timeout: Duration,
    ending: Cell<Option<Ending>>,
    phase: Cell<Phase>,
}

impl Socket {
    /// Takes over a stream after the handshake; `early` is what the client sent right behind it.
    pub fn new(stream: TcpStream, early: Bytes, config: &SocketConfig) -> Rc<Self> {
        // Not needed for correctness, and a socket the peer reset just now refuses it.
        let _ = SockRef::from(&stream).set_tcp_nodelay(true);
        Rc::new(Self {
            stream: RefCell::new(Some(stream)),
            outbox: RefCell::new(Outbox::new(config.queue_bytes, config.pages.clone())),
            intake: Intake::new(FrameGuard::new(config.frame_limit, config.binary), early),
            driver: RefCell::new(None),
            close_timeout: config.close_timeout,
            ending: Cell::new(None),
            phase: Cell::new(Phase::Open),
        })
    }

    /// Sends a frame: at once if nothing waits and the kernel takes it, else through the queue.
    ///
    /// A full queue drops ephemeral frames, then closes with [`CloseCode::SlowReader`].
    pub fn send(&self, frame: &Frame) {
        self.send_joined(frame.bytes(), std::slice::from_ref(frame));
    }

    /// Sends several frames that `joined` holds in a row, with one write if nothing waits.
    ///
    /// What the kernel does not take is queued frame by frame, as with [`Socket::send`].
    pub fn send_joined(&self, joined: &Bytes, frames: &[Frame]) {
        if !self.is_open() {
            return;
        }
        let direct = self.outbox.borrow().is_empty();
        let mut written = if direct { self.write_now(joined) } else { 0 };
        if written == joined.len() {
            return;
        }
        for frame in frames {
            if written >= frame.len() {
                written -= frame.len();
            } else if self.outbox.borrow_mut().push(frame.clone(), written).is_ok() {
                written = 0;
            } else {
                return self.overflow();
            }
        }
        // A queue that was not empty has the driver waiting for the socket already.
        if direct {
            self.wake();
        }
    }

    /// Answers a ping. Of pongs that had to wait only the last is sent (RFC 6455 section 5.5.3).
    pub fn pong(&self, payload: &[u8]) {
        let pong = Frame::pong(payload);
        if self.outbox.borrow().is_empty() {
            self.send(&pong);
        } else if self.is_open() {
            self.outbox.borrow_mut().push_pong(pong);
        }
    }

    /// Starts the closing handshake: what is queued is still sent, then a close frame, then nothing.
    ///
    /// The actor's stream of messages ends, so the actor stops. Later calls do nothing.
    pub fn close(&self, code: u16, reason: &str) {
        match self.end_of_input() {
            // The peer closed first, or broke a rule: its actor has just not come so far.
            Some(end) => self.answer(end),
            None => self.begin_closing(Ending::ByUs { code }, Phase::Closing, Frame::close(code, reason)),
        }
    }

    /// When the client's last bytes came; the handshake counts.
    pub fn last_heard(&self) -> Instant {
        self.intake.last_heard()
    }

    /// Bytes waiting for the client, not counting the kernel's.
    pub fn queued_bytes(&self) -> usize {
        self.outbox.borrow().bytes()
    }

    /// Ephemeral frames dropped because the client reads too slowly.
    pub fn dropped(&self) -> u32 {
        self.outbox.borrow().dropped()
    }

    /// Whether frames are still sent and received.
    pub fn is_open(&self) -> bool {
        self.phase.get() == Phase::Open
    }

    /// How the connection ended; `None` while it is open.
    pub fn ending(&self) -> Option<Ending> {
        self.ending.get()
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    pub(super) fn close_timeout(&self) -> Duration {
        self.close_timeout
    }

    /// Why the client may say nothing more, if so.
    pub(super) fn end_of_input(&self) -> Option<End> {
        self.intake.end()
    }

    /// Acts on the end of the client's frames.
    pub(super) fn answer(&self, end: End) {
        let (ending, frame) = match end {
            End::Closed(None) => (Ending::ByPeer { code: None }, Frame::close_without_code()),
            End::Closed(Some(code)) => (Ending::ByPeer { code: Some(code) }, Frame::close(code, "")),
            End::Violated(why) => {
                let code = why.code().number();
                (Ending::ByUs { code }, Frame::close(code, &why.to_string()))
            }
        };
        if self.phase.get() == Phase::Closing {
            self.phase.set(Phase::Ending);
        }
        self.begin_closing(ending, Phase::Ending, frame);
    }

    /// The connection is no more.
    pub(super) fn lose(&self) {
        self.ending.set(self.ending.get().or(Some(Ending::Lost)));
        self.phase.set(Phase::Gone);
        self.wake();
    }

    /// Gives the file back, whoever still holds the socket; `reset` also drops what the kernel has queued.
    pub(super) fn release(&self, reset: bool) {
        self.lose();
        self.driver.take();
        self.outbox.borrow_mut().end();
        if let Some(stream) = self.stream.take()
            && reset
        {
            // If it fails, the TCP_USER_TIMEOUT that the server set does the same later.
            let _ = stream.set_zero_linger();
        }
    }

    /// Marks the start of a poll by the driver's task.
    pub(super) fn begin_poll(&self, cx: &Context<'_>) {
        self.intake.begin_poll();
        let mut driver = self.driver.borrow_mut();
        if !driver.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *driver = Some(cx.waker().clone());
        }
    }

    /// Reads what is there, inspects it and gives it to `take`; `None` when nothing more can come.
    pub(super) fn poll_read<R>(
        &self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8], Inspected) -> R,
    ) -> Poll<Option<R>> {
        match self.stream.borrow().as_ref() {
            Some(stream) => self.intake.poll_read(stream, cx, take),
            None => Poll::Ready(None),
        }
    }

    /// Writes what is queued, as many frames in one write as it takes; ready when the queue is empty.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.outbox.borrow().is_empty() && self.phase.get() != Phase::Gone {
            let stream = self.stream.borrow();
            let Some(stream) = stream.as_ref() else { break };
            let ready = ready!(stream.poll_write_ready(cx));
            let mut outbox = self.outbox.borrow_mut();
            match ready.and_then(|()| stream.try_write_vectored(&outbox.slices())) {
                Ok(written) => outbox.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => self.lose(),
            }
        }
        Poll::Ready(())
    }

    /// Ends the write side after the last frame is written.
    pub(super) fn end_writing(&self) {
        self.phase.set(Phase::Ended);
        if let Some(stream) = self.stream.borrow().as_ref() {
            // Fails only if the peer is gone, which the read side reports.
            let _ = SockRef::from(stream).shutdown(Shutdown::Write);
        }
    }

    /// Tries the socket without waiting; bytes written.
    fn write_now(&self, bytes: &[u8]) -> usize {
        let stream = self.stream.borrow();
        match stream.as_ref().map(|stream| stream.try_write(bytes)) {
            Some(Ok(written)) => written,
            Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => 0,
            // The driver's next write fails the same way and ends the connection.
            Some(Err(_)) | None => 0,
        }
    }

    fn overflow(&self) {
        self.outbox.borrow_mut().abandon();
        self.close(CloseCode::SlowReader.number(), CloseCode::SlowReader.reason());
    }

    fn begin_closing(&self, ending: Ending, phase: Phase, frame: Frame) {
        if self.is_open() {
            self.ending.set(Some(ending));
            self.phase.set(phase);
            self.outbox.borrow_mut().push_close(frame);
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(driver) = self.driver.borrow().as_ref() {
            driver.wake_by_ref();
        }
    }
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
