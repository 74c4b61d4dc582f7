//! What is remembered of a cluster between two commands: one file, replaced as a whole.

use std::{collections::BTreeMap, fs, io, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    error::ClusterError,
    folder::{Folder, write_private},
    nginx::Strategy,
    process::Process,
};
use crate::auth::secret::Secret;

/// A cluster. Written for its owner alone, since it holds what opens it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct State {
    /// The port that clients come to.
    pub(super) port: u16,
    /// Whether on all addresses of this machine.
    pub(super) public: bool,
    /// How nginx spreads them.
    pub(super) strategy: Strategy,
    /// The folder that replicas run in, where `config/hubbub.toml` may be.
    pub(super) working_folder: PathBuf,
    /// Settings of the replicas, by variable: those of the environment of the command that set them.
    pub(super) settings: BTreeMap<String, String>,
    pub(super) secrets: Secrets,
    pub(super) redis: Option<Listener>,
    pub(super) nginx: Option<Process>,
    pub(super) replicas: Vec<Replica>,
}

/// A process and where it listens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Listener {
    pub(super) port: u16,
    pub(super) process: Process,
}

/// A replica, whether it runs or not.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Replica {
    /// From 1; it is in its name.
    pub(super) number: u32,
    pub(super) process: Option<Process>,
    /// None until it says which it took.
    pub(super) port: Option<u16>,
    /// Whether nginx sends newcomers to it.
    pub(super) in_rotation: bool,
    /// What opens its metrics since it was started; settings may have changed after. None of one that never was.
    #[serde(default)]
    pub(super) metrics_key: Option<Box<str>>,
}

/// What opens the parts, made once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Secrets {
    redis_password: Box<str>,
    metrics_api_key: Box<str>,
    session_secret: Box<str>,
}

impl Secrets {
    fn generate() -> Self {
        // 256 bits each, as digits that need no quoting anywhere.
        let secret = || rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { redis_password: secret(), metrics_api_key: secret(), session_secret: secret() }
    }

    pub(super) fn redis_password(&self) -> Secret {
        Secret::new(self.redis_password.clone())
    }

    pub(super) fn metrics_api_key(&self) -> Secret {
        Secret::new(self.metrics_api_key.clone())
    }

    pub(super) fn session_secret(&self) -> Secret {
        Secret::new(self.session_secret.clone())
    }
}

impl Replica {
    /// One that was not started yet.
    pub(super) fn new(number: u32) -> Self {
        Self { number, process: None, port: None, in_rotation: false, metrics_key: None }
    }

    /// Its name, which is its instance id too.
    pub(super) fn name(&self) -> String {
        format!("hubbub-{}", self.number)
    }

    pub(super) fn is_alive(&self) -> bool {
        self.process.as_ref().is_some_and(Process::is_alive)
    }

    /// Whether it runs and said where it listens. One that runs and has not said so is none that a command waits for: who
    /// started it was killed.
    pub(super) fn has_started(&self) -> bool {
        self.is_alive() && self.port.is_some()
    }
}

impl State {
    /// A cluster that nothing is known of, with fresh secrets.
    pub(super) fn new(port: u16, strategy: Strategy, working_folder: PathBuf) -> Self {
        Self {
            port,
            public: false,
            strategy,
            working_folder,
            settings: BTreeMap::new(),
            secrets: Secrets::generate(),
            redis: None,
            nginx: None,
            replicas: Vec::new(),
        }
    }

    /// Reads what is remembered; none if there is nothing.
    ///
    /// # Errors
    /// If the file cannot be read, or is none.
    pub(super) fn load(folder: &Folder) -> Result<Option<Self>, ClusterError> {
        let path = folder.state();
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(|source| ClusterError::State { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ClusterError::file(path)(error)),
        }
    }

    /// Replaces what is remembered.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn save(&self, folder: &Folder) -> Result<(), ClusterError> {
        write_private(&folder.state(), &serde_json::to_string_pretty(self)?)
    }

    /// The key that opens the metrics of a replica.
    pub(super) fn metrics_key(&self, replica: &Replica) -> Secret {
        // Builds that did not note it gave the first of these that was set, or the cluster's own.
        let set = || {
            let keys = ["HUBBUB__AUTH__METRICS_API_KEY", "METRICS_API_KEY"].map(|name| self.settings.get(name));
            let first = keys.into_iter().flatten().next()?.split(',').next()?.trim();
            (!first.is_empty()).then(|| Secret::new(first))
        };
        let known = replica.metrics_key.clone().map(Secret::new);
        known.or_else(set).unwrap_or_else(|| self.secrets.metrics_api_key())
    }

    /// Whether any part runs.
    pub(super) fn is_running(&self) -> bool {
        let redis = self.redis.as_ref().map(|redis| &redis.process);
        let replicas = self.replicas.iter().filter_map(|replica| replica.process.as_ref());
        redis.into_iter().chain(&self.nginx).chain(replicas).any(Process::is_alive)
    }

    /// The numbers of those that go if no more than `wanted` are to stay: first who is dead, then the newest.
    pub(super) fn surplus(&self, wanted: usize) -> Vec<u32> {
        let mut all: Vec<_> = self.replicas.iter().map(|replica| (!replica.is_alive(), replica.number)).collect();
        all.sort_unstable();
        all.into_iter().skip(wanted).map(|(_, number)| number).collect()
    }

    /// The replica of this number.
    pub(super) fn replica_mut(&mut self, number: u32) -> Option<&mut Replica> {
        self.replicas.iter_mut().find(|replica| replica.number == number)
    }

    /// The replica of this name.
    ///
    /// # Errors
    /// [`ClusterError::Usage`] names those there are.
    pub(super) fn number_of(&self, name: &str) -> Result<u32, ClusterError> {
        let known = self.replicas.iter().find(|replica| replica.name() == name).map(|replica| replica.number);
        known.ok_or_else(|| {
            let names: Vec<_> = self.replicas.iter().map(Replica::name).collect();
            ClusterError::Usage(format!("'{name}' is no replica; there are {}", names.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_read_again() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::at(place.path()).unwrap();
        assert!(State::load(&folder).unwrap().is_none());
        let mut state = State::new(3001, Strategy::default(), "/somewhere".into());
        state.replicas.push(Replica { port: Some(3101), ..Replica::new(1) });
        state.save(&folder).unwrap();
        let read = State::load(&folder).unwrap().unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::to_value(&state).unwrap());
        assert_eq!((read.number_of("hubbub-1").unwrap(), read.is_running()), (1, false));
        assert!(read.number_of("redis").unwrap_err().to_string().contains("hubbub-1"));
        fs::write(folder.state(), "[]").unwrap();
        assert!(matches!(State::load(&folder), Err(ClusterError::State { .. })));
    }

    #[test]
    fn secrets_differ_are_long_and_stay() {
        let mut state = State::new(1, Strategy::default(), PathBuf::new());
        let mut replica = Replica::new(1);
        let (password, key) = (state.secrets.redis_password(), state.metrics_key(&replica));
        assert_eq!(password.expose().len(), 64);
        assert_ne!(password.expose(), key.expose());
        assert!(state.secrets.session_secret().require_strong("k").is_ok());
        state.settings.insert("METRICS_API_KEY".into(), "new, old".into());
        assert_eq!(state.metrics_key(&replica).expose(), "new", "of a build that did not note it");
        replica.metrics_key = Some("given".into());
        assert_eq!(state.metrics_key(&replica).expose(), "given");
    }
}
