//! `hubbub cluster`: several instances on one machine, behind one address, without Docker.
//!
//! A cluster lives in a folder: a Redis that keeps everything, replicas of this program, and nginx before them. Each is a
//! process of its own that outlives the command; what runs is remembered in a file ([`state`]), and a lock keeps two
//! commands that change it apart.
//!
//! - [`up`], [`down`], [`scale`], [`restart`]: what changes it. [`survey`], [`logs`]: what only looks.
//! - [`redis`], [`replica`], [`balancer`]: its parts; [`nginx`]: the balancer's files.
//! - [`process`]: a process known by more than its number. [`probe`]: asking a part. [`wait`]: waiting for it.
//! - [`args`], [`table`], [`folder`], [`programs`], [`error`]: what the name says.

mod args;
mod balancer;
mod down;
mod error;
mod folder;
mod logs;
pub mod nginx;
pub(crate) mod probe;
mod process;
pub(crate) mod programs;
pub(crate) mod redis;
mod replica;
mod restart;
mod scale;
mod state;
mod survey;
mod table;
mod up;
mod wait;

use std::{
    collections::BTreeMap,
    env,
    fmt::Display,
    io::{self, Write},
    mem,
    path::Path,
    thread,
    time::Duration,
};

use serde::Serialize;

use crate::{
    auth,
    broker::local::{FileLock, LockError},
    metrics,
};
pub use args::ClusterArgs;
use args::Command;
pub use error::ClusterError;
use folder::Folder;
use nginx::Strategy;
use programs::Programs;
use state::State;
use wait::Interrupt;

/// Where clients come to when nothing else is said.
const DEFAULT_PORT: u16 = 3001;

/// How often it is looked whether another command has ended.
const LOOK: Duration = Duration::from_millis(100);

/// What is said of a first Ctrl-C by commands that finish what they are at.
const FINISHING: &str = "finishing what was begun; Ctrl-C once more ends at once";

/// Variables that are settings of a server, by name.
pub type Environment = BTreeMap<String, String>;

/// What is known outside of a cluster about settings.
#[derive(Clone, Debug)]
pub struct Outside {
    /// Those in the environment of this command.
    pub given: Environment,
    /// What the settings of a server say of identity that starts in this folder with these variables.
    pub identity: fn(&Path, &Environment) -> auth::config::Config,
}

/// A cluster that this command alone may change.
pub(super) struct Cluster {
    folder: Folder,
    state: State,
    interrupt: Interrupt,
    outside: Outside,
    json: bool,
    _lock: FileLock,
}

/// Does what the arguments say.
///
/// # Errors
/// [`ClusterError`]; what was printed before stays true.
pub fn run(args: &ClusterArgs, outside: Outside) -> Result<(), ClusterError> {
    let folder = Folder::at(&args.dir)?;
    match &args.command {
        Command::Up(up) => {
            // Before anything is made.
            Programs::find()?;
            folder.make()?;
            let interrupt = Interrupt::listen("taking back what was started; Ctrl-C once more ends at once")?;
            Cluster::open(args, folder, interrupt, outside)?.up(up)
        }
        // An `up` that was killed early leaves a lock and no state.
        Command::Down(down) if State::load(&folder)?.is_some() || (down.purge && folder.lock().exists()) => {
            Cluster::open(args, folder, Interrupt::listen(FINISHING)?, outside)?.down(down)
        }
        Command::Down(_) => {
            tell(&format!("there is no cluster in {}", folder.path().display()));
            if args.json { put_json(&[(); 0]) } else { Ok(()) }
        }
        Command::Status => survey::show(&existing(&folder)?, args.json),
        Command::Health => survey::show_healthy(&existing(&folder)?, args.json),
        Command::Scale(scale) => match scale.replicas {
            None => scale::show(&existing(&folder)?, args.json),
            Some(replicas) => {
                existing(&folder)?;
                let interrupt = Interrupt::listen(FINISHING)?;
                Cluster::open(args, folder, interrupt, outside)?.scale(replicas, scale.patience)
            }
        },
        Command::Logs(logs) => logs::show(&existing(&folder)?, &folder, logs),
        Command::Restart(restart) => {
            existing(&folder)?;
            Cluster::open(args, folder, Interrupt::listen(FINISHING)?, outside)?.restart(restart)
        }
    }
}

/// What is known of a cluster that there is.
fn existing(folder: &Folder) -> Result<State, ClusterError> {
    State::load(folder)?.ok_or_else(|| ClusterError::NoCluster(folder.path().to_owned()))
}

impl Cluster {
    /// Takes the lock, waiting for another command to end, and reads what is known.
    fn open(args: &ClusterArgs, folder: Folder, interrupt: Interrupt, outside: Outside) -> Result<Self, ClusterError> {
        let lock = lock(&folder, &interrupt)?;
        let state = match State::load(&folder)? {
            Some(state) => state,
            None => State::new(DEFAULT_PORT, Strategy::default(), env::current_dir()?),
        };
        // Parts inherit it, and shells start programs with few files.
        metrics::process::raise_file_limit();
        Ok(Self { folder, state, interrupt, outside, json: args.json, _lock: lock })
    }

    /// Does what a Ctrl-C must not stop half way. A second one ends this program all the same.
    fn uninterrupted<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, ClusterError>) -> Result<T, ClusterError> {
        let interrupt = mem::take(&mut self.interrupt);
        let done = work(self);
        self.interrupt = interrupt;
        done
    }

    fn save(&self) -> Result<(), ClusterError> {
        self.state.save(&self.folder)
    }

    /// Tells a person what is being done; standard output is for the result.
    fn say(&self, what: &str) {
        if !self.json {
            tell(what);
        }
    }

    /// Takes the settings of this command's environment over. One that is empty is forgotten.
    fn take_settings(&mut self) {
        self.state.settings.extend(self.outside.given.clone());
        self.state.settings.retain(|_, value| !value.is_empty());
    }

    fn show(&self) -> Result<(), ClusterError> {
        survey::show(&self.state, self.json)
    }
}

/// Tells a person something on standard error. That nobody listens any more is no reason to leave things half done.
fn tell(what: &str) {
    let _ = writeln!(io::stderr(), "{what}");
}

/// Prints the result of a command on standard output.
fn put(text: impl Display) -> Result<(), ClusterError> {
    match write!(io::stdout(), "{text}") {
        // Who read it has seen enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}

/// The same, as JSON.
fn put_json(value: &impl Serialize) -> Result<(), ClusterError> {
    put(serde_json::to_string_pretty(value)? + "\n")
}

fn lock(folder: &Folder, interrupt: &Interrupt) -> Result<FileLock, ClusterError> {
    let path = folder.lock();
    let mut said = false;
    loop {
        match FileLock::acquire(&path) {
            // Who had it before may have removed it with all else: then this is a lock on nothing.
            Ok(lock) if path.exists() => return Ok(lock),
            Ok(_) => {}
            Err(LockError::Io(error)) => return Err(ClusterError::file(path)(error)),
            Err(LockError::Held(by)) if !said => {
                let by = by.map_or_else(String::new, |pid| format!(" (process {pid})"));
                tell(&format!("waiting for another command of this cluster to end{by}"));
                said = true;
            }
            Err(LockError::Held(_)) => {}
        }
        interrupt.check()?;
        thread::sleep(LOOK);
    }
}
