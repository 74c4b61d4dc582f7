//! nginx before the replicas: started, told of others, ended.

use std::{
    collections::BTreeSet,
    fs,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    process::Command,
    time::Duration,
};

use rustix::process::{Resource, Signal, getrlimit};

use super::{
    Cluster,
    error::ClusterError,
    nginx::{Layout, Workers},
    probe,
    process::{Process, group},
    programs::Programs,
    replica::{ended, local},
};

/// How long nginx may take to start, or to follow a change.
const LIMIT: Duration = Duration::from_secs(30);

/// How the title of a worker begins that takes newcomers.
const WORKER: &str = "nginx: worker process";
/// How it goes on when it does not any more.
const LEAVING: &str = " is shutting down";

impl Cluster {
    /// Has nginx send newcomers to the replicas in rotation: starts it if it does not run, else tells it. Returns when no
    /// worker sends one anywhere else. No socket ends by it.
    ///
    /// # Errors
    /// If nginx does not take it; what it says is in the error.
    pub(super) fn balance(&mut self) -> Result<(), ClusterError> {
        let layout = self.layout()?;
        let before = fs::read_to_string(layout.config()).unwrap_or_default();
        layout.write().map_err(ClusterError::file(layout.config()))?;
        let same = fs::read_to_string(layout.config()).is_ok_and(|now| now == before);
        match self.state.nginx.clone().filter(Process::is_alive) {
            Some(_) if same => Ok(()),
            Some(nginx) => self.reload(&nginx),
            None => self.start_nginx(&layout),
        }
    }

    /// nginx before the replicas in rotation.
    fn layout(&self) -> Result<Layout, ClusterError> {
        let replicas = self.state.replicas.iter().filter(|replica| replica.in_rotation);
        let replicas: Vec<_> = replicas.filter_map(|replica| replica.port).map(local).collect();
        let port = self.state.port;
        let addresses: [SocketAddr; 2] = match self.state.public {
            true => [(Ipv4Addr::UNSPECIFIED, port).into(), (Ipv6Addr::UNSPECIFIED, port).into()],
            false => [(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()],
        };
        let has_ipv6 = fs::exists("/proc/net/if_inet6").unwrap_or(false);
        let listen = addresses.into_iter().filter(|address| address.is_ipv4() || has_ipv6).collect();
        let files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        let workers = Workers::for_limit(files);
        Ok(Layout { folder: self.folder.nginx(), listen, replicas, strategy: self.state.strategy, workers })
    }

    /// Workers whose master was killed go on: they are asked to take nobody any more, and end with their last socket.
    ///
    /// # Errors
    /// If they do not give the port back.
    pub(super) fn retire_workers(&self) -> Result<(), ClusterError> {
        let left = self.state.nginx.as_ref().map(Process::left_behind).unwrap_or_default();
        if left.is_empty() {
            return Ok(());
        }
        left.iter().for_each(|worker| worker.signal(Signal::QUIT));
        let given_back =
            || Ok((!left.iter().any(|worker| worker.is_alive() && takes_newcomers(worker.pid))).then_some(()));
        self.interrupt.until("the end of the old workers of nginx", LIMIT, given_back)?;
        Ok(())
    }

    fn start_nginx(&mut self, layout: &Layout) -> Result<(), ClusterError> {
        let port = self.state.port;
        let program = Programs::find()?.nginx;
        let mut command = Command::new(&program);
        command.args(layout.command().get_args());
        let log = self.folder.log("nginx");
        let process = Process::spawn(&mut command, &log).map_err(ClusterError::file(program))?;
        self.state.nginx = Some(process.clone());
        self.save()?;
        self.interrupt.until("nginx's start", LIMIT, || {
            if !process.is_alive() {
                return Err(self.nginx_ended(layout));
            }
            // Another's answer on this port is none of ours.
            let up = fs::read_to_string(layout.pid_file()).is_ok_and(|pid| pid.trim() == process.pid.to_string());
            Ok((up && shows(port, layout)).then_some(()))
        })?;
        Ok(())
    }

    /// Why nginx ended: what it says on standard error before it has read its configuration, or in its own log after.
    fn nginx_ended(&self, layout: &Layout) -> ClusterError {
        let own = layout.error_log();
        let log = if fs::metadata(&own).is_ok_and(|log| log.len() > 0) { own } else { self.folder.log("nginx") };
        ended("nginx", &log)
    }

    fn reload(&self, nginx: &Process) -> Result<(), ClusterError> {
        let layout = self.layout()?;
        let mut check = Command::new(Programs::find()?.nginx);
        let checked = check.args(layout.command().get_args()).arg("-t").output()?;
        if !checked.status.success() {
            let log = String::from_utf8_lossy(&checked.stderr).trim_end().to_owned();
            return Err(ClusterError::Part { name: "nginx".into(), what: "does not take its files".into(), log });
        }
        let before = workers(nginx.pid);
        nginx.signal(Signal::HUP);
        self.interrupt.until("nginx's reload", LIMIT, || {
            if !nginx.is_alive() {
                return Err(self.nginx_ended(&layout));
            }
            let now = workers(nginx.pid);
            Ok((!now.is_empty() && now.is_disjoint(&before) && shows(self.state.port, &layout)).then_some(()))
        })?;
        Ok(())
    }
}

/// Whether nginx tells of the replicas of this layout.
fn shows(port: u16, layout: &Layout) -> bool {
    let Ok(answer) = probe::get(local(port), "/nginx/upstream", None) else { return false };
    let told = answer.json();
    let told: Vec<_> = told["replicas"].as_array().into_iter().flatten().filter_map(|each| each.as_str()).collect();
    told == layout.replicas.iter().map(ToString::to_string).collect::<Vec<_>>()
}

/// The workers of a master that take newcomers.
fn workers(master: u32) -> BTreeSet<u32> {
    group(master).into_iter().filter(|pid| takes_newcomers(*pid)).collect()
}

fn takes_newcomers(pid: u32) -> bool {
    let title = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    title.strip_prefix(WORKER).is_some_and(|rest| !rest.starts_with(LEAVING))
}
