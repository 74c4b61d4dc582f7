//! The text forms: OpenMetrics 1.0, and the older Prometheus text form 0.0.4 for readers that ask for `text/plain`.

use std::borrow::Cow;

use prometheus_client::encoding::text;

use super::Metrics;

/// Media type of [`open_metrics`].
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Media type of [`prometheus`].
pub const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics as OpenMetrics text.
///
/// # Errors
/// When a metric cannot be written as text, which none of ours refuses.
pub fn open_metrics(metrics: &Metrics) -> Result<String, std::fmt::Error> {
    let mut page = String::new();
    text::encode(&mut page, metrics.registry())?;
    Ok(page)
}

/// All metrics as Prometheus text.
///
/// # Errors
/// As [`open_metrics`].
pub fn prometheus(metrics: &Metrics) -> Result<String, std::fmt::Error> {
    open_metrics(metrics).map(|page| classic(&page))
}

/// Turns OpenMetrics into the older form: there a counter is called what its samples are called, `_total` included, and
/// there is no end mark. The HELP line comes before the TYPE line that tells what it is about.
fn classic(page: &str) -> String {
    let mut out = String::with_capacity(page.len());
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let counter = |line: &str| line.starts_with("# TYPE ") && line.ends_with(" counter");
        let about_counter =
            counter(line) || line.starts_with("# HELP ") && lines.peek().is_some_and(|next| counter(next));
        let line = match line {
            "# EOF" => continue,
            // There it would be a comment.
            line if line.starts_with("# UNIT ") => continue,
            line if about_counter => with_total(line),
            line => Cow::Borrowed(line),
        };
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// `# TYPE name rest` with `name_total`.
fn with_total(line: &str) -> Cow<'_, str> {
    match line.match_indices(' ').nth(2) {
        Some((end, _)) => Cow::Owned(format!("{}_total{}", &line[..end], &line[end..])),
        None => Cow::Borrowed(line),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::protocol::error::ErrorCode;

    #[test]
    fn both_forms_show_every_kind_of_metric() {
        let metrics = Metrics::default();
        metrics.connections_open.inc();
        metrics.connections.inc();
        metrics.refused(ErrorCode::Forbidden);
        metrics.command("join");
        metrics.publish_latency_seconds.observe(Duration::from_millis(3));
        let open = open_metrics(&metrics).unwrap();
        for line in [
            "# HELP hubbub_connections_open Connections open now.",
            "# TYPE hubbub_connections counter",
            "hubbub_connections_total 1",
            "hubbub_refusals_total{code=\"forbidden\"} 1",
            "hubbub_commands_total{type=\"join\"} 1",
            "hubbub_publish_latency_seconds_count 1",
            concat!("hubbub_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "# EOF",
        ] {
            assert!(open.lines().any(|found| found == line), "{line} is not in\n{open}");
        }
        let classic = prometheus(&metrics).unwrap();
        for line in [
            "# HELP hubbub_connections_total Connections opened since the start.",
            "# TYPE hubbub_connections_total counter",
            "hubbub_connections_total 1",
            "# TYPE hubbub_connections_open gauge",
        ] {
            assert!(classic.lines().any(|found| found == line), "{line} is not in\n{classic}");
        }
        assert!(!classic.contains("# EOF"));
    }

    #[test]
    fn every_metric_has_a_help_text() {
        let page = open_metrics(&Metrics::default()).unwrap();
        for line in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let name = line.split(' ').next().unwrap();
            assert!(page.contains(&format!("# HELP {name} ")), "{name}");
        }
    }
}
