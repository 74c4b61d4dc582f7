//! What one connection's frames lead to.

use crate::protocol::{
    close::CloseCode,
    command::{Command, Rejection, Request, RequestId},
    error::{ErrorCode, Refusal},
    event::{ErrorEvent, Event},
    ids::{Millis, RoomName},
    user::Role,
};

use super::{
    access::RoomRules,
    strikes::{Strikes, Tolerance},
};

/// More than 20 malformed commands in a minute close with 4400 (PROTOCOL section 3).
pub const MALFORMED: Tolerance = Tolerance { strikes: 20, window_ms: 60_000 };
/// 100 refusals by limits within 10 s close with 4429 (PROTOCOL section 3).
pub const LIMITED: Tolerance = Tolerance { strikes: 99, window_ms: 10_000 };
/// A hub that takes nothing for so long closes with 1013 (PROTOCOL section 3).
pub const HUB_PATIENCE_MS: Millis = 1_000;

/// What to do with a frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Answer at once.
    Answer(Event),
    /// The hub decides.
    Ask(Request),
    /// Say why, then close.
    Close(Event, CloseCode),
}

/// When the hub had no room, from the first time to the last.
#[derive(Clone, Copy, Debug)]
struct Refused {
    first: Millis,
    last: Millis,
}

/// One connection's memory of how it behaved.
#[derive(Debug, Default)]
pub struct Session {
    malformed: Strikes,
    limited: Strikes,
    hub_refused: Option<Refused>,
}

impl Session {
    /// Decides about a decoded frame of somebody with `role`.
    pub fn receive(&mut self, frame: Result<Request, Rejection>, role: Role, rules: &RoomRules, now: Millis) -> Step {
        let Request { id, command } = match frame {
            Ok(request) => request,
            Err(Rejection { id, refusal }) => return self.rejected(id, refusal, now),
        };
        if command == Command::Ping {
            return Step::Answer(Event::Pong { id, ts: now });
        }
        match allowed(&command, role, rules) {
            Ok(()) => Step::Ask(Request { id, command }),
            Err(refusal) => refuse(id, command.room().cloned(), refusal),
        }
    }

    /// Decides about a command that a limit refused.
    pub fn limited(&mut self, id: Option<RequestId>, room: Option<RoomName>, refusal: Refusal, now: Millis) -> Step {
        let event = Event::Error(ErrorEvent::new(id, room, refusal));
        if self.limited.strike(LIMITED, now) { Step::Close(event, CloseCode::Limits) } else { Step::Answer(event) }
    }

    /// Decides about a command that the hub had no room for.
    pub fn hub_full(&mut self, id: Option<RequestId>, room: Option<RoomName>, now: Millis) -> Step {
        // Refusals far apart are not one long one: in between the client had nothing to ask.
        let before = self.hub_refused.filter(|refused| now.saturating_sub(refused.last) < HUB_PATIENCE_MS);
        let since = before.map_or(now, |refused| refused.first);
        self.hub_refused = Some(Refused { first: since, last: now });
        let refusal = Refusal::unavailable("the server has too much to do", HUB_PATIENCE_MS);
        let event = Event::Error(ErrorEvent::new(id, room, refusal));
        if now.saturating_sub(since) >= HUB_PATIENCE_MS {
            Step::Close(event, CloseCode::Overloaded)
        } else {
            Step::Answer(event)
        }
    }

    /// Notes that the hub took a command.
    pub fn hub_took(&mut self) {
        self.hub_refused = None;
    }

    fn rejected(&mut self, id: Option<RequestId>, refusal: Refusal, now: Millis) -> Step {
        let malformed = refusal.code == ErrorCode::Malformed;
        let event = Event::Error(ErrorEvent::new(id, None, refusal));
        if malformed && self.malformed.strike(MALFORMED, now) {
            Step::Close(event, CloseCode::Malformed)
        } else {
            Step::Answer(event)
        }
    }
}

fn refuse(id: Option<RequestId>, room: Option<RoomName>, refusal: Refusal) -> Step {
    Step::Answer(Event::Error(ErrorEvent::new(id, room, refusal)))
}

/// Whether the role may do that there. What depends on the state of a message is the broker's to check.
fn allowed(command: &Command, role: Role, rules: &RoomRules) -> Result<(), Refusal> {
    let permitted = match command {
        Command::Ping | Command::Leave { .. } => true,
        Command::Kick { .. } => role == Role::Admin,
        Command::Join { room, .. }
        | Command::History { room, .. }
        | Command::Who { room, .. }
        | Command::Read { room, .. } => rules.may_join(role, room),
        Command::Message { room, .. }
        | Command::Edit { room, .. }
        | Command::Delete { room, .. }
        | Command::React { room, .. }
        | Command::Typing { room } => rules.may_post(role, room),
    };
    if permitted { Ok(()) } else { Err(Refusal::new(ErrorCode::Forbidden, "your role may not do that here")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::command::decode;

    fn receive(session: &mut Session, frame: &str, role: Role, now: Millis) -> Step {
        session.receive(decode(frame), role, &RoomRules::default(), now)
    }

    fn code(step: &Step) -> ErrorCode {
        match step {
            Step::Answer(Event::Error(error)) | Step::Close(Event::Error(error), _) => error.code,
            other => panic!("no error: {other:?}"),
        }
    }

    #[test]
    fn a_ping_is_answered_at_once_and_other_commands_are_asked_of_the_hub() {
        let mut session = Session::default();
        let pong = receive(&mut session, "{\"type\":\"ping\",\"id\":3}", Role::Guest, 7);
        assert_eq!(pong, Step::Answer(Event::Pong { id: Some(RequestId::Integer(3)), ts: 7 }));
        assert!(matches!(receive(&mut session, "{\"type\":\"join\"}", Role::Guest, 7), Step::Ask(_)));
    }

    #[test]
    fn only_admins_kick() {
        let kick = "{\"type\":\"kick\",\"userId\":\"g:1\"}";
        let mut session = Session::default();
        assert_eq!(code(&receive(&mut session, kick, Role::Member, 0)), ErrorCode::Forbidden);
        assert!(matches!(receive(&mut session, kick, Role::Admin, 0), Step::Ask(_)));
    }

    #[test]
    fn the_twenty_first_malformed_command_in_a_minute_closes() {
        let mut session = Session::default();
        for n in 0..20 {
            assert!(matches!(receive(&mut session, "?", Role::Guest, n), Step::Answer(_)));
        }
        assert!(matches!(receive(&mut session, "{\"type\":\"dance\"}", Role::Guest, 21), Step::Answer(_)));
        assert!(matches!(receive(&mut session, "?", Role::Guest, 22), Step::Close(_, CloseCode::Malformed)));
    }

    #[test]
    fn a_hundred_refusals_by_limits_in_ten_seconds_close() {
        let mut session = Session::default();
        let refusal = || Refusal::rate_limited("slow down", 10);
        for n in 0..99 {
            assert!(matches!(session.limited(None, None, refusal(), n), Step::Answer(_)));
        }
        assert!(matches!(session.limited(None, None, refusal(), 99), Step::Close(_, CloseCode::Limits)));
    }

    #[test]
    fn a_hub_that_refuses_for_a_second_closes() {
        let mut session = Session::default();
        assert_eq!(code(&session.hub_full(None, None, 100)), ErrorCode::Unavailable);
        session.hub_took();
        assert!(matches!(session.hub_full(None, None, 1_200), Step::Answer(_)));
        assert!(matches!(session.hub_full(None, None, 2_199), Step::Answer(_)));
        assert!(matches!(session.hub_full(None, None, 2_200), Step::Close(_, CloseCode::Overloaded)));
        assert!(matches!(session.hub_full(None, None, 9_000), Step::Answer(_)));
    }
}
