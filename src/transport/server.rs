//! The listener: HTTP and WebSockets on one port.

use super::upgrade;
use actix_http::{
    HttpService, Request, Response,
    body::{BoxBody, MessageBody},
};
use actix_rt::net::TcpStream;
use actix_server::Server;
use actix_service::{IntoServiceFactory, Service, ServiceFactory, fn_factory, fn_service, map_config};
use actix_web::dev::AppConfig;
use socket2::SockRef;
use std::{fmt::Debug, io, net::TcpListener, rc::Rc, time::Duration};

/// How long a client may take to send the head of a request, a handshake included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the kernel keeps trying to send to a client that takes nothing: one that is gone, or one that never reads.
pub const PEER_TIMEOUT: Duration = Duration::from_secs(30);

/// How the server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// Worker threads, each with an event loop of its own; at least 1.
    pub workers: usize,
    /// Connections in the HTTP stack at once, of each worker; above it the kernel's backlog fills. A WebSocket leaves
    /// the HTTP stack with its handshake, so it does not count here: the application bounds those.
    pub max_connections: usize,
    /// How long what is sent may wait for a client that takes none of it, in whole milliseconds; then its connection is
    /// ended, a WebSocket too. [`PEER_TIMEOUT`], but for tests.
    pub peer_timeout: Duration,
}

/// Serves an actix-web application on a bound listener; the result runs once it is awaited in an actix system.
///
/// `app` is called twice per worker: requests with `Connection: Upgrade` go to an instance of their own. Shared
/// state must therefore be made outside of it. A route admits a WebSocket by answering with
/// [`Admission::respond`](super::admission::Admission::respond); any other answer to such a request is sent as an
/// ordinary response, and the connection ends. Signals are left to the caller.
///
/// # Errors
/// If the listener cannot be taken over.
pub fn build<F, I, S, B>(listener: TcpListener, options: &ServerOptions, app: F) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Response<BoxBody>> + 'static,
    S::InitError: Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Future: 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let peer_timeout = options.peer_timeout;
    let server = Server::build()
        .workers(options.workers)
        .max_concurrent_connections(options.max_connections)
        .disable_signals()
        .listen("http", listener, move || {
            let upgrading = app().into_factory();
            let upgrade = fn_factory(move || {
                let service = upgrading.new_service(AppConfig::default());
                async move {
                    let service = Rc::new(service.await?);
                    Ok::<_, S::InitError>(fn_service(move |(request, connection)| {
                        let service = Rc::clone(&service);
                        // Boxed, so that it does not widen the state of every HTTP connection.
                        Box::pin(async move {
                            upgrade::answer(&*service, request, connection).await;
                            Ok::<_, actix_web::Error>(())
                        })
                    }))
                }
            });
            HttpService::build()
                .client_request_timeout(HEAD_TIMEOUT)
                .on_connect_ext(move |stream, _| bound_peer(stream, peer_timeout))
                .upgrade(upgrade)
                .finish(map_config(app().into_factory(), |()| AppConfig::default()))
                .tcp()
        })?;
    Ok(server.run())
}

/// The HTTP stack waits for as long as a client likes to take an answer: the kernel must not. It stays so when the
/// connection becomes a WebSocket.
fn bound_peer(stream: &TcpStream, peer_timeout: Duration) {
    // A socket the peer reset just now refuses it.
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(stream).set_tcp_user_timeout(Some(peer_timeout));
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use actix_web::{App, web};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        time::timeout,
    };

    /// More than the kernel takes for a client that does not read.
    const ANSWER_BYTES: usize = 16 << 20;
    const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    #[actix_web::test]
    async fn a_client_that_never_reads_its_answer_gives_its_place_back() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let options = ServerOptions { workers: 1, max_connections: 1, peer_timeout: Duration::from_secs(1) };
        let answer = || async { "x".repeat(ANSWER_BYTES) };
        let server = build(listener, &options, move || App::new().route("/", web::get().to(answer))).unwrap();
        let handle = server.handle();
        actix_rt::spawn(server);
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(GET).await.unwrap();
        let mut first = [0; 15];
        silent.read_exact(&mut first).await.unwrap();
        assert_eq!(first, *b"HTTP/1.1 200 OK");

        let mut next = TcpStream::connect(address).await.unwrap();
        next.write_all(GET).await.unwrap();
        let answered = timeout(Duration::from_millis(200), next.read_exact(&mut first)).await;
        assert!(answered.is_err(), "the only place is taken");
        timeout(Duration::from_secs(20), next.read_exact(&mut first)).await.expect("the place is free").unwrap();
        drop((silent, next));
        handle.stop(false).await;
    }
}
