//! One run: what it is, how it stands, and the ways to look at it.

mod events;
mod failed;
mod list;
pub mod logs;
pub mod plan;

use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde::Deserialize;

use super::replay::{self, Replay};
use super::{Live, Page, Section, address, control, encoded, state, text};
use crate::plan::StepIx;
use crate::run::{Event, Outcome, Role, RunState, Seq};
use crate::view::status::{Subject, progress};
use crate::view::time::{date_and_clock, so_far, took};
use crate::view::words;

/// What the page shows.
pub struct Model<'a> {
    pub subject: Subject<'a>,
    pub events: &'a [Event],
    pub zone: &'a TimeZone,
    pub tab: Tab,
    /// Whether anything may be changed from the page.
    pub control: bool,
    pub asked: &'a Asked,
    /// The newest event there is, where the run is shown as it stood at an earlier one.
    pub replayed: Option<Seq>,
    /// The last words of steps that have failed: see [`to_be_explained`].
    pub said: &'a [(StepIx, Vec<String>)],
    /// What was read of output, where the way to look wants it.
    pub logs: Option<&'a logs::Logs>,
}

/// What is asked of a way to look at a run. Each takes of it what it knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// A step's id.
    pub step: Option<String>,
    pub attempt: Option<u32>,
    pub role: Role,
    pub stream: logs::Which,
    /// Where to begin: with an event, a step, a byte.
    pub from: Option<u64>,
    /// A text to look for, and the byte from which on.
    pub q: Option<String>,
    pub hit: Option<u64>,
    /// Whether long lines are wrapped: 0 for no.
    pub wrap: Option<u8>,
    /// An event's name.
    pub kind: Option<String>,
    pub order: Order,
}

/// What stands first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    #[default]
    Newest,
    Oldest,
}

impl Order {
    pub fn word(self) -> &'static str {
        match self {
            Order::Newest => "newest",
            Order::Oldest => "oldest",
        }
    }
}

impl Model<'_> {
    /// The run's own path.
    fn path(&self) -> String {
        format!("/runs/{}", encoded(self.subject.run_id))
    }

    /// The moment that is shown, where it is not now: the event just before it.
    fn at(&self) -> Option<String> {
        self.replayed.map(|_| self.subject.run.seq().to_string())
    }

    /// This run at this moment, looked at in another way.
    fn address(&self, tab: &str, query: &[(&str, &str)]) -> String {
        let at = self.at().unwrap_or_default();
        let all = [&[("tab", tab)], query, &[("at", &at)]].concat();
        address(&self.path(), &all)
    }

    /// The page of one of its steps.
    fn step(&self, ix: StepIx) -> String {
        let (id, at) = (&self.subject.run.plan()[ix].id, self.at());
        let query = [("step", &**id), ("at", &at.unwrap_or_default())];
        address(&format!("{}/step", self.path()), &query)
    }

    /// The run as it stood at an event.
    fn at_event(&self, seq: Seq) -> String {
        address(&self.path(), &[("at", &seq.to_string())])
    }
}

/// A way to look at a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tab {
    #[default]
    List,
    Logs,
    Events,
    Plan,
}

impl Tab {
    /// In the order in which they are offered, as addresses and people say them.
    const ALL: &[(Tab, &str, &str)] = &[
        (Tab::List, "list", "List"),
        (Tab::Logs, "logs", "Logs"),
        (Tab::Events, "events", "Events"),
        (Tab::Plan, "plan", "Plan"),
    ];

    fn word(self) -> &'static str {
        let found = Tab::ALL.iter().find(|(tab, ..)| *tab == self);
        found.map_or("", |(_, word, _)| word)
    }
}

pub fn page(model: &Model<'_>) -> Page {
    let Subject { run_id, run, .. } = model.subject;
    Page {
        title: format!("{} {}", text(&run.plan().name), model.subject.word()),
        section: Section::Runs,
        live: match model.replayed {
            Some(_) => Live::Never,
            None => Live::Run(run_id.to_owned()),
        },
        body: html! {
            (head(model))
            (failed::body(model))
            (tabs(model))
            (replay(model))
            @match model.tab {
                Tab::List => (list::body(model)),
                Tab::Logs => (logs::body(model)),
                Tab::Events => (events::body(model)),
                Tab::Plan => (plan::body(model)),
            }
        },
    }
}

fn head(model: &Model<'_>) -> Markup {
    let Subject { run_id, run, .. } = model.subject;
    let because = run.ended_because().map(words::because);
    let phase = words::run_phase(run).map(str::to_owned);
    let started = date_and_clock(run.started_at(), model.zone);
    html! {
        h1 { (text(&run.plan().name)) " " (state(model.subject.word())) }
        p .facts {
            code { (run_id) }
            @if run.started_at() != 0 {
                " started " (started) ", "
                @match run.ended_at() {
                    0 => { (so_far(model.subject.duration_ms())) " ago" },
                    _ => { "took " (took(model.subject.duration_ms())) },
                }
            }
        }
        @if let Some(why) = phase.or(because) { p { (text(&why)) } }
        @if model.subject.interrupted {
            p { "Its engine is gone. It goes on with " code { "quintet resume " (run_id) } "." }
        }
        (control::of_run(model.subject, model.events, model.control))
        p { (progress(run)) }
        progress max="100" value=(words::percent(run.counts())) aria-label="Progress" {}
    }
}

fn tabs(model: &Model<'_>) -> Markup {
    html! {
        nav .tabs aria-label="Ways to look at the run" {
            @for (tab, word, name) in Tab::ALL {
                a href=(model.address(word, &[]))
                    aria-current=[(*tab == model.tab).then_some("page")] { (name) }
            }
        }
    }
}

/// What keeps the way to look while the moment changes.
fn replay(model: &Model<'_>) -> Markup {
    let asked = model.asked;
    let attempt = asked.attempt.map(|attempt| attempt.to_string());
    let kept = [
        ("tab", model.tab.word()),
        ("step", asked.step.as_deref().unwrap_or_default()),
        ("attempt", &attempt.unwrap_or_default()),
        ("kind", asked.kind.as_deref().unwrap_or_default()),
        ("q", asked.q.as_deref().unwrap_or_default()),
    ];
    replay::bar(&Replay {
        path: &model.path(),
        asked: &kept,
        last: model.replayed.unwrap_or(model.subject.run.seq()),
        event: model.events.last().filter(|_| model.replayed.is_some()),
        plan: model.subject.run.plan(),
        zone: model.zone,
    })
}

/// The steps whose failure the page explains at its top: those that count first, then
/// those that may fail, each in the order in which they failed; and how many there are.
pub fn to_be_explained(run: &RunState) -> (Vec<StepIx>, usize) {
    const MOST: usize = 5;
    let mut failed: Vec<StepIx> = run
        .plan()
        .indices()
        .filter(|ix| run.step(*ix).outcome() == Some(Outcome::Failed))
        .collect();
    failed.sort_by_key(|ix| (!run.counts_as_failure(*ix), run.step(*ix).ended_at, *ix));
    let all = failed.len();
    failed.truncate(MOST);
    (failed, all)
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::view::testing::{RUN, Story};

    /// A way to look at a story's run.
    pub fn shown(story: &Story, tab: Tab, asked: &Asked) -> String {
        with_logs(story, tab, asked, None)
    }

    /// The same with what was read of output.
    pub fn with_logs(story: &Story, tab: Tab, asked: &Asked, logs: Option<&logs::Logs>) -> String {
        let subject = Subject {
            run_id: RUN,
            run: &story.run,
            now: story.now,
            interrupted: false,
        };
        let model = Model {
            subject,
            events: &story.events,
            zone: &TimeZone::UTC,
            tab,
            asked,
            replayed: None,
            said: &[],
            logs,
            control: false,
        };
        page(&model).body.into_string()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::shown;
    use super::*;
    use crate::view::status;
    use crate::view::testing::{self, RUN, Story, exited};

    fn failing() -> Story {
        let mut plan = testing::plan(&["fetch", "build: fetch", "docs", "ship: build"]);
        testing::policy(&mut plan, "build", |policy| policy.retry.count = 1);
        Story::of(plan, |id, _| (exited(i32::from(id == "build") * 3), 400))
    }

    #[test]
    fn a_failed_run_says_at_its_top_what_failed_and_leads_there() {
        let story = failing();
        let said = [(story.ix("build"), vec!["no <space> left".to_owned()])];
        let model = Model {
            subject: Subject {
                run_id: RUN,
                run: &story.run,
                now: story.now,
                interrupted: false,
            },
            events: &story.events,
            zone: &TimeZone::UTC,
            tab: Tab::List,
            asked: &Asked::default(),
            replayed: None,
            said: &said,
            logs: None,
            control: false,
        };
        let page = page(&model).body.into_string();
        let head = page.split("class=\"tabs\"").next().unwrap();
        for part in [
            "exit 3, after 2 attempts",
            "no &lt;space&gt; left",
            "/step?step=build\"",
        ] {
            assert!(head.contains(part), "{part}: {head}");
        }
    }

    #[test]
    fn a_run_in_which_nothing_failed_has_no_such_part() {
        let story = Story::of(testing::plan(&["a"]), |_, _| (exited(0), 1));
        assert!(!shown(&story, Tab::List, &Asked::default()).contains("failed"));
    }

    #[test]
    fn at_every_moment_each_page_says_what_status_said_then() {
        let story = failing();
        for until in 1..=story.events.len() {
            let events = &story.events[..until];
            let run = RunState::replay(story.run.plan().clone(), events).unwrap();
            let subject = Subject {
                run_id: RUN,
                run: &run,
                now: events[until - 1].at,
                interrupted: false,
            };
            let mut model = Model {
                subject,
                events,
                zone: &TimeZone::UTC,
                tab: Tab::List,
                asked: &Asked::default(),
                replayed: Some(story.events.len() as Seq),
                said: &[],
                logs: None,
                control: false,
            };
            for (tab, word, _) in Tab::ALL {
                model.tab = *tab;
                let page = page(&model);
                assert_eq!(page.live, Live::Never);
                let body = page.body.into_string();
                assert!(body.contains(&text(&progress(&run))), "{word} at {until}");
                let slider = format!(r#"max="{}" value="{until}""#, story.events.len());
                assert!(body.contains(&slider), "{word} at {until}: {body}");
            }
            model.tab = Tab::List;
            let body = page(&model).body.into_string();
            let told = status::json(subject, &Default::default(), serde_json::json!([]));
            for step in told["steps"].as_array().unwrap() {
                let (id, word) = (step["step_id"].as_str(), step["state"].as_str());
                let at = run.find(id.unwrap()).unwrap().at();
                let row = body.split(&format!("id=\"step-{at}\"")).nth(1).unwrap();
                let row = row.split("</tr>").next().unwrap();
                let state = format!("data-state=\"{}\"", word.unwrap());
                assert!(row.contains(&state), "{id:?} at {until}: {row}");
            }
        }
    }
}
