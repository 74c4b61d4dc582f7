//! As many clients as the project is made for, through nginx: how fast they arrive, where, what they take, and whether all
//! of them hear what is said.
//!
//! - [`crowd`]: the clients, in processes of their own. [`balancer`]: nginx.
//!
//! Set up so that it is the product that is measured: sources in 30 networks, since `ip_hash` looks at three numbers of an
//! address and an address has 28,232 ports; as many nginx workers as their files allow, and six at least.

mod balancer;
mod crowd;

use std::time::{Duration, Instant};

use super::{
    child::resident_bytes,
    client::Heard,
    cluster::nodes::{Nodes, SERVERS},
    error::BenchError,
    frames,
    report::{Budget, Figure},
    setup::{Setup, at_least_one},
    swarm::{Deadline, Swarm, refused},
    target::Target,
    wire::{self, Kind},
};
use crate::{cluster::nginx::Strategy, protocol::frame::Opcode};
use balancer::Balancer;
pub(super) use crowd::CrowdArgs;
use crowd::Crowds;

/// Resident bytes of all replicas with 30,000 clients: 200 MB.
const BUDGET_BYTES: f64 = 200e6;
const BUDGET_CLIENTS: usize = 30_000;

/// How long all may take to arrive, and a message to reach all of them.
pub(super) const LIMIT: Duration = Duration::from_secs(600);

/// The room of all.
const ROOM: &str = "global";

/// `hubbub bench big`: through nginx.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct BigArgs {
    /// How many clients, all in one room.
    #[arg(long, default_value_t = BUDGET_CLIENTS, value_parser = at_least_one())]
    clients: usize,
    /// How many processes they are in; each may have so many files open as the shell allows (ulimit -n).
    #[arg(long, default_value_t = 3, value_parser = at_least_one())]
    generators: usize,
    /// How many messages are said to all, one after the other.
    #[arg(long, default_value_t = 5, value_parser = at_least_one())]
    messages: usize,
    /// Who gets a newcomer; a list measures one after the other, each with replicas of its own.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Strategy::IpHash, Strategy::LeastConn])]
    strategies: Vec<Strategy>,
}

impl BigArgs {
    /// What the replicas are given beside their limits, their names and where Redis is.
    pub(super) fn settings() -> &'static [(&'static str, &'static str)] {
        &[("ENABLE_DISTRIBUTED_CHAT", "true"), ("TRUSTED_PROXIES", "127.0.0.1")]
    }

    /// In words.
    pub(super) fn describe(&self) -> String {
        let Self { clients, generators, messages, .. } = self;
        format!(
            "{clients} clients of {generators} processes in one room, through nginx to {SERVERS} replicas over a Redis, all \
             on the same cores; {messages} messages to all"
        )
    }

    /// One run.
    pub(super) fn run(&self, setup: &Setup) -> Result<Vec<Figure>, BenchError> {
        let mut figures = Vec::new();
        for strategy in &self.strategies {
            let mut nodes = Nodes::start_with(setup.own_folder()?, Self::settings())?;
            let measured = self.measure(*strategy, &nodes, setup);
            figures.extend(measured.map_err(|error| nodes.explain(error))?);
        }
        Ok(figures)
    }

    fn measure(&self, strategy: Strategy, nodes: &Nodes, setup: &Setup) -> Result<Vec<Figure>, BenchError> {
        let nginx = Balancer::start(setup.own_folder()?, strategy, nodes.addresses())?;
        let before = resident(&nodes.processes())?;
        let start = Instant::now();
        let mut crowds = Crowds::start(self.clients, self.generators, nginx.address())?;
        let deadline = Deadline::new("the arrival of all", LIMIT);
        let spread = loop {
            if let Some(spread) = crowds.arrived(Duration::from_millis(100))? {
                break spread;
            }
            deadline.check()?;
        };
        let took = start.elapsed().as_secs_f64();
        let heard = self.talk(&mut crowds, nginx.address())?;
        let replicas = resident(&nodes.processes())?;
        let workers = resident(&nginx.workers())?;

        let name = strategy.name();
        let of = |what: &str| format!("{name}: {what}");
        let each = (total(&replicas) - total(&before)) / self.clients as f64;
        let mut together = Figure::new(of("replicas together"), "MB", mega(total(&replicas)));
        if self.clients >= BUDGET_CLIENTS {
            together = together.within(Budget::AtMost(mega(BUDGET_BYTES)));
        }
        let mut figures = vec![Figure::new(of("connects"), "per second", self.clients as f64 / took)];
        figures.push(Figure::new(of("handshakes made again"), "", crowds.again() as f64));
        for (index, bytes) in replicas.iter().enumerate() {
            let clients = spread.get(&nodes.name(index)).copied().unwrap_or_default();
            figures.push(Figure::new(of(&format!("clients of replica {}", index + 1)), "", clients as f64));
            figures.push(Figure::new(of(&format!("replica {}", index + 1)), "MB", mega(*bytes)));
        }
        figures.extend([
            together,
            Figure::new(of("replicas, for a client"), "bytes", each),
            Figure::new(of("Redis"), "MB", mega(resident_bytes(nodes.redis())? as f64)),
            Figure::new(of("nginx workers"), "", workers.len() as f64),
            Figure::new(of("nginx, smallest worker"), "MB", mega(smallest(&workers))),
            Figure::new(of("nginx, largest worker"), "MB", mega(largest(&workers))),
            Figure::new(of("nginx workers, for a client"), "bytes", total(&workers) / self.clients as f64),
            Figure::new(of("largest generator"), "MB", mega(largest(&resident(&crowds.processes())?))),
            Figure::new(of("a message to all, median"), "ms", 1e3 * median(heard.clone())),
            Figure::new(of("a message to all, slowest"), "ms", 1e3 * largest(&heard)),
        ]);
        Ok(figures)
    }

    /// Says one message after the other to all, who must have it once each; how many seconds each took.
    fn talk(&self, crowds: &mut Crowds, address: std::net::SocketAddr) -> Result<Vec<f64>, BenchError> {
        let mut speaker = Swarm::new(Target::local(address))?;
        speaker.arrive(1, &[ROOM.into()], LIMIT)?;
        let mut heard = Vec::new();
        for number in 1..=self.messages {
            let message = format!(r#"{{"type":"message","room":"{ROOM}","text":"number {number}"}}"#);
            let start = Instant::now();
            speaker.send(0, &frames::encode(Opcode::Text, message.as_bytes()))?;
            let deadline = Deadline::new("a message to all", LIMIT);
            while !crowds.have_heard(number, Duration::from_millis(1))? {
                speaker.turn_within(Duration::ZERO, |_, heard| match heard {
                    Heard::Text(event) if wire::kind(event) == Kind::Error => Err(refused(event)),
                    _ => Ok(()),
                })?;
                deadline.check()?;
            }
            heard.push(start.elapsed().as_secs_f64());
        }
        Ok(heard)
    }
}

fn resident(processes: &[u32]) -> Result<Vec<f64>, BenchError> {
    processes.iter().map(|process| Ok(resident_bytes(*process)? as f64)).collect()
}

fn mega(bytes: f64) -> f64 {
    bytes / 1e6
}

fn total(values: &[f64]) -> f64 {
    values.iter().sum()
}

fn smallest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
