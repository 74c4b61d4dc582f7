//! The delivery checker: it comes through every fault with a server that keeps its promises, and finds one that does not.

use std::time::Duration;

use crate::support::{
    checker::{Checker, Plan},
    ledger::Kind,
    proxy::Proxy,
    server::Setup,
    *,
};

/// A server without the limits that would stop a driver.
fn server() -> Setup {
    Server::setup().without_limits().env("HUBBUB__PRESENCE__GRACE_MS", 300)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_keeps_its_promises_through_cuts_stalls_and_kills() {
    let mut server = server().start();
    let proxy = Proxy::start(server.address).await;
    let checker = Checker::start(vec![server.address, proxy.address()], Plan::new(8, 2)).await;
    checker.acks(200).await;

    // Half of them are behind the proxy at first; later everybody is anywhere.
    let before = checker.counts().reconnects;
    proxy.stall();
    checker.until("those behind the proxy to give up on it", |counts| counts.reconnects > before).await;
    checker.acks(100).await;
    proxy.resume();
    checker.acks(100).await;
    proxy.reset();
    checker.acks(100).await;

    checker.dismiss(6);
    server.kill9();
    server.restart();
    checker.acks(100).await;

    let counts = checker.keeps_its_promises().await;
    assert!(counts.acked >= 600 && counts.reconnects >= 7, "{counts:?}");
    assert_eq!((counts.provisional, counts.gaps), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_that_know_nothing_of_each_other_break_them() {
    let servers = [server().start(), server().start()];
    let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
    // Nothing will come that is not there soon.
    let plan = Plan { patience: Duration::from_secs(5), ..Plan::new(4, 1) };
    let checker = Checker::start_at_once(addresses, plan);
    checker.acks(20).await;
    let verdict = checker.verdict().await;
    let kinds: Vec<_> = verdict.kinds().into_iter().map(|(kind, _)| kind).collect();
    assert!(kinds.contains(&Kind::Lost) && kinds.contains(&Kind::Presence), "{verdict}");
}
