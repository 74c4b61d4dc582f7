//! The store that many instances share: one Redis.

mod accounts;
mod bans;
mod clients;
mod config;
mod context;
mod directory;
mod failure;
mod import;
mod keys;
mod leases;
mod presence;
mod scripts;
mod unavailable;

pub use accounts::RedisAccounts;
pub use config::RedisConfig;
pub use directory::{RedisDirectory, settle_identity};
pub use import::{Carried, ImportError, RedisImport};
pub use leases::{Lease, Leases};
pub use presence::RedisPresence;
