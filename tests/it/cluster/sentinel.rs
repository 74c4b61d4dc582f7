//! A Redis that Sentinels watch: another primary is followed at once.

use std::time::Instant;

use crate::support::{
    cluster::{Cluster, instance},
    sentinel::Sentinels,
};

#[tokio::test]
async fn another_primary_is_followed_and_nothing_acked_is_lost() {
    let setup = |sentinels: &Sentinels, number| {
        // Longer than the test, so that only what Sentinels say moves the instances over in time.
        instance(number, &sentinels.url()).env("HEARTBEAT_INTERVAL_MS", 25_000).env("HUBBUB__REDIS__PROBE_MS", 20_000)
    };
    let mut cluster = Cluster::around(Sentinels::start(3), 2, setup).await;
    let mut ana = cluster.server(1).guest("Ana").await;
    let mut ben = cluster.server(2).guest("Ben").await;
    ana.send_acked("global", "before").await;
    ben.expect(|event| event["text"] == "before").await;
    cluster.redis.wait_for_replica();
    cluster.redis.fail_over();
    let since = Instant::now();
    ana.send_acked("global", "after").await;
    for client in [&mut ana, &mut ben] {
        client.expect(|event| event["text"] == "after" && event["seq"].is_u64()).await;
    }
    eprintln!("after {:?}", since.elapsed());
    // It is where the Sentinels say, not in the one that was.
    let logged = cluster.redis.primary().command(&["HLEN", "chat:log:global"]).int();
    assert_eq!(logged, 2);
}
