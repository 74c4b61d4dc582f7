//! Wiring tests: real servers, real sockets, real browsers. One binary, so that it links once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bench;
mod browser;
mod chat;
mod cli;
mod cluster;
mod cluster_command;
mod cluster_faults;
mod conformance;
mod contract;
mod deploy;
mod drain;
mod faults;
mod http_api;
mod identity;
mod import;
mod layers;
mod limits;
mod loadtest;
mod nginx;
mod openapi;
mod selfcheck;
mod settings;
mod support;
mod watch;
