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
    use std::collections::BTreeMap;
    use std::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::plan::{Policy, Source, StepIx, Verdict};
    use crate::run::Loss;
    use crate::run::event::{
        Attempt, Engine, Exit, Finish, Holder, LogRange, Outcome, Output, Reason, Replacement,
        Role, RunOutcome, Stop, Stopping,
    };

    /// At least one event of every kind, and what is odd about their fields.
    fn samples() -> Vec<Kind> {
        let engine = Engine {
            epoch: 1,
            pid: 42,
            host: "h\"ost".into(),
            boot: String::new(),
            version: "0".into(),
        };
        let attempt = Attempt {
            step: StepIx::new(3),
            number: 2,
            role: Role::Main,
        };
        let undo = Attempt {
            role: Role::Undo,
            ..attempt
        };
        let step = StepIx::new(0);
        let mut kinds = vec![
            Kind::RunStarted {
                plan: "c0ffee".into(),
                seed: u64::MAX,
                traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
                engine: engine.clone(),
            },
            Kind::RunResumed { engine },
            Kind::RunReopened {
                reason: Reason::Request {
                    by: "somebody".into(),
                },
            },
            Kind::RunPaused {
                reason: Reason::Unwritable {
                    error: "no space left for q\"db".into(),
                },
            },
            Kind::RunContinued,
            Kind::PlanReplaced {
                by: Box::new(Replacement {
                    plan: "c0ffee".into(),
                    before: "bad".into(),
                    file: "/plan \"x\".json".into(),
                    added: vec!["a".into()],
                    removed: Vec::new(),
                    changed: vec!["b".into(), "d\"x".into()],
                    reason: Reason::Request { by: "me".into() },
                }),
            },
            Kind::StepStopping {
                attempt,
                how: Stop::Grace,
                reason: Reason::Stopping(Stopping::Abort),
            },
            Kind::StepTimeout { attempt },
            Kind::CleanupStarted,
            Kind::StepClaimed {
                attempt,
                reason: Reason::Ready,
            },
            Kind::StepClaimed {
                attempt: undo,
                reason: Reason::Rollback,
            },
            Kind::StepStarted {
                attempt,
                node: None,
            },
            Kind::StepStarted {
                attempt: undo,
                node: Some("n1".into()),
            },
            Kind::StepQueued {
                attempt,
                why: "Resources".into(),
            },
            Kind::StepRetry {
                attempt,
                not_before: 7,
                reason: Reason::Retry {
                    exit: "exit 1".into(),
                    attempt: 2,
                    of: 3,
                },
            },
            Kind::StepBlocked {
                attempt,
                on: "lock \"x\",{".into(),
                holder: Some(Holder {
                    run: "r".into(),
                    step: "s".into(),
                    pid: 1,
                    since: 2,
                }),
            },
            Kind::StepBlocked {
                attempt,
                on: String::new(),
                holder: None,
            },
            Kind::StepUnblocked { attempt },
            Kind::StepAsked {
                step,
                question: "sure?\n".into(),
            },
            Kind::StepAnswered {
                step,
                yes: false,
                by: "terminal".into(),
            },
            Kind::StepSettled {
                step,
                outcome: Outcome::Skipped,
                reason: Reason::Dependency {
                    step: "a".into(),
                    outcome: Outcome::Failed,
                },
            },
            Kind::RunStopping {
                why: Stopping::Deadline,
                reason: Reason::Deadline {
                    limit: Duration::from_millis(1500),
                },
            },
            Kind::RollbackStarted {
                reason: Reason::Stopping(Stopping::Cancel),
            },
            Kind::StepUndone {
                step,
                undone: true,
                reason: Reason::Exit("exit 0".into()),
            },
            Kind::RunFinished {
                outcome: RunOutcome::Quarantined,
                reason: Reason::AllDone { warnings: 0 },
            },
        ];
        kinds.extend(exits().into_iter().map(|exit| Kind::StepFinished {
            attempt,
            end: Box::new(finish(exit)),
        }));
        kinds
    }

    fn exits() -> Vec<Exit> {
        vec![
            Exit::Exited { code: -1 },
            Exit::Signaled {
                signal: 9,
                core: true,
            },
            Exit::TimedOut {
                after: Duration::from_millis(3),
                signal: None,
            },
            Exit::Canceled { signal: Some(15) },
            Exit::FailedToStart {
                errno: "ENOENT".into(),
            },
            Exit::Interrupted,
            Exit::Lost {
                why: Loss::NodeFailed,
                started: true,
            },
        ]
    }

    fn finish(exit: Exit) -> Finish {
        Finish {
            tail: Some("last \"words\"\n".into()),
            exit,
            verdict: Verdict::Failure,
            started_at: 5,
            ended_at: 9,
            output: Output {
                stdout: Some(LogRange {
                    file: "slot-1.out".into(),
                    start: 0,
                    len: 12,
                }),
                stderr: None,
                masked: 2,
                dropped: 1,
            },
            outputs: BTreeMap::from([("KEY".into(), "va\"lue".into())]),
            leaked: true,
            error: Some("no such program: \u{1f600}".into()),
        }
    }

    #[test]
    fn the_samples_hold_every_kind_by_the_name_that_its_record_has() {
        use std::collections::BTreeSet;
        let samples = samples();
        let names: BTreeSet<&str> = samples.iter().map(Kind::name).collect();
        assert_eq!(names, Kind::NAMES.iter().copied().collect());
        for kind in samples {
            let tag = serde_json::to_value(&kind).unwrap();
            assert_eq!(tag["type"], kind.name());
        }
    }

    /// A plan whose steps have the ids `a`, `b` and so on, the last an odd one.
    fn plan() -> Plan {
        let step = |id: &str| {
            serde_json::json!({
                "id": id, "action": "group", "policy": Policy::default(), "source": Source::default(),
            })
        };
        serde_json::from_value(serde_json::json!({
            "id": "PLAN-1", "name": "One", "version": "1", "max_concurrency": 1,
            "steps": [step("a"), step("b"), step("c"), step("d\"x")],
        }))
        .unwrap()
    }

    #[test]
    fn every_event_reads_back_from_its_row_and_its_line_holds_the_same() {
        let plan = plan();
        for (n, kind) in samples().into_iter().enumerate() {
            let event = Event {
                seq: n as Seq + 1,
                at: 1_763_650_921_999,
                kind,
            };
            let row = Encoded::new(&event);
            assert_eq!(row.row().event().unwrap(), event, "{:?}", row.row());
            let mut line = String::new();
            push_line(&plan, "r1", &event, &mut line);
            assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
            let mut line: Value = serde_json::from_str(&line).expect(&line);
            let fields = line.as_object_mut().unwrap();
            assert_eq!(fields.remove("run_id"), Some("r1".into()));
            assert_eq!(
                fields.remove("timestamp"),
                Some("2025-11-20T15:02:01.999Z".into())
            );
            if let Some(id) = fields.remove("step_id") {
                let ix = plan.steps.iter().position(|step| id == *step.id);
                fields.insert("step".into(), ix.into());
            }
            assert_eq!(line, serde_json::to_value(&event).unwrap());
        }
    }

    #[test]
    fn the_head_is_in_columns_and_nowhere_else() {
        for kind in samples() {
            let whole = serde_json::to_value(&kind).unwrap();
            let event = Event {
                seq: 1,
                at: 2,
                kind,
            };
            let encoded = Encoded::new(&event);
            let row = encoded.row();
            assert_eq!(row.kind, whole["type"]);
            assert_eq!(event.kind.name(), row.kind);
            assert!(Kind::NAMES.contains(&row.kind));
            assert_eq!(row.step.map(u64::from), whole["step"].as_u64());
            assert_eq!(row.attempt.map(u64::from), whole["attempt"].as_u64());
            let data: BTreeMap<String, Value> = row
                .data
                .map_or_else(BTreeMap::new, |data| serde_json::from_str(data).unwrap());
            assert!(
                ["type", "step", "attempt"]
                    .iter()
                    .all(|name| !data.contains_key(*name))
            );
        }
    }

    /// P24.
    #[test]
    fn p24_a_line_names_the_run_the_step_and_the_time() {
        let event = Event {
            seq: 7,
            at: 1_763_650_921_900,
            kind: Kind::StepStarted {
                attempt: Attempt {
                    step: StepIx::new(1),
                    number: 1,
                    role: Role::Main,
                },
                node: None,
            },
        };
        let mut line = String::new();
        push_line(&plan(), "r1", &event, &mut line);
        assert_eq!(
            line,
            "{\"seq\":7,\"at\":1763650921900,\"timestamp\":\"2025-11-20T15:02:01.900Z\",\
             \"run_id\":\"r1\",\"type\":\"step_started\",\"step_id\":\"b\",\"attempt\":1}\n"
        );
    }

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
