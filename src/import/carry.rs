//! The order of it: people first, so that nobody comes to a room before it is known who they are; read markers last, since
//! they count in the numbers of rooms, and go where those begin anew.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use indicatif::ProgressBar;

use super::{Failure, Plan, Summary};
use crate::{
    auth::accounts::{Account, Accounts, AccountsError},
    broker::{
        local::Export,
        redis::{Carried, ImportError, RedisImport},
    },
    clock::{Clock, SystemClock},
    protocol::ids::{Millis, UserId},
};

/// Commands under way at once.
const AT_ONCE: usize = 64;

/// Carries everything over.
pub(super) async fn carry(from: &Export, plan: &Plan, bar: &ProgressBar) -> Result<Summary, Failure> {
    let clock = Arc::new(SystemClock);
    let now = clock.now_ms();
    let to = RedisImport::connect(&plan.redis_url, &plan.redis, plan.history, clock).await?;
    let mut summary = Summary { secret: to.secret(from.secret()?).await?, ..Summary::default() };
    people(from, &to, plan.replace, now, &mut summary).await?;
    rooms(from, &to, bar, &mut summary).await?;
    markers(from, &to, &mut summary).await?;
    Ok(summary)
}

async fn people(
    from: &Export,
    to: &RedisImport,
    replace: bool,
    now: Millis,
    summary: &mut Summary,
) -> Result<(), Failure> {
    let accounts = to.accounts();
    let mut carried = stream::iter(from.accounts()?)
        .map(|account| async move { (account.name.clone(), account_into(accounts, account, replace).await) })
        .buffered(AT_ONCE);
    while let Some((name, done)) = carried.next().await {
        match done {
            Ok(()) => summary.accounts += 1,
            Err(AccountsError::NameTaken) => summary.names_taken.push(name),
            Err(error) => return Err(ImportError::from(error).into()),
        }
    }

    let bans = from.bans()?.into_iter().filter(|(_, until)| *until > now);
    let mut carried =
        stream::iter(bans).map(|(user, until)| ban_into(accounts, user, until, now)).buffer_unordered(AT_ONCE);
    while let Some(done) = carried.next().await {
        done.map_err(ImportError::from)?;
        summary.bans += 1;
    }
    Ok(())
}

async fn markers(from: &Export, to: &RedisImport, summary: &mut Summary) -> Result<(), Failure> {
    let accounts = to.accounts();
    let mut carried = stream::iter(from.markers()?)
        .map(|(room, user, seq)| accounts.mark_read(room, user, seq))
        .buffer_unordered(AT_ONCE);
    while let Some(done) = carried.next().await {
        done.map_err(ImportError::from)?;
        summary.markers += 1;
    }
    Ok(())
}

async fn account_into(accounts: &impl Accounts, account: Account, replace: bool) -> Result<(), AccountsError> {
    if replace { accounts.put(account).await } else { accounts.create(account).await }
}

/// Carries a ban over, unless there is one: that was decided later.
async fn ban_into(accounts: &impl Accounts, user: UserId, until: Millis, now: Millis) -> Result<(), AccountsError> {
    match accounts.banned_until(user.clone(), now).await? {
        Some(_) => Ok(()),
        None => accounts.ban(user, until).await,
    }
}

async fn rooms(from: &Export, to: &RedisImport, bar: &ProgressBar, summary: &mut Summary) -> Result<(), Failure> {
    let rooms = from.rooms()?;
    bar.set_length(rooms.iter().map(|room| room.head - room.trimmed).sum());
    for room in rooms {
        let mut entries = 0;
        let carried = to
            .room(from, &room, |piece| {
                entries += piece;
                bar.inc(piece);
            })
            .await?;
        match carried {
            Carried::Now => {
                summary.rooms += 1;
                summary.entries += entries;
            }
            Carried::Before => summary.rooms_before += 1,
            Carried::Taken => summary.rooms_taken.push(room.room),
        }
    }
    Ok(())
}
