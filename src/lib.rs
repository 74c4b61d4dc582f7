//! Hubbub: an actor-based, distributed WebSocket chat server.
//!
//! The layers, lowest first; a module uses only modules below it (`tests/it/layers.rs` holds this):
//!
//! 0. [`protocol`]: the wire types, plain data.
//! 1. [`chat`]: pure rules of a chat; values and a time in, values out.
//! 2. [`clock`], [`metrics`], [`lifecycle`], [`telemetry`], [`journal`].
//! 3. [`limits`], [`auth`].
//! 4. [`broker`]: the log of record and everything kept, behind small traits.
//! 5. [`transport`], [`actors`].
//! 6. [`http`], [`drain`], [`bench`], [`import`], [`cluster`], [`doctor`], [`probe`].
//! 7. [`settings`], [`app`], [`cli`].

pub mod actors;
pub mod app;
pub mod auth;
pub mod bench;
pub mod broker;
pub mod chat;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod doctor;
pub mod drain;
pub mod http;
pub mod import;
pub mod journal;
pub mod lifecycle;
pub mod limits;
pub mod metrics;
pub mod probe;
pub mod protocol;
pub mod settings;
pub mod telemetry;
pub mod transport;
