//! Which messages have reached everyone.

use std::collections::VecDeque;

/// Messages on their way to a number of clients, each of which gets all of them in the same order.
#[derive(Debug)]
pub(super) struct Flight {
    /// How many messages each client has had.
    had: Vec<u64>,
    /// For each message on its way, the oldest first, how many clients have had it.
    reached: VecDeque<usize>,
    /// Messages that everyone has had.
    landed: u64,
}

impl Flight {
    /// Nothing is on its way to so many clients.
    pub(super) fn new(clients: usize) -> Self {
        Self { had: vec![0; clients], reached: VecDeque::new(), landed: 0 }
    }

    /// A message was sent.
    pub(super) fn launch(&mut self) {
        self.reached.push_back(0);
    }

    /// A client had its next message. False if none was on its way to it: the server sent one too many.
    pub(super) fn arrive(&mut self, client: usize) -> bool {
        let Some(had) = self.had.get_mut(client) else { return false };
        let place = usize::try_from(*had - self.landed).ok();
        let Some(reached) = place.and_then(|place| self.reached.get_mut(place)) else { return false };
        *had += 1;
        *reached += 1;
        while self.reached.front() == Some(&self.had.len()) {
            self.reached.pop_front();
            self.landed += 1;
        }
        true
    }

    /// How many messages are on their way.
    pub(super) fn under_way(&self) -> usize {
        self.reached.len()
    }

    /// How many messages everyone has had.
    pub(super) fn landed(&self) -> u64 {
        self.landed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_landed_when_everyone_had_it() {
        let mut flight = Flight::new(2);
        assert!(!flight.arrive(0), "none was sent");
        flight.launch();
        flight.launch();
        assert!(flight.arrive(0) && flight.arrive(0) && !flight.arrive(0));
        assert_eq!((flight.under_way(), flight.landed()), (2, 0));
        assert!(flight.arrive(1));
        assert_eq!((flight.under_way(), flight.landed()), (1, 1));
        assert!(flight.arrive(1) && !flight.arrive(1) && !flight.arrive(2));
        assert_eq!((flight.under_way(), flight.landed()), (0, 2));
    }
}
