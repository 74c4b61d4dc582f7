//! A bounded queue from many callers to a thread, counted in units of work rather than in items.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver as Channel, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Duration,
};

/// A queue in which items of together at most `bound` units may wait.
pub(super) fn bounded<T>(bound: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, channel) = sync_channel(bound);
    let waiting = Arc::new(AtomicUsize::new(0));
    (Sender { channel: Mutex::new(Some(sender)), waiting: waiting.clone(), bound }, Receiver { channel, waiting })
}

/// The callers' end.
pub(super) struct Sender<T> {
    channel: Mutex<Option<SyncSender<(usize, T)>>>,
    waiting: Arc<AtomicUsize>,
    bound: usize,
}

/// Too much waits already, or nobody takes it any more.
#[derive(Debug)]
pub(super) struct Refused;

impl<T> Sender<T> {
    /// Puts an item of so many units (at least 1) in the queue; never waits.
    pub(super) fn try_send(&self, units: usize, item: T) -> Result<(), Refused> {
        let units = units.max(1);
        let admit = |waiting: usize| waiting.checked_add(units).filter(|sum| *sum <= self.bound);
        self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, admit).map_err(|_| Refused)?;
        let channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = channel.as_ref().is_some_and(|channel| channel.try_send((units, item)).is_ok());
        if sent {
            Ok(())
        } else {
            self.waiting.fetch_sub(units, Ordering::AcqRel);
            Err(Refused)
        }
    }

    /// Takes nothing more; what waits is still received.
    pub(super) fn close(&self) {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// The thread's end.
pub(super) struct Receiver<T> {
    channel: Channel<(usize, T)>,
    waiting: Arc<AtomicUsize>,
}

impl<T> Receiver<T> {
    /// Waits for an item; `None` when the queue is closed and empty.
    pub(super) fn recv(&self) -> Option<T> {
        self.channel.recv().ok().map(|taken| self.take(taken).1)
    }

    /// Waits so long for an item and its units.
    pub(super) fn recv_timeout(&self, timeout: Duration) -> Result<(usize, T), RecvTimeoutError> {
        self.channel.recv_timeout(timeout).map(|taken| self.take(taken))
    }

    /// Takes an item and its units if one waits.
    pub(super) fn try_recv(&self) -> Option<(usize, T)> {
        self.channel.try_recv().ok().map(|taken| self.take(taken))
    }

    fn take(&self, (units, item): (usize, T)) -> (usize, T) {
        self.waiting.fetch_sub(units, Ordering::AcqRel);
        (units, item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_counted_not_items() {
        let (sender, receiver) = bounded(10);
        assert!(sender.try_send(6, 'a').is_ok());
        assert!(sender.try_send(5, 'b').is_err());
        assert!(sender.try_send(4, 'c').is_ok());
        assert!(sender.try_send(0, 'd').is_err());
        assert_eq!(receiver.try_recv(), Some((6, 'a')));
        assert!(sender.try_send(6, 'e').is_ok());
        sender.close();
        assert!(sender.try_send(1, 'f').is_err());
        assert_eq!((receiver.recv(), receiver.recv(), receiver.recv()), (Some('c'), Some('e'), None));
    }

    #[test]
    fn a_dead_thread_refuses() {
        let (sender, receiver) = bounded(10);
        drop(receiver);
        assert!(sender.try_send(1, ()).is_err());
    }
}
