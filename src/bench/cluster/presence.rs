//! How soon everybody's count of a room is right again: after somebody left, and after a server was killed.

use std::time::{Duration, Instant};

use super::nodes::{Nodes, SERVERS};
use crate::{
    bench::{
        client::Heard,
        error::BenchError,
        frames,
        report::{Budget, Figure},
        swarm::{Deadline, Swarm},
        wire::{self, Kind},
    },
    protocol::frame::Opcode,
};

/// In seconds (DESIGN: numbers to be ahead of).
const BUDGET_LEAVE: f64 = 1.0;
const BUDGET_KILL: f64 = 15.0;

/// Clients in the room, over all servers.
const CLIENTS: usize = 30;

/// How long the arrival, or a count, may take.
const LIMIT: Duration = Duration::from_secs(60);

/// How long the counts of the arrival have to pass by.
const SETTLE: Duration = Duration::from_secs(2);

/// The close code of a client that goes by itself (RFC 6455 section 7.4.1): it has left at once.
const GOING: u16 = 1_000;

/// Whose server is killed, and who leaves before.
const VICTIM: usize = 0;

/// One measurement.
pub(super) fn measure(nodes: &mut Nodes) -> Result<Vec<Figure>, BenchError> {
    let mut swarm = Swarm::over(nodes.targets())?;
    swarm.bear_losses();
    swarm.arrive(CLIENTS, &["presence".into()], LIMIT)?;
    let mut counts = Counts { swarm, heard: vec![None; CLIENTS] };
    let arrived = Instant::now();
    while arrived.elapsed() < SETTLE {
        counts.turn()?;
    }

    counts.swarm.send(VICTIM, &frames::encode(Opcode::Close, &GOING.to_be_bytes()))?;
    let left = counts.reach(CLIENTS - 1, |client| client != VICTIM)?;

    nodes.kill(VICTIM)?;
    let lives = |client: usize| client % SERVERS != VICTIM;
    let killed = counts.reach((0..CLIENTS).filter(|client| lives(*client)).count(), lives)?;
    Ok(vec![
        Figure::new("until a leave is counted by all", "s", left.as_secs_f64()).within(Budget::AtMost(BUDGET_LEAVE)),
        Figure::new("until the users of a killed server are not", "s", killed.as_secs_f64())
            .within(Budget::AtMost(BUDGET_KILL)),
    ])
}

/// What the clients were last told of how many there are.
struct Counts {
    swarm: Swarm,
    heard: Vec<Option<u64>>,
}

impl Counts {
    fn turn(&mut self) -> Result<(), BenchError> {
        let heard = &mut self.heard;
        self.swarm.turn(|client, event| {
            if let (Heard::Text(event), Some(heard)) = (event, heard.get_mut(client))
                && wire::kind(event) == Kind::Presence
            {
                *heard = wire::number_after(event, br#""guests":"#);
            }
            Ok(())
        })
    }

    /// How long it takes until all of `whom` were told `count`.
    fn reach(&mut self, count: usize, whom: impl Fn(usize) -> bool) -> Result<Duration, BenchError> {
        let deadline = Deadline::new("the right count at all clients", LIMIT);
        let start = Instant::now();
        let right = |heard: &[Option<u64>]| {
            let mut watching = heard.iter().enumerate().filter(|(client, _)| whom(*client));
            watching.all(|(_, heard)| *heard == Some(count as u64))
        };
        while !right(&self.heard) {
            self.turn()?;
            deadline.check()?;
        }
        Ok(start.elapsed())
    }
}
