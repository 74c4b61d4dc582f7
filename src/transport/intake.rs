//! The reading side of a socket: a little at a time, through one buffer per worker, past the guard.

use super::guard::{End, FrameGuard, Inspected};
use actix_rt::net::TcpStream;
use bytes::Bytes;
use std::{
    cell::{Cell, RefCell},
    io,
    task::{Context, Poll, ready},
    time::Instant,
};

/// Bytes read in one poll of a connection; then others on the worker have their turn.
const READ_PER_POLL: usize = 64 * 1024;

thread_local! {
    /// One read buffer per worker: an idle connection owns none.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_PER_POLL].into());
}

/// What a client says, as it comes.
#[derive(Debug)]
pub(super) struct Intake {
    guard: RefCell<FrameGuard>,
    /// What came right behind the handshake.
    early: RefCell<Bytes>,
    last_heard: Cell<Instant>,
    may_read: Cell<usize>,
}

impl Intake {
    pub(super) fn new(guard: FrameGuard, early: Bytes) -> Self {
        Self {
            guard: RefCell::new(guard),
            early: RefCell::new(early),
            last_heard: Cell::new(Instant::now()),
            may_read: Cell::new(0),
        }
    }

    /// When the last bytes came.
    pub(super) fn last_heard(&self) -> Instant {
        self.last_heard.get()
    }

    /// Why the client may say nothing more, if so.
    pub(super) fn end(&self) -> Option<End> {
        self.guard.borrow().end()
    }

    /// Allows the next 64 KiB.
    pub(super) fn begin_poll(&self) {
        self.may_read.set(READ_PER_POLL);
    }

    /// Reads what is there, inspects it and gives it to `take`; `None` when nothing more can come.
    pub(super) fn poll_read<R>(
        &self,
        stream: &TcpStream,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8], Inspected) -> R,
    ) -> Poll<Option<R>> {
        let early = self.early.take();
        if !early.is_empty() {
            return Poll::Ready(Some(take(&early, self.guard.borrow_mut().inspect(&early))));
        }
        let most = self.may_read.get();
        if most == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                if ready!(stream.poll_read_ready(cx)).is_err() {
                    return Poll::Ready(None);
                }
                match stream.try_read(&mut scratch[..most]) {
                    Ok(0) => return Poll::Ready(None),
                    Ok(read) => {
                        self.may_read.set(most - read);
                        self.last_heard.set(Instant::now());
                        let bytes = &scratch[..read];
                        let seen = self.guard.borrow_mut().inspect(bytes);
                        return Poll::Ready(Some(take(bytes, seen)));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return Poll::Ready(None),
                }
            }
        })
    }
}
