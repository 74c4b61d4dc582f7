//! A client that does not read hurts only itself.

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_is_closed_and_nobody_else_is_touched() {
    let server = Server::with_jwt().without_limits().env("HUBBUB__LIMITS__QUEUE_BYTES", 65_536).start();
    let admin = token::admin();
    let mut slow = server.dial().receive_buffer(4_096).enter().await;
    let mut fast = server.guest("Fast").await;
    let mut writer = server.guest("Writer").await;
    let epoch = slow.received.iter().find(|event| event["type"] == "joined").unwrap()["epoch"].clone();

    let text = "x".repeat(4_000);
    let mut sent = 0;
    let closed = "hubbub_closes_total{code=\"4413\"}";
    while server.metric(&admin, closed).await == 0.0 {
        assert!(sent < 5_000, "it is never closed");
        for _ in 0..25 {
            writer.send_acked("global", &text).await;
            sent += 1;
            fast.expect(|event| event["type"] == "message" && event["seq"] == sent).await;
        }
    }
    assert_eq!(server.metric(&admin, "hubbub_slow_readers_total").await, 1.0);
    let code = slow.closed().await;
    assert!([4413, 1006].contains(&code), "the close frame may not have fitted: {code}");

    let known = slow.received.iter().filter_map(|event| event["seq"].as_u64()).max().unwrap();
    let mut back = slow.again().rooms("").enter().await;
    let mut at = known;
    loop {
        let joined = back.join_since("global", &epoch, at).await;
        assert_eq!(joined["recovered"], true);
        assert_eq!(
            joined["entries"].as_array().unwrap().first().map(|entry| entry["seq"].clone()),
            (at < sent).then(|| json!(at + 1))
        );
        at = joined["seq"].as_u64().unwrap();
        if joined["more"] == false {
            break;
        }
    }
    assert_eq!(at, sent);
    fast.settle().await;
}
