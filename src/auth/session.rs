//! Login sessions: registering, logging in and out, and whose a cookie is.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::{
    accounts::{Account, Accounts, AccountsError, TokenHash},
    config::{Config, Registration},
    names::AccountName,
    password::Passwords,
};
use crate::{
    clock::SharedClock,
    protocol::{
        error::{ErrorCode, Refusal},
        ids::Millis,
        user::{Role, User},
    },
};

/// The cookie a session's token travels in.
pub const COOKIE_NAME: &str = "session";

/// What one is told to wait while the store is away, in milliseconds.
const RETRY_AFTER_MS: Millis = 2_000;

/// A session that was just started.
#[derive(Clone)]
pub struct Login {
    /// Who logged in.
    pub user: User,
    /// The token, to be set as cookie [`COOKIE_NAME`]: 256 random bits in base64url. Kept nowhere else.
    pub token: String,
}

/// A session that is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// Whose it is.
    pub user: User,
    /// What the store knows the session by.
    pub token: TokenHash,
}

/// Login sessions over a store of accounts.
#[derive(Clone)]
pub struct Sessions {
    accounts: Arc<dyn Accounts>,
    passwords: Passwords,
    clock: SharedClock,
    timeout_ms: Millis,
    registration: Registration,
}

impl Sessions {
    /// With the lifetime and the openness of the settings.
    pub fn new(accounts: Arc<dyn Accounts>, passwords: Passwords, clock: SharedClock, config: &Config) -> Self {
        let Config { session_timeout_ms: timeout_ms, registration, .. } = *config;
        Self { accounts, passwords, clock, timeout_ms, registration }
    }

    /// Makes or renews the administrator's account; done once at start. The password of the settings replaces another,
    /// which ends the account's login sessions; while it is the same they go on.
    ///
    /// # Errors
    /// `unavailable` if the store is.
    pub async fn put_admin(&self, name: &AccountName, password: &str) -> Result<(), Refusal> {
        let mut account = match self.accounts.find(name.folded.clone().into()).await.map_err(refuse)? {
            Some(old) if self.passwords.verify(password.into(), Some(old.password_hash.clone())).await? => old,
            _ => self.account(name, password.into(), Role::Admin).await?,
        };
        (account.name, account.role) = (name.shown.clone(), Role::Admin);
        self.accounts.put(account).await.map_err(refuse)
    }

    /// Makes a member of every administrator but `named`, the one of the settings; done once at start. Who is struck
    /// from the settings has no say any more.
    ///
    /// # Errors
    /// `unavailable` if the store is.
    pub async fn keep_admin(&self, named: Option<&AccountName>) -> Result<(), Refusal> {
        self.accounts.demote_admins_but(named.map(|name| name.folded.clone())).await.map_err(refuse)
    }

    /// Makes an account and logs it in.
    ///
    /// # Errors
    /// `forbidden` if registration is closed; `invalid_argument` for a name or password against the rules; `conflict`
    /// for a name that is taken or reserved; `unavailable`.
    pub async fn register(&self, username: &str, password: String) -> Result<Login, Refusal> {
        if self.registration == Registration::Closed {
            return Err(Refusal::new(ErrorCode::Forbidden, "registration is closed here"));
        }
        let name = AccountName::parse_new(username)?;
        let account = self.account(&name, password, Role::Member).await?;
        self.accounts.create(account.clone()).await.map_err(refuse)?;
        self.start(&account).await
    }

    /// Logs an account in. An unknown name answers as a wrong password does, and after as long.
    ///
    /// # Errors
    /// `unauthorized`; `unavailable` if too many log in or the store is away.
    pub async fn login(&self, username: &str, password: String) -> Result<Login, Refusal> {
        let account = match AccountName::parse(username) {
            Ok(name) => self.accounts.find(name.folded.into()).await.map_err(refuse)?,
            Err(_) => None,
        };
        let stored = account.as_ref().map(|account| account.password_hash.clone());
        let right = self.passwords.verify(password.clone(), stored).await?;
        match account {
            Some(account) if right => {
                self.renew_hash(&account, password).await;
                self.start(&account).await
            }
            _ => Err(Refusal::new(ErrorCode::Unauthorized, "the name or the password is wrong")),
        }
    }

    /// Ends the session of a cookie. One that is none is ended already.
    ///
    /// # Errors
    /// `unavailable` if the store is.
    pub async fn logout(&self, cookie: &str) -> Result<(), Refusal> {
        match hash(cookie) {
            Some(token) => self.accounts.end_session(token).await.map_err(refuse),
            None => Ok(()),
        }
    }

    /// Whose session a cookie is, which prolongs it; none if it is unknown or over.
    ///
    /// # Errors
    /// `unavailable` if the store is: nobody becomes a guest by accident.
    pub async fn resume(&self, cookie: &str) -> Result<Option<InUse>, Refusal> {
        let Some(token) = hash(cookie) else { return Ok(None) };
        let (now_ms, expires_ms) = self.now_and_expiry();
        let account = self.accounts.use_session(token, now_ms, expires_ms).await.map_err(refuse)?;
        Ok(account.map(|account| InUse { user: account.user(), token }))
    }

    async fn account(&self, name: &AccountName, password: String, role: Role) -> Result<Account, Refusal> {
        let password_hash = self.passwords.hash(password).await?;
        Ok(Account { name: name.shown.clone(), folded: name.folded.clone(), role, password_hash })
    }

    /// Brings a hash to the cost of the settings: only now is its password known.
    async fn renew_hash(&self, account: &Account, password: String) {
        if !self.passwords.is_outdated(&account.password_hash) {
            return;
        }
        // Whether it can be done now or not, the password was right; the next login tries again.
        if let Ok(new) = self.passwords.hash(password).await {
            let _ = self.accounts.rehash(account.folded.clone(), account.password_hash.clone(), new).await;
        }
    }

    async fn start(&self, account: &Account) -> Result<Login, Refusal> {
        let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let hash = Sha256::digest(&token).into();
        let (_, expires_ms) = self.now_and_expiry();
        self.accounts.start_session(hash, account.folded.to_string(), expires_ms).await.map_err(refuse)?;
        Ok(Login { user: account.user(), token })
    }

    fn now_and_expiry(&self) -> (Millis, Millis) {
        let now = self.clock.now_ms();
        (now, now.saturating_add(self.timeout_ms))
    }
}

/// What the store knows a token by; none if the text cannot be a token, so that the store is not asked.
fn hash(token: &str) -> Option<TokenHash> {
    let bytes = URL_SAFE_NO_PAD.decode(token.get(..43).filter(|_| token.len() == 43)?).ok()?;
    (bytes.len() == 32).then(|| Sha256::digest(token).into())
}

fn refuse(error: AccountsError) -> Refusal {
    match error {
        AccountsError::NameTaken => Refusal::new(ErrorCode::Conflict, "that name is taken"),
        AccountsError::Unavailable => Refusal::unavailable("accounts cannot be reached right now", RETRY_AFTER_MS),
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
