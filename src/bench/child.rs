//! The server under test: this very program, started in a folder of its own with nothing set but what is needed.

use std::{
    env,
    fs::{self, File},
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use super::{error::BenchError, pin, swarm::Deadline};

/// How long a server may take to be ready.
const START_LIMIT: Duration = Duration::from_secs(20);

/// How often it is looked whether it is.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What a server prints once it takes connections; its address follows, then the end of the line.
const READY: &str = "is ready at ";

/// Files in a server's folder.
const OUT: &str = "out";
const LOG: &str = "log";

/// Bytes of the log shown when it fails.
const LAST_WORDS: usize = 2_000;

/// The limits that would stop a load driver (PROTOCOL section 6), switched off; all else is as it comes.
pub(super) const NO_LIMITS: [(&str, &str); 4] = [
    ("HUBBUB__LIMITS__CONNECTS_PER_SECOND", "0"),
    ("HUBBUB__LIMITS__OPEN_PER_ADDRESS", "0"),
    ("HUBBUB__LIMITS__COMMANDS_PER_SECOND", "0"),
    ("HUBBUB__LIMITS__MESSAGES_PER_SECOND", "0"),
];

/// A running server. It is killed, and its folder removed, when this goes.
pub(super) struct Child {
    process: process::Child,
    folder: PathBuf,
    address: SocketAddr,
}

impl Child {
    /// Starts this program with `arguments` and `settings` on a free port, and waits until it says where it listens.
    ///
    /// # Errors
    /// If it ends, with what it logged, or takes too long.
    pub(super) fn start(
        arguments: &[&str],
        settings: &[(&str, &str)],
        parent: &Path,
        pinned: bool,
    ) -> Result<Self, BenchError> {
        let folder = own_folder(parent)?;
        let process = pin::server(&env::current_exe()?, pinned)
            .args(arguments)
            .env_clear()
            .envs(env::var_os("PATH").map(|path| ("PATH", path)))
            .envs([("RUST_LOG", "warn"), ("PORT", "0")])
            .envs(settings.iter().copied())
            .current_dir(&folder)
            .stdin(process::Stdio::null())
            .stdout(File::create(folder.join(OUT))?)
            .stderr(File::create(folder.join(LOG))?)
            .spawn()?;
        let mut child = Self { process, folder, address: (Ipv4Addr::LOCALHOST, 0).into() };
        let deadline = Deadline::new("the start of the server", START_LIMIT);
        loop {
            if let Some(port) = port_in(&fs::read_to_string(child.folder.join(OUT))?) {
                child.address.set_port(port);
                return Ok(child);
            }
            if let Some(status) = child.process.try_wait()? {
                return Err(BenchError::Server { what: format!("ended with {status}"), log: child.last_words() });
            }
            deadline.check()?;
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it as the loss of its machine would.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub(super) fn kill(&mut self) -> Result<(), BenchError> {
        // It may have ended by itself.
        let _ = self.process.kill();
        self.process.wait()?;
        Ok(())
    }

    /// Adds what the server logged to an error that its failure may explain.
    pub(super) fn explain(&mut self, error: BenchError) -> BenchError {
        let log = self.last_words();
        if log.is_empty() { error } else { BenchError::Server { what: format!("was at fault ({error})"), log } }
    }

    fn last_words(&self) -> String {
        let log = fs::read(self.folder.join(LOG)).unwrap_or_default();
        let end = log.get(log.len().saturating_sub(LAST_WORDS)..).unwrap_or_default();
        String::from_utf8_lossy(end).into_owned()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself; and a folder that stays behind in the temporary ones harms nobody.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Makes a folder in `parent` that nothing else of this benchmark has.
pub(super) fn own_folder(parent: &Path) -> io::Result<PathBuf> {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    let number = STARTED.fetch_add(1, Ordering::Relaxed);
    let folder = parent.join(format!("hubbub-bench-{}-{number}", process::id()));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Says on standard output that connections are taken at a port of this machine, as a server does.
///
/// # Errors
/// If standard output is closed.
pub(super) fn announce(port: u16) -> Result<(), BenchError> {
    Ok(writeln!(io::stdout(), "The raw writer {READY}http://localhost:{port}")?)
}

/// The port in what a server printed, once it has said it.
pub(crate) fn port_in(out: &str) -> Option<u16> {
    let (_, behind) = out.split_once(READY)?;
    let (address, _) = behind.split_once('\n')?;
    address.rsplit_once(':')?.1.parse().ok()
}

/// Memory of a process that is in RAM (`VmRSS`), in bytes.
///
/// # Errors
/// If there is no such process.
pub(super) fn resident_bytes(process: u32) -> Result<u64, BenchError> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    crate::metrics::process::resident_in(&status)
        .ok_or_else(|| BenchError::Broken(format!("the memory of process {process} is not known")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_once_the_line_is_whole() {
        assert_eq!(port_in("Hubbub is ready at http://localhost:300"), None);
        assert_eq!(port_in("Hubbub is ready at http://localhost:3001\n"), Some(3001));
        assert_eq!(port_in("Hubbub is ready at nowhere\n"), None);
    }

    #[test]
    fn memory_is_read_of_a_process_that_is() {
        assert!(resident_bytes(process::id()).unwrap() > 0);
        assert!(resident_bytes(u32::MAX).is_err());
    }
}
