//! The Redis of a cluster: run from the shipped configuration, for this machine alone.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    path::Path,
    process::Command,
};

use sha2::{Digest, Sha256};

use super::{
    error::ClusterError,
    folder::{Folder, write_private},
    process::Process,
};
use crate::auth::secret::Secret;

/// What operators are given, as it is.
const CONFIG: &str = include_str!("../../config/redis/redis.conf");
const USERS: &str = include_str!("../../config/redis/users.acl");

/// The user that replicas are.
pub(super) const USER: &str = "api-chat";

/// Lines of the shipped configuration that a cluster on one machine has otherwise.
const PORT: &str = "\nport 6379\n";
const DATA: &str = "\ndir /var/lib/redis\n";
const ACL: &str = "\naclfile /etc/redis/users.acl\n";

/// Below the ports that Linux gives to outgoing connections.
const PORTS: Range<u16> = 10_000..32_000;

/// Starts one on `port` with what it kept from before.
///
/// # Errors
/// If its files cannot be written, or it does not start. Whether it serves is to be asked.
pub(super) fn launch(program: &Path, folder: &Folder, port: u16, password: &Secret) -> Result<Process, ClusterError> {
    let own = folder.redis();
    let file = own.join("redis.conf");
    write_private(&file, &config(port))?;
    write_private(&own.join("users.acl"), &users(password))?;
    // Its folder by the command, so that no path needs quoting in the file.
    let mut command = Command::new(program);
    Process::spawn(command.arg(&file).current_dir(&own), &folder.log("redis")).map_err(ClusterError::file(program))
}

/// What replicas are given as `REDIS_URL`.
pub(super) fn url(port: u16, password: &Secret) -> String {
    format!("redis://{USER}:{}@127.0.0.1:{port}", password.expose())
}

/// A port that nobody listens on at this moment.
///
/// # Errors
/// If the system gives no socket.
pub(crate) fn free_port() -> io::Result<u16> {
    loop {
        let port = rand::random_range(PORTS);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
}

fn config(port: u16) -> String {
    CONFIG
        .replace(PORT, &format!("\nbind 127.0.0.1\nport {port}\n"))
        .replace(DATA, "\ndir .\n")
        .replace(ACL, "\naclfile users.acl\n")
}

fn users(password: &Secret) -> String {
    let hash: String = Sha256::digest(password.expose()).iter().map(|byte| format!("{byte:02x}")).collect();
    USERS.replace(&"0".repeat(64), &hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_files_have_what_is_replaced() {
        for line in [PORT, DATA, ACL] {
            assert_eq!(CONFIG.matches(line).count(), 1, "{line}");
        }
        let config = config(12_345);
        for line in ["bind 127.0.0.1", "port 12345", "dir .", "aclfile users.acl", "maxmemory-policy noeviction"] {
            assert!(config.lines().any(|there| there == line), "{line}");
        }
        let users = users(&Secret::new("abc"));
        // The digest of "abc" in FIPS 180-2.
        assert!(users.contains("#ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad "), "{users}");
        assert!(!users.contains("0000000000"));
    }
}
