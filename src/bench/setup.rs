//! What all benchmarks have in common: their flags, and the server they measure.

use std::{
    env,
    path::{Path, PathBuf},
};

use clap::builder::RangedU64ValueParser;

use super::{
    child::{Child, NO_LIMITS},
    error::BenchError,
    pin,
    target::Target,
};

/// Flags of all benchmarks.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Common {
    /// How many runs, each with a fresh server; the table shows their median.
    #[arg(long, global = true, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) runs: u32,
    /// Print JSON instead of a table.
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Exit with 1 if a budget is missed.
    #[arg(long, global = true)]
    pub(super) check: bool,
    /// Do not put server and driver on a core each.
    #[arg(long, global = true)]
    no_pin: bool,
    /// Measure this running server (ws://host:port) instead of starting one; it must have the limits that are printed.
    #[arg(long, global = true)]
    url: Option<String>,
    /// Where the server's store is put for the run; its disk decides what a commit costs.
    #[arg(long, global = true, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// The server that is measured, and how.
#[derive(Debug)]
pub(super) struct Setup {
    running: Option<Target>,
    folder: PathBuf,
    pinned: bool,
}

impl Common {
    /// The same without a core for each: for what are too many for that.
    pub(super) fn unpinned(&self) -> Self {
        Self { no_pin: true, ..self.clone() }
    }
}

impl Setup {
    /// Where servers that are started put their files.
    ///
    /// # Errors
    /// [`BenchError::OwnServers`] if it is a running server that is to be measured.
    pub(super) fn own_folder(&self) -> Result<&Path, BenchError> {
        if self.running.is_some() { Err(BenchError::OwnServers) } else { Ok(&self.folder) }
    }

    /// Reads the flags, and puts this process on its core.
    ///
    /// # Errors
    /// A bad `--url`, or a core that is not to be had.
    pub(super) fn new(common: &Common) -> Result<Self, BenchError> {
        let running = common.url.as_deref().map(Target::parse).transpose()?;
        let pinned = !common.no_pin && running.is_none() && pin::is_useful();
        if pinned {
            pin::driver()?;
        }
        Ok(Self { running, folder: common.folder.clone().unwrap_or_else(env::temp_dir), pinned })
    }

    /// How the server runs, in words, with the settings that it has beside `settings`.
    pub(super) fn describe(&self, settings: &[(&str, &str)]) -> String {
        let set: Vec<String> =
            NO_LIMITS.iter().chain(settings).map(|(name, value)| format!("{name}={value}")).collect();
        let place = match (&self.running, self.pinned) {
            (Some(_), _) => "A running server, which needs",
            (None, true) => "Server and driver on a core each; set:",
            (None, false) => "Not pinned; set:",
        };
        format!("{place} {}", set.join(" "))
    }

    /// Lets `run` have a server, and its process if it was started here.
    ///
    /// # Errors
    /// What `run` gives, with what the server logged.
    pub(super) fn with_server<T>(
        &self,
        settings: &[(&str, &str)],
        run: impl FnOnce(&Target, Option<u32>) -> Result<T, BenchError>,
    ) -> Result<T, BenchError> {
        if let Some(target) = &self.running {
            return run(target, None);
        }
        let settings: Vec<_> = NO_LIMITS.iter().chain(settings).copied().collect();
        let mut child = Child::start(&["serve"], &settings, &self.folder, self.pinned)?;
        let process = child.id();
        run(&Target::local(child.address()), Some(process)).map_err(|error| child.explain(error))
    }

    /// Lets `run` have a raw writer of events of so many bytes.
    ///
    /// # Errors
    /// What `run` gives.
    pub(super) fn with_raw_writer<T>(
        &self,
        bytes: usize,
        run: impl FnOnce(&Target) -> Result<T, BenchError>,
    ) -> Result<T, BenchError> {
        let arguments = ["bench", "raw", "--bytes", &bytes.to_string()];
        let mut child = Child::start(&arguments, &[], &self.folder, self.pinned)?;
        run(&Target::local(child.address())).map_err(|error| child.explain(error))
    }
}

/// Reads a number that is not 0.
pub(super) fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}
