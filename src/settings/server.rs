//! Section `server`: where it listens and who it is.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroUsize,
    ops::RangeInclusive,
    path::PathBuf,
    thread,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::sections::empty_as_none;
use crate::{auth::config::InvalidSetting, metrics::process, protocol::ids::InstanceId};

/// Files kept free for what is not a connection: the store, the log, the HTTP stack (PROTOCOL section 6).
pub const RESERVED_FILES: usize = 256;

/// The open-file limit taken where the system does not tell: what POSIX systems start programs with.
const ASSUMED_FILE_LIMIT: usize = 1024;

/// Fewest connections of a worker's HTTP stack: too few would let a handful of idle browsers shut all others out.
const MIN_HTTP_CONNECTIONS: usize = 64;

/// Most connections of a worker's HTTP stack, where open files are without limit: 16 KiB of buffers each.
const MAX_HTTP_CONNECTIONS: usize = 16_384;

/// The settings of the listener and the instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// `HOST`: the address it listens on.
    pub host: IpAddr,
    /// `PORT`: a number (0 = any that is free), or `auto`.
    pub port: Port,
    /// `PORT_RANGE_START`: the first port `auto` tries.
    pub port_range_start: u16,
    /// `PORT_RANGE_END`: the last one.
    pub port_range_end: u16,
    /// `HOSTNAME`: the name shown in `/health`. Unset: the system's.
    #[serde(deserialize_with = "empty_as_none")]
    pub hostname: Option<String>,
    /// `INSTANCE_ID`: `[A-Za-z0-9._-]{1,64}`. Unset: unique at each start.
    #[serde(deserialize_with = "empty_as_none")]
    pub instance_id: Option<InstanceId>,
    /// Worker threads; 0 = one per core.
    pub workers: usize,
    /// `MAX_SESSIONS`: most connections at once; 0 = the open-file limit (which `serve` raises first) − 256.
    pub max_sessions: usize,
    /// Serve the web client from this folder rather than from the program, for working on it.
    #[serde(deserialize_with = "empty_as_none")]
    pub static_dir: Option<PathBuf>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            host: IpAddr::from([127, 0, 0, 1]),
            port: Port::Number(3001),
            port_range_start: 3101,
            port_range_end: 3199,
            hostname: None,
            instance_id: None,
            workers: 0,
            max_sessions: 0,
            static_dir: None,
        }
    }
}

impl Server {
    /// Checks the section.
    ///
    /// # Errors
    /// Names the setting.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        if self.port_range_start == 0 || self.port_range_start > self.port_range_end {
            let range = format!("{}-{}", self.port_range_start, self.port_range_end);
            let problem = format!("{range} is no range; PORT_RANGE_START is 1 to PORT_RANGE_END");
            return Err(InvalidSetting::new("server.port_range_start", problem));
        }
        if self.workers > 1_024 {
            return Err(InvalidSetting::new("server.workers", "has 0 (one per core) to 1024"));
        }
        match &self.static_dir {
            Some(dir) if !dir.is_dir() => {
                Err(InvalidSetting::new("server.static_dir", format!("'{}' is no folder", dir.display())))
            }
            _ => Ok(()),
        }
    }

    /// The ports to try, in order; the first that is free is taken.
    pub fn ports(&self) -> RangeInclusive<u16> {
        match self.port {
            Port::Number(port) => port..=port,
            Port::Auto => self.port_range_start..=self.port_range_end,
        }
    }

    /// Where a program of this machine reaches the server.
    ///
    /// # Errors
    /// If the port is not known before the start.
    pub fn local_url(&self) -> Result<String, InvalidSetting> {
        let port = match self.port {
            Port::Number(port) if port > 0 => port,
            _ => return Err(InvalidSetting::new("server.port (PORT)", "is chosen at each start: give the address")),
        };
        let host = match self.host {
            IpAddr::V4(host) if host.is_unspecified() => IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::V6(host) if host.is_unspecified() => IpAddr::from(Ipv6Addr::LOCALHOST),
            host => host,
        };
        Ok(format!("http://{}", SocketAddr::new(host, port)))
    }

    /// How many worker threads there are.
    pub fn worker_count(&self) -> usize {
        match self.workers {
            0 => thread::available_parallelism().map_or(1, NonZeroUsize::get),
            workers => workers,
        }
    }

    /// How many connections there may be at once.
    pub fn session_limit(&self) -> usize {
        match self.max_sessions {
            0 => open_file_limit().saturating_sub(RESERVED_FILES).max(1),
            sessions => sessions,
        }
    }

    /// How many connections each worker's HTTP stack holds at once, WebSockets aside: its share of a quarter of the
    /// open files, and at least 64.
    pub fn http_connections_per_worker(&self) -> usize {
        http_share(open_file_limit(), self.worker_count())
    }

    /// The name shown to people.
    pub fn display_hostname(&self) -> String {
        let system = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let name = self.hostname.clone().or_else(system).unwrap_or_default();
        match name.trim() {
            "" => "localhost".into(),
            name => name.into(),
        }
    }

    /// The id set, or a fresh one of the host's name and 32 random bits: ask once per start.
    ///
    /// # Errors
    /// None for a host's name made of what an id may hold; what it may not is replaced.
    pub fn identify(&self, random: u32) -> Result<InstanceId, InvalidSetting> {
        if let Some(id) = &self.instance_id {
            return Ok(id.clone());
        }
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
        let host: String = self.display_hostname().chars().take(48).map(plain).collect();
        InstanceId::parse(&format!("{host}-{random:08x}"))
            .map_err(|refusal| InvalidSetting::new("server.instance_id", refusal.message))
    }
}

/// Which port to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// This one; 0 = any that is free.
    Number(u16),
    /// The first that is free in the range.
    Auto,
}

impl Serialize for Port {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Port::Number(port) => to.serialize_u16(*port),
            Port::Auto => to.serialize_str("auto"),
        }
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Port;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port from 0 to 65535, or 'auto'")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Port, E> {
                let port = u16::try_from(number);
                port.map(Port::Number).map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Port, E> {
                match text {
                    "auto" => Ok(Port::Auto),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }
        }

        from.deserialize_any(Visitor)
    }
}

fn http_share(open_files: usize, workers: usize) -> usize {
    (open_files / 4 / workers.max(1)).clamp(MIN_HTTP_CONNECTIONS, MAX_HTTP_CONNECTIONS)
}

fn open_file_limit() -> usize {
    process::open_file_limit().unwrap_or(ASSUMED_FILE_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_listens_on_all_addresses_is_asked_on_loopback() {
        let url = |host: &str, port| Server { host: host.parse().unwrap(), port, ..Server::default() }.local_url();
        assert_eq!(url("0.0.0.0", Port::Number(80)).unwrap(), "http://127.0.0.1:80");
        assert_eq!(url("::", Port::Number(80)).unwrap(), "http://[::1]:80");
        assert_eq!(url("10.0.0.5", Port::Number(3001)).unwrap(), "http://10.0.0.5:3001");
        assert!(url("::", Port::Auto).is_err() && url("::", Port::Number(0)).is_err());
    }

    #[test]
    fn workers_share_a_quarter_of_the_files() {
        assert_eq!(http_share(65_536, 4), 4_096);
        assert_eq!(http_share(256, 8), 64);
        assert_eq!(http_share(usize::MAX, 1), 16_384);
    }

    #[test]
    fn auto_is_a_range_and_a_number_is_itself() {
        let server = Server { port: Port::Auto, ..Server::default() };
        assert_eq!(server.ports(), 3101..=3199);
        assert_eq!(Server::default().ports(), 3001..=3001);
    }

    #[test]
    fn an_instance_has_a_lawful_id_whatever_the_host_is_called() {
        let server = Server { hostname: Some("Grüße an alle".repeat(9)), ..Server::default() };
        let id = server.identify(0xAB).unwrap();
        assert!(id.as_str().ends_with("-000000ab") && id.as_str().len() <= 64, "{id}");
        let named = Server { instance_id: Some(InstanceId::parse("api-1").unwrap()), ..Server::default() };
        assert_eq!(named.identify(1).unwrap().as_str(), "api-1");
    }

    #[test]
    fn bad_values_are_named() {
        let upside_down = Server { port_range_start: 9, port_range_end: 8, ..Server::default() };
        assert!(upside_down.validate().unwrap_err().to_string().contains("9-8"));
        let nowhere = Server { static_dir: Some("/nowhere/at/all".into()), ..Server::default() };
        assert_eq!(nowhere.validate().unwrap_err().key, "server.static_dir");
    }
}
