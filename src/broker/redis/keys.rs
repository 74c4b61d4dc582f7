//! The name of every key and channel in Redis. Nowhere else is one put together: the hash tags of a Redis Cluster would be
//! a change of this file.
//!
//! Of an empty name [`account`], [`login`] and [`logins`] give what all their keys begin with: for scripts that read the name
//! in another key.

use crate::protocol::{envelope::Incarnation, ids::RoomName};

/// Keys and channels of one room.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoomKeys<'a>(pub(super) &'a RoomName);

impl RoomKeys<'_> {
    /// Channel: what happens in the room, live.
    pub(super) fn channel(self) -> String {
        format!("chat:pubsub:{}:broadcast", self.0)
    }

    /// Hash: `e` epoch, `s` last number, `t` number trimmed up to, `ts` time of the last entry.
    pub(super) fn meta(self) -> String {
        self.key("meta")
    }

    /// Hash: number → entry as JSON.
    pub(super) fn log(self) -> String {
        self.key("log")
    }

    /// Hash: message id → number.
    pub(super) fn ids(self) -> String {
        self.key("ids")
    }

    /// Hash: number of a message that was edited or reacted to → what it is now.
    pub(super) fn state(self) -> String {
        self.key("state")
    }

    /// Hash of a period of time: message id that was trimmed from the log before its key may be forgotten → what its
    /// retry is answered. Behind this name stands `:` and the period, which the script knows by the clock of Redis.
    pub(super) fn idem(self) -> String {
        self.key("idem")
    }

    /// String: the answer to the last batch of an instance that held more than messages; expires.
    pub(super) fn done(self, origin: &Incarnation) -> String {
        format!("chat:done:{}:{origin}", self.0)
    }

    /// The same for batches that were put back, whose numbers rise apart.
    pub(super) fn put_back(self, origin: &Incarnation) -> String {
        format!("chat:done:{}:{origin}:back", self.0)
    }

    /// Hash: user → read marker.
    pub(super) fn read_markers(self) -> String {
        self.key("read")
    }

    /// What one life of the log is made of: its numbers mean nothing in the next. Scripts know it in this order: meta, log,
    /// ids, state, read markers.
    pub(super) fn life(self) -> [String; 5] {
        [self.meta(), self.log(), self.ids(), self.state(), self.read_markers()]
    }

    /// Sorted sets of user ids by the time they expire: guests, members, admins, in this order; and the hash user → name
    /// and the incarnations that hold it.
    pub(super) fn presence(self) -> [String; 4] {
        ["guests", "members", "admins", "refs"].map(|part| format!("chat:presence:{}:{part}", self.0))
    }

    /// String: what the last presence call of an instance was answered; expires.
    pub(super) fn presence_answer(self, incarnation: &Incarnation) -> String {
        format!("chat:presence:{}:answer:{incarnation}", self.0)
    }

    fn key(self, kind: &str) -> String {
        format!("chat:{kind}:{}", self.0)
    }
}

/// The room of a live channel.
pub(super) fn room_of_channel(channel: &str) -> Option<RoomName> {
    let room = channel.strip_prefix("chat:pubsub:")?.strip_suffix(":broadcast")?;
    RoomName::parse(room).ok()
}

/// Channel that every instance listens to.
pub(super) const CONTROL: &str = "chat:pubsub:control";

/// Sorted set: incarnation → time of its last heartbeat.
pub(super) const INSTANCES: &str = "chat:instances";

/// String: the secret that signs resume tokens.
pub(super) const SECRET: &str = "chat:secret";

/// String: when that secret was made, by Redis' clock.
pub(super) const SECRET_MADE: &str = "chat:secret:made";

/// Sorted set of the rooms that have entries; all scores are 0, so that it is in the order of names.
pub(super) const ROOMS: &str = "chat:rooms";

/// Sorted set: room that has users → time until which somebody is there.
pub(super) const OCCUPIED: &str = "chat:occupied";

/// String: what the self-test of one life of an instance writes; expires.
pub(super) fn self_test(incarnation: &Incarnation) -> String {
    format!("chat:selftest:{incarnation}")
}

/// What the key of an instance's hash starts with; the id follows.
pub(super) const INSTANCE_PREFIX: &str = "chat:instances:";

/// Hash: what is known of an instance; expires.
pub(super) fn instance(id: &str) -> String {
    format!("{INSTANCE_PREFIX}{id}")
}

/// String: whom an instance took out of rooms last; expires.
pub(super) fn reaped(incarnation: &Incarnation) -> String {
    format!("chat:reaped:{incarnation}")
}

/// Channel of one life of an instance.
pub(super) fn peer_channel(incarnation: &Incarnation) -> String {
    format!("chat:pubsub:instance:{incarnation}")
}

/// Hash: an account, by its folded name.
pub(super) fn account(folded: &str) -> String {
    format!("chat:account:{folded}")
}

/// Hash: a login session, by the hexadecimal SHA-256 of its token; expires.
pub(super) fn login(token: &str) -> String {
    format!("chat:login:{token}")
}

/// Hash: folded name of an account that is an admin's → nothing.
pub(super) const ADMINS: &str = "chat:admins";

/// Sorted set: the login sessions of an account by the time they end; expires with the last.
pub(super) fn logins(folded: &str) -> String {
    format!("chat:logins:{folded}")
}

/// String: until when a user is refused; expires.
pub(super) fn ban(user: &str) -> String {
    format!("chat:ban:{user}")
}

/// Sorted set: user who is refused → until when.
pub(super) const BANS: &str = "chat:bans";

/// Sorted set of what is leased from a pool, by expiry; the hash of owners; the counter of fencing tokens.
pub(super) fn leases(pool: &str) -> [String; 3] {
    [format!("chat:leases:{pool}"), format!("chat:leases:{pool}:owners"), format!("chat:leases:{pool}:fence")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_find_what_seed_003_names() {
        let global = RoomName::global();
        let keys = RoomKeys(&global);
        assert_eq!(keys.channel(), "chat:pubsub:global:broadcast");
        assert_eq!(keys.presence()[1], "chat:presence:global:members");
        assert_eq!(instance("api-1"), "chat:instances:api-1");
        assert_eq!(room_of_channel(&keys.channel()), Some(global));
        assert_eq!(room_of_channel(CONTROL), None);
        assert_eq!(room_of_channel("chat:pubsub:NO:broadcast"), None);
    }
}
