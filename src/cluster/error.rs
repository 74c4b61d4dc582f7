//! Why a command of the cluster failed.

use std::{io, path::PathBuf, time::Duration};

use super::programs::Missing;

/// Why a command of the cluster failed.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The system refused something.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A file of the cluster cannot be read or written.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The state file is not one.
    #[error("{path}: {source}; it was written by another version, or by hand", path = .path.display())]
    State {
        /// Which.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// Programs that are needed are not there.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Missing(Vec<Missing>),
    /// What was asked for cannot be.
    #[error("{0}")]
    Usage(String),
    /// There is nothing to command.
    #[error("there is no cluster in {}; `hubbub cluster up` starts one", .0.display())]
    NoCluster(PathBuf),
    /// It does not run.
    #[error("the cluster in {} does not run; `hubbub cluster up` starts it", .0.display())]
    Stopped(PathBuf),
    /// A part ended, or never became what it should.
    #[error("{name} {what}; the end of its log:\n{log}")]
    Part {
        /// Which: `redis`, `nginx`, `hubbub-1`.
        name: String,
        /// What it did.
        what: String,
        /// The end of its log.
        log: String,
    },
    /// What was waited for did not come.
    #[error("{what} took more than {} s", limit.as_secs())]
    Overdue {
        /// What.
        what: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// Not all is healthy; what was printed says what.
    #[error("not all of the cluster is healthy")]
    Unhealthy,
    /// Ctrl-C, or SIGTERM.
    #[error("interrupted")]
    Interrupted,
    /// What is to be printed cannot be.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

impl ClusterError {
    /// Whether it is for the operator to put right, by other arguments or by installing a program: exit code 2.
    pub fn is_operators(&self) -> bool {
        matches!(self, Self::Usage(_) | Self::Missing(_))
    }

    /// Names the file that `source` is about.
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::File { path, source }
    }
}
