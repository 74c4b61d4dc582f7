//! The signals that ask a server to stop.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

/// SIGTERM and SIGINT.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on they no longer end the process by themselves.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next, and names it.
    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// A second signal ends the process at once; what was acknowledged is on the disk. `came`: the drain began with the
    /// first. After an admin began it the first is yet to come, as from whoever runs the server and stops it once it
    /// is drained.
    pub(super) async fn end_at_the_second(mut self, came: bool) {
        if !came {
            let name = self.next().await;
            info!("{name}: draining already");
        }
        let name = self.next().await;
        warn!("{name} again: ending at once");
        std::process::exit(1);
    }
}
