//! The Lua scripts, each one step in Redis that happens whole or not at all, and safe to run twice: a command whose
//! connection broke is sent again (REDIS.md section 1).

use std::sync::LazyLock;

use fred::{
    clients::Client,
    error::Error,
    types::{FromValue, MultipleKeys, MultipleValues, scripts::Script},
};

/// A script by its file in `lua/`.
macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)*) => {
        $(
            $(#[$doc])*
            pub(super) static $name: LazyLock<Script> = LazyLock::new(|| Script::from_lua(include_str!($file)));
        )*

        /// The texts of all.
        pub(super) const TEXTS: &[&str] = &[$(include_str!($file)),*];

        /// Gives every script to Redis: after a restart or a fail-over it knows none.
        pub(super) async fn load_all(client: &Client) -> Result<(), Error> {
            $($name.load(client).await?;)*
            Ok(())
        }
    };
}

scripts! {
    /// Answers which commands the user of this connection may not use, and writes something if there is none.
    SELF_TEST = "lua/selftest.lua";
    /// Answers the time of Redis in milliseconds.
    TIME = "lua/time.lua";
    /// Users came to and went from a room on one instance.
    PRESENCE_SYNC = "lua/presence_sync.lua";
    /// An instance says that users are still in a room.
    PRESENCE_REFRESH = "lua/presence_refresh.lua";
    /// Takes users whose time is over out of rooms.
    PRESENCE_REAP = "lua/presence_reap.lua";
    /// Who is in a room.
    PRESENCE_WHO = "lua/presence_who.lua";
    /// The rooms that have users.
    PRESENCE_ROOMS = "lua/presence_rooms.lua";
    /// How many users there are in rooms.
    PRESENCE_TOTALS = "lua/presence_totals.lua";
    /// An instance says that it lives.
    HEARTBEAT = "lua/heartbeat.lua";
    /// The instances that live.
    INSTANCES = "lua/instances.lua";
    /// Takes dead instances out of the index.
    INSTANCES_REAP = "lua/instances_reap.lua";
    /// An instance takes itself out of the registry.
    DEPART = "lua/depart.lua";
    /// Leases a number of a pool.
    LEASE = "lua/lease.lua";
    /// Adds an account unless its name is taken.
    ACCOUNT_CREATE = "lua/account_create.lua";
    /// Adds or replaces an account, ending login sessions of another role or password.
    ACCOUNT_PUT = "lua/account_put.lua";
    /// Makes members of all admins but one.
    ACCOUNT_DEMOTE = "lua/account_demote.lua";
    /// Replaces a password's hash unless it changed.
    ACCOUNT_REHASH = "lua/account_rehash.lua";
    /// Starts a login session.
    LOGIN_START = "lua/login_start.lua";
    /// Finds the account of a login session, and prolongs it.
    LOGIN_USE = "lua/login_use.lua";
    /// Ends a login session.
    LOGIN_END = "lua/login_end.lua";
    /// Keeps the secret of resume tokens, of two the older one.
    SECRET_KEEP = "lua/secret_keep.lua";
    /// Refuses a user for a time.
    BAN = "lua/ban.lua";
    /// Moves a read marker on.
    MARK_READ = "lua/mark_read.lua";
    /// Takes a room for a log that is carried over.
    IMPORT_CLAIM = "lua/import_claim.lua";
    /// Puts a piece of that log in.
    IMPORT_PIECE = "lua/import_piece.lua";
    /// Remembers keys of messages that were trimmed from it.
    IMPORT_KEYS = "lua/import_keys.lua";
    /// Opens that log.
    IMPORT_FINISH = "lua/import_finish.lua";
    /// Numbers, logs and tells a batch of changes of one room.
    APPEND = "lua/append.lua";
    /// What follows a position, or a snapshot.
    RECOVER = "lua/recover.lua";
    /// A page of messages as they are now.
    PAGE = "lua/page.lua";
    /// Gives a room's log a new life.
    MOVE = "lua/move.lua";
    /// Which of some entries a room's log lacks.
    LACKS = "lua/lacks.lua";
}

/// Runs a script, and gives it to Redis first if Redis does not know it.
pub(super) async fn run<R, K, V>(script: &Script, client: &Client, keys: K, args: V) -> Result<R, Error>
where
    R: FromValue,
    K: Into<MultipleKeys> + Clone + Send,
    V: TryInto<MultipleValues> + Clone + Send,
    V::Error: Into<Error> + Send,
{
    script.evalsha_with_reload(client, keys, args).await
}
