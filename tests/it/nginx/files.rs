//! nginx takes the files, as they are shipped and as they are made, without a warning, as root and as anybody.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::Path,
    process::Command,
};

use hubbub::cluster::nginx::Strategy;
use tempfile::TempDir;

use super::nobody;
use crate::support::{
    nginx::{layout, run},
    process::free_port,
};

/// Nobody in particular.
const ANYBODY: u32 = 65_534;

/// Has nginx check a configuration, as anybody where the test may choose: it may complain of nothing but that.
#[track_caller]
fn check(mut command: Command, folder: &Path) {
    command.arg("-t");
    for part in [folder.to_path_buf(), folder.join("strategies")] {
        fs::set_permissions(part, fs::Permissions::from_mode(0o777)).unwrap();
    }
    // Its own: root's, if the test is.
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(ANYBODY).gid(ANYBODY);
    }
    let output = run(command);
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    let logged = fs::read_to_string(folder.join("error.log")).unwrap_or_default();
    assert!(output.status.success(), "{said}{logged}");
    let told = said + &logged;
    let complaints: Vec<_> =
        ["[warn]", "[error]", "[alert]", "[emerg]"].into_iter().filter(|level| told.contains(level)).collect();
    assert!(complaints.is_empty(), "{told}");
}

#[test]
fn every_strategy_is_taken_as_made() {
    for strategy in Strategy::ALL {
        let folder = TempDir::new().unwrap();
        let layout = layout(folder.path(), strategy, &nobody(3));
        layout.write().unwrap();
        check(layout.command(Path::new("nginx")), folder.path());
    }
}

/// The shipped files with what cannot be had here replaced: names of other machines, ports and paths that somebody may
/// have, more files than this process may open.
fn shipped(folder: &Path, change: impl Fn(String) -> String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("nginx");
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    fs::create_dir(folder.join("strategies")).unwrap();
    for entry in fs::read_dir(root.join("strategies")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.join("strategies").join(path.file_name().unwrap())).unwrap();
    }
    let config = change(read("nginx.conf"))
        .replace("hubbub-", "127.0.0.")
        .replace("/tmp/127.0.0.", &format!("{}/", folder.display()))
        .replace("worker_connections 40000;", "worker_connections 256;")
        .replace("/dev/stdout", &folder.join("access.log").display().to_string())
        .replace("listen 3001 ", &format!("listen 127.0.0.1:{} ", free_port()))
        .replace("listen [::]:3001 ", &format!("listen [::1]:{} ", free_port()));
    fs::write(folder.join("nginx.conf"), config).unwrap();
}

fn nginx(folder: &Path) -> Command {
    let mut command = Command::new("nginx");
    command.args(["-e", "stderr", "-c"]).arg(folder.join("nginx.conf"));
    command
}

#[test]
fn what_is_shipped_is_taken_with_every_strategy() {
    for strategy in Strategy::ALL {
        let folder = TempDir::new().unwrap();
        shipped(folder.path(), |config| {
            assert_eq!(config.matches(" ip_hash;\n").count(), 1);
            config.replace(" ip_hash;\n", &format!(" include strategies/{}.conf;\n", strategy.name()))
        });
        check(nginx(folder.path()), folder.path());
    }
}
