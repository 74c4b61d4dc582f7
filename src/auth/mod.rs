//! Who somebody is and what they may do: tokens, passwords, keys, names and rights.
//!
//! Plain values in, plain values out; only what asks the store ([`accounts`]) or hashes a password is async.
//!
//! - [`identity`]: credentials of a request → who it is; [`jwt`], [`resume`] and [`session`] prove it.
//! - [`password`], [`names`]: hashing, and the rules for names.
//! - [`keys`]: API keys of programs.
//! - [`origin`], [`address`]: where a request comes from.
//! - [`config`], [`secret`]: the settings of all that.

pub mod accounts;
pub mod address;
pub mod config;
pub mod identity;
pub mod jwt;
pub mod keys;
pub mod names;
pub mod origin;
pub mod password;
pub mod resume;
pub mod secret;
pub mod session;

#[cfg(test)]
mod testing;
