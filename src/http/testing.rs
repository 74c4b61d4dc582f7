//! A server without sockets, for the tests of the routes: a store in a folder of its own, and a hub that only answers.

use std::sync::{Arc, atomic::AtomicU64};

use actix::{Actor, Context, Handler, MessageResult};
use actix_web::{HttpResponse, web::Data};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::{
    chat::{Admit, Entrance},
    state::{AppState, HubDoor, Instance},
};
use crate::{
    actors::requests::{CountSessions, Disconnect, ListSessions, Post, SessionInfo},
    auth::{
        address::TrustedProxies,
        config::Config,
        identity::Identify,
        jwt::Jwt,
        keys::{Generated, Keys, Scope},
        names::Names,
        origin::Origins,
        password::Passwords,
        resume::ResumeTokens,
        secret::Secret,
        session::Sessions,
    },
    broker::{
        Appended, Measure,
        local::{LocalBroker, LocalConfig, LocalDirectory, LocalPresence},
    },
    chat::{
        access::{RoomRule, RoomRules},
        headroom::Headroom,
    },
    clock::{SharedClock, SystemClock},
    journal::Journal,
    lifecycle::{Lifecycle, Stage},
    limits::{Limits, config::Config as LimitsConfig, places::Places},
    metrics::Metrics,
    protocol::{
        error::Refusal,
        event::Counts,
        ids::{InstanceId, MessageId, RoomName, UserId},
        user::{Role, User},
    },
};

/// The administrator's password; the name is `boss`.
pub(super) const PASSWORD: &str = "boss-password";

/// What the tests hold.
pub(super) struct Fixture {
    pub(super) state: Data<AppState>,
    /// A key for each scope.
    pub(super) keys: Vec<(Scope, String)>,
    _folder: TempDir,
}

/// A hub that says yes: three connections, and every post is the first entry.
struct YesHub;

impl Actor for YesHub {
    type Context = Context<Self>;
}

impl Handler<Post> for YesHub {
    type Result = Result<Appended, Refusal>;

    fn handle(&mut self, Post(_): Post, _: &mut Self::Context) -> Self::Result {
        Ok(Appended { message_id: MessageId::parse("first")?, seq: Some(1), ts: 7, duplicate: false })
    }
}

impl Handler<Disconnect> for YesHub {
    type Result = usize;

    fn handle(&mut self, _: Disconnect, _: &mut Self::Context) -> usize {
        2
    }
}

impl Handler<ListSessions> for YesHub {
    type Result = Vec<SessionInfo>;

    fn handle(&mut self, ListSessions { after, limit, .. }: ListSessions, _: &mut Self::Context) -> Vec<SessionInfo> {
        let info = |session| SessionInfo {
            session,
            user: Arc::new(User { id: UserId::account("ana"), name: "Ana".into(), role: Role::Member }),
            rooms: vec![RoomName::global()],
            connected_at: 5,
            address: [127, 0, 0, 1].into(),
        };
        (1..=3).filter(|session| after.is_none_or(|after| *session > after)).take(limit).map(info).collect()
    }
}

impl Handler<CountSessions> for YesHub {
    type Result = MessageResult<CountSessions>;

    fn handle(&mut self, _: CountSessions, _: &mut Self::Context) -> Self::Result {
        MessageResult(Counts { guests: 0, members: 3, admins: 0 })
    }
}

/// Lets everybody in, with an answer that tells who they are.
struct OpenDoor;

impl Admit for OpenDoor {
    fn admit(&self, entrance: Entrance) -> HttpResponse {
        HttpResponse::Ok().json(serde_json::json!({ "user": entrance.identity.user, "rooms": entrance.rooms.0 }))
    }
}

/// A ready server; `change` adjusts the settings.
pub(super) async fn fixture(change: impl FnOnce(&mut Config, &mut LimitsConfig)) -> Fixture {
    let mut auth = Config { password_memory_kib: 8, password_passes: 1, ..Config::default() };
    let mut limits = LimitsConfig::default();
    auth.trusted_proxies.push("10.0.0.1".into());
    auth.allowed_origins.push("https://chat.example.org".into());
    auth.jwt_secret = Some(Secret::new("j".repeat(32)));
    change(&mut auth, &mut limits);

    let folder = tempfile::tempdir().unwrap();
    let clock: SharedClock = Arc::new(SystemClock);
    let id = InstanceId::parse("api-1").unwrap();
    let config = LocalConfig { path: folder.path().join("test.db"), ..LocalConfig::default() };
    let (events, _) = mpsc::channel(1);
    let store =
        Arc::new(LocalBroker::open(config, clock.clone(), id.clone(), Metrics::default(), events, false).unwrap());
    let sessions = Sessions::new(store.clone(), Passwords::new(&auth).unwrap(), clock.clone(), &auth);
    let boss = crate::auth::names::AccountName::parse("boss").unwrap();
    sessions.put_admin(&boss, PASSWORD).await.unwrap();
    let jwt = Jwt::new(auth.jwt_secret.as_ref()).unwrap();
    let names = Names::new(store.clone(), Some(boss.folded));
    let resume = ResumeTokens::new(b"secret").into();
    let identify = Identify::new(jwt, resume, sessions.clone(), names, store.clone(), clock.clone(), &auth);
    let generate = |scope: Scope| (scope, Generated::new(scope.as_str(), &[scope]).unwrap());
    let keys = [Scope::Metrics, Scope::Read, Scope::Post, Scope::Admin].map(generate);
    let staff = RoomRule { pattern: "staff.*".into(), join: Role::Member, post: Role::Admin };
    let hub = YesHub.start();
    let lifecycle = Lifecycle::default();
    lifecycle.advance(Stage::Ready);
    let drained = lifecycle.clone();
    let measure: Measure = Arc::new(|| Headroom { sessions_free: 2, newcomers_per_second: 250 });
    let directory = LocalDirectory::new(id.clone(), 1, clock.clone(), Metrics::default(), measure.clone());
    let state = AppState {
        directory,
        measure,
        instance: Instance { id, hostname: "host".into(), started_at: 1 },
        clock,
        lifecycle,
        metrics: Metrics::default(),
        journal: Journal::default(),
        requests: AtomicU64::new(0),
        broker: store.clone(),
        presence: Arc::new(LocalPresence::default()),
        accounts: store,
        hub: HubDoor {
            post: hub.clone().recipient(),
            disconnect: hub.clone().recipient(),
            sessions: hub.clone().recipient(),
            counts: hub.recipient(),
        },
        doorman: Arc::new(OpenDoor),
        drain: Arc::new(move || {
            drained.advance(Stage::Draining);
        }),
        limits: Arc::new(Limits::new(limits).unwrap()),
        identify,
        sessions,
        keys: Keys::new(None, &keys.each_ref().map(|(_, made)| made.entry.clone())).unwrap(),
        origins: Origins::new(&auth.allowed_origins).unwrap(),
        proxies: TrustedProxies::new(&auth.trusted_proxies).unwrap(),
        rooms: RoomRules::new(&[staff]).unwrap(),
        guests: auth.guests,
        session_timeout_ms: auth.session_timeout_ms,
        places: Places::new(2),
        static_dir: None,
    };
    let keys = keys.into_iter().map(|(scope, made)| (scope, made.key)).collect();
    Fixture { state: Data::new(state), keys, _folder: folder }
}
