//! Joins the fragments of a message; the codec hands them through one by one.

use actix_http::ws::{Item, Message};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;

/// A whole message of data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// A text message.
    Text(ByteString),
    /// A binary message.
    Binary(Bytes),
}

/// The fragments of the message in progress.
///
/// It needs no limit of its own: [`FrameGuard`](super::guard::FrameGuard) bounds the sum of a message's fragments
/// and refuses a wrong order. Idle it is one pointer.
#[derive(Debug, Default)]
pub struct Assembler(Option<Box<Parts>>);

#[derive(Debug)]
struct Parts {
    text: bool,
    bytes: BytesMut,
}

impl Assembler {
    /// Takes the next message of the codec; gives a whole one when this completes it.
    ///
    /// Control frames, and text that is not UTF-8 (which the guard keeps out), give nothing.
    pub fn push(&mut self, message: Message) -> Option<Data> {
        match message {
            Message::Text(text) => Some(Data::Text(text)),
            Message::Binary(bytes) => Some(Data::Binary(bytes)),
            Message::Continuation(Item::FirstText(bytes)) => self.start(true, &bytes),
            Message::Continuation(Item::FirstBinary(bytes)) => self.start(false, &bytes),
            Message::Continuation(Item::Continue(bytes)) => {
                // Copied, because a fragment of one byte would keep its whole read buffer alive.
                self.0.as_mut()?.bytes.extend_from_slice(&bytes);
                None
            }
            Message::Continuation(Item::Last(bytes)) => {
                let mut parts = self.0.take()?;
                parts.bytes.extend_from_slice(&bytes);
                parts.whole()
            }
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Nop => None,
        }
    }

    fn start(&mut self, text: bool, bytes: &[u8]) -> Option<Data> {
        let bytes = BytesMut::from(bytes);
        self.0 = Some(Box::new(Parts { text, bytes }));
        None
    }
}

impl Parts {
    fn whole(self) -> Option<Data> {
        let bytes = self.bytes.freeze();
        if !self.text {
            return Some(Data::Binary(bytes));
        }
        ByteString::try_from(bytes).ok().map(Data::Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(bytes: &[u8]) -> Bytes {
        Bytes::copy_from_slice(bytes)
    }

    fn join(first: Item, rest: &[&[u8]]) -> Option<Data> {
        let mut assembler = Assembler::default();
        assert_eq!(assembler.push(Message::Continuation(first)), None);
        let (last, middle) = rest.split_last()?;
        for bytes in middle {
            let item = Item::Continue(part(bytes));
            assert_eq!(assembler.push(Message::Continuation(item)), None);
            assert_eq!(assembler.push(Message::Ping(Bytes::new())), None);
        }
        assembler.push(Message::Continuation(Item::Last(part(last))))
    }

    #[test]
    fn whole_messages_pass_through() {
        let text = Assembler::default().push(Message::Text("hi".into()));
        assert_eq!(text, Some(Data::Text("hi".into())));
        let binary = Assembler::default().push(Message::Binary(part(b"\xFF")));
        assert_eq!(binary, Some(Data::Binary(part(b"\xFF"))));
    }

    #[test]
    fn a_character_may_be_cut_between_fragments() {
        let joined = join(Item::FirstText(part(b"\xE2")), &[b"\x82", b"\xAC"]);
        assert_eq!(joined, Some(Data::Text("€".into())));
    }

    #[test]
    fn parts_out_of_order_give_nothing() {
        let last = Message::Continuation(Item::Last(part(b"x")));
        assert_eq!(Assembler::default().push(last), None);
        assert_eq!(join(Item::FirstText(part(b"\xFF")), &[b"x"]), None);
    }

    proptest! {
        #[test]
        fn any_cuts_give_the_message_back(bytes: Vec<u8>, size in 1..20_usize) {
            let parts: Vec<&[u8]> = bytes.chunks(size).chain([&b""[..]]).collect();
            let joined = join(Item::FirstBinary(part(parts[0])), &[&parts[1..], &[&b""[..]]].concat());
            prop_assert_eq!(joined, Some(Data::Binary(part(&bytes))));
        }
    }
}
