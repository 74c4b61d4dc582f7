//! One process at a time: a lock on a file, such as the one beside the database.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

/// Held as long as it lives; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: File,
}

/// Why the lock was not taken.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process has it; the file names it, if it could be read.
    Held(Option<u32>),
    /// The file cannot be made or locked.
    Io(io::Error),
}

/// Whether a database is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockState {
    /// By nobody.
    Free,
    /// By this process, if its id could be read.
    Held(Option<u32>),
    /// The lock file cannot be looked at: what the system said.
    Unknown(String),
}

/// Looks whether a database is in use, and leaves everything as it is.
pub fn lock_state(database: &Path) -> LockState {
    let mut file = match File::open(lock_path(database)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return LockState::Free,
        Err(error) => return LockState::Unknown(error.to_string()),
    };
    // Shared: two who only look do not see each other.
    match file.try_lock_shared() {
        Ok(()) => LockState::Free,
        Err(TryLockError::WouldBlock) => LockState::Held(read_pid(&mut file)),
        Err(TryLockError::Error(error)) => LockState::Unknown(error.to_string()),
    }
}

/// The lock file of a database.
pub(super) fn lock_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

impl FileLock {
    /// Takes the lock and writes this process's id into the file. The file stays behind when the lock goes: to remove
    /// it would let two processes lock two different files of one name.
    pub(crate) fn acquire(path: &Path) -> Result<Self, LockError> {
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held(read_pid(&mut file))),
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        write_pid(&mut file).map_err(LockError::Io)?;
        Ok(Self { file })
    }
}

impl Drop for FileLock {
    /// Lets go by itself: closing the file does so only with its last copy, and a process that is being started has one
    /// until it runs its own program.
    fn drop(&mut self) {
        // Failing, it is let go of with the last copy all the same.
        let _ = self.file.unlock();
    }
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = lock_path(&dir.path().join("a.db"));
        assert_eq!(lock_state(&dir.path().join("a.db")), LockState::Free);
        let first = FileLock::acquire(&path).unwrap();
        assert_eq!(lock_state(&dir.path().join("a.db")), LockState::Held(Some(std::process::id())));
        assert!(matches!(FileLock::acquire(&path), Err(LockError::Held(Some(pid))) if pid == std::process::id()));
        drop(first);
        assert_eq!(lock_state(&dir.path().join("a.db")), LockState::Free);
        assert!(FileLock::acquire(&path).is_ok());
    }
}
