//! Clients in processes of their own, each a share: one process may not have as many files open as there are clients.
//!
//! A process says on standard output, a line of JSON each, that its clients have arrived, and when all of them have heard
//! one message more. It ends when its standard input does.

use std::{
    collections::BTreeMap,
    env,
    io::{self, BufRead, BufReader, Read, Write},
    net::SocketAddr,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{LIMIT, ROOM};
use crate::bench::{
    client::Heard,
    error::BenchError,
    setup::at_least_one,
    swarm::{Swarm, refused},
    target::Target,
    wire::{self, Kind},
};

/// `hubbub bench crowd`: what `big` starts several of.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::bench) struct CrowdArgs {
    /// Where they connect.
    #[arg(long)]
    address: SocketAddr,
    /// How many.
    #[arg(long, value_parser = at_least_one())]
    clients: usize,
    /// The number of the first among all; it decides what address it comes from.
    #[arg(long)]
    first: usize,
}

/// What a process says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Told {
    /// So many handshakes had to be made again, since nginx was too slow to read them; before the arrival.
    Again(usize),
    /// All are in the room: how many on each instance.
    Arrived(BTreeMap<String, usize>),
    /// All have heard so many messages.
    Heard(usize),
}

/// The part of a `welcome` that is looked at.
#[derive(Deserialize)]
struct Welcome {
    instance: String,
}

impl CrowdArgs {
    /// Runs until standard input ends.
    ///
    /// # Errors
    /// If a client is refused or loses its connection, or hears a message twice or not in order.
    pub(in crate::bench) fn run(&self) -> Result<(), BenchError> {
        let over = Arc::new(AtomicBool::new(false));
        let ended = over.clone();
        thread::spawn(move || {
            // However it ends, nobody is there any more.
            let _ = io::stdin().read_to_end(&mut Vec::new());
            ended.store(true, Ordering::Relaxed);
        });
        let mut swarm = Swarm::new(Target::local(self.address).over_networks(self.first))?;
        let mut instances = BTreeMap::new();
        swarm.arrive_with(self.clients, &[ROOM.into()], LIMIT, |event| {
            if wire::kind(event) == Kind::Welcome {
                let Welcome { instance } = serde_json::from_slice(event)?;
                *instances.entry(instance).or_default() += 1;
            }
            Ok(())
        })?;
        tell(&Told::Again(swarm.again()))?;
        tell(&Told::Arrived(instances))?;
        let mut ears = Ears::new(self.clients);
        while !over.load(Ordering::Relaxed) {
            swarm.turn(|client, heard| {
                let Heard::Text(event) = heard else { return Ok(()) };
                match wire::kind(event) {
                    Kind::Message => {
                        let seq = wire::number_after(event, br#""seq":"#);
                        let seq = seq.ok_or_else(|| BenchError::Broken("a message without a number".into()))?;
                        ears.hear(client, seq)?.map_or(Ok(()), |all| tell(&Told::Heard(all)))
                    }
                    Kind::Error => Err(refused(event)),
                    _ => Ok(()),
                }
            })?;
        }
        Ok(())
    }
}

fn tell(told: &Told) -> Result<(), BenchError> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, told)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

/// What each client has heard.
#[derive(Debug)]
struct Ears {
    /// The number of the last message of each, and how many there were.
    last: Vec<(u64, usize)>,
    /// How many clients have heard at least so many messages, from the first on.
    reached: Vec<usize>,
}

impl Ears {
    fn new(clients: usize) -> Self {
        Self { last: vec![(0, 0); clients], reached: Vec::new() }
    }

    /// A client hears a message; how many all have heard, if that is one more now.
    fn hear(&mut self, client: usize, seq: u64) -> Result<Option<usize>, BenchError> {
        let all = self.last.len();
        let Some((last, count)) = self.last.get_mut(client) else { return Ok(None) };
        if *count > 0 && seq != *last + 1 {
            return Err(BenchError::Broken(format!("number {seq} came to client {client} after {last}")));
        }
        (*last, *count) = (seq, *count + 1);
        let count = *count;
        if self.reached.len() < count {
            self.reached.push(0);
        }
        let Some(reached) = self.reached.get_mut(count - 1) else { return Ok(None) };
        *reached += 1;
        Ok((*reached == all).then_some(count))
    }
}

/// One process.
struct Crowd {
    process: Child,
    /// Ends it by being closed.
    _input: Option<ChildStdin>,
    again: usize,
    arrived: Option<BTreeMap<String, usize>>,
    heard: usize,
}

/// All of them. They are killed when this goes.
pub(super) struct Crowds {
    crowds: Vec<Crowd>,
    told: Receiver<(usize, Option<Told>)>,
}

impl Crowds {
    /// Starts them; their clients begin to arrive.
    ///
    /// # Errors
    /// If this program cannot be started.
    pub(super) fn start(clients: usize, generators: usize, address: SocketAddr) -> Result<Self, BenchError> {
        let (tell, told) = mpsc::channel();
        let mut started = Self { crowds: Vec::new(), told };
        let generators = generators.min(clients);
        for number in 0..generators {
            let (first, end) = (clients * number / generators, clients * (number + 1) / generators);
            let mut command = Command::new(env::current_exe()?);
            command.args(["bench", "crowd", "--address", &address.to_string()]);
            command.args(["--first", &first.to_string(), "--clients", &(end - first).to_string()]);
            // What it says when it fails stands on standard error, with that of this process.
            let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
            let (input, output) = (process.stdin.take(), process.stdout.take());
            if let Some(output) = output {
                follow(number, output, tell.clone());
            }
            started.crowds.push(Crowd { process, _input: input, again: 0, arrived: None, heard: 0 });
        }
        Ok(started)
    }

    /// Their processes.
    pub(super) fn processes(&self) -> Vec<u32> {
        self.crowds.iter().map(|crowd| crowd.process.id()).collect()
    }

    /// How many clients there are on each instance, once all have arrived; waits so long for news.
    ///
    /// # Errors
    /// If a process ended.
    pub(super) fn arrived(&mut self, wait: Duration) -> Result<Option<BTreeMap<String, usize>>, BenchError> {
        self.listen(wait)?;
        let mut all = BTreeMap::new();
        for crowd in &self.crowds {
            let Some(arrived) = &crowd.arrived else { return Ok(None) };
            for (instance, clients) in arrived {
                *all.entry(instance.clone()).or_default() += clients;
            }
        }
        Ok(Some(all))
    }

    /// How many handshakes had to be made again; known once all have arrived.
    pub(super) fn again(&self) -> usize {
        self.crowds.iter().map(|crowd| crowd.again).sum()
    }

    /// Whether all clients have heard so many messages; waits so long for news.
    ///
    /// # Errors
    /// If a process ended.
    pub(super) fn have_heard(&mut self, messages: usize, wait: Duration) -> Result<bool, BenchError> {
        self.listen(wait)?;
        Ok(self.crowds.iter().all(|crowd| crowd.heard >= messages))
    }

    fn listen(&mut self, wait: Duration) -> Result<(), BenchError> {
        let (number, told) = match self.told.recv_timeout(wait) {
            Ok(news) => news,
            Err(RecvTimeoutError::Timeout) => return Ok(()),
            Err(RecvTimeoutError::Disconnected) => (0, None),
        };
        let Some(crowd) = self.crowds.get_mut(number) else { return Ok(()) };
        match told {
            Some(Told::Again(handshakes)) => crowd.again = handshakes,
            Some(Told::Arrived(instances)) => crowd.arrived = Some(instances),
            Some(Told::Heard(messages)) => crowd.heard = messages,
            None => return Err(BenchError::Broken("a process of clients ended; it says why above".into())),
        }
        Ok(())
    }
}

impl Drop for Crowds {
    fn drop(&mut self) {
        for crowd in &mut self.crowds {
            // It may have ended by itself.
            let _ = crowd.process.kill();
            let _ = crowd.process.wait();
        }
    }
}

/// Passes on what a process says, and that it says no more.
fn follow(number: usize, output: impl Read + Send + 'static, tell: Sender<(usize, Option<Told>)>) {
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let Ok(told) = serde_json::from_str(&line) else { break };
            if tell.send((number, Some(told))).is_err() {
                return;
            }
        }
        // Nobody listens any more when the benchmark is over.
        let _ = tell.send((number, None));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_have_heard_when_the_last_has() {
        let mut ears = Ears::new(2);
        assert_eq!(ears.hear(0, 7).unwrap(), None);
        assert_eq!(ears.hear(0, 8).unwrap(), None);
        assert_eq!(ears.hear(1, 7).unwrap(), Some(1));
        assert_eq!(ears.hear(1, 8).unwrap(), Some(2));
    }

    #[test]
    fn what_is_missing_doubled_or_out_of_order_is_told() {
        for second in [7, 6, 9] {
            let mut ears = Ears::new(1);
            ears.hear(0, 7).unwrap();
            assert!(matches!(ears.hear(0, second), Err(BenchError::Broken(_))), "{second}");
        }
    }

    #[test]
    fn what_is_told_is_understood() {
        for told in [Told::Again(1), Told::Arrived(BTreeMap::from([("bench-1".into(), 3)])), Told::Heard(2)] {
            let line = serde_json::to_string(&told).unwrap();
            assert_eq!(serde_json::from_str::<Told>(&line).unwrap(), told);
        }
    }
}
