//! What one client knows of one room.

use std::collections::{HashMap, HashSet};

use super::changing::Shown;

/// Where a client stands in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Not joined, or no longer.
    #[default]
    Away,
    /// Joined while the log was away: provisional messages only, until a second `joined`.
    Provisional,
    /// Reads what it missed, page by page; nothing comes live.
    Paging,
    /// Everything comes.
    Live,
}

/// What one client knows of one room. Ids are those of messages.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) stage: Stage,
    /// Epoch and seq, always as a pair; kept through a disconnect.
    pub(super) position: Option<(String, u64)>,
    /// The numbered messages it shows.
    pub(super) timeline: HashSet<String>,
    /// What is known of messages, those that were not read back to included.
    pub(super) messages: HashMap<String, Shown>,
    /// The messages it shows without a number.
    pub(super) waiting: HashSet<String>,
    /// The provisional ones that came since the last `joined`. Another instance may show one again, the same may not.
    pub(super) shown: HashSet<String>,
    /// The first number it shows, where there may be messages before it.
    pub(super) floor: Option<u64>,
    /// The command that asked for the page before it, since the last fresh copy.
    pub(super) asked: Option<u64>,
    /// What pages said stands at which number, since the last fresh copy.
    pub(super) paged: Vec<(u64, String)>,
    /// Messages that a page brought again, since the last fresh copy.
    pub(super) suspected: Vec<String>,
    /// Guests, members and admins, as last told.
    pub(super) present: Option<[u64; 3]>,
    /// The total of the last `who`.
    pub(super) listed: Option<u64>,
}

impl View {
    pub(super) fn away(&mut self) {
        self.stage = Stage::Away;
        (self.listed, self.asked) = (None, None);
    }
}
