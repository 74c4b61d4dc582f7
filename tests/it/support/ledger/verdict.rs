//! What a ledger found.

use std::{fmt, time::Duration};

/// How many violations of each kind are shown one by one.
const SHOWN: usize = 10;

/// The ways to break the promises of the wire contract (sections 3 and 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// An acked message that somebody does not have.
    Lost,
    /// A message, or an entry's number, that came again.
    Doubled,
    /// A number that is not one more than the last.
    Gap,
    /// Two entries of one number, or two numbers of one message, within an epoch.
    Order,
    /// Two messages of one sender that changed places.
    SenderOrder,
    /// One key, two messages: a retry that was not known again.
    Identity,
    /// A message that nobody said, or not so, or not there.
    Forged,
    /// A `joined` that does not continue from where the client was, or contradicts itself.
    Position,
    /// An event of a room that the client is not in, or before its `joined`.
    Early,
    /// A provisional message that got no number and was not announced as undelivered.
    Unresolved,
    /// Counts that are not the truth.
    Presence,
    /// A message that is not what it was changed to, or not the same to all.
    Changed,
    /// A refusal, or the end of a connection, that nothing in the test can be the reason of.
    Refused,
    /// A client that is not back, or a message that is not answered, when all should be.
    Unfinished,
}

/// One promise broken once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) kind: Kind,
    /// For people: who, where, what.
    pub(crate) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.what)
    }
}

/// What was counted on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Messages said, retries not counted.
    pub(crate) sent: usize,
    /// Messages acked with a number.
    pub(crate) acked: usize,
    /// Provisional acks.
    pub(crate) provisional: usize,
    /// Changes that were acked.
    pub(crate) changed: usize,
    /// Temporary refusals of messages and changes.
    pub(crate) refused: usize,
    /// Messages announced as undelivered, by client told.
    pub(crate) undelivered: usize,
    /// Numbered entries, by client reached, live or recovered.
    pub(crate) delivered: usize,
    /// Connections after a client's first.
    pub(crate) reconnects: usize,
    /// Positions given up: a `joined` with `recovered: false` to a client that had one.
    pub(crate) gaps: usize,
    /// The longest time that a client was without a connection and did not want to be.
    pub(crate) longest_interruption: Duration,
}

/// The end of a run.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) counts: Counts,
    pub(crate) violations: Vec<Violation>,
}

impl Verdict {
    /// How many violations there are of each kind there is.
    pub(crate) fn kinds(&self) -> Vec<(Kind, usize)> {
        let mut kinds: Vec<_> = self.violations.iter().map(|violation| violation.kind).collect();
        kinds.sort_unstable();
        kinds.chunk_by(|a, b| a == b).map(|same| (same[0], same.len())).collect()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts {
            sent,
            acked,
            provisional,
            changed,
            refused,
            undelivered,
            delivered,
            reconnects,
            gaps,
            longest_interruption,
        } = self.counts;
        writeln!(
            f,
            "sent {sent}, acked {acked}, provisional {provisional}, changed {changed}, refused {refused}, undelivered {undelivered}, \
             delivered {delivered}, reconnects {reconnects}, longest interruption {longest_interruption:.1?}, gaps {gaps}, \
             violations {} {:?}",
            self.violations.len(),
            self.kinds()
        )?;
        for (kind, _) in self.kinds() {
            let shown = self.violations.iter().filter(|violation| violation.kind == kind).take(SHOWN);
            shown.into_iter().try_for_each(|violation| writeln!(f, "  {violation}"))?;
        }
        Ok(())
    }
}
