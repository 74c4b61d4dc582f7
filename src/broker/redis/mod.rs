//! The store that many instances share: one Redis.

mod clients;
mod config;
mod context;
mod failure;
mod keys;
mod log;
mod scripts;
mod subscriptions;

pub use config::RedisConfig;
pub use log::RedisBroker;
