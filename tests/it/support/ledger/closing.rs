//! What is wrong at the end.

use std::collections::{BTreeMap, HashMap};

use super::{Kind, Ledger, RoomLog, Said, Verdict, Violation, view::Stage};

impl Ledger {
    /// What is missing now; nothing of it may be when everybody is back and had time.
    pub(crate) fn missing(&self) -> Vec<Violation> {
        let (mut found, empty) = (Vec::new(), RoomLog::default());
        let mut add = |kind, what| found.push(Violation { kind, what });
        let here = self.members.iter().filter(|member| !member.gone).count() as u64;
        for (client, member) in self.members.iter().enumerate().filter(|(_, member)| !member.gone) {
            for key in &member.outbox {
                add(Kind::Unfinished, format!("client {client}: {key} has no number"));
            }
            for (room, view) in &member.rooms {
                if view.stage != Stage::Live {
                    add(Kind::Unfinished, format!("client {client}, {room}: {:?}", view.stage));
                }
                if view.present != Some([here, 0, 0]) {
                    add(Kind::Presence, format!("client {client}, {room}: told {:?} of {here} guests", view.present));
                }
                if view.listed.is_some_and(|listed| listed != here) {
                    add(Kind::Presence, format!("client {client}, {room}: who lists {:?} of {here}", view.listed));
                }
                let log = self.logs.get(room).unwrap_or(&empty);
                for (id, key) in log.acked.iter().filter(|(id, _)| !view.timeline.contains(*id)) {
                    add(Kind::Lost, format!("client {client}, {room}: message {id}, key {key}"));
                }
                for id in view.waiting.iter().filter(|id| !self.may_be_forgotten(log, id)) {
                    add(Kind::Unresolved, format!("client {client}, {room}: message {id}"));
                }
            }
        }
        found.extend(self.unchanged());
        found
    }

    /// A provisional message may come to nothing if that was announced, or if its sender is gone and cannot say it
    /// again when the instance that took it dies.
    fn may_be_forgotten(&self, log: &RoomLog, id: &str) -> bool {
        let gone = |said: &Said| said.id.as_deref() == Some(id) && self.members[said.client].gone;
        log.announced.contains(id) || self.said.values().any(gone)
    }

    /// Per sender as sent, for what stood first in the same epoch and was never refused.
    fn of_senders(&self) -> Vec<Violation> {
        let mut sent: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (key, said) in self.said.iter().filter(|(_, said)| !said.refused) {
            let first = said.id.as_ref().and_then(|id| self.logs.get(&said.room)?.first.get(id));
            let Some((epoch, seq)) = first else { continue };
            sent.entry((said.client, &said.room, epoch)).or_default().push((said.nth, *seq, key));
        }
        let mut found = Vec::new();
        for ((client, room, epoch), mut messages) in sent {
            messages.sort_unstable();
            for pair in messages.windows(2).filter(|pair| pair[0].1 > pair[1].1) {
                let [(_, before, earlier), (_, after, later)] = pair else { continue };
                let what = format!("client {client}, {room}, {epoch}: {earlier} is {before}, {later} is {after}");
                found.push(Violation { kind: Kind::SenderOrder, what });
            }
        }
        found
    }

    /// What pages said, held to the epoch in which their readers are at the end.
    fn of_pages(&self) -> Vec<Violation> {
        let (mut found, mut known) = (Vec::new(), HashMap::new());
        for (client, member) in self.members.iter().enumerate().filter(|(_, member)| !member.gone) {
            for (room, view) in &member.rooms {
                let doubled = view.suspected.iter().cloned();
                found.extend(doubled.map(|what| Violation { kind: Kind::Doubled, what }));
                let Some((epoch, _)) = &view.position else { continue };
                for (seq, what) in &view.paged {
                    let live = self.logs.get(room).and_then(|log| log.entries.get(&(epoch.clone(), *seq)));
                    let other = *known.entry((room, epoch, seq)).or_insert_with(|| live.unwrap_or(what));
                    if other != what {
                        let what =
                            format!("client {client}, {room}: {seq} of {epoch} is {other} and, in a page, {what}");
                        found.push(Violation { kind: Kind::Order, what });
                    }
                }
            }
        }
        found
    }

    /// Everything that was broken.
    pub(crate) fn verdict(&self) -> Verdict {
        let at_the_end = self.of_senders().into_iter().chain(self.of_pages()).chain(self.missing());
        let violations = self.violations.iter().cloned().chain(at_the_end).collect();
        Verdict { counts: self.counts, violations }
    }
}
