//! The support code itself: what fault tests stand on holds.

mod proxy;
mod redis;
mod sentinel;
