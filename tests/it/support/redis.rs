//! A real Redis, run from the configuration that operators are given.
//!
//! Different from theirs are only the port, the folder, the address it listens on, the password, and that there is a
//! user who may do everything, for the test.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use super::{
    daemon::{Daemon, Kind},
    resp::Reply,
};

/// What operators are given, as it is.
const CONFIG: &str = include_str!("../../../config/redis/redis.conf");
const USERS: &str = include_str!("../../../config/redis/users.acl");

/// The user that Hubbub is, and its password: one with everything that an URL cannot hold as it is.
const USER: &str = "api-chat";
const PASSWORD: &str = "p@ss/w:rd?#%&";
pub(crate) const LOGIN_IN_URL: &str = "api-chat:p%40ss%2Fw%3Ard%3F%23%25%26";

/// Who may do everything, also for replicas and Sentinels.
pub(super) const ADMIN: (&str, &str) = ("admin", "admin-of-the-tests");

const KIND: Kind = Kind { program: "redis-server", admin: Some(ADMIN) };

/// How a Redis is to be started.
#[derive(Clone, Default)]
pub(crate) struct RedisSetup {
    args: Vec<String>,
}

impl RedisSetup {
    /// Overrides a setting of `redis.conf`; several words are several values.
    pub(crate) fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.args.push(format!("--{name}"));
        self.args.extend(value.to_string().split(' ').map(str::to_owned));
        self
    }

    /// Ready to be the primary or the replica of a pair.
    pub(crate) fn of_a_pair(self) -> Self {
        let (user, password) = ADMIN;
        self.set("masteruser", user).set("masterauth", password).set("repl-diskless-sync-delay", 0)
    }

    /// A replica of another.
    pub(crate) fn replica_of(self, primary: &Redis) -> Self {
        self.of_a_pair().set("replicaof", format!("127.0.0.1 {}", primary.address().port()))
    }

    /// Starts it in a folder of its own, and waits until it answers.
    pub(crate) fn start(self) -> Redis {
        let args = RedisSetup::default().set("bind", "127.0.0.1").args.into_iter().chain(self.args).collect();
        Redis { daemon: Daemon::start(KIND, &config(), &[("users.acl", users())], args) }
    }
}

/// The shipped configuration with its files in the folder it is started in. Said in the file itself, since Redis goes
/// to its folder as soon as it reads of one.
fn config() -> String {
    [("dir /var/lib/redis", "dir ."), ("aclfile /etc/redis/users.acl", "aclfile users.acl")].iter().fold(
        CONFIG.to_owned(),
        |config, (shipped, ours)| {
            let (shipped, ours) = (format!("\n{shipped}\n"), format!("\n{ours}\n"));
            assert_eq!(config.matches(&shipped).count(), 1, "{shipped}");
            config.replace(&shipped, &ours)
        },
    )
}

/// The shipped users with a password that is known, and the administrator.
fn users() -> String {
    let placeholder = format!("#{}", "0".repeat(64));
    assert!(USERS.contains(&placeholder), "the shipped password is one that nobody can log in with");
    let (admin, password) = ADMIN;
    USERS.replace(&placeholder, &format!(">{PASSWORD}")) + &format!("user {admin} on >{password} ~* &* +@all\n")
}

/// A running Redis. It is killed when dropped.
pub(crate) struct Redis {
    daemon: Daemon,
}

impl Redis {
    pub(crate) fn setup() -> RedisSetup {
        RedisSetup::default()
    }

    pub(crate) fn start() -> Self {
        RedisSetup::default().start()
    }

    /// One for all tests that run at this moment and leave it alone but for keys of their own; it ends with the last.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Redis>> = Mutex::new(Weak::new());
        // Another test's failure to start it is no reason not to try.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(redis) = shared.upgrade() {
            return redis;
        }
        let redis = Arc::new(Self::start());
        *shared = Arc::downgrade(&redis);
        redis
    }

    /// What a server is to be given as `REDIS_URL`.
    pub(crate) fn url(&self) -> String {
        Self::url_at(self.address())
    }

    /// The same, by way of an address that leads here (a proxy's).
    pub(crate) fn url_at(address: SocketAddr) -> String {
        format!("redis://{LOGIN_IN_URL}@{address}")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.daemon.port()).into()
    }

    /// Its folder, with its files.
    pub(crate) fn folder(&self) -> &Path {
        self.daemon.folder()
    }

    pub(crate) fn log(&self) -> String {
        self.daemon.log()
    }

    /// What it answers the administrator, refusals included.
    pub(crate) fn try_command(&self, command: &[&str]) -> Reply {
        self.daemon.call(command)
    }

    /// What it answers the administrator, who must not be refused.
    #[track_caller]
    pub(crate) fn command(&self, command: &[&str]) -> Reply {
        let reply = self.try_command(command);
        assert!(!matches!(reply, Reply::Error(_)), "{command:?}: {reply}");
        reply
    }

    /// What it answers Hubbub's own user, refusals included.
    pub(crate) fn command_as_chat(&self, command: &[&str]) -> Reply {
        self.daemon.call_as(Some((USER, PASSWORD)), command)
    }

    /// What it answers who has not logged in.
    pub(crate) fn command_as_nobody(&self, command: &[&str]) -> Reply {
        self.daemon.call_as(None, command)
    }

    /// Closes the connections of a type (`normal`, `pubsub`, `replica`), and says how many.
    pub(crate) fn kill_clients(&self, kind: &str) -> i64 {
        self.command(&["CLIENT", "KILL", "TYPE", kind]).int()
    }

    /// A field of `INFO`.
    #[track_caller]
    pub(crate) fn info(&self, field: &str) -> String {
        let info = self.command(&["INFO"]).text().to_owned();
        let value = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no {field} in INFO")).to_owned()
    }

    /// Its `ROLE`; none while it changes, when it closes its connections.
    pub(super) fn role(&self) -> Option<Reply> {
        self.daemon.try_call(&["ROLE"]).ok()
    }

    /// Ends it as a crash does. What it has answered is in its file, but for the last two seconds on a slow disk.
    pub(crate) fn kill9(&mut self) {
        self.daemon.kill9();
    }

    /// Ends it as an operator does.
    pub(crate) fn shutdown(&mut self) {
        self.daemon.signal("TERM");
        self.daemon.ended();
    }

    /// Starts it again on its folder and port, after it has ended.
    pub(crate) fn restart(&mut self) {
        self.daemon.restart();
    }

    /// Freezes it: its connections stay open, and nothing is answered.
    pub(crate) fn freeze(&self) {
        self.daemon.signal("STOP");
    }

    pub(crate) fn thaw(&self) {
        self.daemon.signal("CONT");
    }
}
