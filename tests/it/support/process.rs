//! Processes of the tests: signals by id, and ports to start them on.

use std::{net::TcpListener, process::Command};

/// Sends a signal (`TERM`, `STOP`, `CONT`) to a process that the test started.
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap();
    assert!(sent.success(), "no signal {name} to {pid}");
}

/// A port that nobody listens on at this moment. Somebody may in the next: who starts on it tries again with another.
///
/// It is below those that the system gives to outgoing connections (32768 and up on Linux): a client that tries to
/// connect to a server that is down would, there, sooner or later be connected to itself, and a server that starts
/// again would find its port taken.
pub(crate) fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| rand::random_range(10_000..32_000));
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}
