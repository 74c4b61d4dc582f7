//! The arguments of `hubbub cluster`.

use std::{num::NonZeroU64, path::PathBuf};

use clap::{Args, Subcommand, builder::RangedU64ValueParser};

use super::nginx::Strategy;

/// Most replicas of a machine: their ports are leased from a range of 99 (PORT_RANGE_START, PORT_RANGE_END).
const MOST_REPLICAS: u64 = 64;

/// What is said of exit codes.
const EXIT_CODES: &str = "Exit codes: 0 done, and for `up` and `health` all healthy; 1 something failed or is not healthy; \
                          2 wrong arguments, or redis-server or nginx is missing.\n\n\
                          Settings of the replicas are those of config/hubbub.toml in the folder that `up` is run in, and \
                          of its environment (ADMIN_USERNAME, MAX_SESSIONS, HUBBUB__…): `up` and `restart` take them over, \
                          the other commands use what was taken over. Where a replica listens, its name, its Redis and whom \
                          it trusts are the cluster's to say.";

/// Run several replicas of this program on this machine, without Docker: with a Redis they share, and nginx before them.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct ClusterArgs {
    #[command(subcommand)]
    pub(super) command: Command,
    /// The folder the cluster lives in: its state, secrets, logs, and what Redis keeps.
    #[arg(long, global = true, value_name = "DIR", default_value = "data/cluster")]
    pub(super) dir: PathBuf,
    /// Print JSON instead of tables.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Command {
    /// Start what does not run: Redis, the replicas, nginx. Waits until all are healthy. Ctrl-C takes it back.
    #[command(alias = "start")]
    Up(UpArgs),
    /// Stop all: the replicas drain, then nginx and Redis end. What Redis keeps stays.
    #[command(alias = "stop")]
    Down(DownArgs),
    /// Show every part: state, clients, memory, uptime, age of the last heartbeat.
    Status,
    /// Show the same, and exit with 1 unless every part is healthy.
    Health,
    /// Run so many replicas; without a number, show how many clients each has and could take.
    Scale(ScaleArgs),
    /// Show the logs of all parts, or of one.
    Logs(LogsArgs),
    /// Restart the replicas one at a time, as this program and with its settings; clients resume meanwhile.
    Restart(RestartArgs),
}

#[derive(Clone, Debug, Args)]
pub(super) struct UpArgs {
    /// How many replicas; as many as before, or 3.
    #[arg(long, value_parser = replicas())]
    pub(super) replicas: Option<usize>,
    /// Who gets a newcomer; as before, or ip_hash.
    #[arg(long, value_enum)]
    pub(super) strategy: Option<Strategy>,
    /// The port that clients come to; as before, or 3001.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) port: Option<u16>,
    /// Listen on all addresses of this machine rather than on 127.0.0.1 and ::1; as before, or not.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(super) public: Option<bool>,
}

#[derive(Clone, Debug, Args)]
pub(super) struct DownArgs {
    /// Remove everything the cluster kept: messages, accounts, secrets, logs.
    #[arg(long)]
    pub(super) purge: bool,
    #[command(flatten)]
    pub(super) patience: Patience,
}

#[derive(Clone, Debug, Args)]
pub(super) struct ScaleArgs {
    /// How many replicas there are to be.
    #[arg(value_parser = replicas())]
    pub(super) replicas: Option<usize>,
    #[command(flatten)]
    pub(super) patience: Patience,
}

#[derive(Clone, Debug, Args)]
pub(super) struct LogsArgs {
    /// redis, nginx, access (the requests that nginx served), or a replica (hubbub-1).
    pub(super) name: Option<String>,
    /// Go on showing what comes, until Ctrl-C.
    #[arg(short, long)]
    pub(super) follow: bool,
    /// How many of the last lines of each log.
    #[arg(short = 'n', long, default_value_t = 100)]
    pub(super) lines: usize,
}

#[derive(Clone, Debug, Args)]
pub(super) struct RestartArgs {
    /// A replica (hubbub-1); all, one after the other, when not said.
    pub(super) name: Option<String>,
    #[command(flatten)]
    pub(super) patience: Patience,
}

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Patience {
    /// How many seconds a replica may take to drain before it is killed.
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    pub(super) drain_timeout: NonZeroU64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { drain_timeout: NonZeroU64::MIN.saturating_add(59) }
    }
}

fn replicas() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=MOST_REPLICAS)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        up: UpArgs,
    }

    #[test]
    fn who_may_come_is_said_or_stays() {
        let public = |words: &[&str]| Line::try_parse_from([&["up"], words].concat()).unwrap().up.public;
        assert_eq!(public(&[]), None);
        assert_eq!(public(&["--public"]), Some(true));
        assert_eq!(public(&["--public", "--replicas", "2"]), Some(true));
        assert_eq!(public(&["--public=false"]), Some(false));
    }
}
