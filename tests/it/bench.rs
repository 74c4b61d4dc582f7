//! `hubbub bench cluster`: that it measures at all, and finds nothing lost. What its figures should be is not for a test.

use tempfile::TempDir;

use crate::support::{server::run, *};

#[test]
fn a_cluster_is_measured_and_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let path = std::env::var("PATH").unwrap();
    let here = folder.path().to_str().unwrap();
    let args = ["bench", "cluster", "--only", "latency,storm", "--runs", "1", "--seconds", "1", "--clients", "30"];
    let output = run(folder.path(), &[&args[..], &["--json", "--folder", here]].concat(), &[("PATH", &path)]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let row = |name: &str| {
        let rows = report["rows"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name}: {report}"))["median"].clone()
    };
    assert!(row("from message to delivery, p50").as_f64().unwrap() > 0.0);
    assert_eq!(row("clients that came back"), 10.0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no folder stays behind");
}

#[test]
fn a_cluster_is_started_here_or_not_at_all() {
    let folder = TempDir::new().unwrap();
    let elsewhere = ["bench", "cluster", "--runs", "1", "--url", "ws://127.0.0.1:1"];
    let nowhere = folder.path().to_str().unwrap();
    for (args, path, part) in
        [(&elsewhere[..], nowhere, "without --url"), (&elsewhere[..4], nowhere, "apt-get install redis-server")]
    {
        let output = run(folder.path(), args, &[("PATH", path)]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_crowd_through_nginx_is_measured_and_hears_everything() {
    let folder = TempDir::new().unwrap();
    let path = std::env::var("PATH").unwrap();
    let here = folder.path().to_str().unwrap();
    let args = ["bench", "big", "--runs", "1", "--clients", "60", "--generators", "2", "--messages", "2"];
    let more = ["--strategies", "least_conn", "--json", "--folder", here];
    let output = run(folder.path(), &[&args[..], &more].concat(), &[("PATH", &path)]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = report["rows"].as_array().unwrap();
    let row = |name: &str| {
        let row = rows.iter().find(|row| row["name"] == format!("least_conn: {name}"));
        row.unwrap_or_else(|| panic!("{name}: {report}"))["median"].as_f64().unwrap()
    };
    let spread = [1, 2, 3].map(|replica| row(&format!("clients of replica {replica}")));
    assert_eq!(spread.iter().sum::<f64>(), 60.0);
    assert!(spread.iter().all(|clients| *clients >= 10.0), "{spread:?}");
    assert!(row("nginx workers") >= 6.0 && row("a message to all, slowest") > 0.0 && row("replica 3") > 0.0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no folder stays behind");
}
