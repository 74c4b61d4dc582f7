//! Looks at the host. Judges nothing.

use std::{
    fs::{self, OpenOptions},
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use crate::metrics::process;

/// The name that this program's processes have.
const OURS: &str = "hubbub";

/// Who has a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PortState {
    /// Nobody.
    Free,
    /// A process, if the system tells which: its id and name.
    Taken(Option<(u32, String)>),
    /// It cannot be listened on, for a reason of the system's.
    Refused(String),
}

impl PortState {
    /// The process of this program that has it.
    pub(super) fn hubbub(&self) -> Option<u32> {
        match self {
            Self::Taken(Some((pid, name))) if name == OURS => Some(*pid),
            _ => None,
        }
    }
}

/// Tries a port. Port 0 is any that is free.
pub(super) fn port(host: IpAddr, port: u16) -> PortState {
    match TcpListener::bind(SocketAddr::new(host, port)) {
        Ok(_) => PortState::Free,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => PortState::Taken(listener(port)),
        Err(error) => PortState::Refused(error.to_string()),
    }
}

/// The process that listens on a port; none where the system does not tell, as of other users' processes.
fn listener(port: u16) -> Option<(u32, String)> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|file| fs::read_to_string(file).unwrap_or_default());
    let sockets: Vec<_> =
        tables.iter().flat_map(|table| inodes(table, port)).map(|inode| format!("socket:[{inode}]")).collect();
    if sockets.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).find_map(|pid| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
        let mut targets = files.filter_map(|file| fs::read_link(file.path()).ok());
        targets.any(|target| sockets.iter().any(|socket| target == Path::new(socket))).then(|| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            (pid, name.trim().to_owned())
        })
    })
}

/// The sockets that listen on a port, in a table such as `/proc/net/tcp`.
fn inodes(table: &str, port: u16) -> Vec<u64> {
    const LISTENS: &str = "0A";
    let lines = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let (address, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let of_port = u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok()? == port;
        (of_port && *state == LISTENS).then(|| inode.parse().ok())?
    });
    lines.collect()
}

/// The open-file limit of a process, or what a server has that is started as this one was.
pub(super) fn file_limit(of: Option<u32>) -> Option<usize> {
    match of {
        Some(pid) => process::open_file_limit_in(&fs::read_to_string(format!("/proc/{pid}/limits")).ok()?),
        None => {
            process::raise_file_limit();
            process::open_file_limit()
        }
    }
}

/// The folder of a file that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folder {
    /// It, or the nearest above it that is there.
    pub(super) path: PathBuf,
    /// Why nothing can be written to it; none when something can.
    pub(super) refuses: Option<String>,
    /// Free bytes on its disk, where the system tells.
    pub(super) free: Option<u64>,
}

/// Tries the folder of a file.
pub(super) fn folder(file: &Path) -> Folder {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let path = parent.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new(".")).to_owned();
    let trial = path.join(format!(".hubbub-doctor-{}", std::process::id()));
    let tried = OpenOptions::new().write(true).create_new(true).open(&trial).and_then(|_| fs::remove_file(&trial));
    let free = rustix::fs::statvfs(&path).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    Folder { path, refuses: tried.err().map(|error| error.to_string()), free }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_is_read_as_the_kernel_writes_it() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:0BB9 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100\n\
            1: 0100007F:0BB9 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0 100\n\
            2: 0100007F:0BBA 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4713 1 0 100\n";
        assert_eq!(inodes(table, 3001), [4711]);
        assert_eq!(inodes(table, 80), [0_u64; 0]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_port_is_free_or_somebodys() {
        let host = IpAddr::from([127, 0, 0, 1]);
        let taken = TcpListener::bind((host, 0)).unwrap();
        let number = taken.local_addr().unwrap().port();
        let PortState::Taken(Some((pid, _))) = port(host, number) else { panic!("taken") };
        assert_eq!(pid, std::process::id());
        assert_eq!(port(host, 0), PortState::Free);
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_made_in_the_one_above() {
        let above = tempfile::tempdir().unwrap();
        let seen = folder(&above.path().join("data/deep/hubbub.db"));
        assert_eq!((seen.path.as_path(), seen.refuses), (above.path(), None));
        assert!(seen.free.is_some_and(|free| free > 0));
        assert_eq!(fs::read_dir(above.path()).unwrap().count(), 0, "nothing is left behind");
    }
}
