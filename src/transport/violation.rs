//! What a client can get wrong on the wire, and the close code each answer carries.

use crate::protocol::close::CloseCode;

/// A breach of RFC 6455 (or of this server's limits) by a client; the connection ends with [`Violation::code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// RSV1–3 set without an extension (section 5.2).
    #[error("reserved bits set")]
    ReservedBits,
    /// An opcode the RFC does not define (section 5.2).
    #[error("unknown opcode")]
    UnknownOpcode,
    /// A client frame without a mask (section 5.1).
    #[error("frame not masked")]
    Unmasked,
    /// A control frame with more than 125 bytes (section 5.5).
    #[error("control frame too long")]
    LongControl,
    /// A control frame in fragments (section 5.5).
    #[error("control frame fragmented")]
    FragmentedControl,
    /// A continuation with nothing to continue (section 5.4).
    #[error("nothing to continue")]
    StrayContinuation,
    /// A new message before the fragmented one ended (section 5.4).
    #[error("message inside a message")]
    InterruptedMessage,
    /// A 64-bit length with its highest bit set (section 5.2).
    #[error("length out of range")]
    LengthOutOfRange,
    /// A close frame whose payload is one byte, or whose code may not be sent (sections 5.5.1, 7.4).
    #[error("bad close frame")]
    BadClose,
    /// A binary message where only text is spoken.
    #[error("binary not accepted")]
    Binary,
    /// Text or a close reason that is not UTF-8 (section 8.1).
    #[error("not UTF-8")]
    NotUtf8,
    /// A message, whole or in fragments, above the limit.
    #[error("message too big")]
    TooBig,
}

impl Violation {
    /// The close code (RFC 6455 section 7.4.1).
    pub const fn code(self) -> CloseCode {
        match self {
            Self::Binary => CloseCode::Binary,
            Self::NotUtf8 => CloseCode::InvalidUtf8,
            Self::TooBig => CloseCode::TooBig,
            Self::ReservedBits
            | Self::UnknownOpcode
            | Self::Unmasked
            | Self::LongControl
            | Self::FragmentedControl
            | Self::StrayContinuation
            | Self::InterruptedMessage
            | Self::LengthOutOfRange
            | Self::BadClose => CloseCode::Protocol,
        }
    }
}
