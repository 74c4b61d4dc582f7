//! Several instances that are one chat, over a real Redis.
//!
//! - [`instance`]: an instance's store alone, many of them in this process. [`presence`], [`registry`], [`leases`]: what
//!   such instances share.

mod instance;
mod leases;
mod presence;
mod registry;
