//! The instances that form one chat, in Redis.
//!
//! - Each says every `heartbeat_ms` that it lives and what of itself; by Redis' clock it is dead `instance_ttl_ms` after the
//!   last time. One that stops takes itself out.
//! - [`identity`]: two processes that were given one id.
//! - [`asks`]: what instances ask of one another, over their channels. An answer is worth waiting for 2 s.

mod asks;
mod identity;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fred::{error::Error, interfaces::PubsubInterface, types::Value};
use futures_util::{FutureExt, future::BoxFuture};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Mutex, Semaphore, mpsc, oneshot},
    task::AbortHandle,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tracing::{debug, info, warn};

pub use self::identity::settle_identity;
use self::{
    asks::Asks,
    identity::{Beat, Holder, Verdict, Watch, beat, yielded},
};
use super::{
    accounts::RedisAccounts,
    context::Context,
    keys::{self, CONTROL, INSTANCE_PREFIX, INSTANCES, OCCUPIED},
    leases::Leases,
    presence::{RedisPresence, keep_ms},
    scripts,
};
use crate::{
    broker::{Directory, InstanceInfo, Measure, PeerRequest, PeerRequests, Unavailable},
    chat::headroom::Headroom,
    protocol::{
        envelope::{Body, Envelope, Incarnation, MAX_ENVELOPE, PeerAnswer, PeerAsk},
        ids::{InstanceId, Millis},
    },
};

/// How long answers of other instances are waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Questions of others that are being answered at once.
const ANSWERING: usize = 256;
/// How long a stop takes at most to tell Redis.
const DEPARTURE: Duration = Duration::from_secs(5);
/// The pool of the one instance that buries the dead.
const GRAVEDIGGER: &str = "gravedigger";

/// Questions of others that wait to be taken up.
const REQUESTS: usize = 256;

/// The registry in Redis. Dropping it ends its tasks; see [`Directory::depart`].
pub struct RedisDirectory {
    shared: Arc<Shared>,
    tasks: [AbortHandle; 2],
}

struct Shared {
    context: Arc<Context>,
    presence: Arc<RedisPresence>,
    accounts: Arc<RedisAccounts>,
    requests: mpsc::Sender<PeerRequest>,
    started_at: Millis,
    measure: Measure,
    registered: Mutex<Registered>,
    asks: Asks,
    answering: Arc<Semaphore>,
    departed: AtomicBool,
}

/// How this instance stands in the registry.
struct Registered {
    /// As the context's, but for the id when another process has taken that meanwhile.
    name: Incarnation,
    watch: Watch,
    /// Whether it was there before.
    known: bool,
}

/// What an instance says of itself.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    instance_id: InstanceId,
    /// Under which it sends, and is reached.
    incarnation: Incarnation,
    started_at: Millis,
    connected_clients: usize,
    /// Since this version; one that is older does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sessions_free: Option<usize>,
    /// The same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newcomers_per_second: Option<u32>,
    version: String,
}

impl Info {
    fn headroom(&self) -> Option<Headroom> {
        let (sessions_free, newcomers_per_second) = self.sessions_free.zip(self.newcomers_per_second)?;
        Some(Headroom { sessions_free, newcomers_per_second })
    }
}

/// An instance that lives, and when it was last heard.
type Live = (Info, Millis);

impl RedisDirectory {
    /// Starts it; call it in the runtime that is to do its work. Gives the questions of others beside it.
    pub(super) fn new(
        context: Arc<Context>,
        presence: Arc<RedisPresence>,
        accounts: Arc<RedisAccounts>,
        leases: Leases,
        measure: Measure,
    ) -> (Arc<Self>, PeerRequests) {
        let (requests, taken) = mpsc::channel(REQUESTS);
        let started_at = context.clock.now_ms();
        context.metrics.heartbeat_age_seconds.begin();
        let watch = Watch::new(context.config.heartbeat_ms);
        let registered = Registered { name: context.me.clone(), watch, known: false };
        let shared = Arc::new(Shared {
            context,
            presence,
            accounts,
            requests,
            started_at,
            measure,
            registered: Mutex::new(registered),
            asks: Asks::default(),
            answering: Arc::new(Semaphore::new(ANSWERING)),
            departed: AtomicBool::new(false),
        });
        let tasks = [
            tokio::spawn(heartbeats(shared.clone())).abort_handle(),
            tokio::spawn(bury(shared.clone(), leases)).abort_handle(),
        ];
        (Arc::new(Self { shared, tasks }), taken)
    }

    /// Says now that this instance lives.
    ///
    /// # Errors
    /// [`Unavailable`] when Redis did not hear it.
    pub(super) async fn heartbeat(&self) -> Result<(), Unavailable> {
        self.shared.beat().await
    }

    /// A question or an answer of another instance came. Never waits.
    pub(super) fn received(&self, envelope: Envelope) {
        let Envelope { origin, id, body, .. } = envelope;
        match body {
            Body::Ask { ask } if origin != self.shared.context.me => self.shared.asked(origin, id, ask),
            Body::Answer { to, answer } => self.shared.asks.answered(to, origin, answer),
            _ => {}
        }
    }
}

impl Drop for RedisDirectory {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Directory for RedisDirectory {
    fn instances(&self) -> BoxFuture<'static, Result<Vec<InstanceInfo>, Unavailable>> {
        let shared = self.shared.clone();
        async move {
            let live = shared.live().await?.into_iter();
            let mut instances: Vec<_> = live
                .map(|(info, last_heartbeat)| InstanceInfo {
                    headroom: info.headroom(),
                    instance: info.instance_id,
                    started_at: info.started_at,
                    last_heartbeat,
                    connected_clients: info.connected_clients,
                })
                .collect();
            instances.sort_unstable_by(|a, b| a.instance.cmp(&b.instance));
            Ok(instances)
        }
        .boxed()
    }

    fn ask(
        &self,
        to: Option<InstanceId>,
        ask: PeerAsk,
    ) -> BoxFuture<'static, Result<Vec<(InstanceId, PeerAnswer)>, Unavailable>> {
        let shared = self.shared.clone();
        async move { shared.ask(to, ask).await }.boxed()
    }

    fn renew(&self) -> BoxFuture<'static, ()> {
        let shared = self.shared.clone();
        async move {
            if shared.context.is_up() {
                // It was logged, and the next heartbeat says the same.
                let _ = shared.beat().await;
            }
        }
        .boxed()
    }

    fn depart(&self, away_ms: Millis) -> BoxFuture<'static, ()> {
        self.tasks.iter().for_each(AbortHandle::abort);
        let shared = self.shared.clone();
        async move {
            if timeout(DEPARTURE, shared.depart(away_ms)).await.is_err() {
                warn!("Redis was not told in time that this instance stops; it expires there");
            }
        }
        .boxed()
    }
}

async fn heartbeats(shared: Arc<Shared>) {
    let mut beats = interval(Duration::from_millis(shared.context.config.heartbeat_ms));
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        if shared.context.is_up() {
            // It was logged, and the next one comes.
            let _ = shared.beat().await;
        }
    }
}

/// Takes dead instances out, and says so: one instance does it for all.
async fn bury(shared: Arc<Shared>, leases: Leases) {
    let every = Duration::from_millis(shared.context.config.heartbeat_ms);
    let dig = |_| async {
        loop {
            if shared.context.is_up() {
                shared.bury().await;
            }
            sleep(every).await;
        }
    };
    leases.whenever_held(GRAVEDIGGER, every * 2, dig).await;
}

impl Shared {
    async fn beat(&self) -> Result<(), Unavailable> {
        let mut registered = self.registered.lock().await;
        if self.departed.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut replace: Option<Holder> = None;
        // At most: found taken, and then replaced or yielded.
        for _ in 0..2 {
            let info = self.info(&registered.name)?;
            let (client, ttl) = (&self.context.clients.data, self.context.instance_ttl_ms);
            let beat = beat(client, &registered.name, ttl, info, replace.as_ref()).await;
            let (beat, live) = beat.map_err(|error| self.failed(&error))?;
            self.context.metrics.instances_live.set(live);
            match beat {
                Beat::Ok => {
                    self.context.metrics.heartbeat_age_seconds.begin();
                    registered.known = true;
                    break;
                }
                Beat::New => {
                    self.context.metrics.heartbeat_age_seconds.begin();
                    if std::mem::replace(&mut registered.known, true) {
                        self.was_lost();
                    }
                    break;
                }
                Beat::Taken(holder) => match registered.watch.see(holder) {
                    Verdict::Wait => return Ok(()),
                    Verdict::Replace(holder) => replace = Some(holder),
                    Verdict::Yield => {
                        registered.name = yielded(&self.context.me);
                        self.context.metrics.instance_id_collisions.inc();
                    }
                },
            }
        }
        registered.watch = Watch::new(self.context.config.heartbeat_ms);
        // It was logged. With each heartbeat, since whoever started just after Redis lost everything may have been first.
        let _ = self.accounts.reassert().await;
        Ok(())
    }

    fn info(&self, name: &Incarnation) -> Result<String, Unavailable> {
        let Headroom { sessions_free, newcomers_per_second } = (self.measure)();
        let info = Info {
            instance_id: name.instance.clone(),
            incarnation: self.context.me.clone(),
            started_at: self.started_at,
            connected_clients: self.context.metrics.open_connections(),
            sessions_free: Some(sessions_free),
            newcomers_per_second: Some(newcomers_per_second),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        serde_json::to_string(&info).map_err(|_| Unavailable)
    }

    /// Redis had forgotten this instance: what it holds there is told again.
    fn was_lost(&self) {
        info!("Redis had lost this instance; it is told everything again");
        let presence = self.presence.clone();
        tokio::spawn(async move { presence.full_sync().await });
    }

    async fn live(&self) -> Result<Vec<Live>, Unavailable> {
        if !self.context.is_up() {
            return Err(Unavailable);
        }
        let args = vec![self.context.instance_ttl_ms.to_string(), INSTANCE_PREFIX.to_owned()];
        let reply = scripts::run(&scripts::INSTANCES, &self.context.clients.data, vec![INSTANCES], args).await;
        let reply: Vec<Value> = reply.map_err(|error| self.failed(&error))?;
        Ok(reply.chunks(2).filter_map(live).collect())
    }

    async fn ask(&self, to: Option<InstanceId>, ask: PeerAsk) -> Result<Vec<(InstanceId, PeerAnswer)>, Unavailable> {
        let mut others = self.live().await?;
        others.retain(|(info, _)| {
            info.incarnation != self.context.me && to.as_ref().is_none_or(|to| *to == info.instance_id)
        });
        let channel = match (&others[..], &to) {
            ([], _) => return Ok(Vec::new()),
            ([(one, _)], Some(_)) => keys::peer_channel(&one.incarnation),
            _ => CONTROL.to_owned(),
        };
        let question = self.context.envelope(Body::Ask { ask });
        let peers = others.iter().map(|(info, _)| info.incarnation.clone());
        let asking = self.asks.begin(question.id, peers).ok_or(Unavailable)?;
        self.publish(channel, &question).await?;
        let _ = timeout(PATIENCE, asking.complete()).await;
        let (answers, complete) = asking.end();
        if !complete {
            self.context.metrics.peer_asks_unanswered.inc();
        }
        let name = |from: &Incarnation| {
            let known = others.iter().find(|(info, _)| info.incarnation == *from);
            known.map_or_else(|| from.instance.clone(), |(info, _)| info.instance_id.clone())
        };
        Ok(answers.into_iter().map(|(from, answer)| (name(&from), answer)).collect())
    }

    /// Another instance asks.
    fn asked(&self, from: Incarnation, number: u64, ask: PeerAsk) {
        let (reply, answer) = oneshot::channel();
        let Ok(permit) = self.answering.clone().try_acquire_owned() else { return self.dropped() };
        if self.requests.try_send(PeerRequest { ask, reply }).is_err() {
            return self.dropped();
        }
        let context = self.context.clone();
        tokio::spawn(async move {
            let _permit = permit;
            // Later, nobody waits for it any more.
            let Ok(Ok(answer)) = timeout(PATIENCE, answer).await else { return };
            let answer = context.envelope(Body::Answer { to: number, answer });
            let _ = publish(&context, keys::peer_channel(&from), &answer).await;
        });
    }

    fn dropped(&self) {
        self.context.metrics.peer_frames_dropped.inc();
    }

    async fn publish(&self, channel: String, envelope: &Envelope) -> Result<(), Unavailable> {
        publish(&self.context, channel, envelope).await
    }

    async fn bury(&self) {
        let config = &self.context.config;
        let keep = keep_ms(config.presence_ttl_ms, config.outbox_age_ms);
        let args = vec![self.context.instance_ttl_ms.to_string(), keep.to_string()];
        let (script, data) = (&scripts::INSTANCES_REAP, &self.context.clients.data);
        match scripts::run::<Vec<String>, _, _>(script, data, vec![INSTANCES, OCCUPIED], args).await {
            Ok(dead) => dead.iter().for_each(|dead| warn!(instance = %dead, "an instance is dead")),
            Err(error) => drop(self.failed(&error)),
        }
    }

    async fn depart(&self, away_ms: Millis) {
        self.departed.store(true, Ordering::Release);
        if !self.context.is_up() {
            return;
        }
        self.presence.depart(away_ms).await;
        // A heartbeat under way would bring it back.
        let name = self.registered.lock().await.name.clone();
        let keys = vec![keys::instance(name.instance.as_str()), INSTANCES.to_owned()];
        let args = vec![name.instance.to_string(), format!("{:08x}", name.nonce)];
        let gone = scripts::run::<(), _, _>(&scripts::DEPART, &self.context.clients.data, keys, args).await;
        if let Err(error) = gone {
            let _ = self.failed(&error);
        }
    }

    fn failed(&self, error: &Error) -> Unavailable {
        self.context.unavailable("the registry of instances", error)
    }
}

/// An instance by its score and what it said of itself. What cannot be read is left out, as is one that has just come.
fn live(parts: &[Value]) -> Option<Live> {
    let [heard, info] = parts else { return None };
    let info = serde_json::from_slice(info.as_bytes()?).ok()?;
    let heard = heard.as_f64().filter(|heard| *heard >= 0.0)?;
    Some((info, heard as Millis))
}

async fn publish(context: &Context, channel: String, envelope: &Envelope) -> Result<(), Unavailable> {
    let mut frame = written(envelope)?;
    if frame.len() > MAX_ENVELOPE
        && let Body::Answer { to, .. } = &envelope.body
    {
        debug!("an answer is too long for a frame");
        frame = written(&context.envelope(Body::Answer { to: *to, answer: PeerAnswer::Busy }))?;
    }
    let published: Result<(), _> = context.clients.publisher.publish(channel, frame).await;
    published.map_err(|error| context.unavailable("telling another instance", &error))
}

fn written(envelope: &Envelope) -> Result<String, Unavailable> {
    serde_json::to_string(envelope).map_err(|_| Unavailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_read_as_it_says_and_others_are_left_out() {
        // As versions without headroom wrote it, and as this one does.
        let older = r#"{"instanceId":"api-1.beef","incarnation":"api-1#deadbeef","startedAt":5,"connectedClients":7,"version":"0.1.0"}"#;
        let info = r#"{"instanceId":"api-1.beef","incarnation":"api-1#deadbeef","startedAt":5,"connectedClients":7,"sessionsFree":3,"newcomersPerSecond":250,"version":"0.1.0"}"#;
        let headroom = Headroom { sessions_free: 3, newcomers_per_second: 250 };
        for (info, headroom) in [(older, None), (info, Some(headroom))] {
            let (read, heard) = live(&[Value::from("1763731234567"), Value::from(info)]).unwrap();
            assert_eq!((read.instance_id.as_str(), heard), ("api-1.beef", 1_763_731_234_567));
            assert_eq!(read.headroom(), headroom);
            assert_eq!(serde_json::to_string(&read).unwrap(), info);
        }
        for strange in ["", "{}", "[1]"] {
            assert!(live(&[Value::from("1"), Value::from(strange)]).is_none(), "{strange}");
        }
    }
}
