//! The client's messages on their way to its actor.

use super::socket::Socket;
use crate::protocol::close::CloseCode;
use actix_codec::Decoder;
use actix_http::ws::{Codec, Frame, Message, ProtocolError};
use bytes::BytesMut;
use bytestring::ByteString;
use futures_util::Stream;
use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

/// The messages of one client, fragments not yet joined; ends when nothing more will come.
///
/// It stands in for the byte stream a [`WebsocketContext`](actix_web_actors::ws::WebsocketContext) would decode
/// itself. That one reads on before it decodes each frame, so a flood of tiny frames grows its buffer without end,
/// and it keeps the buffer of the largest message for as long as the connection lives. This one reads only when no
/// whole frame is left, so that the end, and what is wrong, is told after all earlier frames are handled.
#[derive(Debug)]
pub struct Reader {
    socket: Rc<Socket>,
    codec: Codec,
    buffer: BytesMut,
}

impl Reader {
    /// The reader of a socket that takes messages of at most `limit` bytes; there is one, made for its actor.
    pub(super) fn new(socket: Rc<Socket>, limit: usize) -> Self {
        Self { socket, codec: Codec::new().max_size(limit), buffer: BytesMut::new() }
    }

    fn decode(&mut self) -> Result<Option<Message>, ProtocolError> {
        let frame = self.codec.decode(&mut self.buffer)?;
        if self.buffer.is_empty() {
            // The message alone keeps the memory now: an idle connection owns no buffer.
            self.buffer = BytesMut::new();
        }
        frame.map(message).transpose()
    }
}

impl Stream for Reader {
    type Item = Result<Message, ProtocolError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            match this.decode() {
                Ok(Some(message)) => {
                    if let (Message::Close(_), Some(end)) = (&message, this.socket.end_of_input()) {
                        // Answered first, so that an actor that stops on seeing it knows the ending.
                        this.socket.answer(end);
                    }
                    return Poll::Ready(Some(Ok(message)));
                }
                Ok(None) => {}
                Err(error) => {
                    // The guard lets through only what the codec accepts: this is a fault of ours.
                    this.buffer.clear();
                    this.socket.close(CloseCode::Internal.number(), CloseCode::Internal.reason());
                    return Poll::Ready(Some(Err(error)));
                }
            }
            if !this.socket.is_open() {
                return Poll::Ready(None);
            }
            if let Some(end) = this.socket.end_of_input() {
                this.socket.answer(end);
                return Poll::Ready(None);
            }
            let Reader { socket, buffer, .. } = this;
            let read = socket.poll_read(cx, |bytes, seen| buffer.extend_from_slice(&bytes[..seen.ok]));
            if ready!(read).is_none() {
                socket.lose();
            }
        }
    }
}

fn message(frame: Frame) -> Result<Message, ProtocolError> {
    Ok(match frame {
        Frame::Text(bytes) => {
            let text = ByteString::try_from(bytes);
            Message::Text(text.map_err(|error| ProtocolError::Io(io::Error::other(error)))?)
        }
        Frame::Binary(bytes) => Message::Binary(bytes),
        Frame::Continuation(item) => Message::Continuation(item),
        Frame::Ping(bytes) => Message::Ping(bytes),
        Frame::Pong(bytes) => Message::Pong(bytes),
        Frame::Close(reason) => Message::Close(reason),
    })
}
