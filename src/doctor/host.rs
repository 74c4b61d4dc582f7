//! The machine: open files, the port, the disk.

use std::{net::IpAddr, ops::RangeInclusive, path::Path};

use super::{
    finding::Finding,
    probe::{Folder, PortState},
};
use crate::broker::local::LockState;

/// Fewer connections than this are too few for a server that others use: what is left of the 1,024 files that most systems
/// start programs with.
const FEW_SESSIONS: usize = 1_000;

/// Free space below which the store is at risk, and below which it soon is, in bytes.
const LITTLE_SPACE: (u64, u64) = (100 << 20, 1 << 30);

/// The open-file limit: one file for each connection, and some beside.
pub(super) fn open_files(limit: Option<usize>, of: Option<u32>, max_sessions: usize, reserved: usize) -> Finding {
    const CHECK: &str = "open files";
    let whose = of.map_or_else(|| "of this shell".to_owned(), |pid| format!("of process {pid}, which runs"));
    let raise = "raise it: `ulimit -n 65536`, LimitNOFILE= of a systemd unit, `ulimits:` of a compose file";
    let Some(limit) = limit else {
        return Finding::note(CHECK, "the limit cannot be seen: there is no /proc", "see `ulimit -n`");
    };
    if limit == usize::MAX {
        return Finding::ok(CHECK, format!("without limit ({whose})"));
    }
    let room = limit.saturating_sub(reserved);
    let what = format!("{limit} ({whose}): room for {room} connections");
    if max_sessions > room {
        let fix = format!("{raise}; MAX_SESSIONS={max_sessions} needs {}", max_sessions.saturating_add(reserved));
        Finding::fail(CHECK, format!("{what}, and MAX_SESSIONS is {max_sessions}"), fix)
    } else if room < FEW_SESSIONS {
        Finding::warn(CHECK, what, raise)
    } else {
        Finding::ok(CHECK, what)
    }
}

/// The port: free, or this program's own.
pub(super) fn port(host: IpAddr, ports: RangeInclusive<u16>, states: &[PortState]) -> Finding {
    const CHECK: &str = "port";
    let (first, last) = (*ports.start(), *ports.end());
    if first == 0 {
        return Finding::ok(CHECK, format!("any that is free on {host}"));
    }
    let free = states.iter().position(|state| *state == PortState::Free);
    if last > first {
        let count = states.iter().filter(|state| **state == PortState::Free).count();
        return match free {
            Some(_) => Finding::ok(CHECK, format!("{count} of {first}-{last} are free on {host}")),
            None => Finding::fail(
                CHECK,
                format!("all of {first}-{last} are taken on {host}"),
                "widen PORT_RANGE_START to PORT_RANGE_END, or end what has them",
            ),
        };
    }
    match states.first() {
        Some(PortState::Taken(Some((pid, _)))) if states.iter().any(|state| state.hubbub().is_some()) => {
            let what = format!("{first} on {host} is taken by process {pid}: Hubbub runs");
            Finding::note(CHECK, what, "nothing, unless a second one is to start here")
        }
        Some(PortState::Taken(by)) => {
            let by =
                by.as_ref().map_or_else(|| "another process".into(), |(pid, name)| format!("process {pid} ({name})"));
            let fix = format!("end it, or set PORT; `ss -ltnp 'sport = :{first}'` shows it");
            Finding::fail(CHECK, format!("{first} on {host} is taken by {by}"), fix)
        }
        Some(PortState::Refused(why)) => {
            let fix = "set HOST to an address of this machine, and PORT to 1024 or more for an ordinary user";
            Finding::fail(CHECK, format!("{host}:{first} cannot be listened on: {why}"), fix)
        }
        _ => Finding::ok(CHECK, format!("{first} is free on {host}")),
    }
}

/// The folder of the store's file.
pub(super) fn data(file: &Path, folder: &Folder) -> Finding {
    const CHECK: &str = "data folder";
    let path = folder.path.display();
    if let Some(why) = &folder.refuses {
        let fix = format!("let the user who runs Hubbub write there, or set store.path (now {})", file.display());
        return Finding::fail(CHECK, format!("nothing can be written to {path}: {why}"), fix);
    }
    let Some(free) = folder.free else { return Finding::ok(CHECK, format!("{path} can be written to")) };
    let what = format!("{path} can be written to; {} MB are free", free >> 20);
    let fix = "make room, or set store.path to a larger disk; history.max_entries bounds what is kept of a room";
    match free {
        free if free < LITTLE_SPACE.0 => Finding::fail(CHECK, what, fix),
        free if free < LITTLE_SPACE.1 => Finding::warn(CHECK, what, fix),
        _ => Finding::ok(CHECK, what),
    }
}

/// The lock of the store's file.
pub(super) fn lock(file: &Path, state: &LockState) -> Finding {
    const CHECK: &str = "data file";
    let file = file.display();
    match state {
        LockState::Free => Finding::ok(CHECK, format!("nobody uses {file}")),
        LockState::Held(pid) => {
            let by = pid.map_or_else(|| "a process".into(), |pid| format!("process {pid}"));
            let fix = "nothing, unless a second server is to start: it needs a store.path of its own";
            Finding::note(CHECK, format!("{file} is in use by {by}"), fix)
        }
        LockState::Unknown(why) => {
            let fix = "let the user who runs Hubbub read and write it";
            Finding::fail(CHECK, format!("the lock of {file} cannot be read: {why}"), fix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn files_are_held_against_the_connections_they_are_for() {
        let level = |limit, max| open_files(limit, None, max, 256).level;
        assert_eq!(level(Some(65_536), 0), Level::Ok);
        assert_eq!(level(Some(1_024), 0), Level::Warn);
        assert_eq!(level(Some(4_096), 3_840), Level::Ok);
        assert_eq!(level(Some(4_096), 3_841), Level::Fail);
        assert_eq!((level(Some(usize::MAX), 9_999_999), level(None, 0)), (Level::Ok, Level::Note));
        assert!(open_files(Some(9_000), Some(7), 0, 256).what.contains("process 7"));
    }

    #[test]
    fn a_port_is_free_ours_or_somebody_elses() {
        let taken = |name: &str| PortState::Taken(Some((7, name.to_owned())));
        let one = |state| port(HERE, 3001..=3001, &[state]);
        assert_eq!(one(PortState::Free).level, Level::Ok);
        assert_eq!(one(taken("hubbub")).level, Level::Note);
        let other = one(taken("python3"));
        assert_eq!((other.level, other.what.contains("process 7 (python3)")), (Level::Fail, true));
        assert_eq!(one(PortState::Taken(None)).level, Level::Fail);
        assert_eq!(one(PortState::Refused("no".into())).level, Level::Fail);
        let many = |states: &[PortState]| port(HERE, 3101..=3102, states).level;
        assert_eq!(many(&[taken("a"), PortState::Free]), Level::Ok);
        assert_eq!(many(&[taken("a"), taken("hubbub")]), Level::Fail);
        assert_eq!(port(HERE, 0..=0, &[PortState::Free]).level, Level::Ok);
    }

    #[test]
    fn a_disk_has_room_or_not() {
        let folder = |refuses: Option<&str>, free| Folder { path: "d".into(), refuses: refuses.map(Into::into), free };
        let level = |folder: &Folder| data(Path::new("d/hubbub.db"), folder).level;
        assert_eq!(level(&folder(None, Some(1 << 40))), Level::Ok);
        assert_eq!(level(&folder(None, Some(500 << 20))), Level::Warn);
        assert_eq!(level(&folder(None, Some(5 << 20))), Level::Fail);
        assert_eq!(level(&folder(None, None)), Level::Ok);
        assert_eq!(level(&folder(Some("permission denied"), Some(1 << 40))), Level::Fail);
    }

    #[test]
    fn a_file_in_use_is_only_noted() {
        let level = |state| lock(Path::new("hubbub.db"), &state).level;
        assert_eq!(level(LockState::Free), Level::Ok);
        assert_eq!(level(LockState::Held(Some(7))), Level::Note);
        assert_eq!(level(LockState::Unknown("denied".into())), Level::Fail);
    }
}
