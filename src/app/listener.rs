//! The address the server listens on.
//!
//! `PORT=auto` takes the first free port of its range. Where instances share a Redis they lease it there, by host: what
//! starts at the same moment does not try the same one, and who looks into Redis sees which ports of a host are taken. What
//! counts is who can bind it: a leased port that something else has is passed over, and without Redis the range is tried.

use std::{
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use super::StartError;
use crate::{
    broker::redis::{Lease, Leases},
    settings::{Settings, server::Port},
};

/// What the server listens with.
pub(super) struct Listening {
    pub(super) listener: TcpListener,
    pub(super) address: SocketAddr,
    /// The port, among the instances of this host. Lost in an outage, it stays this server's for as long as it is bound.
    pub(super) lease: Option<Lease>,
}

/// Takes the first free port of the settings; see the module.
pub(super) async fn listen(settings: &Settings, leases: Option<&Leases>) -> Result<Listening, StartError> {
    match leases {
        Some(leases) if settings.server.port == Port::Auto => lease(settings, leases).await,
        _ => first_free(settings),
    }
}

fn first_free(settings: &Settings) -> Result<Listening, StartError> {
    let mut refused = None;
    for port in settings.server.ports() {
        match take(settings, port) {
            Ok((listener, address)) => return Ok(Listening { listener, address, lease: None }),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.unwrap_or_else(none_left))
}

async fn lease(settings: &Settings, leases: &Leases) -> Result<Listening, StartError> {
    let ports = settings.server.ports();
    let pool = format!("ports:{}", settings.server.display_hostname());
    let ttl = Duration::from_millis(settings.distributed.instance_ttl_ms);
    // Kept until one is found, so that the next one leased is another.
    let (mut passed_over, mut refused) = (Vec::new(), None);
    let found = loop {
        let range = u32::from(*ports.start())..=u32::from(*ports.end());
        let Ok(leased) = leases.reserve(&pool, range, ttl).await else { break first_free(settings) };
        let Some(lease) = leased else { break Err(refused.unwrap_or_else(none_left)) };
        // A number of the range, which is of ports.
        let Ok(port) = u16::try_from(lease.number()) else { break Err(none_left()) };
        match take(settings, port) {
            Ok((listener, address)) => break Ok(Listening { listener, address, lease: Some(lease) }),
            Err(error) => {
                passed_over.push(lease);
                refused = Some(error);
            }
        }
    };
    for lease in passed_over {
        lease.release().await;
    }
    found
}

fn take(settings: &Settings, port: u16) -> Result<(TcpListener, SocketAddr), StartError> {
    let address = SocketAddr::new(settings.server.host, port);
    bind(address)
        .and_then(|listener| listener.local_addr().map(|address| (listener, address)))
        .map_err(|source| StartError::Listen { address: address.to_string(), source })
}

fn none_left() -> StartError {
    StartError::Io(io::Error::other("no port of the range is free"))
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    // Reconnects come in storms; what does not fit is answered by the kernel with silence, and tried again after 1 s.
    socket.listen(4_096)?;
    Ok(socket.into())
}

/// Says where it listens, on standard output: the log goes to standard error.
pub(super) fn announce(address: SocketAddr) -> io::Result<()> {
    let host = if address.ip().is_loopback() { "localhost".to_owned() } else { address.ip().to_string() };
    let mut out = io::stdout().lock();
    writeln!(out, "Hubbub is ready at http://{host}:{}", address.port())?;
    out.flush()
}
