//! Memory and processor time of this process, read from `/proc` at each scrape; nothing where there is no `/proc`.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

/// Clock ticks a second in `/proc/self/stat`: USER_HZ, 100 on every architecture Linux runs on today (proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;

/// Shows `process_resident_memory_bytes` and `process_cpu_seconds_total`, by the names Prometheus clients share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        if let Some(bytes) = resident_bytes() {
            let gauge = ConstGauge::new(i64::try_from(bytes).unwrap_or(i64::MAX));
            let name = "process_resident_memory_bytes";
            gauge.encode(encoder.encode_descriptor(
                name,
                "Memory held, in bytes.",
                None,
                EncodeMetric::metric_type(&gauge),
            )?)?;
        }
        if let Some(seconds) = cpu_seconds() {
            let counter = ConstCounter::new(seconds);
            counter.encode(encoder.encode_descriptor(
                "process_cpu_seconds",
                "Processor time used, user and system, in seconds.",
                None,
                EncodeMetric::metric_type(&counter),
            )?)?;
        }
        Ok(())
    }
}

/// Memory of this process that is in RAM, in bytes.
pub fn resident_bytes() -> Option<u64> {
    resident_in(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// Processor time this process has used, in seconds.
pub fn cpu_seconds() -> Option<f64> {
    cpu_in(&std::fs::read_to_string("/proc/self/stat").ok()?)
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

    #[cfg(target_os = "linux")]
    #[test]
    fn reads_this_process() {
        assert!(resident_bytes().unwrap() > 0);
        assert!(cpu_seconds().unwrap() >= 0.0);
    }
}
