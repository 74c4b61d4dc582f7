//! The guard at the door: looks at every byte a client sends before anything is buffered.
//!
//! The codec behind it checks a frame's size only once the whole frame is there, and text only once the
//! whole message is; here both are refused at the byte that gives them away.

use super::{utf8::Utf8, violation::Violation};
use crate::protocol::frame::CONTROL_PAYLOAD_MAX;

/// Payload bytes unmasked at a time, on the stack.
const PIECE: usize = 512;

/// Why nothing more is accepted from a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It sent a proper close frame, with this code if any.
    Closed(Option<u16>),
    /// It broke a rule.
    Violated(Violation),
}

/// What [`FrameGuard::inspect`] found in a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inspected {
    /// Bytes from the start of the chunk that are good to hand on; the byte that breaks a rule is not among them.
    pub ok: usize,
    /// Set once nothing more is to be handed on.
    pub end: Option<End>,
}

/// Checks the frames of one client, over any chunk boundaries (RFC 6455 sections 5 to 8).
#[derive(Debug)]
pub struct FrameGuard {
    limit: u64,
    binary: bool,
    at: At,
    fin: bool,
    kind: Kind,
    mask: [u8; 4],
    /// Payload bytes of the frame announced and seen.
    length: u64,
    seen: u64,
    /// The message in progress: text or not, and the payload bytes announced so far.
    message: Option<bool>,
    total: u64,
    text: Utf8,
    close_code: [u8; 2],
    reason: Utf8,
    end: Option<End>,
}

/// Which byte of a frame comes next.
#[derive(Debug, Clone, Copy)]
enum At {
    First,
    Length,
    Extended { left: u8 },
    Mask { got: u8 },
    Payload,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Data,
    Close,
    /// Ping and pong: their payload means nothing.
    Opaque,
}

impl FrameGuard {
    /// A guard for a new connection that lets through messages of at most `limit` payload bytes, whole or in
    /// fragments, and binary ones only if `binary`.
    pub const fn new(limit: usize, binary: bool) -> Self {
        Self {
            limit: limit as u64,
            binary,
            at: At::First,
            fin: false,
            kind: Kind::Opaque,
            mask: [0; 4],
            length: 0,
            seen: 0,
            message: None,
            total: 0,
            text: Utf8::new(),
            close_code: [0; 2],
            reason: Utf8::new(),
            end: None,
        }
    }

    /// Looks at the next bytes of the client. After an [`End`] nothing is good any more.
    pub fn inspect(&mut self, chunk: &[u8]) -> Inspected {
        let mut ok = 0;
        while self.end.is_none() && ok < chunk.len() {
            let step = match self.at {
                At::Payload => self.payload(&chunk[ok..]),
                _ => self.header(chunk[ok]).map(|()| 1).map_err(|why| (0, why)),
            };
            match step {
                Ok(taken) => ok += taken,
                Err((before, why)) => {
                    ok += before;
                    self.end = Some(End::Violated(why));
                }
            }
        }
        Inspected { ok, end: self.end }
    }

    /// Why nothing more is accepted, if so.
    pub const fn end(&self) -> Option<End> {
        self.end
    }

    fn header(&mut self, byte: u8) -> Result<(), Violation> {
        match self.at {
            At::First => self.first(byte)?,
            At::Length => self.short_length(byte)?,
            At::Extended { left } => {
                if left == 8 && byte & 0x80 != 0 {
                    return Err(Violation::LengthOutOfRange);
                }
                self.length = self.length << 8 | u64::from(byte);
                self.at = At::Extended { left: left - 1 };
                if left == 1 {
                    self.announced()?;
                }
            }
            At::Mask { got } => {
                self.mask[usize::from(got)] = byte;
                self.at = At::Mask { got: got + 1 };
                if got == 3 {
                    self.at = At::Payload;
                    self.seen = 0;
                    self.finish_if_whole()?;
                }
            }
            At::Payload => {}
        }
        Ok(())
    }

    fn first(&mut self, byte: u8) -> Result<(), Violation> {
        if byte & 0x70 != 0 {
            return Err(Violation::ReservedBits);
        }
        self.fin = byte & 0x80 != 0;
        self.kind = match (byte & 0x0F, self.message) {
            (0, None) => return Err(Violation::StrayContinuation),
            (0, Some(_)) => Kind::Data,
            (1 | 2, Some(_)) => return Err(Violation::InterruptedMessage),
            (2, None) if !self.binary => return Err(Violation::Binary),
            (opcode @ (1 | 2), None) => {
                self.message = Some(opcode == 1);
                self.total = 0;
                self.text = Utf8::new();
                Kind::Data
            }
            (8..=10, _) if !self.fin => return Err(Violation::FragmentedControl),
            (8, _) => Kind::Close,
            (9 | 10, _) => Kind::Opaque,
            _ => return Err(Violation::UnknownOpcode),
        };
        self.at = At::Length;
        Ok(())
    }

    fn short_length(&mut self, byte: u8) -> Result<(), Violation> {
        if byte & 0x80 == 0 {
            return Err(Violation::Unmasked);
        }
        let length = byte & 0x7F;
        if self.kind != Kind::Data && usize::from(length) > CONTROL_PAYLOAD_MAX {
            return Err(Violation::LongControl);
        }
        if self.kind == Kind::Close && length == 1 {
            return Err(Violation::BadClose);
        }
        self.length = 0;
        match length {
            126 => self.at = At::Extended { left: 2 },
            127 => self.at = At::Extended { left: 8 },
            _ => {
                self.length = u64::from(length);
                self.announced()?;
            }
        }
        Ok(())
    }

    /// The length of the frame is known: refuse it now, before a byte of it is buffered.
    fn announced(&mut self) -> Result<(), Violation> {
        if self.kind == Kind::Data {
            self.total = self.total.saturating_add(self.length);
            if self.total > self.limit {
                return Err(Violation::TooBig);
            }
        }
        self.at = At::Mask { got: 0 };
        Ok(())
    }

    /// Takes payload bytes; an error names how many of `rest` come before the wrong one.
    fn payload(&mut self, rest: &[u8]) -> Result<usize, (usize, Violation)> {
        let due = usize::try_from(self.length - self.seen).unwrap_or(usize::MAX);
        let take = due.min(rest.len());
        if self.kind == Kind::Close || (self.kind == Kind::Data && self.message == Some(true)) {
            self.read(&rest[..take])?;
        }
        self.seen += take as u64;
        // The last byte stays back if the end it brings is wrong, or the codec would see a whole frame.
        self.finish_if_whole().map_err(|why| (take - 1, why))?;
        Ok(take)
    }

    /// Reads payload that has a meaning, unmasked piece by piece.
    fn read(&mut self, masked: &[u8]) -> Result<(), (usize, Violation)> {
        let mut at = self.seen;
        for (piece, before) in masked.chunks(PIECE).zip((0..).step_by(PIECE)) {
            let mut plain = [0; PIECE];
            let plain = &mut plain[..piece.len()];
            let mut mask = self.mask;
            // The remainder of a division by four: the cast cannot cut anything off.
            mask.rotate_left((at % 4) as usize);
            for (index, (to, from)) in plain.iter_mut().zip(piece).enumerate() {
                *to = from ^ mask[index % 4];
            }
            let verdict = match self.kind {
                Kind::Close => self.close_bytes(at, plain),
                _ => (self.text.feed(plain)).map_err(|wrong| (wrong, Violation::NotUtf8)),
            };
            verdict.map_err(|(wrong, why)| (before + wrong, why))?;
            at += piece.len() as u64;
        }
        Ok(())
    }

    /// The payload of a close frame from byte `at` on: a code, then a reason (RFC 6455 section 5.5.1).
    fn close_bytes(&mut self, at: u64, plain: &[u8]) -> Result<(), (usize, Violation)> {
        let code_left = 2_u64.saturating_sub(at) as usize;
        let (code, reason) = plain.split_at(code_left.min(plain.len()));
        for (index, &byte) in code.iter().enumerate() {
            self.close_code = [self.close_code[1], byte];
            let whole = index + 1 == code_left;
            if whole && !may_be_sent(u16::from_be_bytes(self.close_code)) {
                return Err((index, Violation::BadClose));
            }
        }
        (self.reason.feed(reason)).map_err(|wrong| (code.len() + wrong, Violation::NotUtf8))
    }

    fn finish_if_whole(&mut self) -> Result<(), Violation> {
        if self.seen < self.length {
            return Ok(());
        }
        match self.kind {
            Kind::Close if !self.reason.is_complete() => return Err(Violation::NotUtf8),
            Kind::Close => {
                let code = (self.length > 0).then(|| u16::from_be_bytes(self.close_code));
                self.end = Some(End::Closed(code));
            }
            Kind::Data if self.fin => {
                if self.message == Some(true) && !self.text.is_complete() {
                    return Err(Violation::NotUtf8);
                }
                self.message = None;
            }
            Kind::Data | Kind::Opaque => {}
        }
        self.at = At::First;
        Ok(())
    }
}

/// Whether a peer may put `code` into a close frame: registered with IANA, or from the free ranges
/// (RFC 6455 section 7.4; 1012–1014 were registered later).
const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
