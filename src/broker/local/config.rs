//! Settings of the local store.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::protocol::ids::{Millis, Seq};

const MINUTE_MS: Millis = 60_000;
const DAY_MS: Millis = 24 * 60 * MINUTE_MS;

/// Settings of [`super::LocalBroker`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LocalConfig {
    /// The SQLite file; its folder is made if missing. Beside it stand `<path>-wal`, `<path>-shm` and `<path>.lock`.
    pub path: PathBuf,
    /// Largest size of the file in bytes, 0 for no limit but the disk's. When it is reached, writes answer
    /// `unavailable` until retention frees room.
    pub max_bytes: u64,
    /// What is kept of each room; a section of its own in the settings, since every kind of store keeps to it.
    #[serde(skip)]
    pub history: HistoryConfig,
    /// How long a message's idempotency key is remembered at least, in milliseconds (PROTOCOL section 4.3).
    pub idempotency_ms: Millis,
    /// Most appends and other writes that may wait for the writer; more are refused at once.
    pub queue_length: usize,
    /// Connections that read, each on a thread of its own; at least 1.
    pub readers: usize,
    /// Most reads that may wait for a reader; more are refused at once.
    pub read_queue_length: usize,
    /// How often what has grown too old is looked for, in milliseconds.
    pub sweep_interval_ms: u64,
}

impl Default for LocalConfig {
    fn default() -> Self {
        Self {
            path: "data/hubbub.db".into(),
            max_bytes: 0,
            history: HistoryConfig::default(),
            idempotency_ms: 10 * MINUTE_MS,
            queue_length: 8_192,
            readers: 2,
            read_queue_length: 1_024,
            sweep_interval_ms: MINUTE_MS,
        }
    }
}

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
