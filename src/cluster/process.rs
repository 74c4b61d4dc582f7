//! A process that outlives the command that started it, known by more than its number.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::{fs::OpenOptionsExt, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use crate::{
    clock::{Clock, SystemClock},
    metrics,
    protocol::ids::Millis,
};

/// A log that is longer, in bytes, is set aside when its process starts again.
const LONG_LOG: u64 = 16 * 1024 * 1024;

/// The boot that the times of processes count from (proc(5)).
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// A process. Numbers are used again, so it is the one that was started only while boot and start time are the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Process {
    pub(super) pid: u32,
    /// Clock ticks since the boot.
    start_ticks: u64,
    boot: String,
    /// When it was started, for people.
    pub(super) since_ms: Millis,
}

impl Process {
    /// Starts it for good: in a process group of its own, so that what a terminal sends to this command does not reach it,
    /// with nothing to read and a log to write to.
    ///
    /// # Errors
    /// If it cannot be started, or has ended already.
    pub(super) fn spawn(command: &mut Command, log: &Path) -> io::Result<Self> {
        let log = open_log(log)?;
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log))
            .spawn()?;
        Self::of(child.id())
    }

    /// The process that has this number now.
    fn of(pid: u32) -> io::Result<Self> {
        let (_, start_ticks) = look(pid).ok_or_else(|| io::Error::other("it ended at once"))?;
        Ok(Self { pid, start_ticks, boot: boot(), since_ms: SystemClock.now_ms() })
    }

    /// Whether it runs. One that ended but was not waited for does not.
    pub(super) fn is_alive(&self) -> bool {
        look(self.pid).is_some_and(|(state, ticks)| ticks == self.start_ticks && !matches!(state, 'Z' | 'X'))
            && self.boot == boot()
    }

    /// Sends a signal if it runs. Another process that has its number now never gets it.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            // It may have ended meanwhile.
            let _ = send(pid, signal, || self.is_alive());
        }
    }

    /// Those of its process group that it left behind when it ended. No other process gets its number while there is one,
    /// so another one that has it now is proof that there is none.
    pub(super) fn left_behind(&self) -> Vec<Self> {
        let is_another = look(self.pid).is_some_and(|(_, ticks)| ticks != self.start_ticks);
        if self.boot != boot() || is_another || self.is_alive() {
            return Vec::new();
        }
        group(self.pid).into_iter().filter_map(|pid| Self::of(pid).ok()).filter(Self::is_alive).collect()
    }

    /// Its memory in RAM, in bytes.
    pub(super) fn resident_bytes(&self) -> Option<u64> {
        metrics::process::resident_in(&fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?)
    }
}

/// The handle keeps the number from being used again between the look and the signal.
#[cfg(target_os = "linux")]
fn send(pid: Pid, signal: Signal, is_it: impl Fn() -> bool) -> rustix::io::Result<()> {
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
    let handle = pidfd_open(pid, PidfdFlags::empty())?;
    if is_it() { pidfd_send_signal(handle, signal) } else { Ok(()) }
}

#[cfg(not(target_os = "linux"))]
fn send(pid: Pid, signal: Signal, is_it: impl Fn() -> bool) -> rustix::io::Result<()> {
    if is_it() { rustix::process::kill_process(pid, signal) } else { Ok(()) }
}

/// Opens a log to write on at its end; nobody else may read it.
fn open_log(path: &Path) -> io::Result<File> {
    set_aside(path)?;
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// Renames a log that is too long, in the place of the one before; whether it was.
pub(super) fn set_aside(path: &Path) -> io::Result<bool> {
    let is_long = fs::metadata(path).is_ok_and(|log| log.len() > LONG_LOG);
    if is_long {
        fs::rename(path, path.with_extension("log.old"))?;
    }
    Ok(is_long)
}

/// The processes of a process group.
pub(super) fn group(leader: u32) -> Vec<u32> {
    let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let of = |pid: &u32| group_in(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?);
    pids.filter(|pid| of(pid) == Some(leader)).collect()
}

fn group_in(stat: &str) -> Option<u32> {
    // Field 5, and the state is field 3 (proc(5)).
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(2)?.parse().ok()
}

/// State and start time of a process.
fn look(pid: u32) -> Option<(char, u64)> {
    state_in(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn state_in(stat: &str) -> Option<(char, u64)> {
    // The second field is the program's name in brackets, with any characters in it: fields count from its end.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // Field 22, and the state is field 3 (proc(5)).
    Some((state, fields.nth(18)?.parse().ok()?))
}

fn boot() -> String {
    fs::read_to_string(BOOT).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::process::Child;

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").spawn().unwrap()
    }

    #[test]
    fn reads_the_format_of_proc() {
        let stat = "7 (a) b) S 1 6 1 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 1 0 98765 1 1";
        assert_eq!((state_in(stat), group_in(stat)), (Some(('S', 98_765)), Some(6)));
        assert_eq!(state_in("7 (a) S 1"), None);
    }

    #[test]
    fn a_process_that_has_the_number_of_another_is_left_alone() {
        let mut child = sleeper();
        let real = Process::of(child.id()).unwrap();
        assert!(real.is_alive());
        let earlier = Process { start_ticks: real.start_ticks - 1, ..real.clone() };
        let before_the_boot = Process { boot: "another".into(), ..real.clone() };
        for other in [earlier, before_the_boot] {
            assert!(!other.is_alive());
            other.signal(Signal::KILL);
        }
        assert!(real.is_alive() && child.try_wait().unwrap().is_none());
        real.signal(Signal::KILL);
        assert!(!child.wait().unwrap().success());
        assert!(!real.is_alive());
    }

    #[test]
    fn one_that_ended_does_not_run_even_if_nobody_waited_for_it() {
        let mut child = sleeper();
        let process = Process::of(child.id()).unwrap();
        child.kill().unwrap();
        let mut state = look(process.pid);
        while state.is_some_and(|(state, _)| state != 'Z') {
            state = look(process.pid);
        }
        assert!(state.is_some() && !process.is_alive());
        child.wait().unwrap();
    }

    #[test]
    fn what_it_left_behind_is_found() {
        let mut leader = Command::new("sh").args(["-c", "sleep 600 & wait"]).process_group(0).spawn().unwrap();
        let process = Process::of(leader.id()).unwrap();
        while group(process.pid).len() < 2 {}
        assert_eq!(process.left_behind(), []);
        leader.kill().unwrap();
        while process.is_alive() {}
        // Before anybody has waited for it, and after.
        let left = process.left_behind();
        leader.wait().unwrap();
        assert_eq!((left.len(), &process.left_behind()[0].pid), (1, &left[0].pid));
        left[0].signal(Signal::KILL);
        while left[0].is_alive() {}
        assert_eq!(process.left_behind(), []);
    }

    #[test]
    fn it_writes_to_its_log_behind_what_was_there_and_has_a_group_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("it.log");
        fs::write(&log, "before\n").unwrap();
        let process =
            Process::spawn(Command::new("sh").args(["-c", "echo out; echo err >&2; sleep 600"]), &log).unwrap();
        let group = rustix::process::getpgid(Pid::from_raw(process.pid.try_into().unwrap())).unwrap();
        assert_eq!(group.as_raw_nonzero().get(), i32::try_from(process.pid).unwrap());
        while !fs::read_to_string(&log).unwrap().ends_with("err\n") {
            assert!(process.is_alive());
        }
        assert_eq!(fs::read_to_string(&log).unwrap(), "before\nout\nerr\n");
        process.signal(Signal::KILL);
        while process.is_alive() {}
    }
}
