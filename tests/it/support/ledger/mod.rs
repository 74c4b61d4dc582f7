//! The delivery ledger: what clients said and heard, and which promise of the wire contract was broken on the way.
//!
//! Pure: it takes the events as they came, in each client's order, and knows no socket and no clock. It is also the
//! memory of a client that follows the contract: its positions ([`Ledger::since`]) and its outbox ([`Ledger::outbox`]).

mod changing;
mod closing;
mod hearing;
mod verdict;
mod view;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::Duration,
};

use serde_json::{Value, json};

pub(crate) use changing::Change;
use changing::{Changing, Wanted};
pub(crate) use verdict::{Counts, Kind, Verdict, Violation};
pub(crate) use view::Stage;
use view::View;

/// Close codes after which a client that behaves stays away (contract, section 2): nothing but its own doing, or an
/// administrator's, is the reason.
const FINAL_CLOSES: [u16; 9] = [1000, 1002, 1003, 1007, 1009, 4400, 4401, 4403, 4429];

/// A message as it was said. Keys are unique over all clients.
#[derive(Debug)]
struct Said {
    client: usize,
    room: String,
    text: String,
    /// How many its sender had said before.
    nth: usize,
    /// Whether it was refused, so that later ones may have passed it.
    refused: bool,
    /// The message it became.
    id: Option<String>,
}

/// What is known of a room's log, over all clients.
#[derive(Debug, Default)]
struct RoomLog {
    /// What stands at a number.
    entries: HashMap<(String, u64), String>,
    /// The number of a message in each epoch.
    numbers: HashMap<(String, String), u64>,
    /// Where a message stood first.
    first: HashMap<String, (String, u64)>,
    /// Messages acked with a number, with their keys.
    acked: BTreeMap<String, String>,
    /// Messages announced as undelivered.
    announced: HashSet<String>,
    /// Changes acked with a number, by it.
    changed: BTreeMap<u64, String>,
    /// The epochs it had.
    epochs: BTreeSet<String>,
}

/// A client.
#[derive(Debug, Default)]
struct Member {
    /// Was connected before.
    was_here: bool,
    /// Left for good: what came after is not its business.
    gone: bool,
    said: usize,
    /// The keys of its messages that have no number yet, as said.
    outbox: Vec<String>,
    /// The commands of this connection that are not answered, by `id`, with the key.
    commands: HashMap<u64, String>,
    changing: Option<Changing>,
    rooms: BTreeMap<String, View>,
}

/// What all clients said and heard.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    members: Vec<Member>,
    said: HashMap<String, Said>,
    logs: HashMap<String, RoomLog>,
    /// What was changed, by message.
    wanted: HashMap<String, Wanted>,
    counts: Counts,
    violations: Vec<Violation>,
}

impl Ledger {
    /// A ledger of so many clients, each to be in all of these rooms.
    pub(crate) fn new(clients: usize, rooms: &[String]) -> Self {
        let member = || Member {
            rooms: rooms.iter().map(|room| (room.clone(), View::default())).collect(),
            ..Member::default()
        };
        Self { members: (0..clients).map(|_| member()).collect(), ..Self::default() }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// A client got its `welcome`.
    pub(crate) fn connected(&mut self, client: usize) {
        let member = &mut self.members[client];
        self.counts.reconnects += usize::from(member.was_here);
        member.was_here = true;
    }

    /// A client that did not want to was without a connection for so long.
    pub(crate) fn was_interrupted(&mut self, time: Duration) {
        self.counts.longest_interruption = self.counts.longest_interruption.max(time);
    }

    /// A client's connection ended, whoever ended it; with the code of the close frame, if there was one.
    pub(crate) fn disconnected(&mut self, client: usize, code: Option<u16>) {
        let member = &mut self.members[client];
        member.commands.clear();
        member.changing = None;
        member.rooms.values_mut().for_each(View::away);
        if let Some(code) = code.filter(|code| FINAL_CLOSES.contains(code)) {
            self.violation(Kind::Refused, format!("client {client} was closed with {code}"));
        }
    }

    /// A client leaves and will not come back. What was acked to it still counts, what waits in its outbox does not.
    pub(crate) fn gone(&mut self, client: usize) {
        self.members[client].gone = true;
        self.disconnected(client, None);
    }

    /// A client has something new to say; it is in its outbox from now on.
    pub(crate) fn say(&mut self, client: usize, room: &str, key: &str, text: &str) {
        let member = &mut self.members[client];
        member.said += 1;
        member.outbox.push(key.into());
        let said = Said { client, room: room.into(), text: text.into(), nth: member.said, refused: false, id: None };
        assert!(self.said.insert(key.into(), said).is_none(), "keys are used once");
        self.counts.sent += 1;
    }

    /// What a client has said and not seen with a number, in order: key, room, text.
    pub(crate) fn outbox(&self, client: usize) -> impl Iterator<Item = (&str, &str, &str)> {
        self.members[client].outbox.iter().map(|key| {
            let said = &self.said[key];
            (key.as_str(), said.room.as_str(), said.text.as_str())
        })
    }

    /// A client sends what is in its outbox as the command `id` of its connection.
    pub(crate) fn sent(&mut self, client: usize, id: u64, key: &str) {
        self.members[client].commands.insert(id, key.into());
    }

    /// The position from which a client joins a room again.
    pub(crate) fn since(&self, client: usize, room: &str) -> Option<Value> {
        let (epoch, seq) = self.members[client].rooms[room].position.as_ref()?;
        Some(json!({"epoch": epoch, "seq": seq}))
    }

    pub(crate) fn stage(&self, client: usize, room: &str) -> Stage {
        self.members[client].rooms[room].stage
    }

    /// Whether a client is in no room.
    pub(crate) fn is_away(&self, client: usize) -> bool {
        self.members[client].rooms.values().all(|view| view.stage == Stage::Away)
    }

    /// The number before which a client has yet to read back to have all messages of a room.
    pub(crate) fn floor(&self, client: usize, room: &str) -> Option<u64> {
        self.members[client].rooms[room].floor
    }

    /// A client asks for the page before that number, as the command `id` of its connection.
    pub(crate) fn asks_page(&mut self, client: usize, room: &str, id: u64) {
        self.view(client, room).asked = Some(id);
    }

    fn view(&mut self, client: usize, room: &str) -> &mut View {
        self.members[client].rooms.get_mut(room).expect("a room of the client")
    }

    fn violation(&mut self, kind: Kind, what: String) {
        self.violations.push(Violation { kind, what });
    }
}
