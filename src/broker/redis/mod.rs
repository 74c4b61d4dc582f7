//! The store that many instances share: one Redis.

mod accounts;
mod bans;
mod clients;
mod config;
mod context;
mod failure;
mod import;
mod keys;
mod log;
mod scripts;
mod subscriptions;

pub use accounts::RedisAccounts;
pub use config::RedisConfig;
pub use import::{Carried, ImportError, RedisImport};
pub use log::RedisBroker;
