//! Why a benchmark has no result.

use std::{io, time::Duration};

/// Why a benchmark has no result.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The system refused something.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// `--url` is no address of a WebSocket.
    #[error("'{0}' is no address of a server; an example is ws://127.0.0.1:3001/chat")]
    Url(String),
    /// The server this program started has ended, or was not ready in time.
    #[error("the server {what}; its last words:\n{log}")]
    Server {
        /// What it did.
        what: String,
        /// The end of its log.
        log: String,
    },
    /// A client was not let in.
    #[error("client {client} was refused: {answer}")]
    Refused {
        /// Which one, in the order of connecting.
        client: usize,
        /// The first line of the answer.
        answer: String,
    },
    /// A connection ended.
    #[error("client {client} lost its connection: {why}")]
    Lost {
        /// Which one.
        client: usize,
        /// The close code and reason, or what else happened.
        why: String,
    },
    /// What was waited for did not come.
    #[error("{what} took more than {} s", limit.as_secs())]
    Overdue {
        /// What.
        what: &'static str,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The server broke a promise: the figures mean nothing.
    #[error("the server broke its contract: {0}")]
    Broken(String),
    /// Memory of a server that this program did not start.
    #[error("with --url the server's process must be named by --pid")]
    NoProcess,
    /// There is no Redis to start.
    #[error("cannot start redis-server ({0}); Debian and Ubuntu have it: apt-get install redis-server")]
    NoRedis(String),
    /// There is no nginx to start.
    #[error("cannot start nginx ({0}); Debian and Ubuntu have it: apt-get install nginx")]
    NoNginx(String),
    /// A cluster is always started here.
    #[error("this benchmark starts servers of its own: without --url")]
    OwnServers,
    /// The processors cannot be shared out.
    #[error("cannot pin to a core ({0}); --no-pin does without, but then the figures vary more")]
    Pin(String),
    /// A median is on the wrong side of its budget.
    #[error("a budget is missed")]
    Budget,
    /// The figures cannot be written.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}
