//! WebSocket connections over actix: the handshake, the socket, and the loop that drives it.
//!
//! A connection is taken out of the HTTP stack once its handshake is answered, and driven by [`driver::Driver`]:
//! no buffers of its own while idle, a bounded queue, and every client byte inspected by [`guard::FrameGuard`] first.

pub mod admission;
pub mod assembler;
mod config;
pub mod driver;
pub mod guard;
pub mod handshake;
mod intake;
pub mod outbox;
pub mod pages;
pub mod reader;
pub mod server;
pub mod socket;
pub mod upgrade;
pub mod utf8;
pub mod violation;
