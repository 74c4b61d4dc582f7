//! How long a message takes from its sender to those who hear it at all three servers, at a rate that is no load.

use std::time::{Duration, Instant};

use super::nodes::Nodes;
use crate::{
    bench::{
        client::Heard,
        error::BenchError,
        frames,
        ledger::Ledger,
        report::{Budget, Figure, percentile},
        swarm::{Deadline, Swarm, refused},
        wire::{self, Kind},
    },
    protocol::frame::Opcode,
};

/// The workload and its budgets (DESIGN: numbers to be ahead of).
const ROOMS: usize = 10;
const RECEIVERS_EACH: usize = 9;
const PER_SECOND: u64 = 1_000;
const BUDGET_P50_MS: f64 = 2.0;
const BUDGET_P99_MS: f64 = 10.0;

/// Characters of a message's text, about: behind the time when it was said.
const TEXT: usize = 90;

/// What is said before it counts: the first messages find cold caches and sockets.
const WARM_UP: Duration = Duration::from_secs(1);

/// How long the arrival, or the last messages, may take.
const LIMIT: Duration = Duration::from_secs(60);

/// In the text of a message, before the microseconds of the run when it was said.
const SAID_AT: &[u8] = br#""text":"@"#;

/// One measurement: in each room one sender, and receivers at all servers.
pub(super) fn measure(nodes: &Nodes, seconds: u64) -> Result<Vec<Figure>, BenchError> {
    let rooms: Vec<String> = (0..ROOMS).map(|room| format!("latency-{room}")).collect();
    let mut swarm = Swarm::over(nodes.targets())?;
    for room in &rooms {
        swarm.arrive(1 + RECEIVERS_EACH, std::slice::from_ref(room), LIMIT)?;
    }
    // Each receiver is in one of the rooms; in the others it misses nothing.
    let mut ledger = Ledger::new(ROOMS * RECEIVERS_EACH, &rooms);
    let total = (WARM_UP.as_secs() + seconds) * PER_SECOND;
    let each = Duration::from_secs(1) / PER_SECOND as u32;
    let mut latencies_us = Vec::new();
    let (mut said, mut acks) = (0_u64, 0_u64);
    let start = Instant::now();
    let deadline = Deadline::new("the last messages", WARM_UP + Duration::from_secs(seconds) + LIMIT);
    while acks < total || !ledger.has_all(total / ROOMS as u64) {
        while said < total && start.elapsed() >= each * said as u32 {
            let room = said as usize % ROOMS;
            let at = start.elapsed().as_micros();
            let text = "x".repeat(TEXT);
            let command =
                format!(r#"{{"type":"message","room":"{}","text":"@{at} {text}"}}"#, rooms.get(room).map_or("", |r| r));
            swarm.send(room * (1 + RECEIVERS_EACH), &frames::encode(Opcode::Text, command.as_bytes()))?;
            said += 1;
        }
        let next = (each * said as u32).saturating_sub(start.elapsed());
        swarm.turn_within(
            if said < total { next } else { LIMIT.min(Duration::from_millis(50)) },
            |client, heard| {
                let Heard::Text(event) = heard else { return Ok(()) };
                let place = client % (1 + RECEIVERS_EACH);
                match wire::kind(event) {
                    Kind::Message if place > 0 => {
                        let now = start.elapsed();
                        ledger.note(client / (1 + RECEIVERS_EACH) * RECEIVERS_EACH + place - 1, event)?;
                        let at = wire::number_after(event, SAID_AT).map(Duration::from_micros);
                        let at = at.ok_or_else(|| BenchError::Broken("a text is not as it was said".into()))?;
                        if at >= WARM_UP {
                            latencies_us.push(u32::try_from(now.saturating_sub(at).as_micros()).unwrap_or(u32::MAX));
                        }
                    }
                    Kind::Ack => acks += 1,
                    Kind::Error => return Err(refused(event)),
                    _ => {}
                }
                Ok(())
            },
        )?;
        deadline.check()?;
    }
    let mut latency_ms = |share| f64::from(percentile(&mut latencies_us, share)) / 1_000.0;
    Ok(vec![
        Figure::new("from message to delivery, p50", "ms", latency_ms(0.50)).within(Budget::AtMost(BUDGET_P50_MS)),
        Figure::new("from message to delivery, p99", "ms", latency_ms(0.99)).within(Budget::AtMost(BUDGET_P99_MS)),
    ])
}
