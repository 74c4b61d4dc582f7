//! Prometheus' own judge of metrics, configurations and rules.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// What is said when it is missing.
const HELP: &str = "the tests of metrics and alerts need promtool: `make tools`, or `apt-get install prometheus`";

/// The files that operators are given.
pub(super) fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(path)
}

/// Runs it in `folder` with `input`, and gives what it said.
pub(super) fn promtool(folder: &Path, args: &[&str], input: &str) -> Output {
    let mut command = Command::new("promtool");
    command.args(args).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("promtool: {error}; {HELP}"));
    // One that does not read its input ends without it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// The same, of what must be found good.
#[track_caller]
pub(super) fn must(folder: &Path, args: &[&str], input: &str) -> String {
    let output = promtool(folder, args, input);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "promtool {args:?}: {said}");
    said
}
