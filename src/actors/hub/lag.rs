//! How late the hub is: what a client's command would wait for.

use std::time::{Duration, Instant};

use actix::{AsyncContext, Context, Handler, Message};

use super::Hub;
use crate::metrics::Metrics;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What is left of a lag after each look that finds less: half of it after 0.7 s.
const DECAY: f64 = 0.9;

/// Comes back when the hub has done what waited before it.
#[derive(Message)]
#[rtype(result = "()")]
struct Look;

impl Handler<Look> for Hub {
    type Result = ();

    fn handle(&mut self, Look: Look, _: &mut Self::Context) {}
}

impl Hub {
    /// Keeps `hub_lag_seconds`: how much later than asked for a timer on the hub's thread and a message behind what waits
    /// for the hub were done, at worst of late.
    pub(super) fn watch_lag(ctx: &Context<Self>, metrics: Metrics) {
        let hub = ctx.address().downgrade();
        actix_rt::spawn(async move {
            let mut worst = 0.0;
            loop {
                let asked = Instant::now();
                tokio::time::sleep(LOOK).await;
                let Some(hub) = hub.upgrade() else { return };
                if hub.send(Look).await.is_err() {
                    return;
                }
                worst = of_late(worst, asked.elapsed().saturating_sub(LOOK));
                metrics.hub_lag_seconds.set(worst);
            }
        });
    }
}

fn of_late(worst: f64, lag: Duration) -> f64 {
    lag.as_secs_f64().max(worst * DECAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_is_seen_at_once_and_forgotten_slowly() {
        let lag = of_late(0.0, Duration::from_millis(80));
        assert_eq!(lag, 0.08);
        let later = (0..7).fold(lag, |worst, _| of_late(worst, Duration::ZERO));
        assert!((0.03..0.05).contains(&later), "{later}");
    }
}
