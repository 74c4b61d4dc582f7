//! What the doctor says.

use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing has to be done.
    Note,
    /// Goes well until it does not.
    Warn,
    /// Does not work, or loses what was promised.
    Fail,
}

impl Level {
    /// All, the worst last.
    const ALL: [Self; 4] = [Self::Ok, Self::Note, Self::Warn, Self::Fail];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, in a word or two.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was seen.
    pub what: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    /// It is as it should be.
    pub fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, what: what.into(), fix: None }
    }

    /// Worth knowing.
    pub fn note(check: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, level: Level::Note, what: what.into(), fix: Some(fix.into()) }
    }

    /// Better put right.
    pub fn warn(check: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, level: Level::Warn, what: what.into(), fix: Some(fix.into()) }
    }

    /// To be put right.
    pub fn fail(check: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, level: Level::Fail, what: what.into(), fix: Some(fix.into()) }
    }
}

/// All that was found, by what it is about, in the order in which it was looked at.
#[derive(Clone, Debug, Default)]
pub struct Report {
    findings: Vec<(&'static str, Finding)>,
}

impl Report {
    /// Adds what was found about an area.
    pub fn extend(&mut self, area: &'static str, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings.into_iter().map(|finding| (area, finding)));
    }

    /// How many findings are of a level.
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|(_, finding)| finding.level == level).count()
    }

    /// The same as JSON: `findings` in order with their `area`, and `counts` by level.
    pub fn to_json(&self) -> serde_json::Value {
        #[derive(Serialize)]
        struct Placed<'a> {
            area: &'a str,
            #[serde(flatten)]
            finding: &'a Finding,
        }
        let findings: Vec<_> = self.findings.iter().map(|(area, finding)| Placed { area, finding }).collect();
        let counts: serde_json::Map<_, _> =
            Level::ALL.into_iter().map(|level| (level.as_str().to_owned(), self.count(level).into())).collect();
        serde_json::json!({ "findings": findings, "counts": counts })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.findings.iter().map(|(_, finding)| finding.check.len()).max().unwrap_or(0);
        let mut last = "";
        for (area, Finding { check, level, what, fix }) in &self.findings {
            if *area != last {
                writeln!(f, "{}{area}", if last.is_empty() { "" } else { "\n" })?;
                last = area;
            }
            writeln!(f, "  {:<4}  {check:<width$}  {what}", level.as_str())?;
            if let Some(fix) = fix {
                writeln!(f, "        {:<width$}  → {fix}", "")?;
            }
        }
        let [ok, note, warn, fail] = Level::ALL.map(|level| self.count(level));
        writeln!(f, "\n{ok} ok, {note} to note, {warn} to warn of, {fail} failed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_shown_in_columns_and_as_json() {
        let mut report = Report::default();
        report.extend("host", [Finding::ok("port", "3001 is free")]);
        report.extend("redis", [Finding::fail("eviction", "allkeys-lru", "set it to noeviction")]);
        let text = "host\n  ok    port      3001 is free\n\nredis\n  fail  eviction  allkeys-lru\n                  → set it to \
                    noeviction\n\n1 ok, 0 to note, 0 to warn of, 1 failed\n";
        assert_eq!(report.to_string(), text);
        let json = serde_json::json!({
            "findings": [
                { "area": "host", "check": "port", "level": "ok", "what": "3001 is free" },
                { "area": "redis", "check": "eviction", "level": "fail", "what": "allkeys-lru", "fix": "set it to noeviction" },
            ],
            "counts": { "ok": 1, "note": 0, "warn": 0, "fail": 1 },
        });
        assert_eq!(report.to_json(), json);
    }
}
