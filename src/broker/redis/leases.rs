//! Numbers of a pool that one owner has at a time, until it gives them back or stops renewing: ports of a host, or the right
//! to do what only one instance is to do.
//!
//! Expiry is by Redis' clock. The owner counts from before it asked, by its own clock, so it knows that it has lost a lease
//! no later than Redis gives it to another; whoever acts on something that outlives the lease passes the fencing token on,
//! which is greater than that of every earlier holder of the pool.

use std::{
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use fred::error::Error;
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, sleep, sleep_until, timeout_at},
};
use tracing::warn;

use super::{context::Context, keys, scripts};
use crate::broker::Unavailable;

/// Most numbers of a pool; each reservation looks at all that are taken.
const MAX_POOL: u32 = 4_096;

/// Leases of this instance.
#[derive(Clone)]
pub struct Leases(Arc<Shared>);

struct Shared {
    context: Arc<Context>,
    /// Numbers the leases: one that is reserved twice, because the answer was lost, is the same lease.
    numbers: AtomicU64,
}

/// A number that is this instance's until it is dropped, released or lost. Renewed every third of its time.
pub struct Lease {
    number: u32,
    fence: u64,
    lost: watch::Receiver<bool>,
    renewing: AbortHandle,
    held: Held,
}

/// What names a lease in Redis.
#[derive(Clone)]
struct Held {
    leases: Leases,
    pool: Arc<str>,
    owner: Arc<str>,
    ttl: Duration,
}

impl Leases {
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self(Arc::new(Shared { context, numbers: AtomicU64::new(0) }))
    }

    /// Takes the lowest number of `range` that is free, for `ttl` at a time; `None` when all are taken. A range has at most
    /// 4,096 numbers, the rest is not looked at.
    ///
    /// # Errors
    /// [`Unavailable`] while Redis is away.
    pub async fn reserve(
        &self,
        pool: &str,
        range: RangeInclusive<u32>,
        ttl: Duration,
    ) -> Result<Option<Lease>, Unavailable> {
        if !self.0.context.is_up() {
            return Err(Unavailable);
        }
        let (first, last) = range.into_inner();
        let last = last.min(first.saturating_add(MAX_POOL - 1));
        let number = self.0.numbers.fetch_add(1, Ordering::Relaxed);
        let owner = format!("{}/{number}", self.0.context.me);
        let held = Held { leases: self.clone(), pool: pool.into(), owner: owner.into(), ttl };
        let asked = Instant::now();
        let given = held.call("reserve", &[first, last]).await;
        let given = given.map_err(|error| self.0.context.unavailable("a lease", &error))?;
        Ok(given.map(|(number, fence)| Lease::hold(held, number, fence, asked + ttl)))
    }

    /// Does `job` whenever this instance holds the only lease of `pool`: of all instances that call it one does it at a
    /// time. It is given the fencing token, and is dropped where it stands when the lease is lost. Never ends.
    pub async fn whenever_held<J: Future<Output = ()>>(&self, pool: &str, ttl: Duration, job: impl Fn(u64) -> J) {
        loop {
            if let Ok(Some(mut lease)) = self.reserve(pool, 1..=1, ttl).await {
                let fence = lease.fence();
                tokio::select! {
                    () = job(fence) => {}
                    () = lease.lost() => {}
                }
                lease.release().await;
            }
            sleep(ttl / 3).await;
        }
    }
}

impl Held {
    /// Gives number and fencing token, if the call took effect.
    async fn call(&self, op: &str, numbers: &[u32]) -> Result<Option<(u32, u64)>, Error> {
        let mut args = vec![op.to_owned(), self.owner.to_string(), self.ttl.as_millis().to_string()];
        args.extend(numbers.iter().map(u32::to_string));
        let data = &self.leases.0.context.clients.data;
        let keys = keys::leases(&self.pool).to_vec();
        let (number, fence): (i64, u64) = scripts::run(&scripts::LEASE, data, keys, args).await?;
        Ok(u32::try_from(number).ok().map(|number| (number, fence)))
    }

    /// Renews until it fails for good.
    async fn renew(&self, number: u32, mut until: Instant) {
        loop {
            sleep(self.ttl / 3).await;
            loop {
                let asked = Instant::now();
                match timeout_at(until, self.call("renew", &[number])).await {
                    Ok(Ok(Some(_))) => {
                        until = asked + self.ttl;
                        break;
                    }
                    Ok(Ok(None)) | Err(_) => return,
                    Ok(Err(error)) => {
                        let _ = self.leases.0.context.unavailable("renewing a lease", &error);
                        sleep_until((asked + self.ttl / 6).min(until)).await;
                    }
                }
            }
        }
    }

    async fn release(&self, number: u32) {
        if let Err(error) = self.call("release", &[number]).await {
            // It expires.
            let _ = self.leases.0.context.unavailable("releasing a lease", &error);
        }
    }
}

impl Lease {
    fn hold(held: Held, number: u32, fence: u64, until: Instant) -> Self {
        let (tell, lost) = watch::channel(false);
        let renewed = held.clone();
        let renewing = tokio::spawn(async move {
            renewed.renew(number, until).await;
            warn!(pool = %renewed.pool, number, "a lease was lost");
            tell.send_replace(true);
        });
        Self { number, fence, lost, renewing: renewing.abort_handle(), held }
    }

    /// Which number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The fencing token: greater than that of every earlier lease of the pool.
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Whether it is this instance's no longer, or may not be.
    pub fn is_lost(&self) -> bool {
        *self.lost.borrow()
    }

    /// Waits until it is lost.
    pub async fn lost(&mut self) {
        // The sender goes only after it has told, or with the lease itself.
        let _ = self.lost.wait_for(|lost| *lost).await;
    }

    /// Gives it back at once.
    pub async fn release(self) {
        self.renewing.abort();
        if !self.is_lost() {
            self.held.release(self.number).await;
        }
    }
}

impl Drop for Lease {
    /// No longer renews it: it expires.
    fn drop(&mut self) {
        self.renewing.abort();
    }
}
