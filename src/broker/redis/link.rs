//! Keeps the connections to Redis, finds out when it is away, and leads back: [`LinkState`] decides, this does it.
//!
//! fred's own idea of whether it is connected is wrong for up to a timeout (REDIS.md section 1), so only what happens
//! counts: connections made and lost, commands that failed, pings, and frames that do not come back.

use std::{
    future,
    sync::Arc,
    time::{Duration, Instant},
};

use fred::interfaces::{ClientLike, EventInterface};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc, watch},
    task::AbortHandle,
    time::{MissedTickBehavior, interval},
};
use tracing::{error, info, warn};

use super::{
    context::Context,
    probing,
    recovery::{Recovery, Reopening},
    selftest::Trouble,
};
use crate::{
    broker::{BrokerEvent, Link},
    chat::link::{Connection, Failure, Input, LinkState, Stage, Step},
    metrics::series::ConnectionLabel,
    protocol::ids::Millis,
};

/// How often time is looked at.
const TICK: Duration = Duration::from_millis(100);

/// Events that may wait; those who bring them wait too.
const EVENTS: usize = 64;

/// Reasons logged in one outage.
const REASONS: usize = 8;

/// How long after its task ended a connection is begun anew.
const REOPEN: Duration = Duration::from_secs(1);

/// Something that the link is to know of.
pub(super) enum Event {
    /// What happened, and why, for people.
    Happened(Input, String),
    /// A recovery has ended.
    Ended(u64, Result<(), Trouble>),
}

/// To the link.
pub(super) type Events = mpsc::Sender<Event>;

/// Makes a channel of events.
pub(super) fn events() -> (Events, mpsc::Receiver<Event>) {
    mpsc::channel(EVENTS)
}

/// The task that supervises the link.
pub(super) struct Supervisor {
    ctx: Arc<Context>,
    state: LinkState,
    up: watch::Sender<Link>,
    events: Events,
    recovery: Arc<Recovery>,
    /// The recovery under way, and its number: the end of one that is void is not looked at.
    under_way: Option<AbortHandle>,
    attempt: u64,
    /// Since when Redis is away; set at the start.
    away_since: Instant,
    was_up: bool,
    /// What was logged while away, so that a thousand tries are not a thousand lines.
    said: Vec<String>,
    /// What times are counted from: a clock that is set back must not hold a recovery up.
    started: Instant,
    next_check: Instant,
}

impl Supervisor {
    /// A link that is down; whoever holds the other end of `up` is told.
    pub(super) fn new(ctx: Arc<Context>, up: watch::Sender<Link>, events: Events, recovery: Recovery) -> Self {
        Self {
            ctx,
            state: LinkState::default(),
            up,
            events,
            recovery: Arc::new(recovery),
            under_way: None,
            attempt: 0,
            away_since: Instant::now(),
            was_up: false,
            said: Vec::new(),
            started: Instant::now(),
            next_check: Instant::now(),
        }
    }

    /// Runs for as long as the store does.
    pub(super) async fn run(mut self, mut events: mpsc::Receiver<Event>, mut failures: mpsc::Receiver<Failure>) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.ctx.tell_hub(BrokerEvent::Link(Link::Down)).await;
        loop {
            let (input, why) = tokio::select! {
                event = events.recv() => match event {
                    Some(Event::Happened(input, why)) => (input, why),
                    Some(Event::Ended(attempt, _)) if attempt != self.attempt => continue,
                    Some(Event::Ended(_, Ok(()))) => (Input::Recovered, String::new()),
                    Some(Event::Ended(_, Err(trouble))) => {
                        self.ctx.metrics.redis_failed_recoveries.inc();
                        (Input::NotRecovered, trouble.to_string())
                    }
                    None => return,
                },
                failure = failures.recv() => match failure {
                    Some(Failure::Timeout) => (Input::Failed(Failure::Timeout), "commands time out".to_owned()),
                    Some(Failure::Refused) => (Input::Failed(Failure::Refused), "it refuses commands".to_owned()),
                    None => return,
                },
                _ = ticks.tick() => (Input::Tick, String::new()),
            };
            self.take(input, &why).await;
            self.check().await;
        }
    }

    async fn take(&mut self, input: Input, why: &str) {
        if let Input::Connected(connection) = input {
            let label = ConnectionLabel { connection: connection.as_str() };
            self.ctx.metrics.redis_connects.get_or_create(&label).inc();
        }
        match self.state.take(input, self.now()) {
            Some(Step::GoDown) => self.go_down(why).await,
            Some(Step::Recover) => self.recover(),
            Some(Step::GoUp) => self.go_up().await,
            None if self.state.stage() == Stage::Degraded => self.say(why),
            None => {}
        }
        if input == Input::Deaf {
            probing::reconnect(&self.ctx, Connection::Subscriber);
        }
    }

    async fn go_down(&mut self, why: &str) {
        if let Some(recovery) = self.under_way.take() {
            recovery.abort();
            self.attempt += 1;
        }
        if self.up.send_replace(Link::Down) == Link::Up {
            self.away_since = Instant::now();
            self.said.clear();
            self.ctx.metrics.redis_up.set(0);
            self.ctx.metrics.redis_outages.inc();
            self.say(why);
            self.ctx.tell_hub(BrokerEvent::Link(Link::Down)).await;
        } else {
            self.say(why);
        }
    }

    /// Logs why Redis is away, each reason once in an outage.
    fn say(&mut self, why: &str) {
        if !why.is_empty() && self.said.len() < REASONS && self.said.iter().all(|said| said != why) {
            self.said.push(why.to_owned());
            warn!("Redis cannot be used: {why}");
        }
    }

    fn now(&self) -> Millis {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    fn recover(&mut self) {
        self.attempt += 1;
        let (attempt, recovery, events) = (self.attempt, self.recovery.clone(), self.events.clone());
        let reopening = if self.was_up { Reopening::OfMany } else { Reopening::First };
        let task = tokio::spawn(async move {
            let result = recovery.run(reopening).await;
            // The supervisor is gone only when all is.
            let _ = events.send(Event::Ended(attempt, result)).await;
        });
        self.under_way = Some(task.abort_handle());
    }

    async fn go_up(&mut self) {
        self.under_way = None;
        self.up.send_replace(Link::Up);
        self.ctx.metrics.redis_up.set(1);
        let away = self.away_since.elapsed().as_secs_f64();
        if self.was_up {
            info!("Redis is back after {away:.1} s");
        } else {
            info!("connected to Redis");
        }
        self.was_up = true;
        self.said.clear();
        self.next_check = self.checks_next();
        // What was read while all was not back was read in vain.
        self.ctx.tell_hub(BrokerEvent::Missed(None)).await;
        self.ctx.tell_hub(BrokerEvent::Link(Link::Up)).await;
    }

    /// Has quiet rooms held against their logs now and then: a frame that was lost behind the last one shows nowhere else.
    async fn check(&mut self) {
        if self.state.stage() == Stage::Connected && Instant::now() >= self.next_check {
            self.next_check = self.checks_next();
            self.ctx.tell_hub(BrokerEvent::Missed(None)).await;
        }
    }

    /// Not all instances at once.
    fn checks_next(&self) -> Instant {
        Instant::now() + Duration::from_millis(spread(self.ctx.config.check_ms))
    }
}

/// A time up to a fifth shorter or longer.
fn spread(ms: Millis) -> Millis {
    let fifth = ms / 5;
    ms - fifth + rand::random_range(0..=2 * fifth)
}

/// Keeps one connection: tells when it is made and lost, and begins anew should fred give up on it, as it does for some
/// errors.
pub(super) async fn keep<C: ClientLike + EventInterface>(connection: Connection, client: C, events: Events) {
    loop {
        let why = keep_one(connection, &client, &events).await;
        error!("the {} connection to Redis has ended: {why}", connection.as_str());
        if events.send(Event::Happened(Input::Lost(connection), why)).await.is_err() {
            return;
        }
        tokio::time::sleep(REOPEN).await;
    }
}

async fn keep_one<C: ClientLike + EventInterface>(connection: Connection, client: &C, events: &Events) -> String {
    let (mut errors, mut connects) = (client.error_rx(), client.reconnect_rx());
    let mut task = client.connect();
    loop {
        let event = tokio::select! {
            // One that broke and was made again at once is connected in the end.
            biased;
            lost = errors.recv() => match lost {
                Ok((error, _)) => Event::Happened(Input::Lost(connection), error.to_string()),
                Err(RecvError::Lagged(_)) => Event::Happened(Input::Lost(connection), String::new()),
                Err(RecvError::Closed) => future::pending().await,
            },
            made = connects.recv() => match made {
                Ok(_) | Err(RecvError::Lagged(_)) => Event::Happened(Input::Connected(connection), String::new()),
                Err(RecvError::Closed) => future::pending().await,
            },
            ended = &mut task => return match ended {
                Ok(Ok(())) => "it was closed".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(panicked) => panicked.to_string(),
            },
        };
        if events.send(event).await.is_err() {
            future::pending::<()>().await;
        }
    }
}
