//! Memory, processor time and open files of this process, read from `/proc` at each scrape; nothing where there is no
//! `/proc`. Their names are those that Prometheus clients share. And how many files it may open.

use std::{
    path::Path,
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::allowance;

/// Clock ticks a second in `/proc/self/stat`: USER_HZ, 100 on every architecture Linux runs on today (proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;

/// Files that a process takes if the system allows so many: sockets of 30,000 clients, and as many to replicas.
const ENOUGH_FILES: u64 = 65_536;

/// Shows what the process uses, and what it may.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> std::fmt::Result {
        let bytes = Some(&Unit::Bytes);
        gauge(&mut to, "process_resident_memory", "Memory held, in bytes.", bytes, resident_bytes())?;
        gauge(&mut to, "process_open_fds", "Files open, sockets included.", None, open_files())?;
        let limit = open_file_limit().and_then(|limit| u64::try_from(limit).ok());
        gauge(&mut to, "process_max_fds", "Files that may be open: the soft limit.", None, limit)?;
        gauge(
            &mut to,
            "process_start_time",
            "When the process started, in seconds since 1970.",
            Some(&Unit::Seconds),
            start_time(),
        )?;
        let memory = allowance::memory_bytes();
        gauge(&mut to, "hubbub_memory_limit", "Memory of the container, else of the machine.", bytes, memory)?;
        if let Some(cores) = allowance::cpu_cores() {
            let gauge = ConstGauge::new(cores);
            let help = "Processor cores of the container, else of the machine.";
            gauge.encode(to.encode_descriptor("hubbub_cpu_limit_cores", help, None, gauge.metric_type())?)?;
        }
        if let Some(seconds) = cpu_seconds() {
            let counter = ConstCounter::new(seconds);
            let help = "Processor time used, user and system, in seconds.";
            let unit = Some(&Unit::Seconds);
            counter.encode(to.encode_descriptor("process_cpu", help, unit, counter.metric_type())?)?;
        }
        Ok(())
    }
}

fn gauge(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: Option<u64>,
) -> std::fmt::Result {
    let Some(value) = value else { return Ok(()) };
    let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    gauge.encode(to.encode_descriptor(name, help, unit, gauge.metric_type())?)
}

/// Memory of this process that is in RAM, in bytes.
pub fn resident_bytes() -> Option<u64> {
    resident_in(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// Processor time this process has used, in seconds.
pub fn cpu_seconds() -> Option<f64> {
    cpu_in(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// Files this process has open.
pub fn open_files() -> Option<u64> {
    let folder = Path::new("/proc/self/fd");
    // Since Linux 6.2 the folder's size is their number (proc(5)); before it is 0, and they are counted.
    match std::fs::metadata(folder).ok()?.len() {
        0 => u64::try_from(std::fs::read_dir(folder).ok()?.count()).ok(),
        files => Some(files),
    }
}

/// The soft limit of open files of this process, which a shell shows with `ulimit -n`; `usize::MAX` where there is none.
pub fn open_file_limit() -> Option<usize> {
    open_file_limit_in(&std::fs::read_to_string("/proc/self/limits").ok()?)
}

/// Raises the soft limit of open files to the hard one, or to 65,536 if that allows more: shells and containers start
/// programs with few, and each connection is one. Where the system refuses, it stays as it was.
pub fn raise_file_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(ENOUGH_FILES, |maximum| maximum.min(ENOUGH_FILES));
    if current.is_some_and(|current| current < wanted) {
        // With fewer there is room for fewer clients, and who asks is told for how many.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
}

/// The soft limit of open files that a `/proc/<process>/limits` tells.
pub(crate) fn open_file_limit_in(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_ascii_whitespace().next()? {
        "unlimited" => Some(usize::MAX),
        soft => soft.parse().ok(),
    }
}

/// When this process was first asked, which is at its start, in seconds since 1970.
fn start_time() -> Option<u64> {
    static START: OnceLock<Option<u64>> = OnceLock::new();
    *START.get_or_init(|| SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs()))
}

/// Notes when the process started.
pub(super) fn started() {
    start_time();
}

/// The resident memory that a `/proc/<process>/status` tells, in bytes.
pub(crate) fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn cpu_in(stat: &str) -> Option<f64> {
    // The second field is the program's name in brackets, with any characters in it: fields count from its end.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_formats_of_proc() {
        assert_eq!(resident_in("Name:\thubbub\nVmRSS:\t    1234 kB\n"), Some(1234 * 1024));
        assert_eq!(resident_in("Name:\thubbub\n"), None);
        let stat = "7 (a) b) S 1 1 1 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 1 0 5 1 1";
        assert_eq!(cpu_in(stat), Some(2.0));
        assert_eq!(cpu_in(""), None);
    }

    #[test]
    fn the_file_limit_is_read_as_proc_writes_it() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            4096                 524288               files     \n";
        assert_eq!(open_file_limit_in(limits), Some(4096));
        assert_eq!(open_file_limit_in("Max open files  unlimited unlimited files"), Some(usize::MAX));
        assert_eq!(open_file_limit_in(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn reads_this_process() {
        assert!(resident_bytes().unwrap() > 0);
        assert!(cpu_seconds().unwrap() >= 0.0);
        assert!(open_files().unwrap() > 2 && open_file_limit().unwrap() > 2);
    }
}
