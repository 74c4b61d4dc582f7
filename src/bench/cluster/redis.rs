//! The Redis of a cluster that is measured.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process, thread,
    time::Duration,
};

use crate::{
    bench::{child::own_folder, error::BenchError, swarm::Deadline},
    cluster::redis::free_port,
};

/// How long it may take to be ready, and how often it is looked whether it is.
const START_LIMIT: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// As operators are told to run it: everything appended to a file that reaches the disk once a second.
const SETTINGS: [&str; 8] = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"];

const PROGRAM: &str = "redis-server";
const LOG: &str = "log";

/// A running Redis. It is killed, and its folder removed, when this goes.
pub(super) struct Redis {
    process: process::Child,
    folder: PathBuf,
    port: u16,
}

impl Redis {
    /// Starts one on a free port, and waits until it answers.
    ///
    /// # Errors
    /// [`BenchError::NoRedis`] if there is no such program, or it does not run.
    pub(super) fn start(parent: &Path) -> Result<Self, BenchError> {
        let deadline = Deadline::new("the start of Redis", START_LIMIT);
        loop {
            let mut redis = Self::launch(parent)?;
            while redis.process.try_wait()?.is_none() {
                if answers(redis.port) {
                    return Ok(redis);
                }
                deadline.check()?;
                thread::sleep(LOOK_AGAIN);
            }
            // Somebody may have taken its port before it did. If it is not that, it says what it is until the time is up.
            deadline.check().map_err(|_| BenchError::NoRedis(redis.last_line()))?;
            thread::sleep(LOOK_AGAIN);
        }
    }

    fn launch(parent: &Path) -> Result<Self, BenchError> {
        let (folder, port) = (own_folder(parent)?, free_port()?);
        let log = File::create(folder.join(LOG))?;
        let process = process::Command::new(PROGRAM)
            .args(["--port", &port.to_string()])
            .args(SETTINGS)
            .current_dir(&folder)
            .stdin(process::Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn();
        let process = process.map_err(|error| BenchError::NoRedis(error.to_string()))?;
        Ok(Self { process, folder, port })
    }

    /// What a server is to be given as `REDIS_URL`.
    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its process.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    fn last_line(&self) -> String {
        let log = fs::read_to_string(self.folder.join(LOG)).unwrap_or_default();
        log.lines().last().unwrap_or("it says nothing").to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended by itself; and a folder that stays behind in the temporary ones harms nobody.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether a Redis answers there.
fn answers(port: u16) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), START_LIMIT)?;
        stream.set_read_timeout(Some(START_LIMIT))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok::<_, io::Error>(answer == *b"+PONG")
    };
    ask().unwrap_or(false)
}
