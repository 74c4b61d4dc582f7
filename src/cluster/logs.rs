//! The logs of the parts: their ends, and what comes.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    thread,
    time::Duration,
};

use super::{
    args::LogsArgs,
    error::ClusterError,
    folder::Folder,
    state::{Replica, State},
};

/// How often a log is looked at for more.
const LOOK: Duration = Duration::from_millis(200);

/// Bytes at the end of a log that are searched for its last lines.
const TAIL: u64 = 4 * 1024 * 1024;

/// A log, and how far it was shown.
struct Log {
    name: String,
    path: PathBuf,
    /// Which file it was: another one with its path begins anew.
    file: Option<u64>,
    at: u64,
}

/// Prints the last lines of logs, and what comes if that is asked for.
///
/// # Errors
/// [`ClusterError::Usage`] for a name that no part has; if a log cannot be read.
pub(super) fn show(state: &State, folder: &Folder, args: &LogsArgs) -> Result<(), ClusterError> {
    let mut logs = chosen(state, folder, args.name.as_deref())?;
    // Of one there is no doubt whose line it is.
    let width = if logs.len() == 1 { 0 } else { logs.iter().map(|log| log.name.len()).max().unwrap_or_default() };
    let mut out = io::stdout().lock();
    let mut show = || -> io::Result<()> {
        for log in &mut logs {
            log.last(&mut out, args.lines, width)?;
        }
        out.flush()?;
        if !args.follow {
            return Ok(());
        }
        loop {
            thread::sleep(LOOK);
            for log in &mut logs {
                log.more(&mut out, width)?;
            }
            out.flush()?;
        }
    };
    match show() {
        // Who read it has seen enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}

fn chosen(state: &State, folder: &Folder, name: Option<&str>) -> Result<Vec<Log>, ClusterError> {
    let own = |name: &str| Log::new(name, folder.log(name));
    let nginx = || [own("nginx"), Log::new("nginx", folder.nginx().join("error.log"))];
    Ok(match name {
        None => {
            let replicas = state.replicas.iter().map(|replica| own(&replica.name()));
            std::iter::once(own("redis")).chain(replicas).chain(nginx()).collect()
        }
        Some("redis") => vec![own("redis")],
        Some("nginx") => nginx().into(),
        Some("access") => vec![Log::new("access", folder.nginx().join("access.log"))],
        Some(name) => {
            let known = state.replicas.iter().any(|replica| replica.name() == name);
            // Of one that was scaled away it is still there.
            let number = name.strip_prefix("hubbub-").and_then(|number| number.parse().ok());
            if !known && !number.is_some_and(|number| folder.log(&Replica::new(number).name()).exists()) {
                let names: Vec<_> = state.replicas.iter().map(Replica::name).collect();
                let names = names.join(", ");
                return Err(ClusterError::Usage(format!(
                    "'{name}' has no log; there are redis, {names}, nginx, access"
                )));
            }
            vec![own(name)]
        }
    })
}

impl Log {
    fn new(name: &str, path: PathBuf) -> Self {
        Self { name: name.to_owned(), path, file: None, at: 0 }
    }

    /// Prints the last lines.
    fn last(&mut self, out: &mut impl Write, lines: usize, width: usize) -> io::Result<()> {
        let Some((mut file, length)) = self.open()? else { return Ok(()) };
        let from = length.saturating_sub(TAIL);
        file.seek(SeekFrom::Start(from))?;
        let mut last = VecDeque::new();
        let mut rest = BufReader::new(file.take(length - from));
        let mut line = Vec::new();
        while rest.read_until(b'\n', &mut line)? > 0 {
            self.at = length;
            last.push_back(std::mem::take(&mut line));
            if last.len() > lines {
                last.pop_front();
            }
        }
        self.at = length;
        last.iter().try_for_each(|line| self.print(out, line, width))
    }

    /// Prints the lines that came since; of one that is not whole its beginning waits for its end.
    fn more(&mut self, out: &mut impl Write, width: usize) -> io::Result<()> {
        let Some((mut file, length)) = self.open()? else { return Ok(()) };
        if length <= self.at {
            return Ok(());
        }
        file.seek(SeekFrom::Start(self.at))?;
        let mut rest = BufReader::new(file.take(length - self.at));
        let mut line = Vec::new();
        while rest.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            self.at += line.len() as u64;
            self.print(out, &line, width)?;
            line.clear();
        }
        Ok(())
    }

    fn print(&self, out: &mut impl Write, line: &[u8], width: usize) -> io::Result<()> {
        if width > 0 {
            write!(out, "{:width$} | ", self.name)?;
        }
        out.write_all(line.strip_suffix(b"\n").unwrap_or(line))?;
        out.write_all(b"\n")
    }

    /// The file as it is now; none if there is none yet.
    fn open(&mut self) -> io::Result<Option<(File, u64)>> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let about = file.metadata()?;
        if self.file.replace(about.ino()).is_some_and(|before| before != about.ino()) || about.len() < self.at {
            self.at = 0;
        }
        Ok(Some((file, about.len())))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn append(path: &Path, text: &str) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn the_last_lines_and_what_comes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut log = Log::new("a", path.clone());
        let shown = |log: &mut Log, last: Option<usize>| {
            let mut out = Vec::new();
            match last {
                Some(lines) => log.last(&mut out, lines, 3).unwrap(),
                None => log.more(&mut out, 3).unwrap(),
            }
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown(&mut log, Some(2)), "", "it is not there yet");
        append(&path, "one\ntwo\nthree\n");
        assert_eq!(shown(&mut log, Some(2)), "a   | two\na   | three\n");
        append(&path, "four\nfi");
        assert_eq!(shown(&mut log, None), "a   | four\n");
        append(&path, "ve\n");
        assert_eq!(shown(&mut log, None), "a   | five\n");
        assert_eq!(shown(&mut log, None), "");
        fs::rename(&path, folder.path().join("a.log.old")).unwrap();
        append(&path, "six\n");
        assert_eq!(shown(&mut log, None), "a   | six\n");
    }
}
