//! What is kept of people: accounts, login sessions, bans, read markers and the secret that signs resume tokens.

use futures_util::future::BoxFuture;

use crate::protocol::{
    ids::{Millis, RoomName, Seq, UserId},
    user::{Role, User},
};

/// The answer of a store; a failure was logged where it happened.
pub type Stored<T> = BoxFuture<'static, Result<T, AccountsError>>;

/// Why the store could not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountsError {
    /// An account of that name, folded, exists.
    #[error("that name is taken")]
    NameTaken,
    /// The store is full or failing.
    #[error("the store cannot be reached now")]
    Unavailable,
}

/// Somebody who registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name they chose.
    pub name: Box<str>,
    /// What it is found by: [`crate::protocol::text::fold_name`] of it. The user id is `m:<folded>`.
    pub folded: Box<str>,
    /// What they may do.
    pub role: Role,
    /// The password, hashed, in PHC form. Not a secret to log either.
    pub password_hash: Box<str>,
}

impl Account {
    /// The account as others see it.
    pub fn user(&self) -> User {
        User { id: UserId::account(&self.folded), name: self.name.clone(), role: self.role }
    }
}

/// SHA-256 of a login session's token; the token itself is kept nowhere.
pub type TokenHash = [u8; 32];

/// The store.
pub trait Accounts: Send + Sync + 'static {
    /// Adds an account. Fails with [`AccountsError::NameTaken`].
    fn create(&self, account: Account) -> Stored<()>;

    /// Adds or replaces an account whatever was there: the administrator named in the settings. Where the role or the
    /// password changes by it, the login sessions of before end in the same step.
    fn put(&self, account: Account) -> Stored<()>;

    /// Makes members of all who have the role admin, but the account `keep` (folded), and ends their login sessions in
    /// the same step.
    fn demote_admins_but(&self, keep: Option<Box<str>>) -> Stored<()>;

    /// Replaces the hash of a password by another of the same password, unless it changed since it was `old`. Login
    /// sessions go on.
    fn rehash(&self, folded: Box<str>, old: Box<str>, new: Box<str>) -> Stored<()>;

    /// Finds an account by its folded name.
    fn find(&self, folded: String) -> Stored<Option<Account>>;

    /// Starts a login session that ends at `expires_ms` unless used.
    fn start_session(&self, token: TokenHash, folded: String, expires_ms: Millis) -> Stored<()>;

    /// The account of a login session that has not ended by `now_ms`, which it prolongs to `expires_ms`.
    fn use_session(&self, token: TokenHash, now_ms: Millis, expires_ms: Millis) -> Stored<Option<Account>>;

    /// Ends a login session.
    fn end_session(&self, token: TokenHash) -> Stored<()>;

    /// Refuses a user until then; a time past lifts the ban.
    fn ban(&self, user: UserId, until_ms: Millis) -> Stored<()>;

    /// Until when a user is refused, if so at `now_ms`.
    fn banned_until(&self, user: UserId, now_ms: Millis) -> Stored<Option<Millis>>;

    /// Who is refused at `now_ms` and until when, at most `limit` of them: those for whom it lasts longest, and they first.
    fn bans(&self, now_ms: Millis, limit: usize) -> Stored<Vec<(UserId, Millis)>>;

    /// Moves a user's read marker on; a lower value is ignored. Answers the marker as it then is.
    fn mark_read(&self, room: RoomName, user: UserId, seq: Seq) -> Stored<Seq>;

    /// A user's read marker.
    fn read_marker(&self, room: RoomName, user: UserId) -> Stored<Option<Seq>>;

    /// The secret that signs resume tokens when the settings name none: made once, then the same for ever.
    fn secret(&self) -> Stored<[u8; 32]>;
}
