//! `kill -9` in the middle of writing: nothing that was acked is lost, nothing is doubled.

use std::collections::{HashMap, HashSet};

use crate::support::*;

const SENDERS: usize = 5;
const READERS: usize = 3;
/// Messages that are under way per sender.
const IN_FLIGHT: usize = 4;

/// How many times in a row the server is killed; more with `FAULT_ROUNDS`.
fn rounds() -> u64 {
    std::env::var("FAULT_ROUNDS").map_or(5, |rounds| rounds.parse().unwrap())
}

/// A sender that keeps what it said until it is acked, and says it again with the same key after a reconnect.
struct Sender {
    client: Client,
    name: String,
    said: usize,
    commands: u64,
    /// What is not acked, by the `id` of its command, with its key.
    open: HashMap<u64, String>,
    /// The id of the message by its key.
    acked: HashMap<String, String>,
}

impl Sender {
    async fn say(&mut self, key: String) {
        self.commands += 1;
        let command = json!({"type": "message", "text": format!("text of {key}"), "key": key, "id": self.commands});
        self.open.insert(self.commands, key);
        // What cannot be sent any more stays open, and the end of the connection shows with the next event.
        let _ = self.client.try_say(&command.to_string()).await;
    }

    async fn say_next(&mut self) {
        self.said += 1;
        self.say(format!("{}-{}", self.name, self.said)).await;
    }

    /// Takes one event; gives none at the end of the connection.
    async fn step(&mut self) -> Option<()> {
        let event = self.client.next().await?;
        if let Some(key) = event["id"].as_u64().and_then(|id| self.open.remove(&id)) {
            assert_eq!(event["type"], "ack", "{event}");
            self.acked.insert(key, event["messageId"].as_str().unwrap().into());
        }
        Some(())
    }

    /// Writes until `enough` are acked or the connection ends.
    async fn write_on(&mut self, enough: usize) {
        while self.acked.len() < enough {
            while self.open.len() < IN_FLIGHT {
                self.say_next().await;
            }
            if self.step().await.is_none() {
                return;
            }
        }
    }

    /// Reads acks that came before the end.
    async fn read_out(&mut self) {
        while self.step().await.is_some() {}
    }

    /// Comes back as the same guest and says again what was not acked.
    async fn come_back(&mut self) {
        self.client = self.client.again().enter().await;
        let open: Vec<_> = self.open.drain().map(|(_, key)| key).collect();
        for key in open {
            self.say(key).await;
        }
        while !self.open.is_empty() {
            self.step().await.expect("still connected");
        }
    }
}

/// What a reader knows: the log by number, from all it was told.
struct Reader {
    client: Client,
    epoch: Value,
    log: Vec<Value>,
}

impl Reader {
    async fn new(server: &Server) -> Self {
        let mut client = server.dial().rooms("").enter().await;
        let joined = client.join("global").await;
        assert_eq!(joined["seq"], 0);
        Self { epoch: joined["epoch"].clone(), client, log: Vec::new() }
    }

    /// Takes what comes live; the numbers have no gap.
    fn take(&mut self, entry: Value) {
        assert_eq!(entry["seq"], self.log.len() as u64 + 1, "no gap and no duplicate");
        self.log.push(entry);
    }

    async fn read_out(&mut self) {
        while let Some(event) = self.client.next().await {
            if event["type"] == "message" {
                self.take(event);
            }
        }
    }

    /// Comes back with its position, pages to the head, then reads on to `head`.
    async fn resume(&mut self, server: &Server, head: u64) {
        self.client = server.dial().rooms("").enter().await;
        loop {
            let joined = self.client.join_since("global", &self.epoch, self.log.len() as u64).await;
            assert_eq!(joined["recovered"], true, "{joined}");
            joined["entries"].as_array().unwrap().iter().for_each(|entry| self.take(entry.clone()));
            assert_eq!(joined["seq"], self.log.len() as u64);
            if joined["more"] == false {
                break;
            }
        }
        while (self.log.len() as u64) < head {
            let entry = self.client.expect_type("message").await;
            self.take(entry);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acked_message_is_there_exactly_once_for_every_reader() {
    for _ in 0..rounds().div_ceil(5) {
        kill_while_all_write().await;
    }
}

async fn kill_while_all_write() {
    let mut server = Server::setup().without_limits().start();
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(Reader::new(&server).await);
    }
    let mut senders = Vec::new();
    for n in 0..SENDERS {
        let name = format!("s{n}");
        let client = server.guest(&name).await;
        senders.push(Sender { client, name, said: 0, commands: 0, open: HashMap::new(), acked: HashMap::new() });
    }

    // Killed while all write: the first to have 30 acks pulls the plug, the others are wherever they are.
    let writing = senders.iter_mut().map(|sender| sender.write_on(usize::MAX)).collect::<Vec<_>>();
    let plug = async {
        while readers[0].log.len() < 30 * SENDERS {
            let event = readers[0].client.expect_type("message").await;
            readers[0].take(event);
        }
        server.kill9();
    };
    tokio::join!(futures_util::future::join_all(writing), plug);
    for sender in &mut senders {
        sender.read_out().await;
    }
    for reader in &mut readers {
        reader.read_out().await;
    }
    let unacked: usize = senders.iter().map(|sender| sender.open.len()).sum();
    assert!(unacked > 0, "it was killed in the middle");

    server.restart();
    let (mut acked, mut last) = (HashMap::new(), 0);
    for sender in &mut senders {
        sender.come_back().await;
        assert_eq!(sender.acked.len(), sender.said);
        acked.extend(sender.acked.drain());
        last = sender.client.join("global").await["seq"].as_u64().unwrap();
    }
    assert_eq!(last as usize, acked.len(), "one entry for each message");

    for reader in &mut readers {
        reader.resume(&server, last).await;
        let by_key: HashMap<String, String> = reader
            .log
            .iter()
            .map(|entry| (entry["key"].as_str().unwrap().into(), entry["id"].as_str().unwrap().into()))
            .collect();
        assert_eq!(by_key, acked);
        let texts: HashSet<&str> = reader.log.iter().map(|entry| entry["text"].as_str().unwrap()).collect();
        assert_eq!(texts.len(), acked.len());
    }
    let order = |reader: &Reader| reader.log.iter().map(|entry| entry["id"].clone()).collect::<Vec<_>>();
    assert!(readers.iter().all(|reader| order(reader) == order(&readers[0])), "one order");
}

#[tokio::test]
async fn what_is_acked_survives_kills_in_a_row() {
    let mut server = Server::start();
    let mut client = server.guest("Ana").await;
    for round in 1..=rounds() {
        let ack =
            client.acked(json!({"type": "message", "text": format!("{round}"), "key": format!("k{round}")})).await;
        assert_eq!(ack["seq"], round);
        server.kill9();
        server.restart();
        client = client.again().enter().await;
    }
    let page = client.ask(json!({"type": "history"})).await;
    let texts: Vec<_> = page["entries"].as_array().unwrap().iter().map(|entry| entry["text"].clone()).collect();
    assert_eq!(texts, (1..=rounds()).map(|round| round.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn edits_deletes_reactions_and_accounts_survive_a_kill() {
    let mut server = Server::start();
    let mut client = server.guest("Ana").await;
    let first = client.send_acked("global", "one").await["messageId"].clone();
    let second = client.send_acked("global", "two").await["messageId"].clone();
    client.acked(json!({"type": "edit", "messageId": first, "text": "uno"})).await;
    client.acked(json!({"type": "react", "messageId": first, "emoji": "👍", "on": true})).await;
    client.acked(json!({"type": "delete", "messageId": second})).await;
    server.kill9();
    server.restart();
    let mut client = client.again().enter().await;
    let page = client.ask(json!({"type": "history"})).await;
    assert_eq!((&page["entries"][0]["text"], &page["entries"][1]["text"]), (&json!("uno"), &json!("")));
    assert_eq!(page["entries"][0]["reactions"], json!([{"emoji": "👍", "count": 1, "mine": true}]));
    assert_eq!(page["entries"][1]["deleted"], true);
}
