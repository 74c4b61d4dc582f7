//! The threads that read: a few connections behind one bounded queue, so that no read blocks the async runtime.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    health::Health,
    queue::{self, Receiver, Sender},
};
use crate::broker::Unavailable;

type Read = Box<dyn FnOnce(&mut Connection) + Send>;

/// The pool.
pub(super) struct Readers {
    queue: Sender<Read>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    health: Arc<Health>,
}

impl Readers {
    /// One thread for each connection, and a queue in which so many reads may wait.
    pub(super) fn start(connections: Vec<Connection>, queue_length: usize) -> io::Result<Self> {
        let (sender, receiver) = queue::bounded(queue_length.max(1));
        let receiver = Arc::new(Mutex::new(receiver));
        let start = |db| {
            let receiver = receiver.clone();
            thread::Builder::new().name("store-reader".into()).spawn(move || serve(db, &receiver))
        };
        let threads = connections.into_iter().map(start).collect::<io::Result<Vec<_>>>()?;
        Ok(Self { queue: sender, threads: Mutex::new(threads), health: Arc::new(Health::new("read")) })
    }

    /// Runs `read` in one read transaction: all it sees is of one moment.
    pub(super) fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> impl Future<Output = Result<T, Unavailable>> + Send + 'static {
        let (reply, answer) = oneshot::channel();
        let health = self.health.clone();
        let job: Read = Box::new(move |db| match db.transaction().and_then(|tx| read(&tx)) {
            Ok(value) => {
                health.succeeded();
                // Whoever stopped waiting does not want to know.
                drop(reply.send(value));
            }
            Err(error) => health.failed(&error),
        });
        // Refused, failed or panicked: the reply's sender is gone.
        drop(self.queue.try_send(1, job));
        async move { answer.await.map_err(|_| Unavailable) }
    }

    /// Finishes what waits and closes the connections. Blocks.
    pub(super) fn shut_down(&self) {
        self.queue.close();
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // A reader that panicked has nothing more to finish.
            drop(thread.join());
        }
    }
}

fn serve(mut db: Connection, queue: &Mutex<Receiver<Read>>) {
    loop {
        // Held while waiting: the others wait for the lock instead of the queue.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Some(read) => read(&mut db),
            None => return,
        }
    }
}
