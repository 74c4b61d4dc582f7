//! Registering, logging in and out, and who one is.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    cookie::{Cookie, SameSite, time::Duration},
    web::{Data, Payload},
};
use serde::{Deserialize, Serialize};

use super::{body, caller::Caller, guard, peers, reply::Answer, state::AppState};
use crate::{
    actors::requests::{Disconnect, DisconnectCause, Whom},
    auth::{
        names::AccountName,
        session::{COOKIE_NAME, Login},
    },
    protocol::{
        error::{ErrorCode, Refusal},
        ids::Millis,
        user::User,
    },
};

/// A name and its password.
#[derive(Deserialize)]
pub struct CredentialsBody {
    username: String,
    password: String,
}

/// Who somebody is.
#[derive(Debug, Serialize)]
struct UserReply<'a> {
    user: &'a User,
}

/// `POST /api/register`: makes an account and logs in.
pub async fn register(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    guard::check_origin_of_login(&state, &request)?;
    let client = guard::client(&state, request.head());
    state.limits.register(client.address.into())?;
    let CredentialsBody { username, password } = body::json(&request, payload).await?;
    let login = state.sessions.register(&username, password).await?;
    Ok(logged_in(HttpResponse::Created(), &state, &login, client.secure))
}

/// `POST /api/login`.
pub async fn login(request: HttpRequest, state: Data<AppState>, payload: Payload) -> Answer {
    guard::check_origin_of_login(&state, &request)?;
    let client = guard::client(&state, request.head());
    state.limits.login_from(client.address.into())?;
    let CredentialsBody { username, password } = body::json(&request, payload).await?;
    // However a name is written, its tries count as those of one account.
    let folded = AccountName::parse(&username).map_or_else(|_| username.as_str().into(), |name| name.folded);
    state.limits.login_to(&folded)?;
    let login = state.sessions.login(&username, password).await.inspect_err(|refusal| {
        if refusal.code == ErrorCode::Unauthorized {
            guard::proof_failed(&state, "password", client.address, refusal);
        }
    })?;
    Ok(logged_in(HttpResponse::Ok(), &state, &login, client.secure))
}

/// `POST /api/logout`: ends the session, and with 4401 the connections it opened.
pub async fn logout(request: HttpRequest, state: Data<AppState>) -> Answer {
    let client = guard::client(&state, request.head());
    guard::count(&state, client.address)?;
    let mut response = HttpResponse::NoContent();
    if let Some(cookie) = guard::session_cookie(&request) {
        guard::check_origin_of_change(&state, &request)?;
        // Only a session that is there is worth a write.
        if let Some(session) = state.sessions.resume(&cookie).await? {
            state.sessions.logout(&cookie).await?;
            let ended = Disconnect { whom: Whom::Login(session.token), cause: DisconnectCause::SessionEnded };
            peers::disconnect(&state, ended).await?;
        }
        response.cookie(cleared(client.secure));
    }
    Ok(response.finish())
}

/// `GET /api/me`: who the caller is. A cookie that was used lives anew in the browser, as it does here.
pub async fn me(request: HttpRequest, state: Data<AppState>) -> Answer {
    let caller = guard::caller(&state, &request).await?;
    let Some(user) = caller.user() else {
        return Err(Refusal::new(ErrorCode::Unauthorized, "you are not logged in").into());
    };
    let mut response = HttpResponse::Ok();
    if let (Caller::Person { by_cookie: true, .. }, Some(token)) = (&caller, guard::session_cookie(&request)) {
        let secure = guard::client(&state, request.head()).secure;
        response.cookie(session_cookie(token, state.session_timeout_ms, secure));
    }
    Ok(response.json(UserReply { user }))
}

fn logged_in(mut response: HttpResponseBuilder, state: &AppState, login: &Login, secure: bool) -> HttpResponse {
    response
        .cookie(session_cookie(login.token.clone(), state.session_timeout_ms, secure))
        .json(UserReply { user: &login.user })
}

/// The login cookie, for as long as its session lives unless used again.
pub(super) fn session_cookie(token: String, lives_ms: Millis, secure: bool) -> Cookie<'static> {
    let seconds = i64::try_from(lives_ms / 1_000).unwrap_or(i64::MAX);
    Cookie::build(COOKIE_NAME, token)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(secure)
        .max_age(Duration::seconds(seconds))
        .finish()
}

/// The cookie that makes a browser forget its session.
pub(super) fn cleared(secure: bool) -> Cookie<'static> {
    session_cookie(String::new(), 0, secure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_for_this_server_only() {
        let text = session_cookie("abc".into(), 60_000, true).to_string();
        for part in ["session=abc", "HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=60"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!session_cookie("abc".into(), 60_000, false).to_string().contains("Secure"));
        assert!(cleared(false).to_string().contains("Max-Age=0"));
    }
}
