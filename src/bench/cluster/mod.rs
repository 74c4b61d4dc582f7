//! Three servers over one Redis: how long a message takes through it, how many it takes, how soon a loss is seen, and what
//! the clients of a server go through that is killed.
//!
//! - [`latency`], [`presence`], [`storm`]: what is measured; the rate is that of `publish`. [`nodes`], [`redis`]: with what.

mod latency;
pub(super) mod nodes;
mod presence;
mod redis;
mod storm;

use clap::ValueEnum;

use super::{
    error::BenchError,
    publish::PublishArgs,
    report::{Budget, Figure},
    setup::{Setup, at_least_one},
};
use nodes::{Nodes, SERVERS};

/// Acked messages a second of [`SENDERS`] (DESIGN: numbers to be ahead of).
const BUDGET_PER_SECOND: f64 = 12_000.0;
const SENDERS: usize = 50;
const IN_FLIGHT: usize = 8;

/// `hubbub bench cluster`: three servers over one Redis.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ClusterArgs {
    /// What is measured; a list, or all of it when not said.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Part::ALL)]
    only: Vec<Part>,
    /// How many seconds latency and throughput are measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How many clients there are in the storm, over the three servers.
    #[arg(long, default_value_t = 2_000, value_parser = at_least_one())]
    clients: usize,
}

/// A part of it, each with a cluster of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// From a message said at one server to those who hear it at all.
    Latency,
    /// Acked messages a second.
    Throughput,
    /// How soon somebody who left, and those of a server that was killed, are counted out.
    Presence,
    /// One of three servers is killed; all its clients come back without a gap.
    Storm,
}

impl Part {
    const ALL: [Self; 4] = [Self::Latency, Self::Throughput, Self::Presence, Self::Storm];
}

impl ClusterArgs {
    /// What the servers are given beside their limits, their names and where Redis is.
    pub(super) fn settings() -> &'static [(&'static str, &'static str)] {
        &[nodes::DISTRIBUTED]
    }

    /// In words.
    pub(super) fn describe(&self) -> String {
        format!(
            "{SERVERS} servers and a Redis that appends to its file (everysec), all on the cores of the driver; {} s each; \
             {} clients in the storm",
            self.seconds, self.clients
        )
    }

    /// One run.
    pub(super) fn run(&self, setup: &Setup) -> Result<Vec<Figure>, BenchError> {
        let mut figures = Vec::new();
        for part in Part::ALL.into_iter().filter(|part| self.only.contains(part)) {
            let mut nodes = Nodes::start(setup.own_folder()?)?;
            let measured = match part {
                Part::Latency => latency::measure(&nodes, self.seconds),
                Part::Throughput => self.throughput(&nodes),
                Part::Presence => presence::measure(&mut nodes),
                Part::Storm => storm::measure(&mut nodes, self.clients),
            };
            figures.extend(measured.map_err(|error| nodes.explain(error))?);
        }
        Ok(figures)
    }

    fn throughput(&self, nodes: &Nodes) -> Result<Vec<Figure>, BenchError> {
        let publish =
            PublishArgs { senders: SENDERS, in_flight: IN_FLIGHT, receivers: SERVERS, rooms: 1, seconds: self.seconds };
        let mut published = publish.measure(&nodes.targets())?;
        Ok(vec![
            Figure::new("acked messages", "per second", published.per_second())
                .within(Budget::AtLeast(BUDGET_PER_SECOND)),
            Figure::new("from message to ack at that rate, p50", "ms", published.latency_ms(0.50)),
            Figure::new("from message to ack at that rate, p99", "ms", published.latency_ms(0.99)),
        ])
    }
}
