//! The rules of a chat, pure: values and a time in, values out. No clock, no socket, no store, no log.
//!
//! - [`session`]: what one connection's frames lead to.
//! - [`position`]: one room's log as an instance has it: order, gaps, duplicates, forks.
//! - [`attendance`]: who of this instance is in a room, and what to tell the presence store.
//! - [`dedup`]: what was taken already.
//! - [`link`]: whether the store that instances share can be used.
//! - [`throttle`]: who may pass again, and when.
//! - [`search`]: finding a word in what admins look through.
//! - [`headroom`], [`schedule`]: how many newcomers an instance can take; when a drain closes whom, and when they come back.
//! - [`lifesigns`], [`strikes`]: when to ping, when enough is enough.

pub mod access;
pub mod attendance;
pub mod dedup;
pub mod headroom;
pub mod lifesigns;
pub mod link;
pub mod position;
pub mod recent;
pub mod schedule;
pub mod search;
pub mod session;
pub mod strikes;
pub mod throttle;
