//! Server and driver on a core each, so that neither takes the other's time.

use std::{path::Path, process::Command, thread};

use super::error::BenchError;

/// The cores, numbered as Linux does.
const SERVER_CORE: &str = "0";
const DRIVER_CORE: &str = "1";

/// Whether pinning makes sense here.
pub(super) fn is_useful() -> bool {
    thread::available_parallelism().is_ok_and(|cores| cores.get() >= 2)
}

/// Puts this process on the driver's core.
///
/// # Errors
/// If `taskset` is missing or may not.
pub(super) fn driver() -> Result<(), BenchError> {
    let process = std::process::id().to_string();
    let done = Command::new("taskset").args(["-a", "-c", "-p", DRIVER_CORE, &process]).output();
    match done {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(BenchError::Pin(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
        Err(error) => Err(BenchError::Pin(format!("taskset: {error}"))),
    }
}

/// A command that runs `program`, on the server's core if `pinned`. It keeps the number of the process it starts.
pub(super) fn server(program: &Path, pinned: bool) -> Command {
    if !pinned {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", SERVER_CORE]).arg(program);
    command
}
