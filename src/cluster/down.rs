//! Ending: replicas drain first, since they tell their clients, then who sent clients to them, then who kept everything.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde::Serialize;

use super::{
    Cluster,
    args::{DownArgs, Patience},
    error::ClusterError,
    process::Process,
    put, put_json,
    state::Replica,
    up::end,
    wait::Interrupt,
};

/// How long nginx may take to end; its sockets are gone by then.
const NGINX_LIMIT: Duration = Duration::from_secs(10);

/// How long Redis may take to end: it writes what is not on the disk yet.
const REDIS_LIMIT: Duration = Duration::from_secs(60);

/// How long a process may take to be gone that was killed.
const KILLED_LIMIT: Duration = Duration::from_secs(10);

/// How a replica ended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ended {
    pub(super) name: String,
    /// From the signal to its end, in milliseconds.
    pub(super) drained_ms: u64,
    /// Whether it did not end in time.
    pub(super) killed: bool,
}

impl Cluster {
    /// Stops all.
    ///
    /// # Errors
    /// If the folder cannot be written, or not removed.
    pub(super) fn down(&mut self, args: &DownArgs) -> Result<(), ClusterError> {
        let ran = self.state.is_running();
        let numbers: Vec<_> = self.state.replicas.iter().map(|replica| replica.number).collect();
        let ended = self.drain(&numbers, args.patience)?;
        if let Some(nginx) = self.state.nginx.take() {
            end(std::slice::from_ref(&nginx), NGINX_LIMIT);
            end(&nginx.left_behind(), NGINX_LIMIT);
        }
        if let Some(redis) = &self.state.redis {
            // SIGTERM is to Redis what SHUTDOWN is: the file that it appends to is complete on the disk when it ends.
            if end(std::slice::from_ref(&redis.process), REDIS_LIMIT) {
                self.say("redis did not end in time and was killed; what it had answered is in its file");
            }
        }
        self.state.redis = None;
        self.state.replicas.iter_mut().for_each(|replica| *replica = Replica::new(replica.number));
        self.save()?;
        if args.purge {
            self.folder.purge()?;
        }
        if self.json {
            return put_json(&ended);
        }
        put(if ran { "The cluster is stopped.\n" } else { "The cluster was not running.\n" })?;
        put(if args.purge { "What it kept is removed.\n" } else { "" })
    }

    /// Lets replicas go until there are no more than wanted, the dead first and then the newest: first no newcomers for
    /// them, then no clients. A Ctrl-C does not stop it half way.
    ///
    /// # Errors
    /// If nginx does not follow.
    pub(super) fn shrink(&mut self, wanted: usize, patience: Patience) -> Result<Vec<Ended>, ClusterError> {
        let surplus = self.state.surplus(wanted);
        if surplus.is_empty() {
            return Ok(Vec::new());
        }
        let leaving = self.state.replicas.iter_mut().filter(|replica| surplus.contains(&replica.number));
        leaving.for_each(|replica| replica.in_rotation = false);
        self.save()?;
        let ended = self.uninterrupted(|cluster| {
            cluster.balance()?;
            cluster.drain(&surplus, patience)
        })?;
        self.state.replicas.retain(|replica| !surplus.contains(&replica.number));
        self.save()?;
        Ok(ended)
    }

    /// Asks these replicas to stop, all at once, and waits until they have.
    ///
    /// # Errors
    /// If the state cannot be written.
    pub(super) fn drain(&mut self, numbers: &[u32], patience: Patience) -> Result<Vec<Ended>, ClusterError> {
        let start = Instant::now();
        let limit = Duration::from_secs(patience.drain_timeout.get());
        let of = |replica: &Replica| Some((replica.name(), replica.process.clone().filter(Process::is_alive)?));
        let wanted = self.state.replicas.iter().filter(|replica| numbers.contains(&replica.number));
        let draining: Vec<_> = wanted.filter_map(of).collect();
        for (name, process) in &draining {
            self.say(&format!("draining {name}"));
            process.signal(Signal::TERM);
        }
        // Waiting goes on through a Ctrl-C: what was begun is finished.
        let patient = Interrupt::default();
        let mut ended = Vec::new();
        for (name, process) in draining {
            let gone = || Ok((!process.is_alive()).then_some(()));
            let killed = patient.until(&name, limit.saturating_sub(start.elapsed()), gone).is_err();
            if killed {
                self.say(&format!("{name} did not drain in time and is killed; its clients come back all the same"));
                process.signal(Signal::KILL);
                patient.until(&name, KILLED_LIMIT, gone)?;
            }
            let drained_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            ended.push(Ended { name, drained_ms, killed });
        }
        for number in numbers {
            if let Some(replica) = self.state.replica_mut(*number) {
                replica.process = None;
            }
        }
        self.save()?;
        Ok(ended)
    }
}
