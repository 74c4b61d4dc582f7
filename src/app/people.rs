//! Who people are and how they prove it.

use std::{io, sync::Arc};

use super::StartError;
use crate::{
    auth::{
        accounts::{Accounts, AccountsError},
        identity::Identify,
        jwt::Jwt,
        names::Names,
        password::Passwords,
        resume::ResumeTokens,
        session::Sessions,
    },
    clock::SharedClock,
    settings::Settings,
};

/// What of identity the routes ask.
pub(super) struct People {
    pub(super) identify: Identify,
    pub(super) sessions: Sessions,
}

impl People {
    /// Makes the administrator's account, if the settings name one, on the way.
    pub(super) async fn new(
        settings: &Settings,
        accounts: &Arc<dyn Accounts>,
        clock: &SharedClock,
    ) -> Result<Self, StartError> {
        let auth = &settings.auth;
        let sessions = Sessions::new(accounts.clone(), Passwords::new(auth)?, clock.clone(), auth);
        let admin = auth.admin()?;
        if let Some((name, password)) = &admin {
            sessions.put_admin(name, password).await?;
        }
        sessions.keep_admin(admin.as_ref().map(|(name, _)| name)).await?;
        let resume = match &auth.session_secret {
            Some(secret) => ResumeTokens::new(secret.expose().as_bytes()),
            None => {
                let unreadable = |error: AccountsError| io::Error::other(error.to_string());
                ResumeTokens::new(&accounts.secret().await.map_err(unreadable)?)
            }
        };
        let names = Names::new(accounts.clone(), admin.map(|(name, _)| name.folded));
        let jwt = Jwt::new(auth.jwt_secret.as_ref())?;
        let identify = Identify::new(jwt, resume, sessions.clone(), names, accounts.clone(), clock.clone(), auth);
        Ok(Self { identify, sessions })
    }
}
