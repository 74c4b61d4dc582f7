//! Whether the store that instances share can be used: degraded at once, connected again only when all is back and has
//! stayed so (REDIS.md section 6).
//!
//! ```text
//!            lost, failing, deaf               all three connected
//! Connected ────────────────────► Degraded ─────────────────────────► Recovering ──► Connected
//!                                    ▲                                     │    recovered, and stable
//!                                    └─────────────────────────────────────┘
//!                                       lost, failing, deaf, or not recovered
//! ```

use crate::protocol::ids::Millis;

/// How long all must have been well again before it is said so.
pub const STABLE_MS: Millis = 1_000;
/// So many timeouts within [`TIMEOUT_WINDOW_MS`] are no accident.
const TIMEOUTS: u8 = 2;
/// How long a timeout counts.
const TIMEOUT_WINDOW_MS: Millis = 10_000;
/// The waits before a recovery that failed is tried again: the first, and the longest.
const RETRY_MS: (Millis, Millis) = (200, 2_000);

/// One of the connections of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Connection {
    /// For reads, presence and heartbeats.
    Data,
    /// For what is published.
    Publisher,
    /// For what comes.
    Subscriber,
}

impl Connection {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Data, Self::Publisher, Self::Subscriber];

    /// Its name in the log and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Publisher => "publisher",
            Self::Subscriber => "subscriber",
        }
    }
}

/// What a command showed to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It had no answer in time; one alone may be an accident.
    Timeout,
    /// The store answers, and takes nothing: it is full, a replica, lacks replicas, or forbids it.
    Refused,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A connection was made, or made again: the other end knows nothing of what went before.
    Connected(Connection),
    /// A connection broke.
    Lost(Connection),
    /// A command failed.
    Failed(Failure),
    /// What was published does not come back: the subscriber hears nothing.
    Deaf,
    /// The recovery that was begun is done.
    Recovered,
    /// The recovery that was begun did not succeed.
    NotRecovered,
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Say that the store is away; a recovery under way is void.
    GoDown,
    /// Begin a recovery.
    Recover,
    /// Say that the store is back.
    GoUp,
}

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The store is used.
    Connected,
    /// It is away.
    Degraded,
    /// It is back, and what was missed is being made up for.
    Recovering,
}

/// The state of the link. Starts degraded.
#[derive(Debug)]
pub struct LinkState {
    stage: Stage,
    connected: [bool; 3],
    /// When the recovery was done, while that is not yet said.
    recovered_at: Option<Millis>,
    /// Timeouts counted, and when the first of them was.
    timeouts: (u8, Millis),
    /// When the next recovery may begin, and how long to wait if that one fails.
    retry: (Millis, Millis),
    /// Whether it was ever connected: the first time nothing was unstable before.
    was_up: bool,
}

impl Default for LinkState {
    fn default() -> Self {
        Self {
            stage: Stage::Degraded,
            connected: [false; 3],
            recovered_at: None,
            timeouts: (0, 0),
            retry: (0, RETRY_MS.0),
            was_up: false,
        }
    }
}

impl LinkState {
    /// Where it stands.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Takes what happened at `now`.
    pub fn take(&mut self, input: Input, now: Millis) -> Option<Step> {
        match input {
            Input::Connected(connection) => {
                self.connected[connection as usize] = true;
                self.retry = (now, RETRY_MS.0);
                // One that broke unnoticed: what the recovery did on the one before is gone.
                if self.stage == Stage::Degraded { self.try_recover(now) } else { self.degrade() }
            }
            Input::Lost(connection) => {
                self.connected[connection as usize] = false;
                self.degrade()
            }
            Input::Deaf => {
                self.connected[Connection::Subscriber as usize] = false;
                self.degrade()
            }
            Input::Failed(failure) => self.failed(failure, now),
            Input::Recovered if self.stage == Stage::Recovering => {
                self.recovered_at = Some(now);
                self.try_go_up(now)
            }
            Input::NotRecovered if self.stage == Stage::Recovering => {
                self.back_off(now);
                self.degrade()
            }
            Input::Recovered | Input::NotRecovered => None,
            Input::Tick => match self.stage {
                Stage::Connected => None,
                Stage::Degraded => self.try_recover(now),
                Stage::Recovering => self.try_go_up(now),
            },
        }
    }

    fn failed(&mut self, failure: Failure, now: Millis) -> Option<Step> {
        if failure == Failure::Timeout && self.stage == Stage::Connected {
            let (count, since) = self.timeouts;
            let fresh = count > 0 && now.saturating_sub(since) <= TIMEOUT_WINDOW_MS;
            self.timeouts = if fresh { (count + 1, since) } else { (1, now) };
            if self.timeouts.0 < TIMEOUTS {
                return None;
            }
        }
        match self.stage {
            // Known already.
            Stage::Degraded => return None,
            Stage::Recovering => self.back_off(now),
            Stage::Connected => self.retry = (now, RETRY_MS.0),
        }
        self.degrade()
    }

    fn back_off(&mut self, now: Millis) {
        let (_, wait) = self.retry;
        self.retry = (now.saturating_add(wait), (wait * 2).min(RETRY_MS.1));
    }

    fn degrade(&mut self) -> Option<Step> {
        if self.stage == Stage::Degraded {
            return None;
        }
        self.stage = Stage::Degraded;
        self.recovered_at = None;
        self.timeouts = (0, 0);
        Some(Step::GoDown)
    }

    fn try_recover(&mut self, now: Millis) -> Option<Step> {
        if !self.connected.iter().all(|&connected| connected) || now < self.retry.0 {
            return None;
        }
        self.stage = Stage::Recovering;
        Some(Step::Recover)
    }

    fn try_go_up(&mut self, now: Millis) -> Option<Step> {
        let stable_ms = if self.was_up { STABLE_MS } else { 0 };
        if self.recovered_at.is_none_or(|at| now.saturating_sub(at) < stable_ms) {
            return None;
        }
        self.stage = Stage::Connected;
        self.was_up = true;
        self.recovered_at = None;
        self.retry = (now, RETRY_MS.0);
        Some(Step::GoUp)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One that has been connected since 0.
    fn up() -> LinkState {
        let mut link = LinkState::default();
        for connection in Connection::ALL {
            link.take(Input::Connected(connection), 0);
        }
        assert_eq!(link.stage(), Stage::Recovering);
        assert_eq!(link.take(Input::Recovered, 0), Some(Step::GoUp), "at the start nothing was unstable");
        link
    }

    #[test]
    fn all_three_are_needed_and_then_made_up_for() {
        let mut link = LinkState::default();
        assert_eq!(link.take(Input::Connected(Connection::Data), 1), None);
        assert_eq!(link.take(Input::Connected(Connection::Data), 2), None);
        assert_eq!(link.take(Input::Connected(Connection::Subscriber), 3), None);
        assert_eq!(link.take(Input::Connected(Connection::Publisher), 4), Some(Step::Recover));
        assert_eq!(link.take(Input::Tick, 5), None, "not twice at once");
        assert_eq!(link.take(Input::Recovered, 6), Some(Step::GoUp));
        assert_eq!(link.stage(), Stage::Connected);
    }

    #[test]
    fn degraded_at_once_and_back_when_stable() {
        let mut link = up();
        assert_eq!(link.take(Input::Lost(Connection::Publisher), 100), Some(Step::GoDown));
        assert_eq!(link.take(Input::Lost(Connection::Data), 101), None);
        assert_eq!(link.take(Input::Connected(Connection::Publisher), 150), None);
        assert_eq!(link.take(Input::Connected(Connection::Data), 160), Some(Step::Recover));
        assert_eq!(link.take(Input::Recovered, 200), None);
        assert_eq!(link.take(Input::Tick, 200 + STABLE_MS - 1), None);
        assert_eq!(link.take(Input::Tick, 200 + STABLE_MS), Some(Step::GoUp));
    }

    #[test]
    fn one_timeout_is_an_accident_and_two_are_not() {
        let mut link = up();
        assert_eq!(link.take(Input::Failed(Failure::Timeout), 0), None);
        assert_eq!(link.take(Input::Failed(Failure::Timeout), TIMEOUT_WINDOW_MS + 1), None, "long ago");
        assert_eq!(link.take(Input::Failed(Failure::Timeout), TIMEOUT_WINDOW_MS + 2), Some(Step::GoDown));
        assert_eq!(link.take(Input::Failed(Failure::Timeout), TIMEOUT_WINDOW_MS + 3), None);
        assert_eq!(link.take(Input::Tick, TIMEOUT_WINDOW_MS + 4), Some(Step::Recover), "all are connected");
        let mut link = up();
        assert_eq!(link.take(Input::Failed(Failure::Refused), 5), Some(Step::GoDown));
    }

    #[test]
    fn a_connection_made_again_unnoticed_is_recovered_too() {
        let mut link = up();
        assert_eq!(link.take(Input::Connected(Connection::Subscriber), 5), Some(Step::GoDown));
        assert_eq!(link.take(Input::Tick, 6), Some(Step::Recover));
        assert_eq!(link.take(Input::Connected(Connection::Subscriber), 7), Some(Step::GoDown), "void");
        assert_eq!(link.take(Input::Recovered, 8), None, "of the one that is void");
    }

    #[test]
    fn a_deaf_subscriber_must_connect_again() {
        let mut link = up();
        assert_eq!(link.take(Input::Deaf, 5), Some(Step::GoDown));
        assert_eq!(link.take(Input::Tick, 1_000_000), None);
        assert_eq!(link.take(Input::Connected(Connection::Subscriber), 1_000_001), Some(Step::Recover));
    }

    #[test]
    fn what_fails_is_tried_again_ever_later() {
        let mut link = up();
        link.take(Input::Failed(Failure::Refused), 0);
        let (mut now, mut waits) = (0, Vec::new());
        for _ in 0..6 {
            let from = now;
            while link.take(Input::Tick, now) != Some(Step::Recover) {
                now += 1;
            }
            waits.push(now - from);
            assert_eq!(link.take(Input::NotRecovered, now), Some(Step::GoDown));
        }
        assert_eq!(waits, [0, 200, 400, 800, 1_600, 2_000]);
    }

    fn inputs() -> impl Strategy<Value = (Input, Millis)> {
        let connection = prop_oneof![Just(Connection::Data), Just(Connection::Publisher), Just(Connection::Subscriber)];
        let input = prop_oneof![
            4 => connection.clone().prop_map(Input::Connected),
            2 => connection.prop_map(Input::Lost),
            1 => prop_oneof![Just(Failure::Timeout), Just(Failure::Refused)].prop_map(Input::Failed),
            1 => Just(Input::Deaf),
            3 => Just(Input::Recovered),
            1 => Just(Input::NotRecovered),
            4 => Just(Input::Tick),
        ];
        (input, 0..700_u64)
    }

    proptest! {
        /// Up and down alternate, up comes only after a recovery of all three connections that nothing has happened to
        /// since, and whatever went before, quiet and three connections lead back up.
        #[test]
        fn it_never_says_what_is_not_so(inputs in prop::collection::vec(inputs(), 0..80)) {
            let (mut link, mut now) = (LinkState::default(), 0);
            let (mut is_up, mut connected, mut recovering, mut recovered) = (false, [false; 3], false, false);
            for (input, wait) in inputs {
                now += wait;
                match input {
                    Input::Connected(which) => connected[which as usize] = true,
                    Input::Lost(which) => connected[which as usize] = false,
                    Input::Deaf => connected[Connection::Subscriber as usize] = false,
                    Input::Recovered => recovered = recovering,
                    _ => {}
                }
                match link.take(input, now) {
                    Some(Step::GoDown) => (is_up, recovering, recovered) = (false, false, false),
                    Some(Step::Recover) => {
                        prop_assert!(!is_up && !recovering && connected == [true; 3]);
                        recovering = true;
                    }
                    Some(Step::GoUp) => {
                        prop_assert!(!is_up && recovered && connected == [true; 3]);
                        (is_up, recovering, recovered) = (true, false, false);
                    }
                    None => {}
                }
                prop_assert_eq!(is_up, link.stage() == Stage::Connected);
                prop_assert_eq!(recovering, link.stage() == Stage::Recovering);
            }
            for which in Connection::ALL {
                link.take(Input::Connected(which), now);
            }
            for _ in 0..10 {
                now += 1_000;
                if link.take(Input::Tick, now) == Some(Step::Recover) {
                    link.take(Input::Recovered, now);
                }
            }
            if link.stage() == Stage::Recovering {
                link.take(Input::Recovered, now);
                link.take(Input::Tick, now + STABLE_MS);
            }
            prop_assert_eq!(link.stage(), Stage::Connected);
        }
    }
}
