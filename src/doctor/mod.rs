//! `hubbub doctor`: looks at the settings, the host, Redis and nginx before trouble does, and says of each what is wrong with
//! it and what to do.
//!
//! - [`finding`]: what is said. [`probe`] looks, the others judge what it saw and touch nothing: [`host`], [`access`],
//!   [`redis`], [`cluster`], [`nginx`].
//!
//! It changes nothing but for a key of its own in Redis that expires within a second, and a file that it takes away again.

mod access;
mod cluster;
pub mod finding;
mod host;
mod nginx;
mod probe;
mod redis;

use std::{io, net::IpAddr, ops::RangeInclusive, path::PathBuf};

pub use self::finding::{Finding, Level, Report};
use crate::{
    auth::{self, secret::Secret},
    broker::{
        local,
        redis::{self as store, InspectError, RedisConfig},
    },
    protocol::ids::Millis,
};

/// What is to be looked at.
pub struct Plan {
    /// Where the server listens.
    pub host: IpAddr,
    /// The ports it tries, in order.
    pub ports: RangeInclusive<u16>,
    /// MAX_SESSIONS as it was set; 0 = as many as files allow.
    pub max_sessions: usize,
    /// Files kept free for what is not a connection.
    pub reserved_files: usize,
    /// A client is pinged after so long without a sign of it.
    pub heartbeat_ms: Millis,
    /// The file of a server that stands alone.
    pub store: PathBuf,
    /// Whether it is one of many.
    pub distributed: bool,
    /// The Redis that many share, where one is set.
    pub redis: Option<RedisPlan>,
    /// Configurations of nginx to read.
    pub nginx: Vec<PathBuf>,
    /// Secrets, proxies and the rest of who may come in.
    pub auth: auth::config::Config,
}

/// The Redis to look at.
pub struct RedisPlan {
    /// Where it is, as Hubbub's own user.
    pub url: Secret,
    /// The same as somebody who may read its settings.
    pub admin_url: Option<Secret>,
    /// Times and bounds.
    pub config: RedisConfig,
    /// How long an instance counts as alive after its last heartbeat, milliseconds.
    pub instance_ttl_ms: Millis,
}

/// Looks at everything.
///
/// # Errors
/// When the system gives no runtime to ask Redis on. What is wrong with what is looked at is in the report.
pub fn run(plan: &Plan) -> io::Result<Report> {
    let mut report = Report::default();
    report.extend("host", look_at_host(plan));
    report.extend("access", access::judge(&plan.auth, plan.host));
    if let Some(wanted) = &plan.redis {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let look = |admin: Option<&Secret>| {
            runtime.block_on(store::inspect(&wanted.url, admin, &wanted.config, wanted.instance_ttl_ms))
        };
        // An administrator who is not let in hides nothing of the rest.
        let (seen, no_admin) = match (look(wanted.admin_url.as_ref()), &wanted.admin_url) {
            (Err(why), Some(_)) => (look(None), Some(why.to_string())),
            (seen, _) => (seen, None),
        };
        match seen {
            Ok(seen) => {
                report.extend("redis", redis::judge(&seen, no_admin.as_deref()));
                report.extend("cluster", cluster::judge(seen.instances.as_deref()));
            }
            Err(InspectError::Setting(problem)) => report.extend("redis", [redis::bad_address(&problem)]),
            Err(InspectError::Unreachable(why)) => report.extend("redis", [redis::unreachable(&why)]),
        }
        if !plan.distributed {
            report.extend("redis", [redis::unused()]);
        }
    } else {
        report.extend("redis", [redis::none()]);
    }
    for file in &plan.nginx {
        report.extend("nginx", nginx::look(file, plan));
    }
    Ok(report)
}

fn look_at_host(plan: &Plan) -> Vec<Finding> {
    let ports: Vec<_> = plan.ports.clone().map(|port| probe::port(plan.host, port)).collect();
    let running = ports.iter().find_map(|state| state.hubbub());
    let limit = probe::file_limit(running);
    let mut found = vec![
        host::open_files(limit, running, plan.max_sessions, plan.reserved_files),
        host::port(plan.host, plan.ports.clone(), &ports),
    ];
    if !plan.distributed {
        found.push(host::data(&plan.store, &probe::folder(&plan.store)));
        found.push(host::lock(&plan.store, &local::lock_state(&plan.store)));
    }
    found
}
