//! One per socket: decodes what the client says, answers what it can itself, and asks the hub for the rest.

use std::{net::IpAddr, rc::Rc, sync::Arc};

use actix::{Actor, ActorContext, Addr, StreamHandler, dev::SendError};
use actix_http::ws::{Message, ProtocolError};
use actix_web_actors::ws::WebsocketContext;

use super::{
    encode, fanout,
    hub::Hub,
    members::SharedMembers,
    messages::{Asked, Connected, ConnectionId, Gone, WorkerId},
};
use crate::{
    auth::accounts::TokenHash,
    chat::{
        access::RoomRules,
        session::{Session, Step},
    },
    clock::SharedClock,
    limits::{Limits, connection::PerConnection},
    metrics::Metrics,
    protocol::{
        close::CloseCode,
        command::{self, Command, Request},
        error::Refusal,
        event::{ErrorEvent, Event, Welcome},
        ids::{Millis, RoomName},
        user::User,
    },
    transport::{
        assembler::{Assembler, Data},
        socket::{Ending, Socket},
    },
};

/// What all connections of a worker share.
pub struct Worker {
    /// Its number.
    pub id: WorkerId,
    /// Its sockets.
    pub members: SharedMembers,
    /// The instance's hub.
    pub hub: Addr<Hub>,
    /// Limits over connections.
    pub limits: Arc<Limits>,
    /// Who may join and post where.
    pub rules: Arc<RoomRules>,
    /// Time.
    pub clock: SharedClock,
    /// Counters.
    pub metrics: Metrics,
}

/// What is known of a client when its handshake is answered.
pub struct Client {
    /// Names the connection.
    pub id: ConnectionId,
    /// Who it is.
    pub user: Arc<User>,
    /// From where.
    pub address: IpAddr,
    /// The login session that proved it.
    pub login: Option<Box<TokenHash>>,
    /// When its proof was checked, at the earliest.
    pub since: Millis,
    /// When its proof ends.
    pub expires: Option<Millis>,
    /// The first event.
    pub welcome: Box<Welcome>,
    /// What it joins at once; a name it may not have is told after the welcome.
    pub rooms: Vec<Result<RoomName, ErrorEvent>>,
}

/// A connection.
pub struct Connection {
    id: ConnectionId,
    user: Arc<User>,
    worker: Rc<Worker>,
    socket: Rc<Socket>,
    session: Session,
    commands: PerConnection,
    fragments: Assembler,
    arrival: Option<Box<Client>>,
}

impl Connection {
    /// The actor of a client that was let in.
    pub fn new(client: Client, worker: Rc<Worker>, socket: Rc<Socket>) -> Self {
        Self {
            id: client.id,
            user: client.user.clone(),
            commands: worker.limits.commands(),
            worker,
            socket,
            session: Session::default(),
            fragments: Assembler::default(),
            arrival: Some(Box::new(client)),
        }
    }

    fn text(&mut self, text: &str) {
        let now = self.worker.clock.now_ms();
        let decoded = command::decode(text);
        let step = match self.check_limits(&decoded) {
            Ok(()) => self.session.receive(decoded, self.user.role, &self.worker.rules, now),
            Err(refusal) => {
                let (id, room) = match decoded {
                    Ok(Request { id, command }) => (id, command.room().cloned()),
                    Err(rejection) => (rejection.id, None),
                };
                self.session.limited(id, room, refusal, now)
            }
        };
        self.take(step);
    }

    fn check_limits(&self, decoded: &Result<Request, command::Rejection>) -> Result<(), Refusal> {
        self.commands.check()?;
        match decoded {
            Ok(Request { command, .. }) => {
                self.worker.metrics.command(command.kind());
                let says = matches!(command, Command::Message { .. });
                if says { self.worker.limits.message(&self.user.id) } else { Ok(()) }
            }
            Err(_) => Ok(()),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Answer(event) => self.answer(&event),
            Step::Ask(request) => self.ask(request),
            Step::Close(event, code) => {
                self.answer(&event);
                self.close(code);
            }
        }
    }

    fn answer(&self, event: &Event) {
        if let Event::Error(error) = event {
            self.worker.metrics.refused(error.code);
        }
        self.socket.send(&encode::frame(event));
    }

    fn ask(&mut self, request: Request) {
        let asked = Asked { connection: self.id, request };
        match self.worker.hub.try_send(asked) {
            Ok(()) => self.session.hub_took(),
            Err(SendError::Full(Asked { request: Request { id, command }, .. })) => {
                self.worker.metrics.hub_full.inc();
                let now = self.worker.clock.now_ms();
                let step = self.session.hub_full(id, command.room().cloned(), now);
                self.take(step);
            }
            Err(SendError::Closed(_)) => self.close(CloseCode::Internal),
        }
    }

    fn close(&self, code: CloseCode) {
        fanout::close(&self.socket, code);
    }

    fn ping(&mut self, payload: &[u8]) {
        // RFC 6455 section 5.5.3 lets a pong be left out when there are many pings; a flood counts as too many commands.
        match self.commands.check() {
            Ok(()) => self.socket.pong(payload),
            Err(refusal) => {
                let step = self.session.limited(None, None, refusal, self.worker.clock.now_ms());
                if let Step::Close(..) = step {
                    self.take(step);
                }
            }
        }
    }

    fn arrive(&mut self, client: Client) {
        let Client { id, user, address, login, since, expires, welcome, rooms } = client;
        let worker = &self.worker;
        worker.metrics.connections.inc();
        worker.members.borrow_mut().insert(id, Rc::clone(&self.socket), expires);
        // One per connection, like the message that it went: the number of connections bounds both.
        worker.hub.do_send(Connected { connection: id, worker: worker.id, user, address, login, since });
        self.answer(&Event::Welcome(welcome));
        for room in rooms {
            match room {
                Ok(room) => self.ask(Request { id: None, command: Command::Join { room, since: None } }),
                Err(error) => self.answer(&Event::Error(error)),
            }
        }
    }
}

impl Actor for Connection {
    type Context = WebsocketContext<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        if let Some(client) = self.arrival.take() {
            self.arrive(*client);
        }
    }

    /// The one way out, whatever ended the connection.
    fn stopped(&mut self, _: &mut Self::Context) {
        // A context that is dropped before its first turn stops an actor that never started.
        if self.arrival.is_some() {
            return;
        }
        let worker = &self.worker;
        worker.members.borrow_mut().remove(self.id);
        worker.metrics.ephemeral_dropped.inc_by(u64::from(self.socket.dropped()));
        // Here and not where it is closed, since the transport closes too: slow readers and what breaks RFC 6455.
        if let Some(Ending::ByUs { code }) = self.socket.ending() {
            worker.metrics.closed(code);
            worker.metrics.slow_readers.inc_by(u64::from(code == CloseCode::SlowReader.number()));
        }
        let lost = !matches!(self.socket.ending(), Some(Ending::ByPeer { code: Some(1000 | 1001) }));
        worker.hub.do_send(Gone { connection: self.id, lost });
    }
}

impl StreamHandler<Result<Message, ProtocolError>> for Connection {
    fn handle(&mut self, message: Result<Message, ProtocolError>, ctx: &mut Self::Context) {
        // The transport looks at every frame first, so the codec finds nothing wrong; were it to, nothing could follow.
        let Ok(message) = message else { return ctx.stop() };
        if let Message::Ping(payload) = &message {
            self.ping(payload);
        }
        // Binary messages do not come this far: the transport refuses them with 1003.
        if let Some(Data::Text(text)) = self.fragments.push(message) {
            self.text(&text);
        }
    }
}
