//! Accounts, login sessions, bans and read markers in Redis.
//!
//! Two clocks decide when a login session or a ban has ended: the caller's, as in the local store, and that of Redis,
//! which takes the key away. Either says so first; they differ by what the machines' clocks differ, against lives of
//! minutes to days. Only these keys, and the markers of rooms nobody reads any more, ever expire.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fred::{
    error::Error,
    interfaces::{HashesInterface, KeysInterface, SortedSetsInterface},
    types::{FromValue, scripts::Script},
};
use futures_util::FutureExt;
use tracing::{info, warn};

use super::{
    bans::Bans,
    context::Context,
    keys::{self, RoomKeys},
    scripts,
};
use crate::{
    auth::accounts::{Account, Accounts, AccountsError, Stored, TokenHash},
    broker::Unavailable,
    protocol::{
        ids::{Millis, RoomName, Seq, UserId},
        user::Role,
    },
};

/// A login session is prolonged only by as much at once, as in the local store: one write a minute, not one a request.
const PROLONG_MS: Millis = 60_000;
/// Nor by less than this part of its life.
const PROLONG_PART: Millis = 10;
/// How much longer than the history of a room its markers are kept, after the last that moved: it covers any clock.
const MARKERS_MS: Millis = 2 * 24 * 60 * 60 * 1_000;

/// What is kept of people, for all instances. While Redis is away everything is `Unavailable` at once, but the secret
/// that is known already, and the bans that this instance made or met: they go on to hold here.
#[derive(Clone)]
pub struct RedisAccounts(Arc<Inner>);

struct Inner {
    context: Arc<Context>,
    secret: Mutex<Option<KeptSecret>>,
    bans: Mutex<Bans>,
}

/// The secret that resume tokens are signed with.
#[derive(Clone, Copy)]
struct KeptSecret {
    bytes: [u8; 32],
    /// When it was made, by Redis' clock.
    made: Millis,
}

impl RedisAccounts {
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self(Arc::new(Inner { context, secret: Mutex::default(), bans: Mutex::default() }))
    }

    /// Puts back what must be there, after Redis may have lost it: the secret that this instance signs with. Who started
    /// meanwhile may have made another; all end up with the older one. Accounts that are lost are lost. Does not ask
    /// whether the link is up: it is part of getting there.
    ///
    /// # Errors
    /// If Redis does not do it.
    pub(super) async fn reassert(&self) -> Result<(), Unavailable> {
        let Some(known) = *self.0.secret() else { return Ok(()) };
        let kept = self.0.keep_secret(known.bytes, Some(known.made)).await.map_err(|_| Unavailable)?;
        if kept.bytes != known.bytes {
            info!("Redis holds an older secret of resume tokens than this instance: it takes that");
        }
        *self.0.secret() = Some(kept);
        Ok(())
    }

    /// Makes a secret that of Redis unless there is one. Answers the one that then is.
    ///
    /// # Errors
    /// If Redis does not do it, or holds one that cannot be read.
    pub(super) async fn adopt(&self, secret: [u8; 32]) -> Result<[u8; 32], AccountsError> {
        Ok(self.0.keep_secret(secret, None).await?.bytes)
    }
}

impl Inner {
    fn up(&self) -> Result<(), AccountsError> {
        if self.context.is_up() { Ok(()) } else { Err(AccountsError::Unavailable) }
    }

    async fn run<R: FromValue>(
        &self,
        script: &Script,
        keys: Vec<String>,
        args: Vec<String>,
    ) -> Result<R, AccountsError> {
        self.up()?;
        scripts::run(script, &self.context.clients.data, keys, args).await.map_err(|error| self.failed(&error))
    }

    /// A command that Redis did not do, or whose answer did not come.
    fn failed(&self, error: &Error) -> AccountsError {
        warn!("accounts: Redis: {}", error.details());
        self.context.failed(error);
        AccountsError::Unavailable
    }

    fn bans(&self) -> MutexGuard<'_, Bans> {
        self.bans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn secret(&self) -> MutexGuard<'_, Option<KeptSecret>> {
        self.secret.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The secret in Redis, which is `ours` if there was none or a younger one. `made`: when, if not just now.
    async fn keep_secret(&self, ours: [u8; 32], made: Option<Millis>) -> Result<KeptSecret, AccountsError> {
        let keys = vec![keys::SECRET, keys::SECRET_MADE];
        let args = vec![to_hex(&ours), made.map_or_else(String::new, |made| made.to_string())];
        let kept = scripts::run(&scripts::SECRET_KEEP, &self.context.clients.data, keys, args).await;
        let (text, made): (String, Millis) = kept.map_err(|error| self.failed(&error))?;
        let bytes = from_hex(&text).ok_or_else(|| unreadable("the secret"))?;
        Ok(KeptSecret { bytes, made })
    }
}

/// A key that holds what this program did not write.
fn unreadable(what: &str) -> AccountsError {
    warn!("accounts: {what} in Redis cannot be read");
    AccountsError::Unavailable
}

fn read_account(folded: &str, [name, role, hash]: [String; 3]) -> Result<Account, AccountsError> {
    let role: Role = role.parse().map_err(|()| unreadable("an account"))?;
    Ok(Account { name: name.into(), folded: folded.into(), role, password_hash: hash.into() })
}

impl Accounts for RedisAccounts {
    fn create(&self, account: Account) -> Stored<()> {
        let inner = self.0.clone();
        async move {
            let keys = vec![keys::account(&account.folded), keys::ADMINS.into()];
            let created: bool = inner.run(&scripts::ACCOUNT_CREATE, keys, values(&account)).await?;
            if created { Ok(()) } else { Err(AccountsError::NameTaken) }
        }
        .boxed()
    }

    fn put(&self, account: Account) -> Stored<()> {
        let inner = self.0.clone();
        async move {
            let keys = vec![keys::account(&account.folded), keys::ADMINS.into(), keys::logins(&account.folded)];
            let mut args = values(&account);
            args.push(keys::login(""));
            inner.run(&scripts::ACCOUNT_PUT, keys, args).await
        }
        .boxed()
    }

    fn demote_admins_but(&self, keep: Option<Box<str>>) -> Stored<()> {
        let inner = self.0.clone();
        async move {
            let keep = keep.map(String::from).unwrap_or_default();
            let args = vec![keep, keys::account(""), keys::logins(""), keys::login("")];
            inner.run(&scripts::ACCOUNT_DEMOTE, vec![keys::ADMINS.into()], args).await
        }
        .boxed()
    }

    fn rehash(&self, folded: Box<str>, old: Box<str>, new: Box<str>) -> Stored<()> {
        let inner = self.0.clone();
        async move {
            inner.run(&scripts::ACCOUNT_REHASH, vec![keys::account(&folded)], vec![old.into(), new.into()]).await
        }
        .boxed()
    }

    fn find(&self, folded: String) -> Stored<Option<Account>> {
        let inner = self.0.clone();
        async move {
            inner.up()?;
            let fields = vec!["name", "role", "hash"];
            let found: (Option<String>, Option<String>, Option<String>) = inner
                .context
                .clients
                .data
                .hmget(keys::account(&folded), fields)
                .await
                .map_err(|error| inner.failed(&error))?;
            let (Some(name), Some(role), Some(hash)) = found else { return Ok(None) };
            read_account(&folded, [name, role, hash]).map(Some)
        }
        .boxed()
    }

    fn start_session(&self, token: TokenHash, folded: String, expires_ms: Millis) -> Stored<()> {
        let inner = self.0.clone();
        async move {
            let token = to_hex(&token);
            let keys = vec![keys::login(&token), keys::logins(&folded)];
            inner.run(&scripts::LOGIN_START, keys, vec![token, folded, expires_ms.to_string()]).await
        }
        .boxed()
    }

    fn use_session(&self, token: TokenHash, now_ms: Millis, expires_ms: Millis) -> Stored<Option<Account>> {
        let inner = self.0.clone();
        async move {
            let token = to_hex(&token);
            let keys = vec![keys::login(&token)];
            let times = [now_ms, expires_ms, PROLONG_MS, PROLONG_PART].map(|number| number.to_string());
            let mut args = vec![token];
            args.extend(times);
            args.extend([keys::account(""), keys::logins("")]);
            let found: Option<Vec<String>> = inner.run(&scripts::LOGIN_USE, keys, args).await?;
            let Some(found) = found else { return Ok(None) };
            let [folded, name, role, hash] =
                <[String; 4]>::try_from(found).map_err(|_| unreadable("a login session"))?;
            read_account(&folded, [name, role, hash]).map(Some)
        }
        .boxed()
    }

    fn end_session(&self, token: TokenHash) -> Stored<()> {
        let inner = self.0.clone();
        async move {
            let token = to_hex(&token);
            inner.run(&scripts::LOGIN_END, vec![keys::login(&token)], vec![token, keys::logins("")]).await
        }
        .boxed()
    }

    fn ban(&self, user: UserId, until_ms: Millis) -> Stored<()> {
        let inner = self.0.clone();
        async move {
            let args = vec![until_ms.to_string(), user.to_string()];
            let keys = vec![keys::ban(user.as_str()), keys::BANS.into()];
            inner.run::<()>(&scripts::BAN, keys, args).await?;
            let now = inner.context.clock.now_ms();
            inner.bans().note(user, Some(until_ms), now);
            Ok(())
        }
        .boxed()
    }

    fn banned_until(&self, user: UserId, now_ms: Millis) -> Stored<Option<Millis>> {
        let inner = self.0.clone();
        async move {
            let found = match inner.up() {
                Ok(()) => {
                    inner.context.clients.data.get(keys::ban(user.as_str())).await.map_err(|error| inner.failed(&error))
                }
                Err(error) => Err(error),
            };
            match found {
                Ok(until) => {
                    let until: Option<Millis> = until;
                    inner.bans().note(user, until, now_ms);
                    Ok(until.filter(|until| *until > now_ms))
                }
                // What is not known here cannot be denied either.
                Err(error) => inner.bans().until(&user, now_ms).map(Some).ok_or(error),
            }
        }
        .boxed()
    }

    fn bans(&self, now_ms: Millis, limit: usize) -> Stored<Vec<(UserId, Millis)>> {
        let inner = self.0.clone();
        async move {
            inner.up()?;
            let longest = i64::try_from(limit).unwrap_or(i64::MAX);
            let data = &inner.context.clients.data;
            let found = data.zrevrangebyscore(keys::BANS, "+inf", format!("({now_ms}"), true, Some((0, longest)));
            let found: Vec<(String, Millis)> = found.await.map_err(|error| inner.failed(&error))?;
            Ok(found.into_iter().filter_map(|(user, until)| Some((UserId::parse(&user).ok()?, until))).collect())
        }
        .boxed()
    }

    fn mark_read(&self, room: RoomName, user: UserId, seq: Seq) -> Stored<Seq> {
        let inner = self.0.clone();
        async move {
            let kept_ms = match inner.context.history.max_age {
                0 => 0,
                age => age.saturating_add(MARKERS_MS),
            };
            let args = vec![user.as_str().to_owned(), seq.to_string(), kept_ms.to_string()];
            inner.run(&scripts::MARK_READ, vec![RoomKeys(&room).read_markers()], args).await
        }
        .boxed()
    }

    fn read_marker(&self, room: RoomName, user: UserId) -> Stored<Option<Seq>> {
        let inner = self.0.clone();
        async move {
            inner.up()?;
            let markers = RoomKeys(&room).read_markers();
            inner.context.clients.data.hget(markers, user.as_str()).await.map_err(|error| inner.failed(&error))
        }
        .boxed()
    }

    fn secret(&self) -> Stored<[u8; 32]> {
        let inner = self.0.clone();
        async move {
            if let Some(known) = *inner.secret() {
                return Ok(known.bytes);
            }
            inner.up()?;
            let kept = inner.keep_secret(rand::random(), None).await?;
            Ok(inner.secret().get_or_insert(kept).bytes)
        }
        .boxed()
    }
}

/// An account as the scripts take it.
fn values(account: &Account) -> Vec<String> {
    let Account { name, folded, role, password_hash } = account;
    [folded, name, role.as_str(), password_hash].map(str::to_owned).into()
}

fn to_hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_they_are_read() {
        let bytes: [u8; 32] = std::array::from_fn(|index| (index as u8).wrapping_mul(9));
        assert_eq!(from_hex(&to_hex(&bytes)), Some(bytes));
        for bad in ["", "+1", &"g".repeat(64), &"0".repeat(63), &"é".repeat(32)] {
            assert_eq!(from_hex(bad), None, "{bad}");
        }
    }
}
