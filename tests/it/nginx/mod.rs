//! The balancer: a real nginx with the shipped files in front of real replicas.
//!
//! - [`files`]: nginx takes them, as they are and as they are made. [`requests`]: what replicas, logs and strangers get
//!   to see. [`leaving`]: replicas drain, die, and restart one after the other. [`scaling`]: strategies and replicas
//!   change under load.

mod files;
mod leaving;
mod requests;
mod scaling;

use std::net::SocketAddr;

use crate::support::{
    Redis,
    cluster::{Cluster, instance},
    server::Setup,
};

/// An instance that believes the balancer of the tests, and bears with clients who wait for somebody else for a while.
fn replica(redis: &Redis, number: usize) -> Setup {
    instance(number, &redis.url()).env("TRUSTED_PROXIES", "127.0.0.1").env("HEARTBEAT_INTERVAL_MS", 25_000)
}

/// So many replicas, with a setting each.
async fn replicas(instances: usize, settings: &[(&str, u64)]) -> Cluster {
    Cluster::around(Redis::start(), instances, |redis, number| {
        settings.iter().fold(replica(redis, number), |setup, (name, value)| setup.env(name, value))
    })
    .await
}

/// The number of the instance that a `welcome` names.
fn instance_of(welcome: &crate::support::Value) -> usize {
    welcome["instance"].as_str().and_then(|id| id.strip_prefix("api-")).unwrap().parse().unwrap()
}

/// Where nobody listens.
fn nobody(count: u16) -> Vec<SocketAddr> {
    (1..=count).map(|port| ([127, 0, 0, 1], port).into()).collect()
}
