//! The store that many instances share: one Redis.

mod clients;
mod config;
mod context;
mod failure;
mod keys;
mod scripts;

pub use config::RedisConfig;
