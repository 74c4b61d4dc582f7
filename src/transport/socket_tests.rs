//! Tests of a socket with its driver, over real connections on the loopback.

use super::*;
use crate::transport::driver::Driver;
use futures_util::stream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
    time::timeout,
};

const SLOW_READER: u16 = 4413;
const SOON: Duration = Duration::from_secs(10);

/// A connected pair: the peer, and our socket with small kernel buffers.
async fn pair(config: &SocketConfig) -> (TcpStream, Rc<Socket>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    SockRef::from(&peer).set_recv_buffer_size(4096).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    SockRef::from(&stream).set_send_buffer_size(4096).unwrap();
    (peer, Socket::new(stream, Bytes::new(), config))
}

/// Drives a socket whose actor never says or reads anything.
fn drive(socket: &Rc<Socket>) -> JoinHandle<()> {
    actix_rt::spawn(Driver::new(Rc::clone(socket), Box::pin(stream::pending()), None))
}

fn config(queue_bytes: usize, close_timeout: Duration) -> SocketConfig {
    SocketConfig { queue_bytes, close_timeout, ..SocketConfig::default() }
}

async fn read_all(peer: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    timeout(SOON, peer.read_to_end(&mut bytes)).await.unwrap().unwrap();
    bytes
}

/// The frames of a byte stream as (first byte, payload); it must end at a frame.
fn frames(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (header, len) = match bytes[1] {
            126 => (4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
            len => (2, usize::from(len)),
        };
        frames.push((bytes[0], &bytes[header..header + len]));
        bytes = &bytes[header + len..];
    }
    frames
}

#[actix_web::test]
async fn a_slow_reader_gets_whole_frames_and_then_4413() {
    let (mut peer, socket) = pair(&config(10_000, SOON)).await;
    let driver = drive(&socket);
    let frame = Frame::text(&"x".repeat(1000));
    while socket.is_open() {
        socket.send(&frame);
        assert!(socket.queued_bytes() <= 10_000);
        tokio::task::yield_now().await;
    }
    assert_eq!(socket.ending(), Some(Ending::ByUs { code: SLOW_READER }));
    socket.send(&frame);
    let reading = async {
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        while !bytes.ends_with(CloseCode::SlowReader.reason().as_bytes()) {
            let read = peer.read(&mut piece).await.unwrap();
            bytes.extend_from_slice(&piece[..read]);
        }
        bytes
    };
    let bytes = timeout(SOON, reading).await.unwrap();
    let frames = frames(&bytes);
    let (last, before) = frames.split_last().unwrap();
    assert_eq!((last.0, &last.1[..2]), (0x88, &SLOW_READER.to_be_bytes()[..]));
    assert!(before.iter().all(|(first, text)| *first == 0x81 && text.len() == 1000));
    drop(peer);
    timeout(SOON, driver).await.unwrap().unwrap();
}

#[actix_web::test]
async fn a_peer_that_never_reads_is_gone_within_the_bound() {
    let (mut peer, socket) = pair(&config(10_000, Duration::from_millis(50))).await;
    let driver = drive(&socket);
    let frame = Frame::text(&"x".repeat(1000));
    while socket.is_open() {
        socket.send(&frame);
        tokio::task::yield_now().await;
    }
    timeout(SOON, driver).await.unwrap().unwrap();
    assert_eq!(socket.queued_bytes(), 0);
    let mut bytes = Vec::new();
    let end = timeout(SOON, peer.read_to_end(&mut bytes)).await.unwrap();
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[actix_web::test]
async fn ephemeral_frames_are_dropped_before_the_connection() {
    let (_peer, socket) = pair(&config(10_000, SOON)).await;
    let driver = drive(&socket);
    let passing = Frame::ephemeral(&"y".repeat(1000));
    while socket.dropped() < 50 {
        socket.send(&passing);
        tokio::task::yield_now().await;
    }
    assert!(socket.is_open());
    driver.abort();
}

#[actix_web::test]
async fn joined_frames_arrive_whole_and_in_order() {
    let (mut peer, socket) = pair(&config(1 << 20, SOON)).await;
    let driver = drive(&socket);
    let sent: Vec<Frame> = (0..100).map(|number| Frame::text(&format!("{number:0700}"))).collect();
    for batch in sent.chunks(7) {
        let joined = batch.iter().flat_map(|frame| frame.bytes().to_vec()).collect();
        socket.send_joined(&joined, batch);
    }
    assert!(socket.queued_bytes() > 0, "the kernel took it all: nothing tested");
    socket.close(1012, "bye");
    let reader = async {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"bye") {
            assert_ne!(peer.read_buf(&mut bytes).await.unwrap(), 0);
        }
        bytes
    };
    let bytes = timeout(SOON, reader).await.unwrap();
    let got: Vec<&[u8]> = frames(&bytes).into_iter().map(|(_, payload)| payload).collect();
    let want: Vec<&[u8]> = sent.iter().map(|frame| &frame.bytes()[4..]).collect();
    assert!(got[..100] == want && got.len() == 101);
    drop(peer);
    timeout(SOON, driver).await.unwrap().unwrap();
}

#[actix_web::test]
async fn our_close_waits_for_the_peers() {
    let (mut peer, socket) = pair(&SocketConfig::default()).await;
    let driver = drive(&socket);
    socket.close(4403, "kicked");
    socket.close(1000, "not heard");
    socket.send(&Frame::text("not sent"));
    let mut head = [0; 10];
    timeout(SOON, peer.read_exact(&mut head)).await.unwrap().unwrap();
    assert_eq!(head[2..], *b"\x11\x33kicked");
    // Data before its close frame is discarded; after it the write side ends.
    let data = [0x81, 0x81, 0, 0, 0, 0, b'x'];
    let close = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8];
    peer.write_all(&[&data[..], &close].concat()).await.unwrap();
    assert!(read_all(&mut peer).await.is_empty());
    assert!(!driver.is_finished(), "it waits for the end of the peer");
    drop(peer);
    timeout(SOON, driver).await.unwrap().unwrap();
    assert_eq!(socket.ending(), Some(Ending::ByUs { code: 4403 }));
}

#[actix_web::test]
async fn a_dropped_driver_gives_the_file_back() {
    let (mut peer, socket) = pair(&SocketConfig::default()).await;
    let driver = drive(&socket);
    tokio::task::yield_now().await;
    driver.abort();
    assert!(read_all(&mut peer).await.is_empty());
    assert_eq!(socket.ending(), Some(Ending::Lost));
    socket.send(&Frame::text("to nobody"));
    socket.pong(b"");
    assert_eq!(socket.queued_bytes(), 0);
}

#[test]
fn an_idle_socket_is_small() {
    assert!(size_of::<Socket>() <= 400, "{} bytes", size_of::<Socket>());
}
