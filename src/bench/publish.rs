//! Many senders: acked messages a second with every one on the disk, and how long an ack takes.

use std::time::{Duration, Instant};

use super::{
    client::Heard,
    error::BenchError,
    ledger::Ledger,
    report::{Budget, Figure, percentile},
    setup::{Setup, at_least_one},
    swarm::{Deadline, Swarm, refused},
    target::Target,
    window::Window,
    wire::{self, Kind},
};

/// Acked messages a second.
const BUDGET_PER_SECOND: f64 = 20_000.0;

/// How long the arrival, or the last acks and messages, may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Characters of a message's text.
const TEXT: usize = 100;

/// Most rooms: what a connection may join (PROTOCOL section 6).
const MAX_ROOMS: u64 = 50;

/// `hubbub bench publish`: acked messages a second.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct PublishArgs {
    /// How many connections send.
    #[arg(long, default_value_t = 50, value_parser = at_least_one())]
    pub(super) senders: usize,
    /// How many messages each may have without an ack.
    #[arg(long, default_value_t = 8, value_parser = at_least_one())]
    pub(super) in_flight: usize,
    /// How many connections read every room.
    #[arg(long, default_value_t = 3, value_parser = at_least_one())]
    pub(super) receivers: usize,
    /// How many rooms the senders share; a sender gets what is said in its own.
    #[arg(long, default_value_t = 1, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=MAX_ROOMS))]
    pub(super) rooms: usize,
    /// How many seconds are measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) seconds: u64,
}

impl PublishArgs {
    /// In words.
    pub(super) fn describe(&self) -> String {
        let Self { senders, in_flight, receivers, rooms, seconds } = self;
        format!(
            "{senders} senders with {in_flight} in flight each, rooms: {rooms}, {receivers} receivers of all, texts of {TEXT} \
             characters, {seconds} s"
        )
    }

    /// One run.
    pub(super) fn run(&self, setup: &Setup) -> Result<Vec<Figure>, BenchError> {
        setup.with_server(&[], |target, _| self.measure(std::slice::from_ref(target))).map(|mut published| {
            vec![
                Figure::new("acked messages", "per second", published.per_second())
                    .within(Budget::AtLeast(BUDGET_PER_SECOND)),
                Figure::new("from message to ack, p50", "ms", published.latency_ms(0.50)),
                Figure::new("from message to ack, p99", "ms", published.latency_ms(0.99)),
            ]
        })
    }

    /// One measurement of servers that share their rooms: receivers and senders are spread over them.
    pub(super) fn measure(&self, servers: &[Target]) -> Result<Published, BenchError> {
        let rooms: Vec<String> = (0..self.rooms).map(|room| format!("bench-{room}")).collect();
        let mut swarm = Swarm::over(servers.to_vec())?;
        swarm.arrive(self.receivers, &rooms, LIMIT)?;
        let mut windows = Vec::new();
        for room in rooms.iter().cycle().take(self.senders) {
            swarm.arrive(1, std::slice::from_ref(room), LIMIT)?;
            windows.push(Window::new(room, &"x".repeat(TEXT), self.in_flight));
        }
        let mut ledger = Ledger::new(self.receivers, &rooms);
        let mut latencies_us = Vec::new();

        let start = Instant::now();
        let length = Duration::from_secs(self.seconds);
        let deadline = Deadline::new("the last acks and messages", length + LIMIT);
        let mut last_ack = start;
        for (sender, window) in windows.iter_mut().enumerate() {
            swarm.send(self.receivers + sender, &window.fill(start))?;
        }
        while windows.iter().any(|window| window.waits()) || !ledger.has_all(latencies_us.len() as u64) {
            swarm.turn(|client, heard| {
                let Heard::Text(event) = heard else { return Ok(()) };
                match (wire::kind(event), client.checked_sub(self.receivers)) {
                    (Kind::Message, None) => ledger.note(client, event)?,
                    (Kind::Ack, Some(sender)) => {
                        last_ack = Instant::now();
                        latencies_us.push(windows[sender].acked(event, last_ack)?);
                    }
                    (Kind::Error, _) => return Err(refused(event)),
                    _ => {}
                }
                Ok(())
            })?;
            if start.elapsed() < length {
                for (sender, window) in windows.iter_mut().enumerate().filter(|(_, window)| window.has_room()) {
                    swarm.send(self.receivers + sender, &window.fill(last_ack))?;
                }
            }
            deadline.check()?;
        }
        Ok(Published { latencies_us, took: last_ack - start })
    }
}

/// What one measurement gave.
pub(super) struct Published {
    /// From message to ack, in microseconds.
    latencies_us: Vec<u32>,
    took: Duration,
}

impl Published {
    /// Acked messages a second.
    pub(super) fn per_second(&self) -> f64 {
        self.latencies_us.len() as f64 / self.took.as_secs_f64()
    }

    /// What a share of all acks did not exceed, in milliseconds.
    pub(super) fn latency_ms(&mut self, share: f64) -> f64 {
        f64::from(percentile(&mut self.latencies_us, share)) / 1_000.0
    }
}
