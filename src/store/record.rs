//! How an event is written down: as a row, and as a line.
//!
//! An event's JSON begins with what the columns hold (`type`, `step`,
//! `attempt`), in this order, because that is how [`Kind`] declares it. The row
//! keeps the head in columns and the rest as the object `data`; the line puts
//! head and rest together again, with names and times that people can read.
//! The text is cut and joined, not parsed: this happens four times for every
//! step, and parsing would cost more than the insertion. A test over every
//! kind of event holds both directions together.

use std::fmt::Write as _;
use std::path::Path;

use crate::plan::Plan;
use crate::run::{Event, Kind, Millis, Seq};

use super::{StoreError, time};

/// An event as the table `event` holds it. `data` is a JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row<'a> {
    pub seq: Seq,
    pub at: Millis,
    pub kind: &'a str,
    pub step: Option<u32>,
    pub attempt: Option<u32>,
    pub data: Option<&'a str>,
}

/// The JSON of an event's kind, from which its [`Row`] borrows.
pub(super) struct Encoded {
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
        let (kind, step, attempt, end) = {
            let mut head = Head { json: &json, at: 1 };
            let kind = head.text("\"type\":\"");
            let step = head.number("\"step\":");
            let attempt = step.and_then(|_| head.number("\"attempt\":"));
            (kind, step, attempt, head.at)
        };
        // What follows the head is `}`, or the fields of `data` after a comma
        // that was taken with the head. The byte before them becomes the brace.
        let data = (end < json.len() && json.as_bytes()[end] == b'"').then(|| {
            json.replace_range(end - 1..end, "{");
            end - 1
        });
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
    pub fn event(&self, database: &Path) -> Result<Event, StoreError> {
        let mut json = String::with_capacity(64 + self.data.map_or(0, str::len));
        json.push('{');
        self.push_head(&mut json);
        self.push_data(&mut json);
        let kind: Kind = serde_json::from_str(&json).map_err(|e| StoreError::Corrupt {
            path: database.to_path_buf(),
            detail: format!("event {}: {e}", self.seq),
        })?;
        Ok(Event {
            seq: self.seq,
            at: self.at,
            kind,
        })
    }

    /// Appends the event's line of `events.jsonl`, its newline included.
    ///
    /// It reads back as an [`Event`]; `timestamp` and `step_id` are for people.
    pub fn push_line(&self, plan: &Plan, line: &mut String) {
        let timestamp = time::rfc3339(self.at);
        let (seq, at) = (self.seq, self.at);
        let _ = write!(
            line,
            r#"{{"seq":{seq},"at":{at},"timestamp":"{timestamp}","#
        );
        self.push_head(line);
        if let Some(step) = self.step.and_then(|ix| plan.steps.get(ix as usize)) {
            let id = serde_json::to_string(&step.id).expect("a string is JSON");
            let _ = write!(line, r#","step_id":{id}"#);
        }
        self.push_data(line);
        line.push('\n');
    }

    fn push_head(&self, json: &mut String) {
        let _ = write!(json, r#""type":"{}""#, self.kind);
        if let Some(step) = self.step {
            let _ = write!(json, r#","step":{step}"#);
        }
        if let Some(attempt) = self.attempt {
            let _ = write!(json, r#","attempt":{attempt}"#);
        }
    }

    fn push_data(&self, json: &mut String) {
        match self.data {
            Some(data) => {
                json.push(',');
                json.push_str(data.strip_prefix('{').unwrap_or(data));
            }
            None => json.push('}'),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::plan::{StepIx, Verdict};
    use crate::run::event::{Engine, Finish, Holder, Stopping};
    use crate::run::{Attempt, Exit, LogRange, Outcome, Output, Reason, Role, RunOutcome};

    /// At least one event of every kind, and what is odd about their fields.
    pub fn samples() -> Vec<Kind> {
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
                engine: engine.clone(),
            },
            Kind::RunResumed { engine },
            Kind::StepClaimed {
                attempt,
                reason: Reason::Ready,
            },
            Kind::StepClaimed {
                attempt: undo,
                reason: Reason::Rollback,
            },
            Kind::StepStarted { attempt },
            Kind::StepStarted { attempt: undo },
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
                step,
                on: "lock \"x\",{".into(),
                holder: Some(Holder {
                    run: "r".into(),
                    step: "s".into(),
                    pid: 1,
                    since: 2,
                }),
            },
            Kind::StepBlocked {
                step,
                on: String::new(),
                holder: None,
            },
            Kind::StepUnblocked { step },
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
        ]
    }

    pub fn finish(exit: Exit) -> Finish {
        Finish {
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
            },
            outputs: BTreeMap::from([("KEY".into(), "va\"lue".into())]),
            leaked: true,
            error: Some("no such program: \u{1f600}".into()),
        }
    }

    /// Fails to compile when a kind is added, so that it is added above too.
    #[test]
    fn the_samples_hold_every_kind() {
        let names: std::collections::BTreeSet<&str> = samples()
            .iter()
            .map(|kind| match kind {
                Kind::RunStarted { .. } => "run_started",
                Kind::RunResumed { .. } => "run_resumed",
                Kind::StepClaimed { .. } => "step_claimed",
                Kind::StepStarted { .. } => "step_started",
                Kind::StepFinished { .. } => "step_finished",
                Kind::StepRetry { .. } => "step_retry",
                Kind::StepBlocked { .. } => "step_blocked",
                Kind::StepUnblocked { .. } => "step_unblocked",
                Kind::StepAsked { .. } => "step_asked",
                Kind::StepAnswered { .. } => "step_answered",
                Kind::StepSettled { .. } => "step_settled",
                Kind::RunStopping { .. } => "run_stopping",
                Kind::RollbackStarted { .. } => "rollback_started",
                Kind::StepUndone { .. } => "step_undone",
                Kind::RunFinished { .. } => "run_finished",
            })
            .collect();
        assert_eq!(names.len(), 15);
    }

    #[test]
    fn every_event_reads_back_from_its_row_and_from_its_line() {
        let plan = crate::store::testing::plan(&["a", "b", "c", "d\"x"]);
        for (n, kind) in samples().into_iter().enumerate() {
            let event = Event {
                seq: n as Seq + 1,
                at: 1_763_650_921_999,
                kind,
            };
            let encoded = Encoded::new(&event);
            let row = encoded.row();
            assert_eq!(row.event(Path::new("x")).unwrap(), event, "{row:?}");
            let mut line = String::new();
            row.push_line(&plan, &mut line);
            assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
            let read: Event = serde_json::from_str(&line).expect(&line);
            assert_eq!(read, event, "{line}");
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
            assert_eq!(row.step.map(u64::from), whole["step"].as_u64());
            assert_eq!(row.attempt.map(u64::from), whole["attempt"].as_u64());
            let data: BTreeMap<String, serde_json::Value> = row
                .data
                .map_or_else(BTreeMap::new, |data| serde_json::from_str(data).unwrap());
            assert!(
                ["type", "step", "attempt"]
                    .iter()
                    .all(|name| !data.contains_key(*name))
            );
        }
    }

    #[test]
    fn p24_a_line_names_the_step_and_the_time() {
        let plan = crate::store::testing::plan(&["a", "b"]);
        let event = Event {
            seq: 7,
            at: 1_763_650_921_900,
            kind: Kind::StepStarted {
                attempt: Attempt {
                    step: StepIx::new(1),
                    number: 1,
                    role: Role::Main,
                },
            },
        };
        let mut line = String::new();
        Encoded::new(&event).row().push_line(&plan, &mut line);
        assert_eq!(
            line,
            "{\"seq\":7,\"at\":1763650921900,\"timestamp\":\"2025-11-20T15:02:01.900Z\",\
             \"type\":\"step_started\",\"step\":1,\"attempt\":1,\"step_id\":\"b\"}\n"
        );
    }
}
