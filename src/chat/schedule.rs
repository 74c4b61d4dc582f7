//! When a draining server closes whom, and when whoever was closed is to come back.

use std::num::NonZeroU32;

use super::headroom::Headroom;
use crate::protocol::ids::Millis;

/// The shortest time between a close and the return: long enough for another instance, or this one started anew, to be
/// there.
pub const LEAST_RECONNECT_MS: Millis = 1_000;

/// How a drain spreads its closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// All are closed after so long, whatever their number.
    pub max_ms: Millis,
    /// So many a second when that is sooner.
    pub per_second: u64,
}

impl Pace {
    /// How long the closes of `clients` take: min(`max_ms`, clients ÷ `per_second`).
    pub fn window_ms(self, clients: usize) -> Millis {
        (clients as u64).saturating_mul(1_000).checked_div(self.per_second).unwrap_or(self.max_ms).min(self.max_ms)
    }

    /// When the client that is `index` of `clients` closes, counted from the start: evenly over the window.
    pub fn close_in_ms(self, index: usize, clients: usize) -> Millis {
        let window = u128::from(self.window_ms(clients));
        (window * index as u128 / (clients.max(1)) as u128) as Millis
    }
}

/// Spreads those who come back so that no instance that takes them gets them faster than it can.
///
/// Where they go is the balancer's choice, not theirs; that it spreads them evenly is all that is counted on. So the
/// slowest of the instances sets the pace: each gets an equal part of all. One that is full gets no more, and the others
/// share the rest.
#[derive(Clone, Debug)]
pub struct Returns {
    /// Who takes newcomers, the one with the most room first.
    takers: Vec<Headroom>,
    /// The rate of this instance started anew, for when nobody else takes any (more).
    anew: NonZeroU32,
    /// How many each of the takers has been given.
    given: f64,
    /// Between two returns, microseconds.
    step_us: u64,
    /// No return is due before, microseconds.
    next_us: u64,
}

impl Returns {
    /// For these instances. Without one, or when all are full, those who are left come back to this instance started
    /// anew, `anew` a second.
    pub fn new(survivors: impl IntoIterator<Item = Headroom>, anew: NonZeroU32) -> Self {
        let mut takers: Vec<_> = survivors.into_iter().filter(|survivor| survivor.takes_newcomers()).collect();
        takers.sort_unstable_by_key(|taker| std::cmp::Reverse(taker.sessions_free));
        let mut returns = Self { takers, anew, given: 0.0, step_us: 0, next_us: 0 };
        returns.step_us = returns.step();
        returns
    }

    /// The time of the next return, in milliseconds from the start of the drain: not before `earliest`, and not before the
    /// last one and the pace allow it.
    pub fn after(&mut self, earliest: Millis) -> Millis {
        let at_us = self.next_us.max(earliest.saturating_mul(1_000));
        self.next_us = at_us.saturating_add(self.step_us);
        self.give();
        at_us.div_ceil(1_000)
    }

    /// When the last one given out is over, in milliseconds from the start of the drain.
    pub fn end_ms(&self) -> Millis {
        self.next_us.div_ceil(1_000)
    }

    /// One more is on the way to any of the takers.
    fn give(&mut self) {
        if self.takers.is_empty() {
            return;
        }
        self.given += 1.0 / self.takers.len() as f64;
        let before = self.takers.len();
        while self.takers.pop_if(|taker| taker.sessions_free as f64 <= self.given + ROUNDING).is_some() {}
        if self.takers.len() != before {
            self.step_us = self.step();
        }
    }

    fn step(&self) -> u64 {
        let slowest = self.takers.iter().map(|taker| taker.newcomers_per_second).min();
        let per_second = slowest
            .map_or(u64::from(self.anew.get()), |slowest| u64::from(slowest).saturating_mul(self.takers.len() as u64));
        1_000_000_u64.div_ceil(per_second.max(1))
    }
}

/// What many parts of one may lack of it.
const ROUNDING: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    const PACE: Pace = Pace { max_ms: 20_000, per_second: 500 };

    #[test]
    fn few_clients_go_fast_and_many_within_the_bound() {
        assert_eq!(PACE.window_ms(0), 0);
        assert_eq!(PACE.window_ms(500), 1_000);
        assert_eq!(PACE.window_ms(30_000), 20_000);
    }

    proptest! {
        #[test]
        fn closes_are_spread_evenly(clients in 1..50_000usize) {
            let window = PACE.window_ms(clients);
            let step = window as f64 / clients as f64;
            let mut last = 0;
            for index in 0..clients {
                let at = PACE.close_in_ms(index, clients);
                prop_assert!(at >= last && at <= window);
                prop_assert!((at as f64 - step * index as f64).abs() <= 1.0);
                last = at;
            }
        }
    }

    fn headroom(sessions_free: usize, newcomers_per_second: u32) -> Headroom {
        Headroom { sessions_free, newcomers_per_second }
    }

    fn anew(per_second: u32) -> NonZeroU32 {
        NonZeroU32::new(per_second).unwrap()
    }

    /// When each of some clients comes back, as the hub counts it.
    fn all(returns: &mut Returns, clients: usize) -> Vec<Millis> {
        (0..clients).map(|index| returns.after(PACE.close_in_ms(index, clients) + LEAST_RECONNECT_MS)).collect()
    }

    #[test]
    fn few_come_back_as_they_were_closed() {
        let mut returns = Returns::new([headroom(9_000, 500), headroom(9_000, 500)], anew(1));
        assert_eq!(all(&mut returns, 5), [1_000, 1_002, 1_004, 1_006, 1_008]);
    }

    #[test]
    fn the_slowest_sets_the_pace() {
        let mut returns = Returns::new([headroom(9_000, 500), headroom(9_000, 50), Headroom::NONE], anew(1));
        assert_eq!(all(&mut returns, 4), [1_000, 1_010, 1_020, 1_030], "100 a second, half of them to each");
    }

    #[test]
    fn a_full_one_gets_no_more() {
        // Two each, then all to the one that has room.
        let mut returns = Returns::new([headroom(2, 500), headroom(9_000, 50)], anew(1));
        assert_eq!(all(&mut returns, 6), [1_000, 1_010, 1_020, 1_030, 1_040, 1_060]);
    }

    #[test]
    fn without_others_they_come_back_to_this_one_started_anew() {
        for survivors in [vec![], vec![Headroom::NONE], vec![headroom(0, 500)]] {
            assert_eq!(all(&mut Returns::new(survivors, anew(100)), 3), [1_000, 1_010, 1_020]);
        }
        let mut returns = Returns::new([headroom(1, 500)], anew(1));
        assert_eq!(all(&mut returns, 3), [1_000, 1_002, 2_002], "nor when the others are full");
    }

    proptest! {
        /// Whoever takes newcomers, and however many: with an even spread none gets more than its rate, none more than it
        /// has room for while another has, and the last is back as soon as that allows.
        #[test]
        fn nobody_is_overrun(
            takers in vec((0..400usize, 0..300u32), 0..5), anew_rate in 1..300u32, clients in 0..3_000usize
        ) {
            let takers: Vec<_> = takers.into_iter().map(|(free, rate)| headroom(free, rate)).collect();
            let mut returns = Returns::new(takers.clone(), anew(anew_rate));
            let mut left: Vec<_> = takers.into_iter().filter(|taker| taker.takes_newcomers()).collect();
            left.sort_unstable_by_key(|taker| taker.sessions_free);
            let (mut share, mut last, mut sum_us) = (0.0, None, 0);
            for index in 0..clients {
                let close = PACE.close_in_ms(index, clients);
                let at = returns.after(close + LEAST_RECONNECT_MS);
                prop_assert!(at >= close + LEAST_RECONNECT_MS, "a client counts from its close");
                if let Some((before, step_us)) = last {
                    prop_assert!((at + 1 - before) * 1_000 >= step_us, "{before} {at} {step_us}");
                    sum_us += step_us;
                }
                let slowest = left.iter().map(|taker| taker.newcomers_per_second).min();
                let rate = slowest.map_or(anew_rate, |slowest| slowest * left.len() as u32);
                last = Some((at, 1_000_000 / u64::from(rate)));
                if !left.is_empty() {
                    share += 1.0 / left.len() as f64;
                    left.retain(|taker| taker.sessions_free as f64 > share + ROUNDING);
                }
            }
            if let Some((at, _)) = last {
                // Each step is rounded up by less than a microsecond.
                let bound = PACE.window_ms(clients) + LEAST_RECONNECT_MS + (sum_us + 2 * clients as u64) / 1_000 + 1;
                prop_assert!(at <= bound, "{at} {bound}");
            }
        }
    }
}
