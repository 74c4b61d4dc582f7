//! A real nginx in front of addresses, run from the files that `hubbub::cluster::nginx` makes of the shipped ones.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::Instant,
};

use hubbub::cluster::nginx::{Layout, Strategy, Workers};
use tempfile::TempDir;

use super::{
    Dial, LOOK, PATIENCE, Value, json,
    process::{asked_to_end, free_port, signal, try_signal},
    until,
    web::{Answer, send},
};

/// What is said when it is missing.
const HELP: &str = "the tests of the balancer need nginx (1.19.5 or later): `make tools`, or `apt-get update && apt-get \
                    install nginx`";

/// Workers of every nginx here: some, so that what they must share is seen to be shared.
const WORKERS: Workers = Workers { processes: std::num::NonZeroU32::new(3).unwrap(), files: 4_096 };

/// The address of a client of this number, in a network of its own: `ip_hash` looks at three numbers only.
pub(crate) fn source(client: usize) -> Ipv4Addr {
    let net = u16::try_from(client + 1).unwrap();
    let [high, low] = net.to_be_bytes();
    Ipv4Addr::new(127, high, low, 1)
}

/// Files for an nginx on a port that is free.
pub(crate) fn layout(folder: &Path, strategy: Strategy, replicas: &[SocketAddr]) -> Layout {
    let listen = vec![([127, 0, 0, 1], free_port()).into()];
    Layout { folder: folder.into(), listen, replicas: replicas.to_vec(), strategy, workers: WORKERS }
}

/// Runs nginx to its end.
pub(crate) fn run(mut command: Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("nginx: {error}; {HELP}"))
}

/// A running nginx. It and its workers are ended when it is dropped; what went wrong is shown when its test failed.
pub(crate) struct Nginx {
    pub(crate) layout: Layout,
    pub(crate) address: SocketAddr,
    child: Child,
    // Goes last: it holds the files of the above.
    _folder: TempDir,
}

impl Nginx {
    /// Starts it in a folder of its own, and waits until it answers.
    pub(crate) fn start(strategy: Strategy, replicas: &[SocketAddr]) -> Self {
        Self::start_changed(strategy, replicas, |config| config)
    }

    /// The same with a configuration that was changed.
    pub(crate) fn start_changed(
        strategy: Strategy,
        replicas: &[SocketAddr],
        change: impl Fn(String) -> String,
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let start = Instant::now();
        loop {
            let layout = layout(folder.path(), strategy, replicas);
            layout.write().unwrap();
            fs::write(layout.config(), change(fs::read_to_string(layout.config()).unwrap())).unwrap();
            let address = layout.listen[0];
            let mut command = layout.command(Path::new("nginx"));
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().unwrap_or_else(|error| panic!("nginx: {error}; {HELP}"));
            while child.try_wait().unwrap().is_none() {
                // Its master writes the file when it listens.
                if fs::read_to_string(layout.pid_file()).is_ok_and(|pid| pid.trim() == child.id().to_string()) {
                    return Self { layout, address, child, _folder: folder };
                }
                assert!(start.elapsed() < PATIENCE, "nginx does not start");
                thread::sleep(LOOK);
            }
            let log = fs::read_to_string(layout.error_log()).unwrap_or_default();
            assert!(log.contains("Address already in use"), "nginx ended:\n{log}");
        }
    }

    /// A client of this number that is yet to connect, from an address of its own.
    pub(crate) fn dial(&self, client: usize) -> Dial {
        Dial::new(self.address).source(source(client)).query(&format!("name=c{client}"))
    }

    /// A plain request.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(reqwest::Client::new().get(format!("http://{}{path}", self.address)).timeout(PATIENCE)).await
    }

    /// Puts it in front of these from now on, by a reload, and waits until no worker from before takes newcomers.
    pub(crate) async fn reload(&mut self, strategy: Strategy, replicas: &[SocketAddr]) {
        let before = self.workers();
        self.layout.strategy = strategy;
        self.layout.replicas = replicas.to_vec();
        self.layout.write().unwrap();
        signal(self.child.id(), "HUP");
        until("the new workers", async || {
            let now = self.workers();
            (!now.is_empty() && now.iter().all(|worker| !before.contains(worker))).then_some(())
        })
        .await;
        let names: Vec<_> = replicas.iter().map(ToString::to_string).collect();
        let told = self.get("/nginx/upstream").await;
        assert_eq!(told.json, json!({"strategy": strategy.name(), "replicas": names}));
    }

    /// Processes that take newcomers.
    fn workers(&self) -> Vec<u32> {
        let taking = |child: &u32| {
            let title = fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
            let title = String::from_utf8_lossy(&title).into_owned();
            title.contains("worker process") && !title.contains("shutting down")
        };
        self.children().into_iter().filter(taking).collect()
    }

    /// All of its processes but the master.
    pub(crate) fn children(&self) -> Vec<u32> {
        let master = self.child.id();
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap_or_default();
        children.split_ascii_whitespace().map(|child| child.parse().unwrap()).collect()
    }

    /// What the requests that ended were like, in that order.
    pub(crate) fn accesses(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.layout.access_log()).unwrap();
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }

    pub(crate) fn errors(&self) -> String {
        fs::read_to_string(self.layout.error_log()).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master ends its workers, those of earlier reloads too; killed, it would leave them behind.
        if !asked_to_end(&mut self.child) {
            for process in self.children() {
                try_signal(process, "KILL");
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if thread::panicking() {
            let errors = self.errors();
            let end: Vec<_> = errors.lines().rev().take(30).collect();
            eprintln!("---- the errors of nginx, last first ----\n{}", end.join("\n"));
        }
    }
}
