//! Tables for people: columns as wide as what is in them.

use std::fmt::{self, Display};

/// What stands for a value that there is not.
pub(super) const NONE: &str = "-";

/// A table with a heading. The first column is text, the others stand to the right where they are numbers.
#[derive(Clone, Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(|word| word.to_uppercase()).collect()] }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let cell =
            |row: usize, column: usize| self.rows.get(row).and_then(|row| row.get(column)).map_or("", |cell| cell);
        let width =
            |column| (0..self.rows.len()).map(|row| cell(row, column).chars().count()).max().unwrap_or_default();
        let is_number =
            |column| (1..self.rows.len()).any(|row| cell(row, column).starts_with(|c: char| c.is_ascii_digit()));
        let columns: Vec<_> = (0..columns).map(|column| (column, width(column), is_number(column))).collect();
        for row in 0..self.rows.len() {
            let mut line = String::new();
            for (column, width, is_number) in &columns {
                let cell = cell(row, *column);
                line += &if *is_number { format!("{cell:>width$}  ") } else { format!("{cell:<width$}  ") };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A value, or [`NONE`].
pub(super) fn or_none<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| NONE.to_owned(), show)
}

/// Bytes, in the largest unit that leaves a whole number.
pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes / 1_024),
        1_048_576..10_737_418_240 => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}

/// Seconds, in the two largest units.
pub(super) fn time(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let mut table = Table::new(&["name", "pid", "state"]);
        table.row(vec!["hubbub-1".into(), "7".into(), "healthy".into()]);
        table.row(vec!["x".into(), "1234".into(), NONE.into()]);
        assert_eq!(table.to_string(), "NAME       PID  STATE\nhubbub-1     7  healthy\nx         1234  -\n");
    }

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!([bytes(2_047), bytes(3 << 20), bytes(20 << 30)], ["1 KiB", "3.0 MiB", "20.0 GiB"]);
        assert_eq!([time(59), time(61), time(7_200), time(90_000)], ["59 s", "1 min 1 s", "2 h 0 min", "1 d 1 h"]);
    }
}
