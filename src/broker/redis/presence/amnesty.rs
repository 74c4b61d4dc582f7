//! When users whose time is over count all the same: while Redis was away nobody could refresh anybody.

use std::time::Duration;

use tokio::time::Instant;

use crate::broker::Link;

/// Whether expired users count. From the moment Redis goes away until every instance had the time to refresh its users
/// again, they do, and nobody is taken out; so counts after an outage are those from before it, with what changed, and
/// not too low until all have come back.
#[derive(Debug, Default)]
pub(super) struct Amnesty {
    was_up: bool,
    away: bool,
    until: Option<Instant>,
}

impl Amnesty {
    /// Redis can be used, or not; a user who is refreshed counts for `ttl`. An instance that starts while Redis is away
    /// knows nothing from before, and begins without.
    pub(super) fn link_is(&mut self, link: Link, now: Instant, ttl: Duration) {
        match link {
            Link::Up => {
                if self.away {
                    self.until = Some(now + ttl);
                }
                (self.was_up, self.away) = (true, false);
            }
            Link::Down => self.away = self.was_up,
        }
    }

    /// Whether it holds now.
    pub(super) fn holds(&self, now: Instant) -> bool {
        self.away || self.until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(12);

    #[test]
    fn it_holds_from_the_outage_until_all_had_the_time_to_come_back() {
        let (start, mut amnesty) = (Instant::now(), Amnesty::default());
        for link in [Link::Down, Link::Up, Link::Up] {
            amnesty.link_is(link, start, TTL);
            assert!(!amnesty.holds(start), "there was nothing before");
        }
        amnesty.link_is(Link::Down, start, TTL);
        assert!(amnesty.holds(start + TTL * 100));
        let back = start + TTL * 100;
        amnesty.link_is(Link::Up, back, TTL);
        assert!(amnesty.holds(back + TTL / 2) && !amnesty.holds(back + TTL));
    }
}
