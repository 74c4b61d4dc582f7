//! What was answered outlives a process that is killed between two instructions.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use hubbub::protocol::ids::RoomName;

use super::{Store, local::Local, support::*};

/// Tells the process to be killed which file to write.
const FILE: &str = "HUBBUB_TEST_CRASH_FILE";
/// What that process says before the number of each answered append.
const ANSWERED: &str = "answered ";

/// What the process to be killed runs; without its file this tests nothing.
#[tokio::test]
async fn victim() {
    let Some(file) = env::var_os(FILE) else { return };
    let mut local = Local::new();
    local.config.path = file.into();
    let (store, ana) = (local.open().await, ana());
    loop {
        let answered = say(&store.broker, &RoomName::global(), &ana, "still there").await;
        // Past the test harness, which would keep what is printed.
        writeln!(std::io::stdout(), "{ANSWERED}{}", number(&answered)).unwrap();
    }
}

#[tokio::test]
async fn answers_outlive_a_killed_process() {
    let local = Local::new();
    let mut victim = Command::new(env::current_exe().unwrap())
        .args(["--exact", "contract::crash::victim", "--nocapture"])
        .env(FILE, &local.config.path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let answered =
        lines.map_while(Result::ok).filter_map(|line| line.rsplit_once(ANSWERED)?.1.parse::<usize>().ok()).nth(199);
    victim.kill().unwrap();
    victim.wait().unwrap();
    let answered = answered.expect("the process answers two hundred times");
    let store = local.open().await;
    let log = whole_log(&store.broker, &RoomName::global()).await;
    assert!(log.len() >= answered, "{} of {answered} are there", log.len());
    assert!(log.iter().map(|entry| entry.seq).eq(1..=log.len() as u64));
    assert_eq!(say(&store.broker, &RoomName::global(), &ana(), "on").await.seq, Some(log.len() as u64 + 1));
}
