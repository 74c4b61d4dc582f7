//! The address the server listens on.

use std::{
    io::{self, Write},
    net::{SocketAddr, TcpListener},
};

use super::StartError;
use crate::settings::Settings;

/// Takes the first free port of the settings.
pub(super) fn listen(settings: &Settings) -> Result<(TcpListener, SocketAddr), StartError> {
    let mut refused = None;
    for port in settings.server.ports() {
        let address = SocketAddr::new(settings.server.host, port);
        match bind(address) {
            Ok(listener) => {
                let address = listener.local_addr()?;
                return Ok((listener, address));
            }
            Err(source) => refused = Some(StartError::Listen { address: address.to_string(), source }),
        }
    }
    Err(refused.unwrap_or_else(|| StartError::Io(io::Error::other("no port to listen on"))))
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
