//! The folder that a cluster lives in: where what is in it.

use std::{
    fs::{self, DirBuilder},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::error::ClusterError;

/// What a cluster puts into its folder; nothing else is removed with it. Last the lock, which whoever removes it holds.
const CONTENT: [&str; 6] = ["cluster.json", "cluster.new", "redis", "nginx", "logs", "lock"];

/// The folder of a cluster, by its absolute path.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`, which need not be there.
    ///
    /// # Errors
    /// If the path is empty, or there is no working folder that it could start from.
    pub(super) fn at(path: &Path) -> Result<Self, ClusterError> {
        Ok(Self(std::path::absolute(path).map_err(ClusterError::file(path))?))
    }

    /// Makes it, with the folders in it, for its owner alone: it holds secrets and messages.
    ///
    /// # Errors
    /// If that cannot be.
    pub(super) fn make(&self) -> Result<(), ClusterError> {
        // What it stands in is nobody's secret.
        let above = self.0.parent().unwrap_or(&self.0);
        fs::create_dir_all(above).map_err(ClusterError::file(above))?;
        for folder in [self.0.clone(), self.redis(), self.logs()] {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700).create(&folder).map_err(ClusterError::file(folder))?;
        }
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn state(&self) -> PathBuf {
        self.0.join("cluster.json")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    pub(super) fn redis(&self) -> PathBuf {
        self.0.join("redis")
    }

    pub(super) fn nginx(&self) -> PathBuf {
        self.0.join("nginx")
    }

    /// What the part of this name writes to its standard output and error.
    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// Removes what a cluster put there, and the folder if that was all.
    ///
    /// # Errors
    /// If something cannot be removed.
    pub(super) fn purge(&self) -> Result<(), ClusterError> {
        for name in CONTENT {
            let path = self.0.join(name);
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(ClusterError::file(path)(error)),
                _ => {}
            }
        }
        // Somebody may have put something there.
        let _ = fs::remove_dir(&self.0);
        Ok(())
    }
}

/// Writes a file that only its owner may read, whole or not at all.
///
/// # Errors
/// If that cannot be.
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), ClusterError> {
    let new = path.with_extension("new");
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(ClusterError::file(path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_its_owners_and_only_what_is_its_own_is_removed() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::at(&place.path().join("a/cluster")).unwrap();
        folder.make().unwrap();
        write_private(&folder.state(), "{}").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(folder.path()), mode(&folder.state())), (0o700, 0o600));
        assert_ne!(mode(&place.path().join("a")), 0o700);
        fs::write(folder.state().with_extension("new"), "{").unwrap();
        fs::write(folder.path().join("mine"), "").unwrap();
        folder.purge().unwrap();
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["mine"]);
        fs::remove_file(folder.path().join("mine")).unwrap();
        folder.purge().unwrap();
        assert!(!folder.path().exists());
    }
}
