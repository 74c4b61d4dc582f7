//! The nginx that is measured with the replicas: the shipped configuration, in a folder of its own.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    path::{Path, PathBuf},
    process, thread,
    time::{Duration, Instant},
};

use crate::{
    bench::{child::own_folder, error::BenchError, swarm::Deadline},
    cluster::{
        nginx::{Layout, Strategy, Workers},
        programs::Programs,
        redis::free_port,
    },
};

/// How long it may take to start or end, and how often it is looked whether it has.
const LIMIT: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Fewest workers: with a connection to the client and one to the replica, 30,000 clients are 10,000 files of each.
const WORKERS: NonZeroU32 = NonZeroU32::new(6).unwrap();

/// A running nginx. It is ended, and its folder removed, when this goes.
pub(super) struct Balancer {
    process: process::Child,
    folder: PathBuf,
    address: SocketAddr,
}

impl Balancer {
    /// Starts it in front of these, and waits until it listens.
    ///
    /// # Errors
    /// [`BenchError::NoNginx`] if there is no such program, or it does not run.
    pub(super) fn start(parent: &Path, strategy: Strategy, replicas: Vec<SocketAddr>) -> Result<Self, BenchError> {
        let folder = fs::canonicalize(own_folder(parent)?)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let machine = Workers::for_machine();
        let workers = Workers { processes: machine.processes.max(WORKERS), ..machine };
        let layout = Layout { folder, listen: vec![address], replicas, strategy, workers };
        layout.write()?;
        let programs = Programs::find().map_err(|error| BenchError::NoNginx(error.to_string()))?;
        let mut command = layout.command(&programs.nginx);
        command.stdin(process::Stdio::null()).stdout(process::Stdio::null()).stderr(process::Stdio::null());
        let process = command.spawn().map_err(|error| BenchError::NoNginx(error.to_string()))?;
        let mut nginx = Self { process, folder: layout.folder.clone(), address };
        let deadline = Deadline::new("the start of nginx", LIMIT);
        // Its master writes the file once it listens.
        while fs::read_to_string(layout.pid_file()).unwrap_or_default().trim().is_empty() || nginx.workers().is_empty()
        {
            if nginx.process.try_wait()?.is_some() {
                let log = fs::read_to_string(layout.error_log()).unwrap_or_default();
                return Err(BenchError::NoNginx(log.lines().last().unwrap_or("it says nothing").to_owned()));
            }
            deadline.check()?;
            thread::sleep(LOOK_AGAIN);
        }
        Ok(nginx)
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its worker processes.
    pub(super) fn workers(&self) -> Vec<u32> {
        let master = self.process.id();
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap_or_default();
        children.split_ascii_whitespace().filter_map(|child| child.parse().ok()).collect()
    }

    fn terminate(&self) -> io::Result<process::ExitStatus> {
        // Not killed: that would leave its workers behind.
        process::Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // It may have ended by itself; and a folder that stays behind in the temporary ones harms nobody.
        let _ = self.terminate();
        let start = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) {
            if start.elapsed() > LIMIT {
                let _ = self.process.kill();
            }
            thread::sleep(LOOK_AGAIN);
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
