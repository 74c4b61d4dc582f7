//! When a draining server closes whom.

use crate::protocol::ids::Millis;

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
}
