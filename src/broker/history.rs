//! How much is kept of each room, in either mode.

use serde::{Deserialize, Serialize};

use crate::protocol::ids::{Millis, Seq};

const DAY_MS: Millis = 24 * 60 * 60 * 1_000;

/// What is kept of each room (PROTOCOL section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistoryConfig {
    /// The last so many entries, 0 for all. A few more may stay, since entries are trimmed in groups.
    pub max_entries: Seq,
    /// Entries no older than so many milliseconds, 0 for any age.
    pub max_age: Millis,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self { max_entries: 5_000, max_age: 30 * DAY_MS }
    }
}

impl HistoryConfig {
    /// The first number that is kept of a room whose last is `head`.
    pub fn first_kept(&self, head: Seq) -> Seq {
        if self.max_entries == 0 { 0 } else { head.saturating_add(1).saturating_sub(self.max_entries) }
    }

    /// Since when entries are kept, at `now`.
    pub fn kept_since(&self, now: Millis) -> Millis {
        if self.max_age == 0 { 0 } else { now.saturating_sub(self.max_age) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_keeps_everything() {
        let kept = HistoryConfig { max_entries: 0, max_age: 0 };
        assert_eq!((kept.first_kept(9), kept.kept_since(9)), (0, 0));
        let kept = HistoryConfig { max_entries: 3, max_age: 4 };
        assert_eq!((kept.first_kept(9), kept.first_kept(1), kept.kept_since(9), kept.kept_since(1)), (7, 0, 5, 0));
    }
}
