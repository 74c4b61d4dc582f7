//! Puts back what the log lost of this instance's entries: after a fail-over that lost its last second, a restored
//! backup, or a flushed server.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use fred::{error::Error, types::Value};
use tracing::warn;

use super::{
    EMPTY_ROOM_MS,
    append::{self, Condition, Done, Failed, Sent, frame_start, is_message, subject},
    fresh_epoch,
    look::{Looked, look},
    outbox::BATCH_CHANGES,
    publisher::Publisher,
    ring::{Acked, PutBack},
};
use crate::{
    broker::{
        AppendError,
        redis::{context::Context, keys::RoomKeys, scripts},
    },
    protocol::{
        entry::EntryBody,
        ids::{Epoch, RoomName, Seq},
    },
};

/// How soon what waits for its message is tried a second time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// When each room is tried again, and how long after.
pub(super) type Tries = HashMap<RoomName, (Instant, Duration)>;

/// Entries looked for in one run of the script: about a fifth of a millisecond.
const LOOK: usize = 256;

impl Publisher {
    /// Looks at every room this instance had something logged in lately.
    pub(super) async fn rescue_all(&self) -> Result<(), Failed> {
        let rooms = self.ring().rooms();
        for room in rooms {
            self.rescue(&room).await?;
        }
        Ok(())
    }

    /// Puts back what the room's log lacks of this instance's entries, in their first order and with their first ids.
    /// A log that lacks some, or ends before what this instance saw, and has its old epoch gets a fresh one before, so that
    /// no number is used twice in one. A change of a message that the log lost too waits for whoever puts that back.
    pub(super) async fn rescue(&self, room: &RoomName) -> Result<(), Failed> {
        let _one = self.rescuing.lock().await;
        let context = &self.context;
        let acked = self.ring().entries(room, usize::MAX);
        // Before it is looked at: what is seen later may be in it already.
        let seen = self.last_seen(room);
        let mut pieces = acked.chunks(LOOK);
        let mut lacking = lacks(context, room, pieces.next().unwrap_or_default()).await?;
        for entries in pieces {
            let more = lacks(context, room, entries).await?;
            (lacking.epoch, lacking.head) = (more.epoch, more.head);
            lacking.missing.extend(more.missing);
        }
        let Lacking { mut epoch, mut head, missing } = lacking;
        let lost = missing.iter().filter(|acked| !acked.waits).count();
        if let Some(old) = epoch.clone() {
            let ends_early = seen.is_some_and(|seen| seen.epoch == old && seen.seq > head);
            if ends_early || missing.iter().any(|acked| !acked.waits && acked.epoch == old) {
                epoch = Some(give_new_life(context, room, &old).await?);
            }
        }
        if lost > 0 {
            warn!(%room, entries = lost, "the log lost entries of this instance; they are put back");
        }
        for entries in missing.chunks(BATCH_CHANGES) {
            if let Some((now, last)) = self.put_back(room, entries).await? {
                (epoch, head) = (Some(now), last);
            }
        }
        if let Some(epoch) = epoch {
            self.ring().renew(room, &epoch, head);
        }
        Ok(())
    }

    /// What waits for a message goes before what is done to it next: it would undo that.
    pub(super) async fn rescue_before(&self, room: &RoomName, batch: &[EntryBody]) -> Result<(), Failed> {
        let changed = batch.iter().filter(|body| !is_message(body)).map(subject);
        let waits = self.ring().waits_for(room, changed);
        if waits { self.rescue(room).await } else { Ok(()) }
    }

    /// Tries again what waits for its message, each room less and less often.
    pub(super) async fn rescue_waiting(&self, tries: &mut Tries) {
        let (now, slowest) = (Instant::now(), Duration::from_millis(self.context.config.check_ms));
        let waiting = self.ring().waiting();
        tries.retain(|room, _| waiting.contains(room));
        for room in waiting {
            let (due, pause) = tries.entry(room.clone()).or_insert((now, FIRST_PAUSE));
            if *due <= now {
                *due = now + *pause;
                *pause = (*pause * 2).min(slowest);
                // Said where it happened; the next try is soon enough.
                if self.rescue(&room).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Looks at the end of each room only, and closer where that is gone.
    pub(super) async fn look_at_tails(&self) {
        let rooms = self.ring().rooms();
        for room in rooms {
            let tail = self.ring().entries(&room, BATCH_CHANGES);
            let looked = match lacks(&self.context, &room, &tail).await {
                Ok(lacking) if lacking.missing.iter().all(|acked| acked.waits) => Ok(()),
                Ok(_) => self.rescue(&room).await,
                Err(failed) => Err(failed),
            };
            // Said where it happened; the next look is soon enough.
            if looked.is_err() {
                return;
            }
        }
    }

    /// Logs them again; answers the life of the log that they are in, and its last number, if that brought any.
    async fn put_back(&self, room: &RoomName, entries: &[Acked]) -> Result<Option<(Epoch, Seq)>, Failed> {
        let context = &self.context;
        let batch: Vec<_> = entries.iter().map(|acked| acked.body.clone()).collect();
        let frame = context.next_frame();
        let done = append::append(context, room, frame, frame, &Condition::default(), (Sent::Again, &batch)).await?;
        let Done { epoch, answers } = done.ok_or(Failed)?;
        let mut ring = self.ring();
        let mut last = None;
        for (old, answer) in entries.iter().zip(answers) {
            let became = match answer {
                // A change that changes nothing has no entry; what it said is so.
                Ok(at) if at.duplicate && !is_message(&old.body) => PutBack::Over,
                Ok(at) => {
                    if !at.duplicate {
                        context.metrics.rescued.inc();
                        last = last.max(Some(at.seq));
                    }
                    PutBack::At(&epoch, at)
                }
                Err(AppendError::NotFound) if !is_message(&old.body) => PutBack::Waits,
                Err(_) => PutBack::Over,
            };
            ring.put_back(room, old, became);
        }
        Ok(last.map(|last| (epoch, last)))
    }
}

/// What a room's log was found to be.
struct Lacking {
    epoch: Option<Epoch>,
    /// The number of its last entry.
    head: Seq,
    /// The entries that it should have and has not; those that wait are among them.
    missing: Vec<Acked>,
}

/// Looks at a room's log, and which of some entries it lacks.
async fn lacks(context: &Context, room: &RoomName, entries: &[Acked]) -> Result<Lacking, Failed> {
    let all = entries.iter().map(|acked| (&acked.body, acked.at));
    let Looked { epoch, head, lacks } = look(context, &context.clients.data, room, all).await?;
    let is_missing = |(place, acked): &(usize, &Acked)| acked.waits || lacks.contains(place);
    let missing = entries.iter().enumerate().filter(is_missing).map(|(_, acked)| acked.clone()).collect();
    Ok(Lacking { epoch, head, missing })
}

/// Gives a log that lost something a fresh epoch, unless somebody did already, and has everybody look at it. Answers the
/// epoch that it then has.
pub(super) async fn give_new_life(context: &Context, room: &RoomName, old: &Epoch) -> Result<Epoch, Failed> {
    let keys = RoomKeys(room);
    let fresh = fresh_epoch();
    let args: Vec<Value> = vec![
        old.as_str().into(),
        fresh.as_str().into(),
        keys.channel().into(),
        frame_start(&context.me.to_string(), context.next_frame(), "moved").into(),
        EMPTY_ROOM_MS.to_string().into(),
    ];
    let names = keys.life().to_vec();
    let now: Result<String, Error> = scripts::run(&scripts::MOVE, &context.clients.publisher, names, args).await;
    let now = now.map_err(|error| append::failed(context, room, &error))?;
    if now == fresh.as_str() {
        warn!(%room, "the log was forked; it has a new epoch");
        context.metrics.epochs_moved.inc();
    }
    Epoch::parse(&now).map_err(|_| Failed)
}
