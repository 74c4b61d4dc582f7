//! The loop of one connection: polls its actor, writes its queue, and sees the closing handshake through.

use super::{
    admission::ActorStream,
    socket::{Phase, Socket},
};
use crate::protocol::{close::CloseCode, frame::Frame};
use std::{
    any::Any,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};
use tokio::time::Sleep;

/// Drives one connection to its end; the task to spawn on the worker that accepted it.
///
/// However it ends, the actor's `stopped` has run and the file is closed when this is ready or dropped.
pub struct Driver {
    socket: Rc<Socket>,
    actor: Option<ActorStream>,
    /// When the closing handshake is given up; set once it begins.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Dropped with the driver, after the file is closed.
    _held: Option<Box<dyn Any>>,
}

impl Driver {
    /// A driver for a socket and the output of its actor's context, and what to hold until the file is closed.
    pub fn new(socket: Rc<Socket>, actor: ActorStream, held: Option<Box<dyn Any>>) -> Self {
        Self { socket, actor: Some(actor), deadline: None, _held: held }
    }

    fn poll_actor(&mut self, cx: &mut Context<'_>) {
        while let Some(actor) = &mut self.actor {
            match actor.as_mut().poll_next(cx) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(bytes))) => self.socket.send(&Frame::from_encoded(bytes)),
                Poll::Ready(Some(Err(_)) | None) => {
                    self.actor = None;
                    // An actor that stops without having closed its socket is a fault; else this does nothing.
                    self.socket.close(CloseCode::Internal.number(), CloseCode::Internal.reason());
                }
            }
        }
    }

    /// Sees the closing handshake through: flush, end the write side, then discard until the peer ends.
    ///
    /// The discarding matters: closing a file with unread input resets the connection, and the peer may never
    /// see the close frame.
    fn poll_closing(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timeout = self.socket.close_timeout();
        let deadline = (self.deadline).get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        if deadline.as_mut().poll(cx).is_ready() {
            self.socket.release(true);
            return Poll::Ready(());
        }
        loop {
            let flushed = self.socket.poll_flush(cx).is_ready();
            match self.socket.phase() {
                Phase::Gone => return Poll::Ready(()),
                Phase::Ending if flushed => self.socket.end_writing(),
                _ => {}
            }
            match self.socket.poll_read(cx, |_, seen| seen.end) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Ready(Some(Some(end))) if self.socket.phase() == Phase::Closing => {
                    self.socket.answer(end);
                }
                Poll::Ready(Some(_)) => {}
            }
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.socket.begin_poll(cx);
        self.poll_actor(cx);
        let _ = self.socket.poll_flush(cx);
        match self.socket.phase() {
            Phase::Open => Poll::Pending,
            Phase::Gone => Poll::Ready(()),
            Phase::Closing | Phase::Ending | Phase::Ended => self.poll_closing(cx),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.actor = None;
        self.socket.release(false);
    }
}
