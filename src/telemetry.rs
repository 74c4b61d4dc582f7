//! The log: lines for people or JSON for machines, to standard error, so that standard output stays for answers.

use std::io::IsTerminal;

use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// How the log is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// One line of text or one JSON object per event.
    pub format: LogFormat,
    /// What is logged, in the syntax of `RUST_LOG`: `info`, or `info,hubbub::http=debug`. The HTTP stack starts its
    /// workers in silence unless asked.
    pub filter: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info,actix_server=warn,fred=error".into() }
    }
}

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people; with colour on a terminal.
    Text,
    /// For machines.
    Json,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error(
        "'{filter}' is no filter: {cause}; give a level (error, warn, info, debug, trace), or several like info,hubbub::http=debug"
    )]
    Filter {
        /// As given.
        filter: String,
        /// What is wrong.
        cause: String,
    },
    /// There is a log already.
    #[error("the log was started twice")]
    Started,
}

impl Config {
    /// Reads the filter.
    ///
    /// # Errors
    /// [`TelemetryError::Filter`].
    pub fn parse_filter(&self) -> Result<EnvFilter, TelemetryError> {
        EnvFilter::try_new(&self.filter)
            .map_err(|cause| TelemetryError::Filter { filter: self.filter.clone(), cause: cause.to_string() })
    }
}

/// Starts the log of this process.
///
/// # Errors
/// When the filter cannot be read or there is a log already.
pub fn init(config: &Config) -> Result<(), TelemetryError> {
    let registry = tracing_subscriber::registry().with(config.parse_filter()?);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Text => registry.with(lines.with_ansi(std::io::stderr().is_terminal())).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    started.map_err(|_| TelemetryError::Started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_is_named() {
        let config = Config { filter: "hubbub=loud".into(), ..Config::default() };
        assert!(config.parse_filter().unwrap_err().to_string().contains("hubbub=loud"));
        assert!(Config::default().parse_filter().is_ok());
    }
}
