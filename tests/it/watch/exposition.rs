//! The text of a real server is what Prometheus expects, to the letter.

use std::path::Path;

use super::promtool::{must, promtool};
use crate::support::{
    Client, Server,
    cluster::{Cluster, METRICS_KEY},
    until,
};

/// Somebody who has done what most metrics count.
async fn busy(server: &Server) -> Client {
    let mut client = server.guest("Ana").await;
    client.send_acked("global", "hi").await;
    client.expect_type("message").await;
    client.refused(crate::support::json!({"type": "dance"})).await;
    client
}

#[track_caller]
fn judge(page: &str) {
    // A lint finding is told on standard error, with exit code 3.
    let said = must(Path::new("."), &["check", "metrics"], page);
    assert_eq!(said, "", "promtool check metrics");
}

#[tokio::test]
async fn promtool_finds_nothing_in_the_metrics_of_one_instance() {
    let server = Server::setup().env("METRICS_API_KEY", METRICS_KEY).start();
    let _client = busy(&server).await;
    let page = || async { server.get_as("/metrics/prometheus", METRICS_KEY).await.text };
    // The second one counts the first.
    page().await;
    let page = page().await;
    judge(&page);
    for line in [
        "hubbub_instances_live 1",
        "hubbub_cluster_clients 1",
        "hubbub_distributed 0",
        "hubbub_degraded 0",
        "hubbub_heartbeat_age_seconds 0.0",
        "hubbub_draining_seconds 0.0",
        "hubbub_redis_up 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
    for name in ["hubbub_delivery_seconds_count", "hubbub_publish_latency_seconds_count", "process_open_fds"] {
        assert!(server.metric(METRICS_KEY, name).await > 0.0, "{name}");
    }
}

#[tokio::test]
async fn promtool_finds_nothing_in_the_metrics_of_one_of_many() {
    let mut cluster = Cluster::start(2).await;
    let _one = busy(cluster.server(1)).await;
    let _two = busy(cluster.server(2)).await;
    let first = cluster.server(1).get_as("/metrics/prometheus", METRICS_KEY).await.text;
    judge(&first);
    for name in ["hubbub_distributed", "hubbub_redis_up"] {
        assert_eq!(cluster.metric(1, name).await, 1.0, "{name}");
    }
    for name in ["hubbub_instances_live", "hubbub_cluster_clients"] {
        until(name, async || (cluster.metric(1, name).await == 2.0).then_some(())).await;
    }
    // Redis is asked how full it is.
    for name in ["hubbub_redis_memory_bytes", "hubbub_redis_clients", "hubbub_redis_memory_limit_bytes"] {
        until(name, async || (cluster.metric(1, name).await > 0.0).then_some(())).await;
    }
    assert!(cluster.metric(1, "hubbub_receipt_seconds_count").await > 0.0);

    // Without Redis its age grows past any heartbeat, and it says that it is degraded.
    cluster.redis.kill9();
    cluster.wait_until_degraded(&[1, 2], true).await;
    let age = "hubbub_heartbeat_age_seconds";
    until("the heartbeat to be old", async || (cluster.metric(1, age).await > 2.0).then_some(())).await;
    assert_eq!(cluster.metric(1, "hubbub_degraded").await, 1.0);
    judge(&cluster.server(1).get_as("/metrics/prometheus", METRICS_KEY).await.text);
    cluster.redis.restart();
    cluster.wait_until_degraded(&[1, 2], false).await;
    until("the heartbeat to be fresh", async || (cluster.metric(1, age).await < 2.0).then_some(())).await;
}

#[test]
fn promtool_does_find_what_is_wrong() {
    let output = promtool(Path::new("."), &["check", "metrics"], "# TYPE wrong counter\nwrong 1\n");
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("_total"));
}
