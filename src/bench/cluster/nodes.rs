//! Three servers that share one Redis, each a process of this program.

use std::{net::SocketAddr, path::Path, thread, time::Duration};

use super::redis::Redis;
use crate::{
    bench::{
        child::{Child, NO_LIMITS},
        error::BenchError,
        swarm::Deadline,
        target::Target,
    },
    cluster::probe,
};

/// How many servers.
pub(in crate::bench) const SERVERS: usize = 3;

/// How long a server may take to reach Redis, and how often it is looked whether it has.
const LINK_LIMIT: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What every server is given beside its limits, its name and where Redis is.
pub(in crate::bench) const DISTRIBUTED: (&str, &str) = ("ENABLE_DISTRIBUTED_CHAT", "true");

/// The servers and their Redis. All are killed when this goes.
pub(in crate::bench) struct Nodes {
    servers: Vec<Child>,
    /// Ends after those that use it.
    redis: Redis,
}

impl Nodes {
    /// Starts them, and waits until all can use Redis.
    ///
    /// # Errors
    /// If one of them does not come up.
    pub(in crate::bench) fn start(folder: &Path) -> Result<Self, BenchError> {
        Self::start_with(folder, &[DISTRIBUTED])
    }

    /// The same with these settings of each.
    ///
    /// # Errors
    /// If one of them does not come up.
    pub(in crate::bench) fn start_with(folder: &Path, settings: &[(&str, &str)]) -> Result<Self, BenchError> {
        let redis = Redis::start(folder)?;
        let url = redis.url();
        let mut servers = Vec::new();
        for number in 1..=SERVERS {
            let name = name_of(number);
            let own = [("REDIS_URL", url.as_str()), ("INSTANCE_ID", name.as_str())];
            let settings: Vec<_> = NO_LIMITS.into_iter().chain(own).chain(settings.iter().copied()).collect();
            servers.push(Child::start(&["serve"], &settings, folder, false)?);
        }
        let deadline = Deadline::new("the way of the servers to Redis", LINK_LIMIT);
        let mut nodes = Self { servers, redis };
        while !nodes.servers.iter().all(|server| is_healthy(server.address())) {
            deadline.check().map_err(|error| nodes.explain(error))?;
            thread::sleep(LOOK_AGAIN);
        }
        Ok(nodes)
    }

    /// Where they are, in order.
    pub(in crate::bench) fn targets(&self) -> Vec<Target> {
        self.servers.iter().map(|server| Target::local(server.address())).collect()
    }

    /// Where they listen, in order.
    pub(in crate::bench) fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(Child::address).collect()
    }

    /// Their processes, in order.
    pub(in crate::bench) fn processes(&self) -> Vec<u32> {
        self.servers.iter().map(Child::id).collect()
    }

    /// The process of their Redis.
    pub(in crate::bench) fn redis(&self) -> u32 {
        self.redis.id()
    }

    /// The name that the one at an index tells clients.
    pub(in crate::bench) fn name(&self, index: usize) -> String {
        name_of(index + 1)
    }

    /// Ends one as the loss of its machine would.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub(in crate::bench) fn kill(&mut self, number: usize) -> Result<(), BenchError> {
        self.servers.get_mut(number).map_or(Ok(()), Child::kill)
    }

    /// Adds what the servers logged to an error that their failure may explain.
    pub(in crate::bench) fn explain(&mut self, error: BenchError) -> BenchError {
        self.servers.iter_mut().fold(error, |error, server| server.explain(error))
    }
}

fn name_of(number: usize) -> String {
    format!("bench-{number}")
}

/// Whether a server can use its store.
fn is_healthy(address: SocketAddr) -> bool {
    probe::get(address, "/health", None).is_ok_and(|answer| answer.json()["status"] == "healthy")
}
