//! What the process may use: the limits of its container or service (cgroup v2 and v1), else what the machine has.

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    thread,
};

/// What cgroup v1 says in place of "no limit" is close to 2^63; no machine has so much.
const NO_LIMIT: u64 = 1 << 60;

/// Memory in bytes that this process may hold.
pub(super) fn memory_bytes() -> Option<u64> {
    let machine = machine_memory(&read("/proc/meminfo")?);
    let files = groups("memory").flat_map(|group| ["memory.max", "memory.limit_in_bytes"].map(|file| group.join(file)));
    let limits = files.filter_map(|file| memory_limit(&read(file)?));
    limits.chain(machine).min()
}

/// Processor cores that this process may use, parts of one included.
pub(super) fn cpu_cores() -> Option<f64> {
    let machine = thread::available_parallelism().ok().map(|cores: NonZeroUsize| cores.get() as f64);
    let limits = groups("cpu").filter_map(|group| {
        read(group.join("cpu.max")).and_then(|text| cpu_limit(&text)).or_else(|| {
            let quota = read(group.join("cpu.cfs_quota_us"))?;
            cpu_limit(&format!("{} {}", quota.trim(), read(group.join("cpu.cfs_period_us"))?))
        })
    });
    limits.chain(machine).reduce(f64::min)
}

/// The groups whose limits for a controller hold for this process.
fn groups(controller: &str) -> impl Iterator<Item = PathBuf> {
    groups_of(&read("/proc/self/cgroup").unwrap_or_default(), controller).into_iter()
}

/// The folders of the groups that `/proc/self/cgroup` names for a controller, and of all around them: the least limit
/// counts. In a container the outermost may be its own, and what is named not be there (cgroups(7), cgroup_namespaces(7)).
fn groups_of(cgroups: &str, controller: &str) -> Vec<PathBuf> {
    let mut groups = Vec::new();
    for line in cgroups.lines() {
        let Some((controllers, path)) = line.split_once(':').and_then(|(_, rest)| rest.split_once(':')) else {
            continue;
        };
        let root = Path::new("/sys/fs/cgroup");
        let root = match controllers {
            // Version 2 has one tree for all.
            "" => root.to_owned(),
            names if names.split(',').any(|name| name == controller) => root.join(controller),
            _ => continue,
        };
        groups.extend(Path::new(path.trim_start_matches('/')).ancestors().map(|group| root.join(group)));
    }
    groups
}

fn read(file: impl AsRef<Path>) -> Option<String> {
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

    #[test]
    fn the_limits_of_every_group_around_count() {
        let of = |cgroups, controller| {
            let groups = groups_of(cgroups, controller).into_iter();
            groups.map(|group| group.to_str().unwrap().trim_end_matches('/').to_owned()).collect::<Vec<_>>()
        };
        let systemd = ["/sys/fs/cgroup/system.slice/hubbub.service", "/sys/fs/cgroup/system.slice", "/sys/fs/cgroup"];
        assert_eq!(of("0::/system.slice/hubbub.service\n", "memory"), systemd);
        assert_eq!(of("0::/\n", "cpu"), ["/sys/fs/cgroup"]);
        let first = "5:cpu,cpuacct:/docker/c0ffee\n4:memory:/\n1:name=systemd:/init.scope\n";
        assert_eq!(of(first, "memory"), ["/sys/fs/cgroup/memory"]);
        assert_eq!(
            of(first, "cpu"),
            ["/docker/c0ffee", "/docker", ""].map(|group| format!("/sys/fs/cgroup/cpu{group}"))
        );
        assert_eq!(of("", "cpu"), [""; 0]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_machine_has_something() {
        assert!(memory_bytes().unwrap() > 0 && cpu_cores().unwrap() > 0.0);
    }
}
