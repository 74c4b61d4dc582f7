//! `/metrics`, in both forms.

use std::collections::BTreeSet;

use reqwest::Method;

use super::health::rfc3339;
use crate::support::*;

const KEY: &str = "a metrics key of 32 characters or more";

/// The key of each field with the kind of its value, in order.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::String(_) => "text".into(),
        Value::Number(_) => "number".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Null => Value::Null,
    }
}

#[tokio::test]
async fn the_json_has_exactly_its_shape() {
    let server = Server::setup().env("METRICS_API_KEY", KEY).env("INSTANCE_ID", "api-1").start();
    let mut client = server.guest("Ana").await;
    client.send_acked("global", "hi").await;
    client.expect_type("message").await;
    let json = server.get_as("/metrics", KEY).await.json;
    let wanted = json!({
        "timestamp": "2026-01-10T12:00:00.000Z", "instanceId": "api-1", "distributedMode": true,
        "pubsub": {"messagesPublished": 0, "messagesReceived": 0, "publishFailures": 0, "averageLatencyMs": 0.0,
                   "maxLatencyMs": 0, "isDegraded": false, "uptime": 0},
        "chat": {"connectedClients": 0},
        "cluster": {"activeInstances": 3, "instances": [
            {"instanceId": "api-1", "startedAt": 1_704_888_000_000_u64, "lastHeartbeat": 1_704_891_600_000_u64,
             "connectedClients": 123, "sessionsFree": 0, "newcomersPerSecond": 0}]}
    });
    assert_eq!(shape(&json), shape(&wanted));
    rfc3339(&json["timestamp"]);
    assert_eq!((&json["instanceId"], &json["distributedMode"]), (&json!("api-1"), &json!(false)));
    let pubsub = &json["pubsub"];
    assert_eq!((&pubsub["messagesPublished"], &pubsub["messagesReceived"]), (&json!(1), &json!(1)));
    assert_eq!((&pubsub["publishFailures"], &pubsub["isDegraded"]), (&json!(0), &json!(false)));
    assert!(pubsub["averageLatencyMs"].as_f64().is_some_and(|ms| ms > 0.0));
    assert_eq!(json["chat"]["connectedClients"], 1);
    assert_eq!(json["cluster"]["activeInstances"], 1);
    assert_eq!(json["cluster"]["instances"][0]["connectedClients"], 1);
}

#[tokio::test]
async fn the_text_is_given_when_asked_for() {
    let server = Server::setup().env("METRICS_API_KEY", KEY).start();
    let _client = server.guest("Ana").await;
    let accept = |path: &str, accept: &'static str| {
        web::send(server.request(Method::GET, path).bearer_auth(KEY).header("accept", accept))
    };
    for (path, wanted) in [
        ("/metrics", "text/plain"),
        ("/metrics", "application/openmetrics-text; version=1.0.0"),
        ("/metrics/prometheus", "*/*"),
        ("/metrics/prometheus", "application/json"),
    ] {
        let page = accept(path, wanted).await;
        assert!(page.text.contains("# TYPE hubbub_connections_open gauge"), "{path} {wanted}: {}", page.text);
        assert!(page.text.contains("\nhubbub_connections_open 1\n"));
    }
    for wanted in ["application/json", "*/*"] {
        assert!(accept("/metrics", wanted).await.json.is_object(), "{wanted}");
    }
}

#[tokio::test]
async fn every_metric_has_a_help_and_a_type_once() {
    let server = Server::setup().env("METRICS_API_KEY", KEY).start();
    let mut client = server.guest("Ana").await;
    client.refused(json!({"type": "dance"})).await;
    let page = server.get_as("/metrics/prometheus", KEY).await.text;
    let named = |kind: &str| -> Vec<String> {
        let lines =
            page.lines().filter_map(|line| line.strip_prefix(kind)?.split_once(' ').map(|(name, _)| name.to_owned()));
        lines.collect()
    };
    let (helps, types) = (named("# HELP "), named("# TYPE "));
    assert_eq!(helps.len(), helps.iter().collect::<BTreeSet<_>>().len());
    assert_eq!(helps, types);
    assert_eq!(server.metric(KEY, "hubbub_refusals_total{code=\"unknown_type\"}").await, 1.0);
    for name in ["process_resident_memory_bytes", "process_cpu_seconds_total", "hubbub_build_info"] {
        assert!(page.contains(name), "{name}");
    }
}

#[tokio::test]
async fn what_happens_is_counted() {
    let server = Server::setup().env("METRICS_API_KEY", KEY).start();
    let mut ana = server.guest("Ana").await;
    let bob = server.guest("Bob").await;
    ana.send_acked("global", "hi").await;
    ana.expect_type("message").await;
    let series = |series: &'static str| server.metric(KEY, series);
    assert_eq!(series("hubbub_connections_total").await, 2.0);
    assert_eq!(series("hubbub_commands_total{type=\"message\"}").await, 1.0);
    assert_eq!(series("hubbub_messages_published_total").await, 1.0);
    assert_eq!(series("hubbub_rooms_live").await, 1.0);
    bob.close().await;
    until("the count to fall", async || (series("hubbub_connections_open").await == 1.0).then_some(())).await;
    server.dial().bearer("bad").open().await.err().unwrap();
    assert_eq!(series("hubbub_connects_refused_total{reason=\"unauthorized\"}").await, 1.0);
}
