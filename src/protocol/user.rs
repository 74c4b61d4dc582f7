//! Who somebody is, as others see them.

use serde::{Deserialize, Serialize};

use super::ids::UserId;

/// What somebody may do, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Anyone without an account or token.
    Guest,
    /// An account, a JWT's subject or a bot.
    Member,
    /// May moderate and see how the server does.
    Admin,
}

impl Role {
    /// Every role, least first.
    pub const ALL: [Role; 3] = [Role::Guest, Role::Member, Role::Admin];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Guest => "guest",
            Role::Member => "member",
            Role::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Role::ALL.into_iter().find(|role| role.as_str() == name).ok_or(())
    }
}

/// A person or bot: `user`, `from`, `by` and the items of `users` on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Who it is; the same on every connection and instance.
    pub id: UserId,
    /// The name to show. Not unique; show the role beside it.
    pub name: Box<str>,
    /// What they may do.
    pub role: Role,
}
