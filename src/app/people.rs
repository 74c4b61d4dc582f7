//! Who people are and how they prove it.

use std::{sync::Arc, time::Duration};

use tracing::{info, warn};

use super::StartError;
use crate::{
    auth::{
        accounts::Accounts,
        identity::Identify,
        jwt::Jwt,
        names::{AccountName, Names},
        password::Passwords,
        resume::SharedResumeTokens,
        secret::Secret,
        session::Sessions,
    },
    broker::Unavailable,
    clock::SharedClock,
    protocol::error::{ErrorCode, Refusal},
    settings::Settings,
};

/// How often a store that was away at the start is tried.
const RETRY: Duration = Duration::from_secs(1);

/// What of identity the routes ask.
pub(super) struct People {
    pub(super) identify: Identify,
    pub(super) sessions: Sessions,
}

/// What the store has to do with at the start: the administrator's account, and the secret of resume tokens.
struct Start {
    sessions: Sessions,
    accounts: Arc<dyn Accounts>,
    admin: Option<(AccountName, Secret)>,
    resume: SharedResumeTokens,
}

impl People {
    /// Makes the administrator's account, if the settings name one, on the way. A store that others share may be away:
    /// then it is done as soon as that is back, and until then guests get no resume tokens.
    pub(super) async fn new(
        settings: &Settings,
        accounts: &Arc<dyn Accounts>,
        clock: &SharedClock,
    ) -> Result<Self, StartError> {
        let auth = &settings.auth;
        let sessions = Sessions::new(accounts.clone(), Passwords::new(auth)?, clock.clone(), auth);
        let resume = SharedResumeTokens::default();
        if let Some(secret) = &auth.session_secret {
            resume.renew(secret.expose().as_bytes());
        }
        let admin = auth.admin()?.map(|(name, password)| (name, Secret::new(password)));
        let names = Names::new(accounts.clone(), admin.as_ref().map(|(name, _)| name.folded.clone()));
        let start = Start { sessions: sessions.clone(), accounts: accounts.clone(), admin, resume: resume.clone() };
        if settings.distributed.enabled && auth.session_secret.is_none() {
            actix_rt::spawn(follow_secret(accounts.clone(), resume.clone()));
        }
        match start.settle().await {
            Err(refusal) if settings.distributed.enabled && refusal.code == ErrorCode::Unavailable => {
                warn!("accounts cannot be reached yet: guests get no resume tokens until they can");
                actix_rt::spawn(start.settle_later());
            }
            settled => settled?,
        }
        let jwt = Jwt::new(auth.jwt_secret.as_ref())?;
        let identify = Identify::new(jwt, resume, sessions.clone(), names, accounts.clone(), clock.clone(), auth);
        Ok(Self { identify, sessions })
    }
}

impl Start {
    async fn settle(&self) -> Result<(), Refusal> {
        if let Some((name, password)) = &self.admin {
            self.sessions.put_admin(name, password.expose()).await?;
        }
        self.sessions.keep_admin(self.admin.as_ref().map(|(name, _)| name)).await?;
        if self.resume.get().is_none() {
            let secret = self.accounts.secret().await.map_err(|_| Unavailable)?;
            self.resume.renew(&secret);
        }
        Ok(())
    }

    async fn settle_later(self) {
        loop {
            tokio::time::sleep(RETRY).await;
            match self.settle().await {
                Ok(()) => return info!("accounts can be reached"),
                Err(refusal) if refusal.code == ErrorCode::Unavailable => {}
                Err(refusal) => return warn!("the administrator's account: {refusal}"),
            }
        }
    }
}

/// Signs with the store's secret as it is: servers that share a store may have to agree on another than this one's.
async fn follow_secret(accounts: Arc<dyn Accounts>, resume: SharedResumeTokens) {
    let mut signs_with = None;
    loop {
        // Known here once it was asked for; then this costs nothing.
        if let Ok(secret) = accounts.secret().await
            && signs_with.replace(secret).is_none_or(|former| former != secret)
        {
            resume.renew(&secret);
        }
        tokio::time::sleep(RETRY).await;
    }
}
