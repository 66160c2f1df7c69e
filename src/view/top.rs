//! The dashboard of the terminal: what a full screen shows of all runs, or of one.
//!
//! Like every view it is a function of what is recorded and of a moment; it draws
//! into whatever is as large as a screen. What is marked and how far one has scrolled
//! belongs to who looks, and is an argument too.

use jiff::tz::TimeZone;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Gauge, Paragraph, Row, Table, TableState, Wrap};

use super::escape::printable;
use super::runs::Listed;
use super::status::{Subject, progress};
use super::time::{clock, date_and_clock, so_far, took};
use super::words;
use crate::plan::StepIx;
use crate::run::Millis;

/// What is shown.
pub enum Scene<'a> {
    Runs(Runs<'a>),
    Run(Box<One<'a>>),
}

/// All runs, newest first.
pub struct Runs<'a> {
    pub runs: &'a [Listed],
    /// How far those have got that go on, in hundredths; by their ids.
    pub percent: &'a dyn Fn(&str) -> Option<f64>,
    /// Which is marked.
    pub at: usize,
    pub now: Millis,
    pub zone: &'a TimeZone,
}

/// One run.
pub struct One<'a> {
    pub subject: Subject<'a>,
    /// The steps that are listed.
    pub steps: &'a [StepIx],
    /// Whether they are only those that are not done well.
    pub filtered: bool,
    /// Which is marked.
    pub at: usize,
    /// What is told of that step: its lines.
    pub about: &'a [String],
    /// What that is.
    pub heading: &'a str,
    pub zone: &'a TimeZone,
}

/// Draws the scene on the whole screen.
pub fn draw(frame: &mut Frame<'_>, scene: &Scene<'_>) {
    match scene {
        Scene::Runs(runs) => draw_runs(frame, runs),
        Scene::Run(one) => draw_one(frame, one),
    }
}

fn draw_runs(frame: &mut Frame<'_>, model: &Runs<'_>) {
    let [head, list, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let going = model.runs.iter().filter(|run| run.word() == "running");
    let told = format!("{} listed, {} running", model.runs.len(), going.count());
    headline(frame, head, "quintet", &told, &clock(model.now, model.zone));
    let rows = model.runs.iter().map(|run| {
        let row = &run.row;
        let duration = run.duration_ms(model.now).map(|ms| match row.ended_at {
            Some(_) => took(ms).to_string(),
            None => so_far(ms).to_string(),
        });
        let percent = (model.percent)(&row.run_id);
        Row::new([
            Cell::from(run.word()).style(of_state(run.word())),
            Cell::from(
                percent
                    .map(|done| format!("{done:3.0}%"))
                    .unwrap_or_default(),
            ),
            Cell::from(duration.unwrap_or_default()),
            Cell::from(date_and_clock(
                row.started_at.unwrap_or(row.created_at),
                model.zone,
            )),
            Cell::from(printable(&row.name)),
            Cell::from(row.run_id.as_str()),
        ])
    });
    let widths = [
        Constraint::Length(11),
        Constraint::Length(4),
        Constraint::Length(9),
        Constraint::Length(19),
        Constraint::Min(12),
        Constraint::Length(20),
    ];
    let names = ["STATE", "DONE", "TOOK", "STARTED", "PLAN", "RUN"];
    table(
        frame,
        list,
        Table::new(rows, widths).header(header(&names)),
        model.at,
    );
    footer(frame, keys, "enter look  j/k move  q quit");
}

fn draw_one(frame: &mut Frame<'_>, model: &One<'_>) {
    let Subject {
        run_id, run, now, ..
    } = model.subject;
    let [head, facts, bar, rest, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let word = model.subject.word();
    let name = printable(&run.plan().name);
    headline(frame, head, &name, run_id, &clock(now, model.zone));
    let since = match run.ended_at() {
        0 => format!("for {}", so_far(model.subject.duration_ms())),
        _ => format!("took {}", took(model.subject.duration_ms())),
    };
    let phase = words::run_phase(run).map(str::to_owned);
    let because = phase.or_else(|| run.ended_because().map(words::because));
    let because = because.map(|why| format!(", {}", printable(why.trim())));
    let line = Line::from(vec![
        Span::styled(word, of_state(word)),
        Span::raw(format!(" {since}{}", because.unwrap_or_default())),
    ]);
    frame.render_widget(Paragraph::new(line), facts);
    let gauge = Gauge::default()
        .gauge_style(of_state(word).remove_modifier(Modifier::BOLD))
        .ratio((words::percent(run.counts()) / 100.0).clamp(0.0, 1.0))
        .label(progress(run));
    frame.render_widget(gauge, bar);
    // What is told of a step stands beside the steps where there is room, else below.
    let halves = [Constraint::Percentage(55), Constraint::Percentage(45)];
    let [list, about] = match rest.width >= 100 {
        true => Layout::horizontal(halves).areas(rest),
        false => Layout::vertical(halves).areas(rest),
    };
    draw_steps(frame, list, model);
    let lines: Vec<Line<'_>> = model
        .about
        .iter()
        .map(|line| Line::raw(line.as_str()))
        .collect();
    let block = Block::default()
        .borders(if rest.width >= 100 {
            Borders::LEFT
        } else {
            Borders::TOP
        })
        .title(Span::styled(model.heading, Modifier::BOLD));
    let told = Paragraph::new(lines)
        .wrap(Wrap { trim: false })
        .block(block);
    frame.render_widget(told, about);
    let which = if model.filtered {
        "f all steps"
    } else {
        "f only what is not done"
    };
    footer(
        frame,
        keys,
        &format!("j/k move  l why/log  {which}  esc back  q quit"),
    );
}

fn draw_steps(frame: &mut Frame<'_>, area: Rect, model: &One<'_>) {
    let Subject { run, now, .. } = model.subject;
    let rows = model.steps.iter().map(|ix| {
        let word = run.step(*ix).word();
        Row::new([
            Cell::from(word).style(of_state(word)),
            Cell::from(words::duration(run, *ix, now)),
            Cell::from(printable(&run.plan()[*ix].id)),
            Cell::from(printable(&words::note(run, *ix, now))),
        ])
    });
    let widths = [
        Constraint::Length(10),
        Constraint::Length(8),
        Constraint::Fill(1),
        Constraint::Fill(1),
    ];
    let names = ["STATE", "TOOK", "STEP", "NOTE"];
    table(
        frame,
        area,
        Table::new(rows, widths).header(header(&names)),
        model.at,
    );
}

fn headline(frame: &mut Frame<'_>, area: Rect, name: &str, told: &str, clock: &str) {
    let room = usize::from(area.width);
    let left = format!(" {name}  {told}");
    let gap = room.saturating_sub(left.chars().count() + clock.len() + 1);
    let line = format!("{left}{}{clock} ", " ".repeat(gap));
    frame.render_widget(Paragraph::new(line).style(Modifier::REVERSED), area);
}

fn footer(frame: &mut Frame<'_>, area: Rect, keys: &str) {
    let line = Paragraph::new(format!(" {keys}")).style(Modifier::DIM);
    frame.render_widget(line, area);
}

fn header<'a>(names: &[&'a str]) -> Row<'a> {
    Row::new(names.iter().copied()).style(Modifier::BOLD)
}

fn table(frame: &mut Frame<'_>, area: Rect, table: Table<'_>, at: usize) {
    let mut state = TableState::default().with_selected(at);
    let table = table.row_highlight_style(Modifier::REVERSED);
    frame.render_stateful_widget(table, area, &mut state);
}

/// The style that goes with a state's word; the word says it as well.
fn of_state(word: &str) -> Style {
    let colour = match word {
        "succeeded" => Color::Green,
        "failed" | "quarantined" | "interrupted" => Color::Red,
        "running" => Color::Cyan,
        "canceled" => Color::Yellow,
        _ => return Style::new(),
    };
    Style::new().fg(colour).add_modifier(Modifier::BOLD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Kind;
    use crate::view::testing::{self, NOON, RUN, Story, exited};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn shown(width: u16, height: u16, scene: &Scene<'_>) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, scene)).unwrap();
        let text = terminal.backend().to_string();
        let lines = text.lines().map(|line| line.trim_matches('"').trim_end());
        lines.collect::<Vec<_>>().join("\n")
    }

    fn midway() -> Story {
        let plan = testing::plan(&["fetch", "build: fetch", "test: build", "docs"]);
        Story::until(
            plan,
            |id, _| (exited(i32::from(id == "docs")), 400),
            |event| matches!(event.kind, Kind::StepStarted { attempt, .. } if attempt.step.at() == 1),
        )
    }

    #[test]
    fn a_run_is_a_list_of_its_steps_and_what_is_told_of_one() {
        let story = midway();
        let steps: Vec<StepIx> = story.run.plan().indices().collect();
        let zone = TimeZone::UTC;
        let about = ["build runs".to_owned(), "since 12:00:00".to_owned()];
        let scene = Scene::Run(Box::new(One {
            subject: Subject {
                run_id: RUN,
                run: &story.run,
                now: story.now,
                interrupted: false,
            },
            steps: &steps,
            filtered: false,
            at: 1,
            about: &about,
            heading: "why",
            zone: &zone,
        }));
        insta::assert_snapshot!(shown(76, 16, &scene), @r#"
         A test  20261120-120000-test                                      12:00:00
        running for 0s
        ████████████████1 of 4 steps (25.0%): 1 succeeded, 2 running
        STATE      TOOK     STEP                         NOTE
        succeeded  400ms    fetch
        running    0s       build
        pending             test                         waits for build
        running    0s       docs


        why─────────────────────────────────────────────────────────────────────────
        build runs
        since 12:00:00


         j/k move  l why/log  f only what is not done  esc back  q quit
        "#);
        // Whatever the size, something is shown and nothing breaks.
        for (width, height) in [(1, 1), (20, 3), (300, 100), (100, 8)] {
            shown(width, height, &scene);
        }
        assert!(shown(120, 12, &scene).contains("│why"));
    }

    #[test]
    fn runs_are_a_list_and_texts_from_files_are_only_shown() {
        let row = crate::store::RunRow {
            key: 1,
            run_id: RUN.into(),
            plan_id: "P".into(),
            name: "evil\u{1b}[2J\u{202e}name".into(),
            version: "1".into(),
            content_id: String::new(),
            project_id: None,
            phase_id: String::new(),
            state: crate::store::StoredState::Running,
            created_at: NOON,
            started_at: Some(NOON),
            ended_at: None,
            exit_code: None,
            error_message: None,
            metadata: String::new(),
            command_line: Vec::new(),
        };
        let runs = [Listed {
            row,
            interrupted: false,
        }];
        let zone = TimeZone::UTC;
        let scene = Scene::Runs(Runs {
            runs: &runs,
            percent: &|_| Some(42.0),
            at: 0,
            now: NOON + 5_000,
            zone: &zone,
        });
        let text = shown(90, 6, &scene);
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{202e}'),
            "{text}"
        );
        assert!(text.contains("1 running") && text.contains("42%"), "{text}");
    }
}
