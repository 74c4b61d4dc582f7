//! Lets clients in that passed every check.

use std::{
    cell::OnceCell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use actix::{Actor, Addr};
use actix_web::HttpResponse;

use super::Ground;
use crate::{
    actors::{
        connection::{Client, Connection, Worker},
        fanout::Fanout,
        hub::Hub,
        members::SharedMembers,
        messages::{ConnectionId, Enlist, WorkerId},
    },
    auth::config::InvalidSetting,
    broker::Broker,
    chat::access::RoomRules,
    clock::SharedClock,
    http::chat::{Admit, Entrance, RoomsParam},
    limits::{Limits, open::OpenGuard, places::Place},
    metrics::Metrics,
    protocol::{
        PROTOCOL_VERSION,
        command::MAX_PAGE,
        error::{ErrorCode, Refusal},
        event::{AdvertisedLimits, ErrorEvent, Welcome},
        ids::{InstanceId, Millis, RoomName},
        text::{MAX_KEY_CHARS, MAX_TEXT_CHARS},
        user::{Role, User},
    },
    transport::{admission::Admission, socket::SocketConfig},
};

/// Lets clients in: starts their actors, and on each worker, with the first of them, its fan-out.
pub(super) struct Doorman {
    instance: InstanceId,
    hub: Addr<Hub>,
    broker: Arc<dyn Broker>,
    limits: Arc<Limits>,
    rules: Arc<RoomRules>,
    clock: SharedClock,
    metrics: Metrics,
    socket: SocketConfig,
    advertised: AdvertisedLimits,
    heartbeat_ms: Millis,
    connections: AtomicU64,
    workers: AtomicUsize,
}

thread_local! {
    /// What the connections of this worker share. A worker serves one server.
    static WORKER: OnceCell<Rc<Worker>> = const { OnceCell::new() };
}

impl Doorman {
    pub(super) fn new(ground: &Ground<'_>, hub: &Addr<Hub>, broker: Arc<dyn Broker>) -> Result<Self, InvalidSetting> {
        let settings = ground.settings;
        let socket = SocketConfig { queue_bytes: settings.limits.queue_bytes, ..SocketConfig::default() };
        let advertised = AdvertisedLimits {
            frame: socket.frame_limit,
            text: MAX_TEXT_CHARS,
            key: MAX_KEY_CHARS,
            rooms: settings.limits.rooms_per_connection,
            history: MAX_PAGE,
            idempotency_ms: broker.idempotency_ms(),
        };
        Ok(Self {
            instance: ground.instance.id.clone(),
            hub: hub.clone(),
            broker,
            limits: ground.limits.clone(),
            rules: Arc::new(settings.room_rules()?),
            clock: ground.clock.clone(),
            metrics: ground.metrics.clone(),
            socket,
            advertised,
            heartbeat_ms: settings.heartbeat.interval_ms,
            connections: AtomicU64::new(1),
            workers: AtomicUsize::new(0),
        })
    }

    fn worker(&self) -> Rc<Worker> {
        WORKER.with(|worker| worker.get_or_init(|| Rc::new(self.enlist())).clone())
    }

    fn enlist(&self) -> Worker {
        let id = WorkerId(self.workers.fetch_add(1, Ordering::Relaxed));
        let members = SharedMembers::default();
        let fanout = Fanout::new(members.clone(), self.heartbeat_ms, self.clock.clone(), self.metrics.clone()).start();
        // One per worker, and ahead of everything its connections say.
        self.hub.do_send(Enlist { worker: id, fanout });
        Worker {
            id,
            members,
            hub: self.hub.clone(),
            limits: self.limits.clone(),
            rules: self.rules.clone(),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
        }
    }

    fn welcome(&self, id: ConnectionId, user: &Arc<User>, resume_token: Option<String>) -> Box<Welcome> {
        Box::new(Welcome {
            protocol: PROTOCOL_VERSION,
            session: format!("{}:{}", self.instance, id.0).into(),
            resume_token: resume_token.map(Into::into),
            user: user.clone(),
            instance: self.instance.clone(),
            mode: self.broker.mode(),
            heartbeat_ms: self.heartbeat_ms,
            limits: self.advertised.clone(),
        })
    }

    /// The rooms to join at once; one error stands for all that are too many.
    fn rooms(&self, asked: &RoomsParam, role: Role) -> Vec<Result<RoomName, ErrorEvent>> {
        let max = self.advertised.rooms;
        let too_many = asked.0.get(max).map(|name| {
            let refusal = Refusal::new(ErrorCode::RoomLimit, "this connection is in as many rooms as it may be");
            Err(ErrorEvent::about(name, refusal))
        });
        asked.0.iter().take(max).map(|name| self.room(name, role)).chain(too_many).collect()
    }

    fn room(&self, name: &str, role: Role) -> Result<RoomName, ErrorEvent> {
        let room = RoomName::parse(name).map_err(|refusal| ErrorEvent::about(name, refusal))?;
        if self.rules.may_join(role, &room) {
            Ok(room)
        } else {
            let refusal = Refusal::new(ErrorCode::Forbidden, "your role may not do that here");
            Err(ErrorEvent::about(name, refusal))
        }
    }
}

/// Counts a connection as open until its file is closed: the limits bound files, and the drain waits for them.
struct Open {
    metrics: Metrics,
    _place: OpenGuard,
    _seat: Place,
}

impl Open {
    fn new(metrics: &Metrics, place: OpenGuard, seat: Place) -> Self {
        metrics.connections_open.inc();
        Self { metrics: metrics.clone(), _place: place, _seat: seat }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.connections_open.dec();
    }
}

impl Admit for Doorman {
    fn admit(&self, entrance: Entrance) -> HttpResponse {
        let Entrance { handshake, protocol, identity, since, client, rooms, place, seat } = entrance;
        let id = ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed));
        let client = Client {
            id,
            welcome: self.welcome(id, &identity.user, identity.resume_token),
            rooms: self.rooms(&rooms, identity.user.role),
            user: identity.user,
            address: client.address,
            login: identity.login.map(Box::new),
            expires: identity.expires_ms,
            since,
        };
        let worker = self.worker();
        Admission::new(self.socket.clone(), move |socket| Connection::new(client, worker, socket))
            .holding(Open::new(&self.metrics, place, seat))
            .respond(&handshake, protocol)
    }
}
