//! A process that speaks Redis' protocol (Redis, Sentinel), on a port and in a folder of its own.

use std::{
    fs::{self, File},
    io,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    PATIENCE,
    process::{free_port, signal},
    resp::{self, Reply},
};

/// What is said when a program is missing.
const HELP: &str = "the tests of many instances need redis-server and redis-sentinel (7.0 or later): `make tools`, or \
                    `apt-get update && apt-get install redis-server redis-sentinel`";

/// Its configuration in its folder, and what it writes to its standard output.
const CONFIG: &str = "daemon.conf";
const LOG: &str = "daemon.log";

/// How often it is looked at while it starts or ends.
const LOOK: Duration = Duration::from_millis(10);

/// What a daemon is.
#[derive(Clone)]
pub(super) struct Kind {
    /// Found on the `PATH`.
    pub(super) program: &'static str,
    /// Who may do everything, with the password; none where everybody may.
    pub(super) admin: Option<(&'static str, &'static str)>,
}

/// The running process. It is killed when dropped; what it logged is shown when its test failed.
pub(super) struct Daemon {
    kind: Kind,
    folder: TempDir,
    args: Vec<String>,
    port: u16,
    child: Child,
}

impl Daemon {
    /// Starts it on a free port with this configuration, and other files in its folder, and waits until it answers.
    /// The configuration is a copy that it may rewrite: Redis and Sentinel keep there what a fail-over changed.
    pub(super) fn start(kind: Kind, config: &str, files: &[(&str, String)], args: Vec<String>) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join(CONFIG), config).unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let start = Instant::now();
        loop {
            let port = free_port();
            if let Some(child) = launch(&kind, folder.path(), &args, port) {
                return Self { kind, folder, args, port, child };
            }
            assert!(start.elapsed() < PATIENCE, "{}: every port is taken", kind.program);
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn log(&self) -> String {
        log_of(self.folder.path())
    }

    /// Sends a command, logged in as somebody else or nobody.
    pub(super) fn call_as(&self, login: Option<(&str, &str)>, command: &[&str]) -> Reply {
        resp::call(address(self.port), login, command, PATIENCE)
            .unwrap_or_else(|error| panic!("{} {command:?}: {error}\n{}", self.kind.program, self.log()))
    }

    /// Sends a command as the administrator.
    pub(super) fn call(&self, command: &[&str]) -> Reply {
        self.call_as(self.kind.admin, command)
    }

    /// The same, of one that may be closing its connections.
    pub(super) fn try_call(&self, command: &[&str]) -> io::Result<Reply> {
        resp::call(address(self.port), self.kind.admin, command, PATIENCE)
    }

    pub(super) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    pub(super) fn kill9(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub(super) fn ended(&mut self) {
        let start = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < PATIENCE, "{} does not end:\n{}", self.kind.program, self.log());
            thread::sleep(LOOK);
        }
    }

    /// Starts it again on its port and folder, after it has ended.
    pub(super) fn restart(&mut self) {
        let start = Instant::now();
        loop {
            if let Some(child) = launch(&self.kind, self.folder.path(), &self.args, self.port) {
                self.child = child;
                return;
            }
            // Somebody tries whether the port is free.
            assert!(start.elapsed() < PATIENCE, "{}: its port is taken", self.kind.program);
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Either fails when the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("---- the log of {} on port {} ----\n{}", self.kind.program, self.port, self.log());
        }
    }
}

fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn log_of(folder: &Path) -> String {
    // Not there before the first start.
    String::from_utf8_lossy(&fs::read(folder.join(LOG)).unwrap_or_default()).into_owned()
}

/// Starts the process and waits until it answers; none when its port is taken.
fn launch(kind: &Kind, folder: &Path, args: &[String], port: u16) -> Option<Child> {
    let log = File::options().create(true).append(true).open(folder.join(LOG)).unwrap();
    let logged_before = log.metadata().unwrap().len() as usize;
    let mut command = Command::new(kind.program);
    command.arg(folder.join(CONFIG)).args(["--port", &port.to_string()]).args(args).current_dir(folder);
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}; {HELP}", kind.program));
    let start = Instant::now();
    loop {
        if answers(kind, port, child.id()) {
            return Some(child);
        }
        if let Some(status) = child.try_wait().unwrap() {
            let log = log_of(folder);
            let said = &log[logged_before..];
            assert!(said.contains("Address already in use"), "{} ended ({status}):\n{said}", kind.program);
            return None;
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{} does not answer:\n{}", kind.program, log_of(folder));
        }
        thread::sleep(LOOK);
    }
}

/// Whether it is this process that answers, with all its data loaded.
fn answers(kind: &Kind, port: u16, pid: u32) -> bool {
    let info = resp::call(address(port), kind.admin, &["INFO"], PATIENCE);
    let Ok(Reply::Text(info)) = info else { return false };
    info.lines().any(|line| line == format!("process_id:{pid}")) && !info.contains("\nloading:1")
}
