//! The load tests of `loadtest/`: that k6 takes each, that they pass where all is well, and that they fail where not.

mod meddler;

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::support::*;
use meddler::{Fault, Meddler};

/// Every script there is to be.
const SCRIPTS: [&str; 8] =
    ["fanout", "ramp", "reconnect_storm", "rolling_restart", "rooms", "slow_reader", "smoke", "soak"];

/// What each must hold: no loss, no duplicates, one order, and in time.
const THRESHOLDS: [&str; 11] = [
    "chat_joined",
    "chat_acked",
    "chat_complete",
    "chat_lost",
    "chat_gaps",
    "chat_duplicates",
    "chat_reordered",
    "chat_log_wrong",
    "chat_finished",
    "chat_ack_time",
    "chat_delivery_time",
];

/// A small run: 10 sockets in 3 rooms. How long anything takes is not what these tests ask.
const SMALL: [(&str, &str); 8] = [
    ("VUS", "2"),
    ("SOCKETS", "5"),
    ("MESSAGES", "6"),
    ("INTERVAL_MS", "200"),
    ("ACK_P95_MS", "30000"),
    ("ACK_P99_MS", "30000"),
    ("DELIVERY_P95_MS", "30000"),
    ("DELIVERY_P99_MS", "30000"),
];

/// The exit code of k6 when a threshold does not hold.
const CROSSED: i32 = 99;

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("loadtest")
}

/// k6 as the machine has it, or as `make tools` has put it there.
fn k6() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin");
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = env::split_paths(&path).chain([own]);
    folders
        .find_map(|folder| Some(folder.join("k6")).filter(|file| file.is_file()))
        .expect("k6: `make tools` installs it")
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(k6());
    // It would tell its makers that it ran.
    command.env("K6_NO_USAGE_REPORT", "true").args(args);
    command
}

/// Runs the smoke test against `url`, and gives its exit code and what it said.
async fn smoke(url: &str, more: &[(&str, &str)]) -> (Option<i32>, String) {
    // k6 keeps nothing; the folder is one that no configuration is in.
    let folder = TempDir::new().unwrap();
    let script = scripts().join("smoke.js");
    let mut k6 = command(&["run", "--quiet"]);
    for (name, value) in SMALL.iter().chain(more).chain(&[("BASE_URL", url)]) {
        k6.arg("-e").arg(format!("{name}={value}"));
    }
    k6.arg(script).current_dir(folder.path());
    // It ends by itself, whatever the server does: each script has a longest duration.
    let Output { status, stdout, stderr } = tokio::task::spawn_blocking(move || k6.output().unwrap()).await.unwrap();
    (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

#[test]
fn k6_takes_every_script_and_each_has_its_thresholds() {
    let mut names: Vec<_> = std::fs::read_dir(scripts())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "js"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, SCRIPTS);
    let read = std::fs::read_to_string(scripts().join("README.md")).unwrap();
    for name in SCRIPTS {
        let output = command(&["inspect"]).arg(scripts().join(format!("{name}.js"))).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let options: Value = serde_json::from_slice(&output.stdout).unwrap();
        for threshold in THRESHOLDS {
            assert!(options["thresholds"][threshold].is_array(), "{name} has no threshold on {threshold}");
        }
        assert!(options["scenarios"]["chat"]["maxDuration"].is_string(), "{name} may run for ever");
        assert!(read.contains(&format!("`{name}`")), "loadtest/README.md says nothing of {name}");
    }
}

#[tokio::test]
async fn a_load_test_passes_where_all_is_well() {
    let server = Server::start();
    let (code, said) = smoke(&server.url(""), &[]).await;
    assert_eq!(code, Some(0), "{said}");
    // Ten speak in their own rooms of five, and two of them in the room of all ten, six times each.
    assert!(said.contains("messages acked        72 of 72"), "{said}");
    assert!(said.contains("delivered             420 live"), "{said}");
    assert!(said.contains("read back from logs   72"), "{said}");
}

#[tokio::test]
async fn a_load_test_fails_where_one_message_is_lost_doubled_or_swapped() {
    let server = Server::start();
    for (fault, threshold) in
        [(Fault::Lose, "chat_lost"), (Fault::Double, "chat_duplicates"), (Fault::Swap, "chat_reordered")]
    {
        let meddler = Meddler::start(server.address, fault).await;
        // What is lost is waited for; what is there is not.
        let (code, said) = smoke(&format!("http://{}", meddler.address()), &[("PATIENCE_MS", "6000")]).await;
        assert!(meddler.has_meddled(), "{fault:?}: {said}");
        assert_eq!(code, Some(CROSSED), "{fault:?}: {said}");
        assert!(said.contains(&format!("{threshold}: count==0")), "{fault:?}: {said}");
    }
}
