//! What handlers share: made once, before the first worker starts.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use actix::{Message, Recipient};

use super::{chat::Admit, reply::HttpError};
use crate::{
    actors::requests::{CountSessions, Disconnect, ListSessions, Post},
    auth::{
        accounts::Accounts, address::TrustedProxies, identity::Identify, keys::Keys, origin::Origins, session::Sessions,
    },
    broker::{Broker, Directory, Measure, PresenceStore},
    chat::access::RoomRules,
    clock::SharedClock,
    journal::Journal,
    lifecycle::Lifecycle,
    limits::{Limits, places::Places},
    metrics::Metrics,
    protocol::ids::{InstanceId, Millis},
};

/// Everything a handler may need.
pub struct AppState {
    /// Who this server is.
    pub instance: Instance,
    /// The time.
    pub clock: SharedClock,
    /// The stage of its life.
    pub lifecycle: Lifecycle,
    /// What is counted.
    pub metrics: Metrics,
    /// What admins should see.
    pub journal: Journal,
    /// HTTP requests since the start.
    pub requests: AtomicU64,
    /// The log of record.
    pub broker: Arc<dyn Broker>,
    /// Who is where.
    pub presence: Arc<dyn PresenceStore>,
    /// What is kept of people.
    pub accounts: Arc<dyn Accounts>,
    /// The instances.
    pub directory: Arc<dyn Directory>,
    /// What this instance has left for newcomers.
    pub measure: Measure,
    /// The hub, for what HTTP asks of it.
    pub hub: HubDoor,
    /// Lets in to the chat whoever passed every check.
    pub doorman: Arc<dyn Admit>,
    /// Begins the drain of this instance; harmless when it drains already.
    pub drain: Arc<dyn Fn() + Send + Sync>,
    /// Everything that can be too much.
    pub limits: Arc<Limits>,
    /// Credentials → who it is.
    pub identify: Identify,
    /// Logging in and out.
    pub sessions: Sessions,
    /// API keys.
    pub keys: Keys,
    /// Which pages may speak to this server.
    pub origins: Origins,
    /// Which proxies are believed.
    pub proxies: TrustedProxies,
    /// Who may join and post where.
    pub rooms: RoomRules,
    /// Whether people without an account or token are let in.
    pub guests: bool,
    /// How long a login cookie lives since its last use, in milliseconds.
    pub session_timeout_ms: Millis,
    /// Room for connections.
    pub places: Places,
    /// Where the web client is read from, if not from the program itself.
    pub static_dir: Option<PathBuf>,
}

/// Who a server is.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its name among its peers.
    pub id: InstanceId,
    /// Its host's name, for people.
    pub hostname: String,
    /// When it started.
    pub started_at: Millis,
}

/// The hub as HTTP sees it.
#[derive(Clone)]
pub struct HubDoor {
    /// Says something for somebody without a connection.
    pub post: Recipient<Post>,
    /// Closes a user's connections.
    pub disconnect: Recipient<Disconnect>,
    /// Lists connections.
    pub sessions: Recipient<ListSessions>,
    /// Counts connections.
    pub counts: Recipient<CountSessions>,
}

/// How long a request waits for the hub; then it is told to come back.
const HUB_PATIENCE: Duration = Duration::from_secs(5);

/// Asks the hub.
///
/// # Errors
/// `unavailable` when it is too busy to answer in time. What was asked may still happen.
pub async fn ask<M>(door: &Recipient<M>, question: M) -> Result<M::Result, HttpError>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    Ok(door.send(question).timeout(HUB_PATIENCE).await?)
}
