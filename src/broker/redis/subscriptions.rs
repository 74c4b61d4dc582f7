//! Which channels this instance listens to: the rooms that have members here, the control channel, and its own.
//!
//! fred says that a subscription stands before its command was even sent, and hides that it was forbidden (REDIS.md
//! section 1). So a PING on the same connection follows each: its answer comes behind that of the subscription. And
//! Redis is asked on another connection whether somebody listens.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fred::{
    error::{Error, ErrorKind},
    interfaces::{ClientLike, PubsubInterface},
};
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::{debug, warn};

use super::{
    context::Context,
    keys::{self, RoomKeys},
    listening::{Heard, Listening},
};
use crate::{
    broker::{BrokerEvent, Link, Unavailable},
    protocol::ids::{Millis, RoomName},
};

/// Channels of one command.
const CHUNK: usize = 512;

/// How long after a subscription that failed it is tried again.
const RETRY: Duration = Duration::from_millis(200);

type Waiter = oneshot::Sender<Result<(), Unavailable>>;

/// What this instance listens to.
pub(super) struct Subscriptions {
    ctx: Arc<Context>,
    rooms: Mutex<Listening<Waiter>>,
    /// Something is wanted.
    wanted: Notify,
    renewals: mpsc::Sender<Renewal>,
}

/// Asks to subscribe to everything again, since the connection is another.
pub(super) struct Renewal(oneshot::Sender<Result<(), Error>>);

impl Subscriptions {
    /// Nothing but what every instance listens to; [`Subscriptions::run`] does the work.
    pub(super) fn new(ctx: Arc<Context>) -> (Arc<Self>, mpsc::Receiver<Renewal>) {
        let (renewals, requests) = mpsc::channel(1);
        (Arc::new(Self { ctx, rooms: Mutex::default(), wanted: Notify::new(), renewals }), requests)
    }

    /// Listens to a room; done when Redis has taken the subscription. While Redis is away it fails, and
    /// [`BrokerEvent::Missed`] follows when the room is heard.
    pub(super) async fn enter(&self, room: &RoomName) -> Result<(), Unavailable> {
        if !self.ctx.is_up() {
            self.rooms().enter_later(room);
            return Err(Unavailable);
        }
        let (waiter, heard) = oneshot::channel();
        if self.rooms().enter(room, waiter).is_some() {
            return Ok(());
        }
        self.wanted.notify_one();
        heard.await.unwrap_or(Err(Unavailable))
    }

    /// Nobody of this instance is in a room any more. It is listened to for a while, since people come back.
    pub(super) fn leave(&self, room: &RoomName) {
        let ends_at = self.now() + self.ctx.config.linger_ms;
        self.rooms().leave(room, ends_at);
        self.wanted.notify_one();
    }

    /// Subscribes to everything, on a connection that is new, and makes sure that it is heard.
    pub(super) async fn renew(&self) -> Result<(), Error> {
        let closed = || Error::new(ErrorKind::Canceled, "the subscriptions have ended");
        let (done, renewed) = oneshot::channel();
        self.renewals.send(Renewal(done)).await.map_err(|_| closed())?;
        renewed.await.map_err(|_| closed())?
    }

    /// Keeps what is listened to as it is wanted, one command after the other, until the store is gone.
    pub(super) async fn run(self: Arc<Self>, mut renewals: mpsc::Receiver<Renewal>) {
        loop {
            // What is broken off here is done by the renewal, or again.
            let renewal = tokio::select! {
                biased;
                renewal = renewals.recv() => renewal,
                () = self.keep_up() => continue,
            };
            let Some(Renewal(done)) = renewal else { return };
            let _ = done.send(self.subscribe_to_all().await);
        }
    }

    fn rooms(&self) -> MutexGuard<'_, Listening<Waiter>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Millis {
        self.ctx.clock.elapsed_ms()
    }

    /// Waits until something is to be done, and does it.
    async fn keep_up(&self) {
        let mut link = self.ctx.link.clone();
        let is_up = *link.borrow_and_update() == Link::Up;
        let (unheard, next_end) = {
            let rooms = self.rooms();
            (if is_up { rooms.unheard(CHUNK) } else { Vec::new() }, rooms.next_end().filter(|_| is_up))
        };
        if !unheard.is_empty() {
            return self.begin(&unheard).await;
        }
        let now = self.now();
        if next_end.is_some_and(|at| at <= now) {
            return self.end(now).await;
        }
        let ends = async {
            match next_end {
                Some(at) => tokio::time::sleep(Duration::from_millis(at - now)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.wanted.notified() => {}
            () = ends => {}
            changed = link.changed() => if changed.is_err() {
                // The link is gone, and with it the store.
                std::future::pending().await
            },
        }
        if !self.ctx.is_up() {
            answer(self.rooms().give_up(), Err(Unavailable));
        }
    }

    async fn begin(&self, rooms: &[RoomName]) {
        match self.subscribe(channels(rooms)).await {
            Ok(()) => self.heard(rooms).await,
            Err(error) => {
                warn!("cannot listen to {} rooms: {error}", rooms.len());
                self.ctx.failed(&error);
                answer(self.rooms().give_up(), Err(Unavailable));
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    async fn heard(&self, rooms: &[RoomName]) {
        let Heard { waiting, owed } = self.rooms().hear(rooms);
        self.count();
        answer(waiting, Ok(()));
        for room in owed {
            self.ctx.tell_hub(BrokerEvent::Missed(Some(room))).await;
        }
    }

    async fn end(&self, now: Millis) {
        let ended = self.rooms().end(now);
        self.count();
        if ended.is_empty() {
            return;
        }
        // One that stays by this error costs frames that nobody wants, until the connection is another.
        if let Err(error) = self.ctx.clients.subscriber.unsubscribe(channels(&ended)).await {
            debug!("cannot end to listen to {} rooms: {error}", ended.len());
        }
    }

    async fn subscribe_to_all(&self) -> Result<(), Error> {
        let rooms = self.rooms().start_over();
        self.count();
        let mut all = vec![keys::CONTROL.to_owned(), keys::peer_channel(&self.ctx.me)];
        all.extend(channels(&rooms));
        for chunk in all.chunks(CHUNK) {
            self.subscribe(chunk.to_vec()).await?;
        }
        for chunk in all.chunks(CHUNK) {
            self.verify(chunk).await?;
        }
        // All rooms are read again after a renewal, so that nobody is owed anything.
        let Heard { waiting, .. } = self.rooms().hear(&rooms);
        self.count();
        answer(waiting, Ok(()));
        Ok(())
    }

    async fn subscribe(&self, channels: Vec<String>) -> Result<(), Error> {
        let subscriber = &self.ctx.clients.subscriber;
        subscriber.subscribe(channels).await?;
        subscriber.ping::<()>(None).await
    }

    async fn verify(&self, channels: &[String]) -> Result<(), Error> {
        let listeners: HashMap<String, u64> = self.ctx.clients.data.pubsub_numsub(channels.to_vec()).await?;
        match channels.iter().find(|channel| listeners.get(*channel).is_none_or(|&listeners| listeners == 0)) {
            Some(deaf) => {
                Err(Error::new(ErrorKind::Unknown, format!("NOPERM the subscription to {deaf} was not taken")))
            }
            None => Ok(()),
        }
    }

    fn count(&self) {
        let heard = self.rooms().heard();
        self.ctx.metrics.rooms_subscribed.set(i64::try_from(heard).unwrap_or(i64::MAX));
    }
}

fn channels(rooms: &[RoomName]) -> Vec<String> {
    rooms.iter().map(|room| RoomKeys(room).channel()).collect()
}

fn answer(waiting: Vec<Waiter>, result: Result<(), Unavailable>) {
    for waiter in waiting {
        // Whoever stopped waiting does not want to know.
        let _ = waiter.send(result);
    }
}
