//! Where the clients of a driver go.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs},
    time::Duration,
};

use actix_web::http::Uri;
use mio::net::TcpStream;
use socket2::{Domain, Socket, Type};

use super::error::BenchError;

/// Clients from one loopback address; Linux has 28,232 ports for outgoing connections of an address by default.
const CLIENTS_PER_SOURCE: usize = 20_000;

/// Clients from one network, where a balancer is to tell them apart: 127.0.1.1, 127.0.2.1 and so on.
const CLIENTS_PER_NETWORK: usize = 1_000;

/// How long one connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The address of a server's WebSocket.
#[derive(Clone, Debug)]
pub(super) struct Target {
    address: SocketAddr,
    path: String,
    /// The number of the first client among all that come from many networks; none if they come as it takes least.
    first_of_networks: Option<usize>,
}

impl Target {
    /// The chat of a server of this machine.
    pub(super) fn local(address: SocketAddr) -> Self {
        Self { address, path: "/chat".into(), first_of_networks: None }
    }

    /// The same for clients of whom each thousand is in a network of its own; `first` of them are elsewhere.
    pub(super) fn over_networks(self, first: usize) -> Self {
        Self { first_of_networks: Some(first), ..self }
    }

    /// Reads `ws://host:port/path`; without a path it is `/chat`.
    ///
    /// # Errors
    /// [`BenchError::Url`] if it is none, or its host is not known.
    pub(super) fn parse(url: &str) -> Result<Self, BenchError> {
        let bad = || BenchError::Url(url.into());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let (Some("ws"), Some(host)) = (uri.scheme_str(), uri.host()) else { return Err(bad()) };
        let host = host.trim_matches(['[', ']']);
        let address = (host, uri.port_u16().unwrap_or(80)).to_socket_addrs().map_err(|_| bad())?.next();
        let path = if uri.path() == "/" { "/chat" } else { uri.path() };
        Ok(Self { address: address.ok_or_else(bad)?, path: path.into(), first_of_networks: None })
    }

    /// Connects the client number `index`, from one of the loopback addresses if that is where the server is.
    ///
    /// # Errors
    /// If the server does not take the connection.
    pub(super) fn connect(&self, index: usize) -> Result<TcpStream, BenchError> {
        let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, None)?;
        if let Some(source) = self.source(index) {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        // A run opens thousands of connections: none shall leave its port in TIME_WAIT for the next run to miss.
        socket.set_linger(Some(Duration::ZERO))?;
        socket.set_tcp_nodelay(true)?;
        socket.connect_timeout(&self.address.into(), CONNECT_TIMEOUT)?;
        socket.set_nonblocking(true)?;
        Ok(TcpStream::from_std(socket.into()))
    }

    /// The opening handshake (RFC 6455 section 4.1) of a guest who joins `rooms`, names with commas.
    pub(super) fn handshake(&self, rooms: &str) -> String {
        let Self { address, path, .. } = self;
        // The key of the RFC's example: a server must not care whether it is random.
        format!(
            "GET {path}?room={rooms} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
    }

    fn source(&self, index: usize) -> Option<IpAddr> {
        if let Some(first) = self.first_of_networks {
            let [high, low] = u16::try_from(1 + (first + index) / CLIENTS_PER_NETWORK).ok()?.to_be_bytes();
            return Some(Ipv4Addr::new(127, high, low, 1).into());
        }
        if !self.address.ip().is_loopback() || !self.address.is_ipv4() || index < CLIENTS_PER_SOURCE {
            return None;
        }
        let last = u8::try_from(1 + index / CLIENTS_PER_SOURCE).ok()?;
        Some(Ipv4Addr::new(127, 0, 0, last).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_url_is_read() {
        let target = Target::parse("ws://127.0.0.1:3001").unwrap();
        assert!(target.handshake("a,b").starts_with("GET /chat?room=a,b HTTP/1.1\r\nHost: 127.0.0.1:3001\r\n"));
        assert!(Target::parse("ws://[::1]:80/x").unwrap().handshake("").starts_with("GET /x?room= "));
        for bad in ["", "http://127.0.0.1:1", "wss://127.0.0.1:1", "127.0.0.1:3001"] {
            assert!(matches!(Target::parse(bad), Err(BenchError::Url(_))), "{bad}");
        }
    }

    #[test]
    fn many_clients_come_from_many_loopback_addresses() {
        let target = Target::parse("ws://127.0.0.1:3001").unwrap();
        assert_eq!(target.source(19_999), None);
        assert_eq!(target.source(20_000), Some([127, 0, 0, 2].into()));
        assert_eq!(target.source(61_000), Some([127, 0, 0, 4].into()));
        assert_eq!(Target::parse("ws://192.0.2.1:3001").unwrap().source(61_000), None);
        let target = target.over_networks(20_000);
        assert_eq!(target.source(0), Some([127, 0, 21, 1].into()));
        assert_eq!(target.source(9_999), Some([127, 0, 30, 1].into()));
    }
}
