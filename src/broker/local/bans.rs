//! The bans, in memory beside the file: whoever comes is looked up, and must not be let in because readers have too
//! much to do.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rusqlite::Connection;

use super::{OpenError, rows::parsed};
use crate::protocol::ids::{Millis, UserId};

/// Until when users are refused, as the file has it. As many as admins make, as in the file.
#[derive(Debug, Default)]
pub(super) struct Bans(Mutex<HashMap<UserId, Millis>>);

impl Bans {
    /// Those in the file that have not ended by `now`.
    pub(super) fn load(db: &Connection, file: &Path, now: Millis) -> Result<Self, OpenError> {
        let read = || {
            db.prepare("SELECT user, expires FROM bans WHERE expires > ?1")?
                .query_map([now], |row| Ok((parsed(row, 0, UserId::parse)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()
        };
        let bans = read().map_err(|source| OpenError::Database { file: file.to_owned(), source })?;
        Ok(Self(Mutex::new(bans)))
    }

    /// The file says so now: a user is refused until then, or no longer if that is not after `now`. Lets go of those
    /// that have ended.
    pub(super) fn note(&self, user: UserId, until: Millis, now: Millis) {
        let mut bans = self.lock();
        bans.insert(user, until);
        bans.retain(|_, until| *until > now);
    }

    /// Until when a user is refused, if so at `now`.
    pub(super) fn until(&self, user: &UserId, now: Millis) -> Option<Millis> {
        self.lock().get(user).copied().filter(|until| *until > now)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Millis>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_end_and_are_lifted() {
        let (bans, user) = (Bans::default(), UserId::guest(1));
        bans.note(user.clone(), 10, 5);
        assert_eq!((bans.until(&user, 9), bans.until(&user, 10)), (Some(10), None));
        bans.note(UserId::guest(2), 20, 10);
        assert_eq!(bans.lock().len(), 1, "what has ended is not kept");
        bans.note(UserId::guest(2), 0, 11);
        assert_eq!(bans.until(&UserId::guest(2), 11), None);
    }
}
