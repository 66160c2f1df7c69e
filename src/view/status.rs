//! One run as it stands: a table, or JSON.
//!
//! Both are functions of the state, the moment and what the store knows
//! beside it; nothing here asks for more.

use std::io::{self, Write};

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::escape::clean;
use super::order::sections;
use super::standing;
use super::style::{self, FAINT, HEADING};
use super::time::{date_and_clock, so_far, took};
use super::timeline::Timeline;
use super::words;
use crate::plan::{Plan, StepIx};
use crate::run::{Millis, RunState};

/// The run to show, at a moment.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub run_id: &'a str,
    pub run: &'a RunState,
    pub now: Millis,
    /// The run has not ended, and no engine drives it any more.
    pub interrupted: bool,
}

impl Subject<'_> {
    /// Its state, as people are told it.
    pub fn word(&self) -> &'static str {
        match self.interrupted {
            true => "interrupted",
            false => words::run_word(self.run),
        }
    }

    /// When it ended, or now.
    fn until(&self) -> Millis {
        match self.run.ended_at() {
            0 => self.now,
            ended => ended,
        }
    }

    /// How long it took, or has taken so far; in milliseconds.
    pub fn duration_ms(&self) -> u64 {
        match self.run.started_at() {
            0 => 0,
            started => self.until().saturating_sub(started),
        }
    }
}

/// Header and table, for people.
///
/// # Errors
/// The stream does not take it.
pub fn text(subject: Subject<'_>, zone: &TimeZone, out: &mut impl Write) -> io::Result<()> {
    header(subject, zone, out)?;
    let plan = subject.run.plan();
    let sections = sections(plan);
    let width = |len: fn(&Plan, StepIx) -> usize, least: usize| {
        let widths = plan.indices().map(|ix| len(plan, ix));
        widths.max().unwrap_or(0).clamp(least, 48)
    };
    let id_width = width(
        |plan, ix| clean(&plan[ix].id).to_string().chars().count(),
        4,
    );
    writeln!(out)?;
    writeln!(
        out,
        "{HEADING}{:id_width$}  {:9}  {:8}  {:>8}  NOTE{HEADING:#}",
        "STEP", "STATE", "ATTEMPTS", "DURATION"
    )?;
    let grouped = sections.iter().any(|section| section.group.is_some());
    for section in &sections {
        if grouped {
            let name = section.group.unwrap_or("other steps");
            writeln!(out, "{FAINT}{}{FAINT:#}", clean(name))?;
        }
        for ix in &section.steps {
            row(subject, *ix, id_width, out)?;
        }
    }
    Ok(())
}

/// What a run is and how it stands as a whole.
pub(super) fn header(
    subject: Subject<'_>,
    zone: &TimeZone,
    out: &mut impl Write,
) -> io::Result<()> {
    let Subject { run_id, run, .. } = subject;
    let plan = run.plan();
    write!(
        out,
        "{HEADING}run {}{HEADING:#}: {}",
        clean(run_id),
        clean(&plan.name)
    )?;
    match plan.name == plan.id {
        true => writeln!(out, ", version {}", clean(&plan.version))?,
        false => writeln!(
            out,
            " ({}, version {})",
            clean(&plan.id),
            clean(&plan.version)
        )?,
    }
    let word = subject.word();
    let style = style::of_state(word);
    write!(out, "state     {style}{word}{style:#}")?;
    let phase = words::run_phase(run).map(|phase| format!(": {phase}"));
    let because = run.ended_because().map(words::because);
    if subject.interrupted {
        write!(
            out,
            ": its engine is gone; quintet resume {}",
            clean(run_id)
        )?;
    } else if let Some(more) = phase.or(because) {
        write!(out, "{}", clean(&more))?;
    }
    writeln!(out)?;
    if run.started_at() != 0 {
        let started = date_and_clock(run.started_at(), zone);
        match run.ended_at() {
            0 => writeln!(
                out,
                "started   {started}, {} ago",
                so_far(subject.duration_ms())
            )?,
            _ => writeln!(
                out,
                "started   {started}, took {}",
                took(subject.duration_ms())
            )?,
        }
    }
    writeln!(out, "progress  {}", progress(run))
}

/// `3 of 11 steps (27.3%): 2 succeeded, 1 failed, 2 running`
pub fn progress(run: &RunState) -> String {
    let counts = run.counts();
    let parts = [
        (counts.succeeded as usize, "succeeded"),
        (counts.failed as usize, "failed"),
        (counts.skipped as usize, "skipped"),
        (counts.canceled as usize, "canceled"),
        (run.running().count(), "running"),
    ];
    let told: Vec<String> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| match *word {
            "succeeded" => format!("{n} {word}{}", words::how_succeeded(counts)),
            _ => format!("{n} {word}"),
        })
        .collect();
    let colon = if told.is_empty() { "" } else { ": " };
    format!(
        "{} of {} ({:.1}%){colon}{}",
        counts.settled(),
        words::counted(counts.total as usize, "step"),
        words::percent(counts),
        told.join(", ")
    )
}

fn row(subject: Subject<'_>, ix: StepIx, width: usize, out: &mut impl Write) -> io::Result<()> {
    let Subject { run, now, .. } = subject;
    let record = run.step(ix);
    let word = record.word();
    let style = style::of_state(word);
    let line = format!(
        "{:width$}  {style}{word:9}{style:#}  {:8}  {:>8}  {}",
        clean(&run.plan()[ix].id),
        attempts(run, ix),
        words::duration(run, ix, now),
        clean(&words::note(run, ix, now)),
    );
    writeln!(out, "{}", line.trim_end())
}

/// `2 of 3`, where more than one is allowed.
pub(super) fn attempts(run: &RunState, ix: StepIx) -> String {
    let made = words::attempts_made(run.step(ix));
    match (made, run.plan()[ix].policy.retry.count) {
        (0, _) => String::new(),
        (made, 0) => made.to_string(),
        (made, more) => format!("{made} of {}", (more + 1).max(made)),
    }
}

/// Everything, for programs. `active` is the list of runs that go on now.
pub fn json(subject: Subject<'_>, timeline: &Timeline, active: Value) -> Value {
    json!(standing::told(subject, timeline, active))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{About, Absent, OnFailure};
    use crate::run::Kind;
    use crate::view::testing::{self, NOON, RUN, Story, exited};
    use std::time::Duration;

    fn subject(story: &Story) -> Subject<'_> {
        Subject {
            run_id: RUN,
            run: &story.run,
            now: story.now,
            interrupted: false,
        }
    }

    fn midway() -> Story {
        let mut plan = testing::plan(&["fetch", "build: fetch", "test: build", "docs", "lint"]);
        testing::policy(&mut plan, "build", |policy| {
            policy.retry.count = 2;
            policy.retry.delay = Duration::from_secs(5);
        });
        testing::policy(&mut plan, "docs", |policy| {
            policy.on_failure = OnFailure::Continue
        });
        testing::step(&mut plan, "lint").absent = Some(Absent::NotSelected);
        let mut story = Story::until(
            plan,
            |id, _| match id {
                "build" => (exited(3), 1_200),
                "docs" => (exited(1), 700),
                _ => (exited(0), 400),
            },
            |event| matches!(event.kind, Kind::StepRetry { .. }),
        );
        story.now += 1_000;
        story
    }

    /// P27.
    #[test]
    fn p27_a_run_as_a_table() {
        let story = midway();
        let shown = testing::written(|out| text(subject(&story), &TimeZone::UTC, out));
        insta::assert_snapshot!(shown, @r#"
        run 20261120-120000-test: A test (TEST, version 1)
        state     running
        started   2026-11-20 12:00:00, 2s ago
        progress  2 of 4 steps (50.0%): 1 succeeded, 1 failed

        STEP   STATE      ATTEMPTS  DURATION  NOTE
        fetch  succeeded  1            400ms
        build  pending    1 of 3        1.2s  attempt 2 in 4s
        test   pending                        waits for build
        docs   failed     1            700ms  exit 1
        lint   skipped                        not selected
        "#);
    }

    /// P21.
    #[test]
    fn p21_the_table_follows_the_hints() {
        let mut plan = testing::plan(&["a", "b"]);
        for (id, group, weight) in [("a", "Late\u{7}", 9), ("b", "Early", 1)] {
            testing::step(&mut plan, id).about = Some(Box::new(About {
                group: Some(group.into()),
                weight,
                ..About::default()
            }));
        }
        let story = Story::of(plan, |_, _| (exited(0), 100));
        let shown = testing::written(|out| text(subject(&story), &TimeZone::UTC, out));
        insta::assert_snapshot!(shown, @r#"
        run 20261120-120000-test: A test (TEST, version 1)
        state     succeeded: every step ended well
        started   2026-11-20 12:00:00, took 100ms
        progress  2 of 2 steps (100.0%): 2 succeeded

        STEP  STATE      ATTEMPTS  DURATION  NOTE
        Early
        b     succeeded  1            100ms
        Late\u{7}
        a     succeeded  1            100ms
        "#);
    }

    #[test]
    fn a_run_without_an_engine_says_how_to_go_on() {
        let story = midway();
        let subject = Subject {
            interrupted: true,
            ..subject(&story)
        };
        let shown = testing::written(|out| text(subject, &TimeZone::UTC, out));
        assert!(shown.contains(&format!(
            "interrupted: its engine is gone; quintet resume {RUN}\n"
        )));
    }

    /// P27, P23.
    #[test]
    fn p27_p23_a_run_as_json_has_every_step() {
        let story = midway();
        let timeline = Timeline::of(&story.events);
        let json = json(subject(&story), &timeline, json!([]));
        assert_eq!(json["run"]["state"], "running");
        assert_eq!(json["run"]["duration_ms"], story.now - NOON);
        assert_eq!(json["progress_pct"], 50.0);
        assert_eq!(json["counts"]["total"], 4);
        let states: Vec<_> = json["steps"]
            .as_array()
            .expect("steps are a list")
            .iter()
            .map(|step| {
                (
                    step["step_id"].as_str().unwrap(),
                    step["state"].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            states,
            [
                ("fetch", "succeeded"),
                ("build", "pending"),
                ("test", "pending"),
                ("docs", "failed"),
                ("lint", "skipped")
            ]
        );
        assert_eq!(json["steps"][1]["attempts"], 1);
        assert_eq!(json["steps"][1]["exit_code"], 3);
        assert_eq!(json["steps"][2]["waits_for"][0], "build");
        assert_eq!(json["warnings"][0], "docs");
        assert_eq!(json["timeline"].as_array().map(Vec::len), Some(3));
    }
}
