//! The closed catalogue of error codes, shared by the socket and the HTTP routes.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::ids::Millis;

macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal;)*) => {
        /// Why something was refused. Clients branch on it; people read the sentence beside it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name,)*];

            /// The name on the wire and the label of its counter.
            pub fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$name => $text,)* }
            }

            /// The HTTP status that says the same.
            pub fn http_status(self) -> u16 {
                match self { $(ErrorCode::$name => $status,)* }
            }
        }
    };
}

catalogue! {
    /// Not a JSON object with a `type`, or an `id` that is neither integer nor short string.
    Malformed = "malformed", 400;
    /// A command this server does not know.
    UnknownType = "unknown_type", 400;
    /// A field is missing, has the wrong type or is out of range.
    InvalidArgument = "invalid_argument", 400;
    /// A room name that breaks the rule.
    InvalidRoom = "invalid_room", 400;
    /// A text that breaks the rule.
    InvalidText = "invalid_text", 400;
    /// The command needs the room joined.
    NotJoined = "not_joined", 409;
    /// No such message, user, instance or page.
    NotFound = "not_found", 404;
    /// Known, but not allowed.
    Forbidden = "forbidden", 403;
    /// Not known: no token, or one that proves nothing.
    Unauthorized = "unauthorized", 401;
    /// The name is taken.
    Conflict = "conflict", 409;
    /// Too much; temporary.
    RateLimited = "rate_limited", 429;
    /// Cannot now; temporary.
    Unavailable = "unavailable", 503;
    /// As many rooms as a connection or instance may have.
    RoomLimit = "room_limit", 409;
    /// A fault of the server's own.
    Internal = "internal", 500;
}

/// A refusal: the code, a sentence for a person and, when it is temporary, how long to wait.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What clients branch on.
    pub code: ErrorCode,
    /// What people read; lower case, no full stop.
    pub message: Cow<'static, str>,
    /// When to try again; set exactly for `rate_limited` and `unavailable`.
    pub retry_after_ms: Option<Millis>,
}

impl Refusal {
    /// A refusal that trying again will not change.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), retry_after_ms: None }
    }

    /// `rate_limited`: too much, come back after `retry_after_ms`.
    pub fn rate_limited(message: impl Into<Cow<'static, str>>, retry_after_ms: Millis) -> Self {
        Self { code: ErrorCode::RateLimited, message: message.into(), retry_after_ms: Some(retry_after_ms.max(1)) }
    }

    /// `unavailable`: cannot now, come back after `retry_after_ms`.
    pub fn unavailable(message: impl Into<Cow<'static, str>>, retry_after_ms: Millis) -> Self {
        Self { code: ErrorCode::Unavailable, message: message.into(), retry_after_ms: Some(retry_after_ms.max(1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_in_the_catalogue_is_the_name_on_the_wire() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{}\"", code.as_str()));
        }
    }
}
