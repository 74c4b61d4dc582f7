//! A network between two, that can be stalled, slowed and cut: a TCP proxy in front of any address.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep_until},
};

/// Most bytes read at once, and most such reads that wait, for each direction of each connection: 1 MiB. The system's
/// own buffers come on top.
const CHUNK: usize = 16 * 1024;
const MOST_CHUNKS: usize = 64;

/// What the network does at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Weather {
    /// Nothing passes; connections stay open.
    stalled: bool,
    /// New connections are taken, and nothing is ever heard on them.
    blackhole: bool,
    /// How long everything takes, each way.
    delay: Duration,
    /// Rises with each reset; connections of an earlier one end.
    resets: u64,
}

/// A running proxy. Its connections end when it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    accepted: Arc<AtomicUsize>,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// Starts one in front of `target`.
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (weather, seen) = watch::channel(Weather::default());
        let accepted = Arc::new(AtomicUsize::new(0));
        let listening = tokio::spawn(listen(listener, target, seen, accepted.clone()));
        Self { address, weather, accepted, listening }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections came, ever.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Lets nothing pass, new connections included; nobody is told.
    pub(crate) fn stall(&self) {
        self.weather.send_modify(|weather| weather.stalled = true);
    }

    /// Lets what was held back pass.
    pub(crate) fn resume(&self) {
        self.weather.send_modify(|weather| weather.stalled = false);
    }

    /// Ends all connections without a goodbye (RST), on the near side for certain. New ones are served.
    pub(crate) fn reset(&self) {
        self.weather.send_modify(|weather| weather.resets += 1);
    }

    /// Takes new connections from now on without ever serving them, or no longer. Those swallowed stay so until they
    /// are closed; those that are served go on.
    pub(crate) fn blackhole(&self, on: bool) {
        self.weather.send_modify(|weather| weather.blackhole = on);
    }

    /// Makes everything take so much longer, each way.
    pub(crate) fn delay(&self, delay: Duration) {
        self.weather.send_modify(|weather| weather.delay = delay);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(
    listener: TcpListener,
    target: SocketAddr,
    weather: watch::Receiver<Weather>,
    accepted: Arc<AtomicUsize>,
) {
    // Ends with the proxy, which drops the other end of `weather`.
    while let Ok((near, _)) = listener.accept().await {
        accepted.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(serve(near, target, weather.clone()));
    }
}

/// Serves one connection to its end.
async fn serve(mut near: TcpStream, target: SocketAddr, mut weather: watch::Receiver<Weather>) {
    let born = *weather.borrow();
    let mut watched = weather.clone();
    // An error is the end of the proxy.
    let cut = async { drop(watched.wait_for(|weather| weather.resets != born.resets).await) };
    let _ = near.set_nodelay(true);
    let served = async {
        if born.blackhole {
            std::future::pending::<()>().await;
        }
        weather.wait_for(|weather| !weather.stalled).await.map_err(io::Error::other)?;
        let mut far = TcpStream::connect(target).await?;
        let _ = far.set_nodelay(true);
        let passed = {
            let ((near_read, near_write), (far_read, far_write)) = (near.split(), far.split());
            let out = copy(near_read, far_write, weather.clone());
            let back = copy(far_read, near_write, weather.clone());
            // An error on one side ends both; an orderly end is passed on, and the other direction may go on.
            tokio::try_join!(out, back)
        };
        if passed.is_err() {
            // What ends in disorder on one side does on the other.
            let _ = far.set_zero_linger();
        }
        passed
    };
    let orderly = tokio::select! {
        () = cut => false,
        passed = served => passed.is_ok(),
    };
    if !orderly {
        let _ = near.set_zero_linger();
    }
}

/// Passes one direction on, to its end. What is on the way, and how long it has still to go, waits in a bounded queue.
async fn copy(
    mut from: tcp::ReadHalf<'_>,
    mut to: tcp::WriteHalf<'_>,
    weather: watch::Receiver<Weather>,
) -> io::Result<()> {
    let (on_the_way, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(MOST_CHUNKS);
    let mut held = weather.clone();
    let take = async move {
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            if from.read_buf(&mut chunk).await? == 0 {
                return Ok(());
            }
            let due = Instant::now() + weather.borrow().delay;
            // The other half has ended with an error of its own.
            on_the_way.send((due, chunk)).await.map_err(io::Error::other)?;
        }
    };
    let give = async move {
        while let Some((due, chunk)) = arriving.recv().await {
            sleep_until(due).await;
            held.wait_for(|weather| !weather.stalled).await.map_err(io::Error::other)?;
            to.write_all(&chunk).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(take, give).map(drop)
}
