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
