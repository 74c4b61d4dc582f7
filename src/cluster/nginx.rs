//! The balancer's files: the shipped `nginx/nginx.conf`, with what differs from place to place put in.
//!
//! What operators read and what `hubbub cluster` runs is one file: a line of it is changed here only if it names the
//! replicas, the strategy, where to listen, how many clients to hold, or a path.

use std::{
    fmt::Write as _,
    fs, io,
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use clap::ValueEnum;
use rustix::process::{Resource, getrlimit};
use serde::{Deserialize, Serialize};

/// The shipped configuration.
const CONFIG: &str = include_str!("../../nginx/nginx.conf");

/// What the shipped configuration begins its paths with.
const SHIPPED_PATHS: &str = "/tmp/hubbub-nginx";

/// Clients that a balancer is set up for (30,000: three replicas of 10,000), with a fifth more, since the kernel does not spread them over
/// the workers quite evenly.
const CLIENTS: u64 = 36_000;

/// Files that a worker asks for, and connections that it makes room for, as shipped.
const FILES: u64 = 65_536;
const CONNECTIONS: u64 = 40_000;

/// Files of a worker that are no connections: logs, listeners, its event queue.
const OTHER_FILES: u64 = 256;

/// Who gets a newcomer: one file each in `nginx/strategies/`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Strategy {
    /// By the first three numbers of an IPv4 address (FIELD 0.6).
    #[default]
    IpHash,
    /// One after the other.
    RoundRobin,
    /// The one with the fewest open connections.
    LeastConn,
    /// The less busy of two drawn at random.
    Random,
    /// By the whole address; few move when a replica comes or goes.
    ConsistentHash,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::IpHash, Self::RoundRobin, Self::LeastConn, Self::Random, Self::ConsistentHash];

    /// Its name: that of its file, and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::IpHash => "ip_hash",
            Self::RoundRobin => "round_robin",
            Self::LeastConn => "least_conn",
            Self::Random => "random",
            Self::ConsistentHash => "consistent_hash",
        }
    }

    /// Its file, as shipped.
    pub fn text(self) -> &'static str {
        match self {
            Self::IpHash => include_str!("../../nginx/strategies/ip_hash.conf"),
            Self::RoundRobin => include_str!("../../nginx/strategies/round_robin.conf"),
            Self::LeastConn => include_str!("../../nginx/strategies/least_conn.conf"),
            Self::Random => include_str!("../../nginx/strategies/random.conf"),
            Self::ConsistentHash => include_str!("../../nginx/strategies/consistent_hash.conf"),
        }
    }
}

/// How many clients nginx holds: two connections of a worker each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers {
    /// Processes.
    pub processes: NonZeroU32,
    /// Open files of each; no more than the hard limit of who starts nginx, who may be root or not.
    pub files: u64,
}

impl Workers {
    /// For as many files as this process may give to those it starts.
    pub fn for_machine() -> Self {
        Self::for_limit(getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX))
    }

    /// As many as cores, or as it takes to hold 30,000 clients if a process may open only so many files
    /// (`RLIMIT_NOFILE`, hard).
    pub fn for_limit(files: u64) -> Self {
        let files = files.min(FILES);
        let needed = (2 * CLIENTS).div_ceil(connections(files).max(1)).min(64);
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let processes = u32::try_from(needed.max(cores)).ok().and_then(NonZeroU32::new);
        Self { processes: processes.unwrap_or(NonZeroU32::MIN), files }
    }
}

fn connections(files: u64) -> u64 {
    files.saturating_sub(OTHER_FILES).min(CONNECTIONS)
}

/// An nginx in front of replicas.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Its own folder, absolute: configuration, logs, pid.
    pub folder: PathBuf,
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// The replicas, in the order that strategies count them by; at least one.
    pub replicas: Vec<SocketAddr>,
    /// Who gets a newcomer.
    pub strategy: Strategy,
    /// How many clients it holds.
    pub workers: Workers,
}

impl Layout {
    /// The configuration.
    pub fn config(&self) -> PathBuf {
        self.folder.join("nginx.conf")
    }

    /// Holds the process id of the master while it runs.
    pub fn pid_file(&self) -> PathBuf {
        self.folder.join("nginx.pid")
    }

    /// One JSON object a line for each request, written when it ends; a socket's when the socket ends.
    pub fn access_log(&self) -> PathBuf {
        self.folder.join("access.log")
    }

    /// What went wrong. Unlike the access log it names requests with their query.
    pub fn error_log(&self) -> PathBuf {
        self.folder.join("error.log")
    }

    /// Writes the configuration, whole or not at all. A running nginx follows it when its master is sent SIGHUP; no
    /// socket ends by that.
    ///
    /// # Errors
    /// If there is no replica or nowhere to listen, if the folder's name has a character that nginx would not take for
    /// itself, or if it cannot be written.
    pub fn write(&self) -> io::Result<()> {
        let strange = |c: char| c.is_control() || matches!(c, '"' | '\\' | '$');
        let name = self.folder.to_str().filter(|name| self.folder.is_absolute() && !name.contains(strange));
        let wrong = |what: String| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        let Some(name) = name else { return wrong(format!("nginx cannot use the folder {}", self.folder.display())) };
        if self.replicas.is_empty() || self.listen.is_empty() {
            return wrong("nginx needs a replica and an address to listen on".into());
        }
        fs::create_dir_all(self.folder.join("strategies"))?;
        let strategy = format!("strategies/{}.conf", self.strategy.name());
        replace(&self.folder.join(strategy), self.strategy.text())?;
        replace(&self.config(), &self.render(name))
    }

    /// Runs nginx, `program`, in the foreground on the files that were written: SIGHUP reloads them, SIGQUIT ends it when
    /// its last socket has ended, SIGTERM at once. With `-t` added it only checks them.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.arg("-e").arg(self.error_log()).arg("-p").arg(&self.folder).arg("-c").arg(self.config());
        command.args(["-g", "daemon off;"]);
        command
    }

    /// The configuration as text, for a folder of this name.
    fn render(&self, folder: &str) -> String {
        let mut text = String::with_capacity(CONFIG.len());
        let mut before = "";
        for line in CONFIG.lines() {
            let words = line.trim_start();
            let indent = &line[..line.len() - words.len()];
            let kind = words.split(' ').next().unwrap_or_default();
            let files = self.workers.files;
            // Writing to a string does not fail.
            let _ = match kind {
                // Of several that follow each other, the first stands for all.
                "server" | "listen" if words.ends_with(';') && kind == before => Ok(()),
                "server" if words.ends_with(';') => each(&mut text, indent, words, &self.replicas),
                "listen" => each(&mut text, indent, words, &self.listen),
                "ip_hash;" => writeln!(text, "{indent}include strategies/{}.conf;", self.strategy.name()),
                "default" if words.contains("\"strategy\"") => writeln!(text, "{indent}default '{}';", self.summary()),
                "worker_processes" => writeln!(text, "worker_processes {};", self.workers.processes),
                "worker_rlimit_nofile" => writeln!(text, "worker_rlimit_nofile {files};"),
                "worker_connections" => writeln!(text, "{indent}worker_connections {};", connections(files)),
                "error_log" => writeln!(text, "error_log \"{folder}/error.log\" warn;"),
                "access_log" if words.ends_with(" hubbub;") => {
                    writeln!(text, "{indent}access_log \"{folder}/access.log\" hubbub;")
                }
                "pid" => writeln!(text, "pid \"{folder}/nginx.pid\";"),
                _ => match words.split_once(&format!(" {SHIPPED_PATHS}-")) {
                    Some((directive, path)) if !words.starts_with('#') => {
                        writeln!(text, "{indent}{directive} \"{folder}/{}\";", path.trim_end_matches(';'))
                    }
                    _ => writeln!(text, "{line}"),
                },
            };
            before = if words.ends_with(';') { kind } else { "" };
        }
        text
    }

    /// What `/nginx/upstream` tells.
    fn summary(&self) -> String {
        let replicas: Vec<String> = self.replicas.iter().map(|replica| format!("\"{replica}\"")).collect();
        format!("{{\"strategy\":\"{}\",\"replicas\":[{}]}}", self.strategy.name(), replicas.join(","))
    }
}

/// Writes a directive for each address in place of the one that is shipped.
fn each(text: &mut String, indent: &str, shipped: &str, addresses: &[SocketAddr]) -> std::fmt::Result {
    let mut words = shipped.splitn(3, ' ');
    let (directive, parameters) = (words.next().unwrap_or_default(), words.nth(1).unwrap_or_default());
    addresses.iter().try_for_each(|address| writeln!(text, "{indent}{directive} {address} {parameters}"))
}

/// Puts a file in the place of another in one step, so that a reload at any moment reads all of one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        Layout {
            folder: "/srv/chat one/nginx".into(),
            listen: vec![([0, 0, 0, 0], 8080).into(), "[::]:8080".parse().unwrap()],
            replicas: vec![([127, 0, 0, 1], 4001).into(), "[::1]:4002".parse().unwrap()],
            strategy: Strategy::LeastConn,
            workers: Workers { processes: NonZeroU32::new(6).unwrap(), files: 20_000 },
        }
    }

    fn rendered(layout: &Layout) -> Vec<String> {
        let text = layout.render(layout.folder.to_str().unwrap());
        text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.starts_with('#')).collect()
    }

    #[test]
    fn what_differs_is_put_in_and_nothing_else_changes() {
        let lines = rendered(&layout());
        let has = |line: &str| assert_eq!(lines.iter().filter(|each| *each == line).count(), 1, "{line}\n{lines:#?}");
        has("worker_processes 6;");
        has("worker_rlimit_nofile 20000;");
        has("worker_connections 19744;");
        has("error_log \"/srv/chat one/nginx/error.log\" warn;");
        has("pid \"/srv/chat one/nginx/nginx.pid\";");
        has("access_log \"/srv/chat one/nginx/access.log\" hubbub;");
        has("proxy_temp_path \"/srv/chat one/nginx/proxy\";");
        has("include strategies/least_conn.conf;");
        has("server 127.0.0.1:4001 max_fails=3 fail_timeout=30s;");
        has("server [::1]:4002 max_fails=3 fail_timeout=30s;");
        has("server 127.0.0.1:4001 max_fails=0;");
        has("listen 0.0.0.0:8080 reuseport backlog=4096;");
        has("listen [::]:8080 reuseport backlog=4096;");
        has(r#"default '{"strategy":"least_conn","replicas":["127.0.0.1:4001","[::1]:4002"]}';"#);
        assert!(!lines.iter().any(|line| line.contains("hubbub-") || line.contains("3001") || line.contains("/tmp")));
        let shipped = CONFIG.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let changed = shipped.filter(|line| !lines.iter().any(|each| each == line)).count();
        assert_eq!(changed, 8 + 8 + 2 + 3, "paths, replicas with strategy and summary, listeners, sizes: {lines:#?}");
    }

    #[test]
    fn what_is_shipped_tells_what_it_does() {
        let servers = |end: &str| -> Vec<String> {
            let lines = CONFIG.lines().filter_map(|line| line.trim().strip_prefix("server ")?.strip_suffix(end));
            lines.map(|name| format!("\"{name}\"")).collect()
        };
        let main = servers(" max_fails=3 fail_timeout=30s;");
        assert_eq!(main, ["\"hubbub-1:3001\"", "\"hubbub-2:3001\"", "\"hubbub-3:3001\""]);
        assert_eq!(servers(" max_fails=0;"), main);
        let summary = format!("default '{{\"strategy\":\"ip_hash\",\"replicas\":[{}]}}';", main.join(","));
        assert!(CONFIG.contains(&summary), "{summary}");
        assert!(CONFIG.contains(&format!("worker_rlimit_nofile {FILES};")));
        assert!(CONFIG.contains(&format!("worker_connections {CONNECTIONS};")));
    }

    #[test]
    fn every_strategy_has_its_file() {
        for strategy in Strategy::ALL {
            assert_eq!(Strategy::from_str(strategy.name(), false).unwrap(), strategy);
            assert!(strategy.text().starts_with("# "));
            let directives: Vec<_> = strategy.text().lines().filter(|line| !line.starts_with('#')).collect();
            assert!(directives.len() <= 1 && directives.iter().all(|line| line.ends_with(';')), "{directives:?}");
        }
    }

    #[test]
    fn the_workers_hold_30_000_clients_with_few_files_too() {
        for files in [1_024, 4_096, 20_000, 65_536, 1_000_000] {
            let workers = Workers::for_limit(files);
            assert!(workers.files <= files);
            let held = u64::from(workers.processes.get()) * connections(workers.files) / 2;
            assert!(held >= CLIENTS || workers.processes.get() == 64, "{files}: {workers:?}");
        }
    }

    #[test]
    fn files_are_written_whole_or_refused() {
        let folder = tempfile::TempDir::new().unwrap();
        let mut layout = Layout { folder: folder.path().join("a b"), ..layout() };
        layout.write().unwrap();
        assert!(fs::read_to_string(layout.config()).unwrap().contains("include strategies/least_conn.conf;"));
        assert_eq!(
            fs::read_to_string(layout.folder.join("strategies/least_conn.conf")).unwrap(),
            Strategy::LeastConn.text()
        );
        layout.replicas.clear();
        assert_eq!(layout.write().unwrap_err().kind(), io::ErrorKind::InvalidInput);
        for strange in ["relative", "/a\"b", "/a$b", "/a\nb"] {
            let layout = Layout { folder: strange.into(), ..self::layout() };
            assert_eq!(layout.write().unwrap_err().kind(), io::ErrorKind::InvalidInput, "{strange}");
        }
    }
}
