//! What steps have written: a window on one attempt's streams, or the last lines of
//! all of them.
//!
//! It is given what was read, and never more of it than is shown.

use maud::{Markup, html};
use serde::Deserialize;

use super::Model;
use crate::plan::StepIx;
use crate::run::{Attempt, Kind, Role, Seq};
use crate::store::logs::search::{Found, Needle};
use crate::store::logs::window::Window;
use crate::view::timeline::Bar;
use crate::view::web::lines::{Shown, lines};
use crate::view::web::{encoded, state, text};
use crate::view::words;

/// So many steps are offered as a choice; of more, one names the step.
const MOST_CHOICES: usize = 200;

/// So many attempts are shown at once where no step was asked for.
pub const PAGE: usize = 20;

/// Which streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    #[default]
    Both,
    Stdout,
    Stderr,
}

impl Which {
    const ALL: [Which; 3] = [Which::Both, Which::Stdout, Which::Stderr];

    pub fn word(self) -> &'static str {
        match self {
            Which::Both => "both",
            Which::Stdout => "stdout",
            Which::Stderr => "stderr",
        }
    }

    /// Whether the stream of this name is one of them.
    pub fn has(self, stream: &str) -> bool {
        self == Which::Both || self.word() == stream
    }
}

/// What was read.
pub enum Logs {
    /// The last lines of attempts that run, then of others in the order in which they
    /// ended, and the event that the next page begins with.
    All {
        live: Vec<(Attempt, Vec<String>)>,
        ends: Vec<(Attempt, Vec<String>)>,
        next: Option<Seq>,
    },
    One(One),
    /// There is nothing to show, and this is why.
    Nothing(String),
}

/// One attempt's output.
pub struct One {
    pub attempt: Attempt,
    /// All that the step has had.
    pub attempts: Vec<Bar>,
    pub streams: Vec<Stream>,
    pub needle: Option<Needle>,
    /// It may write more.
    pub is_live: bool,
}

/// One stream of it.
pub struct Stream {
    pub name: &'static str,
    pub window: Window,
    /// Where the window before this one begins.
    pub before: u64,
    pub search: Option<Search>,
}

/// Where the text stands that is looked for.
pub struct Search {
    /// The match that is looked at; the window was asked for by its place, without.
    pub current: Option<Found>,
    pub next: Found,
    pub previous: Found,
}

pub fn body(model: &Model<'_>) -> Markup {
    html! {
        (choice(model))
        @match model.logs {
            None => {},
            Some(Logs::Nothing(why)) => p .empty { (text(why)) },
            Some(Logs::All { live, ends, next }) => (all(model, live, ends, *next)),
            Some(Logs::One(one)) => (of_one(model, one)),
        }
    }
}

/// The attempts that have left something or run, by step.
fn with_output(model: &Model<'_>) -> Vec<StepIx> {
    let written = model.events.iter().filter_map(|event| match &event.kind {
        Kind::StepFinished { attempt, end } if !end.output.is_empty() => Some(attempt.step),
        _ => None,
    });
    let mut steps: Vec<StepIx> = written.chain(model.subject.run.running()).collect();
    steps.sort();
    steps.dedup();
    steps
}

fn choice(model: &Model<'_>) -> Markup {
    let plan = model.subject.run.plan();
    let id = model.asked.step.as_deref().unwrap_or_default();
    let steps = with_output(model);
    html! {
        form .filter method="get" action=(model.path()) {
            (kept(model, &[]))
            label { "Step "
                @if steps.len() <= MOST_CHOICES {
                    select name="step" {
                        option value="" { "all" }
                        @for ix in steps {
                            @let step = &*plan[ix].id;
                            option value=(step) selected[step == id] { (text(step)) }
                        }
                    }
                } @else {
                    input type="text" name="step" value=(id);
                }
            }
            button type="submit" { "Choose" }
        }
        @if !id.is_empty() { (look(model, id)) }
    }
}

/// How one step's output is looked at.
fn look(model: &Model<'_>, id: &str) -> Markup {
    let asked = model.asked;
    let wraps = asked.wrap != Some(0);
    let attempt = asked.attempt.map(|number| number.to_string());
    let attempt = attempt.unwrap_or_default();
    let same = [
        ("step", id),
        ("attempt", &attempt),
        ("role", role_word(asked.role).1),
    ];
    html! {
        form .filter method="get" action=(model.path()) role="search" {
            (kept(model, &same))
            label { "Find " input type="search" name="q" value=(asked.q.as_deref().unwrap_or_default()) data-search; }
            label { "Stream "
                select name="stream" {
                    @for which in Which::ALL {
                        option value=(which.word()) selected[which == asked.stream] { (which.word()) }
                    }
                }
            }
            label { "Long lines "
                select name="wrap" {
                    option value="" selected[wraps] { "wrap" }
                    option value="0" selected[!wraps] { "do not wrap" }
                }
            }
            button type="submit" { "Show" }
        }
    }
}

/// What a form here leaves as it is.
fn kept(model: &Model<'_>, more: &[(&str, &str)]) -> Markup {
    let at = model.at().unwrap_or_default();
    let all = [&[("tab", "logs"), ("at", &*at)], more].concat();
    html! {
        @for (name, value) in all.iter().filter(|(_, value)| !value.is_empty()) {
            input type="hidden" name=(name) value=(value);
        }
    }
}

fn all(
    model: &Model<'_>,
    live: &[(Attempt, Vec<String>)],
    ends: &[(Attempt, Vec<String>)],
    next: Option<Seq>,
) -> Markup {
    html! {
        @if live.is_empty() && ends.is_empty() {
            p .empty { "No step has written anything that is here." }
        }
        // What is written is no event: the page looks again by itself.
        @if !live.is_empty() {
            div data-every="1000" { @for (attempt, said) in live { (end_of(model, *attempt, said, true)) } }
        }
        @for (attempt, said) in ends { (end_of(model, *attempt, said, false)) }
        @if let Some(next) = next {
            p { a rel="next" href=(model.address("logs", &[("from", &next.to_string())])) { "Later output" } }
        }
    }
}

/// The last lines of one attempt, which lead to all of it.
fn end_of(model: &Model<'_>, attempt: Attempt, said: &[String], runs: bool) -> Markup {
    let id = &model.subject.run.plan()[attempt.step].id;
    html! {
        section {
            h2 {
                a href=(of_attempt(model, attempt)) { (text(id)) (suffix(attempt)) }
                @if runs { " " (state("running")) }
            }
            pre .log { (text(&said.join("\n"))) }
        }
    }
}

/// ` (attempt 2)`, where it is not simply the first.
fn suffix(attempt: Attempt) -> String {
    match (attempt.role, attempt.number) {
        (Role::Main, 1) => String::new(),
        (role, number) => format!(" ({} {number})", role_word(role).0),
    }
}

/// What an attempt of a role is called, and how an address says it.
pub fn role_word(role: Role) -> (&'static str, &'static str) {
    match role {
        Role::Main => ("attempt", ""),
        Role::Remedy => ("remedy", "remedy"),
        Role::Undo => ("undo", "undo"),
    }
}

/// The output of an attempt, as a whole.
fn of_attempt(model: &Model<'_>, attempt: Attempt) -> String {
    let (number, role) = (attempt.number.to_string(), role_word(attempt.role).1);
    let id = &model.subject.run.plan()[attempt.step].id;
    model.address(
        "logs",
        &[("step", id), ("attempt", &number), ("role", role)],
    )
}

fn of_one(model: &Model<'_>, one: &One) -> Markup {
    let words = |bar: &Bar| {
        let (name, _) = role_word(bar.attempt.role);
        let end = bar.end.as_deref().map(|end| words::exit(end).into_owned());
        let end = end.unwrap_or_else(|| "runs".into());
        format!("{name} {}: {end}", bar.attempt.number)
    };
    html! {
        p {
            a href=(model.step(one.attempt.step)) { "Why it is as it is" }
            @if one.attempts.len() > 1 {
                @for bar in &one.attempts {
                    " · " a href=(of_attempt(model, bar.attempt))
                        aria-current=[(bar.attempt == one.attempt).then_some("page")] { (text(&words(bar))) }
                }
            }
        }
        @if one.streams.is_empty() {
            p .empty { (match one.is_live { true => "It has written nothing so far.", false => "It wrote nothing." }) }
        }
        @for stream in &one.streams { (of_stream(model, one, stream)) }
    }
}

fn of_stream(model: &Model<'_>, one: &One, stream: &Stream) -> Markup {
    let window = &stream.window;
    let is_both = model.asked.stream == Which::Both;
    let prefix = if is_both && stream.name == "stderr" {
        "E"
    } else {
        "L"
    };
    let is_whole = window.from == 0 && window.end() >= window.len;
    // A page that will show something else by itself is no address for its lines.
    let is_still = !one.is_live || (model.asked.from.is_some() && !is_both);
    let page = match is_still {
        true => String::new(),
        false => place(model, one, stream, ("from", &window.from.to_string())),
    };
    let follows = one.is_live && model.asked.from.is_none();
    let class = if model.asked.wrap == Some(0) {
        "log lines"
    } else {
        "log lines wrap"
    };
    html! {
        section {
            h2 { (stream.name) }
            (tools(model, one, stream, is_whole))
            div #{ "log-" (stream.name) } class=(class) tabindex="0" role="region"
                aria-label={ "What it wrote to " (stream.name) }
                data-end[window.end() >= window.len]
                data-every=[follows.then_some("1000")]
            {
                (lines(&Shown {
                    window,
                    needle: one.needle.as_ref(),
                    current: stream.search.as_ref().and_then(|search| match search.current {
                        Some(Found::At(at)) => Some(at),
                        _ => None,
                    }),
                    prefix,
                    page: &page,
                }))
            }
            @if !is_whole && window.first_line.is_none() {
                p .faint { "Lines so far in are told by the byte that they begin at." }
            }
        }
    }
}

/// A place in a stream: `from` a byte, or at the first `hit` after one.
fn place(model: &Model<'_>, one: &One, stream: &Stream, at: (&str, &str)) -> String {
    let id = &model.subject.run.plan()[one.attempt.step].id;
    let asked = model.asked;
    model.address(
        "logs",
        &[
            ("step", id),
            ("attempt", &one.attempt.number.to_string()),
            ("role", role_word(one.attempt.role).1),
            ("stream", stream.name),
            ("q", asked.q.as_deref().unwrap_or_default()),
            ("wrap", if asked.wrap == Some(0) { "0" } else { "" }),
            at,
        ],
    )
}

/// Where one can go in the stream, and what is found in it.
fn tools(model: &Model<'_>, one: &One, stream: &Stream, is_whole: bool) -> Markup {
    let window = &stream.window;
    let to = |from: u64| place(model, one, stream, ("from", &from.to_string()));
    let end = if stream.search.is_some() {
        u64::MAX.to_string()
    } else {
        String::new()
    };
    let plan = model.subject.run.plan();
    let (id, number) = (&plan[one.attempt.step].id, one.attempt.number.to_string());
    let download = crate::view::web::address(
        &format!("/api/v1/runs/{}/log", encoded(model.subject.run_id)),
        &[
            ("step", id),
            ("attempt", &number),
            ("role", role_word(one.attempt.role).1),
            ("stream", stream.name),
            ("download", "1"),
        ],
    );
    html! {
        p .tools {
            span .faint {
                @match is_whole {
                    true => { (bytes(window.len)) },
                    false => { "bytes " (window.from) " to " (window.end()) " of " (bytes(window.len)) },
                }
            }
            @if window.from > 0 {
                " " a href=(to(0)) { "Beginning" }
                " " a rel="prev" href=(to(stream.before)) { "Before" }
            }
            @if window.end() < window.len {
                " " a rel="next" href=(to(window.end())) { "After" }
                " " a href=(place(model, one, stream, ("from", &end))) { (if one.is_live { "Follow the end" } else { "End" }) }
            }
            @if let Some(search) = &stream.search { (found(search, |hit| place(model, one, stream, ("hit", &hit.to_string())))) }
            " " a href=(download) data-download=(file_name(id, one.attempt, stream.name)) { "Download" }
        }
    }
}

fn found(search: &Search, to: impl Fn(u64) -> String) -> Markup {
    let link = |found: Found, name: &str, further: &str| match found {
        Found::At(at) => html! { " " a href=(to(at)) { (name) } },
        Found::NotUntil(at) => html! { " " a href=(to(at)) { (further) } },
        Found::No => html! {},
    };
    html! {
        @if let Some(Found::No | Found::NotUntil(_)) = search.current {
            " " strong { "Not found from here on." }
        }
        (link(search.previous, "Previous match", "Search further back"))
        (link(search.next, "Next match", "Search further on"))
    }
}

/// `12.3 MiB`
fn bytes(n: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = n as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < units.len() {
        (size, unit) = (size / 1024.0, unit + 1);
    }
    match n {
        0..1024 => words::counted(n as usize, "byte"),
        _ => format!("{size:.1} {}", units[unit]),
    }
}

/// What a stream is called when it is saved: letters that any system takes.
pub fn file_name(id: &str, attempt: Attempt, stream: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_".contains(c) {
            c
        } else {
            '_'
        }
    };
    let id: String = id.chars().take(80).map(plain).collect();
    let (role, _) = role_word(attempt.role);
    format!("{id}-{role}-{}-{stream}.log", attempt.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{self, Story, exited};
    use crate::view::web::run::testing::with_logs;
    use crate::view::web::run::{Asked, Tab};
    use crate::view::web::step::attempts;

    fn story() -> Story {
        let mut plan = testing::plan(&["talk"]);
        testing::policy(&mut plan, "talk", |policy| policy.retry.count = 1);
        Story::of(plan, |_, n| (exited(i32::from(n == 1)), 10))
    }

    fn one(story: &Story, is_live: bool) -> One {
        let attempts = attempts(&story.events, story.ix("talk"), story.run.plan());
        let stream = |name, bytes: &[u8]| Stream {
            name,
            window: Window {
                from: 0,
                bytes: bytes.to_vec(),
                first_line: Some(1),
                len: bytes.len() as u64,
            },
            before: 0,
            search: None,
        };
        One {
            attempt: attempts[1].attempt,
            attempts,
            streams: vec![stream("stdout", b"out\n"), stream("stderr", b"err\n")],
            needle: None,
            is_live,
        }
    }

    fn shown(is_live: bool) -> String {
        let story = story();
        let asked = Asked {
            step: Some("talk".into()),
            ..Asked::default()
        };
        with_logs(
            &story,
            Tab::Logs,
            &asked,
            Some(&Logs::One(one(&story, is_live))),
        )
    }

    #[test]
    fn both_streams_have_lines_with_names_of_their_own() {
        let page = shown(false);
        for part in [
            r##"<div id="L1"><a href="#L1">1</a><span>out"##,
            r##"<div id="E1"><a href="#E1">1</a><span>err"##,
            "attempt 1: exit 1",
            "data-download=\"talk-attempt-2-stderr.log\"",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("data-every"), "{page}");
    }

    #[test]
    fn what_still_grows_is_followed_and_its_lines_have_lasting_addresses() {
        let page = shown(true);
        assert!(page.contains("data-end data-every=\"1000\""), "{page}");
        assert!(page.contains("stream=stdout&amp;from=0#L1\""), "{page}");
    }

    #[test]
    fn sizes_are_told_in_units_that_people_know() {
        let told = [1, 1023, 1024, 126_787, 1 << 30].map(bytes);
        assert_eq!(
            told,
            ["1 byte", "1023 bytes", "1.0 KiB", "123.8 KiB", "1.0 GiB"]
        );
    }
}
