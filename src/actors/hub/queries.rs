//! What HTTP asks.

use std::time::Instant;

use actix::{Handler, MessageResult, ResponseFuture};
use tokio::sync::oneshot;

use super::{Hub, Waiting, commands::busy, connections::Connection};
use crate::{
    actors::{
        messages::{ConnectionId, Question},
        requests::{CountSessions, Disconnect, DisconnectCause, ListSessions, Post, SessionInfo, Whom},
    },
    broker::Appended,
    chat::search::Search,
    protocol::{
        close::CloseCode,
        command::RequestId,
        envelope::PeerAsk,
        error::Refusal,
        event::{Ack, Counts, Event, LeaveReason},
        ids::UserId,
        user::Role,
    },
};

impl Handler<Post> for Hub {
    type Result = ResponseFuture<Result<Appended, Refusal>>;

    fn handle(&mut self, Post(append): Post, _: &mut Self::Context) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting::Post { reply, since: Instant::now() };
        if self.ask(Question::Append(append), waiting).is_err() {
            return Box::pin(std::future::ready(Err(busy())));
        }
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(busy())) })
    }
}

impl Handler<Disconnect> for Hub {
    type Result = usize;

    fn handle(&mut self, Disconnect { whom, cause }: Disconnect, ctx: &mut Self::Context) -> Self::Result {
        let closed = self.disconnect(&whom, cause);
        self.end_turn(ctx);
        closed
    }
}

impl Handler<ListSessions> for Hub {
    type Result = Vec<SessionInfo>;

    fn handle(&mut self, ListSessions { after, limit, search }: ListSessions, _: &mut Self::Context) -> Self::Result {
        let after = after.map(ConnectionId);
        let mut ids: Vec<_> = self.connections.keys().copied().filter(|id| Some(*id) > after).collect();
        ids.sort_unstable();
        let all = ids.into_iter().filter_map(|id| self.connections.get(&id).map(|known| (id, known)));
        let meant = all.filter(|(_, known)| search.as_ref().is_none_or(|search| self.finds(search, known)));
        meant.take(limit).map(|(id, known)| self.session(id, known)).collect()
    }
}

impl Handler<CountSessions> for Hub {
    type Result = MessageResult<CountSessions>;

    fn handle(&mut self, _: CountSessions, _: &mut Self::Context) -> Self::Result {
        let of = |role| self.connections.values().filter(|known| known.user.role == role).count();
        MessageResult(Counts { guests: of(Role::Guest), members: of(Role::Member), admins: of(Role::Admin) })
    }
}

impl Hub {
    /// Asks the other instances to close every connection of a user; then this one does.
    pub(super) fn kick_everywhere(
        &mut self,
        connection: ConnectionId,
        id: Option<RequestId>,
        user: UserId,
        cause: DisconnectCause,
    ) {
        let ask = PeerAsk::Disconnect { whom: Whom::User(user.clone()), cause };
        self.ask_for(connection, Question::Peers { ask }, Waiting::Kick { connection, id, user, cause });
    }

    /// Closes every connection of a kicked user and answers who asked for it, before that may be closed too.
    pub(super) fn kicked(
        &mut self,
        connection: ConnectionId,
        id: Option<RequestId>,
        user: &UserId,
        cause: DisconnectCause,
        elsewhere: usize,
    ) {
        let whom = Whom::User(user.clone());
        let closed = self.meant(&whom).len() + elsewhere;
        self.reply(connection, &Event::Ack(Ack { id, closed: Some(closed), ..Ack::default() }));
        self.disconnect(&whom, cause);
    }

    fn disconnect(&mut self, whom: &Whom, cause: DisconnectCause) -> usize {
        let (code, leaves_as) = match cause {
            DisconnectCause::Kicked | DisconnectCause::Banned => (CloseCode::Kicked, LeaveReason::Kicked),
            DisconnectCause::SessionEnded => (CloseCode::SessionEnded, LeaveReason::Closed),
        };
        let meant = self.meant(whom);
        for id in &meant {
            if let Some(known) = self.connections.get_mut(id) {
                known.leaves_as = Some(leaves_as);
            }
            self.close(*id, code);
        }
        if let Whom::User(user) = whom {
            self.end_graces_of(user, leaves_as);
        }
        // Somebody whose proof was good a moment ago may be between the door and the hub.
        if cause != DisconnectCause::Kicked {
            self.dismissed.note(self.now(), whom.clone(), code);
        }
        meant.len()
    }

    /// Closes a connection that arrives although its user was sent away since its proof was checked.
    pub(super) fn send_away_late(&mut self, id: ConnectionId) {
        let now = self.now();
        let Some(known) = self.connections.get(&id) else { return };
        if let Some(code) = self.dismissed.code_for(now, known.since, |whom| is_meant(whom, known)) {
            self.close(id, code);
        }
    }

    fn meant(&self, whom: &Whom) -> Vec<ConnectionId> {
        self.connections.iter().filter(|(_, known)| is_meant(whom, known)).map(|(id, _)| *id).collect()
    }

    fn finds(&self, search: &Search, known: &Connection) -> bool {
        let in_room = |key| self.room(key).is_some_and(|room| search.is_in(room.name.as_str()));
        search.is_in(&known.user.name)
            || search.is_in(known.user.id.as_str())
            || known.rooms.iter().any(|(key, _)| in_room(*key))
            || search.may_be_address() && search.is_in(&known.address.to_string())
    }

    fn session(&self, id: ConnectionId, known: &Connection) -> SessionInfo {
        SessionInfo {
            session: id.0,
            user: known.user.clone(),
            rooms: known.rooms.iter().filter_map(|(key, _)| self.room(*key).map(|room| room.name.clone())).collect(),
            connected_at: known.since,
            address: known.address,
        }
    }
}

fn is_meant(whom: &Whom, known: &Connection) -> bool {
    match whom {
        Whom::User(user) => known.user.id == *user,
        Whom::Login(login) => known.login.as_deref() == Some(login),
    }
}
