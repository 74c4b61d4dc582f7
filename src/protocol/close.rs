//! The closed catalogue of close codes this server sends.

macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $reason:literal;)*) => {
        /// Why a connection is closed. The number tells the client whether to come back.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum CloseCode { $($(#[$doc])* $name,)* }

        impl CloseCode {
            /// Every code.
            pub const ALL: &'static [CloseCode] = &[$(CloseCode::$name,)*];

            /// The number in the close frame and the label of its counter.
            pub fn number(self) -> u16 {
                match self { $(CloseCode::$name => $code,)* }
            }

            /// The reason in the close frame; at most 123 bytes, as RFC 6455 section 5.5 bounds it.
            pub fn reason(self) -> &'static str {
                match self { $(CloseCode::$name => $reason,)* }
            }
        }
    };
}

catalogue! {
    /// The frames break RFC 6455.
    Protocol = 1002, "protocol error";
    /// A binary frame; this protocol is text.
    Binary = 1003, "binary frames are not understood";
    /// Text that is not UTF-8.
    InvalidUtf8 = 1007, "invalid UTF-8";
    /// A frame or message above the limit.
    TooBig = 1009, "message too big";
    /// A fault of the server's own.
    Internal = 1011, "internal error";
    /// The server drains; come back as its notice said.
    Draining = 1012, "draining";
    /// The hub refused work for too long.
    Overloaded = 1013, "overloaded, try again later";
    /// Too many malformed commands.
    Malformed = 4400, "too many malformed commands";
    /// The token or session that proved who this is has ended.
    SessionEnded = 4401, "session ended";
    /// Kicked or banned.
    Kicked = 4403, "kicked";
    /// No life sign.
    Silent = 4408, "no life sign";
    /// Did not read what it was sent.
    SlowReader = 4413, "slow reader";
    /// Went on past the limits.
    Limits = 4429, "too many refusals by limits";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_fit_a_close_frame() {
        for code in CloseCode::ALL {
            assert!(code.reason().len() <= 123);
        }
    }
}
