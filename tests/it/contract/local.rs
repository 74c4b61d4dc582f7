//! The suite against the local store, and what only a file and a clock of one's own can show.

use std::{os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use hubbub::{
    broker::{
        AppendError, Broker, HistoryConfig, ReadLimit, Recovery,
        local::{LocalBroker, LocalConfig, LocalPresence, OpenError},
    },
    clock::{ManualClock, SystemClock},
    metrics::Metrics,
    protocol::{
        command::Cursor,
        ids::{InstanceId, Position},
    },
};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::{Opened, Store, support::*};

super::suite!(crate::contract::local::Local::new());

/// A store in a folder of its own.
pub(super) struct Local {
    folder: TempDir,
    pub(super) config: LocalConfig,
    clock: Option<Arc<ManualClock>>,
    new_epoch: bool,
}

impl Local {
    /// With the machine's clock.
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config =
            LocalConfig { path: folder.path().join("sub/hubbub.db"), sweep_interval_ms: 5, ..Default::default() };
        Self { folder, config, clock: None, new_epoch: false }
    }

    /// With a clock that shows `now`.
    pub(super) fn at(now: u64) -> (Self, Arc<ManualClock>) {
        let clock = ManualClock::at(now);
        (Self { clock: Some(clock.clone()), ..Self::new() }, clock)
    }

    fn try_open(&self) -> Result<(LocalBroker, hubbub::broker::BrokerEvents), OpenError> {
        let (sender, events) = mpsc::channel(4_096);
        let instance = InstanceId::parse("test").unwrap();
        let clock: hubbub::clock::SharedClock = match &self.clock {
            Some(clock) => clock.clone(),
            None => Arc::new(SystemClock),
        };
        LocalBroker::open(self.config.clone(), clock, instance, Metrics::default(), sender, self.new_epoch)
            .map(|broker| (broker, events))
    }
}

impl Store for Local {
    async fn open(&self) -> Opened {
        let (broker, events) = self.try_open().unwrap();
        let broker = Arc::new(broker);
        Opened {
            accounts: broker.clone(),
            broker,
            presence: Arc::new(LocalPresence::default()),
            events,
            _rest: Box::new(()),
        }
    }
}

fn file_holds(path: &Path, text: &str) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

#[tokio::test]
async fn times_never_fall() {
    let (local, clock) = Local::at(1_000);
    let store = local.open().await;
    let (room, ana) = (fresh_room(), ana());
    let mut times = Vec::new();
    for now in [1_000, 500, 2_000, 1_999] {
        clock.set(now);
        times.push(say(&store.broker, &room, &ana, "hi").await.ts);
    }
    assert_eq!(times, [1_000, 1_000, 2_000, 2_000]);
    drop(store);
    clock.set(1);
    assert_eq!(say(&local.open().await.broker, &room, &ana, "hi").await.ts, 2_000);
}

#[tokio::test]
async fn release_forgets_an_empty_room() {
    let local = Local::new();
    let store = local.open().await;
    let room = fresh_room();
    let before = position(&store.broker, &room).await;
    store.broker.release(&room);
    assert_ne!(position(&store.broker, &room).await.epoch, before.epoch);
}

#[tokio::test]
async fn the_last_entries_are_kept() {
    let mut local = Local::new();
    local.config.history = HistoryConfig { max_entries: 16, max_age: 0 };
    let store = local.open().await;
    let (room, ana) = (fresh_room(), ana());
    let first = one(&store.broker, &room, &ana, message("0", Some("k"))).await.unwrap();
    for n in 1..100 {
        say(&store.broker, &room, &ana, &n.to_string()).await;
    }
    let page = history(&store.broker, &room, Cursor::Latest {}, 200).await;
    assert!((16..=18).contains(&page.messages.len()), "{}", page.messages.len());
    let oldest = page.messages[0].seq;
    let epoch = position(&store.broker, &room).await.epoch;
    let at = |seq| Some(Position { epoch: epoch.clone(), seq });
    let resumed = |recovery| matches!(recovery, Recovery::Resumed { .. });
    assert!(resumed(store.broker.recover(room.clone(), at(oldest - 1), ALL).await.unwrap()));
    assert!(!resumed(store.broker.recover(room.clone(), at(oldest - 2), ALL).await.unwrap()));
    // Trimmed: nothing can be done to it, but its key is remembered.
    for change in [edit(&first.message_id, "x"), delete(&first.message_id), react(&first.message_id, "👍", true)] {
        assert_eq!(one(&store.broker, &room, &ana, change).await, Err(AppendError::NotFound));
    }
    let again = one(&store.broker, &room, &ana, message("0", Some("k"))).await.unwrap();
    assert_eq!((again.seq, again.duplicate), (Some(1), true));
}

#[tokio::test]
async fn keys_are_forgotten_after_their_time() {
    let (mut local, clock) = Local::at(1_000_000);
    local.config.history = HistoryConfig { max_entries: 8, max_age: 0 };
    let store = local.open().await;
    let (room, ana) = (fresh_room(), ana());
    one(&store.broker, &room, &ana, message("0", Some("k"))).await.unwrap();
    for _ in 0..20 {
        say(&store.broker, &room, &ana, "more").await;
    }
    clock.set(1_000_000 + local.config.idempotency_ms);
    assert!(one(&store.broker, &room, &ana, message("0", Some("k"))).await.unwrap().duplicate);
    clock.set(1_000_000 + local.config.idempotency_ms + 1_000);
    until("the key is forgotten", async || {
        !one(&store.broker, &room, &ana, message("0", Some("k"))).await.unwrap().duplicate
    })
    .await;
}

#[tokio::test]
async fn old_entries_and_rooms_go() {
    let (mut local, clock) = Local::at(1_000_000);
    local.config.history = HistoryConfig { max_entries: 0, max_age: 1_000 };
    local.config.idempotency_ms = 500;
    let store = local.open().await;
    let (room, ana) = (fresh_room(), ana());
    let id = say(&store.broker, &room, &ana, "old").await.message_id;
    one(&store.broker, &room, &ana, react(&id, "👍", true)).await.unwrap();
    store.accounts.mark_read(room.clone(), ana.id.clone(), 2).await.unwrap();
    clock.set(1_000_900);
    say(&store.broker, &room, &ana, "young").await;
    clock.set(1_001_500);
    until("the old entries go", async || {
        texts(&history(&store.broker, &room, Cursor::Latest {}, 9).await) == ["young"]
    })
    .await;
    clock.set(1_003_000);
    until("the room goes with its last entry", async || {
        store.broker.logged_rooms(String::new(), None, 9).await.unwrap().is_empty()
            && store.accounts.read_marker(room.clone(), ana.id.clone()).await.unwrap().is_none()
    })
    .await;
    let again = say(&store.broker, &room, &ana, "anew").await;
    assert_eq!(again.seq, Some(1), "a room that is gone begins anew");
}

#[tokio::test]
async fn an_occupied_room_keeps_its_numbers() {
    let (mut local, clock) = Local::at(1_000_000);
    local.config.history = HistoryConfig { max_entries: 0, max_age: 1_000 };
    local.config.idempotency_ms = 500;
    let store = local.open().await;
    let (room, ana) = (fresh_room(), ana());
    say(&store.broker, &room, &ana, "old").await;
    let head = position(&store.broker, &room).await;
    clock.set(2_000_000);
    until("the entries go", async || history(&store.broker, &room, Cursor::Latest {}, 9).await.messages.is_empty())
        .await;
    assert_eq!(position(&store.broker, &room).await, head);
    assert_eq!(say(&store.broker, &room, &ana, "on").await.seq, Some(2));
}

#[tokio::test]
async fn a_restored_backup_gets_new_epochs() {
    let mut local = Local::new();
    let (room, ana) = (fresh_room(), ana());
    let before = {
        let store = local.open().await;
        say(&store.broker, &room, &ana, "one").await;
        position(&store.broker, &room).await
    };
    local.new_epoch = true;
    let store = local.open().await;
    let after = position(&store.broker, &room).await;
    assert_eq!(after.seq, before.seq);
    assert_ne!(after.epoch, before.epoch);
    let old = store.broker.recover(room.clone(), Some(before), ReadLimit { ..ALL }).await.unwrap();
    assert!(matches!(old, Recovery::Snapshot { .. }));
}

#[tokio::test]
async fn the_file_is_locked_while_open() {
    let local = Local::new();
    let store = local.open().await;
    let Err(error) = local.try_open() else { panic!("opened twice") };
    assert!(matches!(error, OpenError::Locked { pid: Some(pid), .. } if pid == std::process::id()));
    assert!(error.to_string().contains("hubbub.db") && error.to_string().contains(&std::process::id().to_string()));
    drop(store);
    assert!(local.try_open().is_ok());
}

#[tokio::test]
async fn nobody_else_reads_the_file() {
    let store = Local::new();
    let _open = store.open().await;
    let path = &store.config.path;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for end in ["", "-wal", "-shm"] {
        assert_eq!(mode(Path::new(&format!("{}{end}", path.display()))), 0o600, "{end}");
    }
}

#[test]
fn files_of_others_are_refused() {
    let local = Local::new();
    let path = &local.config.path;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, "no database, but longer than a header would be: ".repeat(100)).unwrap();
    assert!(
        matches!(local.try_open(), Err(error @ OpenError::Database { .. }) if error.to_string().contains("hubbub.db"))
    );
    std::fs::remove_file(path).unwrap();
    rusqlite::Connection::open(path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(matches!(local.try_open(), Err(OpenError::Foreign { .. })));
    std::fs::remove_file(path).unwrap();
    drop(local.try_open().unwrap());
    rusqlite::Connection::open(path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    assert!(matches!(local.try_open(), Err(OpenError::TooNew { found: 99, .. })));
    let blocked = Local {
        config: LocalConfig { path: local.folder.path().join("sub/hubbub.db/x.db"), ..Default::default() },
        ..Local::new()
    };
    assert!(matches!(blocked.try_open(), Err(OpenError::Io { .. })));
}

#[tokio::test]
async fn a_full_store_refuses_then_recovers() {
    let (mut local, clock) = Local::at(1_000_000);
    local.config.max_bytes = 400 * 1024;
    local.config.history = HistoryConfig { max_entries: 0, max_age: 10_000 };
    local.config.idempotency_ms = 1_000;
    let mut store = local.open().await;
    let (room, ana) = (fresh_room(), ana());
    let mut acked = 0;
    let refused = loop {
        match one(&store.broker, &room, &ana, message(&"x".repeat(4_000), None)).await {
            Ok(appended) => acked = number(&appended),
            Err(error) => break error,
        }
        assert!(acked < 1_000, "never full");
    };
    assert_eq!(refused, AppendError::Unavailable);
    until("health shows it", async || !store.broker.is_healthy()).await;
    let told = told(&mut store.events, &room, acked as usize).await;
    assert_eq!(told.last().map(|numbered| numbered.entry.seq), Some(acked));
    assert!(store.events.try_recv().is_err(), "nothing refused is told");
    // What is there can still be read.
    assert_eq!(position(&store.broker, &room).await.seq, acked);
    clock.set(1_100_000);
    until("old entries made room", async || store.broker.is_healthy()).await;
    let next = say(&store.broker, &room, &ana, "again").await;
    assert_eq!((next.seq, next.duplicate), (Some(acked + 1), false), "the refused one took no number");
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let mut local = Local::new();
    local.config.queue_length = 4;
    let store = local.open().await;
    let (room, ana) = (fresh_room(), ana());
    let batch = vec![append(&room, &ana, message("hi", None)); 5];
    assert_eq!(store.broker.append(batch).await, vec![Err(AppendError::Unavailable); 5]);
    assert_eq!(say(&store.broker, &room, &ana, "hi").await.seq, Some(1));
}

#[tokio::test]
async fn who_is_banned_is_known_whatever_is_read() {
    let mut local = Local::new();
    (local.config.readers, local.config.read_queue_length) = (1, 1);
    let store = local.open().await;
    let banned = ana();
    store.accounts.ban(banned.id.clone(), u64::MAX >> 11).await.unwrap();
    for _ in 0..100 {
        // Asked, and not waited for.
        let reads = [(); 50].map(|()| store.broker.history(fresh_room(), Cursor::Latest {}, 9));
        assert!(store.accounts.banned_until(banned.id.clone(), 1).await.unwrap().is_some());
        drop(reads);
    }
}

#[tokio::test]
async fn shutting_down_finishes_what_was_accepted() {
    let local = Local::new();
    let (broker, mut events) = local.try_open().unwrap();
    let (room, ana) = (fresh_room(), ana());
    let accepted: Vec<_> = (0..50).map(|_| broker.append(vec![append(&room, &ana, message("hi", None))])).collect();
    broker.shut_down();
    for (n, answer) in accepted.into_iter().enumerate() {
        assert_eq!(answer.await[0].as_ref().unwrap().seq, Some(n as u64 + 1));
    }
    assert_eq!(told(&mut events, &room, 50).await.len(), 50);
    let late = broker.append(vec![append(&room, &ana, message("late", None))]).await;
    assert_eq!(late, [Err(AppendError::Unavailable)]);
    assert!(broker.history(room.clone(), Cursor::Latest {}, 9).await.is_err());
    assert!(!local.config.path.with_extension("db-wal").exists(), "the write-ahead log is folded in");
    assert_eq!(whole_log(&local.open().await.broker, &room).await.len(), 50);
}

#[tokio::test]
async fn a_deleted_text_leaves_the_disk() {
    let local = Local::new();
    let store = local.open().await;
    let (room, ana) = (fresh_room(), ana());
    let mark = |n: usize, kind: &str| format!("{kind}-{n:04}-{}", "s".repeat(n % 300));
    let said: Vec<_> = store
        .broker
        .append((0..400).map(|n| append(&room, &ana, message(&mark(n, "said"), None))).collect())
        .await
        .into_iter()
        .map(|answer| answer.unwrap().message_id)
        .collect();
    let edits = said.iter().enumerate().map(|(n, id)| append(&room, &ana, edit(id, &mark(n, "edited")))).collect();
    store.broker.append(edits).await;
    let gone = |n: &usize| n.is_multiple_of(3);
    let deletes = said.iter().enumerate().filter(|(n, _)| gone(n)).map(|(_, id)| append(&room, &ana, delete(id)));
    assert!(store.broker.append(deletes.collect()).await.iter().all(Result::is_ok));
    let path = &local.config.path;
    let wal = path.with_extension("db-wal");
    until("the write-ahead log is emptied", async || std::fs::metadata(&wal).is_ok_and(|file| file.len() == 0)).await;
    for n in (0..400).filter(gone) {
        for kind in ["said", "edited"] {
            let text = format!("{kind}-{n:04}-");
            assert!(!file_holds(path, &text) && !file_holds(&wal, &text), "{text} is still there");
        }
    }
    assert!(file_holds(path, "edited-0001-"), "the search would find it");
}
