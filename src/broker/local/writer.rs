//! The one thread that writes: takes what waits, commits it together, then answers and tells the hub.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::RecvTimeoutError,
    },
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{
    accounts,
    append::{Failure, Log},
    health::Health,
    queue::Receiver,
};
use crate::{
    broker::{Append, AppendError, Appended, BrokerEvent},
    clock::SharedClock,
    metrics::Metrics,
    protocol::{
        entry::{EntryBody, Numbered},
        ids::Millis,
    },
};

/// Most units of work (appends, other writes) in one transaction: bounds how long the first waits for the last.
const GROUP: usize = 512;
/// How soon after a delete the write-ahead log is emptied; deletes within it share one checkpoint.
const SCRUB_DELAY: Duration = Duration::from_millis(100);
/// How often a hub whose queue is full is tried again.
const FULL_DELAY: Duration = Duration::from_millis(1);
/// What a probe writes, in bytes: more than fits into pages that happen to have room.
const PROBE_BYTES: u64 = 64 * 1024;

/// Answers to a batch of appends.
pub(super) type Answers = Vec<Result<Appended, AppendError>>;
/// Runs once the transaction is on the disk; dropped without running when it is not, which drops the sender within.
pub(super) type Reply = Box<dyn FnOnce() + Send>;
/// A write of another kind.
pub(super) type Write = Box<dyn FnOnce(&Connection) -> rusqlite::Result<Reply> + Send>;

/// What the writer is asked to do. Whoever asked learns of a failure by the dropped sender.
pub(super) enum Job {
    /// Appends to the log, in order.
    Append(Vec<Append>, oneshot::Sender<Answers>),
    /// Anything else.
    Write(Write),
}

/// What the thread owns.
pub(super) struct Writer {
    pub(super) db: Connection,
    pub(super) log: Log,
    pub(super) clock: SharedClock,
    pub(super) events: mpsc::Sender<BrokerEvent>,
    pub(super) health: Arc<Health>,
    pub(super) metrics: Metrics,
    pub(super) closing: Arc<AtomicBool>,
    pub(super) sweep_interval: Duration,
    /// When to empty the write-ahead log of deleted texts.
    pub(super) scrub_at: Option<Instant>,
}

/// What a transaction brought.
#[derive(Default)]
struct Outcome {
    entries: Vec<Numbered>,
    replies: Vec<Reply>,
}

impl Writer {
    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        let _stopped = ReportStop(self.health.clone());
        let mut sweep_at = Instant::now();
        loop {
            let wake = self.scrub_at.map_or(sweep_at, |scrub| scrub.min(sweep_at));
            match jobs.recv_timeout(wake.saturating_duration_since(Instant::now())) {
                Ok(first) => self.commit_group(group(first, jobs)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = Instant::now();
            if self.scrub_at.is_some_and(|at| at <= now) {
                self.scrub();
            }
            if sweep_at <= now {
                // While more is due, a piece of it follows each group, so that appends wait for one piece at most.
                let more = self.sweep();
                sweep_at = if more { now } else { now + self.sweep_interval };
            }
        }
        // What cannot be folded into the file now is read from the write-ahead log at the next start.
        self.scrub();
    }

    fn commit_group(&mut self, jobs: Vec<Job>) {
        let begun = Instant::now();
        if let Some(outcome) = self.transact(|log, db, now| perform(log, db, jobs, now)) {
            self.metrics.commit_seconds.observe(begun.elapsed().as_secs_f64());
            self.metrics.commit_entries.observe(outcome.entries.len() as f64);
            if outcome.entries.iter().any(|numbered| matches!(numbered.entry.body, EntryBody::Deleted { .. })) {
                self.scrub_at.get_or_insert_with(|| Instant::now() + SCRUB_DELAY);
            }
            if !outcome.entries.is_empty() {
                self.tell(BrokerEvent::Committed(outcome.entries));
            }
            outcome.replies.into_iter().for_each(|reply| reply());
        }
    }

    /// Runs `work` in a transaction; `None` when it failed and nothing of it holds.
    fn transact<T>(&mut self, work: impl FnOnce(&mut Log, &Connection, Millis) -> rusqlite::Result<T>) -> Option<T> {
        let before = self.db.total_changes();
        let done = in_transaction(&mut self.db, &mut self.log, self.clock.now_ms(), work);
        self.log.rooms.settle(done.is_ok());
        match done {
            Ok(value) => {
                // A transaction that changed nothing did not try the disk.
                if self.db.total_changes() != before {
                    self.health.succeeded();
                }
                Some(value)
            }
            Err(error) => {
                self.health.failed(&error);
                None
            }
        }
    }

    /// Hands entries to the hub, which always drains. While it does not, this waits: entries must not be lost between
    /// the disk and the hub, and callers are held up by their own bounded queue. Only a store that is being closed stops
    /// waiting, since the hub may be what closes it; the entries are on the disk.
    fn tell(&self, mut event: BrokerEvent) {
        while let Err(mpsc::error::TrySendError::Full(full)) = self.events.try_send(event) {
            if self.closing.load(Ordering::Acquire) {
                return;
            }
            event = full;
            thread::sleep(FULL_DELAY);
        }
    }

    /// Takes away a piece of what is too old; answers whether more is. While writes fail, finds out whether they still
    /// do, so that health does not wait for somebody to say something.
    fn sweep(&mut self) -> bool {
        let failing = !self.health.is_well();
        let swept = self.transact(|log, db, now| {
            let more = log.retention.sweep(db, &mut log.rooms, now)? | accounts::sweep(db, now, log.retention.max_age)?;
            log.rooms.save(db, &log.retention, now)?;
            Ok(more)
        });
        let more = swept.unwrap_or(false);
        if failing && !more {
            self.transact(|_, db, _| probe(db));
        }
        more
    }

    /// Folds the write-ahead log into the file and cuts it to nothing, so that the texts deleted stand in neither.
    fn scrub(&mut self) {
        let busy = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        self.scrub_at = match busy {
            Ok(false) => None,
            // A reader is in the way, or the disk: the text must go, so try again.
            Ok(true) | Err(_) => Some(Instant::now() + SCRUB_DELAY),
        };
    }
}

/// A thread that ends, for whatever reason, is no store that can be written.
struct ReportStop(Arc<Health>);

#[derive(Debug, thiserror::Error)]
#[error("its thread panicked")]
struct Panicked;

impl Drop for ReportStop {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.failed(&Panicked);
        }
    }
}

/// Takes what waits behind `first`, up to the bound.
fn group((mut units, first): (usize, Job), jobs: &Receiver<Job>) -> Vec<Job> {
    let mut group = vec![first];
    while units < GROUP
        && let Some((more, job)) = jobs.try_recv()
    {
        units += more;
        group.push(job);
    }
    group
}

fn in_transaction<T>(
    db: &mut Connection,
    log: &mut Log,
    now: Millis,
    work: impl FnOnce(&mut Log, &Connection, Millis) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = work(log, &tx, now)?;
    tx.commit()?;
    Ok(value)
}

fn perform(log: &mut Log, db: &Connection, jobs: Vec<Job>, now: Millis) -> rusqlite::Result<Outcome> {
    let mut outcome = Outcome::default();
    for job in jobs {
        let reply = match job {
            Job::Write(write) => write(db)?,
            Job::Append(batch, sender) => {
                let answers = append(log, db, batch, now, &mut outcome.entries)?;
                // Whoever stopped waiting does not want to know.
                Box::new(move || drop(sender.send(answers)))
            }
        };
        outcome.replies.push(reply);
    }
    log.rooms.save(db, &log.retention, now)?;
    Ok(outcome)
}

fn append(
    log: &mut Log,
    db: &Connection,
    batch: Vec<Append>,
    now: Millis,
    entries: &mut Vec<Numbered>,
) -> rusqlite::Result<Answers> {
    let mut answers = Vec::with_capacity(batch.len());
    for append in batch {
        answers.push(match log.apply(db, append, now) {
            Ok((appended, entry)) => {
                entries.extend(entry);
                Ok(appended)
            }
            Err(Failure::Refused(error)) => Err(error),
            Err(Failure::Store(error)) => return Err(error),
        });
    }
    Ok(answers)
}

/// Writes and takes back what needs new room in the file.
fn probe(db: &Connection) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES ('probe', zeroblob(?1))")?
        .execute([PROBE_BYTES])?;
    db.prepare_cached("DELETE FROM meta WHERE name = 'probe'")?.execute([])?;
    Ok(())
}
