//! One connection of a client of the checker.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use rand::Rng;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until, timeout};

use super::{Person, Phase};
use crate::support::{
    Client,
    ledger::{Change, Stage},
};

/// How often a client looks whether there is something to do.
const TURN: Duration = Duration::from_millis(10);

/// After so long without a word a client asks for one, and after so long again it takes the connection for dead. The
/// contract's own times are the heartbeat and 5 s.
const SILENCE: Duration = Duration::from_secs(2);

/// A client with so many messages without a number says nothing new.
const MOST_OPEN: usize = 40;

/// How often who is there is asked for at the end.
const WHO: Duration = Duration::from_millis(500);

/// One connection. What outlives it is in the [`Person`] and the ledger.
pub(super) struct Conversation<'a> {
    person: &'a mut Person,
    client: Client,
    next_id: u64,
    /// Commands that are not answered, by `id`.
    asked: HashMap<u64, Asked>,
    /// Keys that were said on this connection and not refused.
    taken: HashSet<String>,
    /// Nothing is said before: a refusal asks for it.
    not_before: Instant,
    /// When it says something new.
    next_word: Instant,
    /// When it asks next who is there.
    next_who: Instant,
    heard: Instant,
    pinged: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Join(String),
    Message(String),
    History(String),
    Change,
}

/// The connection is of no more use.
struct Dead;

impl<'a> Conversation<'a> {
    pub(super) fn new(person: &'a mut Person, client: Client) -> Self {
        let now = Instant::now();
        Self {
            person,
            client,
            next_id: 1,
            asked: HashMap::new(),
            taken: HashSet::new(),
            not_before: now,
            next_word: now,
            next_who: now,
            heard: now,
            pinged: false,
        }
    }

    /// Talks until the connection ends or the client is told to go; gives the code of the server's close frame.
    pub(super) async fn hold(mut self) -> Option<u16> {
        let ended = self.talk().await;
        let code = self.client.close_code();
        if ended.is_ok() {
            // It leaves with a word, if the server still listens to one.
            let _ = timeout(SILENCE, self.client.try_close()).await;
        }
        code
    }

    async fn talk(&mut self) -> Result<(), Dead> {
        let mut turn = Instant::now();
        while self.person.is_wanted() {
            tokio::select! {
                event = self.client.hear() => self.react(event.ok_or(Dead)?),
                () = sleep_until(turn) => {
                    self.act().await?;
                    turn = Instant::now() + TURN;
                }
            }
        }
        Ok(())
    }

    fn react(&mut self, event: Value) {
        (self.heard, self.pinged) = (Instant::now(), false);
        self.person.shared.ledger().heard(self.person.number, &event);
        if event["type"] == "notice" && event["kind"] == "draining" {
            self.person.reconnect_in = event["reconnectInMs"].as_u64().map(Duration::from_millis);
        }
        let asked = event["id"].as_u64().and_then(|id| self.asked.remove(&id));
        if event["type"] == "error" {
            let pause = Duration::from_millis(event["retryAfterMs"].as_u64().unwrap_or_default());
            self.not_before = self.heard + pause.min(SILENCE);
            if let Some(Asked::Message(key)) = asked {
                self.taken.remove(&key);
            }
        }
    }

    /// Does what there is to do now.
    async fn act(&mut self) -> Result<(), Dead> {
        self.watch().await?;
        if Instant::now() < self.not_before {
            return Ok(());
        }
        for room in self.person.shared.rooms.clone() {
            self.be_in(&room).await?;
        }
        self.say_something();
        self.change_something().await?;
        self.empty_outbox().await
    }

    /// Looks after the connection itself.
    async fn watch(&mut self) -> Result<(), Dead> {
        match (self.heard.elapsed(), self.pinged) {
            (silence, true) if silence > 2 * SILENCE => Err(Dead),
            (silence, false) if silence > SILENCE => {
                self.pinged = true;
                self.send(json!({"type": "ping"})).await
            }
            _ => Ok(()),
        }
    }

    /// Joins a room, pages to its head, and at the end reads it back to its beginning and asks who is there.
    async fn be_in(&mut self, room: &str) -> Result<(), Dead> {
        let number = self.person.number;
        let (stage, since, floor) = {
            let ledger = self.person.shared.ledger();
            (ledger.stage(number, room), ledger.since(number, room), ledger.floor(number, room))
        };
        let joins = Asked::Join(room.into());
        if matches!(stage, Stage::Away | Stage::Paging) && !self.is_asked(&joins) {
            let mut command = json!({"type": "join", "room": room});
            if let Some(since) = since {
                command["since"] = since;
            }
            self.ask(joins, command).await?;
        }
        if stage != Stage::Live || self.person.phase() != Phase::Settle {
            return Ok(());
        }
        let pages = Asked::History(room.into());
        if let Some(before) = floor
            && !self.is_asked(&pages)
        {
            self.person.shared.ledger().asks_page(number, room, self.next_id);
            self.ask(pages, json!({"type": "history", "room": room, "before": before, "limit": 200})).await?;
        }
        let now = Instant::now();
        if now >= self.next_who {
            // Once a while for all rooms.
            if self.person.shared.rooms.last().is_some_and(|last| last == room) {
                self.next_who = now + WHO;
            }
            self.send(json!({"type": "who", "room": room, "limit": 1})).await?;
        }
        Ok(())
    }

    /// Has something new to say, now and then.
    fn say_something(&mut self) {
        let (now, shared) = (Instant::now(), &self.person.shared);
        if self.person.phase() != Phase::Chat || now < self.next_word {
            return;
        }
        let random = &mut self.person.random;
        self.next_word = now + random.random_range(Duration::ZERO..=2 * shared.plan.pause);
        let room = &shared.rooms[random.random_range(0..shared.rooms.len())];
        let mut ledger = shared.ledger();
        if ledger.outbox(self.person.number).count() < MOST_OPEN {
            let key = format!("{}-{:016x}", self.person.number, random.random::<u64>());
            let text = format!("text of {key}");
            ledger.say(self.person.number, room, &key, &text);
        }
    }

    /// Changes something it said, now and then.
    async fn change_something(&mut self) -> Result<(), Dead> {
        let shared = self.person.shared.clone();
        let number = self.person.number;
        // About as often as it says something.
        let due = TURN.div_duration_f64(2 * shared.plan.pause).min(1.0);
        if !shared.plan.changes || self.person.phase() != Phase::Chat || self.is_asked(&Asked::Change) {
            return Ok(());
        }
        let random = &mut self.person.random;
        if !random.random_bool(due) {
            return Ok(());
        }
        let room = &shared.rooms[random.random_range(0..shared.rooms.len())];
        let own = shared.ledger().changeable(number, room);
        if own.is_empty() || shared.ledger().stage(number, room) != Stage::Live {
            return Ok(());
        }
        let id = &own[random.random_range(0..own.len())];
        let once: u32 = random.random();
        let (change, mut command) = match random.random_range(0..10) {
            0 => (Change::Delete, json!({"type": "delete"})),
            1..4 => {
                let emoji = format!("e{once:08x}");
                (Change::React(emoji.clone()), json!({"type": "react", "emoji": emoji, "on": true}))
            }
            _ => {
                let text = format!("edit {once:08x}");
                (Change::Edit(text.clone()), json!({"type": "edit", "text": text}))
            }
        };
        command["room"] = room.as_str().into();
        command["messageId"] = id.as_str().into();
        shared.ledger().changes(number, self.next_id, room, id, change);
        self.ask(Asked::Change, command).await
    }

    /// Says what has no number and was not said on this connection, in order, where it is in the room.
    async fn empty_outbox(&mut self) -> Result<(), Dead> {
        let number = self.person.number;
        let waiting = self.asked.values().filter(|asked| matches!(asked, Asked::Message(_))).count();
        let free = self.person.shared.plan.in_flight.saturating_sub(waiting);
        let next: Vec<_> = {
            let ledger = self.person.shared.ledger();
            let ready = |room: &str| matches!(ledger.stage(number, room), Stage::Live | Stage::Provisional);
            let open = ledger.outbox(number).filter(|(key, room, _)| !self.taken.contains(*key) && ready(room));
            open.take(free).map(|(key, room, text)| [key, room, text].map(str::to_owned)).collect()
        };
        for [key, room, text] in next {
            self.person.shared.ledger().sent(number, self.next_id, &key);
            self.taken.insert(key.clone());
            let command = json!({"type": "message", "room": room, "text": text, "key": key});
            self.ask(Asked::Message(key), command).await?;
        }
        Ok(())
    }

    fn is_asked(&self, what: &Asked) -> bool {
        self.asked.values().any(|asked| asked == what)
    }

    async fn ask(&mut self, what: Asked, mut command: Value) -> Result<(), Dead> {
        command["id"] = self.next_id.into();
        self.asked.insert(self.next_id, what);
        self.next_id += 1;
        self.send(command).await
    }

    async fn send(&mut self, command: Value) -> Result<(), Dead> {
        let sent = timeout(SILENCE, self.client.try_say(&command.to_string())).await;
        sent.map_err(drop).and_then(|sent| sent.map_err(drop)).map_err(|()| Dead)
    }
}
