//! UTF-8 checked as it arrives, byte by byte, so that the first wrong byte is refused and not the whole message.

/// Where a text stands: how many continuation bytes are due, and the range of the next one.
///
/// The ranges are table 3-7 of the Unicode Standard (the same as RFC 3629 section 4): they keep out
/// overlong forms, surrogates and code points above U+10FFFF.
#[derive(Debug, Clone, Copy)]
pub struct Utf8 {
    due: u8,
    low: u8,
    high: u8,
}

impl Utf8 {
    /// The start of a text.
    pub const fn new() -> Self {
        Self::lead(0, 0x80, 0xBF)
    }

    /// Takes the next piece of the text.
    ///
    /// # Errors
    /// The index in `piece` of the first byte that cannot be part of any UTF-8 text.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), usize> {
        // Nearly all chat is ASCII, and the check for it runs over whole words.
        if self.is_complete() && piece.is_ascii() {
            return Ok(());
        }
        for (index, &byte) in piece.iter().enumerate() {
            *self = self.step(byte).ok_or(index)?;
        }
        Ok(())
    }

    /// Whether the text may end here, not in the middle of a character.
    pub const fn is_complete(&self) -> bool {
        self.due == 0
    }

    const fn lead(due: u8, low: u8, high: u8) -> Self {
        Self { due, low, high }
    }

    const fn step(self, byte: u8) -> Option<Self> {
        if self.due > 0 {
            return if self.low <= byte && byte <= self.high {
                Some(Self::lead(self.due - 1, 0x80, 0xBF))
            } else {
                None
            };
        }
        match byte {
            0x00..=0x7F => Some(Self::new()),
            0xC2..=0xDF => Some(Self::lead(1, 0x80, 0xBF)),
            0xE0 => Some(Self::lead(2, 0xA0, 0xBF)),
            0xED => Some(Self::lead(2, 0x80, 0x9F)),
            0xE1..=0xEF => Some(Self::lead(2, 0x80, 0xBF)),
            0xF0 => Some(Self::lead(3, 0x90, 0xBF)),
            0xF1..=0xF3 => Some(Self::lead(3, 0x80, 0xBF)),
            0xF4 => Some(Self::lead(3, 0x80, 0x8F)),
            _ => None,
        }
    }
}

impl Default for Utf8 {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn verdict(pieces: &[&[u8]]) -> bool {
        let mut utf8 = Utf8::new();
        pieces.iter().all(|piece| utf8.feed(piece).is_ok()) && utf8.is_complete()
    }

    #[test]
    fn the_first_wrong_byte_is_named() {
        for (bytes, at) in [
            (&b"ab\xFF"[..], 2),
            (b"\xC0\xAF", 0),
            (b"\xE0\x80\xAF", 1),
            (b"\xED\xA0\x80", 1),
            (b"\xF4\x90\x80\x80", 1),
            (b"\xCE\xBA\x41\x80", 3),
            (b"\xE2\x82x", 2),
        ] {
            assert_eq!(Utf8::new().feed(bytes), Err(at), "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_std_on_any_bytes(bytes: Vec<u8>, cut in 0..64_usize) {
            let (left, right) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(verdict(&[left, right]), std::str::from_utf8(&bytes).is_ok());
        }

        #[test]
        fn agrees_with_std_on_damaged_text(text: String, at: usize, byte: u8) {
            let mut bytes = text.into_bytes();
            prop_assert!(verdict(&[&bytes]));
            if !bytes.is_empty() {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            prop_assert_eq!(verdict(&[&bytes]), std::str::from_utf8(&bytes).is_ok());
        }
    }
}
