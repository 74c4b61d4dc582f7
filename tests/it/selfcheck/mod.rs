//! The support code itself: what fault tests stand on holds.

mod checker;
mod cluster;
mod ledger;
mod proxy;
mod redis;
mod sentinel;
mod timings;
