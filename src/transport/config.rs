//! The limits a connection is held to.

use super::pages::Pages;
use std::{sync::Arc, time::Duration};

/// Limits of one connection.
#[derive(Debug, Clone)]
pub struct SocketConfig {
    /// Most payload bytes of a client's message, whole or in fragments; more is answered with 1009.
    pub frame_limit: usize,
    /// Most bytes waiting for the client; more is answered with 4413.
    pub queue_bytes: usize,
    /// What all connections of these limits may have waiting beyond that of pages that were asked for.
    pub pages: Arc<Pages>,
    /// Whether binary messages are accepted; if not they are answered with 1003.
    pub binary: bool,
    /// How long a closing handshake may take, from our close frame to the end of the connection.
    pub close_timeout: Duration,
}

impl Default for SocketConfig {
    /// The limits of PROTOCOL sections 1 and 6; the pages are counted with those of its clones.
    fn default() -> Self {
        Self {
            frame_limit: 64 * 1024,
            queue_bytes: 256 * 1024,
            pages: Arc::default(),
            binary: false,
            close_timeout: Duration::from_secs(5),
        }
    }
}
