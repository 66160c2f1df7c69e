//! One step of a run: why it is as it is, what its attempts came to and wrote, what it
//! waits for and what waits for it, and where it is written.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::replay::{self, Replay};
use super::run::logs::role_word;
use super::run::plan::place;
use super::{Live, Page, Section, address, encoded, state, text};
use crate::plan::{Plan, StepIx};
use crate::run::{Event, Seq};
use crate::view::command::of_command;
use crate::view::events::{concerns, detail};
use crate::view::time::{clock, date_and_clock, so_far, took};
use crate::view::timeline::{Bar, Timeline};
use crate::view::why::{MOST_NEIGHBOURS, Question, answer};
use crate::view::{step, words};

/// A step may have as many attempts and events as it likes; the last of them are shown.
const MOST_ROWS: usize = 100;

/// What the page shows.
pub struct Model<'a> {
    pub question: Question<'a>,
    pub zone: &'a TimeZone,
    /// The newest event there is, where the step is shown as it stood at an earlier one.
    pub replayed: Option<Seq>,
    /// The last lines of each stream of the attempt looked at, by its name.
    pub said: &'a [(&'static str, Vec<String>)],
}

impl Model<'_> {
    fn run_path(&self) -> String {
        format!("/runs/{}", encoded(self.question.run_id))
    }

    fn id(&self) -> &str {
        &self.question.run.plan()[self.question.step].id
    }

    fn at(&self) -> String {
        let seq = self.question.run.seq().to_string();
        self.replayed.map_or_else(String::new, |_| seq)
    }

    /// The run, looked at in some way, with this step in mind.
    fn tab(&self, tab: &str, more: &[(&str, &str)]) -> String {
        let at = self.at();
        let all = [&[("tab", tab), ("step", self.id())], more, &[("at", &at)]].concat();
        address(&self.run_path(), &all)
    }

    fn step(&self, ix: StepIx) -> String {
        let (id, at) = (&self.question.run.plan()[ix].id, self.at());
        address(
            &format!("{}/step", self.run_path()),
            &[("step", id), ("at", &at)],
        )
    }
}

/// The attempts that these events tell of, at one step.
pub fn attempts(events: &[Event], step: StepIx, plan: &Plan) -> Vec<Bar> {
    Timeline::of(events.iter().filter(|event| concerns(event, step, plan))).bars
}

pub fn page(model: &Model<'_>) -> Page {
    let Question { run, run_id, .. } = model.question;
    let word = run.step(model.question.step).word();
    let name = text(model.id());
    Page {
        title: format!("{name} {word}"),
        section: Section::Runs,
        live: match model.replayed {
            Some(_) => Live::Never,
            None => Live::Run(run_id.to_owned()),
        },
        body: html! {
            p { a href=(address(&model.run_path(), &[("at", &model.at())])) {
                (text(&run.plan().name)) " " code { (run_id) }
            } }
            h1 { (name) " " (state(word)) }
            (why(model))
            (replay(model))
            (output(model))
            (history(model))
            (neighbours(model))
            (definition(model))
        },
    }
}

fn replay(model: &Model<'_>) -> Markup {
    let run = model.question.run;
    replay::bar(&Replay {
        path: &format!("{}/step", model.run_path()),
        asked: &[("step", model.id())],
        last: model.replayed.unwrap_or(run.seq()),
        event: model
            .question
            .events
            .last()
            .filter(|_| model.replayed.is_some()),
        plan: run.plan(),
        zone: model.zone,
    })
}

fn why(model: &Model<'_>) -> Markup {
    let answer = answer(model.question, model.zone);
    html! {
        @for (n, sentence) in answer.sentences.iter().enumerate() {
            p .answer[n == 0] { @if n == 0 { "It " } (text(sentence)) }
        }
    }
}

/// What was put out last, at once: most questions end there.
fn output(model: &Model<'_>) -> Markup {
    let Question {
        run,
        step: ix,
        events,
        ..
    } = model.question;
    let bars = attempts(events, ix, run.plan());
    let shown = bars.len().saturating_sub(MOST_ROWS);
    let last = run.step(ix).last.end();
    html! {
        @if !bars.is_empty() {
            h2 { "Attempts" }
            table data-rows {
                thead { tr { th { "Attempt" } th { "Began" } th .number { "Took" } th { "Ended" } th { "Output" } } }
                tbody { @for bar in &bars[shown..] { (attempt(model, bar)) } }
            }
        }
        @for (stream, said) in model.said.iter().filter(|(_, said)| !said.is_empty()) {
            h2 { "The end of " (stream) }
            pre .log { (text(&said.join("\n"))) }
        }
        @if model.said.iter().any(|(_, said)| !said.is_empty()) {
            p { a href=(model.tab("logs", &[])) { "All that it wrote" } }
        }
        @if let Some(end) = last && !end.outputs.is_empty() {
            h2 { "What it put out for later steps" }
            dl { @for (name, value) in &end.outputs { dt { (text(name)) } dd { (text(value)) } } }
        }
    }
}

fn attempt(model: &Model<'_>, bar: &Bar) -> Markup {
    let (name, role) = role_word(bar.attempt.role);
    let number = bar.attempt.number.to_string();
    let query = [("attempt", &*number), ("role", role)];
    let now = model.question.now;
    html! {
        tr {
            td { (name) " " (number) }
            td { (date_and_clock(bar.started_at, model.zone)) }
            td .number { (match &bar.end {
                Some(end) => took(words::ran_ms(end)).to_string(),
                None => so_far(now.saturating_sub(bar.started_at)).to_string(),
            }) }
            td { @match &bar.end {
                Some(end) => {
                    (text(&words::exit(end)))
                    @for said in words::remark(end).into_iter().chain(words::left_out(&end.output)) {
                        p .faint { (text(&said)) }
                    }
                },
                None => "runs",
            } }
            td { a href=(model.tab("logs", &query)) { "logs" } }
        }
    }
}

fn history(model: &Model<'_>) -> Markup {
    let history = answer(model.question, model.zone).history;
    let shown = history.len().saturating_sub(MOST_ROWS);
    let path = format!("{}/step", model.run_path());
    html! {
        @if !history.is_empty() {
            h2 { "What happened" }
            table .events data-rows {
                thead { tr { th .number { "Event" } th { "Time" } th { "What, and why" } } }
                tbody { @for event in &history[shown..] {
                    @let seq = event.seq.to_string();
                    tr {
                        td .number {
                            a href=(address(&path, &[("step", model.id()), ("at", &seq)]))
                                title="The step as it stood then" { (seq) }
                        }
                        td { (clock(event.at, model.zone)) }
                        td { (text(&detail(&event.kind, model.zone))) }
                    }
                } }
            }
            @if shown > 0 { p { a href=(model.tab("events", &[])) { "and " (shown) " events before" } } }
        }
    }
}

fn neighbours(model: &Model<'_>) -> Markup {
    let Question { run, now, .. } = model.question;
    html! {
        @for (what, steps) in answer(model.question, model.zone).neighbours {
            h2 { (capital(what)) }
            table data-rows {
                thead { tr { th { "Step" } th { "State" } th { "Note" } } }
                tbody { @for ix in steps.iter().take(MOST_NEIGHBOURS) {
                    tr {
                        td { a href=(model.step(*ix)) { (text(&run.plan()[*ix].id)) } }
                        td { (state(run.step(*ix).word())) }
                        td { (text(&words::note(run, *ix, now))) }
                    }
                } }
            }
            @if steps.len() > MOST_NEIGHBOURS { p { "and " (steps.len() - MOST_NEIGHBOURS) " more" } }
        }
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// The step as its plan has it.
fn definition(model: &Model<'_>) -> Markup {
    let (plan, ix) = (model.question.run.plan(), model.question.step);
    let remedy = plan[ix].remedy.as_deref();
    let used = model.question.run.step(ix).remedies();
    html! {
        h2 { "As the plan has it" }
        dl {
            @for (name, value) in step::rows(plan, ix).into_iter().filter(|(name, _)| *name != "written in") {
                dt { (name) } dd { (text(&value)) }
            }
            @if let Some(remedy) = remedy {
                dt { "remedy" }
                dd {
                    code { (text(&of_command(&remedy.command).to_string())) }
                    " used " (used) " of " (words::counted(remedy.attempts as usize, "time"))
                }
            }
            dt { "written in" } dd { (place(plan, ix)) }
        }
        p { a href=(model.tab("plan", &[])) { "The whole plan" } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{self, RUN, Story, exited};

    fn shown(story: &Story, id: &str, said: &[(&'static str, Vec<String>)]) -> String {
        let model = Model {
            question: Question {
                run_id: RUN,
                run: &story.run,
                events: &story.events,
                step: story.ix(id),
                now: story.now,
                interrupted: false,
            },
            zone: &TimeZone::UTC,
            replayed: None,
            said,
        };
        page(&model).body.into_string()
    }

    fn failing() -> Story {
        let mut plan = testing::plan(&["fetch", "build/<x>: fetch", "ship: build/<x>"]);
        testing::policy(&mut plan, "build/<x>", |policy| policy.retry.count = 1);
        Story::of(plan, |id, _| (exited(i32::from(id != "fetch") * 3), 400))
    }

    #[test]
    fn a_failure_is_explained_with_its_attempts_its_words_and_its_place() {
        let story = failing();
        let said = [("stderr", vec!["no <space> left".to_owned()])];
        let page = shown(&story, "build/<x>", &said);
        for part in [
            "It failed with exit 3 after 400ms",
            "all 2 attempts that it has are used up",
            "attempt 2",
            "no &lt;space&gt; left",
            "tab=logs&amp;step=build%2F%3Cx%3E\"",
            "test.json:2:1",
            "What waits for it",
            "/step?step=ship\"",
            "/step?step=fetch\"",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("<x>"), "{page}");
    }

    #[test]
    fn a_remedy_and_what_was_put_out_are_shown() {
        let mut plan = testing::plan(&["mend"]);
        testing::remedy(&mut plan, "mend", 2);
        let story = Story::of(plan, |_, n| (exited(i32::from(n == 1)), 10));
        let page = shown(&story, "mend", &[]);
        assert!(page.contains("used 1 of 2 times"), "{page}");
        assert!(page.contains("<td>remedy 1</td>"), "{page}");
    }
}
