//! `hubbub bench`: a light load driver, and the benchmarks of docs/performance.md.
//!
//! Each run starts this program's own server with nothing set but the limits that would stop a driver, puts server and
//! driver on a core each, and checks what it counts: a message lost, doubled or out of order is no figure but a failure.
//!
//! - [`idle`], [`fanout`], [`publish`], [`cluster`], [`big`]: what is measured. [`raw`]: what it is compared with.
//! - [`swarm`], [`client`], [`target`], [`frames`], [`wire`]: many clients on one thread.
//! - [`flight`], [`window`], [`ledger`]: what is counted.
//! - [`setup`], [`child`], [`pin`]: the server under test. [`report`]: the figures.

mod big;
mod child;
mod client;
mod cluster;
mod error;
mod fanout;
mod flight;
mod frames;
mod idle;
mod ledger;
mod pin;
mod publish;
mod raw;
mod report;
mod setup;
mod swarm;
mod target;
mod window;
mod wire;

use std::io;

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};

use big::{BigArgs, CrowdArgs};
pub(crate) use child::port_in;
use cluster::ClusterArgs;
pub use error::BenchError;
use fanout::FanoutArgs;
use idle::IdleArgs;
use publish::PublishArgs;
use raw::RawArgs;
use report::{Figure, Report};
use setup::{Common, Setup};

/// The arguments of `hubbub bench`.
#[derive(Clone, Debug, clap::Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    bench: Bench,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Debug, Subcommand)]
enum Bench {
    /// Memory of an idle connection.
    Idle(IdleArgs),
    /// Deliveries a second of one message to many connections, beside a raw writer.
    Fanout(FanoutArgs),
    /// Acked messages a second of many senders, and how long an ack takes.
    Publish(PublishArgs),
    /// Three servers over one Redis: latency, throughput, presence after a loss, and a storm of clients that come back.
    Cluster(ClusterArgs),
    /// 30,000 clients through nginx to three servers: how fast they arrive, where, what all takes, and a message to all.
    Big(BigArgs),
    /// The clients of `big`, in a process of their own.
    #[command(hide = true)]
    Crowd(CrowdArgs),
    /// The raw writer that `fanout` starts to compare with.
    #[command(hide = true)]
    Raw(RawArgs),
}

/// Measures, and prints the figures on standard output and the progress on standard error.
///
/// # Errors
/// If there are no figures: the server was not to be had, or broke its contract. [`BenchError::Budget`] if there are,
/// but `--check` was given and a budget is missed.
pub fn run(args: &BenchArgs) -> Result<(), BenchError> {
    let common = &args.common;
    let report = match &args.bench {
        Bench::Raw(raw) => return raw::run(raw),
        Bench::Crowd(crowd) => return crowd.run(),
        Bench::Idle(idle) => measure(common, "idle", &idle.describe(), IdleArgs::settings(), |setup| idle.run(setup)),
        Bench::Fanout(fanout) => measure(common, "fanout", &fanout.describe(), &[], |setup| fanout.run(setup)),
        Bench::Publish(publish) => measure(common, "publish", &publish.describe(), &[], |setup| publish.run(setup)),
        Bench::Cluster(cluster) => {
            let settings = ClusterArgs::settings();
            measure(&common.unpinned(), "cluster", &cluster.describe(), settings, |setup| cluster.run(setup))
        }
        Bench::Big(big) => {
            measure(&common.unpinned(), "big", &big.describe(), BigArgs::settings(), |setup| big.run(setup))
        }
    }?;
    if common.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    if common.check && !report.passes() { Err(BenchError::Budget) } else { Ok(()) }
}

fn measure(
    common: &Common,
    name: &'static str,
    what: &str,
    settings: &[(&str, &str)],
    run: impl Fn(&Setup) -> Result<Vec<Figure>, BenchError>,
) -> Result<Report, BenchError> {
    let setup = Setup::new(common)?;
    let description = format!("{what}\n{}", setup.describe(settings));
    // Draws nothing unless standard error is a terminal.
    let style = ProgressStyle::with_template("{prefix} {wide_bar} run {pos} of {len} done, {elapsed}");
    let bar = ProgressBar::new(common.runs.into()).with_style(style.map_err(io::Error::other)?).with_prefix(name);
    bar.tick();
    let mut runs = Vec::new();
    for _ in 0..common.runs {
        runs.push(run(&setup)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(Report::new(name, description, runs))
}
