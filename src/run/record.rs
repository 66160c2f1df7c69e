//! How an event is written down: as a row, and as a line.
//!
//! An event's JSON begins with what a row has columns for (`type`, `step`,
//! `attempt`), in this order, because that is how [`Kind`] declares it. A
//! [`Row`] keeps the head apart and the rest as the object `data`; a line puts
//! both together again, with the step's id and with times that people can
//! read. The text is cut and joined, not parsed: this happens four times for
//! every step, and parsing would cost more than keeping it.
//!
//! The line is the one public form of an event: in the run's `events.jsonl`,
//! on a stream, on a terminal. It does not know where it goes.

use std::fmt::{self, Write as _};

use super::event::{Event, Kind, Millis, Seq};
use crate::plan::Plan;

/// An event as a table holds it. `data` is a JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    pub seq: Seq,
    pub at: Millis,
    /// The event's name: `step_started`.
    pub kind: &'a str,
    /// Position of the step in the plan.
    pub step: Option<u32>,
    pub attempt: Option<u32>,
    pub data: Option<&'a str>,
}

/// The JSON of an event's kind, from which its [`Row`] borrows.
pub struct Encoded {
    seq: Seq,
    at: Millis,
    json: String,
    /// Where `data` begins, if there is any.
    data: Option<usize>,
    kind: std::ops::Range<usize>,
    step: Option<u32>,
    attempt: Option<u32>,
}

impl Encoded {
    pub fn new(event: &Event) -> Encoded {
        let mut json = serde_json::to_string(&event.kind).expect("events have only string keys");
        let mut head = Head { json: &json, at: 1 };
        let kind = head.text("\"type\":\"");
        let step = head.number("\"step\":");
        let attempt = step.and_then(|_| head.number("\"attempt\":"));
        let end = head.at;
        // What follows the head is `}`, or the fields of `data` after a comma
        // that was taken with the head. The byte before them becomes the brace.
        let data = (json.as_bytes().get(end) == Some(&b'"')).then_some(end - 1);
        if let Some(brace) = data {
            json.replace_range(brace..end, "{");
        }
        Encoded {
            seq: event.seq,
            at: event.at,
            json,
            data,
            kind,
            step,
            attempt,
        }
    }

    pub fn row(&self) -> Row<'_> {
        Row {
            seq: self.seq,
            at: self.at,
            kind: &self.json[self.kind.clone()],
            step: self.step,
            attempt: self.attempt,
            data: self.data.map(|at| &self.json[at..]),
        }
    }
}

/// Reads the known beginning of an event's JSON, a field at a time.
struct Head<'a> {
    json: &'a str,
    at: usize,
}

impl Head<'_> {
    /// The field's text, which needs no escapes.
    fn text(&mut self, name: &str) -> std::ops::Range<usize> {
        let start = self.at + name.len();
        debug_assert!(self.json[self.at..].starts_with(name));
        let end = start + self.json[start..].find('"').unwrap_or(0);
        self.at = end + 1;
        self.comma();
        start..end
    }

    /// The field's number, if this is the next field and one.
    fn number(&mut self, name: &str) -> Option<u32> {
        let rest = self.json[self.at..].strip_prefix(name)?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = rest[..digits].parse().ok()?;
        self.at += name.len() + digits;
        self.comma();
        Some(number)
    }

    fn comma(&mut self) {
        self.at += usize::from(self.json[self.at..].starts_with(','));
    }
}

impl Row<'_> {
    /// The event itself.
    ///
    /// # Errors
    /// The row is not one that this vocabulary has.
    pub fn event(&self) -> Result<Event, serde_json::Error> {
        let mut json = String::with_capacity(64 + self.data.map_or(0, str::len));
        let _ = write!(json, r#"{{"type":"{}""#, self.kind);
        if let Some(step) = self.step {
            let _ = write!(json, r#","step":{step}"#);
        }
        self.push_rest(&mut json);
        let kind: Kind = serde_json::from_str(&json)?;
        Ok(Event {
            seq: self.seq,
            at: self.at,
            kind,
        })
    }

    /// Appends the event's line, its newline included.
    pub fn push_line(&self, plan: &Plan, run_id: &str, line: &mut String) {
        let (seq, at, kind) = (self.seq, self.at, self.kind);
        let timestamp = rfc3339(at);
        let _ = write!(
            line,
            r#"{{"seq":{seq},"at":{at},"timestamp":"{timestamp}","run_id":"{run_id}","type":"{kind}""#
        );
        if let Some(step) = self.step.and_then(|ix| plan.steps.get(ix as usize)) {
            let id = serde_json::to_string(&step.id).expect("a string is JSON");
            let _ = write!(line, r#","step_id":{id}"#);
        }
        self.push_rest(line);
        line.push('\n');
    }

    /// The attempt, what `data` holds, and the closing brace.
    fn push_rest(&self, json: &mut String) {
        if let Some(attempt) = self.attempt {
            let _ = write!(json, r#","attempt":{attempt}"#);
        }
        match self.data {
            Some(data) => {
                json.push(',');
                json.push_str(data.strip_prefix('{').unwrap_or(data));
            }
            None => json.push('}'),
        }
    }
}

/// Appends the line of an event of a run of `plan`.
pub fn push_line(plan: &Plan, run_id: &str, event: &Event, line: &mut String) {
    Encoded::new(event).row().push_line(plan, run_id, line);
}

/// A moment in UTC with milliseconds: `2025-11-20T15:02:01.999Z`.
///
/// Whatever a clock may claim, it becomes some moment that can be spelled: at
/// the latest the end of the year 9999.
pub fn rfc3339(at: Millis) -> Rfc3339 {
    Rfc3339(at.min(END_OF_9999))
}

/// See [`rfc3339`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rfc3339(Millis);

const END_OF_9999: Millis = 253_402_300_799_999;

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let (year, month, day) = civil(days);
        let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
        let (second, ms) = (ms / 1000 % 60, ms % 1000);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z"
        )
    }
}

/// Year, month and day, from days since 1970-01-01.
///
/// Years are counted from March, so that the day that some years have more is
/// their last; months from March have 31 and 30 days by turns, with one break,
/// which `(153 * month + 2) / 5` counts exactly.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    // Days from 0000-03-01 to 1970-01-01.
    let days = days + 719_468;
    let (era, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = match month {
        0..10 => (month + 3, 0),
        _ => (month - 9, 1),
    };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_spelled_with_three_decimals_whatever_they_are() {
        let spelled = |at| rfc3339(at).to_string();
        assert_eq!(spelled(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(spelled(1_763_650_921_900), "2025-11-20T15:02:01.900Z");
        assert_eq!(spelled(u64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn every_day_of_eight_thousand_years_follows_the_one_before() {
        let is_leap = |year: u64| {
            year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
        };
        let length = |year, month| match month {
            2 if is_leap(year) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let mut expected = (1970, 1, 1);
        for days in 0..=END_OF_9999 / 86_400_000 {
            assert_eq!(civil(days), expected);
            let (year, month, day) = expected;
            expected = match (day == length(year, month), month) {
                (false, _) => (year, month, day + 1),
                (true, 12) => (year + 1, 1, 1),
                (true, _) => (year, month + 1, 1),
            };
        }
        assert_eq!(expected, (10_000, 1, 1));
    }
}
