//! RFC 6455 as the Autobahn test suite reads it (its cases 1–7 and 10), and what abusers try beyond it.
//!
//! The tests speak raw bytes to the echo example, so that nothing of a client library stands between.

mod abuse;
mod client;
mod closing;
mod control;
mod fragments;
mod headers;
mod opening;
mod payloads;
mod utf8;

#[path = "../../../examples/echo.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example has a main of its own")]
mod echo;

use std::{
    net::{SocketAddr, TcpListener},
    sync::LazyLock,
};

/// One echo server for all tests of this module, in a thread that ends with the process.
static ECHO: LazyLock<SocketAddr> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(|| {
        actix_rt::System::new().block_on(async {
            echo::serve(listener, 1, echo::wide_limits()).unwrap().await.unwrap();
        });
    });
    address
});
