//! Several instances of the program around one Redis.
//!
//! Their timings are such that a test can wait for them, or with `FAULT_TIMINGS=default` those that operators get.

use std::{net::SocketAddr, time::Duration};

use super::{Redis, Server, json, server::Setup, until};

/// Opens `/metrics` of each instance.
pub(crate) const METRICS_KEY: &str = "a metrics key of 32 characters or more";

/// Whether `FAULT_TIMINGS` asks for the timings that operators get.
pub(crate) fn has_default_timings() -> bool {
    match std::env::var("FAULT_TIMINGS") {
        Ok(timings) => {
            assert_eq!(timings, "default", "FAULT_TIMINGS is `default` or not set");
            true
        }
        Err(_) => false,
    }
}

/// How long a user counts as present after the last refresh.
pub(crate) fn presence_ttl() -> Duration {
    Duration::from_secs(if has_default_timings() { 12 } else { 3 })
}

/// Timings that a test can wait for; the proportions are those of the defaults.
const QUICK: [(&str, u64); 10] = [
    ("INSTANCE_TTL_MS", 2_500),
    ("HEARTBEAT_INTERVAL_MS", 2_000),
    ("HUBBUB__PRESENCE__GRACE_MS", 500),
    ("HUBBUB__REDIS__HEARTBEAT_MS", 750),
    ("HUBBUB__REDIS__PRESENCE_TTL_MS", 3_000),
    ("HUBBUB__REDIS__PRESENCE_REFRESH_MS", 1_000),
    ("HUBBUB__REDIS__REAP_MS", 250),
    ("HUBBUB__REDIS__COMMAND_TIMEOUT_MS", 1_000),
    ("HUBBUB__REDIS__PROBE_MS", 500),
    ("HUBBUB__REDIS__CHECK_MS", 2_000),
];

/// The setup of the instance `api-<number>`.
pub(crate) fn instance(number: usize, redis_url: &str) -> Setup {
    let setup = Server::setup()
        .without_limits()
        .env("ENABLE_DISTRIBUTED_CHAT", true)
        .env("REDIS_URL", redis_url)
        .env("INSTANCE_ID", id(number))
        .env("METRICS_API_KEY", METRICS_KEY);
    let timings = if has_default_timings() { &[][..] } else { &QUICK };
    timings.iter().fold(setup, |setup, (name, value)| setup.env(name, value))
}

fn id(number: usize) -> String {
    format!("api-{number}")
}

/// Instances around a Redis, or whatever stands between (`R`: Sentinels, a Redis with proxies). Numbers start at 1, as
/// the ids do. All is killed when it is dropped, the instances first.
pub(crate) struct Cluster<R = Redis> {
    servers: Vec<Server>,
    pub(crate) redis: R,
}

impl Cluster {
    /// One Redis and so many instances, which all know each other.
    pub(crate) async fn start(instances: usize) -> Self {
        Self::around(Redis::start(), instances, |redis, number| instance(number, &redis.url())).await
    }
}

impl<R> Cluster<R> {
    /// So many instances with setups of their own, which all know each other.
    pub(crate) async fn around(redis: R, instances: usize, setup: impl Fn(&R, usize) -> Setup) -> Self {
        let servers = (1..=instances).map(|number| setup(&redis, number).start()).collect();
        let cluster = Self { servers, redis };
        let all: Vec<_> = (1..=instances).collect();
        cluster.wait_for(&all).await;
        cluster
    }

    /// An instance, to talk to or to break.
    pub(crate) fn server(&mut self, number: usize) -> &mut Server {
        &mut self.servers[number - 1]
    }

    /// Starts one more, which is given the next number.
    pub(crate) fn add(&mut self, setup: Setup) -> usize {
        self.servers.push(setup.start());
        self.servers.len()
    }

    /// Where they listen, in order. An instance that starts again keeps its address.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.address).collect()
    }

    /// A metric of the text form of an instance, summed over its labels; 0 while there is none.
    pub(crate) async fn metric(&self, number: usize, name: &str) -> f64 {
        let text = self.servers[number - 1].get_as("/metrics/prometheus", METRICS_KEY).await.text;
        let of_name = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(['{', ' ']));
        of_name.map(|rest| rest.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// Waits until `/metrics` of each of these lists exactly these.
    pub(crate) async fn wait_for(&self, alive: &[usize]) {
        let wanted: Vec<_> = alive.iter().map(|number| id(*number)).collect();
        for number in alive {
            let server = &self.servers[number - 1];
            until(&format!("{} to list {wanted:?}", id(*number)), async || {
                let metrics = server.get_as("/metrics", METRICS_KEY).await.json;
                let instances = metrics["cluster"]["instances"].as_array()?;
                let mut listed: Vec<_> = instances.iter().filter_map(|each| each["instanceId"].as_str()).collect();
                listed.sort_unstable();
                (listed == wanted && metrics["cluster"]["activeInstances"] == json!(alive.len())).then_some(())
            })
            .await;
        }
    }

    /// Waits until each of these says whether it is degraded.
    pub(crate) async fn wait_until_degraded(&self, alive: &[usize], degraded: bool) {
        for number in alive {
            let server = &self.servers[number - 1];
            until(&format!("{} to be degraded: {degraded}", id(*number)), async || {
                let metrics = server.get_as("/metrics", METRICS_KEY).await.json;
                (metrics["pubsub"]["isDegraded"] == json!(degraded)).then_some(())
            })
            .await;
        }
    }
}
