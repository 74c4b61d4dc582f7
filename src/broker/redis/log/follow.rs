//! Reading on for this instance itself, which notices when the log lost what was delivered.

use super::{
    publisher::Publisher,
    read::{self, Found, What},
    rescue::give_new_life,
};
use crate::{
    broker::{ReadLimit, Recovery, Tail, Unavailable},
    protocol::ids::{RoomName, Seq},
};

/// How many entries before the position are read again to be compared (REDIS.md section 2, receiver rule 2).
const OVERLAP: usize = 64;

/// What a read says about a tail.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// The log goes on from it, or was trimmed past it.
    Sound,
    /// The log has another life.
    Moved,
    /// The log does not hold what was delivered in this very life.
    Forked,
}

/// Reads on from a tail; see [`crate::broker::Broker::follow`].
pub(super) async fn follow(
    publisher: &Publisher,
    room: &RoomName,
    tail: Option<Tail>,
    limit: ReadLimit,
) -> Result<Recovery, Unavailable> {
    let context = &publisher.context;
    let since = tail.as_ref().map(|tail| &tail.position);
    let found = read::recover(context, room, since, OVERLAP, limit).await?;
    let Some(tail) = &tail else { return Ok(found.recovery()) };
    match judge(tail, &found) {
        Verdict::Sound => return Ok(without_overlap(found, tail.position.seq).recovery()),
        Verdict::Moved => {}
        Verdict::Forked => {
            give_new_life(context, room, &tail.position.epoch).await.map_err(|_| Unavailable)?;
        }
    }
    publisher.rescue(room).await.map_err(|_| Unavailable)?;
    Ok(read::recover(context, room, None, 0, limit).await?.recovery())
}

fn judge(tail: &Tail, found: &Found) -> Verdict {
    if found.epoch != tail.position.epoch {
        return Verdict::Moved;
    }
    match &found.what {
        // Trimmed past it; else the position is above the head, or entries are missing.
        What::Messages(_) if tail.position.seq < found.trimmed => Verdict::Sound,
        What::Messages(_) => Verdict::Forked,
        What::Entries { entries, .. } => {
            let differs =
                |(seq, print): &(Seq, u64)| entries.iter().any(|entry| entry.seq == *seq && entry.print() != *print);
            if tail.recent.iter().any(differs) { Verdict::Forked } else { Verdict::Sound }
        }
    }
}

fn without_overlap(mut found: Found, seq: Seq) -> Found {
    if let What::Entries { entries, .. } = &mut found.what {
        entries.retain(|entry| entry.seq > seq);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{
        entry::Entry,
        ids::{Epoch, Position},
    };

    fn entry(seq: Seq, id: &str) -> Entry {
        serde_json::from_str(&format!(
            r#"{{"type":"deleted","messageId":"{id}","by":{{"id":"m:ana","name":"Ana","role":"member"}},"room":"global","seq":{seq},"ts":4}}"#
        ))
        .unwrap()
    }

    fn tail(epoch: &str, entries: &[Entry]) -> Tail {
        let seq = entries.last().map_or(0, |entry| entry.seq);
        Tail {
            position: Position { epoch: Epoch::parse(epoch).unwrap(), seq },
            recent: entries.iter().map(|entry| (entry.seq, entry.print())).collect(),
        }
    }

    fn found(epoch: &str, head: Seq, trimmed: Seq, what: What) -> Found {
        Found { epoch: Epoch::parse(epoch).unwrap(), head, trimmed, what }
    }

    #[test]
    fn a_log_that_goes_on_is_sound() {
        let all: Vec<_> = (1..=5).map(|seq| entry(seq, "m1")).collect();
        let found = found("e1", 5, 0, What::Entries { since: 3, entries: all.clone() });
        assert_eq!(judge(&tail("e1", &all[..3]), &found), Verdict::Sound);
        let Recovery::Resumed { position, entries, more } = without_overlap(found, 3).recovery() else { panic!() };
        assert_eq!((position.seq, entries, more), (5, all[3..].to_vec(), false));
    }

    #[test]
    fn what_was_lost_is_found() {
        let mine: Vec<_> = (1..=3).map(|seq| entry(seq, "m1")).collect();
        let tail = tail("e1", &mine);
        let other = vec![mine[0].clone(), entry(2, "m2"), mine[2].clone()];
        let read = |entries| What::Entries { since: 3, entries };
        assert_eq!(judge(&tail, &found("e1", 3, 0, read(other))), Verdict::Forked, "another entry at a number");
        let none = || What::Messages(Vec::new());
        assert_eq!(judge(&tail, &found("e1", 2, 0, none())), Verdict::Forked, "the head is below");
        assert_eq!(judge(&tail, &found("e1", 9, 0, none())), Verdict::Forked, "entries are missing");
        assert_eq!(judge(&tail, &found("e1", 9, 4, none())), Verdict::Sound, "trimmed");
        assert_eq!(judge(&tail, &found("e2", 0, 0, none())), Verdict::Moved);
        assert_eq!(judge(&tail, &found("e1", 3, 3, read(Vec::new()))), Verdict::Sound, "nothing new");
    }
}
