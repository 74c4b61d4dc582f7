//! Who calls a route, and what they may.

use std::{net::IpAddr, sync::Arc};

use crate::{
    auth::{
        address::AddressKey,
        identity::Identity,
        keys::{Key, Scope},
    },
    protocol::{
        error::{ErrorCode, Refusal},
        ids::UserId,
        user::{Role, User},
    },
};

/// Who calls a route.
#[derive(Clone, Debug)]
pub enum Caller {
    /// The holder of an API key.
    Key {
        /// Which.
        key: Key,
        /// Who posts with it.
        user: Arc<User>,
    },
    /// A person, or a program with a JWT.
    Person {
        /// Who.
        identity: Identity,
        /// Whether a cookie proved it, so that any page could have sent the request.
        by_cookie: bool,
    },
    /// Nobody in particular: a guest, where guests are let in.
    Nobody,
}

impl Caller {
    /// The role of the caller.
    pub fn role(&self) -> Role {
        self.user().map_or(Role::Guest, |user| user.role)
    }

    /// The user of the caller, if there is one.
    pub fn user(&self) -> Option<&Arc<User>> {
        match self {
            Caller::Key { user, .. } => Some(user),
            Caller::Person { identity, .. } => Some(&identity.user),
            Caller::Nobody => None,
        }
    }

    /// Who looks at reactions; for nobody an id that no user has.
    pub fn viewer(&self) -> UserId {
        self.user().map_or_else(|| UserId::guest(0), |user| user.id.clone())
    }

    /// Lets through a key with the scope, or a person with at least the role.
    ///
    /// # Errors
    /// `unauthorized` for nobody where somebody is asked for, else `forbidden`.
    pub fn require(&self, scope: Scope, least: Role) -> Result<(), Refusal> {
        match self {
            Caller::Key { key, .. } if key.allows(scope) => Ok(()),
            Caller::Key { .. } => Err(forbidden(format!("this key lacks the scope '{}'", scope.as_str()))),
            _ if self.role() >= least => Ok(()),
            Caller::Nobody => Err(Refusal::new(ErrorCode::Unauthorized, "log in or bring a key")),
            Caller::Person { .. } => Err(forbidden(format!("this takes the role {}", least.as_str()))),
        }
    }

    /// Who posts: a key with the scope, or a member.
    ///
    /// # Errors
    /// As [`Self::require`].
    pub fn poster(&self, scope: Scope) -> Result<&Arc<User>, Refusal> {
        self.require(scope, Role::Member)?;
        self.user().ok_or_else(|| Refusal::new(ErrorCode::Unauthorized, "log in or bring a key"))
    }

    /// What the caller's requests are counted by.
    pub(super) fn counted_by(&self, address: IpAddr) -> String {
        match self.user() {
            // Anybody can be as many guests as they like.
            Some(user) if user.role > Role::Guest => user.id.to_string(),
            _ => AddressKey::from(address).to_string(),
        }
    }
}

fn forbidden(message: String) -> Refusal {
    Refusal::new(ErrorCode::Forbidden, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(role: Role) -> Caller {
        let user = Arc::new(User { id: UserId::account("ana"), name: "Ana".into(), role });
        let identity = Identity { user, resume_token: None, login: None, expires_ms: None, clear_cookie: false };
        Caller::Person { identity, by_cookie: true }
    }

    #[test]
    fn nobody_is_asked_who_they_are_and_others_refused() {
        let code = |caller: &Caller, least| caller.require(Scope::Read, least).map_err(|refusal| refusal.code);
        assert_eq!(code(&Caller::Nobody, Role::Guest), Ok(()));
        assert_eq!(code(&Caller::Nobody, Role::Member), Err(ErrorCode::Unauthorized));
        assert_eq!(code(&person(Role::Member), Role::Member), Ok(()));
        assert_eq!(code(&person(Role::Member), Role::Admin), Err(ErrorCode::Forbidden));
        assert_eq!(code(&person(Role::Admin), Role::Admin), Ok(()));
    }

    #[test]
    fn guests_are_counted_by_address() {
        let address = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(person(Role::Guest).counted_by(address), "192.0.2.1");
        assert_eq!(person(Role::Member).counted_by(address), "m:ana");
    }
}
