//! Puts back what the log lost of this instance's entries: after a fail-over that lost its last second, a restored
//! backup, or a flushed server.

use fred::{error::Error, types::Value};
use tracing::warn;

use super::{
    EMPTY_ROOM_MS,
    append::{self, Condition, Done, Failed, frame_start, is_message, subject},
    fresh_epoch,
    outbox::BATCH_CHANGES,
    publisher::Publisher,
    ring::Acked,
};
use crate::{
    broker::redis::{context::Context, keys::RoomKeys, scripts},
    protocol::ids::{Epoch, RoomName, Seq},
};

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
    /// no number is used twice in one.
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
        let Lacking { mut epoch, head, missing } = lacking;
        if let Some(old) = epoch.clone() {
            let ends_early = seen.is_some_and(|seen| seen.epoch == old && seen.seq > head);
            if ends_early || missing.iter().any(|acked| acked.epoch == old) {
                epoch = Some(give_new_life(context, room, &old).await?);
            }
        }
        if missing.is_empty() {
            if let Some(epoch) = epoch {
                self.ring().renew(room, &epoch, head);
            }
            return Ok(());
        }
        warn!(%room, entries = missing.len(), "the log lost entries of this instance; they are put back");
        for entries in missing.chunks(BATCH_CHANGES) {
            let (epoch, head) = self.put_back(room, entries).await?;
            self.ring().renew(room, &epoch, head);
        }
        Ok(())
    }

    /// Looks at the end of each room only, and closer where that is gone.
    pub(super) async fn look_at_tails(&self) {
        let rooms = self.ring().rooms();
        for room in rooms {
            let tail = self.ring().entries(&room, BATCH_CHANGES);
            let looked = match lacks(&self.context, &room, &tail).await {
                Ok(lacking) if lacking.missing.is_empty() => Ok(()),
                Ok(_) => self.rescue(&room).await,
                Err(failed) => Err(failed),
            };
            // Said where it happened; the next look is soon enough.
            if looked.is_err() {
                return;
            }
        }
    }

    /// Logs them again; answers the life of the log they are in now, and the last of their numbers.
    async fn put_back(&self, room: &RoomName, entries: &[Acked]) -> Result<(Epoch, Seq), Failed> {
        let context = &self.context;
        let batch: Vec<_> = entries.iter().map(|acked| acked.body.clone()).collect();
        let frame = context.next_frame();
        let done = append::append(context, room, frame, frame, &Condition::default(), &batch).await?;
        let Done { epoch, answers } = done.ok_or(Failed)?;
        let head = answers.iter().flatten().map(|at| at.seq).max().unwrap_or_default();
        let mut ring = self.ring();
        for (old, answer) in entries.iter().zip(answers) {
            ring.put_back(room, old, answer.ok().map(|at| (&epoch, at)));
            context.metrics.rescued.inc();
        }
        Ok((epoch, head))
    }
}

/// What a room's log was found to be.
struct Lacking {
    epoch: Option<Epoch>,
    /// The number of its last entry.
    head: Seq,
    /// The entries that it should have and has not.
    missing: Vec<Acked>,
}

/// Looks at a room's log, and which of some entries it lacks.
async fn lacks(context: &Context, room: &RoomName, entries: &[Acked]) -> Result<Lacking, Failed> {
    let keys = RoomKeys(room);
    let mut args: Vec<Value> = Vec::with_capacity(entries.len() * 4);
    for Acked { body, at, .. } in entries {
        let kind = if is_message(body) { "m" } else { "" };
        args.extend([kind, subject(body).as_str(), &at.seq.to_string(), &at.ts.to_string()].map(Value::from));
    }
    let names = vec![keys.meta(), keys.log(), keys.ids()];
    let answer: Result<Vec<String>, Error> = scripts::run(&scripts::LACKS, &context.clients.data, names, args).await;
    let answer = answer.map_err(|error| append::failed(context, room, &error))?;
    let mut words = answer.into_iter();
    let epoch = words.next().and_then(|epoch| Epoch::parse(&epoch).ok());
    let head = words.next().and_then(|head| head.parse().ok()).unwrap_or_default();
    let places = words.filter_map(|place| place.parse::<usize>().ok()?.checked_sub(1));
    let missing = places.filter_map(|place| entries.get(place).cloned()).collect();
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
    let names = vec![keys.meta(), keys.log(), keys.ids(), keys.state()];
    let now: Result<String, Error> = scripts::run(&scripts::MOVE, &context.clients.publisher, names, args).await;
    let now = now.map_err(|error| append::failed(context, room, &error))?;
    if now == fresh.as_str() {
        warn!(%room, "the log was forked; it has a new epoch");
        context.metrics.epochs_moved.inc();
    }
    Epoch::parse(&now).map_err(|_| Failed)
}
