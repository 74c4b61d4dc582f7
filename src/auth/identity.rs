//! Who a request comes from: the first credential that is there decides (PROTOCOL section 1).

use std::sync::Arc;

use super::{
    accounts::{Accounts, TokenHash},
    config::Config,
    jwt::Jwt,
    names::Names,
    resume::{self, Resumed, SharedResumeTokens},
    session::Sessions,
};
use crate::{
    clock::SharedClock,
    protocol::{
        TOKEN_SUBPROTOCOL_PREFIX,
        error::{ErrorCode, Refusal},
        ids::{Millis, UserId},
        user::{Role, User},
    },
};

/// When a resume token may be tried again that could not be looked at yet.
const RETRY_AFTER_MS: Millis = 2_000;

/// What a request says about who it is from, as it stands in headers and query.
#[derive(Clone, Copy, Debug, Default)]
pub struct Credentials<'a> {
    /// `Authorization: Bearer`: a JWT, or a resume token, for a page that asks `/api/connect` cannot set the
    /// subprotocol. See [`bearer`].
    pub bearer: Option<&'a str>,
    /// The token offered as a subprotocol: a JWT or resume token. See [`subprotocol_token`].
    pub subprotocol: Option<&'a str>,
    /// `?token=`: a JWT.
    pub query: Option<&'a str>,
    /// The cookie `session`.
    pub cookie: Option<&'a str>,
    /// `?name=`: what a guest asks to be called.
    pub name: Option<&'a str>,
}

/// Who a request is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub user: Arc<User>,
    /// A fresh resume token; for guests, and for nobody else.
    pub resume_token: Option<String>,
    /// The login session it came with.
    pub login: Option<TokenHash>,
    /// When what proved it ends: that of a JWT, leeway included. None for guests, and for a login session: it goes on
    /// with every use by any of its tabs, which an end noted here would not follow; a logout closes what it opened.
    pub expires_ms: Option<Millis>,
    /// The cookie that came along is worth nothing and is to be cleared.
    pub clear_cookie: bool,
}

impl Identity {
    fn of(user: User) -> Self {
        Self { user: Arc::new(user), resume_token: None, login: None, expires_ms: None, clear_cookie: false }
    }
}

/// Tells who requests are from.
#[derive(Clone)]
pub struct Identify {
    jwt: Arc<Jwt>,
    resume: SharedResumeTokens,
    sessions: Sessions,
    names: Names,
    accounts: Arc<dyn Accounts>,
    clock: SharedClock,
    guests: bool,
}

impl Identify {
    /// From its parts, and whether the settings let guests in.
    pub fn new(
        jwt: Jwt,
        resume: SharedResumeTokens,
        sessions: Sessions,
        names: Names,
        accounts: Arc<dyn Accounts>,
        clock: SharedClock,
        config: &Config,
    ) -> Self {
        Self { jwt: Arc::new(jwt), resume, sessions, names, accounts, clock, guests: config.guests }
    }

    /// Who `credentials` name.
    ///
    /// While the store is away, bans cannot be looked up and do not hold: the chat stays up.
    ///
    /// # Errors
    /// `unauthorized` for a bad or expired token, and for nobody in particular where guests are switched off (a cookie
    /// that came alone is then worth nothing either); `forbidden` for who is banned; `invalid_argument` for a name
    /// against the rules; `unavailable` for a cookie that cannot be looked up.
    pub async fn identify(&self, credentials: Credentials<'_>) -> Result<Identity, Refusal> {
        let Credentials { bearer, subprotocol, query, cookie, name } = credentials;
        let identity = match (bearer.or(subprotocol), query, cookie) {
            (Some(token), ..) if resume::looks_like_one(token) => self.resumed(token, name).await?,
            (Some(token), ..) | (None, Some(token), _) => self.token(token)?,
            (None, None, Some(cookie)) => self.session(cookie, name).await?,
            (None, None, None) => self.new_guest(name).await?,
        };
        self.check_ban(&identity.user.id).await?;
        Ok(identity)
    }

    /// Refuses a user who is banned. While the store is away, bans do not hold.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn check_ban(&self, user: &UserId) -> Result<(), Refusal> {
        let now_ms = self.clock.now_ms();
        match self.accounts.banned_until(user.clone(), now_ms).await {
            Ok(Some(until_ms)) => {
                let minutes = until_ms.saturating_sub(now_ms).div_ceil(60_000);
                Err(Refusal::new(ErrorCode::Forbidden, format!("you are banned for {minutes} more minutes")))
            }
            Ok(None) | Err(_) => Ok(()),
        }
    }

    fn token(&self, token: &str) -> Result<Identity, Refusal> {
        let verified = self.jwt.verify(token, self.clock.now_ms())?;
        Ok(Identity { expires_ms: Some(verified.expires_ms), ..Identity::of(verified.user) })
    }

    async fn session(&self, cookie: &str, name: Option<&str>) -> Result<Identity, Refusal> {
        match self.sessions.resume(cookie).await? {
            Some(used) => Ok(Identity { login: Some(used.token), ..Identity::of(used.user) }),
            None => Ok(Identity { clear_cookie: true, ..self.new_guest(name).await? }),
        }
    }

    async fn resumed(&self, token: &str, name: Option<&str>) -> Result<Identity, Refusal> {
        let Some(resume) = self.resume.get() else {
            return Err(Refusal::unavailable("nobody can be recognised yet", RETRY_AFTER_MS));
        };
        let Resumed { id, name: kept } = resume
            .verify(token, self.clock.now_ms())
            .map_err(|error| Refusal::new(ErrorCode::Unauthorized, error.to_string()))?;
        // Somebody may have made an account of the name since it was given, so it is looked at again.
        let asked = name.filter(|name| !name.trim().is_empty()).unwrap_or(&kept);
        let name = self.names.guest(Some(asked), &id).await?;
        self.guest(id, name)
    }

    async fn new_guest(&self, name: Option<&str>) -> Result<Identity, Refusal> {
        let id = UserId::guest(rand::random());
        let name = self.names.guest(name, &id).await?;
        self.guest(id, name)
    }

    fn guest(&self, id: UserId, name: Box<str>) -> Result<Identity, Refusal> {
        if !self.guests {
            return Err(Refusal::new(ErrorCode::Unauthorized, "guests are not let in here: log in first"));
        }
        let resume_token = self.resume.get().map(|resume| resume.issue(&id, &name, self.clock.now_ms()));
        Ok(Identity { resume_token, ..Identity::of(User { id, name, role: Role::Guest }) })
    }
}

/// The token of an `Authorization` header, if its scheme is Bearer (RFC 6750; the scheme in any case).
pub fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The token among the subprotocols offered, whichever header line they stand in: what follows `hubbub.token.` in the
/// first such entry.
pub fn subprotocol_token<'a>(offered: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    offered.into_iter().find_map(|entry| entry.strip_prefix(TOKEN_SUBPROTOCOL_PREFIX))
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
