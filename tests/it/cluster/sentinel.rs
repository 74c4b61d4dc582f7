//! A Redis that Sentinels watch: another primary is followed at once.

use crate::support::{
    cluster::{Cluster, instance},
    sentinel::Sentinels,
    until,
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
    // Whoever takes it now: the old primary may for a while, and loses it when it becomes a replica.
    ana.send_acked("global", "after").await;
    for client in [&mut ana, &mut ben] {
        client.expect(|event| event["text"] == "after" && event["seq"].is_u64()).await;
    }
    // It ends up where the Sentinels say.
    until("all to be in the new primary", async || {
        let logged = cluster.redis.primary().command(&["HLEN", "chat:log:global"]).int();
        (logged == 2).then_some(())
    })
    .await;
    cluster.wait_until_degraded(&[1, 2], false).await;
    ben.send_acked("global", "last").await;
    ana.expect(|event| event["text"] == "last" && event["seq"].is_u64()).await;
    for number in [1, 2] {
        let log = cluster.server(number).log();
        assert!(log.contains("the Sentinels named another primary"), "{log}");
    }
}
