//! An echo over the server's own transport: what the protocol tests of RFC 6455 are run against.
//!
//! `PORT` (19010) chooses the port, `WORKERS` (1) the threads; the socket is at `/echo`.

use actix::{Actor, StreamHandler};
use actix_http::ws::{Message, ProtocolError};
use actix_server::Server;
use actix_web::{App, HttpRequest, HttpResponse, web};
use actix_web_actors::ws::WebsocketContext;
use hubbub::{
    protocol::frame::Frame,
    transport::{
        admission::Admission,
        assembler::{Assembler, Data},
        handshake::{self, Refusal},
        server::{self, PEER_TIMEOUT, ServerOptions},
        socket::{Socket, SocketConfig},
    },
};
use std::{io, net::TcpListener, rc::Rc};

#[cfg(not(test))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Limits wide enough for every published protocol test: messages of 64 MiB, two of them waiting.
pub fn wide_limits() -> SocketConfig {
    SocketConfig { frame_limit: 64 << 20, queue_bytes: 128 << 20, binary: true, ..SocketConfig::default() }
}

/// Serves the echo at `/echo`, and a page at `/`, on a bound listener.
///
/// # Errors
/// As [`server::build`].
pub fn serve(listener: TcpListener, workers: usize, limits: SocketConfig) -> io::Result<Server> {
    let options = ServerOptions { workers, max_connections: 25_000, peer_timeout: PEER_TIMEOUT };
    server::build(listener, &options, move || {
        App::new()
            .app_data(web::Data::new(limits.clone()))
            .route("/echo", web::route().to(admit))
            .route("/", web::get().to(|| async { "echo" }))
    })
}

async fn admit(request: HttpRequest, limits: web::Data<SocketConfig>) -> Result<HttpResponse, Refusal> {
    let handshake = handshake::verify(&request)?;
    let protocol = handshake::offered(&request).find(|protocol| *protocol == "echo");
    let admission =
        Admission::new(SocketConfig::clone(&limits), |socket| Echo { socket, fragments: Assembler::default() });
    Ok(admission.respond(&handshake, protocol))
}

struct Echo {
    socket: Rc<Socket>,
    fragments: Assembler,
}

impl Actor for Echo {
    type Context = WebsocketContext<Self>;
}

impl StreamHandler<Result<Message, ProtocolError>> for Echo {
    fn handle(&mut self, message: Result<Message, ProtocolError>, _: &mut Self::Context) {
        // The transport inspects every frame before the codec does, so no error comes this far.
        let Ok(message) = message else { return };
        if let Message::Ping(payload) = &message {
            self.socket.pong(payload);
        }
        match self.fragments.push(message) {
            Some(Data::Text(text)) => self.socket.send(&Frame::text(&text)),
            Some(Data::Binary(bytes)) => self.socket.send(&Frame::binary(&bytes)),
            None => {}
        }
    }
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    let number = |name: &str, otherwise: u16| {
        (std::env::var(name).ok()).and_then(|value| value.parse().ok()).unwrap_or(otherwise)
    };
    let listener = TcpListener::bind(("127.0.0.1", number("PORT", 19_010)))?;
    serve(listener, usize::from(number("WORKERS", 1)), wide_limits())?.await
}
