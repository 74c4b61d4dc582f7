//! Takes what other instances, and this one, publish: checks each frame, drops what is bad or came before, and passes the
//! rest on.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use fred::types::Message;
use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};
use tracing::{info, warn};

use super::{RedisBroker, RedisDirectory, context::Context, keys};
use crate::{
    broker::BrokerEvent,
    chat::dedup::Window,
    metrics::series::KindLabel,
    protocol::{
        entry::Numbered,
        envelope::{BadEnvelope, Body, Channel, Envelope, Incarnation},
        ids::{Millis, Position, RoomName},
    },
};

/// Entries handed to the hub at once: what is ready, at most.
const BATCH: usize = 256;

/// How often a bad frame of one kind is logged.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// What the link wants to know of what comes.
pub(super) struct Hearing {
    /// Frames that came.
    frames: AtomicU64,
    /// Whether the hub is waited for: then nothing is taken, and that is no sign of a connection that brings nothing.
    held_up: AtomicBool,
    /// The number of the last probe of this instance that came back.
    probe: watch::Sender<Option<u64>>,
}

impl Default for Hearing {
    fn default() -> Self {
        Self { frames: AtomicU64::new(0), held_up: AtomicBool::new(false), probe: watch::Sender::new(None) }
    }
}

impl Hearing {
    /// How many frames came since the start.
    pub(super) fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Whether the hub holds up what comes.
    pub(super) fn is_held_up(&self) -> bool {
        self.held_up.load(Ordering::Relaxed)
    }

    /// Tells when a probe has come back.
    pub(super) fn probes(&self) -> watch::Receiver<Option<u64>> {
        self.probe.subscribe()
    }
}

/// Where frames go.
pub(super) struct Receiver {
    ctx: Arc<Context>,
    hearing: Arc<Hearing>,
    broker: Arc<RedisBroker>,
    directory: Arc<RedisDirectory>,
    /// Frames taken of late, by who sent them and their number.
    taken: Window<(Incarnation, u64)>,
    /// Entries that wait for the rest of what is ready.
    entries: Vec<Numbered>,
    logged: HashMap<&'static str, Instant>,
}

impl Receiver {
    /// One that remembers frames for `window_ms`.
    pub(super) fn new(
        ctx: Arc<Context>,
        hearing: Arc<Hearing>,
        broker: Arc<RedisBroker>,
        directory: Arc<RedisDirectory>,
        window_ms: Millis,
    ) -> Self {
        let taken = Window::new(window_ms);
        Self { ctx, hearing, broker, directory, taken, entries: Vec::new(), logged: HashMap::new() }
    }

    /// Takes frames until the connection is ended for good.
    pub(super) async fn run(mut self, mut frames: broadcast::Receiver<Message>) {
        loop {
            match frames.recv().await {
                Ok(frame) => self.take(&frame).await,
                Err(RecvError::Lagged(lost)) => self.lagged(lost).await,
                Err(RecvError::Closed) => return,
            }
            while self.entries.len() < BATCH
                && let Ok(frame) = frames.try_recv()
            {
                self.take(&frame).await;
            }
            self.hand_over().await;
        }
    }

    async fn take(&mut self, frame: &Message) {
        self.hearing.frames.fetch_add(1, Ordering::Relaxed);
        let room = keys::room_of_channel(&frame.channel);
        let channel = match &room {
            Some(room) => Channel::Room(room),
            None if *frame.channel == *keys::CONTROL || *frame.channel == *keys::peer_channel(&self.ctx.me) => {
                Channel::Control
            }
            None => return self.refuse("unknown_channel", &"on a channel that is none of ours"),
        };
        let bytes = frame.value.as_bytes().unwrap_or_default();
        let envelope = match Envelope::parse(bytes, channel) {
            Ok(envelope) => envelope,
            Err(bad) => return self.refuse(kind_of(bad), &bad),
        };
        if !self.taken.is_new((envelope.origin.clone(), envelope.id), self.ctx.clock.elapsed_ms()) {
            self.ctx.metrics.duplicate_frames.inc();
            return;
        }
        self.pass_on(room, envelope).await;
    }

    async fn pass_on(&mut self, room: Option<RoomName>, envelope: Envelope) {
        let own = envelope.origin == self.ctx.me;
        match (envelope.body, room) {
            (Body::Entries { epoch, entries }, room) => {
                if own {
                    self.broker.own_frame_came(envelope.id);
                }
                if let (Some(room), Some(last)) = (&room, entries.last()) {
                    self.broker.saw(room, Position { epoch: epoch.clone(), seq: last.seq });
                }
                self.entries.extend(entries.into_iter().map(|entry| Numbered { epoch: epoch.clone(), entry }));
            }
            (Body::Moved { .. }, Some(room)) => self.tell(BrokerEvent::Missed(Some(room))).await,
            (Body::Told { telling }, Some(room)) if !own => self.tell(BrokerEvent::Told(room, telling)).await,
            (Body::Probe, _) if own => {
                self.hearing.probe.send_replace(Some(envelope.id));
            }
            (body @ (Body::Ask { .. } | Body::Answer { .. }), _) => {
                self.directory.received(Envelope { body, ..envelope });
            }
            (Body::Moved { .. } | Body::Told { .. } | Body::Probe, _) => {}
        }
    }

    /// Tells the hub, behind the entries that came before.
    async fn tell(&mut self, event: BrokerEvent) {
        self.hand_over().await;
        self.wait_for_hub(event).await;
    }

    async fn hand_over(&mut self) {
        if !self.entries.is_empty() {
            let entries = std::mem::take(&mut self.entries);
            self.wait_for_hub(BrokerEvent::Committed(entries)).await;
        }
    }

    async fn wait_for_hub(&self, event: BrokerEvent) {
        self.hearing.held_up.store(true, Ordering::Relaxed);
        self.ctx.tell_hub(event).await;
        self.hearing.held_up.store(false, Ordering::Relaxed);
    }

    async fn lagged(&mut self, lost: u64) {
        info!("{lost} frames were lost because the hub was behind: every room is read again");
        self.ctx.metrics.lagged_frames.inc_by(lost);
        self.tell(BrokerEvent::Missed(None)).await;
    }

    /// Counts a bad frame. What is in it is nobody's business, the log's included.
    fn refuse(&mut self, kind: &'static str, what: &dyn std::fmt::Display) {
        self.ctx.metrics.bad_frames.get_or_create(&KindLabel { kind }).inc();
        let now = Instant::now();
        if self.logged.get(kind).is_none_or(|at| now.duration_since(*at) >= LOG_INTERVAL) {
            self.logged.insert(kind, now);
            warn!("a frame was dropped, being {what}; more of the kind within a minute are only counted");
        }
    }
}

fn kind_of(bad: BadEnvelope) -> &'static str {
    match bad {
        BadEnvelope::TooLong => "too_long",
        BadEnvelope::Malformed => "malformed",
        BadEnvelope::Version => "version",
        BadEnvelope::Misplaced => "misplaced",
    }
}
