//! What the HTTP routes ask of the hub. Each has an answer; a full hub answers with `MailboxError`.

use actix::Message;

use crate::{
    broker::Append,
    chat::search::Search,
    protocol::{envelope::PeerAnswer, error::Refusal, event::Counts, ids::InstanceId},
};

pub use crate::{
    broker::Appended,
    protocol::envelope::{DisconnectCause, SessionInfo, Whom},
};

/// How many connections other instances closed.
pub fn closed_by(answers: &[(InstanceId, PeerAnswer)]) -> usize {
    let closed = |answer: &PeerAnswer| match answer {
        PeerAnswer::Disconnected { closed } => *closed,
        _ => 0,
    };
    answers.iter().map(|(_, answer)| closed(answer)).sum()
}

/// Append on behalf of somebody who has no connection.
#[derive(Message, Debug)]
#[rtype(result = "Result<Appended, Refusal>")]
pub struct Post(pub Append);

/// Close connections. Answered with how many. A ban, or the end of the login session, is the caller's to write before.
#[derive(Message, Debug)]
#[rtype(result = "usize")]
pub struct Disconnect {
    /// Whose.
    pub whom: Whom,
    /// With which code: kicked, or session ended.
    pub cause: DisconnectCause,
}

/// Connections of this instance, by session from `after` (exclusive) on.
#[derive(Message, Debug)]
#[rtype(result = "Vec<SessionInfo>")]
pub struct ListSessions {
    /// The last session of the page before.
    pub after: Option<u64>,
    /// At most so many.
    pub limit: usize,
    /// Only those where this is in the user's name or id, a room's name or the address.
    pub search: Option<Search>,
}

/// How many connections there are, by role.
#[derive(Message, Debug)]
#[rtype(result = "Counts")]
pub struct CountSessions;
