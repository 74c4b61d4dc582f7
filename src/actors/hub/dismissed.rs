//! Who was sent away a moment ago. Somebody whose proof was good until then may be between the door and the hub.

use std::collections::VecDeque;

use crate::{
    actors::requests::Whom,
    protocol::{close::CloseCode, ids::Millis},
    transport::upgrade::ANSWER_TIMEOUT,
};

/// How long a handshake may lie between its check and the hub: while its answer is written, and before and after that
/// in the queues of the store and of the hub.
const LATE_ARRIVAL_MS: Millis = ANSWER_TIMEOUT.as_millis() as Millis + IN_QUEUES_MS;

/// The part of it that is not up to the client.
const IN_QUEUES_MS: Millis = 20_000;

/// Those whose connections were closed, the last at the end.
#[derive(Default)]
pub(super) struct Dismissed(VecDeque<Dismissal>);

struct Dismissal {
    at: Millis,
    whom: Whom,
    code: CloseCode,
}

impl Dismissed {
    /// Their connections are closed now.
    pub(super) fn note(&mut self, now: Millis, whom: Whom, code: CloseCode) {
        self.forget(now);
        self.0.push_back(Dismissal { at: now, whom, code });
    }

    /// With which code to close a connection that arrives, whose proof was not checked before `since`: that of who was
    /// sent away later. A proof that was checked since then knows of it.
    pub(super) fn code_for(
        &mut self,
        now: Millis,
        since: Millis,
        is_meant: impl Fn(&Whom) -> bool,
    ) -> Option<CloseCode> {
        self.forget(now);
        self.0.iter().find(|gone| since <= gone.at && is_meant(&gone.whom)).map(|gone| gone.code)
    }

    /// Lets go of those from before any handshake that is still under way.
    fn forget(&mut self, now: Millis) {
        self.0.retain(|gone| gone.at.saturating_add(LATE_ARRIVAL_MS) > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ids::UserId;

    #[test]
    fn only_a_proof_from_before_is_too_late() {
        let mut dismissed = Dismissed::default();
        let is = |wanted: u128| move |whom: &Whom| matches!(whom, Whom::User(user) if *user == UserId::guest(wanted));
        assert_eq!(dismissed.code_for(10, 10, is(1)), None);
        dismissed.note(10, Whom::User(UserId::guest(1)), CloseCode::Kicked);
        assert_eq!(dismissed.code_for(12, 9, is(1)), Some(CloseCode::Kicked));
        assert_eq!(dismissed.code_for(12, 10, is(1)), Some(CloseCode::Kicked), "of the same moment");
        assert_eq!(dismissed.code_for(12, 11, is(1)), None, "who was let in since");
        assert_eq!(dismissed.code_for(12, 9, is(2)), None, "somebody else");
        assert_eq!(dismissed.code_for(10 + LATE_ARRIVAL_MS, 9, is(1)), None, "no handshake takes so long");
        assert!(dismissed.0.is_empty());
    }

    #[test]
    fn a_client_that_takes_its_answer_late_is_still_known() {
        let mut dismissed = Dismissed::default();
        dismissed.note(10, Whom::User(UserId::guest(1)), CloseCode::Kicked);
        let late = 10 + ANSWER_TIMEOUT.as_millis() as Millis + 1_000;
        assert_eq!(dismissed.code_for(late, 9, |_| true), Some(CloseCode::Kicked));
    }

    #[test]
    fn those_who_go_when_nobody_comes_are_forgotten_too() {
        let mut dismissed = Dismissed::default();
        for round in 0..5 {
            dismissed.note(round * LATE_ARRIVAL_MS, Whom::User(UserId::guest(1)), CloseCode::SessionEnded);
        }
        assert_eq!(dismissed.0.len(), 1);
    }
}
