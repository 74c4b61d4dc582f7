//! Life signs: who gives none is closed, who gives any stays.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::*;

const HEARTBEAT_MS: u64 = 400;

/// A ping and a close frame of the server, by their first byte.
const PING: u8 = 0x89;
const CLOSE: u8 = 0x88;

fn server() -> Server {
    Server::setup().env("HEARTBEAT_INTERVAL_MS", HEARTBEAT_MS).start()
}

#[tokio::test]
async fn who_gives_no_life_sign_is_pinged_and_then_closed() {
    let server = server();
    // No library, which would answer by itself.
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let handshake = "GET /chat?room= HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write_all(handshake.as_bytes()).await.unwrap();
    let start = Instant::now();
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, async {
        while !bytes.windows(4).any(|frame| frame[0] == CLOSE && frame[2..] == 4408_u16.to_be_bytes()) {
            assert_ne!(socket.read_buf(&mut bytes).await.unwrap(), 0, "closed without a word");
        }
    })
    .await
    .unwrap();
    let after = start.elapsed();
    assert!(bytes.windows(2).any(|frame| frame == [PING, 0]), "it was pinged first");
    assert!(after >= Duration::from_millis(2 * HEARTBEAT_MS - 50), "{after:?}");
    assert!(after < Duration::from_millis(4 * HEARTBEAT_MS), "{after:?}");
}

#[tokio::test]
async fn who_answers_pings_stays() {
    let server = server();
    let mut quiet = server.guest("Quiet").await;
    let start = Instant::now();
    // Only reads: its library answers the pings.
    while start.elapsed() < Duration::from_millis(5 * HEARTBEAT_MS) {
        let left = Duration::from_millis(5 * HEARTBEAT_MS).saturating_sub(start.elapsed());
        if let Ok(None) = tokio::time::timeout(left, quiet.next()).await {
            panic!("it was closed");
        }
    }
    quiet.settle().await;
    assert_eq!(quiet.welcome["heartbeatMs"], HEARTBEAT_MS);
}
