//! A route handler's yes to a WebSocket: the limits, and how to start its actor.

use super::{
    driver::Driver,
    handshake::Handshake,
    reader::Reader,
    socket::{Socket, SocketConfig},
};
use actix::{Actor, StreamHandler};
use actix_http::ws::{Message, ProtocolError};
use actix_rt::net::TcpStream;
use actix_web::HttpResponse;
use actix_web_actors::ws::WebsocketContext;
use bytes::Bytes;
use futures_util::{Stream, stream};
use std::{any::Any, pin::Pin, rc::Rc};

/// What an actor's context gives: bytes to send, until the actor has stopped.
pub type ActorStream = Pin<Box<dyn Stream<Item = Result<Bytes, actix_web::Error>>>>;

type Start = Box<dyn FnOnce(Rc<Socket>, Reader) -> ActorStream>;

/// Travels in the extensions of a 101 response from the route handler to the upgrade service.
pub struct Admission {
    config: SocketConfig,
    start: Start,
    held: Option<Box<dyn Any>>,
}

impl Admission {
    /// Admits a client: `actor` makes its actor once the handshake is answered, on the worker of the connection.
    ///
    /// The actor sends through the [`Socket`]; its stream of messages ends when the connection does.
    pub fn new<A>(config: SocketConfig, actor: impl FnOnce(Rc<Socket>) -> A + 'static) -> Self
    where
        A: Actor<Context = WebsocketContext<A>> + StreamHandler<Result<Message, ProtocolError>>,
    {
        Self {
            config,
            start: Box::new(move |socket, reader| {
                // The context's own byte stream stays silent: the reader takes its place, and says why.
                Box::pin(WebsocketContext::with_factory(stream::pending(), |context| {
                    A::add_stream(reader, context);
                    actor(socket)
                }))
            }),
            held: None,
        }
    }

    /// Keeps `held` until the connection has ended for good: its closing handshake is over and its file closed, which
    /// may be long after its actor has stopped.
    #[must_use]
    pub fn holding(mut self, held: impl Any) -> Self {
        self.held = Some(Box::new(held));
        self
    }

    /// The handler's answer: 101, with the subprotocol chosen if any. Headers may be added to it.
    pub fn respond(self, handshake: &Handshake, protocol: Option<&str>) -> HttpResponse {
        let mut response = handshake.response(protocol);
        response.extensions_mut().insert(self);
        response
    }

    /// Takes over the stream and drives it to its end in a task of its own.
    pub(super) fn start(self, stream: TcpStream, early: Bytes) {
        let socket = Socket::new(stream, early, &self.config);
        let reader = Reader::new(Rc::clone(&socket), self.config.frame_limit);
        let actor = (self.start)(Rc::clone(&socket), reader);
        actix_rt::spawn(Driver::new(socket, actor, self.held));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::socket::Ending;
    use actix::{ActorContext, AsyncContext};
    use std::{cell::Cell, time::Duration};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        sync::oneshot,
        time::timeout,
    };

    const CLOSE_1000: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8];
    const TEXT_X: [u8; 7] = [0x81, 0x81, 0, 0, 0, 0, b'x'];
    const UNMASKED: [u8; 2] = [0x81, 0x00];

    /// Stops at any message, and tells how its connection ended once it has stopped.
    struct Stopper {
        socket: Rc<Socket>,
        closes: Option<u16>,
        stopped: Cell<Option<oneshot::Sender<Option<Ending>>>>,
    }

    impl Actor for Stopper {
        type Context = WebsocketContext<Self>;

        fn started(&mut self, context: &mut Self::Context) {
            // Held up by more than its stream, as real actors are.
            context.run_interval(Duration::from_secs(3600), |_, _| {});
            if let Some(code) = self.closes {
                self.socket.close(code, "");
            }
        }

        fn stopped(&mut self, _: &mut Self::Context) {
            if let Some(told) = self.stopped.take() {
                let _ = told.send(self.socket.ending());
            }
        }
    }

    impl StreamHandler<Result<Message, ProtocolError>> for Stopper {
        fn handle(&mut self, _: Result<Message, ProtocolError>, context: &mut Self::Context) {
            context.stop();
        }
    }

    /// What the actor saw of the end, and what the peer heard, when the peer says `bytes` and then ends.
    async fn ending(bytes: &[u8], closes: Option<u16>) -> (Option<Ending>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let (told, stopped) = oneshot::channel();
        let stopped_cell = Cell::new(Some(told));
        let admission =
            Admission::new(SocketConfig::default(), move |socket| Stopper { socket, closes, stopped: stopped_cell });
        admission.start(stream, Bytes::new());
        peer.write_all(bytes).await.unwrap();
        if bytes.is_empty() && closes.is_none() {
            peer.shutdown().await.unwrap();
        }
        let wait = Duration::from_secs(10);
        let ending = timeout(wait, stopped).await.unwrap().unwrap();
        peer.shutdown().await.unwrap();
        let mut heard = Vec::new();
        timeout(wait, peer.read_to_end(&mut heard)).await.unwrap().unwrap();
        heard.truncate(4);
        (ending, heard)
    }

    #[actix_web::test]
    async fn stopped_runs_however_the_connection_ends() {
        let by_us = |code| Some(Ending::ByUs { code });
        let by_peer = Some(Ending::ByPeer { code: Some(1000) });
        assert_eq!(ending(&CLOSE_1000, None).await, (by_peer, vec![0x88, 2, 0x03, 0xE8]));
        assert_eq!(ending(&UNMASKED, None).await.0, by_us(1002));
        assert_eq!(ending(&[], None).await, (Some(Ending::Lost), vec![]));
        assert_eq!(ending(&[], Some(4403)).await, (by_us(4403), vec![0x88, 2, 0x11, 0x33]));
        // An actor that stops without closing: the driver closes for it.
        let (unknown, heard) = ending(&TEXT_X, None).await;
        assert_eq!((unknown, &heard[2..]), (None, &1011_u16.to_be_bytes()[..]));
    }
}
