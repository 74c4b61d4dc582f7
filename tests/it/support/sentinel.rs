//! A primary, a replica and Sentinels that watch them, with timings that a test can wait for.

use std::{net::SocketAddr, time::Instant};

use super::{
    LOOK, PATIENCE,
    daemon::{Daemon, Kind},
    redis::{ADMIN, LOGIN_IN_URL, Redis},
    resp::Reply,
};

/// What the Sentinels call the primary.
const SERVICE: &str = "hubbub";

/// How long the primary says nothing before it counts as down, and how long a fail-over may take. The next one waits for
/// twice that since the last.
const DOWN_AFTER_MS: u64 = 1_000;
const FAILOVER_TIMEOUT_MS: u64 = 2_500;

/// Without users of its own: the login of Redis' user is not asked for.
const KIND: Kind = Kind { program: "redis-sentinel", admin: None };

/// A watched pair. All is killed when it is dropped.
pub(crate) struct Sentinels {
    /// Whoever is primary at the moment is found by [`Sentinels::primary`].
    pair: [Redis; 2],
    sentinels: Vec<Daemon>,
}

impl Sentinels {
    /// Starts a primary, a replica and so many Sentinels, and waits until all know each other.
    pub(crate) fn start(sentinels: usize) -> Self {
        let (user, password) = ADMIN;
        let primary = Redis::setup().of_a_pair().start();
        let replica = Redis::setup().replica_of(&primary).start();
        let quorum = sentinels / 2 + 1;
        let config = format!(
            "sentinel monitor {SERVICE} 127.0.0.1 {port} {quorum}\n\
             sentinel auth-user {SERVICE} {user}\n\
             sentinel auth-pass {SERVICE} {password}\n\
             sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}\n\
             sentinel failover-timeout {SERVICE} {FAILOVER_TIMEOUT_MS}\n",
            port = primary.address().port(),
        );
        let args = ["--bind", "127.0.0.1"].map(str::to_owned).to_vec();
        let sentinels: Vec<_> = (0..sentinels).map(|_| Daemon::start(KIND, &config, &[], args.clone())).collect();
        for sentinel in &sentinels {
            // They look every 10 s otherwise, and a fail-over is over when they have looked. They tell each other less
            // often: after four times that, one that had not heard of a new primary would undo it.
            let quick = ["INFO-PERIOD", "250", "ASK-PERIOD", "250", "PING-PERIOD", "250", "PUBLISH-PERIOD", "750"];
            let said = sentinel.call(&[&["SENTINEL", "DEBUG"], &quick[..]].concat());
            assert_eq!(said, Reply::Text("OK".into()));
        }
        let all = Self { pair: [primary, replica], sentinels };
        wait("the replica and the Sentinels to be known", || {
            all.sentinels.iter().all(|sentinel| all.is_known_to(sentinel))
        });
        all
    }

    /// What a server is to be given as `REDIS_URL`.
    pub(crate) fn url(&self) -> String {
        let hosts: Vec<_> = self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port())).collect();
        let others: String = hosts[1..].iter().map(|host| format!("&node={host}")).collect();
        format!("redis-sentinel://{}@{}?sentinelServiceName={SERVICE}{others}", LOGIN_IN_URL, hosts[0])
    }

    /// Where the Sentinels say the primary is.
    pub(crate) fn primary_address(&self) -> SocketAddr {
        let answer = self.sentinels[0].call(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE]);
        answer.texts().join(":").parse().unwrap()
    }

    pub(crate) fn primary(&mut self) -> &mut Redis {
        let address = self.primary_address();
        self.pair.iter_mut().find(|redis| redis.address() == address).unwrap()
    }

    /// The other one.
    pub(crate) fn replica(&mut self) -> &mut Redis {
        let address = self.primary_address();
        self.pair.iter_mut().find(|redis| redis.address() != address).unwrap()
    }

    /// Has the Sentinels change the roles of two that live, and waits until they have.
    pub(crate) fn fail_over(&mut self) {
        let before = self.primary_address();
        wait("another primary", || {
            // A Sentinel gives up when it has not heard of the replica for a while, as on a busy machine: one that is at
            // it no longer, with the old primary still, is asked again.
            let idle = field(&self.sentinels[0], "flags").is_some_and(|flags| !flags.contains("failover_in_progress"));
            let changed = self.primary_address() != before;
            if idle && !changed {
                self.sentinels[0].call(&["SENTINEL", "FAILOVER", SERVICE]);
            }
            changed
        });
        self.wait_for_writes();
    }

    /// Kills the primary, and waits until the other one has its place. The dead one can be started again:
    /// [`Sentinels::replica`] is it.
    pub(crate) fn kill_primary(&mut self) {
        let before = self.primary_address();
        self.primary().kill9();
        wait("another primary", || self.primary_address() != before);
        self.wait_for_writes();
    }

    /// Waits until the replica follows the primary and has all that the primary has now.
    pub(crate) fn wait_for_replica(&mut self) {
        let primary = self.primary().address();
        let wanted: i64 = self.primary().info("master_repl_offset").parse().unwrap();
        let follows = |role: &Reply| match role.list() {
            [kind, _, port, state, offset] => {
                let of_primary = port.int() == i64::from(primary.port());
                kind.text() == "slave" && of_primary && state.text() == "connected" && offset.int() >= wanted
            }
            _ => false,
        };
        let replica = self.replica();
        wait("the replica to follow", || replica.role().is_some_and(|role| follows(&role)));
    }

    /// From now on the replica hears nothing of what the primary is told, as if that were still on its way; it can take
    /// its place all the same. Until it is started again, or is no replica any more.
    pub(crate) fn cut_replication(&mut self) {
        self.replica().command(&["CONFIG", "SET", "masterauth", "no longer the password"]);
        self.primary().kill_clients("replica");
        let replica = self.replica();
        wait("the replica to be cut off", || replica.info("master_link_status") == "down");
    }

    fn wait_for_writes(&mut self) {
        let primary = self.primary();
        wait("it to take writes", || primary.role().is_some_and(|role| role.list()[0].text() == "master"));
    }

    fn is_known_to(&self, sentinel: &Daemon) -> bool {
        let count = |name| field(sentinel, name).and_then(|number| number.parse::<usize>().ok());
        let linked = self.pair[1].info("master_link_status") == "up";
        linked && count("num-slaves") == Some(1) && count("num-other-sentinels") == Some(self.sentinels.len() - 1)
    }
}

/// What a Sentinel says of the service under this name.
fn field(sentinel: &Daemon, name: &str) -> Option<String> {
    let of_service = sentinel.call(&["SENTINEL", "MASTER", SERVICE]);
    let mut words = of_service.texts().into_iter();
    words.find(|word| *word == name);
    words.next().map(str::to_owned)
}

/// Waits for what takes a few rounds of the Sentinels.
fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < 3 * PATIENCE, "waited in vain for {what}");
        std::thread::sleep(LOOK);
    }
}
