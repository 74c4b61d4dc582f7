//! The directory of an instance that stands alone: itself.

use std::sync::Arc;

use futures_util::{
    FutureExt,
    future::{self, BoxFuture},
};

use crate::{
    broker::{Directory, InstanceInfo, Measure, Unavailable},
    clock::SharedClock,
    metrics::Metrics,
    protocol::{
        envelope::{PeerAnswer, PeerAsk},
        ids::{InstanceId, Millis},
    },
};

/// One instance, always just heard. Never [`Unavailable`].
pub struct LocalDirectory {
    instance: InstanceId,
    started_at: Millis,
    clock: SharedClock,
    metrics: Metrics,
    measure: Measure,
}

impl LocalDirectory {
    /// The directory of `instance`.
    pub fn new(
        instance: InstanceId,
        started_at: Millis,
        clock: SharedClock,
        metrics: Metrics,
        measure: Measure,
    ) -> Arc<Self> {
        metrics.instances_live.set(1);
        Arc::new(Self { instance, started_at, clock, metrics, measure })
    }
}

impl Directory for LocalDirectory {
    fn instances(&self) -> BoxFuture<'static, Result<Vec<InstanceInfo>, Unavailable>> {
        let itself = InstanceInfo {
            instance: self.instance.clone(),
            started_at: self.started_at,
            last_heartbeat: self.clock.now_ms(),
            connected_clients: self.metrics.open_connections(),
            headroom: Some((self.measure)()),
        };
        future::ready(Ok(vec![itself])).boxed()
    }

    fn ask(
        &self,
        _: Option<InstanceId>,
        _: PeerAsk,
    ) -> BoxFuture<'static, Result<Vec<(InstanceId, PeerAnswer)>, Unavailable>> {
        future::ready(Ok(Vec::new())).boxed()
    }

    fn renew(&self) -> BoxFuture<'static, ()> {
        future::ready(()).boxed()
    }

    fn depart(&self, _: Millis) -> BoxFuture<'static, ()> {
        future::ready(()).boxed()
    }
}
