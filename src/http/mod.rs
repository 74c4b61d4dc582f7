//! The outside door over HTTP: the web client, accounts, rooms, operations, and the way in to `/chat`.
//!
//! - [`routes`]: the table of all routes; `docs/openapi.yaml` is held to it by a test.
//! - [`state`]: what handlers share; [`guard`]: tells who calls; [`caller`]: what they may.
//! - [`reply`]: the one form of an error; [`body`]: reading what was sent.
//! - [`observe`]: counting, and headers of every answer; [`cors`]: those for pages from elsewhere.
//! - [`peers`]: what a route asks of all instances, and what they ask of this one.
//! - [`accounts`], [`rooms`], [`admin`], [`instances`], [`chat`], [`health`], [`metrics`], [`assets`] with `packing` and
//!   `comments`: the handlers.

pub mod accounts;
pub mod admin;
pub mod assets;
pub mod bans;
pub mod body;
pub mod caller;
pub mod chat;
mod comments;
pub mod cors;
pub mod guard;
pub mod health;
pub mod instances;
pub mod metrics;
pub mod observe;
mod packing;
pub mod peers;
pub mod reply;
pub mod rooms;
pub mod routes;
pub mod state;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_refusals;

use actix_web::{
    App, Error,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::from_fn,
    web::Data,
};

use state::AppState;

/// The application: every route, over shared state. Called once per worker and kind of connection, so the state is made
/// outside.
pub fn app(
    state: Data<AppState>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    App::new().app_data(state).wrap(from_fn(cors::cors)).wrap(from_fn(observe::observe)).configure(routes::configure)
}
