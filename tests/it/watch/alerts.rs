//! The alerts fire when they should, alone, and the configuration of Prometheus is sound.

use std::{collections::BTreeSet, fs};

use super::promtool::{must, shipped};

#[test]
fn every_alert_fires_when_it_should_and_only_then() {
    let said = must(&shipped("prometheus"), &["test", "rules", "alerts.test.yml"], "");
    assert!(said.contains("SUCCESS"), "{said}");
    let after = |file: &str, mark: &str| -> BTreeSet<String> {
        let text = fs::read_to_string(shipped(file)).unwrap();
        let word = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric()).collect();
        text.match_indices(mark).map(|(at, _)| word(&text[at + mark.len()..])).collect()
    };
    let alerts = after("prometheus/alerts.yml", "- alert: ");
    assert!(alerts.len() > 20);
    assert_eq!(alerts, after("prometheus/alerts.test.yml", "alertname=\""), "each has its test");
    let operations = fs::read_to_string(shipped("../docs/operations.md")).unwrap();
    for alert in alerts {
        assert!(operations.contains(&format!("`{alert}`")), "docs/operations.md does not say what to do about {alert}");
    }
}

#[test]
fn promtool_takes_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("metrics_api_key");
    fs::write(&key, "k").unwrap();
    // It looks whether the files that are named exist.
    let config = fs::read_to_string(shipped("prometheus/prometheus.yml")).unwrap();
    let named = "/run/secrets/metrics_api_key";
    assert_eq!(config.matches(named).count(), 1);
    fs::write(folder.path().join("prometheus.yml"), config.replace(named, key.to_str().unwrap())).unwrap();
    fs::copy(shipped("prometheus/alerts.yml"), folder.path().join("alerts.yml")).unwrap();
    let said = must(folder.path(), &["check", "config", "prometheus.yml"], "");
    assert!(said.contains("rules found") && !said.contains("FAILED"), "{said}");
}
