//! `hubbub import`: what a server kept that stood alone, carried into the Redis of many.
//!
//! - [`carry`]: people, then rooms, piece by piece. [`summary`]: what became of them.

mod carry;
mod summary;

use std::{io, path::PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    auth::secret::Secret,
    broker::{
        HistoryConfig,
        local::{Export, ExportError, OpenError},
        redis::{ImportError, RedisConfig},
    },
};
pub use summary::Summary;

/// What to carry where.
pub struct Plan {
    /// The file of the server that stood alone.
    pub file: PathBuf,
    /// Where Redis is.
    pub redis_url: Secret,
    /// Its times.
    pub redis: RedisConfig,
    /// How long rooms live in it.
    pub history: HistoryConfig,
    /// Replace accounts whose name is taken in Redis.
    pub replace: bool,
}

/// Why not all was carried over. What was stays, and doing it again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The file cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The file cannot be read on.
    #[error(transparent)]
    Read(#[from] ExportError),
    /// Redis did not take it.
    #[error(transparent)]
    Redis(#[from] ImportError),
    /// Something the system did not give.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Failure {
    /// Whether it is for the operator to put right, by what was given or by ending another process: exit code 2.
    pub fn is_operators(&self) -> bool {
        matches!(self, Self::Open(OpenError::Locked { .. }) | Self::Redis(ImportError::Setting(_)))
    }
}

/// Carries it over, and shows how far it is on standard error.
///
/// # Errors
/// If the file or Redis fails.
pub fn run(plan: &Plan) -> Result<Summary, Failure> {
    let from = Export::open(&plan.file)?;
    // Draws nothing unless standard error is a terminal.
    let style = ProgressStyle::with_template("import {wide_bar} {human_pos} of {human_len} entries, {elapsed}");
    let bar = ProgressBar::no_length().with_style(style.map_err(io::Error::other)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let summary = runtime.block_on(carry::carry(&from, plan, &bar));
    bar.finish_and_clear();
    summary
}
