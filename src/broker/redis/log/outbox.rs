//! What waits in front of the log: one queue a room, in order; pure.
//!
//! While it is open, one batch of each room is on its way at a time and what comes meanwhile makes the next one. When
//! it is shut, what can wait becomes provisional and everything else is refused.

use std::{
    collections::{HashMap, VecDeque},
    mem,
};

use super::append::{Logged, author, subject};
use crate::{
    broker::{AppendError, Appended},
    protocol::{
        entry::EntryBody,
        event::ProvisionalMessage,
        ids::{MessageId, Millis, RoomName, UserId},
    },
};

/// Most changes in one batch: bounds how long one run of the script keeps Redis from everything else.
pub(super) const BATCH_CHANGES: usize = 64;
/// Most bytes of texts in one batch; the first change is taken whatever its size.
pub(super) const BATCH_BYTES: usize = 64 * 1024;
/// Most provisional messages of one room (REDIS.md section 6).
pub(super) const ROOM_PROVISIONAL: usize = 500;
/// Most provisional messages of one user (REDIS.md section 6).
pub(super) const USER_PROVISIONAL: usize = 20;

/// The queues. `R` is where an answer goes.
#[derive(Debug)]
pub(super) struct Outbox<R> {
    rooms: HashMap<RoomName, Queue<R>>,
    /// Provisional messages of each user.
    users: HashMap<UserId, usize>,
    /// Changes in all queues and on their way.
    waiting: usize,
    open: bool,
    most: usize,
    max_age: Millis,
}

#[derive(Debug)]
struct Queue<R> {
    waiting: VecDeque<Item<R>>,
    in_flight: Vec<Item<R>>,
    /// The batch that failed last: its number, and how many changes at the head of the queue it is.
    again: Option<(u64, usize)>,
    /// Somebody sends its batches.
    served: bool,
    provisional: usize,
}

impl<R> Default for Queue<R> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), in_flight: Vec::new(), again: None, served: false, provisional: 0 }
    }
}

#[derive(Debug)]
struct Item<R> {
    body: EntryBody,
    /// `None` once it was answered.
    reply: Option<R>,
    /// When it came, as it is shown to people.
    ts: Millis,
    /// When it came, to count from.
    since: Millis,
    /// It was answered without a number and is owed one, or an announcement.
    provisional: bool,
}

/// When a change came, by the two clocks of [`crate::clock::Clock`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    /// Since 1970.
    pub(super) ts: Millis,
    /// Elapsed.
    pub(super) since: Millis,
}

/// Changes that go to the log together.
#[derive(Debug, PartialEq)]
pub(super) struct Batch {
    /// The number it was tried under before, if it is the same batch.
    pub(super) number: Option<u64>,
    pub(super) bodies: Vec<EntryBody>,
}

/// What is to be said after a step, in this order.
#[derive(Debug)]
pub(super) struct Effects<R> {
    pub(super) answers: Vec<(R, Result<Appended, AppendError>)>,
    pub(super) provisional: Vec<ProvisionalMessage>,
    pub(super) undelivered: Vec<(RoomName, MessageId)>,
}

impl<R> Default for Effects<R> {
    fn default() -> Self {
        Self { answers: Vec::new(), provisional: Vec::new(), undelivered: Vec::new() }
    }
}

impl<R> Effects<R> {
    fn refuse(&mut self, reply: Option<R>, error: AppendError) {
        self.answers.extend(reply.map(|reply| (reply, Err(error))));
    }
}

impl<R> Outbox<R> {
    /// An empty one that is shut, for at most so many changes, of which none stays provisional for longer than `max_age`.
    pub(super) fn new(most: usize, max_age: Millis) -> Self {
        Self { rooms: HashMap::new(), users: HashMap::new(), waiting: 0, open: false, most, max_age }
    }

    /// How many changes are in it.
    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    /// Takes a change. Answers whether somebody has to begin to serve the room.
    pub(super) fn push(
        &mut self,
        room: RoomName,
        body: EntryBody,
        reply: R,
        Came { ts, since }: Came,
        out: &mut Effects<R>,
    ) -> bool {
        if self.waiting >= self.most {
            out.refuse(Some(reply), AppendError::Unavailable);
            return false;
        }
        let mut item = Item { body, reply: Some(reply), ts, since, provisional: false };
        let queue = self.rooms.entry(room.clone()).or_default();
        let stays = if self.open {
            true
        } else if let Some(ts) = queue.first_try(&item.body) {
            let again = Appended { message_id: subject(&item.body).clone(), seq: None, ts, duplicate: true };
            out.answers.extend(item.reply.take().map(|reply| (reply, Ok(again))));
            false
        } else {
            make_provisional(&room, &mut item, &mut queue.provisional, &mut self.users, out)
        };
        if stays {
            self.waiting += 1;
            queue.waiting.push_back(item);
        }
        let begin = self.open && !mem::replace(&mut queue.served, true);
        self.forget_if_empty(&room);
        begin
    }

    /// When the change came that has waited longest.
    pub(super) fn oldest(&self) -> Option<Millis> {
        let first = |queue: &Queue<R>| queue.in_flight.iter().chain(&queue.waiting).map(|item| item.since).min();
        self.rooms.values().filter_map(first).min()
    }

    /// The room's next batch, which is then on its way; `None` when its server is to stop.
    pub(super) fn take(&mut self, room: &RoomName) -> Option<Batch> {
        let queue = self.rooms.get_mut(room)?;
        if !self.open || queue.waiting.is_empty() {
            queue.served = false;
            self.forget_if_empty(room);
            return None;
        }
        let (number, most) = match queue.again.take() {
            Some((number, count)) => (Some(number), count),
            None => (None, BATCH_CHANGES),
        };
        let mut bytes = 0;
        while queue.in_flight.len() < most
            && let Some(next) = queue.waiting.front()
        {
            bytes += text_bytes(&next.body);
            if bytes > BATCH_BYTES && !queue.in_flight.is_empty() {
                break;
            }
            queue.in_flight.extend(queue.waiting.pop_front());
        }
        Some(Batch { number, bodies: queue.in_flight.iter().map(|item| item.body.clone()).collect() })
    }

    /// The batch on its way was answered. Gives back what is logged now, to be kept in case the log loses it.
    pub(super) fn settle(
        &mut self,
        room: &RoomName,
        answers: Vec<Result<Logged, AppendError>>,
        out: &mut Effects<R>,
    ) -> Vec<(EntryBody, Logged)> {
        let Some(queue) = self.rooms.get_mut(room) else { return Vec::new() };
        let mut logged = Vec::new();
        for (item, answer) in mem::take(&mut queue.in_flight).into_iter().zip(answers) {
            self.waiting -= 1;
            release(&item, &mut queue.provisional, &mut self.users);
            let message_id = subject(&item.body).clone();
            match answer {
                Ok(at) => {
                    let appended = Appended { message_id, seq: Some(at.seq), ts: at.ts, duplicate: at.duplicate };
                    out.answers.extend(item.reply.map(|reply| (reply, Ok(appended))));
                    logged.push((item.body, at));
                }
                Err(error) => {
                    if item.provisional {
                        out.undelivered.push((room.clone(), message_id));
                    }
                    out.refuse(item.reply, error);
                }
            }
        }
        logged
    }

    /// The batch on its way failed under `number`: it is at the head of its queue again. When the oldest change of the
    /// room waits for longer than `patience`, nobody is kept waiting any more.
    pub(super) fn fail(&mut self, room: &RoomName, number: u64, now: Millis, patience: Millis, out: &mut Effects<R>) {
        let Some(queue) = self.rooms.get_mut(room) else { return };
        let is_whole = queue.in_flight.iter().all(|item| item.reply.is_some() || item.provisional);
        queue.again = is_whole.then_some((number, queue.in_flight.len()));
        for item in mem::take(&mut queue.in_flight).into_iter().rev() {
            if item.reply.is_some() || item.provisional {
                queue.waiting.push_front(item);
            } else {
                self.waiting -= 1;
            }
        }
        let unanswered = queue.waiting.iter().find(|item| item.reply.is_some());
        if unanswered.is_some_and(|item| now.saturating_sub(item.since) >= patience) {
            self.give_up(room, out);
        }
    }

    /// The log cannot be reached: what waits becomes provisional where it can, and is refused where not.
    pub(super) fn shut(&mut self, out: &mut Effects<R>) {
        self.open = false;
        let rooms: Vec<_> = self.rooms.keys().cloned().collect();
        for room in rooms {
            self.give_up(&room, out);
        }
    }

    /// The log can be reached. Answers the rooms that somebody has to begin to serve.
    pub(super) fn open(&mut self) -> Vec<RoomName> {
        self.open = true;
        let unserved = |(room, queue): (&RoomName, &mut Queue<R>)| {
            let served = mem::replace(&mut queue.served, true);
            (!served).then(|| room.clone())
        };
        self.rooms.iter_mut().filter_map(unserved).collect()
    }

    /// Gives up provisional messages that are too old. One on its way is not: its answer comes.
    pub(super) fn expire(&mut self, now: Millis, out: &mut Effects<R>) {
        let max_age = self.max_age;
        let mut empty = Vec::new();
        for (room, queue) in &mut self.rooms {
            let is_old = |item: &Item<R>| item.provisional && now.saturating_sub(item.since) > max_age;
            if !queue.waiting.iter().any(is_old) {
                continue;
            }
            queue.again = None;
            for item in mem::take(&mut queue.waiting) {
                if is_old(&item) {
                    self.waiting -= 1;
                    release(&item, &mut queue.provisional, &mut self.users);
                    out.undelivered.push((room.clone(), subject(&item.body).clone()));
                } else {
                    queue.waiting.push_back(item);
                }
            }
            empty.push(room.clone());
        }
        empty.iter().for_each(|room| self.forget_if_empty(room));
    }

    /// Answers everything in the room that nobody has answered yet.
    fn give_up(&mut self, room: &RoomName, out: &mut Effects<R>) {
        let Some(queue) = self.rooms.get_mut(room) else { return };
        // Only messages are left, which are found again by their ids.
        queue.again = None;
        for item in &mut queue.in_flight {
            make_provisional(room, item, &mut queue.provisional, &mut self.users, out);
        }
        for mut item in mem::take(&mut queue.waiting) {
            if make_provisional(room, &mut item, &mut queue.provisional, &mut self.users, out) {
                queue.waiting.push_back(item);
            } else {
                self.waiting -= 1;
            }
        }
        self.forget_if_empty(room);
    }

    fn forget_if_empty(&mut self, room: &RoomName) {
        let done = |queue: &Queue<R>| queue.waiting.is_empty() && queue.in_flight.is_empty() && !queue.served;
        if self.rooms.get(room).is_some_and(done) {
            self.rooms.remove(room);
        }
    }
}

impl<R> Queue<R> {
    /// When a provisional message with this one's id came: a retry of one that waits.
    fn first_try(&self, body: &EntryBody) -> Option<Millis> {
        let same = |item: &&Item<R>| item.provisional && is_same_message(&item.body, body);
        self.in_flight.iter().chain(&self.waiting).find(same).map(|item| item.ts)
    }
}

fn is_same_message(one: &EntryBody, other: &EntryBody) -> bool {
    matches!((one, other), (EntryBody::Message(one), EntryBody::Message(other)) if one.id == other.id)
}

/// Answers an unanswered item: a message becomes provisional if there is room, everything else is refused. Answers whether
/// it is to stay in the queue.
fn make_provisional<R>(
    room: &RoomName,
    item: &mut Item<R>,
    in_room: &mut usize,
    users: &mut HashMap<UserId, usize>,
    out: &mut Effects<R>,
) -> bool {
    let Some(reply) = item.reply.take() else { return item.provisional };
    let user = &author(&item.body).id;
    let of_user = users.get(user).copied().unwrap_or_default();
    let has_room = *in_room < ROOM_PROVISIONAL && of_user < USER_PROVISIONAL;
    let EntryBody::Message(message) = &item.body else {
        out.refuse(Some(reply), AppendError::Unavailable);
        return false;
    };
    if !has_room {
        out.refuse(Some(reply), AppendError::Unavailable);
        return false;
    }
    *in_room += 1;
    users.insert(user.clone(), of_user + 1);
    item.provisional = true;
    let (message, ts) = (message.clone(), item.ts);
    let appended = Appended { message_id: message.id.clone(), seq: None, ts, duplicate: false };
    out.answers.push((reply, Ok(appended)));
    out.provisional.push(ProvisionalMessage { message, room: room.clone(), ts, provisional: true });
    true
}

/// Takes an item that leaves out of the counts of provisional messages.
fn release<R>(item: &Item<R>, in_room: &mut usize, users: &mut HashMap<UserId, usize>) {
    if !item.provisional {
        return;
    }
    *in_room -= 1;
    let user = &author(&item.body).id;
    if let Some(count) = users.get_mut(user) {
        *count -= 1;
        if *count == 0 {
            users.remove(user);
        }
    }
}

fn text_bytes(body: &EntryBody) -> usize {
    match body {
        EntryBody::Message(message) => message.text.len(),
        EntryBody::Edited { text, .. } => text.len(),
        EntryBody::Reaction { .. } | EntryBody::Deleted { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::protocol::{
        entry::Message,
        ids::InstanceId,
        user::{Role, User},
    };

    fn user(name: &str) -> Arc<User> {
        Arc::new(User { id: UserId::account(name), name: name.into(), role: Role::Member })
    }

    fn came(now: Millis) -> Came {
        Came { ts: now, since: now }
    }

    fn said(n: usize, by: &str, text: &str) -> EntryBody {
        EntryBody::Message(Message {
            id: MessageId::parse(&format!("m{n}")).unwrap(),
            from: user(by),
            text: text.into(),
            key: None,
            reply_to: None,
            instance: InstanceId::parse("api-1").unwrap(),
            deleted: false,
        })
    }

    fn deleted(n: usize) -> EntryBody {
        EntryBody::Deleted { message_id: MessageId::parse(&format!("m{n}")).unwrap(), by: user("ana") }
    }

    fn room() -> RoomName {
        RoomName::global()
    }

    fn ok(seq: u64) -> Result<Logged, AppendError> {
        Ok(Logged { seq, ts: 1_000, duplicate: false })
    }

    /// An open one.
    fn opened() -> Outbox<usize> {
        let mut outbox = Outbox::new(1_000, 300);
        outbox.open();
        outbox
    }

    fn ids(batch: &Batch) -> Vec<&str> {
        batch.bodies.iter().map(|body| subject(body).as_str()).collect()
    }

    #[test]
    fn what_comes_while_a_batch_is_on_its_way_makes_the_next() {
        let (mut outbox, mut out) = (opened(), Effects::default());
        assert!(outbox.push(room(), said(1, "ana", "x"), 1, came(0), &mut out), "somebody has to begin");
        assert_eq!(ids(&outbox.take(&room()).unwrap()), ["m1"]);
        assert!(!outbox.push(room(), said(2, "ana", "x"), 2, came(0), &mut out));
        assert!(!outbox.push(room(), deleted(1), 3, came(0), &mut out));
        assert_eq!(outbox.settle(&room(), vec![ok(1)], &mut out).len(), 1);
        assert_eq!(ids(&outbox.take(&room()).unwrap()), ["m2", "m1"]);
        outbox.settle(&room(), vec![ok(2), Err(AppendError::Forbidden)], &mut out);
        assert_eq!(outbox.take(&room()), None);
        let answers: Vec<_> = out.answers.iter().map(|(to, answer)| (*to, answer.as_ref().map(|ok| ok.seq))).collect();
        assert_eq!(answers, [(1, Ok(Some(1))), (2, Ok(Some(2))), (3, Err(&AppendError::Forbidden))]);
        assert_eq!((outbox.len(), outbox.rooms.len()), (0, 0));
        assert!(outbox.push(room(), said(3, "ana", "x"), 4, came(0), &mut out), "and begin again");
    }

    #[test]
    fn batches_are_bounded() {
        let (mut outbox, mut out) = (opened(), Effects::default());
        for n in 0..100 {
            outbox.push(room(), said(n, "ana", "x"), n, came(0), &mut out);
        }
        assert_eq!(outbox.take(&room()).unwrap().bodies.len(), BATCH_CHANGES);
        let other = RoomName::parse("other").unwrap();
        let half = "x".repeat(BATCH_BYTES / 2 + 1);
        for n in 0..2 {
            outbox.push(other.clone(), said(n, "ana", &half), n, came(0), &mut out);
        }
        outbox.push(other.clone(), said(2, "ana", &"x".repeat(BATCH_BYTES + 1)), 2, came(0), &mut out);
        for _ in 0..3 {
            assert_eq!(outbox.take(&other).unwrap().bodies.len(), 1);
            outbox.settle(&other, vec![ok(1)], &mut out);
        }
    }

    #[test]
    fn a_full_one_refuses() {
        let (mut outbox, mut out) = (Outbox::new(1, 300), Effects::default());
        outbox.open();
        outbox.push(room(), said(1, "ana", "x"), 1, came(0), &mut out);
        outbox.push(room(), said(2, "ana", "x"), 2, came(0), &mut out);
        assert_eq!(out.answers, [(2, Err(AppendError::Unavailable))]);
    }

    #[test]
    fn a_failed_batch_is_tried_again_in_order() {
        let (mut outbox, mut out) = (opened(), Effects::default());
        outbox.push(room(), said(1, "ana", "x"), 1, came(0), &mut out);
        outbox.push(room(), deleted(1), 2, came(0), &mut out);
        outbox.take(&room());
        outbox.push(room(), said(3, "ana", "x"), 3, came(50), &mut out);
        outbox.fail(&room(), 7, 99, 100, &mut out);
        assert!(out.answers.is_empty());
        // The very same, under its number: it may have happened.
        let again = outbox.take(&room()).unwrap();
        assert_eq!((ids(&again), again.number), (vec!["m1", "m1"], Some(7)));
        // Nobody is kept waiting for longer than the patience.
        outbox.fail(&room(), 8, 100, 100, &mut out);
        let answers: Vec<_> = out.answers.iter().map(|(to, answer)| (*to, answer.as_ref().map(|ok| ok.seq))).collect();
        assert_eq!(answers, [(1, Ok(None)), (2, Err(&AppendError::Unavailable)), (3, Ok(None))]);
        assert_eq!(
            out.provisional.iter().map(|said| (said.message.id.as_str(), said.ts)).collect::<Vec<_>>(),
            [("m1", 0), ("m3", 50)]
        );
        assert_eq!(ids(&outbox.take(&room()).unwrap()), ["m1", "m3"], "still sent, without the refused one");
        let mut out = Effects::default();
        outbox.settle(&room(), vec![ok(1), Err(AppendError::NotFound)], &mut out);
        assert!(out.answers.is_empty(), "nobody waits any more");
        assert_eq!(out.undelivered, [(room(), MessageId::parse("m3").unwrap())]);
        assert!(outbox.users.is_empty());
    }

    #[test]
    fn while_shut_messages_are_provisional() {
        let (mut outbox, mut out) = (opened(), Effects::default());
        outbox.push(room(), said(1, "ana", "x"), 1, came(0), &mut out);
        outbox.push(room(), deleted(1), 2, came(0), &mut out);
        outbox.take(&room());
        outbox.push(room(), said(2, "ana", "x"), 3, came(0), &mut out);
        outbox.shut(&mut out);
        assert_eq!(out.provisional.len(), 2);
        assert!(!outbox.push(room(), said(4, "bob", "x"), 4, came(5), &mut out));
        assert!(!outbox.push(room(), deleted(1), 5, came(5), &mut out));
        // A retry of one that waits is told so and not queued twice.
        assert!(!outbox.push(room(), said(4, "bob", "x"), 6, came(9), &mut out));
        let answers: Vec<_> =
            out.answers.drain(..).map(|(to, answer)| (to, answer.map(|ok| (ok.seq, ok.ts)))).collect();
        assert_eq!(
            answers,
            [
                (1, Ok((None, 0))),
                (2, Err(AppendError::Unavailable)),
                (3, Ok((None, 0))),
                (4, Ok((None, 5))),
                (5, Err(AppendError::Unavailable)),
                (6, Ok((None, 5))),
            ]
        );
        assert_eq!(out.provisional.len(), 3);
        // The batch that was on its way did fail; its server stops until the log is back.
        outbox.fail(&room(), 7, 10, 1_000, &mut out);
        assert_eq!(outbox.take(&room()), None);
        assert_eq!(outbox.open(), [room()]);
        assert!(!outbox.push(room(), said(5, "bob", "x"), 7, came(20), &mut out), "served already");
        assert_eq!(ids(&outbox.take(&room()).unwrap()), ["m1", "m2", "m4", "m5"]);
        outbox.settle(&room(), (1..=4).map(ok).collect(), &mut out);
        assert_eq!(out.answers.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [7], "the others were answered");
        assert_eq!((outbox.take(&room()), outbox.len(), outbox.users.len()), (None, 0, 0));
    }

    #[test]
    fn provisional_messages_are_bounded_and_grow_old() {
        let (mut outbox, mut out) = (Outbox::new(1_000, 300), Effects::default());
        for n in 0..=USER_PROVISIONAL {
            outbox.push(room(), said(n, "ana", "x"), n, came(0), &mut out);
        }
        assert_eq!(out.answers.pop(), Some((USER_PROVISIONAL, Err(AppendError::Unavailable))));
        let mut n = 100;
        while out.provisional.len() < ROOM_PROVISIONAL {
            outbox.push(room(), said(n, &format!("u{n}"), "x"), n, came(100), &mut out);
            n += 1;
        }
        outbox.push(room(), said(n, "zoe", "x"), n, came(100), &mut out);
        assert_eq!(out.answers.pop(), Some((n, Err(AppendError::Unavailable))));
        assert_eq!(outbox.oldest(), Some(0));
        outbox.expire(300, &mut out);
        assert!(out.undelivered.is_empty());
        outbox.expire(301, &mut out);
        assert_eq!(out.undelivered.len(), USER_PROVISIONAL);
        assert_eq!(outbox.len(), ROOM_PROVISIONAL - USER_PROVISIONAL);
        assert_eq!(outbox.oldest(), Some(100));
        outbox.expire(401, &mut out);
        assert_eq!(outbox.oldest(), None);
        assert_eq!((outbox.len(), outbox.rooms.len(), outbox.users.len()), (0, 0, 0));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Say(usize),
        Delete(usize),
        Take(usize),
        Settle(usize, bool),
        Fail(usize, bool),
        Shut,
        Open,
        Expire,
    }

    fn step() -> impl Strategy<Value = Step> {
        let room = 0..2usize;
        prop_oneof![
            6 => room.clone().prop_map(Step::Say),
            2 => room.clone().prop_map(Step::Delete),
            5 => room.clone().prop_map(Step::Take),
            4 => (room.clone(), any::<bool>()).prop_map(|(room, refused)| Step::Settle(room, refused)),
            2 => (room, any::<bool>()).prop_map(|(room, patient)| Step::Fail(room, patient)),
            1 => Just(Step::Shut),
            2 => Just(Step::Open),
            1 => Just(Step::Expire),
        ]
    }

    proptest! {
        /// Whatever happens: each change is answered once at most, each provisional message ends logged or announced,
        /// and messages reach the log in the order in which they came.
        #[test]
        fn nothing_is_forgotten_or_answered_twice(steps in proptest::collection::vec(step(), 1..120)) {
            let rooms = [RoomName::global(), RoomName::parse("other").unwrap()];
            let mut outbox: Outbox<usize> = Outbox::new(30, 40);
            let mut out = Effects::default();
            let (mut flying, mut logged) = ([const { None::<usize> }; 2], [const { Vec::<String>::new() }; 2]);
            let mut pushed = 0;
            let mut settled = Vec::new();
            for (now, step) in (0u64..).zip(steps.into_iter().chain([Step::Open])) {
                match step {
                    Step::Say(at) => {
                        outbox.push(rooms[at].clone(), said(1_000 + pushed, "ana", "x"), pushed, came(now), &mut out);
                        pushed += 1;
                    }
                    Step::Delete(at) => {
                        outbox.push(rooms[at].clone(), deleted(pushed), pushed, came(now), &mut out);
                        pushed += 1;
                    }
                    Step::Take(at) if flying[at].is_none() => flying[at] = outbox.take(&rooms[at]).map(|batch| batch.bodies.len()),
                    Step::Settle(at, refused) => if let Some(count) = flying[at].take() {
                        let answers = (0..count).map(|n| if refused && n == 0 { Err(AppendError::NotFound) } else { ok(9) });
                        settled.extend(outbox.settle(&rooms[at], answers.collect(), &mut out).into_iter().map(|(body, _)| {
                            if let EntryBody::Message(message) = &body {
                                logged[at].push(message.id.as_str().to_owned());
                            }
                            subject(&body).clone()
                        }));
                    }
                    Step::Fail(at, patient) => if flying[at].take().is_some() {
                        outbox.fail(&rooms[at], 0, now, if patient { 1_000 } else { 0 }, &mut out);
                    }
                    Step::Shut => outbox.shut(&mut out),
                    Step::Open => drop(outbox.open()),
                    Step::Expire => outbox.expire(now, &mut out),
                    Step::Take(_) => {}
                }
            }
            for at in 0..2 {
                if flying[at].is_some() {
                    outbox.fail(&rooms[at], 0, 0, 1_000, &mut out);
                }
                while let Some(batch) = outbox.take(&rooms[at]) {
                    let done = outbox.settle(&rooms[at], vec![ok(9); batch.bodies.len()], &mut out);
                    for (body, _) in done {
                        if let EntryBody::Message(message) = &body {
                            logged[at].push(message.id.as_str().to_owned());
                        }
                        settled.push(subject(&body).clone());
                    }
                }
            }
            let mut answered: Vec<_> = out.answers.iter().map(|(to, _)| *to).collect();
            answered.sort_unstable();
            prop_assert_eq!(answered, (0..pushed).collect::<Vec<_>>());
            for said in &out.provisional {
                let announced = out.undelivered.iter().any(|(_, id)| *id == said.message.id);
                prop_assert!(announced != settled.contains(&said.message.id), "{}", said.message.id);
            }
            for logged in &logged {
                prop_assert!(logged.is_sorted(), "{:?}", logged);
            }
            prop_assert_eq!((outbox.len(), outbox.rooms.len(), outbox.users.len()), (0, 0, 0));
        }
    }
}
