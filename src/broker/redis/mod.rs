//! The store that many instances share: one Redis.

mod clients;
mod config;
mod context;
mod directory;
mod keys;
mod leases;
mod presence;
mod scripts;
mod unavailable;

pub use config::RedisConfig;
pub use directory::{RedisDirectory, settle_identity};
pub use leases::{Lease, Leases};
pub use presence::RedisPresence;
