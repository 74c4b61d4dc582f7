//! The network of the tests: what passes, what is held back, what is cut.

use std::{io::ErrorKind, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};

use crate::support::{PATIENCE, process::free_port, proxy::Proxy};

/// Long enough that what is not held back would have come.
const A_WHILE: Duration = Duration::from_millis(100);

/// Repeats what it is told, to everybody.
async fn echo() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = socket.split();
                // Ends with its peer.
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

async fn heard(socket: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    timeout(PATIENCE, socket.read_exact(&mut bytes)).await.expect("in time").unwrap();
    bytes
}

async fn hears_nothing(socket: &mut TcpStream) {
    assert!(timeout(A_WHILE, socket.read_u8()).await.is_err(), "something came");
}

#[tokio::test]
async fn everything_passes_in_order_to_its_end() {
    let proxy = Proxy::start(echo().await).await;
    let mut socket = TcpStream::connect(proxy.address()).await.unwrap();
    let said: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect();
    let (mut from, mut to) = socket.split();
    let mut echoed = Vec::new();
    let say = async {
        to.write_all(&said).await.unwrap();
        to.shutdown().await.unwrap();
    };
    timeout(PATIENCE, async { tokio::join!(say, async { from.read_to_end(&mut echoed).await.unwrap() }) })
        .await
        .unwrap();
    assert!(echoed == said);
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn a_stall_holds_back_and_loses_nothing() {
    let proxy = Proxy::start(echo().await).await;
    let mut old = TcpStream::connect(proxy.address()).await.unwrap();
    old.write_all(b"one").await.unwrap();
    assert_eq!(heard(&mut old, 3).await, b"one");
    proxy.stall();
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    for socket in [&mut old, &mut new] {
        socket.write_all(b"two").await.unwrap();
        hears_nothing(socket).await;
    }
    proxy.resume();
    for socket in [&mut old, &mut new] {
        assert_eq!(heard(socket, 3).await, b"two");
    }
}

#[tokio::test]
async fn a_reset_ends_what_is_there_and_not_what_comes() {
    let proxy = Proxy::start(echo().await).await;
    let mut served = TcpStream::connect(proxy.address()).await.unwrap();
    served.write_all(b"one").await.unwrap();
    assert_eq!(heard(&mut served, 3).await, b"one");
    proxy.stall();
    let mut stalled = TcpStream::connect(proxy.address()).await.unwrap();
    hears_nothing(&mut stalled).await;
    proxy.reset();
    for socket in [&mut served, &mut stalled] {
        let end = timeout(PATIENCE, socket.read_u8()).await.expect("in time").unwrap_err();
        assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    }
    proxy.resume();
    let mut next = TcpStream::connect(proxy.address()).await.unwrap();
    next.write_all(b"two").await.unwrap();
    assert_eq!(heard(&mut next, 3).await, b"two");
}

#[tokio::test]
async fn a_blackhole_takes_new_connections_only() {
    let proxy = Proxy::start(echo().await).await;
    let mut old = TcpStream::connect(proxy.address()).await.unwrap();
    old.write_all(b"one").await.unwrap();
    assert_eq!(heard(&mut old, 3).await, b"one");
    proxy.blackhole(true);
    let mut swallowed = TcpStream::connect(proxy.address()).await.unwrap();
    swallowed.write_all(b"two").await.unwrap();
    hears_nothing(&mut swallowed).await;
    old.write_all(b"three").await.unwrap();
    assert_eq!(heard(&mut old, 5).await, b"three");
    proxy.blackhole(false);
    hears_nothing(&mut swallowed).await;
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    new.write_all(b"four").await.unwrap();
    assert_eq!(heard(&mut new, 4).await, b"four");
}

#[tokio::test]
async fn a_delay_counts_each_way() {
    let proxy = Proxy::start(echo().await).await;
    proxy.delay(A_WHILE);
    let mut socket = TcpStream::connect(proxy.address()).await.unwrap();
    let start = Instant::now();
    socket.write_all(b"one").await.unwrap();
    assert_eq!(heard(&mut socket, 3).await, b"one");
    assert!(start.elapsed() >= 2 * A_WHILE);
}

#[tokio::test]
async fn a_target_that_is_down_refuses() {
    let proxy = Proxy::start(([127, 0, 0, 1], free_port()).into()).await;
    let mut socket = TcpStream::connect(proxy.address()).await.unwrap();
    let end = timeout(PATIENCE, socket.read_u8()).await.expect("in time").unwrap_err();
    assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    drop(proxy);
    assert!(timeout(PATIENCE, socket.read_u8()).await.is_ok(), "it ended");
}
