//! The actors, and the way of a message through them.
//!
//! [`connection`] (one per socket) asks the [`hub`] (one per instance), which asks the store through the [`bridge`];
//! what comes back goes from the hub to the [`fanout`] of each worker, which writes to the sockets itself.
//!
//! Nobody awaits a send to another actor. Every hop is a bounded `try_send` with a decided answer to `Full`; the few
//! `do_send`s carry at most one message per connection or per accepted command, so what was accepted bounds them.

pub mod bridge;
pub mod connection;
pub mod encode;
pub mod fanout;
pub mod hub;
pub mod members;
pub mod messages;
pub mod requests;
