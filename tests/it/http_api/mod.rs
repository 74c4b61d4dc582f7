//! The routes of PROTOCOL section 5.

mod admin;
mod assets;
mod health;
mod keys;
mod metrics;
mod rooms;
