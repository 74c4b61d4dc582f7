//! Text that must not be shown: secrets and passwords from the settings.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::config::InvalidSetting;

/// What is shown in place of a secret.
const HIDDEN: &str = "***";

/// A secret from the settings. However it is printed or written out, it reads `***`.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(Box<str>);

impl Secret {
    /// The shortest text, in characters, that may sign or open anything: 32, as PROTOCOL section 1 asks.
    pub const MIN_CHARS: usize = 32;

    /// Hides `text`, of any length.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself. Each use of this is a place where it could leak.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The secret, if it was set and not to nothing: an empty variable in a compose file counts as unset.
    pub fn given(secret: Option<&Self>) -> Option<&Self> {
        secret.filter(|secret| !secret.0.is_empty())
    }

    /// Checks that the secret is long enough to sign with.
    ///
    /// # Errors
    /// Names the setting `key` if the secret has fewer than [`Self::MIN_CHARS`] characters.
    pub fn require_strong(&self, key: &'static str) -> Result<(), InvalidSetting> {
        match self.0.chars().count() {
            long if long >= Self::MIN_CHARS => Ok(()),
            short => Err(InvalidSetting::new(
                key,
                format!("has {short} characters and needs at least {}; try `openssl rand -hex 32`", Self::MIN_CHARS),
            )),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_nowhere() {
        let secret: Secret = serde_json::from_str("\"hunter2\"").unwrap();
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"***\"");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn strength_is_counted_in_characters() {
        assert!(Secret::new("é".repeat(32)).require_strong("K").is_ok());
        let error = Secret::new("x".repeat(31)).require_strong("JWT_SECRET").unwrap_err();
        assert!(error.to_string().starts_with("JWT_SECRET: has 31 characters"), "{error}");
    }

    #[test]
    fn an_empty_secret_is_none() {
        assert!(Secret::given(Some(&Secret::new(""))).is_none());
        assert!(Secret::given(Some(&Secret::new("x"))).is_some());
    }
}
