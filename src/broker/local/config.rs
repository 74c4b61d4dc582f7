//! Settings of the local store.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{broker::HistoryConfig, protocol::ids::Millis};

const MINUTE_MS: Millis = 60_000;

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
