//! The four stages of a server's life, seen by everyone who must act on them.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

/// Where a server is in its life; it only moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stage {
    /// Not listening yet.
    Starting,
    /// Takes connections.
    Ready,
    /// Takes no more and closes what it has.
    Draining,
    /// Done.
    Stopped,
}

/// The stage, shared.
#[derive(Clone, Debug)]
pub struct Lifecycle(Arc<AtomicU8>);

impl Default for Lifecycle {
    fn default() -> Self {
        Self(Arc::new(AtomicU8::new(Stage::Starting as u8)))
    }
}

impl Lifecycle {
    /// Where it is now.
    pub fn stage(&self) -> Stage {
        match self.0.load(Ordering::SeqCst) {
            0 => Stage::Starting,
            1 => Stage::Ready,
            2 => Stage::Draining,
            _ => Stage::Stopped,
        }
    }

    /// Moves on to `stage`; `false` when it was there or further already.
    pub fn advance(&self, stage: Stage) -> bool {
        self.0.fetch_max(stage as u8, Ordering::SeqCst) < stage as u8
    }

    /// Whether it takes new connections.
    pub fn is_ready(&self) -> bool {
        self.stage() == Stage::Ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn life_goes_one_way() {
        let life = Lifecycle::default();
        assert!(life.advance(Stage::Ready) && life.is_ready());
        assert!(life.advance(Stage::Draining));
        assert!(!life.advance(Stage::Ready));
        assert_eq!(life.stage(), Stage::Draining);
    }
}
