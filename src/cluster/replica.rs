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
    Cluster,
    error::ClusterError,
    probe,
    process::Process,
    redis,
    state::{Listener, Replica},
};
use crate::bench;

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
        self.given.keys().for_each(|variable| {
            command.env_remove(variable);
        });
        let secrets = &self.state.secrets;
        command.env("SESSION_SECRET", secrets.session_secret().expose());
        command.env("METRICS_API_KEY", secrets.metrics_api_key().expose());
        command.envs(&self.state.settings);
        // What makes it a replica. The long names, which win over whatever else was set.
        command.envs([
            ("HUBBUB__SERVER__HOST", "127.0.0.1"),
            ("HUBBUB__SERVER__PORT", "auto"),
            ("HUBBUB__SERVER__INSTANCE_ID", name.as_str()),
            ("HUBBUB__DISTRIBUTED__ENABLED", "true"),
            ("HUBBUB__DISTRIBUTED__REDIS_URL", redis::url(redis_port, &secrets.redis_password()).as_str()),
            ("HUBBUB__AUTH__TRUSTED_PROXIES", "127.0.0.1"),
        ]);
        if let Some(port) = port {
            // A range of one: leased like any other.
            command.env("HUBBUB__SERVER__PORT_RANGE_START", port.to_string());
            command.env("HUBBUB__SERVER__PORT_RANGE_END", port.to_string());
        }
        let process = Process::spawn(&mut command, &log).map_err(ClusterError::file(&log))?;
        // A log that had grown too long was set aside, and the new one begins with this start.
        let logged = fs::metadata(&log).ok().map(|log| log.len()).filter(|now| *now >= logged).map_or(0, |_| logged);
        match self.state.replica_mut(number) {
            Some(replica) => (replica.process, replica.port) = (Some(process.clone()), None),
            None => self.state.replicas.push(Replica { process: Some(process.clone()), ..Replica::new(number) }),
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
        let names: Vec<_> = self.state.replicas.iter().filter(|each| each.is_alive()).map(Replica::name).collect();
        self.interrupt.until("the registry of the replicas", START_LIMIT, || {
            let listed =
                self.state.replicas.iter().filter(|each| each.is_alive()).filter_map(|each| each.port).all(|port| {
                    let key = self.state.metrics_key();
                    let report = probe::get(local(port), "/metrics", Some(key.expose())).map(|answer| answer.json());
                    let report = report.unwrap_or_default();
                    let instances = report["cluster"]["instances"].as_array().cloned().unwrap_or_default();
                    names.iter().all(|name| instances.iter().any(|instance| instance["instanceId"] == name.as_str()))
                });
            Ok(listed.then_some(()))
        })?;
        Ok(())
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
