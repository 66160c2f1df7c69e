//! A run as spans of OpenTelemetry, in the JSON of its protocol (OTLP).
//!
//! One span for the run and one for each attempt that has ended, with the moments
//! that are recorded: whoever tells of them later, after a crash, tells the same. A
//! run that goes on after its end gets a span more, from there to its next end, since
//! the one before has been told of and a span does not grow.
//!
//! This does not know who is told.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::plan::{Plan, Verdict};
use crate::run::readiness::Readiness;
use crate::run::trace::{SpanId, Trace};
use crate::run::{Attempt, End, Event, Finish, Kind, Millis, Reason, Role, RunOutcome};

/// So many spans are in one document at most, since collectors bound what they
/// take at once. Such a document is about half a megabyte.
const BATCH: usize = 512;

/// The spans of a run.
#[derive(Clone, Debug)]
pub struct Spans<'a> {
    run_id: &'a str,
    plan: &'a Plan,
    trace: Trace,
    /// From the beginning to the first end, from there to the second, and so on.
    parts: Vec<Part<'a>>,
}

#[derive(Clone, Debug)]
struct Part<'a> {
    began: Millis,
    last: Millis,
    ended: Option<(RunOutcome, &'a Reason)>,
    attempts: Vec<Tried<'a>>,
}

#[derive(Clone, Copy, Debug)]
struct Tried<'a> {
    attempt: Attempt,
    claimed: Option<&'a Reason>,
    /// How long it waited for a slot.
    waited: Millis,
    end: &'a Finish,
}

impl<'a> Spans<'a> {
    /// The spans that these events tell of: all of a run's, from its first. `None`
    /// where it has not begun.
    pub fn of(run_id: &'a str, plan: &'a Plan, events: &'a [Event]) -> Option<Self> {
        let trace = Trace::recorded(run_id, events.first()?)?;
        let mut parts: Vec<Part<'a>> = Vec::new();
        let mut readiness = Readiness::default();
        let mut claims = BTreeMap::new();
        for event in events {
            readiness.push(plan, event);
            if parts.last().is_none_or(|part| part.ended.is_some()) {
                parts.push(Part {
                    began: event.at,
                    last: event.at,
                    ended: None,
                    attempts: Vec::new(),
                });
            }
            let part = parts.last_mut()?;
            part.last = part.last.max(event.at);
            match &event.kind {
                Kind::StepClaimed { attempt, reason } => {
                    claims.insert(*attempt, reason);
                }
                Kind::StepFinished { attempt, end } => {
                    let since = readiness.since(plan, attempt.step);
                    // Who saw the attempt has a clock of its own. A run's span holds
                    // those of its attempts all the same.
                    part.began = part.began.min(end.started_at);
                    part.last = part.last.max(end.ended_at);
                    part.attempts.push(Tried {
                        attempt: *attempt,
                        claimed: claims.remove(attempt),
                        waited: end.started_at.saturating_sub(since),
                        end,
                    });
                }
                Kind::RunFinished { outcome, reason } => part.ended = Some((*outcome, reason)),
                _ => {}
            }
        }
        Some(Spans {
            run_id,
            plan,
            trace,
            parts,
        })
    }

    /// Only those since the run's last end but one: what nobody was told of at that.
    pub fn since_last_end(&self) -> impl Iterator<Item = Value> + '_ {
        let last = self.parts.len().saturating_sub(1);
        self.parts_from(last)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = Value> + '_ {
        self.parts_from(0)
    }

    /// Whether who began the run wants its trace recorded.
    pub fn is_sampled(&self) -> bool {
        self.trace.is_sampled()
    }

    /// The run's span first.
    fn parts_from(&self, first: usize) -> impl Iterator<Item = Value> + '_ {
        let parts = self.parts.iter().enumerate().skip(first);
        parts.flat_map(move |(at, part)| {
            let run_span = self.trace.run_span(u32::try_from(at).unwrap_or(u32::MAX));
            let attempts = part.attempts.iter();
            let attempts = attempts.map(move |tried| self.attempt(tried, run_span));
            std::iter::once(self.run(part, run_span)).chain(attempts)
        })
    }

    fn run(&self, part: &Part<'_>, id: SpanId) -> Value {
        let mut attributes = vec![
            ("cicd.pipeline.name", text(&self.plan.name)),
            ("cicd.pipeline.run.id", text(self.run_id)),
            ("quintet.plan.id", text(&self.plan.id)),
        ];
        let mut status = json!({});
        if let Some((outcome, reason)) = part.ended {
            let reason = reason.to_string();
            attributes.push(("quintet.outcome", text(outcome.word())));
            attributes.push(("quintet.reason", text(&reason)));
            if matches!(outcome, RunOutcome::Failed | RunOutcome::Quarantined) {
                attributes.push(("error.type", text(outcome.word())));
                status = failed(&reason);
            }
        }
        let name = format!("run {}", self.plan.id);
        let parent = self.trace.parent().map(|parent| parent.span());
        self.span(
            name,
            (id, parent),
            (part.began, part.last),
            attributes,
            status,
        )
    }

    fn attempt(&self, tried: &Tried<'_>, run_span: SpanId) -> Value {
        let Tried { attempt, end, .. } = *tried;
        let step = &self.plan[attempt.step];
        let ended = word(end.end());
        let mut attributes = vec![
            (
                "cicd.pipeline.task.name",
                text(step.name.as_ref().unwrap_or(&step.id)),
            ),
            ("quintet.step.id", text(&step.id)),
            ("quintet.attempt", number(attempt.number.into())),
            ("quintet.role", text(&word(attempt.role))),
            ("quintet.end", text(&ended)),
            ("quintet.verdict", text(&word(end.verdict))),
        ];
        if let Some(code) = end.exit.code() {
            attributes.push(("process.exit.code", number(code.into())));
        }
        if let Some(reason) = tried.claimed {
            attributes.push(("quintet.reason", text(&reason.to_string())));
        }
        let ran = !matches!(end.end(), End::FailedToStart | End::Interrupted | End::Lost);
        // What is done about a step afterwards waits for more than the step did.
        if ran && attempt.role == Role::Main {
            let waited = i64::try_from(tried.waited).unwrap_or(i64::MAX);
            attributes.push(("quintet.queue_wait_ms", number(waited)));
        }
        let mut status = json!({});
        if end.verdict == Verdict::Failure && end.end() != End::Canceled {
            attributes.push(("error.type", text(&ended)));
            let told = end.error.clone();
            status = failed(&told.unwrap_or_else(|| end.exit.to_string()));
        }
        let ids = (self.trace.attempt_span(&step.id, attempt), Some(run_span));
        let times = (end.started_at, end.ended_at);
        self.span(step.id.to_string(), ids, times, attributes, status)
    }

    fn span(
        &self,
        name: String,
        (id, parent): (SpanId, Option<SpanId>),
        (start, end): (Millis, Millis),
        attributes: Vec<(&str, Value)>,
        status: Value,
    ) -> Value {
        let mut span = json!({
            "traceId": self.trace.id().to_string(),
            "spanId": id.to_string(),
            "name": name,
            // Internal: it answers no request of another process.
            "kind": 1,
            "startTimeUnixNano": nanos(start),
            // A clock may say what it will, but a span does not end before it begins.
            "endTimeUnixNano": nanos(end.max(start)),
            "attributes": listed(attributes),
            "status": status,
        });
        if let Some(parent) = parent {
            span["parentSpanId"] = parent.to_string().into();
        }
        span
    }
}

/// Documents that hold these spans, each of a bounded size. `resource` says whose
/// they are.
pub fn documents<'a>(
    spans: impl Iterator<Item = Value> + 'a,
    resource: &'a [(String, String)],
) -> impl Iterator<Item = Value> + 'a {
    let mut spans = spans.peekable();
    std::iter::from_fn(move || {
        spans.peek()?;
        let batch: Vec<Value> = spans.by_ref().take(BATCH).collect();
        Some(document(batch, resource))
    })
}

/// One document, however many spans there are.
pub fn document(spans: Vec<Value>, resource: &[(String, String)]) -> Value {
    let resource = resource.iter();
    let resource = resource.map(|(key, value)| (key.as_str(), text(value)));
    json!({"resourceSpans": [{
        "resource": {"attributes": listed(resource.collect())},
        "scopeSpans": [{
            "scope": {"name": "quintet", "version": env!("CARGO_PKG_VERSION")},
            "spans": spans,
        }],
    }]})
}

fn listed(attributes: Vec<(&str, Value)>) -> Value {
    let attributes = attributes.into_iter();
    let attributes = attributes.map(|(key, value)| json!({"key": key, "value": value}));
    attributes.collect()
}

fn text(value: &str) -> Value {
    json!({"stringValue": value})
}

/// 64 bits are a text in this JSON, as in all of protobuf's.
fn number(value: i64) -> Value {
    json!({"intValue": value.to_string()})
}

fn failed(why: &str) -> Value {
    let status: Map<String, Value> = [
        ("code".to_owned(), Value::from(2)),
        ("message".to_owned(), Value::from(why)),
    ]
    .into_iter()
    .collect();
    status.into()
}

fn nanos(at: Millis) -> String {
    (u128::from(at) * 1_000_000).to_string()
}

/// The word that the record has for it.
fn word(of: impl serde::Serialize) -> String {
    match serde_json::to_value(of) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{self, NOON, RUN, Story, exited};

    fn story() -> Story {
        let mut plan = testing::plan(&["a", "b: a"]);
        testing::policy(&mut plan, "a", |policy| policy.retry.count = 1);
        Story::of(plan, |id, attempt| match (id, attempt) {
            ("a", 1) => (exited(3), 700),
            _ => (exited(0), 20),
        })
    }

    fn attribute<'a>(span: &'a Value, key: &str) -> &'a Value {
        let all = span["attributes"].as_array().unwrap();
        let found = all.iter().find(|attribute| attribute["key"] == key);
        found.map_or(&Value::Null, |attribute| &attribute["value"])
    }

    #[test]
    fn an_attempt_that_failed_as_a_span() {
        let story = story();
        let spans = Spans::of(RUN, story.run.plan(), &story.events).unwrap();
        let spans: Vec<Value> = spans.all().collect();
        let names: Vec<&Value> = spans.iter().map(|span| &span["name"]).collect();
        assert_eq!(names, ["run TEST", "a", "a", "b"]);
        insta::assert_snapshot!(format!("{:#}", spans[1]), @r#"
        {
          "attributes": [
            {
              "key": "cicd.pipeline.task.name",
              "value": {
                "stringValue": "a"
              }
            },
            {
              "key": "quintet.step.id",
              "value": {
                "stringValue": "a"
              }
            },
            {
              "key": "quintet.attempt",
              "value": {
                "intValue": "1"
              }
            },
            {
              "key": "quintet.role",
              "value": {
                "stringValue": "main"
              }
            },
            {
              "key": "quintet.end",
              "value": {
                "stringValue": "failed"
              }
            },
            {
              "key": "quintet.verdict",
              "value": {
                "stringValue": "failure"
              }
            },
            {
              "key": "process.exit.code",
              "value": {
                "intValue": "3"
              }
            },
            {
              "key": "quintet.reason",
              "value": {
                "stringValue": "everything it needs is satisfied"
              }
            },
            {
              "key": "quintet.queue_wait_ms",
              "value": {
                "intValue": "0"
              }
            },
            {
              "key": "error.type",
              "value": {
                "stringValue": "failed"
              }
            }
          ],
          "endTimeUnixNano": "1795176000700000000",
          "kind": 1,
          "name": "a",
          "parentSpanId": "c26ac03326de228e",
          "spanId": "3b618797bb961530",
          "startTimeUnixNano": "1795176000000000000",
          "status": {
            "code": 2,
            "message": "exit 3"
          },
          "traceId": "1f30873e1745932209084fe83b95b4c8"
        }
        "#);
    }

    #[test]
    fn attempts_are_children_of_the_run_and_all_are_of_one_trace() {
        let story = story();
        let spans = Spans::of(RUN, story.run.plan(), &story.events).unwrap();
        let spans: Vec<Value> = spans.all().collect();
        let (run, attempts) = spans.split_first().unwrap();
        assert_eq!(run.get("parentSpanId"), None);
        assert_eq!(run["startTimeUnixNano"], nanos(NOON));
        assert_eq!(run["endTimeUnixNano"], nanos(story.run.last_at()));
        assert_eq!(run["status"], json!({}));
        for (n, span) in attempts.iter().enumerate() {
            assert_eq!(span["parentSpanId"], run["spanId"]);
            assert_eq!(span["traceId"], run["traceId"]);
            let before = &spans[..=n];
            assert!(before.iter().all(|other| other["spanId"] != span["spanId"]));
        }
        assert_eq!(attempts[1]["status"], json!({}));
        assert_eq!(attribute(&attempts[1], "quintet.attempt"), &number(2));
    }

    #[test]
    fn a_run_that_has_not_ended_is_told_as_far_as_it_came() {
        let mut story = story();
        let is_end = |event: &Event| matches!(event.kind, Kind::RunFinished { .. });
        story.events.retain(|event| !is_end(event));
        let spans = Spans::of(RUN, story.run.plan(), &story.events).unwrap();
        let run = spans.all().next().unwrap();
        assert_eq!(attribute(&run, "quintet.outcome"), &Value::Null);
        assert!(Spans::of(RUN, story.run.plan(), &[]).is_none());
    }

    #[test]
    fn what_goes_on_after_its_end_gets_a_span_more() {
        let mut story = story();
        let told = story.events.len();
        let again = story.events[1..].to_vec();
        for mut event in again {
            event.seq = story.events.len() as u64 + 1;
            event.at += 60_000;
            if let Kind::StepFinished { end, .. } = &mut event.kind {
                end.started_at += 60_000;
                end.ended_at += 60_000;
            }
            story.events.push(event);
        }
        let spans = Spans::of(RUN, story.run.plan(), &story.events).unwrap();
        let last: Vec<Value> = spans.since_last_end().collect();
        assert_eq!(last.len(), 4);
        let first = spans.all().next().unwrap();
        assert_ne!(last[0]["spanId"], first["spanId"]);
        assert_eq!(last[0]["traceId"], first["traceId"]);
        assert_eq!(last[0]["startTimeUnixNano"], nanos(story.events[told].at));
    }

    #[test]
    fn documents_are_bounded_and_lose_nothing() {
        let spans = (0..BATCH * 2 + 1).map(|n| json!({"n": n}));
        let resource = [("service.name".to_owned(), "quintet".to_owned())];
        let documents: Vec<Value> = documents(spans, &resource).collect();
        let sizes = documents.iter().map(|document| {
            let spans = &document["resourceSpans"][0]["scopeSpans"][0]["spans"];
            spans.as_array().unwrap().len()
        });
        assert_eq!(sizes.collect::<Vec<_>>(), [BATCH, BATCH, 1]);
        let none = super::documents(std::iter::empty(), &resource);
        assert_eq!(none.count(), 0);
    }
}
