//! The listener: HTTP and WebSockets on one port.

use super::upgrade;
use actix_http::{
    HttpService, Request, Response,
    body::{BoxBody, MessageBody},
};
use actix_server::Server;
use actix_service::{IntoServiceFactory, Service, ServiceFactory, fn_factory, fn_service, map_config};
use actix_web::dev::AppConfig;
use std::{fmt::Debug, io, net::TcpListener, rc::Rc, time::Duration};

/// How long a client may take to send the head of a request, a handshake included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How the server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// Worker threads, each with an event loop of its own; at least 1.
    pub workers: usize,
    /// Connections in the HTTP stack at once, of each worker; above it the kernel's backlog fills. A WebSocket leaves
    /// the HTTP stack with its handshake, so it does not count here: the application bounds those.
    pub max_connections: usize,
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
                .upgrade(upgrade)
                .finish(map_config(app().into_factory(), |()| AppConfig::default()))
                .tcp()
        })?;
    Ok(server.run())
}
