//! The wire contract as plain data: what clients send, what they are sent, and the closed catalogues of errors and
//! close codes. Nothing here knows a clock, a socket or a store.
//!
//! - [`command`]: client → server, decoded from one text frame.
//! - [`event`]: server → client, and [`entry`]: the numbered entries of a room's log.
//! - [`ids`], [`user`], [`text`]: names and the rules they keep. [`object`]: what is no array.
//! - [`error`] and [`close`]: the two catalogues.
//! - [`frame`]: an event encoded once, ready for every socket.
//! - [`envelope`]: what instances tell each other; [`record`] and [`vitals`]: what admins see of each.

pub mod close;
pub mod command;
pub mod entry;
pub mod envelope;
pub mod error;
pub mod event;
pub mod frame;
pub mod ids;
pub mod object;
pub mod record;
pub mod text;
pub mod user;
pub mod vitals;

/// The contract's version, sent in `welcome` and offered as subprotocol `hubbub.v1`.
pub const PROTOCOL_VERSION: u32 = 1;

/// The WebSocket subprotocol a server selects.
pub const SUBPROTOCOL: &str = "hubbub.v1";

/// Prefix of the subprotocol entry in which a browser offers its token, so that it stands in no URL and no log.
pub const TOKEN_SUBPROTOCOL_PREFIX: &str = "hubbub.token.";

/// The room a connection joins when it names none, and commands mean when they name none.
pub const DEFAULT_ROOM: &str = "global";
