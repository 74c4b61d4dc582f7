//! Processes of the tests: signals by id, and ports to start them on.

use std::{
    net::TcpListener,
    process::{Child, Command},
    thread,
    time::Instant,
};

use super::{LOOK, PATIENCE};

/// Sends a signal (`TERM`, `STOP`, `CONT`) to a process that the test started.
pub(crate) fn signal(pid: u32, name: &str) {
    assert!(try_signal(pid, name), "no signal {name} to {pid}");
}

/// Sends a signal to a process that may have ended; whether it was there.
pub(crate) fn try_signal(pid: u32, name: &str) -> bool {
    Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().is_ok_and(|sent| sent.success())
}

/// Asks a child to end; whether it has, in time.
pub(crate) fn asked_to_end(child: &mut Child) -> bool {
    try_signal(child.id(), "TERM");
    let asked = Instant::now();
    while matches!(child.try_wait(), Ok(None)) {
        if asked.elapsed() > PATIENCE {
            return false;
        }
        thread::sleep(LOOK);
    }
    true
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
