//! The scripts of presence, with what goes in and what comes out.

use std::{sync::Arc, time::Duration};

use fred::{
    error::{Error, ErrorKind},
    types::Value,
};

use super::held::Call;
use crate::{
    broker::{
        PresenceChange,
        redis::{
            context::Context,
            keys::{self, RoomKeys},
            scripts,
        },
    },
    protocol::{
        event::{Counts, LeaveReason},
        ids::{Millis, RoomName, UserId},
        user::{Role, User},
    },
};

/// What every call about a room tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// How many are there.
    pub(super) counts: Counts,
    /// Those whose time is over and who were not taken out yet included.
    pub(super) kept: usize,
    /// When the first of them expires.
    pub(super) expires_in: Option<Duration>,
    /// When they were counted, by Redis' clock in microseconds.
    pub(super) counted_at: u64,
}

/// What a sync changed in the cluster.
#[derive(Debug)]
pub(super) struct Synced {
    pub(super) answer: Answer,
    pub(super) entered: Vec<Arc<User>>,
    pub(super) left: Vec<Arc<User>>,
}

/// What a refresh found.
#[derive(Debug)]
pub(super) struct Refreshed {
    pub(super) answer: Answer,
    /// Users that Redis does not know this instance to hold.
    pub(super) missing: Vec<Arc<User>>,
    /// Whether somebody was missing from the counts.
    pub(super) readded: bool,
}

/// What was taken out of a room.
#[derive(Debug)]
pub(super) struct Reaped {
    pub(super) answer: Answer,
    /// Who: lost, or drained and not come back.
    pub(super) lost: Vec<(Arc<User>, LeaveReason)>,
}

/// The parts of a call that are the same for all.
pub(super) struct Calls<'a> {
    pub(super) context: &'a Context,
    /// Whether users whose time is over count.
    pub(super) everyone: bool,
}

impl Calls<'_> {
    /// Tells who came to and went from a room.
    pub(super) async fn sync(&self, room: &RoomName, call: &Call) -> Result<Synced, Error> {
        let mut keys = self.room_keys(room);
        keys.push(RoomKeys(room).presence_answer(&self.context.me));
        let mut args = self.head(room);
        args.push(call.number.to_string());
        for PresenceChange { user, present, away_ms } in call.changes.iter() {
            let sign = if *present { "+".to_owned() } else { format!("-{away_ms}") };
            args.extend([sign, user.id.to_string(), number_of(user.role).to_string(), user.name.to_string()]);
        }
        let reply: Vec<Value> = scripts::run(&scripts::PRESENCE_SYNC, &self.context.clients.data, keys, args).await?;
        let said = reply.get(6).and_then(Value::as_string).ok_or_else(unreadable)?;
        let (entered, left) = said.split_once(';').ok_or_else(unreadable)?;
        let of = |places| places_in(places).filter_map(|at| call.changes.get(at)).map(|change| change.user.clone());
        Ok(Synced { answer: answer(&reply)?, entered: of(entered).collect(), left: of(left).collect() })
    }

    /// Says that users are still in a room.
    pub(super) async fn refresh(&self, room: &RoomName, users: &[Arc<User>]) -> Result<Refreshed, Error> {
        let mut args = self.head(room);
        args.extend(users.iter().map(|user| user.id.to_string()));
        let (script, data) = (&scripts::PRESENCE_REFRESH, &self.context.clients.data);
        let reply: Vec<Value> = scripts::run(script, data, self.room_keys(room), args).await?;
        let missing = reply.get(6).and_then(Value::as_string).ok_or_else(unreadable)?;
        let missing = places_in(&missing).filter_map(|at| users.get(at).cloned()).collect();
        let readded = reply.get(7).and_then(Value::as_u64).is_some_and(|added| added > 0);
        Ok(Refreshed { answer: answer(&reply)?, missing, readded })
    }

    /// Takes users whose time is over out of rooms, at most `most` of a role each; one answer per room.
    /// Nobody is taken out at `deadline` or later, by Redis' clock.
    pub(super) async fn reap(
        &self,
        call: u64,
        most: usize,
        deadline: Millis,
        rooms: &[RoomName],
    ) -> Result<Vec<Reaped>, Error> {
        let mut keys = vec![keys::reaped(&self.context.me), keys::OCCUPIED.to_owned()];
        keys.extend(rooms.iter().flat_map(|room| RoomKeys(room).presence()));
        let mut args = vec![call.to_string(), most.to_string(), deadline.to_string()];
        args.extend(rooms.iter().map(RoomName::to_string));
        let reply: Vec<Value> = scripts::run(&scripts::PRESENCE_REAP, &self.context.clients.data, keys, args).await?;
        reply
            .into_iter()
            .map(|room| {
                let room = room.into_array();
                Ok(Reaped { answer: answer(&room)?, lost: lost_in(room.get(6..).unwrap_or_default()) })
            })
            .collect()
    }

    /// The time of Redis in milliseconds.
    pub(super) async fn now(&self) -> Result<Millis, Error> {
        scripts::run(&scripts::TIME, &self.context.clients.data, Vec::<String>::new(), Vec::<String>::new()).await
    }

    /// Users of a room, admins first, those of a role in no order, at most `look` of each; and how many there are.
    pub(super) async fn who(
        &self,
        room: &RoomName,
        most: usize,
        look: usize,
    ) -> Result<(Vec<Arc<User>>, Counts), Error> {
        let args = vec![self.everyone().to_owned(), most.to_string(), look.to_string()];
        let (script, data) = (&scripts::PRESENCE_WHO, &self.context.clients.data);
        let reply: Vec<Value> = scripts::run(script, data, RoomKeys(room).presence().to_vec(), args).await?;
        Ok((users_in(reply.get(3..).unwrap_or_default()), counts(&reply)?))
    }

    /// The rooms that have users, in no order.
    pub(super) async fn rooms(&self) -> Result<Vec<String>, Error> {
        let (script, data) = (&scripts::PRESENCE_ROOMS, &self.context.clients.data);
        scripts::run(script, data, vec![keys::OCCUPIED], vec![self.everyone()]).await
    }

    /// How many users there are in each of some rooms.
    pub(super) async fn totals(&self, rooms: &[RoomName]) -> Result<Vec<usize>, Error> {
        let sets = rooms.iter().flat_map(|room| RoomKeys(room).presence().into_iter().take(Role::ALL.len()));
        let (script, data) = (&scripts::PRESENCE_TOTALS, &self.context.clients.data);
        scripts::run(script, data, sets.collect::<Vec<_>>(), vec![self.everyone()]).await
    }

    fn everyone(&self) -> &'static str {
        if self.everyone { "1" } else { "0" }
    }

    fn room_keys(&self, room: &RoomName) -> Vec<String> {
        RoomKeys(room).presence().into_iter().chain([keys::OCCUPIED.to_owned()]).collect()
    }

    fn head(&self, room: &RoomName) -> Vec<String> {
        let (me, config) = (self.context.me.to_string(), &self.context.config);
        let keep = keep_ms(config.presence_ttl_ms, config.outbox_age_ms);
        vec![
            me,
            config.presence_ttl_ms.to_string(),
            keep.to_string(),
            self.everyone().to_owned(),
            room.as_str().to_owned(),
        ]
    }
}

/// How long what is known of a room stays in Redis when nobody holds the room any more, in milliseconds: through an
/// outage for which messages wait too.
pub(in crate::broker::redis) fn keep_ms(ttl: Millis, outage: Millis) -> Millis {
    2 * ttl + outage
}

/// The role as the scripts count them.
fn number_of(role: Role) -> u8 {
    match role {
        Role::Guest => 1,
        Role::Member => 2,
        Role::Admin => 3,
    }
}

fn counts(reply: &[Value]) -> Result<Counts, Error> {
    let number = |at: usize| reply.get(at).and_then(Value::as_usize).ok_or_else(unreadable);
    Ok(Counts { guests: number(0)?, members: number(1)?, admins: number(2)? })
}

fn answer(reply: &[Value]) -> Result<Answer, Error> {
    let kept = reply.get(3).and_then(Value::as_usize).ok_or_else(unreadable)?;
    let expires_in = reply.get(4).and_then(Value::as_i64).ok_or_else(unreadable)?;
    let counted_at = reply.get(5).and_then(Value::as_u64).ok_or_else(unreadable)?;
    let expires_in = u64::try_from(expires_in).ok().map(Duration::from_millis);
    Ok(Answer { counts: counts(reply)?, kept, expires_in, counted_at })
}

/// Places in the list that was sent, by comma.
fn places_in(text: &str) -> impl Iterator<Item = usize> {
    text.split(',').filter_map(|place| place.parse().ok())
}

/// Users as id, role and name. What no user can be, an operator's hand at work, is left out.
fn users_in(reply: &[Value]) -> Vec<Arc<User>> {
    let user = |parts: &[Value]| {
        let [id, role, name] = parts else { return None };
        let id = UserId::parse(&id.as_str()?).ok()?;
        let role = Role::ALL.into_iter().find(|known| role.as_u64() == Some(number_of(*known).into()))?;
        Some(Arc::new(User { id, name: name.as_string()?.into(), role }))
    };
    reply.chunks(3).filter_map(user).collect()
}

/// Users as id, role, name and `1` if they were expected to come back.
fn lost_in(reply: &[Value]) -> Vec<(Arc<User>, LeaveReason)> {
    let lost = |parts: &[Value]| {
        let user = users_in(parts.get(..3)?).pop()?;
        let drained = parts.get(3)?.as_u64() == Some(1);
        Some((user, if drained { LeaveReason::Drained } else { LeaveReason::Lost }))
    };
    reply.chunks(4).filter_map(lost).collect()
}

fn unreadable() -> Error {
    Error::new(ErrorKind::Parse, "a script answered what it never does")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::from(text)
    }

    #[test]
    fn answers_are_read_and_strange_ones_refused() {
        let reply = [1, 2, 3, 7, 250, 99].map(Value::from);
        let counts = Counts { guests: 1, members: 2, admins: 3 };
        let expires_in = Some(Duration::from_millis(250));
        assert_eq!(answer(&reply).unwrap(), Answer { counts, kept: 7, expires_in, counted_at: 99 });
        assert_eq!(answer(&[0, 0, 0, 0, -1, 1].map(Value::from)).unwrap().expires_in, None);
        assert!(answer(&reply[..5]).is_err());
    }

    #[test]
    fn users_are_read_as_they_were_written() {
        let parts =
            [text("m:ana"), text("3"), text("a|b,c\nd"), text("no id"), text("1"), text("x"), text("g:1"), text("9")];
        let ana = User { id: UserId::account("ana"), name: "a|b,c\nd".into(), role: Role::Admin };
        let ana = Arc::new(ana);
        assert_eq!(users_in(&parts), std::slice::from_ref(&ana));
        let of = |drained: &str| [&parts[..3], &[text(drained)]].concat();
        assert_eq!(lost_in(&of("0")), [(ana.clone(), LeaveReason::Lost)]);
        assert_eq!(lost_in(&of("1")), [(ana, LeaveReason::Drained)]);
    }

    #[test]
    fn no_places_are_none() {
        assert_eq!(places_in("").count(), 0);
        assert_eq!(places_in("0,3,12").collect::<Vec<_>>(), [0, 3, 12]);
    }
}
