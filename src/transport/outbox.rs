//! What a client has not taken yet: a bounded queue of whole frames, the first of them perhaps half written.

use super::pages::Pages;
use crate::protocol::frame::Frame;
use smallvec::SmallVec;
use std::{collections::VecDeque, io::IoSlice, sync::Arc};

/// Frames joined into one write; the kernel takes up to 1,024, but the list lives on the stack.
const JOINED: usize = 64;

/// Entries an emptied queue may keep room for; a burst must not cost memory for ever.
const KEPT: usize = 8;

/// Pages that a client asked for have this many times the limit beside it: somebody who comes back to twenty rooms is no
/// slow reader because of their first pages. As long as [`Pages`] has room: without, they count as what is live.
const PAGES: usize = 16;

/// The queue was full, and nothing in it could be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue to the client is full")]
pub struct Full;

/// Frames waiting for the socket, in order, limited in bytes.
#[derive(Debug)]
pub struct Outbox {
    queue: VecDeque<Frame>,
    bytes: usize,
    limit: usize,
    /// Bytes of the first frame that are written already.
    sent: usize,
    ephemeral: u32,
    /// Bytes of frames that were asked for.
    requested: usize,
    /// Bytes of these that have room beside the limit, taken from `pages`.
    granted: usize,
    pages: Arc<Pages>,
    dropped: u32,
}

impl Outbox {
    /// An empty queue for at most `limit` bytes (and any one frame, however large, when it is empty), and for what was
    /// asked for as far as `pages` has room.
    pub const fn new(limit: usize, pages: Arc<Pages>) -> Self {
        Self {
            queue: VecDeque::new(),
            bytes: 0,
            limit,
            sent: 0,
            ephemeral: 0,
            requested: 0,
            granted: 0,
            pages,
            dropped: 0,
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes waiting.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Ephemeral frames dropped so far because the reader was slow.
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }

    /// Queues a frame of which `sent` bytes are written; only the first in an empty queue may have any.
    ///
    /// What was asked for counts on its own, up to [`PAGES`] times the limit and as far as there is room for the pages
    /// of all. Above that the oldest ephemeral frames go first, then the new one if it is ephemeral.
    ///
    /// # Errors
    /// [`Full`] if that does not make room; the frame is not queued.
    pub fn push(&mut self, frame: Frame, sent: usize) -> Result<(), Full> {
        let requested = requested_bytes(&frame);
        let wanted = requested.min((PAGES * self.limit).saturating_sub(self.granted));
        let granted = if self.pages.take(wanted) { wanted } else { 0 };
        let limit = self.limit + self.granted + granted;
        if self.queue.is_empty() {
            self.sent = sent.min(frame.len());
        } else if self.bytes + frame.len() > limit {
            self.make_room(frame.len(), limit);
            if self.bytes + frame.len() > limit && !self.queue.is_empty() {
                self.pages.give_back(granted);
                self.dropped += u32::from(frame.is_ephemeral());
                return if frame.is_ephemeral() { Ok(()) } else { Err(Full) };
            }
        }
        self.bytes += frame.len() - if self.queue.is_empty() { self.sent } else { 0 };
        self.ephemeral += u32::from(frame.is_ephemeral());
        self.requested += requested;
        self.granted += granted;
        self.queue.push_back(frame);
        Ok(())
    }

    /// Queues a pong before all whole frames, in place of one not begun: only the last ping needs an answer
    /// (RFC 6455 section 5.5.3), and a flood of pings must not fill the queue.
    pub fn push_pong(&mut self, pong: Frame) {
        let at = usize::from(self.sent > 0).min(self.queue.len());
        self.bytes += pong.len();
        match self.queue.get_mut(at).filter(|frame| frame.is_pong()) {
            Some(older) => {
                self.bytes -= older.len();
                *older = pong;
            }
            None => self.queue.insert(at, pong),
        }
    }

    /// Queues the close frame, behind everything and whatever the limit.
    pub fn push_close(&mut self, close: Frame) {
        self.bytes += close.len();
        self.queue.push_back(close);
    }

    /// Drops all but the rest of a half-written frame, which must be completed before anything else is said.
    pub fn abandon(&mut self) {
        self.queue.truncate(usize::from(self.sent > 0));
        self.bytes = self.queue.front().map_or(0, |first| first.len() - self.sent);
        self.ephemeral = self.queue.iter().filter(|f| f.is_ephemeral()).count() as u32;
        self.requested = self.queue.iter().map(requested_bytes).sum();
        self.release();
    }

    /// Drops everything, and from now on takes nothing.
    pub fn end(&mut self) {
        *self = Self::new(0, Arc::clone(&self.pages));
    }

    /// What to write next, in one write.
    pub fn slices(&self) -> SmallVec<[IoSlice<'_>; JOINED]> {
        let first = self.queue.iter().take(1).map(|f| &f.bytes()[self.sent..]);
        let others = self.queue.iter().skip(1).map(|f| &f.bytes()[..]);
        first.chain(others).take(JOINED).map(IoSlice::new).collect()
    }

    /// Takes note of `written` bytes.
    pub fn advance(&mut self, written: usize) {
        let mut left = written.min(self.bytes);
        self.bytes -= left;
        while let Some(first) = self.queue.front() {
            let rest = first.len() - self.sent;
            if left < rest {
                self.sent += left;
                break;
            }
            left -= rest;
            self.sent = 0;
            self.ephemeral -= u32::from(first.is_ephemeral());
            self.requested -= requested_bytes(first);
            self.queue.pop_front();
        }
        self.release();
    }

    fn make_room(&mut self, wanted: usize, limit: usize) {
        if self.ephemeral == 0 {
            return;
        }
        let mut excess = (self.bytes + wanted).saturating_sub(limit);
        let mut half_written = self.sent > 0;
        let (mut freed, mut count) = (0, 0);
        self.queue.retain(|frame| {
            let keep = excess == 0 || !frame.is_ephemeral() || half_written;
            half_written = false;
            if !keep {
                excess = excess.saturating_sub(frame.len());
                freed += frame.len();
                count += 1;
            }
            keep
        });
        self.bytes -= freed;
        self.ephemeral -= count;
        self.dropped += count;
    }

    /// Gives back room that nothing needs any more.
    fn release(&mut self) {
        // Those without a grant are taken to be the last.
        let spare = self.granted.saturating_sub(self.requested);
        self.granted -= spare;
        self.pages.give_back(spare);
        if self.queue.is_empty() && self.queue.capacity() > KEPT {
            self.queue = VecDeque::new();
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.pages.give_back(self.granted);
    }
}

/// The bytes of a frame, if it was asked for.
fn requested_bytes(frame: &Frame) -> usize {
    if frame.is_requested() { frame.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn outbox(limit: usize) -> Outbox {
        Outbox::new(limit, Arc::default())
    }

    fn text(len: usize) -> Frame {
        Frame::text(&"x".repeat(len - 2))
    }

    fn passing(len: usize) -> Frame {
        Frame::ephemeral(&"y".repeat(len - 2))
    }

    fn waiting(outbox: &Outbox) -> Vec<u8> {
        let slices = outbox.slices();
        slices.iter().flat_map(|slice| slice.to_vec()).collect()
    }

    fn lengths(outbox: &Outbox) -> Vec<usize> {
        outbox.slices().iter().map(|slice| slice.len()).collect()
    }

    #[test]
    fn what_was_asked_for_has_room_of_its_own() {
        let mut outbox = outbox(100);
        for _ in 0..PAGES {
            outbox.push(text(100).requested(), 0).unwrap();
        }
        outbox.push(text(100), 0).unwrap();
        assert_eq!(outbox.push(text(10), 0), Err(Full));
        assert_eq!(outbox.push(text(100).requested(), 0), Err(Full));
        outbox.advance(PAGES * 100);
        assert_eq!((outbox.bytes(), outbox.requested), (100, 0));
    }

    #[test]
    fn the_room_for_pages_is_that_of_all() {
        let pages = Arc::new(Pages::new(250));
        let queue = || Outbox::new(100, pages.clone());
        let (mut first, mut second) = (queue(), queue());
        for _ in 0..3 {
            first.push(text(100).requested(), 0).unwrap();
        }
        assert_eq!(first.push(text(100).requested(), 0), Err(Full), "two beside the limit, and one in it");
        second.push(text(50).requested(), 0).unwrap();
        second.push(text(50).requested(), 0).unwrap();
        assert_eq!(second.push(text(100), 0), Err(Full));
        first.advance(250);
        second.push(text(100).requested(), 0).unwrap();
        first.abandon();
        drop(second);
        let mut third = queue();
        for _ in 0..2 {
            third.push(text(100).requested(), 0).unwrap();
        }
        third.end();
        drop(first);
        assert!(pages.take(250), "all of it was given back");
    }

    #[test]
    fn ephemeral_frames_go_first_and_the_oldest_of_them() {
        let mut outbox = outbox(100);
        for frame in [text(20), passing(30), passing(40)] {
            outbox.push(frame, 0).unwrap();
        }
        outbox.push(text(25), 0).unwrap();
        assert_eq!(lengths(&outbox), [20, 40, 25]);
        outbox.push(text(50), 0).unwrap();
        assert_eq!((lengths(&outbox), outbox.dropped()), (vec![20, 25, 50], 2));
        outbox.push(passing(10), 0).unwrap();
        assert_eq!((outbox.bytes(), outbox.dropped()), (95, 3));
        assert_eq!(outbox.push(text(10), 0), Err(Full));
    }

    #[test]
    fn a_half_written_frame_survives_everything() {
        let mut outbox = outbox(100);
        outbox.push(passing(50), 10).unwrap();
        outbox.push(text(50), 0).unwrap();
        assert_eq!(outbox.push(text(50), 0), Err(Full));
        outbox.abandon();
        outbox.push_close(Frame::close(4413, ""));
        assert_eq!((lengths(&outbox), outbox.bytes()), (vec![40, 4], 44));
    }

    #[test]
    fn a_large_frame_passes_an_empty_queue() {
        let mut outbox = outbox(100);
        outbox.push(text(120), 0).unwrap();
        assert_eq!(outbox.push(text(4), 0), Err(Full));
        outbox.abandon();
        assert!(outbox.is_empty() && outbox.bytes() == 0);
        outbox.push(passing(90), 0).unwrap();
        outbox.push(text(120), 0).unwrap();
        assert_eq!(lengths(&outbox), [120]);
    }

    #[test]
    fn only_the_last_pong_waits() {
        let mut outbox = outbox(100);
        outbox.push(text(30), 10).unwrap();
        outbox.push(text(30), 0).unwrap();
        for payload in [&b"one"[..], b"two!"] {
            outbox.push_pong(Frame::pong(payload));
        }
        assert_eq!((lengths(&outbox), outbox.bytes()), (vec![20, 6, 30], 56));
        outbox.advance(21);
        outbox.push_pong(Frame::pong(b"three"));
        assert_eq!(lengths(&outbox), [5, 7, 30]);
    }

    #[test]
    fn a_burst_leaves_no_memory_behind() {
        let mut outbox = outbox(1 << 20);
        (0..1000).for_each(|_| outbox.push(text(10), 0).unwrap());
        outbox.advance(10_000);
        assert!(outbox.is_empty() && outbox.queue.capacity() <= KEPT);
    }

    #[derive(Debug, Clone)]
    enum Op {
        Push(usize, bool),
        Pong,
        Write(usize),
        Abandon,
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let op = prop_oneof![
            4 => (2..60_usize, any::<bool>()).prop_map(|(len, passing)| Op::Push(len, passing)),
            1 => Just(Op::Pong),
            3 => (0..80_usize).prop_map(Op::Write),
            1 => Just(Op::Abandon),
        ];
        prop::collection::vec(op, 0..60)
    }

    proptest! {
        /// The bytes written are always whole frames in a row, and the count of bytes is right.
        #[test]
        fn the_wire_stays_whole(ops in ops()) {
            let mut outbox = outbox(200);
            let mut wire = Vec::new();
            for op in ops {
                match op {
                    Op::Push(len, true) => { let _ = outbox.push(passing(len), 0); }
                    Op::Push(len, false) => { let _ = outbox.push(text(len), 0); }
                    Op::Pong => outbox.push_pong(Frame::pong(b"p")),
                    Op::Abandon => outbox.abandon(),
                    Op::Write(most) => {
                        let joined = waiting(&outbox);
                        let most = most.min(joined.len());
                        wire.extend_from_slice(&joined[..most]);
                        outbox.advance(most);
                    }
                }
                prop_assert_eq!(outbox.bytes(), waiting(&outbox).len());
                prop_assert!(outbox.bytes() <= 200 + 3);
            }
            wire.extend(waiting(&outbox));
            let mut rest = &wire[..];
            while let [first, len, ..] = rest {
                prop_assert!([0x81, 0x8A].contains(first), "not at a frame: {rest:x?}");
                rest = &rest[2 + usize::from(*len)..];
            }
            prop_assert!(rest.is_empty());
        }
    }
}
