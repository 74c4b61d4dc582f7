//! Replicas: this program, started with a name and where Redis is, on a port that it leases there.

use std::{
    env,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
    time::Duration,
};

use super::{
    Cluster, Environment, Outside,
    error::ClusterError,
    probe,
    process::Process,
    redis,
    state::{Listener, Replica, State},
    survey,
};
use crate::{auth::secret::Secret, bench};

/// How long a replica may take until it is healthy: a name that another held until it died is free after ten seconds
/// (`distributed.instance_ttl_ms`), and a machine that starts many is slow.
const START_LIMIT: Duration = Duration::from_secs(90);

/// Bytes of a log shown when its process fails.
const LAST_WORDS: u64 = 2_000;

/// A replica that was started and has not said yet where it listens.
pub(super) struct Starting {
    number: u32,
    name: String,
    process: Process,
    /// Bytes that its log had before.
    logged: u64,
}

impl Cluster {
    /// Starts a replica, on `port` if it shall have that one again. Whether it serves is to be waited for.
    ///
    /// # Errors
    /// If Redis does not run, or the replica cannot be started.
    pub(super) fn launch_replica(&mut self, number: u32, port: Option<u16>) -> Result<Starting, ClusterError> {
        let Some(Listener { port: redis_port, .. }) = self.state.redis else {
            return Err(ClusterError::Usage(
                "there is no Redis for the replicas; `hubbub cluster up` starts it".into(),
            ));
        };
        let name = Replica::new(number).name();
        let log = self.folder.log(&name);
        let logged = fs::metadata(&log).map_or(0, |log| log.len());
        let mut command = Command::new(env::current_exe()?);
        command.arg("serve").current_dir(&self.state.working_folder);
        self.outside.given.keys().for_each(|variable| {
            command.env_remove(variable);
        });
        let (environment, metrics_key) = self.state.environment_of(&name, port, redis_port, &self.outside);
        command.envs(environment);
        let process = Process::spawn(&mut command, &log).map_err(ClusterError::file(&log))?;
        // A log that had grown too long was set aside, and the new one begins with this start.
        let logged = fs::metadata(&log).ok().map(|log| log.len()).filter(|now| *now >= logged).map_or(0, |_| logged);
        let mut launched = Replica { process: Some(process.clone()), ..Replica::new(number) };
        launched.metrics_key = Some(metrics_key);
        match self.state.replica_mut(number) {
            Some(replica) => *replica = Replica { in_rotation: replica.in_rotation, ..launched },
            None => self.state.replicas.push(launched),
        }
        self.save()?;
        Ok(Starting { number, name, process, logged })
    }

    /// Waits until a replica serves, and remembers where.
    ///
    /// # Errors
    /// [`ClusterError::Part`] if it ends, with the end of its log; if it takes too long, or Ctrl-C is pressed.
    pub(super) fn await_replica(&mut self, starting: &Starting) -> Result<(), ClusterError> {
        let Starting { number, name, process, logged } = starting;
        let log = self.folder.log(name);
        let mut said = Vec::new();
        let (port, _) = self.interrupt.until(&format!("{name}'s start"), START_LIMIT, || {
            read_on(&log, *logged, &mut said).map_err(ClusterError::file(&log))?;
            let port = bench::port_in(&String::from_utf8_lossy(&said));
            let port = port.filter(|port| is_healthy(*port));
            if port.is_none() && !process.is_alive() {
                return Err(ended(name, &log));
            }
            Ok(port)
        })?;
        if let Some(replica) = self.state.replica_mut(*number) {
            replica.port = Some(port);
        }
        self.save()
    }

    /// Waits until all replicas that run are in the registry of each other.
    ///
    /// # Errors
    /// If that takes too long, or Ctrl-C is pressed.
    pub(super) fn await_registry(&self) -> Result<(), ClusterError> {
        let running: Vec<_> = self.state.replicas.iter().filter(|each| each.is_alive()).collect();
        let lists_all = |port: u16, replica: &Replica| {
            let report = survey::report(port, &self.state.metrics_key(replica));
            report.is_some_and(|report| running.iter().all(|each| report.instance(&each.name()).is_some()))
        };
        self.interrupt.until("the registry of the replicas", START_LIMIT, || {
            let listed = running.iter().all(|each| each.port.is_none_or(|port| lists_all(port, each)));
            Ok(listed.then_some(()))
        })?;
        Ok(())
    }
}

impl State {
    /// The settings in the environment of a replica of this name, on `port` if it is to have that one; and the key that
    /// opens its metrics then. Secrets that neither its settings nor its file have are the cluster's own.
    fn environment_of(
        &self,
        name: &str,
        port: Option<u16>,
        redis_port: u16,
        outside: &Outside,
    ) -> (Environment, Box<str>) {
        let mut environment = self.settings.clone();
        let mut set = |name: &str, value: &str| environment.insert(name.to_owned(), value.to_owned());
        // What makes it a replica. The long names, which win over whatever else was set.
        set("HUBBUB__SERVER__HOST", "127.0.0.1");
        set("HUBBUB__SERVER__PORT", "auto");
        set("HUBBUB__SERVER__INSTANCE_ID", name);
        set("HUBBUB__DISTRIBUTED__ENABLED", "true");
        set("HUBBUB__DISTRIBUTED__REDIS_URL", &redis::url(redis_port, &self.secrets.redis_password()));
        set("HUBBUB__AUTH__TRUSTED_PROXIES", "127.0.0.1");
        if let Some(port) = port {
            // A range of one: leased like any other.
            set("HUBBUB__SERVER__PORT_RANGE_START", &port.to_string());
            set("HUBBUB__SERVER__PORT_RANGE_END", &port.to_string());
        }
        let auth = (outside.identity)(&self.working_folder, &environment);
        // What is there and counts for nothing is wrong, and the replica is to say so.
        let mut give = |name: &str, own: &Secret| {
            let value = environment.entry(name.to_owned()).or_default();
            if value.trim().is_empty() {
                own.expose().clone_into(value);
            }
        };
        if auth.session_secret.is_none() {
            give("SESSION_SECRET", &self.secrets.session_secret());
        }
        let metrics_keys = auth.metrics_api_key.unwrap_or_else(|| {
            let own = self.secrets.metrics_api_key();
            give("METRICS_API_KEY", &own);
            own
        });
        // Either of two opens them.
        let metrics_key = metrics_keys.expose().split(',').next().unwrap_or_default().trim();
        (environment, metrics_key.into())
    }
}

/// An address of this machine.
pub(super) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Whether a replica takes newcomers and can use Redis.
fn is_healthy(port: u16) -> bool {
    let ready = probe::get(local(port), "/ready", None).is_ok_and(|answer| answer.status == 200);
    ready && probe::get(local(port), "/health", None).is_ok_and(|answer| answer.json()["status"] == "healthy")
}

/// Says that a part ended that should run.
pub(super) fn ended(name: &str, log: &Path) -> ClusterError {
    ClusterError::Part { name: name.to_owned(), what: "ended".into(), log: last_words(log) }
}

/// The end of a log.
pub(super) fn last_words(log: &Path) -> String {
    let mut end = Vec::new();
    let length = fs::metadata(log).map_or(0, |log| log.len());
    // Of one that cannot be read there is nothing to show.
    let _ = read_on(log, length.saturating_sub(LAST_WORDS), &mut end);
    String::from_utf8_lossy(&end).trim_end().to_owned()
}

/// Adds to what was read from a log, from `start` on, what came since.
fn read_on(log: &Path, start: u64, said: &mut Vec<u8>) -> io::Result<()> {
    let mut file = File::open(log)?;
    file.seek(SeekFrom::Start(start + said.len() as u64))?;
    file.read_to_end(said)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::{config::Config, secret::Secret},
        cluster::nginx::Strategy,
    };

    /// As if a file had them unless the environment does; none in the folder `/nothing`.
    fn identity(folder: &Path, environment: &Environment) -> Config {
        let mut config = Config::default();
        if folder != Path::new("/nothing") {
            config.session_secret = Some(Secret::new("of the file"));
            config.metrics_api_key = Some(Secret::new("new, old"));
        }
        if let Some(key) = environment.get("METRICS_API_KEY") {
            config.metrics_api_key = Some(Secret::new(key.as_str()));
        }
        config
    }

    #[test]
    fn secrets_that_are_set_win_over_the_clusters_own() {
        let mut state = State::new(3001, Strategy::default(), "/nothing".into());
        let own = (state.secrets.session_secret(), state.secrets.metrics_api_key());
        let outside = Outside { given: Environment::new(), identity };
        let of = |state: &State| state.environment_of("hubbub-1", Some(3_105), 6_379, &outside);
        let (environment, key) = of(&state);
        assert_eq!((environment["SESSION_SECRET"].as_str(), &*key), (own.0.expose(), own.1.expose()));
        assert_eq!(environment["METRICS_API_KEY"], *key);
        assert_eq!(environment["HUBBUB__SERVER__PORT_RANGE_END"], "3105");

        state.working_folder = "/somewhere".into();
        let (environment, key) = of(&state);
        assert_eq!((environment.get("SESSION_SECRET"), environment.get("METRICS_API_KEY")), (None, None));
        assert_eq!(&*key, "new");

        state.settings.insert("METRICS_API_KEY".into(), "given".into());
        let (environment, key) = of(&state);
        assert_eq!((environment["METRICS_API_KEY"].as_str(), &*key), ("given", "given"));
    }

    #[test]
    fn a_log_is_read_on_from_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        assert_eq!(last_words(&log), "", "it is not there yet");
        fs::write(&log, "before\none\n").unwrap();
        let mut said = Vec::new();
        read_on(&log, 7, &mut said).unwrap();
        fs::write(&log, "before\none\ntwo\n").unwrap();
        read_on(&log, 7, &mut said).unwrap();
        assert_eq!(said, b"one\ntwo\n");
        fs::write(&log, format!("{}end\n", "x".repeat(3_000))).unwrap();
        assert!(last_words(&log).len() < LAST_WORDS as usize && last_words(&log).ends_with("xend"));
    }
}
