//! The delivery checker: many clients that follow the contract through every fault, and a verdict at the end.
//!
//! Each keeps its position in each room and its own messages until they have a number, reconnects with backoff, or when
//! it was told to, to any instance, joins with `since`, pages while there is `more`, and says again with the same key what has no number. What
//! it must remember is in the [`Ledger`], which finds what was broken.
//!
//! Rooms must be the checker's own: everybody who is counted there is one of its clients, all guests.

mod conversation;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{sync::watch, task::JoinHandle, time::sleep};

use super::{
    Dial, LOOK,
    ledger::{Counts, Ledger, Verdict},
    nginx::source,
};
use conversation::Conversation;

/// How long a connect may take.
const CONNECT: Duration = Duration::from_secs(2);

/// Backoff between connects: at random up to a ceiling that doubles from the first to the second. A tenth of the
/// contract's, so that tests end.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// What a run is like.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) clients: usize,
    pub(crate) rooms: usize,
    /// The mean time between two messages of a client.
    pub(crate) pause: Duration,
    /// Messages of a client that wait for their answer at once.
    pub(crate) in_flight: usize,
    /// Whether they edit, delete and react to what they said.
    pub(crate) changes: bool,
    /// How long everybody may take to be back and to have everything, when the fault is over.
    pub(crate) patience: Duration,
    /// Whether each comes from an address of its own, for a balancer to tell them apart.
    pub(crate) apart: bool,
    /// Decides who says what where and when, and who connects where, as far as the machine lets it. `FAULT_SEED`.
    pub(crate) seed: u64,
}

impl Plan {
    /// Some clients in some rooms, each saying something every 50 ms, with the seed of the environment or a fresh one.
    pub(crate) fn new(clients: usize, rooms: usize) -> Self {
        let seed = std::env::var("FAULT_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
        let (pause, patience) = (Duration::from_millis(50), Duration::from_secs(60));
        Self { clients, rooms, pause, in_flight: 4, changes: false, patience, apart: false, seed }
    }
}

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Say new things.
    Chat,
    /// Nothing new: say again what has no number, and read back what a snapshot left out.
    Settle,
    /// Leave.
    End,
}

/// What all clients are told.
#[derive(Clone, Copy, Debug)]
struct Orders {
    phase: Phase,
    /// Clients from this number on leave for good.
    staying: usize,
    /// So many of those who stay, the last ones, are away for a while.
    away: usize,
}

/// What all clients share.
struct Shared {
    plan: Plan,
    addresses: Vec<SocketAddr>,
    rooms: Vec<String>,
    ledger: Mutex<Ledger>,
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // A client that failed is found by its task.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run. Its clients end when it is dropped.
pub(crate) struct Checker {
    shared: Arc<Shared>,
    orders: watch::Sender<Orders>,
    clients: Vec<JoinHandle<()>>,
}

impl Checker {
    /// Starts the clients, spread over these addresses, and waits until all are in all rooms.
    pub(crate) async fn start(addresses: Vec<SocketAddr>, plan: Plan) -> Self {
        let checker = Self::begin(addresses, plan, Phase::Settle);
        let here = checker.settled().await;
        assert!(here, "not everybody came in: {}", checker.shared.ledger().verdict());
        checker.order(|orders| orders.phase = Phase::Chat);
        checker
    }

    /// Starts the clients, who chat at once, wherever they are.
    pub(crate) fn start_at_once(addresses: Vec<SocketAddr>, plan: Plan) -> Self {
        Self::begin(addresses, plan, Phase::Chat)
    }

    fn begin(addresses: Vec<SocketAddr>, plan: Plan, phase: Phase) -> Self {
        println!("{plan:?}; FAULT_SEED={} plays it again", plan.seed);
        let rooms: Vec<_> = (0..plan.rooms).map(|room| format!("checked-{room}")).collect();
        let ledger = Mutex::new(Ledger::new(plan.clients, &rooms));
        let (orders, heard) = watch::channel(Orders { phase, staying: plan.clients, away: 0 });
        let shared = Arc::new(Shared { plan, addresses, rooms, ledger });
        let clients = (0..shared.plan.clients)
            .map(|number| tokio::spawn(Person::new(number, shared.clone(), heard.clone()).live()))
            .collect();
        Self { shared, orders, clients }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.shared.ledger().counts()
    }

    /// Waits while they chat, until the counts are so.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(Counts) -> bool) {
        let start = Instant::now();
        while !holds(self.counts()) {
            assert!(start.elapsed() < self.shared.plan.patience, "waited in vain for {what}: {:?}", self.counts());
            sleep(LOOK).await;
        }
    }

    /// Waits until so many more messages are acked with a number than are now.
    pub(crate) async fn acks(&self, more: usize) {
        let now = self.counts().acked;
        self.until("acks", |counts| counts.acked >= now + more).await;
    }

    /// The last clients leave for good; so many stay.
    pub(crate) fn dismiss(&self, staying: usize) {
        self.order(|orders| orders.staying = staying.min(orders.staying));
    }

    /// So many of those who stay, the last ones, go away until they are called back, with what they have not said yet
    /// and their positions. Waits until they are gone.
    pub(crate) async fn send_away(&self, clients: usize) {
        let staying = self.orders.borrow().staying;
        self.order(|orders| orders.away = clients);
        let start = Instant::now();
        while (staying - clients..staying).any(|client| !self.shared.ledger().is_away(client)) {
            assert!(start.elapsed() < self.shared.plan.patience, "they do not go away");
            sleep(LOOK).await;
        }
    }

    /// Who is away comes back.
    pub(crate) fn call_back(&self) {
        self.order(|orders| orders.away = 0);
    }

    /// Ends the chat, waits until everybody is back and has everything, and says what was broken. Faults must be over.
    pub(crate) async fn verdict(self) -> Verdict {
        self.order(|orders| (orders.phase, orders.away) = (Phase::Settle, 0));
        if self.settled().await {
            // Behind everything that is still on its way to anybody.
            for room in &self.shared.rooms {
                self.shared.ledger().say(0, room, &format!("last-{room}"), "the last");
            }
            self.settled().await;
        }
        let verdict = self.shared.ledger().verdict();
        println!("seed {}: {verdict}", self.shared.plan.seed);
        self.order(|orders| orders.phase = Phase::End);
        verdict
    }

    /// The same, and nothing may have been broken.
    pub(crate) async fn keeps_its_promises(self) -> Counts {
        let seed = self.shared.plan.seed;
        let verdict = self.verdict().await;
        assert!(verdict.violations.is_empty(), "FAULT_SEED={seed}: {verdict}");
        verdict.counts
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        self.orders.send_modify(change);
    }

    /// Waits until nothing is missing; false if that takes too long.
    async fn settled(&self) -> bool {
        let start = Instant::now();
        while !self.shared.ledger().missing().is_empty() {
            if start.elapsed() > self.shared.plan.patience {
                return false;
            }
            assert!(!self.clients.iter().any(JoinHandle::is_finished) || self.somebody_left(), "a client failed");
            sleep(LOOK).await;
        }
        true
    }

    fn somebody_left(&self) -> bool {
        self.orders.borrow().staying < self.shared.plan.clients
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        self.clients.iter().for_each(JoinHandle::abort);
    }
}

/// A client through all its connections.
struct Person {
    number: usize,
    shared: Arc<Shared>,
    orders: watch::Receiver<Orders>,
    random: StdRng,
    /// Proves who it is when it comes back.
    token: Option<String>,
    /// How long to wait after the end of the connection, by a notice on it.
    reconnect_in: Option<Duration>,
}

impl Person {
    fn new(number: usize, shared: Arc<Shared>, orders: watch::Receiver<Orders>) -> Self {
        let random = StdRng::seed_from_u64(shared.plan.seed.wrapping_add(number as u64));
        Self { number, shared, orders, random, token: None, reconnect_in: None }
    }

    async fn live(mut self) {
        let mut ceiling = BACKOFF.0;
        // Spread evenly at first, anywhere later.
        let mut place = self.number;
        let mut down: Option<Instant> = None;
        while self.stays() {
            if !self.is_wanted() {
                // It is away because it wants to be.
                down = None;
                // The other end lives as long as the checker, and this task no longer.
                let _ = self.orders.changed().await;
                continue;
            }
            let dial = Dial::new(self.shared.addresses[place % self.shared.addresses.len()]).rooms("");
            let dial = if self.shared.plan.apart { dial.source(source(self.number)) } else { dial };
            let dial = match &self.token {
                Some(token) => dial.subprotocol(token),
                None => dial,
            };
            if let Some(client) = dial.attempt(CONNECT).await {
                ceiling = BACKOFF.0;
                self.token = Some(client.resume_token());
                self.shared.ledger().connected(self.number);
                if let Some(down) = down {
                    self.shared.ledger().was_interrupted(down.elapsed());
                }
                let code = Conversation::new(&mut self, client).hold().await;
                down = Some(Instant::now());
                self.shared.ledger().disconnected(self.number, code);
            }
            let backoff = self.random.random_range(Duration::ZERO..=ceiling);
            sleep(self.reconnect_in.take().unwrap_or(backoff)).await;
            ceiling = (2 * ceiling).min(BACKOFF.1);
            place = self.random.random_range(0..self.shared.addresses.len());
        }
        self.shared.ledger().gone(self.number);
    }

    fn stays(&self) -> bool {
        let orders = self.orders.borrow();
        orders.phase != Phase::End && self.number < orders.staying
    }

    /// Whether it is to be connected.
    fn is_wanted(&self) -> bool {
        let Orders { staying, away, .. } = *self.orders.borrow();
        self.stays() && self.number + away < staying
    }

    fn phase(&self) -> Phase {
        self.orders.borrow().phase
    }
}
