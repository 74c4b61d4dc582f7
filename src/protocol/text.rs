//! Rules for what people type: messages, emoji, keys and display names.

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::error::{ErrorCode, Refusal};

/// Longest message, in Unicode scalar values after trimming.
pub const MAX_TEXT_CHARS: usize = 4000;
/// Longest emoji of a reaction, in bytes.
pub const MAX_EMOJI_BYTES: usize = 32;
/// Longest idempotency key, and longest `id` of a command that is a string, in characters.
pub const MAX_KEY_CHARS: usize = 64;
/// Longest display name, in characters.
pub const MAX_NAME_CHARS: usize = 32;

/// Trims a message and checks it: 1 to [`MAX_TEXT_CHARS`], one of them visible, no control characters but newline and tab.
///
/// # Errors
/// `invalid_text` with what is wrong.
pub fn message(text: &str) -> Result<&str, Refusal> {
    let invalid = |why: &'static str| Err(Refusal::new(ErrorCode::InvalidText, why));
    let text = text.trim();
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return invalid("a text has no control characters but newline and tab");
    }
    if !text.chars().any(is_visible) {
        return invalid("a text has at least one visible character");
    }
    if text.len() > MAX_TEXT_CHARS && text.chars().count() > MAX_TEXT_CHARS {
        return invalid("a text has at most 4000 characters");
    }
    Ok(text)
}

/// Checks the emoji of a reaction: 1 to [`MAX_EMOJI_BYTES`] bytes, no control characters or spaces.
///
/// # Errors
/// `invalid_argument`.
pub fn emoji(emoji: &str) -> Result<&str, Refusal> {
    let clean = emoji.chars().all(|c| !c.is_control() && !c.is_whitespace());
    if clean && (1..=MAX_EMOJI_BYTES).contains(&emoji.len()) && emoji.chars().any(is_visible) {
        Ok(emoji)
    } else {
        Err(Refusal::new(ErrorCode::InvalidArgument, "an emoji has 1 to 32 bytes and no spaces or control characters"))
    }
}

/// Checks an idempotency key: 1 to [`MAX_KEY_CHARS`] characters, no control characters.
///
/// # Errors
/// `invalid_argument`.
pub fn key(key: &str) -> Result<&str, Refusal> {
    let count = key.chars().take(MAX_KEY_CHARS + 1).count();
    if (1..=MAX_KEY_CHARS).contains(&count) && !key.chars().any(char::is_control) {
        Ok(key)
    } else {
        Err(Refusal::new(ErrorCode::InvalidArgument, "a key has 1 to 64 characters and no control characters"))
    }
}

/// Brings a display name into NFKC and checks it: 1 to [`MAX_NAME_CHARS`] characters, one of them visible, no control,
/// bidirectional or zero-width characters.
///
/// # Errors
/// `invalid_argument`.
pub fn display_name(name: &str) -> Result<Box<str>, Refusal> {
    // A bound before normalising: one character can become eighteen, and names come from anybody.
    if name.len() > 8 * MAX_NAME_CHARS {
        return Err(bad_name());
    }
    let name: String = name.nfkc().collect();
    let name = name.trim();
    let clean = name.chars().all(|c| !c.is_control() && !is_format(c));
    if clean && name.chars().any(is_visible) && name.chars().count() <= MAX_NAME_CHARS {
        Ok(name.into())
    } else {
        Err(bad_name())
    }
}

fn bad_name() -> Refusal {
    Refusal::new(
        ErrorCode::InvalidArgument,
        "a name has 1 to 32 characters and no control, bidirectional or zero-width characters",
    )
}

/// What two names are compared by: NFKC in lower case, twice, since lowering can leave the normal form.
pub fn fold_name(name: &str) -> String {
    let lower: String = name.nfkc().collect::<String>().to_lowercase();
    lower.nfkc().collect::<String>().to_lowercase()
}

fn is_format(c: char) -> bool {
    matches!(
        c.general_category(),
        GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::Surrogate
            | GeneralCategory::PrivateUse
            | GeneralCategory::Unassigned
    ) || is_blank(c)
}

/// What shows nothing without being a space or of a category that says so: the characters that Unicode calls ignorable
/// by default (DerivedCoreProperties), but for those of the category Format, and the blanks of some scripts.
fn is_blank(c: char) -> bool {
    matches!(
        c,
        // Marks: joiners, inherent vowels and selectors of variations.
        '\u{34F}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{FE00}'..='\u{FE0F}'
        | '\u{E0100}'..='\u{E01EF}'
        // Letters: the Hangul fillers.
        | '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}'
        // Reserved for more of these, so that a text of today is as blank tomorrow.
        | '\u{2065}' | '\u{FFF0}'..='\u{FFF8}' | '\u{E0000}'..='\u{E00FF}' | '\u{E01F0}'..='\u{E0FFF}'
        // The blanks of Braille, Khitan and hieroglyphs, and a note without a head.
        | '\u{2800}' | '\u{16FE4}' | '\u{13441}' | '\u{13442}' | '\u{1D159}'
    )
}

fn is_visible(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !is_blank(c) && c.general_category() != GeneralCategory::Format
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_trimmed_and_bounded_in_characters() {
        assert_eq!(message("  hi\tthere\n ").unwrap(), "hi\tthere");
        assert!(message(&"é".repeat(4000)).is_ok());
        for bad in ["", "  ", "\u{200B}", "a\u{7}b", "a\rb", &"é".repeat(4001), "\u{2800}"] {
            assert_eq!(message(bad).unwrap_err().code, ErrorCode::InvalidText, "{bad:?}");
        }
    }

    #[test]
    fn names_lose_tricks() {
        assert_eq!(&*display_name(" Ａna ").unwrap(), "Ana");
        for bad in ["", " ", "a\u{202E}b", "a\u{200B}b", "a\nb", &"x".repeat(33), "\u{3164}"] {
            assert!(display_name(bad).is_err(), "{bad:?}");
        }
        assert_eq!(fold_name("ＡDMIN"), fold_name("admin"));
    }

    #[test]
    fn what_shows_nothing_is_no_text_no_emoji_and_in_no_name() {
        // Ignorable by default, as of Unicode 16, and the blanks.
        let ranges = [
            ('\u{AD}', '\u{AD}'),
            ('\u{34F}', '\u{34F}'),
            ('\u{61C}', '\u{61C}'),
            ('\u{115F}', '\u{1160}'),
            ('\u{17B4}', '\u{17B5}'),
            ('\u{180B}', '\u{180F}'),
            ('\u{200B}', '\u{200F}'),
            ('\u{202A}', '\u{202E}'),
            ('\u{2060}', '\u{206F}'),
            ('\u{2800}', '\u{2800}'),
            ('\u{3164}', '\u{3164}'),
            ('\u{FE00}', '\u{FE0F}'),
            ('\u{FEFF}', '\u{FEFF}'),
            ('\u{FFA0}', '\u{FFA0}'),
            ('\u{FFF0}', '\u{FFF8}'),
            ('\u{13441}', '\u{13442}'),
            ('\u{16FE4}', '\u{16FE4}'),
            ('\u{1BCA0}', '\u{1BCA3}'),
            ('\u{1D159}', '\u{1D159}'),
            ('\u{1D173}', '\u{1D17A}'),
            ('\u{E0000}', '\u{E0FFF}'),
        ];
        for c in ranges.into_iter().flat_map(|(first, last)| first..=last) {
            assert!(message(&format!(" {c}{c}")).is_err(), "{c:?}");
            assert!(emoji(&c.to_string()).is_err(), "{c:?}");
            assert!(display_name(&format!("Ana{c}")).is_err(), "{c:?}");
        }
        // Beside what shows they make an emoji what it is.
        for whole in ["❤️", "👩‍🚀", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"] {
            assert_eq!((emoji(whole).unwrap(), message(whole).unwrap()), (whole, whole));
        }
    }

    #[test]
    fn emoji_are_short_and_whole() {
        assert!(emoji("👍🏽").is_ok());
        assert!(emoji("❤️").is_ok());
        for bad in ["", "a b", "\u{200B}", &"x".repeat(33)] {
            assert!(emoji(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn keys_are_counted_in_characters() {
        assert!(key(&"é".repeat(64)).is_ok());
        assert!(key(&"é".repeat(65)).is_err());
        assert!(key("").is_err());
    }
}
