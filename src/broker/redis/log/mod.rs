//! The log of record in Redis.
//!
//! - Writing: [`publisher`] sends what waits in the [`outbox`] to the script of [`append`], one batch of a room at a time.
//! - Reading: [`read`], and [`follow`] for this instance itself, which finds out whether the log lost something.
//! - Never a number twice: [`seen`] knows how far the log went.
//! - Putting back: the [`ring`] keeps what this instance had logged lately, [`rescue`] looks whether it is still there.

mod append;
mod follow;
mod look;
mod outbox;
mod publisher;
mod read;
mod rescue;
mod ring;
mod rooms;
mod seen;
mod teller;

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};
use tokio::task::JoinHandle;

use self::{publisher::Publisher, teller::Teller};
use super::{context::Context, subscriptions::Subscriptions};
use crate::{
    broker::{Append, AppendError, Appended, Broker, LoggedRoom, Page, ReadLimit, Recovery, Tail, Unavailable},
    protocol::{
        command::Cursor,
        envelope::Telling,
        event::Mode,
        ids::{Epoch, Millis, Position, RoomName},
    },
};

/// How long a message's key is remembered at least (PROTOCOL section 4.3).
pub(super) const IDEMPOTENCY_MS: Millis = 600_000;

/// How long the epoch of a room without entries outlives the last look at it. Members look every `redis.check_ms`.
const EMPTY_ROOM_MS: Millis = 300_000;

/// A fresh epoch.
fn fresh_epoch() -> Epoch {
    Epoch::from_random(rand::random())
}

/// The log of record of many instances.
pub struct RedisBroker {
    context: Arc<Context>,
    publisher: Arc<Publisher>,
    subscriptions: Arc<Subscriptions>,
    teller: Teller,
    tasks: Vec<JoinHandle<()>>,
}

impl RedisBroker {
    /// The broker of this instance; its tasks run on the runtime it is made in, and end with it. Takes messages as
    /// provisional until [`RedisBroker::recover_after_outage`] or the link says that Redis is there.
    pub(super) fn new(context: Arc<Context>, subscriptions: Arc<Subscriptions>) -> Arc<Self> {
        let (publisher, mut tasks) = Publisher::start(context.clone());
        let (teller, task) = Teller::start(context.clone());
        tasks.push(task);
        Arc::new(Self { context, publisher, subscriptions, teller, tasks })
    }

    /// Redis is back: puts back what it lost, then lets what waited go, in order.
    ///
    /// # Errors
    /// When Redis went away again; nothing goes then.
    pub(super) async fn recover_after_outage(&self) -> Result<(), Unavailable> {
        self.publisher.rescue_all().await.map_err(|_| Unavailable)?;
        self.publisher.open();
        Ok(())
    }

    /// An entry of a room came from Redis.
    pub(super) fn saw(&self, room: &RoomName, position: Position) {
        self.publisher.seen().note(room, position);
    }

    /// A frame of this instance came back from Redis.
    pub(super) fn own_frame_came(&self, frame: u64) {
        self.publisher.own_frame_came(frame);
    }
}

impl Drop for RedisBroker {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Broker for RedisBroker {
    fn append(&self, batch: Vec<Append>) -> BoxFuture<'static, Vec<Result<Appended, AppendError>>> {
        self.publisher.append(batch)
    }

    fn recover(
        &self,
        room: RoomName,
        since: Option<Position>,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Recovery, Unavailable>> {
        let context = self.context.clone();
        async move {
            check_up(&context)?;
            Ok(read::recover(&context, &room, since.as_ref(), 0, limit).await?.recovery())
        }
        .boxed()
    }

    fn subscribe(&self, room: RoomName) -> BoxFuture<'static, Result<(), Unavailable>> {
        let subscriptions = self.subscriptions.clone();
        async move { subscriptions.enter(&room).await }.boxed()
    }

    fn follow(
        &self,
        room: RoomName,
        tail: Option<Tail>,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Recovery, Unavailable>> {
        let publisher = self.publisher.clone();
        async move { follow::follow(&publisher, &room, tail, limit).await }.boxed()
    }

    fn tell(&self, room: &RoomName, telling: Telling) {
        self.teller.tell(room, telling);
    }

    fn history(&self, room: RoomName, cursor: Cursor, limit: usize) -> BoxFuture<'static, Result<Page, Unavailable>> {
        let context = self.context.clone();
        async move {
            check_up(&context)?;
            read::history(&context, &room, cursor, limit).await
        }
        .boxed()
    }

    fn logged_rooms(
        &self,
        prefix: String,
        after: Option<RoomName>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<LoggedRoom>, Unavailable>> {
        let context = self.context.clone();
        async move {
            check_up(&context)?;
            rooms::logged_rooms(&context, &prefix, after, limit).await
        }
        .boxed()
    }

    fn release(&self, room: &RoomName) {
        // Other instances may have members in it: the epoch of an empty room expires by itself.
        self.subscriptions.leave(room);
        self.publisher.seen().forget(room);
    }

    fn idempotency_ms(&self) -> Millis {
        IDEMPOTENCY_MS
    }

    fn is_healthy(&self) -> bool {
        self.context.is_up()
    }

    fn mode(&self) -> Mode {
        if self.context.is_up() { Mode::Distributed } else { Mode::Degraded }
    }
}

/// Refuses at once what would only wait in vain.
fn check_up(context: &Context) -> Result<(), Unavailable> {
    if context.is_up() { Ok(()) } else { Err(Unavailable) }
}
