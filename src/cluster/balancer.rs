//! nginx before the replicas: started, told of others, ended.

use std::{
    collections::BTreeSet,
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    time::Duration,
};

use rustix::process::Signal;
use socket2::{Domain, Socket, Type};

use super::{
    Cluster,
    error::ClusterError,
    nginx::{Layout, Workers},
    probe,
    process::{Process, group, set_aside},
    programs::Programs,
    replica::{ended, last_words, local},
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
            // A change that failed before may have left the file of one that nginx does not run.
            Some(_) if same && shows(&layout) => Ok(()),
            Some(nginx) => self.reload(&nginx, &layout),
            None => self.start_nginx(&layout),
        }
    }

    /// After a change that failed: has nginx, if it runs, go on with what is remembered now. The error that led here is
    /// the one to tell.
    pub(super) fn balance_again(&mut self) {
        if self.state.nginx.as_ref().is_some_and(Process::is_alive) {
            let _ = self.uninterrupted(Self::balance);
        }
    }

    /// nginx before the replicas in rotation.
    fn layout(&self) -> Result<Layout, ClusterError> {
        let replicas = self.state.replicas.iter().filter(|replica| replica.in_rotation);
        let replicas: Vec<_> = replicas.filter_map(|replica| replica.port).map(local).collect();
        let listen = listen_on(self.state.port, self.state.public);
        let workers = Workers::for_machine();
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
        // By the port itself: a worker takes its new title a moment before it gives the port back.
        let held = listen_on(self.state.port, self.state.public);
        let given_back = || {
            let is_held = held.iter().any(|address| is_taken(&try_listen(*address, false)));
            Ok((!is_held || !left.iter().any(Process::is_alive)).then_some(()))
        };
        self.interrupt.until("the end of the old workers of nginx", LIMIT, given_back)?;
        Ok(())
    }

    fn start_nginx(&mut self, layout: &Layout) -> Result<(), ClusterError> {
        let program = Programs::find()?.nginx;
        let mut command = layout.command(&program);
        self.set_logs_aside(layout)?;
        let log = self.folder.log("nginx");
        let process = Process::spawn(&mut command, &log).map_err(ClusterError::file(program))?;
        self.state.nginx = Some(process.clone());
        self.save()?;
        let started = self.interrupt.until("to start", LIMIT, || {
            if !process.is_alive() {
                return Err(self.nginx_ended(layout));
            }
            // Another's answer on this port is none of ours.
            let up = fs::read_to_string(layout.pid_file()).is_ok_and(|pid| pid.trim() == process.pid.to_string());
            Ok((up && shows(layout)).then_some(()))
        });
        started.map(|_| ()).map_err(|error| overdue(error, layout))
    }

    /// Why nginx ended: what it says on standard error before it has read its configuration, or in its own log after.
    fn nginx_ended(&self, layout: &Layout) -> ClusterError {
        let own = layout.error_log();
        let log = if fs::metadata(&own).is_ok_and(|log| log.len() > 0) { own } else { self.folder.log("nginx") };
        ended("nginx", &log)
    }

    /// Sets its two logs aside if they are long; whether one was.
    fn set_logs_aside(&self, layout: &Layout) -> Result<bool, ClusterError> {
        let mut any = false;
        for log in [layout.access_log(), layout.error_log()] {
            any |= set_aside(&log).map_err(ClusterError::file(log))?;
        }
        Ok(any)
    }

    fn reload(&self, nginx: &Process, layout: &Layout) -> Result<(), ClusterError> {
        let checked = layout.command(&Programs::find()?.nginx).arg("-t").output()?;
        if !checked.status.success() {
            let log = String::from_utf8_lossy(&checked.stderr).trim_end().to_owned();
            return Err(ClusterError::Part { name: "nginx".into(), what: "does not take its files".into(), log });
        }
        if self.set_logs_aside(layout)? {
            // It opens them anew whether it takes the change or not.
            nginx.signal(Signal::USR1);
        }
        let before = workers(nginx.pid);
        nginx.signal(Signal::HUP);
        let reloaded = self.interrupt.until("to follow a change", LIMIT, || {
            if !nginx.is_alive() {
                return Err(self.nginx_ended(layout));
            }
            let now = workers(nginx.pid);
            Ok((!now.is_empty() && now.is_disjoint(&before) && shows(layout)).then_some(()))
        });
        reloaded.map(|_| ()).map_err(|error| overdue(error, layout))
    }
}

/// Where nginx listens: on all addresses of this machine, or on its own alone.
pub(super) fn listen_on(port: u16, public: bool) -> Vec<SocketAddr> {
    let addresses: [IpAddr; 2] = match public {
        true => [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
        false => [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
    };
    // A kernel may know IPv6 and have it off.
    let has_ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let usable = addresses.into_iter().filter(|address| address.is_ipv4() || has_ipv6);
    usable.map(|address| (address, port).into()).collect()
}

/// Listens for a moment, as nginx would: its sockets share an address with others of the same user that allow it too.
pub(super) fn try_listen(address: SocketAddr, share: bool) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket.bind(&address.into())?;
    socket.listen(1)
}

/// Whether [`try_listen`] found somebody there.
pub(super) fn is_taken(tried: &io::Result<()>) -> bool {
    tried.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

/// Whether nginx answers wherever this layout listens, and tells of its strategy and its replicas.
fn shows(layout: &Layout) -> bool {
    let replicas: Vec<_> = layout.replicas.iter().map(ToString::to_string).collect();
    let wanted = serde_json::json!({ "strategy": layout.strategy.name(), "replicas": replicas });
    layout.listen.iter().all(|address| {
        let own = if address.is_ipv4() { local(address.port()) } else { (Ipv6Addr::LOCALHOST, address.port()).into() };
        probe::get(own, "/nginx/upstream", None).is_ok_and(|answer| answer.json() == wanted)
    })
}

/// Adds what nginx logged to an error that says that it took too long.
fn overdue(error: ClusterError, layout: &Layout) -> ClusterError {
    match error {
        ClusterError::Overdue { what, limit } => ClusterError::Part {
            name: "nginx".into(),
            what: format!("took more than {} s {what}", limit.as_secs()),
            log: last_words(&layout.error_log()),
        },
        error => error,
    }
}

/// The workers of a master that take newcomers.
fn workers(master: u32) -> BTreeSet<u32> {
    group(master).into_iter().filter(|pid| takes_newcomers(*pid)).collect()
}

fn takes_newcomers(pid: u32) -> bool {
    let title = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    title.strip_prefix(WORKER).is_some_and(|rest| !rest.starts_with(LEAVING))
}
