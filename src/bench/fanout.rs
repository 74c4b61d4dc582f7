//! One message to many: deliveries a second, beside a raw writer on the same machine in the same run.

use std::time::{Duration, Instant};

use super::{
    client::Heard,
    error::BenchError,
    flight::Flight,
    frames,
    report::{Budget, Figure},
    setup::{Setup, at_least_one},
    swarm::{Deadline, Swarm, refused},
    target::Target,
    wire::{self, Kind},
};
use crate::protocol::frame::Opcode;

/// One at a time: the share of a raw writer's deliveries.
const BUDGET_RATIO: f64 = 0.70;

/// The number in flight for which a number of deliveries is decided, and that number.
const BUDGET_IN_FLIGHT: usize = 16;
const BUDGET_PER_SECOND: f64 = 600_000.0;

/// How long the arrival, or the landing of a message, may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What is sent before the clock runs: the first messages find cold caches and sockets.
const WARM_UP: Duration = Duration::from_millis(500);

/// `hubbub bench fanout`: deliveries a second in one room.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct FanoutArgs {
    /// How many connections are in the room; the first of them sends.
    #[arg(long, default_value_t = 2_000, value_parser = at_least_one())]
    connections: usize,
    /// Characters of a message's text.
    #[arg(long, default_value_t = 100, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=4_000))]
    size: usize,
    /// How many messages may be on their way; a list measures one after the other. 1: a message is sent when all had the
    /// last.
    #[arg(long, default_values_t = [1, BUDGET_IN_FLIGHT], value_delimiter = ',', value_parser = at_least_one())]
    in_flight: Vec<usize>,
    /// How many seconds each is measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
}

/// What one measurement gave.
struct Measured {
    deliveries_per_second: f64,
    /// Of the last event, to have the raw writer write as many.
    event_bytes: usize,
}

impl FanoutArgs {
    /// In words.
    pub(super) fn describe(&self) -> String {
        let Self { connections, size, seconds, .. } = self;
        format!("{connections} connections in one room, texts of {size} characters, {seconds} s each")
    }

    /// One run.
    pub(super) fn run(&self, setup: &Setup) -> Result<Vec<Figure>, BenchError> {
        let ours = setup.with_server(&[], |target, _| self.measure(target, true))?;
        let event_bytes = ours.first().map_or(0, |measured| measured.event_bytes);
        let raw = setup.with_raw_writer(event_bytes, |target| self.measure(target, false))?;
        let mut figures = Vec::new();
        for ((in_flight, ours), raw) in self.in_flight.iter().zip(ours).zip(raw) {
            let (ours, raw) = (ours.deliveries_per_second, raw.deliveries_per_second);
            let mut speed = Figure::new(format!("deliveries, {in_flight} in flight"), "per second", ours);
            let mut ratio = Figure::new(format!("ratio to the raw writer, {in_flight} in flight"), "", ours / raw);
            if *in_flight == 1 {
                ratio = ratio.within(Budget::AtLeast(BUDGET_RATIO));
            } else if *in_flight == BUDGET_IN_FLIGHT {
                speed = speed.within(Budget::AtLeast(BUDGET_PER_SECOND));
            }
            let raw = Figure::new(format!("the raw writer's, {in_flight} in flight"), "per second", raw);
            figures.extend([speed, raw, ratio]);
        }
        Ok(figures)
    }

    /// Every number in flight with one server; `acked` says whether it answers messages, as the raw writer does not.
    fn measure(&self, target: &Target, acked: bool) -> Result<Vec<Measured>, BenchError> {
        let mut swarm = Swarm::new(target.clone())?;
        swarm.arrive(self.connections, &["global".into()], LIMIT)?;
        let message = self.message();
        let each = self.in_flight.iter().map(|&in_flight| {
            let mut burst = Burst { swarm: &mut swarm, message: &message, in_flight, acked };
            burst.run(self.connections, WARM_UP)?;
            burst.run(self.connections, Duration::from_secs(self.seconds))
        });
        each.collect()
    }

    fn message(&self) -> Vec<u8> {
        let text = "x".repeat(self.size);
        let command = format!(r#"{{"type":"message","room":"global","text":"{text}"}}"#);
        frames::encode(Opcode::Text, command.as_bytes())
    }
}

/// Messages sent as fast as they land.
struct Burst<'a> {
    swarm: &'a mut Swarm,
    message: &'a [u8],
    in_flight: usize,
    acked: bool,
}

impl Burst<'_> {
    fn run(&mut self, clients: usize, length: Duration) -> Result<Measured, BenchError> {
        let mut flight = Flight::new(clients);
        let (mut sent, mut acks, mut event_bytes) = (0, 0, 0);
        let start = Instant::now();
        let deadline = Deadline::new("the landing of the messages", length + LIMIT);
        loop {
            if start.elapsed() < length {
                let free = self.in_flight - flight.under_way();
                if free > 0 {
                    (0..free).for_each(|_| flight.launch());
                    sent += free as u64;
                    // In one write, as a client does that has several things to say.
                    self.swarm.send(0, &self.message.repeat(free))?;
                }
            } else if flight.under_way() == 0 && (acks == sent || !self.acked) {
                break;
            }
            self.swarm.turn(|client, heard| {
                let Heard::Text(event) = heard else { return Ok(()) };
                match wire::kind(event) {
                    Kind::Message if flight.arrive(client) => event_bytes = event.len(),
                    Kind::Message => return Err(BenchError::Broken("a message came twice".into())),
                    Kind::Ack => acks += 1,
                    Kind::Error => return Err(refused(event)),
                    Kind::Welcome | Kind::Joined | Kind::Presence | Kind::Other => {}
                }
                Ok(())
            })?;
            deadline.check()?;
        }
        let deliveries = flight.landed() as f64 * clients as f64;
        Ok(Measured { deliveries_per_second: deliveries / start.elapsed().as_secs_f64(), event_bytes })
    }
}
