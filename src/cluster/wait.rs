//! Waiting for a condition, with a bound, unless somebody presses Ctrl-C.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::signal::unix::{SignalKind, signal};

use super::{error::ClusterError, tell};

/// How often a condition that nothing announces is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Whether Ctrl-C was pressed, or SIGTERM sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From here on the first signal is noted, with `said` on standard error, and the second ends the program.
    pub(super) fn listen(said: &'static str) -> io::Result<Self> {
        let noted = Self::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut interrupt, mut terminate) = {
            let _entered = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        let flag = noted.0.clone();
        thread::spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                    if flag.swap(true, Ordering::Relaxed) {
                        std::process::exit(1);
                    }
                    tell(said);
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
}
