//! Sends what waits to the log: rooms side by side, each strictly in order.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use fred::{
    error::{Error, ErrorKind},
    interfaces::ServerInterface,
};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc, oneshot},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tracing::warn;

use super::{
    append::{self, Condition, Done, Failed, Sent, is_message},
    look::look,
    outbox::{Came, Effects, Outbox},
    rescue::Tries,
    ring::{RING_BYTES, Ring},
    seen::Seen,
};
use crate::{
    broker::{
        Append, AppendError, Appended, BrokerEvent, Change, Link, message_id::message_id, redis::context::Context,
    },
    protocol::{
        entry::{EntryBody, Message},
        ids::{Millis, Position, RoomName},
    },
};

/// Most batches on their way at once (REDIS.md section 8).
const IN_FLIGHT: usize = 256;
/// How long a failed batch waits before it is tried again.
const RETRY: Duration = Duration::from_millis(100);
/// How often what is too old is looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// Most events about provisional messages that wait for the hub; what is more is not told, and comes with its number.
const TOLD: usize = 1_024;
/// Most frames whose way back is timed at once.
const TIMED: usize = 1_024;
/// How long replicas may take to confirm a batch, in milliseconds.
const WAIT_MS: i64 = 100;

/// Where the answer to one change goes.
type Reply = oneshot::Sender<Result<Appended, AppendError>>;

/// The way to the log.
pub(super) struct Publisher {
    pub(super) context: Arc<Context>,
    outbox: Mutex<Outbox<Reply>>,
    ring: Mutex<Ring>,
    seen: Mutex<Seen>,
    /// One rescue at a time: two would put the same entries back.
    pub(super) rescuing: tokio::sync::Mutex<()>,
    slots: Semaphore,
    /// When frames that did not come back yet were sent, by their number.
    sent: Mutex<BTreeMap<u64, Instant>>,
    told: mpsc::Sender<BrokerEvent>,
    runtime: Handle,
}

impl Publisher {
    /// Starts the tasks that serve it; they end when it is dropped, or earlier by their handles.
    pub(super) fn start(context: Arc<Context>) -> (Arc<Self>, Vec<JoinHandle<()>>) {
        let runtime = Handle::current();
        let (told, events) = mpsc::channel(TOLD);
        let publisher = Arc::new(Self {
            outbox: Mutex::new(Outbox::new(context.config.outbox_messages, context.config.outbox_age_ms)),
            ring: Mutex::new(Ring::new(RING_BYTES)),
            seen: Mutex::default(),
            rescuing: tokio::sync::Mutex::new(()),
            slots: Semaphore::new(IN_FLIGHT),
            sent: Mutex::default(),
            told,
            runtime: runtime.clone(),
            context: context.clone(),
        });
        let tasks = vec![
            runtime.spawn(tell_in_order(context, events)),
            runtime.spawn(obey_link(Arc::downgrade(&publisher))),
            runtime.spawn(sweep(Arc::downgrade(&publisher))),
            runtime.spawn(look_after(Arc::downgrade(&publisher))),
        ];
        (publisher, tasks)
    }

    /// Queues changes. Their answers come in the order given.
    pub(super) fn append(
        self: &Arc<Self>,
        batch: Vec<Append>,
    ) -> BoxFuture<'static, Vec<Result<Appended, AppendError>>> {
        let clock = &self.context.clock;
        let came = Came { ts: clock.now_ms(), since: clock.elapsed_ms() };
        let (mut out, mut begin) = (Effects::default(), Vec::new());
        let mut answers = Vec::with_capacity(batch.len());
        {
            let mut outbox = self.outbox();
            for append in batch {
                let (reply, answer) = oneshot::channel();
                answers.push(answer);
                let room = append.room.clone();
                // Without a body, the dropped reply says that it cannot be.
                if let Some(body) = self.body(append, came.ts)
                    && outbox.push(room.clone(), body, reply, came, &mut out)
                {
                    begin.push(room);
                }
            }
        }
        self.say(out);
        begin.into_iter().for_each(|room| self.begin(room));
        async move {
            let mut all = Vec::with_capacity(answers.len());
            for answer in answers {
                all.push(answer.await.unwrap_or(Err(AppendError::Unavailable)));
            }
            all
        }
        .boxed()
    }

    /// Lets what waits go.
    pub(super) fn open(self: &Arc<Self>) {
        let rooms = self.outbox().open();
        rooms.into_iter().for_each(|room| self.begin(room));
    }

    /// Redis is away: nobody is kept waiting.
    fn shut(&self) {
        let mut out = Effects::default();
        self.outbox().shut(&mut out);
        self.say(out);
    }

    /// A frame of this instance came back.
    pub(super) fn own_frame_came(&self, frame: u64) {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner).remove(&frame);
        if let Some(sent) = sent {
            self.context.metrics.receipt_seconds.observe(sent.elapsed());
        }
    }

    pub(super) fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far the room's log goes at least, in the life in which this instance knows it.
    pub(super) fn last_seen(&self, room: &RoomName) -> Option<Position> {
        let own = self.ring().position(room);
        self.seen().last(room, own.as_ref())
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox<Reply>> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What will be logged, with everything decided that must be the same at every try.
    fn body(&self, append: Append, now: Millis) -> Option<EntryBody> {
        let Append { room, user, change } = append;
        Some(match change {
            Change::Message { text, key, reply_to } => EntryBody::Message(Message {
                // 26 letters and digits keep the rule of message ids; the error cannot happen.
                id: message_id(&user.id, &room, key.as_deref(), now).ok()?,
                from: user,
                text,
                key,
                reply_to,
                instance: self.context.me.instance.clone(),
                deleted: false,
            }),
            Change::Edit { message_id, text } => EntryBody::Edited { message_id, text, by: user, deleted: false },
            Change::Delete { message_id } => EntryBody::Deleted { message_id, by: user },
            Change::React { message_id, emoji, on } => EntryBody::Reaction { message_id, emoji, on, by: user },
        })
    }

    fn begin(self: &Arc<Self>, room: RoomName) {
        self.runtime.spawn(self.clone().serve(room));
    }

    /// Sends a room's batches until none is left, or the log is away.
    async fn serve(self: Arc<Self>, room: RoomName) {
        let patience = self.context.config.command_timeout_ms;
        let mut moved_before = false;
        loop {
            let Some(batch) = self.outbox().take(&room) else { return };
            let frame = self.context.next_frame();
            let number = batch.number.unwrap_or(frame);
            let sent = match self.rescue_before(&room, &batch.bodies).await {
                Ok(()) => self.send(&room, frame, number, &batch.bodies).await,
                Err(failed) => Err(failed),
            };
            let mut out = Effects::default();
            match sent {
                Ok(Some(Done { epoch, answers })) => {
                    let logged = self.outbox().settle(&room, answers, &mut out);
                    self.ring().keep(&room, &epoch, logged, self.context.clock.elapsed_ms());
                    self.say(out);
                    moved_before = false;
                }
                moved_or_failed => {
                    // What was logged before comes before what waits.
                    let rescued = moved_or_failed.is_ok() && self.rescue(&room).await.is_ok();
                    self.outbox().fail(&room, number, self.context.clock.elapsed_ms(), patience, &mut out);
                    self.say(out);
                    if !self.context.is_up() {
                        self.shut();
                    }
                    // Once is what a lost log costs; what goes on moving must not be hurried.
                    if !rescued || moved_before {
                        sleep(RETRY).await;
                    }
                    moved_before = rescued;
                }
            }
        }
    }

    /// One try. With `redis.wait_replicas` it succeeds only once that many replicas have it.
    /// `None` when the log has another epoch than what this instance had logged last, or ends before what it saw.
    async fn send(
        &self,
        room: &RoomName,
        frame: u64,
        number: u64,
        batch: &[EntryBody],
    ) -> Result<Option<Done>, Failed> {
        let _slot = self.slots.acquire().await.map_err(|_| Failed)?;
        let context = &self.context;
        let begun = Instant::now();
        self.time(frame, begun);
        let most = Duration::from_millis(context.config.command_timeout_ms).mul_f32(1.25);
        let epoch = self.ring().position(room).map(|own| own.epoch);
        let condition = Condition { epoch, seen: self.last_seen(room) };
        let tried = timeout(most, async {
            let done = append::append(context, room, frame, number, &condition, (Sent::First, batch)).await?;
            if let Some(done) = &done {
                self.wait_for_replicas(room, batch, done).await?;
            }
            Ok(done)
        });
        let done = tried.await.unwrap_or_else(|_| {
            Err(append::failed(context, room, &Error::new(ErrorKind::Timeout, "the batch had no answer in time")))
        })?;
        context.metrics.commit_seconds.observe(begun.elapsed().as_secs_f64());
        context.metrics.commit_entries.observe(batch.len() as f64);
        Ok(done)
    }

    /// A batch that too few replicas confirmed counts as failed and is tried again: found in the log by its ids, and
    /// confirmed then, or provisional until it is.
    ///
    /// The connection may have been renewed in between, and a new primary may have confirmed what it never had: it is
    /// looked, over the same connection, whether the batch is there.
    async fn wait_for_replicas(&self, room: &RoomName, batch: &[EntryBody], done: &Done) -> Result<(), Failed> {
        let wanted = i64::from(self.context.config.wait_replicas);
        if wanted == 0 {
            return Ok(());
        }
        let (context, client) = (&self.context, &self.context.clients.publisher);
        let confirmed: Result<i64, Error> = client.wait(wanted, WAIT_MS).await;
        let confirmed = confirmed.map_err(|error| append::failed(context, room, &error))?;
        if confirmed < wanted {
            warn!(%room, confirmed, wanted, "too few replicas have a batch");
            return Err(Failed);
        }
        let logged = batch.iter().zip(&done.answers).filter_map(|(body, answer)| Some((body, answer.ok()?)));
        let entries = logged.filter(|(body, at)| is_message(body) || !at.duplicate);
        let looked = look(context, client, room, entries).await?;
        // It may have a new life by now, with all that was in it.
        if looked.lacks.is_empty() && looked.epoch.is_some() {
            return Ok(());
        }
        warn!(%room, "the primary that replicas confirmed for does not have a batch");
        Err(Failed)
    }

    fn time(&self, frame: u64, sent: Instant) {
        let mut timed = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        timed.insert(frame, sent);
        // The oldest never came back, or held nothing new.
        if timed.len() > TIMED {
            timed.pop_first();
        }
    }

    /// Gives answers, and tells the hub what became of provisional messages.
    fn say(&self, out: Effects<Reply>) {
        for (reply, answer) in out.answers {
            // Whoever stopped waiting does not want to know.
            let _ = reply.send(answer);
        }
        let metrics = &self.context.metrics;
        metrics.provisional.inc_by(out.provisional.len() as u64);
        metrics.undelivered.inc_by(out.undelivered.len() as u64);
        let mut events = Vec::new();
        if !out.provisional.is_empty() {
            events.push(BrokerEvent::Provisional(out.provisional));
        }
        let mut undelivered: BTreeMap<RoomName, Vec<_>> = BTreeMap::new();
        for (room, id) in out.undelivered {
            undelivered.entry(room).or_default().push(id);
        }
        events.extend(undelivered.into_iter().map(|(room, ids)| BrokerEvent::Undelivered { room, ids }));
        for event in events {
            if self.told.try_send(event).is_err() {
                warn!("the hub is too far behind to be told of provisional messages");
            }
        }
    }
}

/// One task, so that what is told of a message comes in order.
async fn tell_in_order(context: Arc<Context>, mut events: mpsc::Receiver<BrokerEvent>) {
    while let Some(event) = events.recv().await {
        context.tell_hub(event).await;
    }
}

/// Opens and shuts the queues as Redis comes and goes.
async fn obey_link(publisher: Weak<Publisher>) {
    let Some(mut link) = publisher.upgrade().map(|publisher| publisher.context.link.clone()) else { return };
    let mut was = Link::Down;
    loop {
        let is = *link.borrow_and_update();
        let Some(publisher) = publisher.upgrade() else { return };
        match is {
            Link::Up => publisher.open(),
            Link::Down if was == Link::Up => publisher.shut(),
            Link::Down => {}
        }
        was = is;
        drop(publisher);
        if link.changed().await.is_err() {
            return;
        }
    }
}

async fn sweep(publisher: Weak<Publisher>) {
    loop {
        sleep(SWEEP).await;
        let Some(publisher) = publisher.upgrade() else { return };
        let now = publisher.context.clock.elapsed_ms();
        let mut out = Effects::default();
        let (waiting, oldest) = {
            let mut outbox = publisher.outbox();
            outbox.expire(now, &mut out);
            (outbox.len(), outbox.oldest())
        };
        let age = oldest.map_or(0, |since| now.saturating_sub(since) / 1_000);
        publisher.context.metrics.outbox_age_seconds.set(i64::try_from(age).unwrap_or(i64::MAX));
        publisher.context.metrics.outbox_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        publisher.say(out);
        publisher.ring().forget(now);
    }
}

/// Looks now and then whether the log still has what this instance had logged: it may lose everything without any
/// connection being lost.
async fn look_after(publisher: Weak<Publisher>) {
    let Some(every) = publisher.upgrade().map(|publisher| publisher.context.config.check_ms) else { return };
    let every = Duration::from_millis(every);
    let (mut looked, mut tries) = (Instant::now(), Tries::new());
    loop {
        sleep(every.min(SWEEP)).await;
        let Some(publisher) = publisher.upgrade() else { return };
        if !publisher.context.is_up() {
            continue;
        }
        publisher.rescue_waiting(&mut tries).await;
        if looked.elapsed() >= every {
            publisher.look_at_tails().await;
            looked = Instant::now();
        }
    }
}
