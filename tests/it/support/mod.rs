//! What the wiring tests stand on: the real program in a process of its own, and those who talk to it.
//!
//! - [`server`]: starts, stops and kills the program.
//! - [`dial`]: connecting, or being refused. [`client`]: a chat client that remembers everything it was told.
//! - [`redis`]: a real Redis, and its faults ([`daemon`], [`process`], [`resp`]: what it stands on).
//! - [`sentinel`]: a primary, a replica, and who watches them.
//! - [`proxy`]: a network between two that can be cut, stalled and slowed.
//! - [`cluster`]: several instances around one Redis. [`nginx`]: a real one in front of them.
//! - [`checker`]: many clients that follow the contract through every fault, and [`ledger`], which finds what was broken.
//! - [`web`]: plain HTTP. [`token`]: JWTs of any shape. [`browser`]: headless Chromium.
//!
//! Everything that waits, waits for a condition, and fails after [`PATIENCE`].

pub(crate) mod browser;
pub(crate) mod checker;
pub(crate) mod client;
pub(crate) mod cluster;
mod daemon;
pub(crate) mod dial;
pub(crate) mod ledger;
pub(crate) mod nginx;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod redis;
pub(crate) mod resp;
pub(crate) mod sentinel;
pub(crate) mod server;
pub(crate) mod token;
pub(crate) mod web;

use std::time::{Duration, Instant};

pub(crate) use client::Client;
pub(crate) use dial::{Dial, Refused};
pub(crate) use redis::Redis;
pub(crate) use serde_json::{Value, json};
pub(crate) use server::Server;

/// What has not happened after this long never will.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition that nothing announces is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Waits until `look` finds something.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(LOOK).await;
    }
}
