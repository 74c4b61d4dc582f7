//! How far this instance saw each room's log, so that no number is given twice in one life of it: after a fail-over that
//! lost a suffix, whoever saw the suffix lets nobody of its own go on before the log has a new life; pure.

use std::collections::HashMap;

use crate::protocol::ids::{Position, RoomName};

/// Rooms that are remembered; beyond, all are forgotten, and learned again from what comes.
const MOST: usize = 65_536;

/// The last position seen of each room.
#[derive(Debug, Default)]
pub(super) struct Seen(HashMap<RoomName, Position>);

impl Seen {
    /// An entry was seen there.
    pub(super) fn note(&mut self, room: &RoomName, position: Position) {
        match self.0.get_mut(room) {
            // What is told can overtake one another.
            Some(last) if last.epoch == position.epoch => last.seq = last.seq.max(position.seq),
            Some(last) => *last = position,
            None => {
                if self.0.len() >= MOST {
                    self.0.clear();
                }
                self.0.insert(room.clone(), position);
            }
        }
    }

    /// Forgets a room: what is told of it does not come here any more.
    pub(super) fn forget(&mut self, room: &RoomName) {
        self.0.remove(room);
    }

    /// The last position of a room, beside the one of its last entry of this instance's own. Where they are of two lives
    /// the latter holds: it is what the log is held against.
    pub(super) fn last(&self, room: &RoomName, own: Option<&Position>) -> Option<Position> {
        let told = self.0.get(room);
        match own {
            Some(own) => {
                let seq = told.filter(|told| told.epoch == own.epoch).map_or(own.seq, |told| told.seq.max(own.seq));
                Some(Position { epoch: own.epoch.clone(), seq })
            }
            None => told.cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ids::Epoch;

    #[test]
    fn the_highest_of_the_latest_life_is_kept() {
        let (room, mut seen) = (RoomName::global(), Seen::default());
        let at = |epoch, seq| Position { epoch: Epoch::from_random(epoch), seq };
        assert_eq!(seen.last(&room, None), None);
        assert_eq!(seen.last(&room, Some(&at(1, 3))), Some(at(1, 3)));
        for seq in [5, 7, 6] {
            seen.note(&room, at(1, seq));
        }
        assert_eq!(seen.last(&room, None), Some(at(1, 7)));
        assert_eq!(seen.last(&room, Some(&at(1, 3))), Some(at(1, 7)));
        assert_eq!(seen.last(&room, Some(&at(1, 9))), Some(at(1, 9)));
        seen.note(&room, at(2, 1));
        assert_eq!(seen.last(&room, None), Some(at(2, 1)));
        assert_eq!(seen.last(&room, Some(&at(1, 3))), Some(at(1, 3)), "its own are held against the log first");
        seen.forget(&room);
        assert_eq!(seen.last(&room, None), None);
    }

    #[test]
    fn no_more_rooms_are_kept_than_there_may_be() {
        let mut seen = Seen::default();
        for number in 0..=MOST {
            let room = RoomName::parse(&format!("r{number}")).unwrap();
            seen.note(&room, Position { epoch: Epoch::from_random(1), seq: 1 });
        }
        assert_eq!(seen.0.len(), 1);
    }
}
