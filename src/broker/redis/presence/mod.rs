//! Who is in which room, over all instances.
//!
//! - In Redis a user is in a room until the last instance that holds it lets go or stops refreshing: `refs` has for each
//!   user the incarnations that hold it with an expiry each, by Redis' clock; the sorted sets have the latest of them. An
//!   instance that dies needs nobody to clean up after it, and one dead holder does not keep a user that left elsewhere.
//! - [`held`]: what this instance told of each room, refreshed by [`upkeep`] for as long as it runs; what an operator
//!   deletes comes back with the next refresh.
//! - [`upkeep`] also takes out users whose time is over. One instance gets each of them, and tells all.
//! - Whoever a drain sends to another instance counts on until the time to be there has come: `refs` has `~` with that time
//!   for such a user, which nobody refreshes, and which goes when the user comes anywhere.
//! - While Redis is away every call is [`Unavailable`]; [`amnesty`] says what counts afterwards.

mod amnesty;
mod calls;
mod held;
mod tally;
mod upkeep;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use fred::{error::Error, interfaces::PubsubInterface};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use tokio::{sync::Semaphore, task::AbortHandle, time::Instant};

pub(super) use self::calls::keep_ms;
use self::{
    amnesty::Amnesty,
    calls::{Answer, Calls},
    held::{Call, Doubt, Held, Room, Rooms},
    tally::{Tally, last_of_each},
};
use super::{context::Context, keys::RoomKeys};
use crate::{
    broker::{BrokerEvent, PresenceChange, PresenceOutcome, PresenceStore, Roster, Unavailable},
    protocol::{
        envelope::{Body, Telling},
        event::LeaveReason,
        ids::{Millis, RoomName},
        user::User,
    },
};

/// Users of one call of a script, so that none holds Redis for long (REDIS.md section 3).
const CHUNK: usize = 200;
/// Calls of this instance that may be under way.
const CALLS: usize = 64;
/// Rooms that are refreshed or left at once.
const ROOMS_AT_ONCE: usize = 16;
/// Users of a role that a list looks at; a list of more is of those who were refreshed last.
const LOOK: usize = 2_000;
/// Rooms whose users are counted in one call.
const TOTALS: usize = 100;

/// Presence in Redis. Dropping it ends its tasks, not the presence of its users; see [`RedisPresence::depart`].
pub struct RedisPresence {
    shared: Arc<Shared>,
    upkeep: AbortHandle,
}

struct Shared {
    context: Arc<Context>,
    rooms: Rooms,
    amnesty: Mutex<Amnesty>,
    calls: Semaphore,
    /// Numbers the calls.
    numbers: AtomicU64,
    departed: AtomicBool,
    /// When the last full refresh began, by Redis' clock; 0 before the first.
    refreshed_at: AtomicU64,
}

impl RedisPresence {
    /// Starts it; call it in the runtime that is to do its work.
    pub(super) fn new(context: Arc<Context>) -> Arc<Self> {
        let shared = Arc::new(Shared {
            context,
            rooms: Rooms::default(),
            amnesty: Mutex::default(),
            calls: Semaphore::new(CALLS),
            numbers: AtomicU64::new(0),
            departed: AtomicBool::new(false),
            refreshed_at: AtomicU64::new(0),
        });
        let upkeep = tokio::spawn(upkeep::run(shared.clone())).abort_handle();
        Arc::new(Self { shared, upkeep })
    }

    /// Tells Redis again of everybody who is here: after an outage, or when something was lost. Ends early when Redis
    /// cannot be used; the next refresh goes on.
    pub(super) async fn full_sync(&self) {
        self.shared.refresh_all().await;
    }

    /// Lets go of everybody who is still here: they count for `away_ms` milliseconds, in which they are expected on
    /// another instance. Nobody can be told of afterwards.
    pub(super) async fn depart(&self, away_ms: Millis) {
        self.shared.departed.store(true, Ordering::Release);
        self.upkeep.abort();
        let rooms = stream::iter(self.shared.rooms.all());
        rooms.for_each_concurrent(ROOMS_AT_ONCE, |(name, room)| self.shared.leave(name, room, away_ms)).await;
    }
}

impl Drop for RedisPresence {
    fn drop(&mut self) {
        self.upkeep.abort();
    }
}

impl PresenceStore for RedisPresence {
    fn sync(
        &self,
        room: RoomName,
        changes: Vec<PresenceChange>,
    ) -> BoxFuture<'static, Result<PresenceOutcome, Unavailable>> {
        let shared = self.shared.clone();
        async move {
            shared.usable()?;
            let held = shared.rooms.enter(&room);
            shared.sync(&room, &held, last_of_each(changes)).await
        }
        .boxed()
    }

    fn who(&self, room: RoomName, limit: usize) -> BoxFuture<'static, Result<Roster, Unavailable>> {
        let shared = self.shared.clone();
        async move {
            shared.usable()?;
            let _permit = shared.permit().await?;
            let (mut users, counts) =
                shared.calls().who(&room, limit, LOOK).await.map_err(|error| shared.failed(&error))?;
            users.sort_unstable_by(|a, b| (b.role, &a.name, &a.id).cmp(&(a.role, &b.name, &b.id)));
            users.truncate(limit);
            Ok(Roster { users, counts })
        }
        .boxed()
    }

    fn occupied_rooms(
        &self,
        prefix: String,
        after: Option<RoomName>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<(RoomName, usize)>, Unavailable>> {
        let shared = self.shared.clone();
        async move {
            shared.usable()?;
            let _permit = shared.permit().await?;
            let names = shared.calls().rooms().await.map_err(|error| shared.failed(&error))?;
            let mut names: Vec<_> = names.iter().filter_map(|name| RoomName::parse(name).ok()).collect();
            names.retain(|name| name.as_str().starts_with(&prefix) && after.as_ref().is_none_or(|after| name > after));
            names.sort_unstable();
            let mut rooms = Vec::new();
            // Those that turn out empty are left out, and do not shorten the page.
            for names in names.chunks(TOTALS) {
                let totals = shared.calls().totals(names).await.map_err(|error| shared.failed(&error))?;
                rooms.extend(names.iter().cloned().zip(totals).filter(|(_, total)| *total > 0));
                if rooms.len() >= limit {
                    break;
                }
            }
            rooms.truncate(limit);
            Ok(rooms)
        }
        .boxed()
    }
}

impl Shared {
    fn usable(&self) -> Result<(), Unavailable> {
        let usable = self.context.is_up() && !self.departed.load(Ordering::Acquire);
        if usable { Ok(()) } else { Err(Unavailable) }
    }

    async fn permit(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Unavailable> {
        self.calls.acquire().await.map_err(|_| Unavailable)
    }

    fn calls(&self) -> Calls<'_> {
        Calls { context: &self.context, everyone: self.amnesty().holds(Instant::now()) }
    }

    fn amnesty(&self) -> MutexGuard<'_, Amnesty> {
        self.amnesty.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, error: &Error) -> Unavailable {
        self.context.unavailable("presence", error)
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    fn plan(&self, room: &Room, held: &Held, answer: &Answer) {
        let most = Duration::from_millis(self.context.config.presence_refresh_ms);
        room.plan(answer, held.users.len(), Instant::now(), most);
    }

    async fn sync(
        &self,
        name: &RoomName,
        room: &Room,
        changes: Vec<PresenceChange>,
    ) -> Result<PresenceOutcome, Unavailable> {
        let mut held = room.held.lock().await;
        let mut tally = Tally::default();
        self.settle(name, &mut held, &mut tally).await?;
        let answer = self.tell(name, &mut held, &mut tally, &changes).await?;
        held.apply(&changes);
        self.plan(room, &held, &answer);
        Ok(tally.into_outcome(answer.counts, answer.counted_at))
    }

    /// Puts right what an earlier call that failed may have changed.
    async fn settle(&self, name: &RoomName, held: &mut Held, tally: &mut Tally) -> Result<(), Unavailable> {
        let Some(doubt) = &held.doubt else { return Ok(()) };
        let (call, changes, mut done) = (doubt.call.clone(), doubt.changes.clone(), doubt.done.clone());
        self.call(name, &call, &mut done).await?;
        *tally = done;
        let corrections = held.corrections(&changes);
        self.tell(name, held, tally, &corrections).await?;
        held.doubt = None;
        Ok(())
    }

    /// Tells Redis, in pieces. What comes of it is added to `tally`; when it fails that is kept for the next time.
    async fn tell(
        &self,
        name: &RoomName,
        held: &mut Held,
        tally: &mut Tally,
        changes: &[PresenceChange],
    ) -> Result<Answer, Unavailable> {
        // Without a change there is still somebody who wants to know how many there are.
        let mut pieces = changes.chunks(CHUNK);
        let mut piece = pieces.next().unwrap_or_default();
        loop {
            let call = Call { number: self.number(), changes: piece.into() };
            match self.call(name, &call, tally).await {
                Ok(answer) => match pieces.next() {
                    Some(next) => piece = next,
                    None => return Ok(answer),
                },
                Err(unavailable) => {
                    held.doubt = Some(Doubt { call, done: std::mem::take(tally), changes: changes.to_vec() });
                    return Err(unavailable);
                }
            }
        }
    }

    async fn call(&self, name: &RoomName, call: &Call, tally: &mut Tally) -> Result<Answer, Unavailable> {
        let _permit = self.permit().await?;
        let synced = self.calls().sync(name, call).await.map_err(|error| self.failed(&error))?;
        synced.entered.into_iter().for_each(|user| tally.enter(user));
        synced.left.into_iter().for_each(|user| tally.leave(user));
        Ok(synced.answer)
    }

    /// Tells this instance's hub and the other instances who came and went, and how many there are.
    async fn announce(&self, room: RoomName, told: Telling) {
        self.publish(&room, told.clone()).await;
        self.context.tell_hub(BrokerEvent::Told(room, told)).await;
    }

    async fn publish(&self, room: &RoomName, telling: Telling) {
        let Ok(frame) = serde_json::to_string(&self.context.envelope(Body::Told { telling })) else { return };
        let channel = RoomKeys(room).channel();
        if let Err(error) = self.context.clients.publisher.publish::<(), _, _>(channel, frame).await {
            let _ = self.failed(&error);
        }
    }

    /// Lets go of everybody of this instance in a room; they count for `away_ms`.
    async fn leave(&self, name: RoomName, room: Arc<Room>, away_ms: Millis) {
        let mut held = room.held.lock().await;
        let mut tally = Tally::default();
        let gone = |user: &Arc<User>| PresenceChange { user: user.clone(), present: false, away_ms };
        let gone: Vec<_> = held.users.values().map(gone).collect();
        let told = match self.settle(&name, &mut held, &mut tally).await {
            Ok(()) => self.tell(&name, &mut held, &mut tally, &gone).await,
            Err(unavailable) => Err(unavailable),
        };
        // When Redis is away, they expire.
        let Ok(answer) = told else { return };
        held.apply(&gone);
        let told = presence(&answer, tally, LeaveReason::Drained);
        if matches!(&told, Telling::Presence { left, .. } if !left.is_empty()) {
            self.publish(&name, told).await;
        }
    }
}

/// What is told of those who came and went, the latter all for one reason.
fn presence(answer: &Answer, tally: Tally, why: LeaveReason) -> Telling {
    let (entered, left) = tally.into_parts();
    telling(answer, entered, left.into_iter().map(|user| (user, why)).collect())
}

fn telling(answer: &Answer, entered: Vec<Arc<User>>, left: Vec<(Arc<User>, LeaveReason)>) -> Telling {
    let Answer { counts, counted_at, .. } = *answer;
    Telling::Presence { counts, counted_at, entered, left }
}
