//! Passwords: argon2id, hashed off the workers and never more at once than there are cores.
//!
//! A hash is made to be slow and to take memory; unbounded, a flood of logins would stop the chat. So one runs per
//! core, [`MAX_WAITING`] wait, and more are refused.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::available_parallelism,
};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::config::{Config, InvalidSetting};
use crate::protocol::{
    error::{ErrorCode, Refusal},
    ids::Millis,
};

/// Fewest characters of a password.
pub const MIN_CHARS: usize = 8;
/// Most characters of a password.
pub const MAX_CHARS: usize = 128;
/// Most bytes of a password.
pub const MAX_BYTES: usize = 512;
/// How many may wait for their turn to hash.
pub const MAX_WAITING: usize = 16;

/// What one is told to wait when too many hash, in milliseconds.
const RETRY_AFTER_MS: Millis = 2_000;

/// Checks a new password: 8 to 128 characters, at most 512 bytes.
///
/// # Errors
/// `invalid_argument`.
pub fn check_rules(password: &str) -> Result<(), Refusal> {
    if password.len() <= MAX_BYTES && (MIN_CHARS..=MAX_CHARS).contains(&password.chars().count()) {
        Ok(())
    } else {
        Err(Refusal::new(ErrorCode::InvalidArgument, "a password has 8 to 128 characters"))
    }
}

/// What a hash costs by the settings.
///
/// # Errors
/// Names the setting argon2 cannot work with.
pub fn parameters(config: &Config) -> Result<Params, InvalidSetting> {
    if !(Params::MIN_M_COST..=MAX_MEMORY_KIB).contains(&config.password_memory_kib) {
        return Err(InvalidSetting::new("auth.password_memory_kib", "has 8 to 1048576 (1 GiB)"));
    }
    Params::new(config.password_memory_kib, config.password_passes, 1, None)
        .map_err(|error| InvalidSetting::new("auth.password_passes", error.to_string()))
}

const MAX_MEMORY_KIB: u32 = 1 << 20;

/// Hashes and verifies passwords, bounded. Clones share the bound.
#[derive(Clone)]
pub struct Passwords {
    argon2: Argon2<'static>,
    /// What a password for an unknown user is compared with, so that it costs what a wrong one costs.
    dummy: Arc<str>,
    turns: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

impl Passwords {
    /// With the cost of the settings.
    ///
    /// # Errors
    /// Names the setting argon2 cannot work with.
    pub fn new(config: &Config) -> Result<Self, InvalidSetting> {
        Self::with_cores(config, available_parallelism().map_or(1, usize::from))
    }

    fn with_cores(config: &Config, cores: usize) -> Result<Self, InvalidSetting> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters(config)?);
        Ok(Self {
            dummy: dummy(argon2.params()).into(),
            argon2,
            turns: Arc::new(Semaphore::new(cores)),
            waiting: Arc::new(AtomicUsize::new(0)),
        })
    }

    /// Hashes a new password into PHC form, with a salt of its own.
    ///
    /// # Errors
    /// `invalid_argument` by [`check_rules`]; `unavailable` when too many wait.
    pub async fn hash(&self, password: String) -> Result<Box<str>, Refusal> {
        check_rules(&password)?;
        let argon2 = self.argon2.clone();
        self.run(move || hash_with(&argon2, &password)).await?.map_err(|_| internal())
    }

    /// Whether `password` is the one of `stored`, a hash in PHC form. With none (an unknown user) it is wrong, but
    /// takes as long.
    ///
    /// # Errors
    /// `unavailable` when too many wait.
    pub async fn verify(&self, password: String, stored: Option<Box<str>>) -> Result<bool, Refusal> {
        // No stored password is longer, whoever's it is: refusing early tells nothing and hashes nothing.
        if password.len() > MAX_BYTES {
            return Ok(false);
        }
        let (argon2, dummy, known) = (self.argon2.clone(), Arc::clone(&self.dummy), stored.is_some());
        let matches = self.run(move || {
            let phc = stored.as_deref().unwrap_or(&dummy);
            PasswordHash::new(phc).is_ok_and(|hash| argon2.verify_password(password.as_bytes(), &hash).is_ok())
        });
        Ok(matches.await? && known)
    }

    /// Whether `stored` was made at another cost than that of the settings.
    pub fn is_outdated(&self, stored: &str) -> bool {
        PasswordHash::new(stored).and_then(|hash| Params::try_from(&hash)).is_ok_and(|made| {
            let wanted = self.argon2.params();
            (made.m_cost(), made.t_cost(), made.p_cost()) != (wanted.m_cost(), wanted.t_cost(), wanted.p_cost())
        })
    }

    /// Runs `work` on a blocking thread when it is its turn.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
        let turn = self.turn().await?;
        let job = tokio::task::spawn_blocking(move || {
            // Held by the work, not by the caller: one who goes away frees no core.
            let _turn = turn;
            work()
        });
        job.await.map_err(|_| internal())
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            return Ok(turn);
        }
        let _place = Place::take(&self.waiting)
            .ok_or_else(|| Refusal::unavailable("too many people log in right now", RETRY_AFTER_MS))?;
        Arc::clone(&self.turns).acquire_owned().await.map_err(|_| internal())
    }
}

/// A place in the queue, given back when dropped, also by one who stops waiting.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let more = |count| (count < MAX_WAITING).then_some(count + 1);
        waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok().map(|_| Self(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn hash_with(argon2: &Argon2<'_>, password: &str) -> Result<Box<str>, argon2::password_hash::Error> {
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>())?;
    Ok(argon2.hash_password(password.as_bytes(), &salt)?.to_string().into())
}

/// A hash that no password has, at the cost of `params`. It is not made by hashing: the memory that takes would stay with
/// the process for as long as nobody logs in.
fn dummy(params: &Params) -> String {
    let (memory, passes, lanes) = (params.m_cost(), params.t_cost(), params.p_cost());
    format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${}${}", "A".repeat(22), "A".repeat(43))
}

fn internal() -> Refusal {
    Refusal::new(ErrorCode::Internal, "the password could not be checked")
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::pin, task::Context};

    use super::*;

    fn cheap() -> Config {
        Config { password_memory_kib: 8, password_passes: 1, ..Config::default() }
    }

    #[test]
    fn the_rules_count_characters_and_bytes() {
        for good in ["12345678", &"x".repeat(128), &"\u{1F600}".repeat(128)] {
            assert!(check_rules(good).is_ok(), "{good}");
        }
        for bad in ["", "1234567", &"x".repeat(129)] {
            assert_eq!(check_rules(bad).unwrap_err().code, ErrorCode::InvalidArgument, "{bad}");
        }
    }

    #[test]
    fn the_default_cost_is_the_documented_one() {
        let params = parameters(&Config::default()).unwrap();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (19_456, 2, 1));
        assert!(parameters(&Config { password_memory_kib: u32::MAX, ..cheap() }).is_err());
    }

    #[tokio::test]
    async fn a_hash_is_phc_and_verifies_only_its_password() {
        let passwords = Passwords::new(&cheap()).unwrap();
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        assert_ne!(hash, passwords.hash("correct horse".into()).await.unwrap());
        assert!(passwords.verify("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("wrong horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("x".repeat(513), Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse".into(), Some("not phc".into())).await.unwrap());
        assert!(passwords.hash("short".into()).await.is_err());
    }

    #[tokio::test]
    async fn an_unknown_user_is_wrong_even_with_the_dummys_password() {
        let passwords = Passwords::new(&cheap()).unwrap();
        assert!(!passwords.verify(String::new(), None).await.unwrap());
        let dummy = PasswordHash::new(&passwords.dummy).unwrap();
        assert_eq!(Params::try_from(&dummy).unwrap().m_cost(), parameters(&cheap()).unwrap().m_cost());
    }

    #[tokio::test]
    async fn sixteen_wait_and_the_next_is_refused() {
        let passwords = Passwords::with_cores(&cheap(), 1).unwrap();
        let busy = passwords.turn().await.unwrap();
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut waiting: Vec<_> = (0..MAX_WAITING).map(|_| Box::pin(passwords.turn())).collect();
        assert!(waiting.iter_mut().all(|turn| turn.as_mut().poll(&mut context).is_pending()));

        let refusal = passwords.verify("long enough".into(), None).await.unwrap_err();
        assert_eq!((refusal.code, refusal.retry_after_ms), (ErrorCode::Unavailable, Some(RETRY_AFTER_MS)));

        // One who stops waiting gives the place back, and the next one waits.
        waiting.pop();
        assert!(pin!(passwords.turn()).poll(&mut context).is_pending());
        drop((busy, waiting));
        assert!(!passwords.verify("long enough".into(), None).await.unwrap());
    }
}
