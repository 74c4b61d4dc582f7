//! Accounts, login sessions, bans and read markers in the same file.

use futures_util::{FutureExt, future};
use rusqlite::{Connection, OptionalExtension, Row};

use super::{
    LocalBroker,
    retention::CHUNK,
    rows::{parsed, role, role_number},
};
use crate::{
    auth::accounts::{Account, Accounts, AccountsError, Stored, TokenHash},
    broker::Unavailable,
    protocol::{
        ids::{Millis, RoomName, Seq, UserId},
        user::Role,
    },
};

/// A login session is prolonged only by as much at once: one write a minute, not one a request.
const PROLONG_MS: Millis = 60_000;
/// Nor by less than this part of its life: of a short one a minute would be too much of a step.
const PROLONG_PART: Millis = 10;
const DAY_MS: Millis = 24 * 60 * 60 * 1_000;

impl From<Unavailable> for AccountsError {
    fn from(_: Unavailable) -> Self {
        AccountsError::Unavailable
    }
}

impl Accounts for LocalBroker {
    fn create(&self, account: Account) -> Stored<()> {
        let written = self.write(move |db| insert_account(db, "INSERT OR IGNORE", &account));
        async move { if written.await? == 0 { Err(AccountsError::NameTaken) } else { Ok(()) } }.boxed()
    }

    fn put(&self, account: Account) -> Stored<()> {
        let written = self.write(move |db| {
            // What an attacker, or a member of that name, opened before does not become the administrator's.
            db.prepare_cached(
                "DELETE FROM logins WHERE folded IN (SELECT folded FROM accounts
                 WHERE folded = ?1 AND (role <> ?2 OR password_hash <> ?3))",
            )?
            .execute((&*account.folded, role_number(account.role), &*account.password_hash))?;
            insert_account(db, "INSERT OR REPLACE", &account)
        });
        async move { Ok(written.await.map(drop)?) }.boxed()
    }

    fn demote_admins_but(&self, keep: Option<Box<str>>) -> Stored<()> {
        let written = self.write(move |db| {
            let (admin, keep) = (role_number(Role::Admin), keep.as_deref().unwrap_or_default());
            db.prepare_cached(
                "DELETE FROM logins WHERE folded IN (SELECT folded FROM accounts WHERE role = ?1 AND folded <> ?2)",
            )?
            .execute((admin, keep))?;
            db.prepare_cached("UPDATE accounts SET role = ?3 WHERE role = ?1 AND folded <> ?2")?.execute((
                admin,
                keep,
                role_number(Role::Member),
            ))
        });
        async move { Ok(written.await.map(drop)?) }.boxed()
    }

    fn rehash(&self, folded: Box<str>, old: Box<str>, new: Box<str>) -> Stored<()> {
        let written = self.write(move |db| {
            db.prepare_cached("UPDATE accounts SET password_hash = ?3 WHERE folded = ?1 AND password_hash = ?2")?
                .execute((&*folded, &*old, &*new))
        });
        async move { Ok(written.await.map(drop)?) }.boxed()
    }

    fn find(&self, folded: String) -> Stored<Option<Account>> {
        let found = self.readers.read(move |db| {
            db.prepare_cached("SELECT folded, name, role, password_hash FROM accounts WHERE folded = ?1")?
                .query_row([folded], account)
                .optional()
        });
        async move { Ok(found.await?) }.boxed()
    }

    fn start_session(&self, token: TokenHash, folded: String, expires_ms: Millis) -> Stored<()> {
        let written = self.write(move |db| {
            db.prepare_cached("INSERT OR REPLACE INTO logins (token, folded, expires) VALUES (?1, ?2, ?3)")?
                .execute((token, folded, expires_ms))
        });
        async move { Ok(written.await.map(drop)?) }.boxed()
    }

    fn use_session(&self, token: TokenHash, now_ms: Millis, expires_ms: Millis) -> Stored<Option<Account>> {
        let found = self.readers.read(move |db| find_session(db, &token, now_ms));
        let prolong = self.writes.clone();
        async move {
            let Some((account, expires)) = found.await? else { return Ok(None) };
            let step = PROLONG_MS.min(expires_ms.saturating_sub(now_ms) / PROLONG_PART);
            if expires_ms >= expires.saturating_add(step) {
                let prolonged = prolong.write(move |db| {
                    db.prepare_cached("UPDATE logins SET expires = max(expires, ?2) WHERE token = ?1")?
                        .execute((token, expires_ms))
                });
                // The session holds whether or not it could be prolonged.
                let _ = prolonged.await;
            }
            Ok(Some(account))
        }
        .boxed()
    }

    fn end_session(&self, token: TokenHash) -> Stored<()> {
        let written = self.write(move |db| db.prepare_cached("DELETE FROM logins WHERE token = ?1")?.execute([token]));
        async move { Ok(written.await.map(drop)?) }.boxed()
    }

    fn ban(&self, user: UserId, until_ms: Millis) -> Stored<()> {
        let now = self.clock.now_ms();
        let (bans, noted) = (self.bans.clone(), user.clone());
        let write = move |db: &Connection| {
            if until_ms <= now {
                db.prepare_cached("DELETE FROM bans WHERE user = ?1")?.execute([user.as_str()])
            } else {
                db.prepare_cached("INSERT OR REPLACE INTO bans (user, expires) VALUES (?1, ?2)")?
                    .execute((user.as_str(), until_ms))
            }
        };
        let written = self.writes.write_then(write, move || bans.note(noted, until_ms, now));
        async move { Ok(written.await.map(drop)?) }.boxed()
    }

    fn banned_until(&self, user: UserId, now_ms: Millis) -> Stored<Option<Millis>> {
        future::ready(Ok(self.bans.until(&user, now_ms))).boxed()
    }

    fn bans(&self, now_ms: Millis, limit: usize) -> Stored<Vec<(UserId, Millis)>> {
        let found = self.readers.read(move |db| {
            db.prepare_cached("SELECT user, expires FROM bans WHERE expires > ?1 ORDER BY expires DESC LIMIT ?2")?
                .query_map((now_ms, limit), |row| Ok((parsed(row, 0, UserId::parse)?, row.get(1)?)))?
                .collect()
        });
        async move { Ok(found.await?) }.boxed()
    }

    fn mark_read(&self, room: RoomName, user: UserId, seq: Seq) -> Stored<Seq> {
        let day = self.clock.now_ms() / DAY_MS;
        let written = self.write(move |db| {
            // Nothing read is no marker: rooms without entries leave no rows.
            if seq > 0 {
                db.prepare_cached(
                    "INSERT INTO markers (room, user, seq, day) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (room, user) DO UPDATE SET seq = excluded.seq, day = excluded.day
                     WHERE excluded.seq > seq",
                )?
                .execute((room.as_str(), user.as_str(), seq, day))?;
            }
            find_marker(db, &room, &user).map(Option::unwrap_or_default)
        });
        async move { Ok(written.await?) }.boxed()
    }

    fn read_marker(&self, room: RoomName, user: UserId) -> Stored<Option<Seq>> {
        let found = self.readers.read(move |db| find_marker(db, &room, &user));
        async move { Ok(found.await?) }.boxed()
    }

    fn secret(&self) -> Stored<[u8; 32]> {
        future::ready(Ok(self.secret)).boxed()
    }
}

/// Takes away a piece of what has ended: login sessions, bans, and read markers that did not move for as long as the
/// history goes back. Answers whether more may have.
pub(super) fn sweep(db: &Connection, now: Millis, max_age: Millis) -> rusqlite::Result<bool> {
    // A marker that old points at entries that are gone, and what is gone cannot be unread. Two days cover rounding.
    let oldest_day = if max_age == 0 { 0 } else { (now.saturating_sub(max_age) / DAY_MS).saturating_sub(1) };
    let mut more = false;
    for (sql, bound) in [
        ("DELETE FROM logins WHERE token IN (SELECT token FROM logins WHERE expires <= ?1 LIMIT ?2)", now),
        ("DELETE FROM bans WHERE user IN (SELECT user FROM bans WHERE expires <= ?1 LIMIT ?2)", now),
        (
            "DELETE FROM markers WHERE (room, user) IN (SELECT room, user FROM markers WHERE day < ?1 LIMIT ?2)",
            oldest_day,
        ),
    ] {
        more |= db.prepare_cached(sql)?.execute((bound, CHUNK))? as Seq == CHUNK;
    }
    Ok(more)
}

fn insert_account(db: &Connection, insert: &str, account: &Account) -> rusqlite::Result<usize> {
    let sql = format!("{insert} INTO accounts (folded, name, role, password_hash) VALUES (?1, ?2, ?3, ?4)");
    db.prepare_cached(&sql)?.execute((
        &*account.folded,
        &*account.name,
        role_number(account.role),
        &*account.password_hash,
    ))
}

fn find_session(db: &Connection, token: &TokenHash, now: Millis) -> rusqlite::Result<Option<(Account, Millis)>> {
    db.prepare_cached(
        "SELECT folded, name, role, password_hash, expires FROM logins JOIN accounts USING (folded)
         WHERE token = ?1 AND expires > ?2",
    )?
    .query_row((token, now), |row| Ok((account(row)?, row.get(4)?)))
    .optional()
}

fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account { folded: row.get(0)?, name: row.get(1)?, role: role(row.get(2)?)?, password_hash: row.get(3)? })
}

fn find_marker(db: &Connection, room: &RoomName, user: &UserId) -> rusqlite::Result<Option<Seq>> {
    db.prepare_cached("SELECT seq FROM markers WHERE room = ?1 AND user = ?2")?
        .query_row((room.as_str(), user.as_str()), |row| row.get(0))
        .optional()
}
