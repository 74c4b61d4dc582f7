//! The program, in a process and a folder of its own.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{Client, Dial, PATIENCE, process::signal};

/// The program under test.
pub(crate) const HUBBUB: &str = env!("CARGO_BIN_EXE_hubbub");

/// What every test server is told: no port of its own choice, and hashes that cost nothing.
const ALWAYS: [(&str, &str); 4] = [
    ("PORT", "0"),
    ("RUST_LOG", "debug"),
    ("HUBBUB__AUTH__PASSWORD_MEMORY_KIB", "8"),
    ("HUBBUB__AUTH__PASSWORD_PASSES", "1"),
];

/// The program with an empty environment, in `folder`: what the developer's shell sets decides nothing.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(HUBBUB);
    command.env_clear().current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub(crate) fn run(folder: &Path, args: &[&str], env: &[(&str, &str)]) -> Output {
    program(folder).args(args).envs(env.iter().copied()).output().unwrap()
}

/// How a server is to be started.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    env: Vec<(String, String)>,
    args: Vec<String>,
    config: Option<String>,
    /// Soft and hard limit of open files; those of the tests when none are set.
    files: Option<(u64, u64)>,
}

impl Setup {
    pub(crate) fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.env.push((name.into(), value.to_string()));
        self
    }

    pub(crate) fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Without the limits of rate that would stop a test.
    pub(crate) fn without_limits(self) -> Self {
        let of = ["CONNECTS", "COMMANDS", "MESSAGES"];
        of.iter().fold(self, |setup, of| setup.env(&format!("HUBBUB__LIMITS__{of}_PER_SECOND"), 0))
    }

    /// The content of `config/hubbub.toml`.
    pub(crate) fn config(mut self, toml: &str) -> Self {
        self.config = Some(toml.into());
        self
    }

    /// How many files it may open at first (soft), and may raise that to (hard).
    pub(crate) fn files(mut self, soft: u64, hard: u64) -> Self {
        self.files = Some((soft, hard));
        self
    }

    /// Starts a server in a folder of its own, and waits until it listens.
    pub(crate) fn start(self) -> Server {
        let folder = TempDir::new().unwrap();
        if let Some(toml) = &self.config {
            std::fs::create_dir(folder.path().join("config")).unwrap();
            std::fs::write(folder.path().join("config/hubbub.toml"), toml).unwrap();
        }
        let log = Log::default();
        let (child, address) = spawn(&self, folder.path(), &log);
        Server { setup: self, folder, log, child, address }
    }
}

/// A running server. It is killed when dropped, and what it logged is shown when its test failed.
pub(crate) struct Server {
    setup: Setup,
    folder: TempDir,
    log: Log,
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn setup() -> Setup {
        Setup::default()
    }

    /// A server with the defaults.
    pub(crate) fn start() -> Self {
        Setup::default().start()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it wrote to standard error and output so far.
    pub(crate) fn log(&self) -> String {
        self.log.text()
    }

    /// A client that is yet to connect.
    pub(crate) fn dial(&self) -> Dial {
        Dial::new(self.address)
    }

    /// A new guest, in `global`.
    pub(crate) async fn guest(&self, name: &str) -> Client {
        self.dial().query(&format!("name={name}")).enter().await
    }

    /// Ends it as the loss of its machine would.
    pub(crate) fn kill9(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop.
    pub(crate) fn term(&self) {
        signal(self.pid(), "TERM");
    }

    /// Freezes it: its sockets stay open, and nothing happens.
    pub(crate) fn freeze(&self) {
        signal(self.pid(), "STOP");
    }

    pub(crate) fn thaw(&self) {
        signal(self.pid(), "CONT");
    }

    /// Waits for its end and gives the exit code; `None` if a signal ended it.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(start.elapsed() < PATIENCE, "it does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts it again on the same store and port, after it has ended.
    pub(crate) fn restart(&mut self) {
        self.restart_with(|setup| setup);
    }

    /// Starts it again with other settings.
    pub(crate) fn restart_with(&mut self, change: impl FnOnce(Setup) -> Setup) {
        let setup = change(self.setup.clone()).env("PORT", self.address.port());
        (self.child, self.address) = spawn(&setup, self.folder.path(), &self.log);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Either fails when the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("---- the log of the server ----\n{}", self.log());
        }
    }
}

/// What a process wrote, as it comes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    /// Takes every line, and says the address when one names it.
    fn follow(&self, from: impl Read + Send + 'static, found: mpsc::Sender<SocketAddr>) {
        let log = self.0.clone();
        thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                if let Some(address) = address_in(&line) {
                    // Nobody listens any more once the address is known.
                    let _ = found.send(address);
                }
                writeln!(log.lock().unwrap(), "{line}").unwrap();
            }
        });
    }
}

/// The address in the line that says where the server listens.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("ready at http://")?;
    let rest = rest.replace("localhost", "127.0.0.1");
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':')).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// The program as a shell starts it with other limits of open files.
fn limited(folder: &Path, soft: u64, hard: u64) -> Command {
    let mut command = Command::new("/bin/sh");
    command.env_clear().current_dir(folder).stdin(Stdio::null());
    command.args(["-c", &format!("ulimit -S -n {soft} && ulimit -H -n {hard} && exec \"$0\" \"$@\""), HUBBUB]);
    command
}

fn spawn(setup: &Setup, folder: &Path, log: &Log) -> (Child, SocketAddr) {
    let mut command = match setup.files {
        Some((soft, hard)) => limited(folder, soft, hard),
        None => program(folder),
    };
    command.arg("serve").args(&setup.args).envs(ALWAYS);
    command.envs(setup.env.iter().map(|(name, value)| (name, value)));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (found, address) = mpsc::channel();
    log.follow(child.stdout.take().unwrap(), found.clone());
    log.follow(child.stderr.take().unwrap(), found);
    match address.recv_timeout(PATIENCE) {
        Ok(address) => (child, address),
        Err(_) => {
            // It may have ended by itself.
            let _ = child.kill();
            let status = child.wait().unwrap();
            panic!("the server does not listen ({status}):\n{}", log.text());
        }
    }
}
