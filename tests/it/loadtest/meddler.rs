//! A proxy that breaks one promise, once: it loses a message, sends it twice, or lets the next one overtake it.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// The message that is meddled with, of all that pass in the direction of clients; some come after it on any connection.
const WHICH: usize = 40;

/// What is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Lose,
    Double,
    Swap,
}

/// A running proxy. It takes no more connections when dropped.
pub(super) struct Meddler {
    address: SocketAddr,
    passed: Arc<AtomicUsize>,
    listening: JoinHandle<()>,
}

impl Meddler {
    pub(super) async fn start(target: SocketAddr, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let passed = Arc::new(AtomicUsize::new(0));
        let counted = passed.clone();
        let listening = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                // Ends with either side; that a connection broke is no news here.
                tokio::spawn(serve(near, target, fault, counted.clone()));
            }
        });
        Self { address, passed, listening }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn has_meddled(&self) -> bool {
        self.passed.load(Ordering::Relaxed) >= WHICH
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn serve(near: TcpStream, target: SocketAddr, fault: Fault, passed: Arc<AtomicUsize>) -> io::Result<()> {
    let far = TcpStream::connect(target).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((mut near_read, mut near_write), (mut far_read, mut far_write)) = (near.into_split(), far.into_split());
    let back = async move {
        let mut bytes = Vec::new();
        let head = loop {
            if far_read.read_buf(&mut bytes).await? == 0 {
                return near_write.write_all(&bytes).await;
            }
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        if !bytes.starts_with(b"HTTP/1.1 101") {
            near_write.write_all(&bytes).await?;
            return tokio::io::copy(&mut far_read, &mut near_write).await.map(drop);
        }
        let mut frames = bytes.split_off(head);
        near_write.write_all(&bytes).await?;
        let mut held = None;
        loop {
            while let Some(length) = frame_length(&frames) {
                let rest = frames.split_off(length);
                let frame = std::mem::replace(&mut frames, rest);
                near_write.write_all(&meddle(frame, fault, &passed, &mut held)).await?;
            }
            if far_read.read_buf(&mut frames).await? == 0 {
                return near_write.shutdown().await;
            }
        }
    };
    let out = async move {
        tokio::io::copy(&mut near_read, &mut far_write).await?;
        far_write.shutdown().await
    };
    tokio::try_join!(out, back).map(drop)
}

/// What is passed on in place of a frame.
fn meddle(frame: Vec<u8>, fault: Fault, passed: &AtomicUsize, held: &mut Option<Vec<u8>>) -> Vec<u8> {
    if !frame.windows(16).any(|part| part == br#""type":"message""#) {
        return frame;
    }
    if passed.fetch_add(1, Ordering::Relaxed) + 1 != WHICH {
        return [frame, held.take().unwrap_or_default()].concat();
    }
    match fault {
        Fault::Lose => Vec::new(),
        Fault::Double => frame.repeat(2),
        Fault::Swap => {
            *held = Some(frame);
            Vec::new()
        }
    }
}

/// The length of the first frame, header and all, once it is there. A server's frames have no mask (RFC 6455 section 5.1).
fn frame_length(bytes: &[u8]) -> Option<usize> {
    let length = match *bytes.get(1)? {
        126 => 4 + usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
        127 => 10 + usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?,
        short => 2 + usize::from(short),
    };
    (bytes.len() >= length).then_some(length)
}
