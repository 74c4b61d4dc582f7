//! What hurts a server that trusts: sizes announced, floods, and readers that do not read.
//!
//! The server runs in a process of its own, so that its memory can be watched.
#![cfg(target_os = "linux")]

use super::{
    client::{BINARY, Client, FIRST_TEXT, LAST, MORE, PING, TEXT, frame, header, said, said_close},
    echo,
};
use hubbub::transport::socket::SocketConfig;
use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Set for the child only: without it `server_process` is no test at all.
const MARK: &str = "HUBBUB_TEST_ECHO_CHILD";

/// What the server may grow by under any abuse, in KiB; the abuse sends many times as much.
const GROWTH_KIB: u64 = 12 * 1024;

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "conformance::abuse::server_process"])
            .args(["--ignored", "--nocapture"])
            .env(MARK, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address =
            lines.map(Result::unwrap).find_map(|line| line.split_once("listening on ")?.1.parse().ok()).unwrap();
        let server = Self { child, address };
        // The first connection warms up what is made once.
        server.assert_serves();
        server
    }

    fn resident_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Another client on the same, only worker is answered at once.
    fn assert_serves(&self) {
        let start = Instant::now();
        let mut client = Client::connect(self.address);
        client.send(&frame(TEXT, b"still there?"));
        assert_eq!(client.next(), Some(said(TEXT, b"still there?")));
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }

    #[track_caller]
    fn assert_grew_little_since(&self, before: u64) {
        let now = self.resident_kib();
        assert!(now < before + GROWTH_KIB, "from {before} to {now} KiB");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "the server side of the tests below, which start it"]
fn server_process() {
    if std::env::var_os(MARK).is_none() {
        return;
    }
    let limits = SocketConfig {
        frame_limit: 1 << 20,
        binary: true,
        close_timeout: Duration::from_secs(1),
        ..SocketConfig::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("listening on {}", listener.local_addr().unwrap());
    actix_rt::System::new().block_on(async { echo::serve(listener, 1, limits).unwrap().await }).unwrap();
}

#[test]
fn a_gibibyte_announced_is_refused_at_its_header() {
    let server = Server::start();
    let before = server.resident_kib();
    let mut client = Client::connect(server.address);
    client.send(&header(BINARY, 1 << 30));
    // It streams on without listening, 64 MiB or until the server has had enough.
    let piece = vec![0; 64 * 1024];
    let sent = (0..1024).take_while(|_| client.stream.write_all(&piece).is_ok());
    assert!(sent.count() > 0);
    server.assert_grew_little_since(before);
    let mut client = Client::connect(server.address);
    client.send(&header(BINARY, 1 << 30));
    assert_eq!(client.transcript(), [said_close(1009)]);
    server.assert_serves();
}

#[test]
fn a_hundred_thousand_fragments_are_joined_in_little_memory() {
    let server = Server::start();
    let before = server.resident_kib();
    let mut client = Client::connect(server.address);
    let mut bytes = frame(FIRST_TEXT, b"x");
    let middle = frame(MORE, b"x");
    (0..99_998).for_each(|_| bytes.extend_from_slice(&middle));
    bytes.extend(frame(LAST, b"x"));
    client.send(&bytes);
    server.assert_serves();
    let answer = client.next().unwrap();
    assert_eq!((answer.first, answer.payload.len()), (TEXT, 100_000));
    server.assert_grew_little_since(before);
}

#[test]
fn a_flood_of_pings_that_reads_nothing_costs_little() {
    let server = Server::start();
    let before = server.resident_kib();
    let mut client = Client::connect(server.address);
    let flood = frame(PING, &[b'p'; 125]).repeat(1000);
    // 39 MB: far more than the kernel's buffers of both sides hold of pongs.
    for round in 0..300 {
        client.send(&flood);
        if round % 100 == 99 {
            server.assert_serves();
            server.assert_grew_little_since(before);
        }
    }
}

#[test]
fn a_flood_of_tiny_frames_leaves_others_served() {
    let server = Server::start();
    let before = server.resident_kib();
    let mut client = Client::connect(server.address);
    let flood = frame(0x8A, b"").repeat(10_000);
    for _ in 0..50 {
        client.send(&flood);
    }
    server.assert_serves();
    server.assert_grew_little_since(before);
}

#[test]
fn a_reader_that_never_reads_is_ended_within_the_bound() {
    let server = Server::start();
    let before = server.resident_kib();
    let mut client = Client::connect(server.address);
    let message = frame(BINARY, &vec![0; 64 * 1024]);
    let start = Instant::now();
    // The echo of what it sends fills both kernels' buffers, then the queue; after 4413 its input is discarded.
    while client.stream.write_all(&message).is_ok() {
        assert!(start.elapsed() < Duration::from_secs(15), "it is still connected");
    }
    server.assert_serves();
    server.assert_grew_little_since(before);
}
