//! The web client in real browsers, over real servers.
//!
//! - [`talking`]: what two people see of each other. [`reading`]: rooms with a past. [`identity`]: who one is.
//! - [`outages`]: servers that die, drain and lose Redis, networks that go away, pages that are closed too early.
//! - [`keyboard`], [`screens`], [`accessibility`]: the page without a mouse, on small screens, and for those who hear it.
//! - [`admin`]: the admin page.
//! - [`weight`]: what it costs to open. [`embed`]: the library on a page that is not ours.
//!
//! [`person`] is all that knows how the page is built.

mod accessibility;
mod admin;
mod embed;
mod identity;
mod keyboard;
mod outages;
mod person;
mod reading;
mod screens;
mod talking;
mod weight;
