//! Figures of several runs, put together, set against their budgets, and shown.

use std::fmt::{self, Display};

use serde::Serialize;

/// A figure of one run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    /// What was measured.
    pub(super) name: String,
    /// Its unit, empty for a ratio.
    pub(super) unit: &'static str,
    /// How much it was.
    pub(super) value: f64,
    /// What it should be, if that is decided.
    pub(super) budget: Option<Budget>,
}

impl Figure {
    /// A figure without a budget.
    pub(super) fn new(name: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self { name: name.into(), unit, value, budget: None }
    }

    /// The same with a budget.
    pub(super) fn within(self, budget: Budget) -> Self {
        Self { budget: Some(budget), ..self }
    }
}

/// What a median should be (the numbers are those of docs/performance.md).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Budget {
    /// At least so much.
    AtLeast(f64),
    /// At most so much.
    AtMost(f64),
}

impl Budget {
    /// How much better than the budget a value is: 1 or more is good.
    fn ratio(self, value: f64) -> f64 {
        match self {
            Self::AtLeast(limit) => value / limit,
            Self::AtMost(limit) => limit / value,
        }
    }
}

/// All figures of a benchmark.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// Its name.
    bench: &'static str,
    /// What was asked of the server, in words.
    setup: String,
    /// The version measured.
    version: &'static str,
    /// Whether it was built for speed.
    optimised: bool,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    unit: &'static str,
    median: f64,
    /// In the order of the runs.
    values: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<Budget>,
    /// Median and budget in relation; 1 or more is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
}

impl Report {
    /// Puts the figures of all runs together; every run has the same ones in the same order.
    pub(super) fn new(bench: &'static str, setup: String, runs: Vec<Vec<Figure>>) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        for run in runs {
            for (index, Figure { name, unit, value, budget }) in run.into_iter().enumerate() {
                match rows.get_mut(index) {
                    Some(row) => row.values.push(value),
                    None => rows.push(Row { name, unit, median: 0.0, values: vec![value], budget, ratio: None }),
                }
            }
        }
        for row in &mut rows {
            row.median = median(&row.values);
            row.ratio = row.budget.map(|budget| budget.ratio(row.median));
        }
        let (version, optimised) = (env!("CARGO_PKG_VERSION"), !cfg!(debug_assertions));
        Self { bench, setup, version, optimised, rows }
    }

    /// Whether every budget is kept.
    pub(super) fn passes(&self) -> bool {
        self.rows.iter().filter_map(|row| row.ratio).all(|ratio| ratio >= 1.0)
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.bench, self.setup)?;
        if !self.optimised {
            writeln!(f, "This is a debug build: its figures say nothing. Build with --release.")?;
        }
        let (heading, median, range) = ("", "median", "lowest to highest");
        writeln!(f, "{heading:44} {median:>11}  {range:<25} budget")?;
        for Row { name, unit, median, values, budget, ratio } in &self.rows {
            let name = if unit.is_empty() { name.clone() } else { format!("{name}, {unit}") };
            let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
            let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let range = format!("{} to {}", Short(lowest), Short(highest));
            write!(f, "{name:44} {:>11}  {range:<25}", Short(*median).to_string())?;
            if let (Some(budget), Some(ratio)) = (budget, ratio) {
                let (sign, limit) = match budget {
                    Budget::AtLeast(limit) => (">=", limit),
                    Budget::AtMost(limit) => ("<=", limit),
                };
                let verdict = if *ratio >= 1.0 { "pass" } else { "FAIL" };
                write!(f, " {sign} {}: {ratio:.2} of it, {verdict}", Short(*limit))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// A number with three digits that say something, and thousands set apart.
struct Short(f64);

impl Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0;
        if number < 100.0 {
            return write!(f, "{number:.2}");
        }
        let digits = format!("{number:.0}");
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// The middle value; of an even number of values, the mean of the two in the middle. 0 of none.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle.wrapping_sub(1)), sorted.get(middle)) {
        (Some(below), Some(above)) if sorted.len().is_multiple_of(2) => f64::midpoint(*below, *above),
        (_, Some(value)) => *value,
        (_, None) => 0.0,
    }
}

/// The value that a share of all does not exceed (nearest rank); 0 of none. Sorts.
pub(super) fn percentile(values: &mut [u32], share: f64) -> u32 {
    values.sort_unstable();
    let rank = (values.len() as f64 * share).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_percentiles() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        let mut values: Vec<u32> = (1..=100).rev().collect();
        assert_eq!((percentile(&mut values, 0.5), percentile(&mut values, 0.99)), (50, 99));
        assert_eq!((percentile(&mut [7], 0.99), percentile(&mut [], 0.5)), (7, 0));
    }

    #[test]
    fn a_report_judges_by_the_median() {
        let run = |value| {
            vec![
                Figure::new("speed", "per second", value).within(Budget::AtLeast(1_000.0)),
                Figure::new("memory", "bytes", value).within(Budget::AtMost(2_000.0)),
                Figure::new("ratio", "", 0.5),
            ]
        };
        let good = Report::new("bench", "three runs".into(), vec![run(900.0), run(1_234.0), run(1_999.0)]);
        let text = good.to_string();
        assert!(good.passes(), "{text}");
        assert!(text.contains("1,234  900 to 1,999") && text.contains(">= 1,000: 1.23 of it, pass"), "{text}");
        let slow = Report::new("bench", "one run".into(), vec![run(999.0)]);
        assert!(!slow.passes() && slow.to_string().contains("FAIL"));
        let json = serde_json::to_value(&good).unwrap();
        assert_eq!(json["rows"][0]["budget"]["atLeast"], 1_000.0);
        assert_eq!(json["rows"][1]["values"].as_array().unwrap().len(), 3);
    }
}
