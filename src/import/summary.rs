//! What became of what a file held.

use std::fmt::{self, Display};

use crate::protocol::ids::RoomName;

/// Names shown of what was not carried over.
const SHOWN: usize = 5;

/// What was carried over, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Accounts that are in Redis now as they are in the file.
    pub accounts: usize,
    /// Names of accounts that Redis has other accounts of.
    pub names_taken: Vec<Box<str>>,
    /// Bans that have not ended.
    pub bans: usize,
    /// Read markers.
    pub markers: usize,
    /// Whether Redis signs resume tokens with the secret of the file.
    pub secret: bool,
    /// Rooms whose log is in Redis now.
    pub rooms: usize,
    /// Entries of them.
    pub entries: u64,
    /// Rooms that were carried over before.
    pub rooms_before: usize,
    /// Rooms that have a log of their own in Redis.
    pub rooms_taken: Vec<RoomName>,
}

impl Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accounts, names_taken, bans, markers, rooms, entries, rooms_before, rooms_taken, .. } = self;
        writeln!(f, "accounts      {accounts}")?;
        if !names_taken.is_empty() {
            let names = some(names_taken.iter());
            writeln!(
                f,
                "  left out    {}: the name is taken in Redis ({names}); --replace replaces",
                names_taken.len()
            )?;
        }
        writeln!(f, "bans          {bans}")?;
        writeln!(f, "read markers  {markers}")?;
        writeln!(f, "rooms         {rooms}, with {entries} entries")?;
        if *rooms_before > 0 {
            writeln!(f, "  there       {rooms_before}: carried over before")?;
        }
        if !rooms_taken.is_empty() {
            let names = some(rooms_taken.iter());
            writeln!(f, "  left out    {}: something was said there already ({names})", rooms_taken.len())?;
        }
        match self.secret {
            true => writeln!(f, "secret        the file's: resume tokens of guests stay good"),
            false => {
                writeln!(f, "secret        Redis has another: resume tokens of guests from before are not good there")
            }
        }
    }
}

/// The first few, and how many more there are.
fn some<T: Display>(names: impl ExactSizeIterator<Item = T>) -> String {
    let more = names.len().saturating_sub(SHOWN);
    let shown: Vec<_> = names.take(SHOWN).map(|name| name.to_string()).collect();
    let shown = shown.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_named() {
        let whole = Summary { accounts: 2, secret: true, rooms: 1, entries: 9, ..Summary::default() };
        let text = whole.to_string();
        assert!(text.contains("1, with 9 entries") && !text.contains("left out"), "{text}");
        let names_taken = (0..7).map(|number| format!("n{number}").into()).collect();
        let partly =
            Summary { names_taken, rooms_taken: vec![RoomName::global()], rooms_before: 3, ..Summary::default() };
        let text = partly.to_string();
        for part in
            ["7: the name is taken", "n0, n1, n2, n3, n4 and 2 more", "(global)", "3: carried", "Redis has another"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
