//! What a connection costs that does nothing: a guest in `global`, after a round of life signs.

use std::time::{Duration, Instant};

use super::{
    child::resident_bytes,
    client::Heard,
    error::BenchError,
    report::{Budget, Figure},
    setup::{Setup, at_least_one},
    swarm::{Deadline, Swarm},
};

/// Resident bytes of an idle connection.
const BUDGET_BYTES: f64 = 4_096.0;

/// Life signs come so often here, not every 25 s, that a run needs no minute. It costs no memory.
const HEARTBEAT_MS: &str = "2000";

/// How long the arrival and the round of life signs may take, each.
const LIMIT: Duration = Duration::from_secs(120);

/// How long the server has to read the last answers before its memory is read.
const SETTLE: Duration = Duration::from_secs(1);

/// `hubbub bench idle`: memory of an idle connection.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct IdleArgs {
    /// How many connections.
    #[arg(long, default_value_t = 10_000, value_parser = at_least_one())]
    pub(super) connections: usize,
    /// With --url: the process of that server, on this machine, whose memory is read.
    #[arg(long, requires = "url")]
    pub(super) pid: Option<u32>,
}

impl IdleArgs {
    /// What the server is given beside its limits.
    pub(super) fn settings() -> &'static [(&'static str, &'static str)] {
        &[("HEARTBEAT_INTERVAL_MS", HEARTBEAT_MS)]
    }

    /// In words.
    pub(super) fn describe(&self) -> String {
        format!("{} guests joined to global, heartbeat {HEARTBEAT_MS} ms", self.connections)
    }

    /// One run.
    pub(super) fn run(&self, setup: &Setup) -> Result<Vec<Figure>, BenchError> {
        setup.with_server(Self::settings(), |target, process| {
            let process = self.pid.or(process).ok_or(BenchError::NoProcess)?;
            let before = resident_bytes(process)?;
            let mut swarm = Swarm::new(target.clone())?;
            swarm.arrive(self.connections, &["global".into()], LIMIT)?;
            self.await_life_signs(&mut swarm)?;
            let after = resident_bytes(process)?;
            let each = (after as f64 - before as f64) / self.connections as f64;
            Ok(vec![
                Figure::new("resident for a connection", "bytes", each).within(Budget::AtMost(BUDGET_BYTES)),
                Figure::new("resident without connections", "KiB", before as f64 / 1024.0),
                Figure::new("resident with all of them", "KiB", after as f64 / 1024.0),
            ])
        })
    }

    /// Waits until every client was pinged once more, and has answered.
    fn await_life_signs(&self, swarm: &mut Swarm) -> Result<(), BenchError> {
        let mut pinged = vec![false; self.connections];
        let mut missing = self.connections;
        let deadline = Deadline::new("the round of life signs", LIMIT);
        while missing > 0 {
            swarm.turn(|client, heard| {
                if heard == Heard::Ping && !std::mem::replace(&mut pinged[client], true) {
                    missing -= 1;
                }
                Ok(())
            })?;
            deadline.check()?;
        }
        let answered = Instant::now();
        while answered.elapsed() < SETTLE {
            swarm.turn(|_, _| Ok(()))?;
        }
        Ok(())
    }
}
