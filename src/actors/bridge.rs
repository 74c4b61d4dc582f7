//! Between the hub, which never waits, and the store, which takes its time.
//!
//! Appends that come while one turn lasts go to the broker in one batch. Every question is answered exactly once.

use std::sync::Arc;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message};
use futures_util::FutureExt;
use smallvec::{SmallVec, smallvec};

use super::{
    hub::Hub,
    messages::{Answer, Answered, Ask, Brought, Question, Tell, Ticket},
};
use crate::{
    auth::accounts::Accounts,
    broker::{Append, Broker, BrokerEvents, Directory, PresenceStore, ReadLimit, Unavailable},
    protocol::{
        command::{DEFAULT_PAGE, MAX_PAGE},
        ids::RoomName,
    },
};

/// What a `joined` gives at most (PROTOCOL section 3).
const JOIN_LIMIT: ReadLimit = ReadLimit { entries: MAX_PAGE, bytes: 256 * 1024, messages: DEFAULT_PAGE };

/// Most appends handed to the broker at once.
const BATCH: usize = 256;

/// The store of a server, as its parts see it.
#[derive(Clone)]
pub struct Store {
    /// The log of record.
    pub broker: Arc<dyn Broker>,
    /// Who is where.
    pub presence: Arc<dyn PresenceStore>,
    /// What is kept of people.
    pub accounts: Arc<dyn Accounts>,
    /// The instances.
    pub directory: Arc<dyn Directory>,
}

/// The hub's way to the store.
pub struct Bridge {
    store: Store,
    events: Option<BrokerEvents>,
    hub: Addr<Hub>,
    appends: Vec<(Ticket, Append)>,
}

/// Hand the collected appends over; comes behind everything that is in the mailbox already.
#[derive(Message)]
#[rtype(result = "()")]
struct Flush;

/// Forget a room that nobody of this instance is in.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Release(pub RoomName);

impl Bridge {
    /// A bridge from `hub` to `store`, whose events come from `events`.
    pub fn new(store: Store, events: BrokerEvents, hub: Addr<Hub>) -> Self {
        Self { store, events: Some(events), hub, appends: Vec::new() }
    }

    /// Answers a question in a task of its own. The hub bounds how many there are, and with them the unbounded send.
    fn answer(&self, ticket: Ticket, answer: impl Future<Output = Answer> + 'static) {
        let hub = self.hub.clone();
        actix_rt::spawn(answer.map(move |answer| hub.do_send(Answered(smallvec![(ticket, answer)]))));
    }
}

impl Actor for Bridge {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(super::hub::MAX_QUESTIONS);
        let Some(mut events) = self.events.take() else { return };
        let hub = self.hub.clone();
        actix_rt::spawn(async move {
            while let Some(event) = events.recv().await {
                if hub.send(Brought(event)).await.is_err() {
                    return;
                }
            }
        });
    }
}

impl Handler<Ask> for Bridge {
    type Result = ();

    fn handle(&mut self, Ask { ticket, question }: Ask, ctx: &mut Self::Context) {
        let Store { broker, presence, accounts, directory } = &self.store;
        match question {
            Question::Append(append) => {
                if self.appends.is_empty() {
                    ctx.notify(Flush);
                }
                self.appends.push((ticket, append));
            }
            Question::Follow { room, tail } => {
                let (broker, subscribed) = (broker.clone(), broker.subscribe(room.clone()));
                self.answer(ticket, async move {
                    // Before the read, or what is committed between the two would be missed.
                    let read = match subscribed.await {
                        Ok(()) => broker.follow(room, tail, JOIN_LIMIT).await,
                        Err(unavailable) => Err(unavailable),
                    };
                    Answer::Recover(read)
                });
            }
            Question::Peers { ask } => self.answer(ticket, directory.ask(None, ask).map(Answer::Peers)),
            Question::Recover { room, since } => {
                self.answer(ticket, broker.recover(room, since, JOIN_LIMIT).map(Answer::Recover));
            }
            Question::Marker { room, user } => {
                let marker = accounts.read_marker(room, user);
                self.answer(ticket, marker.map(|marker| Answer::Marker(marker.map_err(|_| Unavailable))));
            }
            Question::History { room, cursor, limit } => {
                self.answer(ticket, broker.history(room, cursor, limit).map(Answer::History));
            }
            Question::Who { room, limit } => self.answer(ticket, presence.who(room, limit).map(Answer::Who)),
            Question::Presence { room, changes } => {
                self.answer(ticket, presence.sync(room, changes).map(Answer::Presence));
            }
            Question::MarkRead { room, user, seq } => {
                let marked = accounts.mark_read(room, user, seq);
                self.answer(ticket, marked.map(|marked| Answer::MarkRead(marked.map_err(|_| Unavailable))));
            }
            Question::Ban { user, until } => {
                let banned = accounts.ban(user, until);
                self.answer(ticket, banned.map(|banned| Answer::Ban(banned.map_err(|_| Unavailable))));
            }
        }
    }
}

impl Handler<Flush> for Bridge {
    type Result = ();

    fn handle(&mut self, Flush: Flush, _: &mut Self::Context) {
        // In pieces, so that one too many for the queue before the log does not refuse them all.
        let mut appends = std::mem::take(&mut self.appends).into_iter();
        loop {
            let (tickets, batch): (Vec<_>, Vec<_>) = appends.by_ref().take(BATCH).unzip();
            if batch.is_empty() {
                return;
            }
            let hub = self.hub.clone();
            let answers = self.store.broker.append(batch);
            actix_rt::spawn(answers.map(move |answers| {
                let answers: SmallVec<_> = tickets.into_iter().zip(answers.into_iter().map(Answer::Append)).collect();
                hub.do_send(Answered(answers));
            }));
        }
    }
}

impl Handler<Release> for Bridge {
    type Result = ();

    fn handle(&mut self, Release(room): Release, _: &mut Self::Context) {
        self.store.broker.release(&room);
    }
}

impl Handler<Tell> for Bridge {
    type Result = ();

    fn handle(&mut self, Tell { room, telling }: Tell, _: &mut Self::Context) {
        self.store.broker.tell(&room, telling);
    }
}
