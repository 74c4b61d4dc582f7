//! The programs that a cluster needs beside this one.

use std::{
    env,
    fmt::{self, Display},
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::error::ClusterError;

/// Where servers are installed that the `PATH` of a user often leaves out (Debian does).
const ALSO: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Name of the program, of its package, and what the cluster needs it for.
const NEEDED: [(&str, &str, &str); 2] =
    [("redis-server", "redis-server", "keeps what the replicas share"), ("nginx", "nginx", "spreads the clients")];

/// Where the programs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Programs {
    pub(super) redis: PathBuf,
    pub(crate) nginx: PathBuf,
}

/// A program that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    program: &'static str,
    package: &'static str,
    purpose: &'static str,
}

impl Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, package, purpose } = self;
        let brew = package.trim_end_matches("-server");
        write!(
            f,
            "{program} is missing, which {purpose}: `apt-get install {package}` (Debian, Ubuntu), `dnf install {brew}` \
             (Fedora), `apk add {brew}` (Alpine) or `brew install {brew}`"
        )
    }
}

impl Programs {
    /// Looks for them on the `PATH` and beside it.
    ///
    /// # Errors
    /// [`ClusterError::Missing`] names all that are not there.
    pub(crate) fn find() -> Result<Self, ClusterError> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders: Vec<_> = env::split_paths(&path).chain(ALSO.map(PathBuf::from)).collect();
        Self::find_in(&folders).map_err(ClusterError::Missing)
    }

    fn find_in(folders: &[PathBuf]) -> Result<Self, Vec<Missing>> {
        let find = |(program, package, purpose): (&'static str, &'static str, &'static str)| {
            let mut files = folders.iter().filter(|folder| folder.is_absolute()).map(|folder| folder.join(program));
            files.find(|file| is_program(file)).ok_or(Missing { program, package, purpose })
        };
        match NEEDED.map(find) {
            [Ok(redis), Ok(nginx)] => Ok(Self { redis, nginx }),
            found => Err(found.into_iter().filter_map(Result::err).collect()),
        }
    }
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Path, name: &str, mode: u32) {
        fs::write(folder.join(name), "").unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn all_that_is_missing_is_named_with_how_to_install_it() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().to_owned()];
        let both = Programs::find_in(&folders).unwrap_err();
        let said = ClusterError::Missing(both).to_string();
        assert!(said.contains("apt-get install redis-server") && said.contains("apt-get install nginx"), "{said}");
        put(folder.path(), "redis-server", 0o755);
        // Not a program.
        put(folder.path(), "nginx", 0o644);
        let one = Programs::find_in(&folders).unwrap_err();
        assert_eq!(one.iter().map(|missing| missing.program).collect::<Vec<_>>(), ["nginx"]);
        put(folder.path(), "nginx", 0o755);
        assert_eq!(Programs::find_in(&folders).unwrap().nginx, folder.path().join("nginx"));
    }

    #[test]
    fn what_the_working_folder_happens_to_hold_is_not_run() {
        assert!(Programs::find_in(&[PathBuf::new(), ".".into()]).is_err());
    }
}
