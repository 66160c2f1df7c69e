//! Spans of time, as people write them: `90s`, `5m`, `1h30m`, or seconds.

use std::time::Duration;

use crate::load::document::{Kind, Path};
use crate::load::plan_file::record::Record;
use crate::load::plan_file::table::MOST_SECONDS;
use crate::load::plan_file::walk::seconds;
use crate::plan::problem::Problem;

use super::Lowering;

/// Units, in milliseconds.
const UNITS: [(&str, f64); 5] = [
    ("ms", 1.0),
    ("s", 1_000.0),
    ("m", 60_000.0),
    ("h", 3_600_000.0),
    ("d", 86_400_000.0),
];

impl Lowering<'_, '_, '_> {
    /// The span of time that a field says.
    pub(super) fn span(
        &mut self,
        record: &Record<'_>,
        name: &str,
        path: &Path<'_>,
    ) -> Option<Duration> {
        let node = record.named(name)?;
        if node.kind() == Kind::Number {
            return Some(seconds(node));
        }
        let path = Path::Field(path, name);
        let text = self.walk.plain(node, &path)?;
        let span = parse(&text);
        if span.is_none() {
            let message = path.says(format!("{text:?} is no span of time"));
            let problem = Problem::error(message).at(node.span(), "");
            let help = "write a number of seconds, or as 90s, 5m, 1h30m or 2d";
            self.walk.problems.push(problem.help(help));
        }
        span
    }
}

/// The span of a text: numbers, each with its unit. A number by itself is seconds.
fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return within(seconds * 1_000.0);
    }
    let (mut rest, mut sum) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let end = after.find(|c: char| !c.is_ascii_alphabetic());
        let (unit, after) = after.split_at(end.unwrap_or(after.len()));
        let (_, ms) = UNITS.iter().find(|(known, _)| *known == unit)?;
        sum += number.parse::<f64>().ok()? * ms;
        rest = after.trim_start();
    }
    (!text.is_empty()).then(|| within(sum)).flatten()
}

fn within(ms: f64) -> Option<Duration> {
    let fits = (0.0..=MOST_SECONDS * 1_000.0).contains(&ms);
    fits.then(|| Duration::from_millis(ms.round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        let cases = [
            ("90", 90_000),
            ("1.5", 1_500),
            ("2s", 2_000),
            ("250ms", 250),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("0.5h", 1_800_000),
            ("2d", 172_800_000),
            ("0", 0),
        ];
        for (text, ms) in cases {
            assert_eq!(parse(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in [
            "", "h", "1x", "-1s", "1h30", "1 h x", "nan", "inf", "1e99s", "1..2s", "999999d",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
