//! What retention takes from the log goes from memory too: what nobody asks for, on its own.

use std::time::Duration;

use actix::{Context, Handler, Message};

use super::Hub;

/// How often it is looked for, as the stores do by default.
const INTERVAL: Duration = Duration::from_secs(60);

/// Let go of what is not kept any more.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Forget;

impl Hub {
    /// Forgets again and again.
    pub(super) fn keep_forgetting(ctx: &Context<Self>) {
        Self::every(INTERVAL, ctx, || Forget);
    }
}

impl Handler<Forget> for Hub {
    type Result = ();

    fn handle(&mut self, Forget: Forget, ctx: &mut Self::Context) {
        let (kept, now) = (self.config.history, self.now());
        for (_, room) in &mut self.rooms {
            room.forget_old(&kept, now);
        }
        self.end_turn(ctx);
    }
}
