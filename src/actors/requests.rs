//! What the HTTP routes ask of the hub. Each has an answer; a full hub answers with `MailboxError`.

use std::{net::IpAddr, sync::Arc};

use actix::Message;

use crate::{
    auth::accounts::TokenHash,
    broker::Append,
    protocol::{
        error::Refusal,
        ids::{Millis, RoomName, UserId},
        user::User,
    },
};

pub use crate::broker::Appended;

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

/// Whose connections [`Disconnect`] closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Everything of a user.
    User(UserId),
    /// What one login session proved.
    Login(TokenHash),
}

/// Why [`Disconnect`] closes connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisconnectCause {
    /// 4403; may come right back.
    Kicked,
    /// 4403; may not, not even with a handshake that passed its checks just before the ban.
    Banned,
    /// 4401.
    SessionEnded,
}

/// Connections of this instance, by session from `after` (exclusive) on.
#[derive(Message, Debug)]
#[rtype(result = "Vec<SessionInfo>")]
pub struct ListSessions {
    /// The last session of the page before.
    pub after: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// One connection.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// Its number on this instance; shown with the instance in front.
    pub session: u64,
    /// Who.
    pub user: Arc<User>,
    /// Where they are.
    pub rooms: Vec<RoomName>,
    /// Since when.
    pub connected_at: Millis,
    /// The client's address.
    pub address: IpAddr,
}

/// How many connections there are.
#[derive(Message, Debug)]
#[rtype(result = "SessionCounts")]
pub struct CountSessions;

/// Answer to [`CountSessions`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionCounts {
    /// Open connections.
    pub total: usize,
    /// Of them, by role.
    pub guests: usize,
    /// Of them, by role.
    pub members: usize,
    /// Of them, by role.
    pub admins: usize,
}
