//! Alerts and dashboard name only what servers show.

use std::{collections::BTreeSet, fs};

use super::promtool::{must, shipped};
use crate::support::{
    Server, Value,
    cluster::{Cluster, METRICS_KEY},
    json,
};

/// What Prometheus adds by itself.
const OF_PROMETHEUS: [&str; 2] = ["up", "ALERTS"];

/// Words of a query that are no names of metrics.
const STARTS: [&str; 2] = ["hubbub_", "process_"];

/// The names of metrics in a query, and whatever else could be one.
fn named(query: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let (mut word, mut quoted) = (String::new(), false);
    for c in query.chars().chain([' ']) {
        quoted ^= c == '"';
        if !quoted && (c.is_ascii_alphanumeric() || c == '_' || c == ':') {
            word.push(c);
            continue;
        }
        let found = std::mem::take(&mut word);
        // A selector makes anything before it a metric, whatever it is called.
        if STARTS.iter().any(|start| found.starts_with(start)) || (c == '{' && !found.is_empty()) {
            names.insert(found);
        }
    }
    names
}

/// Every text under a key `key`.
fn under<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == key => found.push(text),
                    value => under(value, key, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| under(item, key, found)),
        _ => {}
    }
}

fn queries() -> Vec<String> {
    let dashboard = fs::read_to_string(shipped("grafana/dashboards/hubbub.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let rules = fs::read_to_string(shipped("prometheus/alerts.yml")).unwrap();
    let rules: Value = serde_yaml_ng::from_str(&rules).unwrap();
    let mut found = Vec::new();
    under(&dashboard, "expr", &mut found);
    under(&dashboard, "query", &mut found);
    let of_dashboard = found.len();
    under(&rules, "expr", &mut found);
    assert!(of_dashboard > 50 && found.len() > of_dashboard + 20);
    found.into_iter().map(str::to_owned).collect()
}

/// The names of the samples of a server.
async fn shown(server: &Server) -> BTreeSet<String> {
    // The second one counts the first.
    server.get_as("/metrics/prometheus", METRICS_KEY).await;
    let page = server.get_as("/metrics/prometheus", METRICS_KEY).await.text;
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.split(['{', ' ']).next().unwrap().to_owned()).collect()
}

#[test]
fn the_names_in_a_query_are_found() {
    let query = r#"sum by (le) (rate(hubbub_a_bucket{job="hubbub_x"}[5m])) / on (instance) up{a="b"} > process_c"#;
    let expected = ["hubbub_a_bucket", "process_c", "up"].map(str::to_owned);
    assert_eq!(named(query), expected.into());
}

#[tokio::test]
async fn alerts_and_dashboard_name_only_what_is_shown() {
    let mut cluster = Cluster::start(1).await;
    let mut client = cluster.server(1).guest("Ana").await;
    client.send_acked("global", "hi").await;
    let shown = shown(cluster.server(1)).await;
    let mut asked = BTreeSet::new();
    for query in queries() {
        let names = named(&query);
        let unknown: Vec<_> =
            names.iter().filter(|name| !shown.contains(*name) && !OF_PROMETHEUS.contains(&name.as_str())).collect();
        assert!(unknown.is_empty(), "no server shows {unknown:?}, of: {query}");
        asked.extend(names);
    }
    // Nothing that is counted goes unseen: each is in an alert or on the dashboard.
    let family = |name: &str| {
        let ends = ["_bucket", "_sum", "_count"];
        ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned()
    };
    let asked: BTreeSet<_> = asked.iter().map(|name| family(name)).collect();
    let unseen: Vec<_> = shown.iter().map(|name| family(name)).filter(|name| !asked.contains(name)).collect();
    assert_eq!(unseen, Vec::<String>::new(), "shown, and used by nothing");
}

#[test]
fn promtool_can_read_every_query_of_the_dashboard() {
    let dashboard = fs::read_to_string(shipped("grafana/dashboards/hubbub.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let mut queries = Vec::new();
    under(&dashboard, "expr", &mut queries);
    // As Grafana fills them in; a rule is what promtool checks without a server.
    let filled = queries.iter().map(|query| query.replace("$__rate_interval", "1m").replace("$instance", ".*"));
    let rules = filled.enumerate().map(|(at, expr)| json!({ "record": format!("panel:{at}"), "expr": expr }));
    let file = json!({ "groups": [{ "name": "dashboard", "rules": rules.collect::<Vec<_>>() }] });
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.yml"), file.to_string()).unwrap();
    let said = must(folder.path(), &["check", "rules", "rules.yml"], "");
    assert!(said.contains(&format!("{} rules found", queries.len())), "{said}");
}

#[test]
fn the_dashboard_is_one_that_grafana_can_show() {
    let text = fs::read_to_string(shipped("grafana/dashboards/hubbub.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let yaml = |path: &str| -> Value { serde_yaml_ng::from_str(&fs::read_to_string(shipped(path)).unwrap()).unwrap() };
    let source = yaml("grafana/provisioning/datasources/prometheus.yml")["datasources"][0]["uid"].clone();
    let provider = yaml("grafana/provisioning/dashboards/hubbub.yml")["providers"][0].clone();
    assert_eq!(
        (&provider["type"], &provider["options"]["path"]),
        (&"file".into(), &"/var/lib/grafana/dashboards".into())
    );
    let panels = dashboard["panels"].as_array().unwrap();
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels of one id");
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{}", panel["title"]);
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{} lies over another panel", panel["title"]);
            }
        }
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], source, "{}", panel["title"]);
            assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{}", panel["title"]);
        }
    }
    assert!(ids.len() > 40);
}
