//! What the process may use: the limits of its container (cgroup v2, then v1), else what the machine has.

use std::{fs, num::NonZeroUsize, thread};

/// What cgroup v1 says in place of "no limit" is close to 2^63; no machine has so much.
const NO_LIMIT: u64 = 1 << 60;

/// Memory in bytes that this process may hold.
pub(super) fn memory_bytes() -> Option<u64> {
    let machine = machine_memory(&read("/proc/meminfo")?);
    let files = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let container = files.into_iter().find_map(|file| memory_limit(&read(file)?));
    [machine, container].into_iter().flatten().min()
}

/// Processor cores that this process may use, parts of one included.
pub(super) fn cpu_cores() -> Option<f64> {
    let machine = thread::available_parallelism().ok().map(|cores: NonZeroUsize| cores.get() as f64);
    let container = read("/sys/fs/cgroup/cpu.max").and_then(|text| cpu_limit(&text)).or_else(|| {
        let quota = read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")?;
        cpu_limit(&format!("{} {}", quota.trim(), read("/sys/fs/cgroup/cpu/cpu.cfs_period_us")?))
    });
    [machine, container].into_iter().flatten().reduce(f64::min)
}

fn read(file: &str) -> Option<String> {
    fs::read_to_string(file).ok()
}

fn machine_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn memory_limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|bytes| *bytes < NO_LIMIT)
}

/// `quota period` in microseconds; `max` or a negative quota is none.
fn cpu_limit(text: &str) -> Option<f64> {
    let mut parts = text.split_ascii_whitespace().map(str::parse::<f64>);
    let (quota, period) = (parts.next()?.ok()?, parts.next()?.ok()?);
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_the_kernel_writes_them() {
        assert_eq!(memory_limit("536870912\n"), Some(512 << 20));
        assert_eq!((memory_limit("max\n"), memory_limit("9223372036854771712\n")), (None, None));
        assert_eq!(machine_memory("MemTotal:       24684524 kB\nMemFree: 1 kB\n"), Some(24_684_524 * 1024));
        assert_eq!(cpu_limit("50000 100000\n"), Some(0.5));
        assert_eq!((cpu_limit("max 100000\n"), cpu_limit("-1 100000"), cpu_limit("")), (None, None, None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_machine_has_something() {
        assert!(memory_bytes().unwrap() > 0 && cpu_cores().unwrap() > 0.0);
    }
}
