//! What somebody elsewhere is told of a run: a title, a text for people, and the
//! same for programs as one JSON object.
//!
//! A message goes where nobody can scroll: it tells of a few steps, each with its
//! last words, and of the rest how many there are. So it has some kilobytes at the
//! most, whatever the plan has and whatever its steps wrote. All of it is data: the
//! text is made fit to be shown, and nothing in it is ever a format.
//!
//! Nothing here knows who is told, or how.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::escape::clean;
use super::result::{self, StepResult};
use super::summary::Tail;
use super::time::took;
use super::words::{self, counted};
use crate::plan::notify::Occasion;
use crate::plan::{Action, Plan, StepIx};
use crate::run::record::rfc3339;
use crate::run::{Counts, Millis, Outcome, RunState};

/// So many steps are told of in full.
const MOST_STEPS: usize = 10;
/// So many of a step's last lines, and so many bytes of them and of why it failed.
const TAIL_LINES: usize = 5;
const TAIL_BYTES: usize = 600;
const ERROR_BYTES: usize = 300;
/// A program can be given a variable of 128 KiB, and no server expects as much.
const MOST_JSON: usize = 100 << 10;

/// What is told first.
const BY_WEIGHT: [Outcome; 4] = [
    Outcome::Failed,
    Outcome::Canceled,
    Outcome::Skipped,
    Outcome::Succeeded,
];

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// One line.
    pub title: String,
    /// Lines, of which the title is the first.
    pub text: String,
    /// A JSON object, on one line.
    pub json: String,
}

/// How a run that is over ended. `occasion` is what the receiver asked for.
pub fn of_run(run_id: &str, run: &RunState, occasion: Occasion, tail: &mut Tail<'_>) -> Message {
    let name = clean(&run.plan().name);
    let title = match occasion {
        Occasion::RunRecovered => format!("{name} succeeded again"),
        _ => format!("{name} {}", words::run_word(run)),
    };
    let mut failed = run.counted_failures();
    failed.extend(run.tolerated_failures());
    failed.retain(|ix| run.plan()[*ix].action != Action::Group);
    let told = failed.iter().take(MOST_STEPS);
    let told = told.map(|ix| brief(run, *ix, tail)).collect();
    let because = match occasion {
        Occasion::RunSucceeded | Occasion::RunRecovered => String::new(),
        _ => run.ended_because().map_or_else(String::new, words::because),
    };
    let ms = run.ended_at().saturating_sub(run.started_at());
    let ended = format!(
        "{} in {}{}",
        words::run_word(run),
        took(ms),
        clean(&because)
    );
    let reason = because.trim_start_matches([':', ' ']);
    let facts = json!({
        "outcome": words::run_word(run),
        "reason": (!reason.is_empty()).then_some(reason),
        "started_at": rfc3339(run.started_at()).to_string(),
        "ended_at": rfc3339(run.ended_at()).to_string(),
        "duration_ms": ms,
    });
    let more = failed.len().saturating_sub(MOST_STEPS);
    let about = About::of(run, run.ended_at());
    let head = vec![title, ended];
    about.message(run_id, occasion.word(), head, &facts, told, more)
}

/// What has happened to steps, gathered until it is told.
#[derive(Clone, Debug)]
pub struct Steps {
    about: About,
    /// The first of them.
    told: Vec<StepResult>,
    /// How many ended how, of all of them.
    outcomes: BTreeMap<&'static str, usize>,
}

impl Steps {
    /// The first step of a message, which has just settled.
    pub fn of(run: &RunState, at: Millis, step: &StepResult) -> Steps {
        let mut steps = Steps {
            about: About::of(run, at),
            told: Vec::new(),
            outcomes: BTreeMap::new(),
        };
        steps.add(run, at, step);
        steps
    }

    /// Another one.
    pub fn add(&mut self, run: &RunState, at: Millis, step: &StepResult) {
        self.about.at = at;
        self.about.counts = run.counts().clone();
        let word = step.outcome.map_or("pending", Outcome::word);
        *self.outcomes.entry(word).or_default() += 1;
        if self.told.len() < MOST_STEPS {
            self.told.push(step.clone());
        }
    }

    /// The message.
    pub fn message(self, run_id: &str) -> Message {
        let all: usize = self.outcomes.values().sum();
        let plan = clean(&self.about.plan.name).to_string();
        let title = match (&self.told[..], all) {
            ([only], 1) => {
                let word = only.outcome.map_or("pending", Outcome::word);
                format!("{plan}: {} {word}", clean(&only.id))
            }
            _ => {
                let parts = BY_WEIGHT.iter().filter_map(|outcome| {
                    let n = self.outcomes.get(outcome.word())?;
                    Some(format!("{} {}", counted(*n, "step"), outcome.word()))
                });
                let parts: Vec<String> = parts.collect();
                format!("{plan}: {}", parts.join(", "))
            }
        };
        let mut words = self.outcomes.keys();
        let event = match (words.next(), words.next()) {
            (Some(word), None) => format!("step_{word}"),
            _ => "steps".to_owned(),
        };
        let more = all - self.told.len();
        let facts = json!({ "outcome": null });
        self.about
            .message(run_id, &event, vec![title], &facts, self.told, more)
    }
}

/// What is told of a step: what a report tells, in short.
pub fn brief(run: &RunState, ix: StepIx, tail: &mut Tail<'_>) -> StepResult {
    let mut short = |ix| {
        let mut lines = tail(ix);
        lines.drain(..lines.len().saturating_sub(TAIL_LINES));
        lines
    };
    let mut step = result::step(run, ix, Vec::new(), &mut short);
    if let Some(output) = &mut step.output {
        let cut = output.len().saturating_sub(TAIL_BYTES);
        let cut = (cut..).find(|at| output.is_char_boundary(*at));
        output.drain(..cut.unwrap_or_default());
    }
    for said in [&mut step.error, &mut step.skipped_because] {
        if let Some(said) = said.as_mut().filter(|said| said.len() > ERROR_BYTES) {
            let cut = (0..=ERROR_BYTES)
                .rev()
                .find(|at| said.is_char_boundary(*at));
            said.truncate(cut.unwrap_or_default());
            said.push('…');
        }
    }
    step
}

/// What every message tells of its run.
#[derive(Clone, Debug)]
struct About {
    plan: PlanWords,
    counts: Counts,
    at: Millis,
}

#[derive(Clone, Debug, Serialize)]
struct PlanWords {
    id: String,
    name: String,
    version: String,
}

impl About {
    fn of(run: &RunState, at: Millis) -> About {
        let Plan {
            id, name, version, ..
        } = &**run.plan();
        About {
            plan: PlanWords {
                id: id.clone(),
                name: name.clone(),
                version: version.clone(),
            },
            counts: run.counts().clone(),
            at,
        }
    }

    /// The message of which `head` is the title and what comes right below it.
    fn message(
        &self,
        run_id: &str,
        event: &str,
        mut head: Vec<String>,
        facts: &Value,
        mut steps: Vec<StepResult>,
        mut more: usize,
    ) -> Message {
        loop {
            let text = self.text(run_id, &head, &steps, more);
            let json = self.json((run_id, event), (&head[0], &text), facts, &steps, more);
            if json.len() <= MOST_JSON || steps.pop().is_none() {
                let title = head.swap_remove(0);
                return Message { title, text, json };
            }
            more += 1;
        }
    }

    fn text(&self, run_id: &str, head: &[String], steps: &[StepResult], more: usize) -> String {
        let mut text = head.join("\n");
        let counts = &self.counts;
        let parts = [
            (counts.succeeded, "succeeded"),
            (counts.failed, "failed"),
            (counts.skipped, "skipped"),
            (counts.canceled, "canceled"),
        ];
        let parts = parts.iter().filter(|(n, _)| *n > 0);
        let parts: Vec<String> = parts.map(|(n, word)| format!(", {n} {word}")).collect();
        let all = counted(counts.total as usize, "step");
        text.push_str(&format!("\n{all}{}\n", parts.concat()));
        for step in steps {
            let word = step.outcome.map_or("pending", Outcome::word);
            text.push_str(&format!("\n{word}: {}", clean(&step.id)));
            if let Some(why) = step.error.as_ref().or(step.skipped_because.as_ref()) {
                text.push_str(&format!(" ({})", clean(why)));
            }
            text.push('\n');
            for line in step.output.iter().flat_map(|output| output.lines()) {
                text.push_str(&format!("  {}\n", clean(line)));
            }
        }
        if more > 0 {
            text.push_str(&format!("\nand {}\n", counted(more, "more step")));
        }
        text.push_str(&format!("\nquintet status {}\n", clean(run_id)));
        text
    }

    fn json(
        &self,
        (run_id, event): (&str, &str),
        (title, text): (&str, &str),
        facts: &Value,
        steps: &[StepResult],
        more: usize,
    ) -> String {
        let counts = &self.counts;
        let mut document = json!({
            "event": event,
            "title": title,
            "text": text,
            "at": rfc3339(self.at).to_string(),
            "run_id": run_id,
            "plan": self.plan,
            "counts": {
                "total": counts.total,
                "succeeded": counts.succeeded,
                "failed": counts.failed,
                "skipped": counts.skipped,
                "canceled": counts.canceled,
            },
            "steps": steps,
            "more_steps": more,
        });
        if let (Value::Object(document), Value::Object(facts)) = (&mut document, facts) {
            document.extend(facts.clone());
        }
        document.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::OnFailure;
    use crate::run::Kind;
    use crate::view::testing::{self, RUN, Story, exited};

    fn document(message: &Message) -> Value {
        serde_json::from_str(&message.json).expect("it is JSON")
    }

    /// What a program wrote that wants to do something to whoever reads it.
    fn hostile(_: StepIx) -> Vec<String> {
        let many = (1..=9).map(|n| format!("line {n}"));
        many.chain(["\u{1b}[2J$(rm x) \"${SECRET}\" {0}".into()])
            .collect()
    }

    fn failed() -> Story {
        let mut plan = testing::plan(&["fetch", "build: fetch", "test: build", "docs"]);
        plan.name = "Nightly\u{7} %s".into();
        testing::policy(&mut plan, "docs", |policy| {
            policy.on_failure = OnFailure::Continue
        });
        Story::of(plan, |id, _| match id {
            "build" => (exited(3), 1_200),
            "docs" => (exited(1), 300),
            _ => (exited(0), 400),
        })
    }

    #[test]
    fn a_run_is_told_of_with_its_failures_and_their_last_words() {
        let message = of_run(RUN, &failed().run, Occasion::RunFailed, &mut hostile);
        assert_eq!(message.title, "Nightly\\u{7} %s failed");
        insta::assert_snapshot!(message.text, @r#"
        Nightly\u{7} %s failed
        failed in 1.6s because of build
        4 steps, 1 succeeded, 2 failed, 1 canceled

        failed: build (exit 3)
          line 6
          line 7
          line 8
          line 9
          \u{1b}[2J$(rm x) "${SECRET}" {0}

        failed: docs (exit 1)
          line 6
          line 7
          line 8
          line 9
          \u{1b}[2J$(rm x) "${SECRET}" {0}

        quintet status 20261120-120000-test
        "#);
        let document = document(&message);
        assert_eq!(document["event"], "run_failed");
        assert_eq!(document["run_id"], RUN);
        assert_eq!(document["plan"]["id"], "TEST");
        assert_eq!(document["outcome"], "failed");
        assert_eq!(document["reason"], "because of build");
        assert_eq!(document["duration_ms"], 1600);
        assert_eq!(document["counts"]["failed"], 2);
        let steps = document["steps"].as_array().expect("it is a list");
        let ids: Vec<&Value> = steps.iter().map(|step| &step["id"]).collect();
        assert_eq!(ids, ["build", "docs"]);
        assert_eq!(steps[0]["exit_code"], 3);
        assert_eq!(document["text"], message.text.as_str());
        // Programs get what was written, and no line of it is lost on them.
        let output = steps[0]["output"].as_str().expect("it is a text");
        assert!(
            output.ends_with("\u{1b}[2J$(rm x) \"${SECRET}\" {0}\n"),
            "{output:?}"
        );
    }

    #[test]
    fn a_recovery_says_that_all_is_well_again() {
        let story = Story::of(testing::plan(&["a"]), |_, _| (exited(0), 100));
        let message = of_run(RUN, &story.run, Occasion::RunRecovered, &mut |_| Vec::new());
        insta::assert_snapshot!(message.text, @r"
        A test succeeded again
        succeeded in 100ms
        1 step, 1 succeeded

        quintet status 20261120-120000-test
        ");
        let document = document(&message);
        assert_eq!(document["event"], "run_recovered");
        assert_eq!(document["outcome"], "succeeded");
        assert_eq!(document["reason"], Value::Null);
        assert_eq!(document["steps"], json!([]));
    }

    /// The message of all steps that settled in a story.
    fn gathered(story: &Story) -> Message {
        let mut steps: Option<Steps> = None;
        story.tell(|run, event| {
            let step = match event.kind {
                Kind::StepSettled { step, .. } => Some(step),
                Kind::StepFinished { attempt, .. } => Some(attempt.step),
                _ => None,
            };
            if let Some(step) = step.filter(|step| run.step(*step).outcome().is_some()) {
                let step = brief(run, step, &mut hostile);
                match &mut steps {
                    None => steps = Some(Steps::of(run, event.at, &step)),
                    Some(steps) => steps.add(run, event.at, &step),
                }
            }
        });
        steps.expect("something settled").message(RUN)
    }

    #[test]
    fn one_step_is_told_of_by_its_name_and_several_are_counted() {
        let one = testing::plan(&["a"]);
        let one = gathered(&Story::of(one, |_, _| (exited(3), 100)));
        assert_eq!(one.title, "A test: a failed");
        assert_eq!(document(&one)["event"], "step_failed");
        let several = gathered(&failed());
        assert_eq!(
            several.title,
            "Nightly\\u{7} %s: 2 steps failed, 1 step canceled, 1 step succeeded"
        );
        assert_eq!(document(&several)["event"], "steps");
        assert_eq!(
            document(&several)["steps"].as_array().map(Vec::len),
            Some(4)
        );
    }

    #[test]
    fn of_many_steps_a_few_are_told_and_the_message_stays_small() {
        let ids: Vec<String> = (0..500)
            .map(|n| format!("s{n}/{}", "x".repeat(3000)))
            .collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut plan = testing::plan(&ids);
        for id in &ids {
            testing::policy(&mut plan, id, |policy| {
                policy.on_failure = OnFailure::Continue
            });
        }
        let story = Story::of(plan, |_, _| (exited(1), 1));
        let mut words = |_| vec!["\u{1}".repeat(100_000); 100];
        for message in [
            gathered(&story),
            of_run(RUN, &story.run, Occasion::RunSucceeded, &mut words),
        ] {
            assert!(message.json.len() <= MOST_JSON, "{}", message.json.len());
            let document = document(&message);
            let told = document["steps"].as_array().map_or(0, Vec::len);
            assert!((1..=MOST_STEPS).contains(&told), "{told}");
            assert_eq!(document["more_steps"], 500 - told);
            let more = format!("\nand {} more steps\n", 500 - told);
            assert!(message.text.contains(&more));
        }
    }
}
