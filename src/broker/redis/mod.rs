//! The store that many instances share: one Redis.

mod clients;
mod config;
mod context;
mod keys;
mod presence;
mod scripts;
mod unavailable;

pub use config::RedisConfig;
pub use presence::RedisPresence;
