//! The database file: opened, checked, brought to the schema this version knows.

use std::{
    fs::{DirBuilder, OpenOptions},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{
    LocalConfig, epochs,
    lock::{FileLock, LockError, lock_path},
};

/// The schema this version writes; kept in the file's `user_version`.
const SCHEMA_VERSION: i64 = 1;
/// "Hubb" in the file's header, so that no other program's database is taken for ours.
const APPLICATION_ID: i64 = 0x4875_6262;
/// How long a checkpoint waits for readers; they read a page at a time.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);
/// Prepared statements kept by a connection; more than there are.
const STATEMENTS: usize = 64;
/// The write-ahead log is cut back to this many bytes when it starts anew.
const WAL_LIMIT: u64 = 16 * 1024 * 1024;
/// Pages in the write-ahead log that are worth a checkpoint: a page changed often within is written to the file once.
const CHECKPOINT_PAGES: i64 = 4_000;
/// The writer's page cache, as SQLite counts it: negative is KiB. The pages of `ids` are hit at random.
const WRITER_CACHE: i64 = -8 * 1024;

/// Why the store cannot be opened. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses it.
    #[error("{} is in use by {}", file.display(), holder(*pid))]
    Locked {
        /// The database.
        file: PathBuf,
        /// The process that holds the lock, if it could be read.
        pid: Option<u32>,
    },
    /// A file or folder cannot be made, read or written.
    #[error("cannot open {}: {source}", file.display())]
    Io {
        /// Which.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite cannot open it: damaged, no database, read-only.
    #[error("cannot open {}: {source}", file.display())]
    Database {
        /// The database.
        file: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A database of some other program.
    #[error("{} is a database, but not one of Hubbub's", file.display())]
    Foreign {
        /// The database.
        file: PathBuf,
    },
    /// A newer version of this program wrote it.
    #[error("{} has schema version {found}; this version knows {SCHEMA_VERSION} and older", file.display())]
    TooNew {
        /// The database.
        file: PathBuf,
        /// The version found.
        found: i64,
    },
    /// The system gives no thread.
    #[error("cannot start a thread for {}: {source}", file.display())]
    Thread {
        /// The database.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".into(), |pid| format!("process {pid}"))
}

/// Takes the lock of a file that is there.
pub(super) fn lock_existing(file: &Path) -> Result<FileLock, OpenError> {
    // The lock would make a file, and its folder, beside a name that was mistyped.
    std::fs::metadata(file).map_err(|source| OpenError::Io { file: file.to_owned(), source })?;
    lock(file)
}

/// Takes the lock, making the folder if need be.
pub(super) fn lock(file: &Path) -> Result<FileLock, OpenError> {
    let io = |at: &Path, source| OpenError::Io { file: at.to_owned(), source };
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        private_folder().recursive(true).create(folder).map_err(|source| io(folder, source))?;
    }
    let lock = lock_path(file);
    FileLock::acquire(&lock).map_err(|error| match error {
        LockError::Held(pid) => OpenError::Locked { file: file.to_owned(), pid },
        LockError::Io(source) => io(&lock, source),
    })
}

/// Opens the one connection that writes and brings the schema up to date. With `new_epoch` every room gets a fresh
/// epoch and its numbers go on.
pub(super) fn open_writer(config: &LocalConfig, new_epoch: bool) -> Result<Connection, OpenError> {
    let file = &config.path;
    let failed = |source| OpenError::Database { file: file.clone(), source };
    // Empty, it is a new database; SQLite would make it readable to all, and gives the files beside it the same mode.
    let made = private_file().write(true).create(true).truncate(false).open(file);
    made.map_err(|source| OpenError::Io { file: file.clone(), source })?;
    let mut db = Connection::open_with_flags(file, flags()).map_err(failed)?;
    let found = identify(&db).map_err(failed)?;
    match found {
        Found::New => {}
        Found::Foreign => return Err(OpenError::Foreign { file: file.clone() }),
        Found::Version(found) if found > SCHEMA_VERSION => return Err(OpenError::TooNew { file: file.clone(), found }),
        Found::Version(_) => {}
    }
    prepare(&mut db, config, matches!(found, Found::New), new_epoch).map_err(failed)?;
    Ok(db)
}

/// Opens a connection that only reads.
pub(super) fn open_reader(file: &Path) -> Result<Connection, OpenError> {
    let failed = |source| OpenError::Database { file: file.to_owned(), source };
    let db = Connection::open_with_flags(file, flags()).map_err(failed)?;
    tune(&db).and_then(|()| db.pragma_update(None, "query_only", true)).map_err(failed)?;
    Ok(db)
}

/// Opens a file that is there, only to read it.
pub(super) fn open_existing(file: &Path) -> Result<Connection, OpenError> {
    let db = open_reader(file)?;
    match identify(&db).map_err(|source| OpenError::Database { file: file.to_owned(), source })? {
        Found::New | Found::Foreign => Err(OpenError::Foreign { file: file.to_owned() }),
        Found::Version(found) if found > SCHEMA_VERSION => Err(OpenError::TooNew { file: file.to_owned(), found }),
        Found::Version(_) => Ok(db),
    }
}

/// Makes folders for nobody but this user: password hashes and the secret that tokens are signed with are in them.
fn private_folder() -> DirBuilder {
    let mut folder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder
}

/// Makes files for nobody but this user. One that is there keeps its mode.
fn private_file() -> OpenOptions {
    let mut file = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    file
}

/// No mutex: each connection stays with one thread.
fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

enum Found {
    New,
    Foreign,
    Version(i64),
}

fn identify(db: &Connection) -> rusqlite::Result<Found> {
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application: i64 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(match (tables, application) {
        (_, APPLICATION_ID) => Found::Version(version),
        (0, 0) => Found::New,
        _ => Found::Foreign,
    })
}

fn prepare(db: &mut Connection, config: &LocalConfig, new: bool, new_epoch: bool) -> rusqlite::Result<()> {
    tune(db)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    // An answer must outlive a power cut, so every commit reaches the disk.
    db.pragma_update(None, "synchronous", "FULL")?;
    // Freed bytes are zeroed: a deleted text is gone from the file, not only from its tables.
    db.pragma_update(None, "secure_delete", true)?;
    db.pragma_update(None, "journal_size_limit", WAL_LIMIT)?;
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    db.pragma_update(None, "cache_size", WRITER_CACHE)?;
    if config.max_bytes > 0 {
        let page: u64 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
        db.pragma_update(None, "max_page_count", (config.max_bytes / page).max(1))?;
    }
    let tx = db.transaction()?;
    if new {
        tx.execute_batch(include_str!("schema.sql"))?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        tx.execute("INSERT INTO meta (name, value) VALUES ('secret', ?1)", [rand::random::<[u8; 32]>()])?;
    } else {
        // The settings may have changed since: let retention look at every room once.
        tx.execute("UPDATE rooms SET due = 0 WHERE due <> 0", [])?;
        if new_epoch {
            renew_epochs(&tx)?;
        }
    }
    tx.commit()
}

fn renew_epochs(db: &Connection) -> rusqlite::Result<()> {
    let rooms =
        db.prepare("SELECT id FROM rooms")?.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    let mut update = db.prepare("UPDATE rooms SET epoch = ?2 WHERE id = ?1")?;
    rooms.into_iter().try_for_each(|room| update.execute((room, epochs::fresh().as_str())).map(drop))
}

fn tune(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    // Plans must not depend on the values bound, or SQLite plans a kept statement anew at each use; measured, that
    // halves the rate of appends.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // No text in a temporary file.
    db.pragma_update(None, "temp_store", "MEMORY")
}

/// The secret made with the file.
pub(super) fn read_secret(db: &Connection, file: &Path) -> Result<[u8; 32], OpenError> {
    db.query_row("SELECT value FROM meta WHERE name = 'secret'", [], |row| row.get(0))
        .map_err(|source| OpenError::Database { file: file.to_owned(), source })
}
