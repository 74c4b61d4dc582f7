//! One of three servers is killed while people talk: all of its clients come back to the others, from where they were, and
//! nobody misses anything.

use std::time::{Duration, Instant};

use serde::{Deserialize, de::IgnoredAny};

use super::nodes::{Nodes, SERVERS};
use crate::{
    bench::{
        client::Heard,
        error::BenchError,
        frames,
        report::{Budget, Figure},
        swarm::{Deadline, Swarm, refused},
        target::Target,
        wire::{self, Kind},
    },
    protocol::frame::Opcode,
};

/// In seconds (DESIGN: numbers to be ahead of; it is meant for 10,000 clients).
const BUDGET: f64 = 15.0;

/// Most rooms the clients are spread over.
const ROOMS: usize = 20;

/// How often somebody says something, each time in the next room.
const PACE: Duration = Duration::from_millis(25);

/// Clients wait before they come back: a random part of this, doubled with each failure (PROTOCOL section 3).
const BACKOFF: Duration = Duration::from_millis(500);

/// Whose server is killed. The first client talks, from another one.
const VICTIM: usize = SERVERS - 1;
const TALKER: usize = 0;

/// How long people talk before.
const BEFORE: Duration = Duration::from_secs(2);

/// How long the arrival, the coming back or the last messages may take, each.
const LIMIT: Duration = Duration::from_secs(120);

/// One measurement.
pub(super) fn measure(nodes: &mut Nodes, clients: usize) -> Result<Vec<Figure>, BenchError> {
    let targets = nodes.targets();
    let mut storm = Storm::gather(&targets, clients)?;
    let talked = Instant::now();
    while talked.elapsed() < BEFORE {
        storm.turn(&targets)?;
    }

    nodes.kill(VICTIM)?;
    let killed = Instant::now();
    let deadline = Deadline::new("the coming back of the clients", LIMIT);
    while !storm.is_whole(clients) {
        storm.turn(&targets)?;
        deadline.check()?;
    }
    let took = killed.elapsed();

    storm.talking = false;
    let deadline = Deadline::new("the last messages", LIMIT);
    while !storm.has_all() {
        storm.turn(&targets)?;
        deadline.check()?;
    }
    Ok(vec![
        Figure::new("until all clients of a killed server were back", "s", took.as_secs_f64())
            .within(Budget::AtMost(BUDGET)),
        Figure::new("clients that came back", "", storm.back as f64),
        Figure::new("entries that they got on coming back", "", storm.caught_up as f64),
    ])
}

/// The clients, and what they have.
struct Storm {
    swarm: Swarm,
    rooms: Vec<Room>,
    members: Vec<Member>,
    talking: bool,
    said: usize,
    next_word: Instant,
    /// Clients that are back, and entries that their `joined` held.
    back: usize,
    caught_up: usize,
}

/// What was said in a room.
struct Room {
    name: String,
    epoch: String,
    acked: u64,
    /// The number of the last message that was acked.
    head: u64,
}

/// Where a client is. The talker is none, since it is in every room.
#[derive(Clone, Copy)]
struct Member {
    room: usize,
    last: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    In,
    /// Waits before it connects.
    Away(Instant),
    /// Connects, or asks for what it missed.
    Coming,
}

/// What is read of a `joined`.
#[derive(Deserialize)]
struct Joined {
    epoch: String,
    seq: u64,
    recovered: bool,
    more: bool,
    entries: Vec<IgnoredAny>,
}

impl Storm {
    /// Brings everybody in, spread over the servers, and has the first client learn where every room stands.
    fn gather(targets: &[Target], clients: usize) -> Result<Self, BenchError> {
        let mut swarm = Swarm::over(targets.to_vec())?;
        let names: Vec<String> = (0..ROOMS.min(clients)).map(|room| format!("storm-{room}")).collect();
        swarm.arrive(1, &names, LIMIT)?;
        let mut members = Vec::new();
        for (room, name) in names.iter().enumerate() {
            let count = clients / names.len() + usize::from(room < clients % names.len());
            swarm.arrive(count, std::slice::from_ref(name), LIMIT)?;
            members.extend(vec![Member { room, last: 0, state: State::In }; count]);
        }
        let rooms = names.into_iter().map(|name| Room { name, epoch: String::new(), acked: 0, head: 0 }).collect();
        let next_word = Instant::now();
        let mut storm = Self { swarm, rooms, members, talking: false, said: 0, next_word, back: 0, caught_up: 0 };
        for room in 0..storm.rooms.len() {
            storm.learn_epoch(room)?;
        }
        storm.swarm.bear_losses();
        storm.talking = true;
        Ok(storm)
    }

    fn learn_epoch(&mut self, room: usize) -> Result<(), BenchError> {
        let Some(room) = self.rooms.get_mut(room) else { return Ok(()) };
        let join = format!(r#"{{"type":"join","room":"{}"}}"#, room.name);
        self.swarm.send(TALKER, &frames::encode(Opcode::Text, join.as_bytes()))?;
        let deadline = Deadline::new("an answer to a join", LIMIT);
        while room.epoch.is_empty() {
            self.swarm.turn(|client, heard| {
                if let Heard::Text(event) = heard
                    && (client, wire::kind(event)) == (TALKER, Kind::Joined)
                {
                    room.epoch = serde_json::from_slice::<Joined>(event)?.epoch;
                }
                Ok(())
            })?;
            deadline.check()?;
        }
        Ok(())
    }

    /// Says what is due, brings back who may come, and hears what there is.
    fn turn(&mut self, targets: &[Target]) -> Result<(), BenchError> {
        let now = Instant::now();
        if self.talking && now >= self.next_word {
            self.next_word += PACE;
            let room = self.said % self.rooms.len();
            self.said += 1;
            let name = self.rooms.get(room).map_or("", |room| &room.name);
            let command = format!(r#"{{"id":{room},"type":"message","room":"{name}","text":"as it happens"}}"#);
            self.swarm.send(TALKER, &frames::encode(Opcode::Text, command.as_bytes()))?;
        }
        for (number, member) in self.members.iter_mut().enumerate() {
            if let State::Away(until) = member.state
                && now >= until
            {
                member.state = State::Coming;
                // Not to the one that is gone.
                let target = targets.get(number % VICTIM).ok_or(BenchError::OwnServers)?;
                self.swarm.come_back(number + 1, target)?;
            }
        }
        let Self { swarm, rooms, members, back, caught_up, .. } = self;
        let mut joins = Vec::new();
        swarm.turn_within(PACE / 4, |client, heard| {
            let Some(number) = client.checked_sub(1) else { return hear_talker(rooms, heard) };
            let (Some(member), lost_may_be) = (members.get_mut(number), client % SERVERS == VICTIM) else {
                return Ok(());
            };
            match heard {
                Heard::Lost if lost_may_be && member.state == State::In => {
                    member.state = State::Away(Instant::now() + BACKOFF.mul_f64(rand::random()));
                }
                Heard::Lost => return Err(BenchError::Broken(format!("client {client} lost a server that lives"))),
                Heard::Ping => {}
                Heard::Text(event) => {
                    let room = rooms.get(member.room);
                    let Some(room) = room else { return Ok(()) };
                    if hear_member(member, room, event, caught_up)? {
                        joins.push((client, member.room, member.last));
                    } else if member.state == State::Coming && wire::kind(event) == Kind::Joined {
                        member.state = State::In;
                        *back += 1;
                    }
                }
            }
            Ok(())
        })?;
        for (client, room, since) in joins {
            let Some(Room { name, epoch, .. }) = self.rooms.get(room) else { continue };
            let join = format!(r#"{{"type":"join","room":"{name}","since":{{"epoch":"{epoch}","seq":{since}}}}}"#);
            self.swarm.send(client, &frames::encode(Opcode::Text, join.as_bytes()))?;
        }
        Ok(())
    }

    /// Whether all who lost their server are back.
    fn is_whole(&self, clients: usize) -> bool {
        let lost = (1..=clients).filter(|client| client % SERVERS == VICTIM).count();
        self.back == lost && self.members.iter().all(|member| member.state == State::In)
    }

    /// Whether everybody has everything that was acked.
    fn has_all(&self) -> bool {
        let acked: u64 = self.rooms.iter().map(|room| room.acked).sum();
        let all = |member: &Member| self.rooms.get(member.room).is_some_and(|room| member.last == room.head);
        acked == self.said as u64 && self.members.iter().all(all)
    }
}

/// The talker counts its acks, each of which names the room by its id.
fn hear_talker(rooms: &mut [Room], heard: Heard<'_>) -> Result<(), BenchError> {
    let Heard::Text(event) = heard else { return Ok(()) };
    match wire::kind(event) {
        Kind::Ack => {
            let broken = || BenchError::Broken(format!("this ack was not due: {}", String::from_utf8_lossy(event)));
            let room = wire::number_after(event, br#""id":"#).and_then(|id| rooms.get_mut(usize::try_from(id).ok()?));
            let room = room.ok_or_else(broken)?;
            room.head = room.head.max(wire::number_after(event, br#""seq":"#).ok_or_else(broken)?);
            room.acked += 1;
            Ok(())
        }
        Kind::Error => Err(refused(event)),
        _ => Ok(()),
    }
}

/// Holds what a member hears against what it has. Answers whether it has to ask for what it missed, or for more of that.
fn hear_member(member: &mut Member, room: &Room, event: &[u8], caught_up: &mut usize) -> Result<bool, BenchError> {
    let broken = |what: &str| BenchError::Broken(format!("{what}: {}", String::from_utf8_lossy(event)));
    match wire::kind(event) {
        Kind::Welcome => Ok(true),
        Kind::Joined => {
            let joined: Joined = serde_json::from_slice(event)?;
            let complete = joined.entries.len() as u64 == joined.seq.saturating_sub(member.last);
            if !joined.recovered || joined.epoch != room.epoch || !complete {
                return Err(broken("what was missed is not all given"));
            }
            *caught_up += joined.entries.len();
            member.last = joined.seq;
            Ok(joined.more)
        }
        Kind::Message => {
            let seq = wire::number_after(event, br#""seq":"#).ok_or_else(|| broken("a message without a number"))?;
            if seq != member.last + 1 {
                return Err(broken(&format!("after {} came", member.last)));
            }
            member.last = seq;
            Ok(false)
        }
        Kind::Error => Err(refused(event)),
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_and_a_loss_are_found() {
        let room = Room { name: "a".into(), epoch: "e".into(), acked: 0, head: 0 };
        let hear = |last: u64, event: &str| {
            let mut member = Member { room: 0, last, state: State::Coming };
            hear_member(&mut member, &room, event.as_bytes(), &mut 0).map(|asks| (asks, member.last))
        };
        let joined = |seq: u64, epoch: &str, recovered: bool, entries: &str, more: bool| {
            format!(
                r#"{{"type":"joined","room":"a","epoch":"{epoch}","seq":{seq},"recovered":{recovered},"more":{more},"entries":[{entries}]}}"#
            )
        };
        assert_eq!(hear(3, r#"{"type":"welcome"}"#).unwrap(), (true, 3));
        assert_eq!(hear(3, r#"{"type":"message","seq":4,"ts":1}"#).unwrap(), (false, 4));
        assert_eq!(hear(3, &joined(5, "e", true, "{},{}", false)).unwrap(), (false, 5));
        assert_eq!(hear(3, &joined(5, "e", true, "{},{}", true)).unwrap(), (true, 5));
        for bad in [
            r#"{"type":"message","seq":5,"ts":1}"#.to_owned(),
            r#"{"type":"message","seq":3,"ts":1}"#.to_owned(),
            joined(5, "e", true, "{}", false),
            joined(5, "e", false, "{},{}", false),
            joined(5, "f", true, "{},{}", false),
            r#"{"type":"error","code":"internal"}"#.to_owned(),
        ] {
            assert!(hear(3, &bad).is_err(), "{bad}");
        }
    }
}
