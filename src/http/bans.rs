//! Who is refused, and how an admin takes that back. Bans are made by a kick: `admin::disconnect`.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{guard, reply::Answer, state::AppState};
use crate::{
    auth::keys::Scope,
    protocol::{
        command::{DEFAULT_PAGE, page_limit},
        ids::{Millis, UserId},
        user::Role,
    },
};

/// Query of the list of bans.
#[derive(Debug, Deserialize)]
pub struct BansQuery {
    limit: Option<u64>,
}

/// `GET /api/bans`.
#[derive(Debug, Serialize)]
struct BanList {
    bans: Vec<Ban>,
    /// Whether there are others, which end sooner.
    more: bool,
}

/// A user who is refused.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Ban {
    user_id: UserId,
    until: Millis,
}

/// `GET /api/bans?limit=`: who is refused now, those who are for longest first.
pub async fn list(request: HttpRequest, state: Data<AppState>, query: Query<BansQuery>) -> Answer {
    guard::caller(&state, &request).await?.require(Scope::Read, Role::Admin)?;
    let limit = page_limit(query.limit, DEFAULT_PAGE)?;
    let mut found = state.accounts.bans(state.clock.now_ms(), limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let bans = found.into_iter().map(|(user_id, until)| Ban { user_id, until }).collect();
    Ok(HttpResponse::Ok().json(BanList { bans, more }))
}

/// `DELETE /api/users/{id}/ban`: the user may come back, whether or not there was a ban.
pub async fn lift(request: HttpRequest, state: Data<AppState>, user: Path<String>) -> Answer {
    guard::caller_for_change(&state, &request).await?.require(Scope::Admin, Role::Admin)?;
    state.accounts.ban(UserId::parse(&user)?, 0).await?;
    Ok(HttpResponse::NoContent().finish())
}
