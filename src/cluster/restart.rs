//! Restarting replicas one at a time, while their clients resume on the others.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    Cluster,
    args::{Patience, RestartArgs},
    down::Ended,
    error::ClusterError,
    put, put_json,
    replica::local,
    state::Replica,
    survey,
    table::{Table, or_none},
};

/// How long the clients of a replica may take to be back before the next one is restarted: twice the longest backoff of
/// the shipped client, 15 s (PROTOCOL section 4).
const CLIENTS_LIMIT: Duration = Duration::from_secs(30);

/// The part of all clients that need not be back: some leave for reasons of their own.
const TOLERANCE: usize = 20;

/// What became of a replica.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Restarted {
    name: String,
    /// From the signal to its end, in milliseconds; none if it was not running.
    drained_ms: Option<u64>,
    /// Whether it did not end in time.
    killed: bool,
    /// From its new start until it was healthy and known to the others, in milliseconds.
    started_ms: u64,
    /// Clients of the whole cluster, before and when it went on.
    clients_before: usize,
    clients_after: usize,
    /// Until as many were connected as before, but for a twentieth, in milliseconds from when it was healthy; none if
    /// that was not so after 30 s.
    clients_back_ms: Option<u64>,
}

impl Cluster {
    /// Restarts one replica, or all, with this program and the settings of its environment.
    ///
    /// # Errors
    /// If a replica does not come up again: those that were not restarted yet go on as they were.
    pub(super) fn restart(&mut self, args: &RestartArgs) -> Result<(), ClusterError> {
        self.need_running()?;
        let numbers = match &args.name {
            Some(name) => vec![self.state.number_of(name)?],
            None => {
                let mut numbers: Vec<_> = self.state.replicas.iter().map(|replica| replica.number).collect();
                numbers.sort_unstable();
                numbers
            }
        };
        let settings = self.state.settings.clone();
        self.take_settings();
        let mut restarted = Vec::new();
        let mut done = Ok(());
        for number in numbers {
            done = self.interrupt.check();
            if done.is_err() {
                break;
            }
            match self.restart_one(number, args.patience) {
                Ok(replica) => restarted.push(replica),
                Err(error) => {
                    // They may be what was wrong: `up` starts this one again as it was.
                    self.state.settings = settings;
                    self.save()?;
                    done = Err(error);
                    break;
                }
            }
        }
        if self.json {
            put_json(&restarted)?;
        } else if !restarted.is_empty() {
            put(table(&restarted))?;
        }
        done
    }

    fn restart_one(&mut self, number: u32, patience: Patience) -> Result<Restarted, ClusterError> {
        let name = Replica::new(number).name();
        let clients_before = self.clients();
        let (ended, started_ms) = self.uninterrupted(|cluster| cluster.replace(number, patience))?;
        let wanted = clients_before - clients_before / TOLERANCE;
        let back = self.interrupt.until("the clients", CLIENTS_LIMIT, || Ok((self.clients() >= wanted).then_some(())));
        let clients_back_ms = back.ok().map(|((), after)| millis(after));
        let clients_after = self.clients();
        self.say(&format!("{name} is back, with {clients_after} clients of {clients_before} in the cluster"));
        let killed = ended.as_ref().is_some_and(|ended| ended.killed);
        let drained_ms = ended.map(|ended| ended.drained_ms);
        Ok(Restarted { name, drained_ms, killed, started_ms, clients_before, clients_after, clients_back_ms })
    }

    /// Ends a replica and starts it again, out of rotation meanwhile; how it ended, if it ran, and how many milliseconds
    /// it took to start.
    fn replace(&mut self, number: u32, patience: Patience) -> Result<(Option<Ended>, u64), ClusterError> {
        // The last one stays in rotation: while it is away nginx answers that nobody is there.
        let others = self
            .state
            .replicas
            .iter()
            .any(|replica| replica.number != number && replica.in_rotation && replica.is_alive());
        if others {
            self.rotate(number, false)?;
        }
        let ended = self.drain(&[number], patience)?.pop();
        let port = self.state.replica_mut(number).and_then(|replica| replica.port);
        let killed = ended.as_ref().is_some_and(|ended| ended.killed);
        self.say(&format!("starting {}", Replica::new(number).name()));
        // What was killed has not given its lease back.
        let port = port.filter(|_| ended.is_some() && !killed);
        let start = Instant::now();
        let started = match self.start_replica(number, port) {
            // Somebody else took its port meanwhile: another will do.
            Err(ClusterError::Part { .. }) if port.is_some_and(is_taken) => self.start_replica(number, None),
            started => started,
        };
        started.and_then(|()| self.await_registry()).and_then(|()| self.rotate(number, true))?;
        Ok((ended, millis(start.elapsed())))
    }

    fn start_replica(&mut self, number: u32, port: Option<u16>) -> Result<(), ClusterError> {
        let starting = self.launch_replica(number, port)?;
        self.await_replica(&starting)
    }

    /// Lets nginx send newcomers to a replica, or no more.
    fn rotate(&mut self, number: u32, into: bool) -> Result<(), ClusterError> {
        if let Some(replica) = self.state.replica_mut(number) {
            replica.in_rotation = into;
        }
        self.save()?;
        self.balance()
    }

    /// Clients of all replicas now.
    fn clients(&self) -> usize {
        let running = self.state.replicas.iter().filter(|replica| replica.is_alive());
        let clients = |replica: &Replica| survey::report(replica.port?, &self.state.metrics_key(replica))?.clients();
        running.filter_map(clients).sum()
    }
}

fn table(restarted: &[Restarted]) -> Table {
    let seconds = |ms: u64| format!("{:.1} s", ms as f64 / 1_000.0);
    let mut table = Table::new(&["replica", "drained", "healthy", "clients back", "clients"]);
    for each in restarted {
        let drained =
            or_none(each.drained_ms, |ms| if each.killed { format!("killed, {}", seconds(ms)) } else { seconds(ms) });
        let back = each.clients_back_ms.map_or_else(|| "not all".to_owned(), seconds);
        let clients = format!("{} of {}", each.clients_after, each.clients_before);
        table.row(vec![each.name.clone(), drained, seconds(each.started_ms), back, clients]);
    }
    table
}

/// Whether somebody listens on a port of this machine.
fn is_taken(port: u16) -> bool {
    TcpListener::bind(local(port)).is_err()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
