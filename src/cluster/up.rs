//! Starting what does not run, and taking that back when not all of it comes up.

use std::{collections::BTreeSet, io, time::Duration};

use rustix::process::Signal;

use super::{
    Cluster,
    args::{Patience, UpArgs},
    balancer::{is_taken, listen_on, try_listen},
    error::ClusterError,
    probe,
    process::Process,
    programs::Programs,
    redis,
    replica::ended,
    state::{Listener, Replica},
    survey,
    wait::Interrupt,
};

/// How many replicas when nothing else was ever said.
const DEFAULT_REPLICAS: usize = 3;

/// How long Redis may take to be ready; it reads what it kept first.
const REDIS_LIMIT: Duration = Duration::from_secs(120);

/// How long what is taken back may take to end by itself.
const TAKE_BACK: Duration = Duration::from_secs(10);

/// A part of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Redis,
    /// Its number, and whether there was none of that number before.
    Replica(u32, bool),
    Nginx,
}

impl Cluster {
    /// Makes the cluster what the arguments say, and shows it.
    ///
    /// # Errors
    /// If not all comes up; what this call started is ended then, and what it changed of nginx is as before. If all came
    /// up and is not healthy all the same.
    pub(super) fn up(&mut self, args: &UpArgs) -> Result<(), ClusterError> {
        let ran = self.state.is_running();
        if !ran {
            self.state.working_folder = std::env::current_dir()?;
        }
        let settings = self.state.settings.clone();
        self.take_settings();
        let has_new_settings = ran && self.state.settings != settings;
        let before = (self.state.port, self.state.public, self.state.strategy);
        let port = args.port.unwrap_or(self.state.port);
        let public = args.public.unwrap_or(self.state.public);
        if !self.state.nginx.as_ref().is_some_and(Process::is_alive) {
            self.retire_workers()?;
            need_free(port, public, false)?;
        } else if (port, public) != (self.state.port, self.state.public) {
            need_free(port, public, port == self.state.port)?;
        }
        (self.state.port, self.state.public) = (port, public);
        self.state.strategy = args.strategy.unwrap_or(self.state.strategy);
        let known = Some(self.state.replicas.len()).filter(|known| *known > 0);
        let wanted = args.replicas.or(known).unwrap_or(DEFAULT_REPLICAS);
        let mut started = Vec::new();
        if let Err(error) = self.bring_up(wanted, &mut started) {
            self.state.settings = settings;
            (self.state.port, self.state.public, self.state.strategy) = before;
            self.take_back(&started);
            let _ = self.save();
            self.balance_again();
            return Err(error);
        }
        self.shrink(wanted, Patience::default())?;
        if has_new_settings {
            self.say("Other settings were taken over; `hubbub cluster restart` gives them to replicas that run.");
        }
        match (ran, started.is_empty()) {
            (true, true) => self.say("It was running already."),
            (true, false) => self.say("It was running; what was missing was started."),
            (false, _) => {}
        }
        survey::show_healthy(&self.state, self.json)
    }

    fn bring_up(&mut self, wanted: usize, started: &mut Vec<Part>) -> Result<(), ClusterError> {
        self.need_redis(started)?;
        self.grow(wanted, started)?;
        let had_nginx = self.state.nginx.as_ref().is_some_and(Process::is_alive);
        if !had_nginx {
            self.say("starting nginx");
            started.push(Part::Nginx);
        }
        self.balance()
    }

    /// Starts replicas that do not run, or were left alone while they started, and more until there are as many as wanted;
    /// puts all into rotation. nginx is still to be told.
    ///
    /// # Errors
    /// If one does not come up.
    pub(super) fn grow(&mut self, wanted: usize, started: &mut Vec<Part>) -> Result<(), ClusterError> {
        let mut numbers: BTreeSet<u32> = self.state.replicas.iter().map(|replica| replica.number).collect();
        let newest = numbers.last().copied().unwrap_or_default();
        numbers.extend((newest + 1..).take(wanted.saturating_sub(numbers.len())));
        let mut starting = Vec::new();
        for number in numbers {
            let known = self.state.replicas.iter().find(|replica| replica.number == number);
            let is_new = known.is_none();
            if !known.is_some_and(Replica::has_started) {
                // It may be too late to learn from its log where it listens; nobody was ever sent there.
                let left: Vec<_> = known.and_then(|replica| replica.process.clone()).into_iter().collect();
                end(&left, TAKE_BACK);
                self.say(&format!("starting {}", Replica::new(number).name()));
                started.push(Part::Replica(number, is_new));
                starting.push(self.launch_replica(number, None)?);
            }
        }
        for replica in &starting {
            self.await_replica(replica)?;
        }
        self.await_registry()?;
        self.state.replicas.iter_mut().for_each(|replica| replica.in_rotation = true);
        self.save()
    }

    /// Ends parts that were just started: nobody has got used to them.
    pub(super) fn take_back(&mut self, started: &[Part]) {
        if started.is_empty() {
            return;
        }
        let process = |cluster: &Self, part: &Part| match part {
            Part::Redis => cluster.state.redis.as_ref().map(|redis| redis.process.clone()),
            Part::Nginx => cluster.state.nginx.clone(),
            Part::Replica(number, _) => {
                let replica = cluster.state.replicas.iter().find(|replica| replica.number == *number);
                replica.and_then(|replica| replica.process.clone())
            }
        };
        // Redis last: the others take themselves out there.
        let (first, last): (Vec<&Part>, Vec<_>) = started.iter().partition(|part| **part != Part::Redis);
        let processes =
            |parts: Vec<&Part>| parts.into_iter().filter_map(|part| process(self, part)).collect::<Vec<_>>();
        end(&processes(first), TAKE_BACK);
        // It stays for replicas that ran before.
        let keep_redis = self.state.replicas.iter().any(Replica::is_alive);
        if !keep_redis {
            end(&processes(last), TAKE_BACK);
        }
        for part in started {
            match part {
                Part::Redis if keep_redis => {}
                Part::Redis => self.state.redis = None,
                Part::Nginx => self.state.nginx = None,
                Part::Replica(number, true) => self.state.replicas.retain(|replica| replica.number != *number),
                Part::Replica(number, false) => {
                    if let Some(replica) = self.state.replica_mut(*number) {
                        *replica = Replica::new(*number);
                    }
                }
            }
        }
        // The error that led here is the one to tell; processes that ended are known by what they are.
        let _ = self.save();
    }

    /// Starts Redis if it does not run: where it was, as long as there is a replica that knows it there.
    fn need_redis(&mut self, started: &mut Vec<Part>) -> Result<(), ClusterError> {
        if self.state.redis.as_ref().is_some_and(|redis| redis.process.is_alive()) {
            return self.await_redis();
        }
        let before = self.state.redis.as_ref().map(|redis| redis.port);
        let is_known = self.state.replicas.iter().any(Replica::is_alive);
        let port = match before.filter(|_| is_known) {
            Some(port) => port,
            None => redis::free_port()?,
        };
        self.say("starting redis");
        let (program, password) = (Programs::find()?.redis, self.state.secrets.redis_password());
        let process = redis::launch(&program, &self.folder, port, &password)?;
        self.state.redis = Some(Listener { port, process });
        started.push(Part::Redis);
        self.save()?;
        self.await_redis()
    }

    fn await_redis(&self) -> Result<(), ClusterError> {
        let Some(Listener { port, process }) = &self.state.redis else { return Ok(()) };
        let password = self.state.secrets.redis_password();
        self.interrupt.until("redis's start", REDIS_LIMIT, || {
            if probe::redis(*port, redis::USER, password.expose()).is_ok() {
                return Ok(Some(()));
            }
            if process.is_alive() { Ok(None) } else { Err(ended("redis", &self.folder.log("redis"))) }
        })?;
        Ok(())
    }
}

/// That a port is free for clients to come to, on every address of it; but for this cluster's own nginx, if it is there.
fn need_free(port: u16, public: bool, but_for_nginx: bool) -> Result<(), ClusterError> {
    let wrong = |what: &str| Err(ClusterError::Usage(format!("port {port} {what}; --port chooses another")));
    for address in listen_on(port, public) {
        match try_listen(address, but_for_nginx) {
            tried if is_taken(&tried) => return wrong("is taken by another program"),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return wrong("may not be listened on"),
            _ => {}
        }
    }
    Ok(())
}

/// Asks processes to end, and ends those that have not after a while; whether that was needed.
pub(super) fn end(processes: &[Process], patience: Duration) -> bool {
    processes.iter().for_each(|process| process.signal(Signal::TERM));
    let gone = || Ok((!processes.iter().any(Process::is_alive)).then_some(()));
    let in_time = Interrupt::default().until("the end", patience, gone).is_ok();
    if !in_time {
        processes.iter().for_each(|process| process.signal(Signal::KILL));
        // A process that was killed is gone as soon as the kernel is done with it.
        let _ = Interrupt::default().until("the end", patience, gone);
    }
    !in_time
}
