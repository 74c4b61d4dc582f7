//! The task that refreshes who is here and takes out whose time is over.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::{CHUNK, ROOMS_AT_ONCE, Shared, held::Room, presence, tally::Tally, telling};
use crate::{
    broker::{BrokerEvent, PresenceChange, Unavailable},
    protocol::{event::LeaveReason, ids::RoomName},
};

/// Rooms looked at in one call.
const REAP_ROOMS: usize = 64;
/// Users of a role taken out of a room in one call.
const REAP_USERS: usize = 100;
/// How much a refresh may be early or late: instances that started together must not stay together.
const JITTER: f64 = 0.2;

/// Runs until it is aborted.
pub(super) async fn run(shared: Arc<Shared>) {
    let config = &shared.context.config;
    let ttl = Duration::from_millis(config.presence_ttl_ms);
    let mut link = shared.context.link.clone();
    link.mark_changed();
    let mut reap = interval(Duration::from_millis(config.reap_ms));
    reap.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut refresh_at = Instant::now() + jittered(config.presence_refresh_ms);
    loop {
        // In this order: a process that was frozen refreshes its own users before it takes anybody out.
        tokio::select! {
            biased;
            changed = link.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = *link.borrow_and_update();
                shared.amnesty().link_is(now, Instant::now(), ttl);
            }
            () = sleep_until(refresh_at) => {
                if shared.usable().is_ok() {
                    shared.refresh_all().await;
                }
                refresh_at = Instant::now() + jittered(config.presence_refresh_ms);
            }
            _ = reap.tick() => {
                if shared.usable().is_ok() && !shared.amnesty().holds(Instant::now()) {
                    shared.reap().await;
                }
            }
        }
    }
}

fn jittered(ms: u64) -> Duration {
    Duration::from_millis(ms).mul_f64(rand::random_range(1.0 - JITTER..=1.0 + JITTER))
}

impl Shared {
    /// Refreshes every room, until one fails. Those under way then are not dropped: they know what they told.
    pub(super) async fn refresh_all(&self) {
        self.rooms.sweep();
        let Ok(begun) = self.calls().now().await.map_err(|error| self.failed(&error)) else { return };
        let failed = AtomicBool::new(false);
        let refresh = async |(name, room)| {
            if !failed.load(Ordering::Relaxed) && self.refresh(name, room).await.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
        };
        stream::iter(self.rooms.all()).for_each_concurrent(ROOMS_AT_ONCE, refresh).await;
        if !failed.into_inner() {
            self.refreshed_at.store(begun, Ordering::Relaxed);
        }
    }

    async fn refresh(&self, name: RoomName, room: Arc<Room>) -> Result<(), Unavailable> {
        let mut held = room.held.lock().await;
        let mut tally = Tally::default();
        self.settle(&name, &mut held, &mut tally).await?;
        let users: Vec<_> = held.users.values().cloned().collect();
        let (mut last, mut changed) = (None, false);
        for users in users.chunks(CHUNK) {
            let refreshed = {
                let _permit = self.permit().await?;
                self.calls().refresh(&name, users).await.map_err(|error| self.failed(&error))?
            };
            changed |= refreshed.readded;
            last = Some(refreshed.answer);
            if !refreshed.missing.is_empty() {
                self.context.metrics.presence_drift.inc_by(refreshed.missing.len() as u64);
                let come = |user| PresenceChange { user, present: true, away_ms: 0 };
                let come: Vec<_> = refreshed.missing.into_iter().map(come).collect();
                last = Some(self.tell(&name, &mut held, &mut tally, &come).await?);
                changed = true;
            }
        }
        if let Some(answer) = last {
            self.plan(&room, &held, &answer);
            drop(held);
            if changed {
                self.announce(name, presence(&answer, tally, LeaveReason::Lost)).await;
            } else {
                // Something that was told may not have come; this puts the numbers right.
                let told = telling(&answer, Vec::new(), Vec::new());
                self.context.tell_hub(BrokerEvent::Told(name, told)).await;
            }
        }
        Ok(())
    }

    /// Takes out whose time is over, in rooms of this instance.
    async fn reap(&self) {
        let due = self.rooms.due(Instant::now());
        for rooms in due.chunks(REAP_ROOMS) {
            if self.reap_rooms(rooms).await.is_err() {
                return;
            }
        }
    }

    async fn reap_rooms(&self, rooms: &[(RoomName, Arc<Room>)]) -> Result<(), Unavailable> {
        let names: Vec<_> = rooms.iter().map(|(name, _)| name.clone()).collect();
        let number = self.number();
        // From then on its own users' time would be over.
        let deadline = self.refreshed_at.load(Ordering::Relaxed) + self.context.config.presence_ttl_ms;
        let reaped = {
            let _permit = self.permit().await?;
            self.calls().reap(number, REAP_USERS, deadline, &names).await.map_err(|error| self.failed(&error))?
        };
        for ((name, room), reaped) in rooms.iter().zip(reaped) {
            let held = room.held.lock().await;
            self.plan(room, &held, &reaped.answer);
            drop(held);
            if reaped.lost.is_empty() {
                continue;
            }
            self.context.metrics.presence_reaped.inc_by(reaped.lost.len() as u64);
            self.announce(name.clone(), telling(&reaped.answer, Vec::new(), reaped.lost)).await;
        }
        Ok(())
    }
}
