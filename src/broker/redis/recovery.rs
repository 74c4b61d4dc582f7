//! What is made up for when Redis is back, in this order (REDIS.md section 6).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{
    RedisAccounts, RedisBroker, RedisDirectory, RedisPresence,
    context::Context,
    probing,
    receiver::Hearing,
    selftest::{self, Trouble, Warned},
    subscriptions::Subscriptions,
};
use crate::{broker::BrokerEvent, protocol::ids::Millis};

/// Instances that lost the same Redis do not all come back in the same moment.
const JITTER_MS: Millis = 500;

/// Whether others are likely to do the same now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reopening {
    /// The first time, at the start.
    First,
    /// After an outage.
    OfMany,
}

/// All that has to do with a Redis that is back.
pub(super) struct Recovery {
    pub(super) ctx: Arc<Context>,
    pub(super) hearing: Arc<Hearing>,
    pub(super) subscriptions: Arc<Subscriptions>,
    pub(super) broker: Arc<RedisBroker>,
    pub(super) presence: Arc<RedisPresence>,
    pub(super) accounts: Arc<RedisAccounts>,
    pub(super) directory: Arc<RedisDirectory>,
    pub(super) warned: Warned,
}

impl Recovery {
    /// Makes up for an outage. May be broken off anywhere, and begun anew: every step is one that may be done twice.
    pub(super) async fn run(&self, reopening: Reopening) -> Result<(), Trouble> {
        let since = Instant::now();
        probing::ping(&self.ctx).await?;
        selftest::run(&self.ctx, &self.warned).await?;
        self.directory.heartbeat().await?;
        if reopening == Reopening::OfMany {
            sleep(Duration::from_millis(rand::random_range(0..=JITTER_MS))).await;
        }
        self.subscriptions.renew().await?;
        probing::echo(&self.ctx, &self.hearing).await?;
        self.accounts.reassert().await?;
        // From here on nothing passes unheard; what did is read.
        self.ctx.tell_hub(BrokerEvent::Missed(None)).await;
        self.broker.recover_after_outage().await?;
        self.presence.full_sync().await;
        self.ctx.metrics.redis_recovery_seconds.observe(since.elapsed().as_secs_f64());
        Ok(())
    }
}
