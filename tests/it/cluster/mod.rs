//! Several instances that are one chat, over a real Redis.
//!
//! - [`crowd`]: servers, as people and operators see them.
//! - [`instance`]: an instance's store alone, many of them in this process. [`presence`], [`registry`], [`leases`]: what
//!   such instances share.

mod crowd;
mod instance;
mod leases;
mod presence;
mod registry;
