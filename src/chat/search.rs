//! Finding a word in what admins look through.

use std::fmt;

/// Longest word, in characters; nothing that is looked through is longer than a room's name or an IPv6 address.
pub const MAX_SEARCH_CHARS: usize = 100;

/// A word that is looked for, whatever the case of its letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search(Box<str>);

impl Search {
    /// What somebody wrote; none when that is only blanks, which everything would match.
    pub fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_lowercase().into()))
    }

    /// Whether the word is in `text`.
    pub fn is_in(&self, text: &str) -> bool {
        // Nearly always; and then nothing has to be copied.
        if text.is_ascii() {
            let word = self.0.as_bytes();
            return text.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
        }
        text.to_lowercase().contains(&*self.0)
    }

    /// Whether the word could be part of an IP address, so that none has to be written out in vain.
    pub fn may_be_address(&self) -> bool {
        self.0.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':'))
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn letters_of_any_case_are_found() {
        for (word, text, found) in [
            ("ana", "Ana", true),
            (" ANA ", "banana", true),
            ("m:ana", "m:ana", true),
            ("ÄRGER", "kein ärger", true),
            ("a", "", false),
            ("anna", "ana", false),
        ] {
            assert_eq!(Search::of(word).unwrap().is_in(text), found, "{word} in {text}");
        }
        assert_eq!(Search::of(" \t"), None);
    }

    #[test]
    fn only_what_may_stand_in_an_address_is_looked_for_there() {
        for (word, may) in [("10.0", true), ("::1", true), ("fe80:", true), ("ana", false), ("10.0/8", false)] {
            assert_eq!(Search::of(word).unwrap().may_be_address(), may, "{word}");
        }
    }

    proptest! {
        #[test]
        fn the_short_cut_finds_the_same(word in "[a-cA-CäÄ]{1,3}", text in "[a-cA-CäÄ]{0,8}") {
            let plain = text.to_lowercase().contains(&word.to_lowercase());
            prop_assert_eq!(Search::of(&word).unwrap().is_in(&text), plain);
        }
    }
}
