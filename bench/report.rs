//! What is printed: for each row of the budget its tables and its verdicts.
//!
//! Everything is Markdown, lined up so that it can be read as it stands.

use std::fmt::Write as _;

use crate::measure::Measured;

/// A row of the budget, measured.
pub struct Section {
    /// W2.
    pub row: &'static str,
    pub title: String,
    pub tables: Vec<Table>,
    pub verdicts: Vec<Verdict>,
    /// What a reader must know to read the figures.
    pub notes: Vec<String>,
}

pub struct Table {
    heading: String,
    head: Vec<String>,
    lines: Vec<Vec<String>>,
}

/// A line of the budget and how it was met.
pub struct Verdict {
    /// What the figure is: `wall / ninja's`.
    pub what: String,
    /// NaN where it could not be measured.
    pub figure: f64,
    pub bound: f64,
    pub unit: &'static str,
}

impl Verdict {
    pub fn new(what: impl Into<String>, figure: f64, bound: f64, unit: &'static str) -> Verdict {
        Verdict {
            what: what.into(),
            figure,
            bound,
            unit,
        }
    }

    /// The verdict as a sentence.
    pub fn told(&self) -> String {
        let bound = format!("{}{}", rounded(self.bound), self.unit);
        match self.holds() {
            None => format!("{} (at most {bound}) was not measured.", self.what),
            Some(_) => {
                let figure = format!("{}{}", rounded(self.figure), self.unit);
                format!("{} is {figure}, at most {bound}.", self.what)
            }
        }
    }

    pub fn holds(&self) -> Option<bool> {
        (!self.figure.is_nan()).then_some(self.figure <= self.bound)
    }
}

impl Table {
    pub fn new(heading: impl Into<String>, head: &[&str]) -> Table {
        Table {
            heading: heading.into(),
            head: head.iter().map(|word| (*word).to_owned()).collect(),
            lines: Vec::new(),
        }
    }

    pub fn line(&mut self, cells: impl IntoIterator<Item = String>) {
        self.lines.push(cells.into_iter().collect());
    }

    /// What several commands took. The first is what the others are compared with.
    pub fn of(heading: impl Into<String>, all: &[&Measured]) -> Table {
        let mut table = Table::new(
            heading,
            &[
                "command",
                "wall s",
                "min–max",
                "× first",
                "µs/step",
                "CPU s",
                "× first",
                "peak MiB",
                "rounds",
            ],
        );
        for measured in all.iter().filter(|measured| !measured.samples.is_empty()) {
            let walls = measured.samples.iter().map(|sample| sample.wall);
            let lowest = walls.clone().fold(f64::INFINITY, f64::min);
            let highest = walls.fold(0.0, f64::max);
            table.line([
                format!("`{}`", measured.command),
                format!("{:.4}", measured.wall()),
                format!("{lowest:.4}–{highest:.4}"),
                format!("{:.2}", measured.over(all[0], |sample| sample.wall)),
                format!("{:.0}", measured.wall() / measured.steps as f64 * 1e6),
                format!("{:.3}", measured.cpu()),
                format!("{:.2}", measured.over(all[0], |sample| sample.cpu)),
                format!("{:.1}", measured.peak_mib()),
                measured.samples.len().to_string(),
            ]);
        }
        table
    }

    fn show(&self, out: &mut String) {
        if !self.heading.is_empty() {
            let _ = writeln!(out, "\n{}:", self.heading);
        }
        out.push('\n');
        let all = || std::iter::once(&self.head).chain(&self.lines);
        let width = |column: usize| {
            let cells = all().map(|line| line[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        for (at, line) in all().enumerate() {
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                let _ = match column {
                    0 => write!(out, "| {cell:<width$} "),
                    _ => write!(out, "| {cell:>width$} "),
                };
            }
            out.push_str("|\n");
            if at == 0 {
                for (column, width) in widths.iter().enumerate() {
                    let colon = if column == 0 { '-' } else { ':' };
                    let _ = write!(out, "|{}{colon}", "-".repeat(width + 1));
                }
                out.push_str("|\n");
            }
        }
    }
}

impl Section {
    pub fn of(row: &'static str, about: &str) -> Section {
        Section {
            row,
            title: about.into(),
            tables: Vec::new(),
            verdicts: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub fn show(&self) -> String {
        let mut out = format!("\n## {}: {}\n", self.row, self.title);
        for table in &self.tables {
            table.show(&mut out);
        }
        if !self.verdicts.is_empty() {
            verdicts(&self.verdicts).show(&mut out);
        }
        for note in &self.notes {
            let _ = writeln!(out, "\n{note}");
        }
        out
    }

    /// Says of commands that did not work why not.
    pub fn note_failures<'a>(&mut self, all: impl IntoIterator<Item = &'a Measured>) {
        for measured in all {
            if let Some(why) = &measured.failed {
                let note = format!("`{}` did not work: {why}", measured.command);
                self.notes.push(note);
            }
        }
    }
}

fn verdicts(all: &[Verdict]) -> Table {
    let mut table = Table::new("Budget", &["figure", "measured", "at most", "verdict"]);
    for verdict in all {
        let number = |number: f64| format!("{}{}", rounded(number), verdict.unit);
        table.line([
            verdict.what.clone(),
            match verdict.holds() {
                Some(_) => number(verdict.figure),
                None => "not measured".into(),
            },
            number(verdict.bound),
            match verdict.holds() {
                Some(true) => "holds".into(),
                Some(false) => "MISSED".into(),
                None => String::new(),
            },
        ]);
    }
    table
}

fn rounded(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 || size == 0.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        size if size >= 0.1 => format!("{number:.2}"),
        _ => format!("{number:.4}"),
    }
}
