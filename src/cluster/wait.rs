//! Waiting for a condition, with a bound, unless somebody presses Ctrl-C or closes the terminal.

use std::{
    fs, future, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::signal::unix::{self, SignalKind, signal};

use super::{error::ClusterError, tell};

/// How often a condition that nothing announces is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Whether Ctrl-C was pressed, SIGTERM sent, or the terminal closed.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From here on the first signal is noted, with `said` on standard error, and the second Ctrl-C or SIGTERM ends the
    /// program. A terminal that is closed may tell more than once, and counts as one; under `nohup` it does not count.
    pub(super) fn listen(said: &'static str) -> io::Result<Self> {
        let noted = Self::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut interrupt, mut terminate, mut hangup) = {
            let _entered = runtime.enter();
            let hangup = if ignores_hangup() { None } else { Some(signal(SignalKind::hangup())?) };
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, hangup)
        };
        let flag = noted.0.clone();
        thread::spawn(move || {
            runtime.block_on(async {
                loop {
                    let is_urgent = tokio::select! {
                        _ = interrupt.recv() => true,
                        _ = terminate.recv() => true,
                        () = next(hangup.as_mut()) => false,
                    };
                    match flag.swap(true, Ordering::Relaxed) {
                        false => tell(said),
                        true if is_urgent => std::process::exit(1),
                        true => {}
                    }
                }
            });
        });
        Ok(noted)
    }

    /// # Errors
    /// [`ClusterError::Interrupted`] once a signal came.
    pub(super) fn check(&self) -> Result<(), ClusterError> {
        if self.0.load(Ordering::Relaxed) { Err(ClusterError::Interrupted) } else { Ok(()) }
    }

    /// Looks until something is `found`, and gives it with how long it took.
    ///
    /// # Errors
    /// What `found` gives, [`ClusterError::Overdue`], or [`ClusterError::Interrupted`].
    pub(super) fn until<T>(
        &self,
        what: &str,
        limit: Duration,
        mut found: impl FnMut() -> Result<Option<T>, ClusterError>,
    ) -> Result<(T, Duration), ClusterError> {
        let start = Instant::now();
        loop {
            if let Some(found) = found()? {
                return Ok((found, start.elapsed()));
            }
            self.check()?;
            if start.elapsed() >= limit {
                return Err(ClusterError::Overdue { what: what.to_owned(), limit });
            }
            thread::sleep(LOOK);
        }
    }
}

/// Waits for the next signal, for ever if there is none to come.
async fn next(signals: Option<&mut unix::Signal>) {
    match signals {
        Some(signals) => {
            signals.recv().await;
        }
        None => future::pending().await,
    }
}

/// Whether this program was started so that a closed terminal does not matter to it.
fn ignores_hangup() -> bool {
    ignores_hangup_in(&fs::read_to_string("/proc/self/status").unwrap_or_default())
}

fn ignores_hangup_in(status: &str) -> bool {
    // A mask in hexadecimal digits; the first bit is signal 1, which SIGHUP is (proc(5), signal(7)).
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    ignored.is_some_and(|signals| signals & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_for_what_comes_and_not_for_what_does_not() {
        let interrupt = Interrupt::default();
        let mut looks = 0;
        let (found, _) = interrupt
            .until("three looks", Duration::from_secs(60), || {
                looks += 1;
                Ok((looks == 3).then_some(looks))
            })
            .unwrap();
        assert_eq!(found, 3);
        let never = interrupt.until("nothing", Duration::ZERO, || Ok(None::<()>)).unwrap_err();
        assert!(never.to_string().starts_with("nothing took more than"), "{never}");
        interrupt.0.store(true, Ordering::Relaxed);
        let stopped = interrupt.until("nothing", Duration::from_secs(60), || Ok(None::<()>));
        assert!(matches!(stopped, Err(ClusterError::Interrupted)));
    }

    #[test]
    fn what_nohup_started_is_known() {
        let status = |ignored| format!("Name:\thubbub\nSigBlk:\t0000000000000001\nSigIgn:\t{ignored}\n");
        assert!(ignores_hangup_in(&status("0000000000001001")));
        assert!(!ignores_hangup_in(&status("0000000000001000")) && !ignores_hangup_in(""));
    }
}
