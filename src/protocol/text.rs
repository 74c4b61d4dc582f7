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

/// Letters and marks that show nothing: the Hangul fillers, the Braille blank and variation selectors.
fn is_blank(c: char) -> bool {
    matches!(c, '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' | '\u{2800}' | '\u{34F}' | '\u{FE00}'..='\u{FE0F}')
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
