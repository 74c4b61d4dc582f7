//! Several instances on one machine, behind one address.
//!
//! - [`nginx`]: the balancer's files.

pub mod nginx;
