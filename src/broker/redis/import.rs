//! Carries over what a server kept that stood alone: its people, and the logs of its rooms with their numbers, so that
//! clients who were there resume as if nothing had been.
//!
//! Everything may be done twice, and while servers use this Redis: a room is taken only if nothing was ever said in it.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use fred::{
    clients::Client,
    error::Error,
    interfaces::{ClientLike, EventInterface},
    types::scripts::Script,
};
use serde::Serialize;
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};

use super::{
    accounts::RedisAccounts,
    clients::Clients,
    config::RedisConfig,
    context::Context,
    failure,
    keys::{self, RoomKeys},
    log::IDEMPOTENCY_MS,
    scripts,
};
use crate::{
    auth::{accounts::AccountsError, config::InvalidSetting, secret::Secret},
    broker::{
        HistoryConfig, Link,
        local::{Altered, Export, ExportError, ExportedRoom},
    },
    clock::SharedClock,
    metrics::Metrics,
    protocol::{
        entry::{Entry, EntryBody},
        envelope::{Body, Incarnation},
        ids::{InstanceId, Millis, Seq, UserId},
    },
};

/// How long Redis may take to be there.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Keys remembered by one command.
const KEYS_AT_ONCE: usize = 256;
/// How much longer than its history the keys of a room live after the last entry, as after an append.
const DAY_MS: Millis = 24 * 60 * 60 * 1_000;

/// Why it did not go on. What was carried over stays, and doing it again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The address of Redis is none.
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    /// Redis is not there, or does not let this program in.
    #[error("cannot connect to Redis: {0}")]
    Unreachable(String),
    /// Redis refused something, or went away.
    #[error("Redis: {0}")]
    Redis(String),
    /// What is kept of people could not be written; the log says why.
    #[error("Redis: {0}")]
    Accounts(#[from] AccountsError),
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ExportError),
    /// An entry cannot be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// What was asked for stands in no relation to what is there.
    #[error("room {0}: somebody else is carrying a log into it, or it was trimmed meanwhile; try again")]
    Disturbed(String),
}

impl From<Error> for ImportError {
    fn from(error: Error) -> Self {
        Self::Redis(error.details().to_owned())
    }
}

/// What became of a room's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// It is in Redis now.
    Now,
    /// It was carried over before.
    Before,
    /// The room has another log in Redis, which stays as it is.
    Taken,
}

/// A Redis that a store is carried into.
pub struct RedisImport {
    context: Arc<Context>,
    accounts: RedisAccounts,
    /// Nobody is told of anything: only kept so that the ends of the context stay open.
    _ends: (watch::Sender<Link>, mpsc::Receiver<crate::broker::BrokerEvent>),
}

impl RedisImport {
    /// Connects.
    ///
    /// # Errors
    /// If Redis is not to be had.
    pub async fn connect(
        url: &Secret,
        config: &RedisConfig,
        history: HistoryConfig,
        clock: SharedClock,
    ) -> Result<Self, ImportError> {
        let clients = Clients::new(url, config)?;
        connect(&clients.data).await.map_err(ImportError::Unreachable)?;
        let (link_end, link) = watch::channel(Link::Up);
        let (events, events_end) = mpsc::channel(1);
        let (failures, _) = mpsc::channel(1);
        let instance =
            InstanceId::parse("import").map_err(|refusal| ImportError::Redis(refusal.message.into_owned()))?;
        let context = Arc::new(Context {
            config: config.clone(),
            history,
            instance_ttl_ms: 0,
            me: Incarnation { instance, nonce: rand::random() },
            clock,
            metrics: Metrics::default(),
            clients,
            events,
            link,
            failures,
            frames: AtomicU64::new(0),
        });
        let accounts = RedisAccounts::new(context.clone());
        Ok(Self { context, accounts, _ends: (link_end, events_end) })
    }

    /// Where people are carried to.
    pub fn accounts(&self) -> &RedisAccounts {
        &self.accounts
    }

    /// Makes the secret of the file that of Redis, unless there is one. Answers whether it is.
    ///
    /// # Errors
    /// If Redis fails.
    pub async fn secret(&self, secret: [u8; 32]) -> Result<bool, ImportError> {
        Ok(self.accounts.adopt(secret).await? == secret)
    }

    /// Carries over a room's log. Tells `progress` how many entries each piece had.
    ///
    /// # Errors
    /// If the file or Redis fails, or somebody does the same at this moment.
    pub async fn room(
        &self,
        from: &Export,
        room: &ExportedRoom,
        mut progress: impl FnMut(u64),
    ) -> Result<Carried, ImportError> {
        let keys = RoomKeys(&room.room);
        let (epoch, head) = (room.epoch.to_string(), room.head.to_string());
        let claim = vec![epoch.clone(), head.clone(), room.last_ts.to_string()];
        let claimed: String = self.run(&scripts::IMPORT_CLAIM, keys.life().to_vec(), claim).await?;
        match claimed.as_str() {
            "claimed" => {}
            "there" => return Ok(Carried::Before),
            _ => return Ok(Carried::Taken),
        }

        let mut after = room.trimmed;
        loop {
            let entries = from.entries(room, after)?;
            let Some(last) = entries.last() else { break };
            after = last.seq;
            let (log, ids) = log_and_ids(&entries)?;
            self.piece(room, keys.log(), log).await?;
            self.piece(room, keys.ids(), ids).await?;
            progress(entries.len() as u64);
        }
        let mut next = Some(room.trimmed);
        while let Some(after) = next {
            let (altered, following) = from.altered(room, after)?;
            next = following;
            let mut states = Vec::new();
            for Altered { state, edits } in &altered {
                states.extend([state.seq.to_string(), state_json(state, edits)?]);
            }
            self.piece(room, keys.state(), states).await?;
        }

        self.remember(from, room).await?;

        let age = self.context.history.max_age;
        let lives = if age == 0 { 0 } else { age.saturating_add(DAY_MS) };
        let frame = serde_json::to_string(&self.context.envelope(Body::Moved { epoch: room.epoch.clone() }))?;
        let mut finished = vec![keys.meta(), keys.log(), keys.ids(), keys.state()];
        finished.push(keys::ROOMS.into());
        let finish = vec![
            epoch,
            head,
            room.trimmed.to_string(),
            lives.to_string(),
            room.room.to_string(),
            keys.channel(),
            frame,
        ];
        let done: bool = self.run(&scripts::IMPORT_FINISH, finished, finish).await?;
        if done { Ok(Carried::Now) } else { Err(ImportError::Disturbed(room.room.to_string())) }
    }

    /// Keeps the promise to know a retry for messages that were said lately and trimmed since.
    async fn remember(&self, from: &Export, room: &ExportedRoom) -> Result<(), ImportError> {
        let oldest = self.context.clock.now_ms().saturating_sub(IDEMPOTENCY_MS);
        let keys = RoomKeys(&room.room);
        for some in from.remembered(room, oldest)?.chunks(KEYS_AT_ONCE) {
            let mut args = vec![room.epoch.to_string(), keys.idem(), IDEMPOTENCY_MS.to_string()];
            args.extend(some.iter().flat_map(|known| [known.id.to_string(), format!("{}:{}", known.seq, known.ts)]));
            let taken: bool = self.run(&scripts::IMPORT_KEYS, vec![keys.meta()], args).await?;
            if !taken {
                return Err(ImportError::Disturbed(room.room.to_string()));
            }
        }
        Ok(())
    }

    /// Puts fields and values, one after the other, into a hash of a claimed room.
    async fn piece(&self, room: &ExportedRoom, hash: String, pairs: Vec<String>) -> Result<(), ImportError> {
        if pairs.is_empty() {
            return Ok(());
        }
        let keys = vec![RoomKeys(&room.room).meta(), hash];
        let args = std::iter::once(room.epoch.to_string()).chain(pairs).collect();
        let taken: bool = self.run(&scripts::IMPORT_PIECE, keys, args).await?;
        if taken { Ok(()) } else { Err(ImportError::Disturbed(room.room.to_string())) }
    }

    async fn run<R: fred::types::FromValue>(
        &self,
        script: &Script,
        keys: Vec<String>,
        args: Vec<String>,
    ) -> Result<R, ImportError> {
        Ok(scripts::run(script, &self.context.clients.data, keys, args).await?)
    }
}

/// Connects, or says why not as soon as it is known: a client that has a server would try on for ever.
pub(super) async fn connect(client: &Client) -> Result<(), String> {
    let mut errors = client.error_rx();
    let first = async {
        match errors.recv().await {
            Ok((error, _)) => failure::plain(&error).to_owned(),
            Err(error) => error.to_string(),
        }
    };
    tokio::select! {
        connected = client.init() => connected.map(drop).map_err(|error| failure::plain(&error).to_owned()),
        why = first => Err(why),
        () = sleep(CONNECT_LIMIT) => Err(format!("no answer within {} s", CONNECT_LIMIT.as_secs())),
    }
}

/// Number and entry, and message id and number, of entries.
fn log_and_ids(entries: &[Entry]) -> Result<(Vec<String>, Vec<String>), ImportError> {
    let (mut log, mut ids) = (Vec::new(), Vec::new());
    for entry in entries {
        log.extend([entry.seq.to_string(), serde_json::to_string(entry)?]);
        if let EntryBody::Message(message) = &entry.body {
            ids.extend([message.id.to_string(), entry.seq.to_string()]);
        }
    }
    Ok((log, ids))
}

/// What a message is now, beside the entry that said it. An empty list is left out: Lua would write it as an object.
fn state_json(state: &crate::protocol::entry::MessageState, edits: &[Seq]) -> Result<String, ImportError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct State<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        edited_ts: Option<Millis>,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        edits: &'a [Seq],
        #[serde(skip_serializing_if = "Vec::is_empty")]
        reactions: Vec<(&'a str, &'a [UserId])>,
    }
    Ok(serde_json::to_string(&State {
        text: state.edited_ts.map(|_| &*state.message.text),
        edited_ts: state.edited_ts,
        edits,
        reactions: state.reactions.iter().map(|reactors| (&*reactors.emoji, &*reactors.users)).collect(),
    })?)
}
