//! The store of one instance that stands alone: memory and one SQLite file.
//!
//! - [`LocalBroker`] keeps the log, accounts, sessions, bans and read markers in the file, and the bans in memory too;
//!   [`LocalPresence`] keeps who is where in memory.
//! - One thread writes, in groups, each one durable transaction (`synchronous=FULL`); some threads read. Queues before
//!   both are bounded, and what does not fit is refused at once.
//! - What is answered has reached the disk. A write that fails leaves nothing behind, is answered `Unavailable` and
//!   shows in [`Broker::is_healthy`] until one succeeds.
//! - A deleted text is overwritten in the file by the delete's own commit; the write-ahead log, which still holds it,
//!   is emptied within a fraction of a second, or as soon after as no reader is in the way. What the file system or
//!   the disk keeps of bytes overwritten or cut off is beyond this.

mod accounts;
mod append;
mod bans;
mod config;
mod directory;
mod epochs;
mod export;
mod file;
mod health;
mod ids;
mod lock;
mod members;
mod presence;
mod queue;
mod read;
mod readers;
mod retention;
mod rooms;
mod rows;
mod writer;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{self, BoxFuture},
};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

pub use config::LocalConfig;
pub use directory::LocalDirectory;
pub use export::{Altered, Export, ExportError, ExportedRoom, Remembered};
pub use file::OpenError;
pub(crate) use lock::{FileLock, LockError};
pub use lock::{LockState, lock_state};
pub use presence::LocalPresence;

use self::{
    append::Log,
    bans::Bans,
    epochs::Epochs,
    health::Health,
    queue::Sender,
    readers::Readers,
    retention::Retention,
    rooms::Rooms,
    writer::{Job, Reply, Writer},
};
use super::{
    Append, AppendError, Appended, Broker, BrokerEvent, LoggedRoom, Page, ReadLimit, Recovery, Tail, Unavailable,
};
use crate::{
    clock::SharedClock,
    metrics::Metrics,
    protocol::{
        command::Cursor,
        envelope::Telling,
        event::Mode,
        ids::{InstanceId, Millis, Position, RoomName},
    },
};

/// The log of record and what is kept of people, in one SQLite file that no other process may use meanwhile.
///
/// Dropping it finishes what was accepted and closes the file; see [`LocalBroker::shut_down`].
pub struct LocalBroker {
    writes: Writes,
    readers: Readers,
    epochs: Arc<Epochs>,
    bans: Arc<Bans>,
    health: Arc<Health>,
    clock: SharedClock,
    secret: [u8; 32],
    idempotency_ms: Millis,
    closing: Arc<AtomicBool>,
    owned: Mutex<Option<Owned>>,
}

/// What is let go of at the end, in this order.
struct Owned {
    writer: JoinHandle<()>,
    lock: FileLock,
}

/// The way to the writer.
#[derive(Clone)]
struct Writes(Arc<Sender<Job>>);

impl Writes {
    /// Runs `write` in the writer's next transaction; answers once it is on the disk.
    fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> impl Future<Output = Result<T, Unavailable>> + Send + 'static {
        self.write_then(write, || ())
    }

    /// The same, and runs `then` before the answer, once it is on the disk, in the order of such writes.
    fn write_then<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        then: impl FnOnce() + Send + 'static,
    ) -> impl Future<Output = Result<T, Unavailable>> + Send + 'static {
        let (reply, answer) = oneshot::channel();
        let write = Box::new(move |db: &Connection| {
            let value = write(db)?;
            let reply = move || {
                then();
                // Whoever stopped waiting does not want to know.
                drop(reply.send(value));
            };
            Ok(Box::new(reply) as Reply)
        });
        // Refused or rolled back: the reply's sender is gone.
        drop(self.0.try_send(1, Job::Write(write)));
        async move { answer.await.map_err(|_| Unavailable) }
    }
}

impl LocalBroker {
    /// Opens the file, or makes it, and starts the threads. Entries are told to `events` after they are on the disk;
    /// whoever holds the other end must drain it or drop it. With `new_epoch` every room gets a fresh epoch, as after
    /// restoring a backup: numbers go on, but no client's position is trusted.
    ///
    /// # Errors
    /// [`OpenError`], which names the file and what is wrong with it.
    pub fn open(
        config: LocalConfig,
        clock: SharedClock,
        instance: InstanceId,
        metrics: Metrics,
        events: mpsc::Sender<BrokerEvent>,
        new_epoch: bool,
    ) -> Result<Self, OpenError> {
        let file = &config.path;
        let lock = file::lock(file)?;
        let db = file::open_writer(&config, new_epoch)?;
        let secret = file::read_secret(&db, file)?;
        let bans = Arc::new(Bans::load(&db, file, clock.now_ms())?);
        let connections = (0..config.readers.max(1)).map(|_| file::open_reader(file)).collect::<Result<_, _>>()?;
        let no_thread = |source| OpenError::Thread { file: file.clone(), source };
        let readers = Readers::start(connections, config.read_queue_length).map_err(no_thread)?;
        let (epochs, health, closing) =
            (Arc::new(Epochs::default()), Arc::new(Health::new("written")), Arc::new(AtomicBool::new(false)));
        let writer = Writer {
            db,
            log: Log::new(Rooms::new(epochs.clone()), Retention::from(&config), instance),
            clock: clock.clone(),
            events,
            health: health.clone(),
            metrics,
            closing: closing.clone(),
            sweep_interval: Duration::from_millis(config.sweep_interval_ms.max(1)),
            scrub_at: None,
        };
        let (sender, jobs) = queue::bounded(config.queue_length.max(1));
        let writer =
            thread::Builder::new().name("store-writer".into()).spawn(move || writer.run(&jobs)).map_err(no_thread)?;
        Ok(Self {
            writes: Writes(Arc::new(sender)),
            readers,
            epochs,
            bans,
            health,
            clock,
            secret,
            idempotency_ms: config.idempotency_ms,
            closing,
            owned: Mutex::new(Some(Owned { writer, lock })),
        })
    }

    /// Takes nothing more, finishes what was accepted, folds the write-ahead log into the file and lets go of it.
    /// Blocks for as long as that takes; a second call does nothing. Afterwards everything but who is banned is
    /// `Unavailable`.
    pub fn shut_down(&self) {
        self.closing.store(true, Ordering::Release);
        self.writes.0.close();
        // The writer's connection is the last to close, and the last folds the write-ahead log into the file.
        self.readers.shut_down();
        if let Some(Owned { writer, lock }) = self.owned.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A writer that panicked has said so and has nothing more to finish.
            drop(writer.join());
            drop(lock);
        }
    }

    fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> impl Future<Output = Result<T, Unavailable>> + Send + 'static {
        self.writes.write(write)
    }
}

impl Drop for LocalBroker {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl Broker for LocalBroker {
    fn append(&self, batch: Vec<Append>) -> BoxFuture<'static, Vec<Result<Appended, AppendError>>> {
        let count = batch.len();
        let (reply, answers) = oneshot::channel();
        // Refused or rolled back: the reply's sender is gone.
        drop(self.writes.0.try_send(count, Job::Append(batch, reply)));
        async move { answers.await.unwrap_or_else(|_| vec![Err(AppendError::Unavailable); count]) }.boxed()
    }

    fn recover(
        &self,
        room: RoomName,
        since: Option<Position>,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Recovery, Unavailable>> {
        let unwritten = self.epochs.enter(&room);
        self.readers.read(move |db| read::recover(db, &room, unwritten, since.as_ref(), limit)).boxed()
    }

    fn subscribe(&self, _: RoomName) -> BoxFuture<'static, Result<(), Unavailable>> {
        // Everything committed is told.
        future::ready(Ok(())).boxed()
    }

    fn follow(
        &self,
        room: RoomName,
        tail: Option<Tail>,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Recovery, Unavailable>> {
        // The file loses nothing that was told.
        self.recover(room, tail.map(|tail| tail.position), limit)
    }

    fn tell(&self, _: &RoomName, _: Telling) {}

    fn history(&self, room: RoomName, cursor: Cursor, limit: usize) -> BoxFuture<'static, Result<Page, Unavailable>> {
        self.readers.read(move |db| read::history(db, &room, cursor, limit)).boxed()
    }

    fn logged_rooms(
        &self,
        prefix: String,
        after: Option<RoomName>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<LoggedRoom>, Unavailable>> {
        self.readers.read(move |db| read::logged_rooms(db, &prefix, after.as_ref(), limit)).boxed()
    }

    fn release(&self, room: &RoomName) {
        self.epochs.leave(room);
    }

    fn idempotency_ms(&self) -> Millis {
        self.idempotency_ms
    }

    fn is_healthy(&self) -> bool {
        self.health.is_well()
    }

    fn mode(&self) -> Mode {
        Mode::Standalone
    }
}
