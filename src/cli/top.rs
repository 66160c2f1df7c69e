//! `quintet top`: the dashboard in a terminal, full screen.
//!
//! It only reads. The terminal is given back as it was however this ends: by a key, by
//! a signal, or by a fault.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event as Input, KeyCode, KeyEventKind, KeyModifiers};

use super::error::{Failure, Kind};
use super::global::Global;
use super::output;
use crate::engine::Signals;
use crate::engine::written::Written;
use crate::plan::StepIx;
use crate::run::{Attempt, Millis, StepState};
use crate::store::logs::last_words;
use crate::store::{RunFilter, Store};
use crate::view::order::sections;
use crate::view::recorded::Recorded;
use crate::view::runs::{self, Listed};
use crate::view::top::{One, Runs, Scene, draw};
use crate::view::why::{self, Question};
use crate::view::words;

/// Keys are answered within this time, and the store is asked for news as often.
const LOOK: Duration = Duration::from_millis(100);

/// What changes with time alone is drawn again so often.
const TICK: Duration = Duration::from_secs(1);

/// So many runs are listed; those before them `quintet runs` lists.
const LISTED: u32 = 200;

/// Of what a step wrote, so many lines.
const WRITTEN: usize = 200;

/// Watch all runs, or one, on the whole screen
///
/// Runs that go on are shown as they do. RUN is a run's id, the beginning or end of
/// one, or `last`; without it all runs are listed, and enter looks at one. Nothing can be
/// changed from it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  $ quintet top\n  $ quintet top last")]
pub struct Args {
    /// The run to look at first
    run: Option<String>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let failure = Failure::new(Kind::Usage, "this is no terminal to draw on");
        return Err(failure.hint("`quintet runs` and `quintet status` print the same"));
    }
    // Before the terminal is changed: what cannot be shown is told as ever.
    let store = global.store()?;
    let one = args.run.as_deref().map(|run| Recorded::find(&store, run));
    let one = one.transpose()?.map(Looked::at);
    let signals = Signals::listen()?;
    let mut terminal = ratatui::try_init()?;
    let mut top = Top {
        store: &store,
        listed: Vec::new(),
        going: BTreeMap::new(),
        at: 0,
        one,
    };
    let done = top.go_on(&mut terminal, &signals);
    ratatui::try_restore()?;
    match done? {
        None => Ok(ExitCode::SUCCESS),
        Some(signal) => Err(Failure::told(match signal {
            "SIGTERM" => Kind::Terminated,
            _ => Kind::Interrupted,
        })),
    }
}

/// What is looked at, and where in it.
struct Top<'s> {
    store: &'s Store,
    listed: Vec<Listed>,
    /// Those that go on, folded: how far they have got.
    going: BTreeMap<String, Recorded>,
    at: usize,
    one: Option<Looked>,
}

/// One run that is looked at.
struct Looked {
    recorded: Recorded,
    /// The step that is marked, as a place in the list.
    at: usize,
    only_undone: bool,
    log: bool,
    interrupted: bool,
}

impl Looked {
    fn at(recorded: Recorded) -> Self {
        Looked {
            recorded,
            at: 0,
            only_undone: false,
            log: false,
            interrupted: false,
        }
    }

    /// The steps that are listed, in the order in which people are shown them.
    fn steps(&self) -> Vec<StepIx> {
        let run = &self.recorded.state;
        let done_well = |ix: &StepIx| matches!(run.step(*ix).word(), "succeeded" | "skipped");
        let all = sections(run.plan());
        let all = all.into_iter().flat_map(|section| section.steps);
        all.filter(|ix| !self.only_undone || !done_well(ix))
            .collect()
    }
}

impl Top<'_> {
    /// Draws and listens until it is told to end; gives the signal that did.
    fn go_on(
        &mut self,
        terminal: &mut ratatui::DefaultTerminal,
        signals: &Signals,
    ) -> Result<Option<&'static str>, Failure> {
        let (mut version, mut drawn) = (None, None::<Instant>);
        loop {
            let seen = Some(self.store.data_version()?);
            let due = drawn.is_none_or(|at| at.elapsed() >= TICK);
            if seen != version || due {
                version = seen;
                self.catch_up()?;
                self.draw(terminal)?;
                drawn = Some(Instant::now());
            }
            if let Some(signal) = signals.heard() {
                return Ok(Some(signal));
            }
            if event::poll(LOOK)? {
                match event::read()? {
                    Input::Key(key) if key.kind != KeyEventKind::Release => {
                        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
                        if ctrl && key.code == KeyCode::Char('c') {
                            return Ok(Some("SIGINT"));
                        }
                        if !ctrl && self.key(key.code)? {
                            return Ok(None);
                        }
                    }
                    _ => {}
                }
                // A key is answered at once, and so is another size.
                drawn = None;
            }
        }
    }

    /// Reads what has happened since.
    fn catch_up(&mut self) -> Result<(), Failure> {
        if let Some(one) = &mut self.one {
            one.recorded.catch_up(self.store)?;
            one.interrupted = one.recorded.is_interrupted(self.store)?;
            return Ok(());
        }
        let filter = RunFilter {
            limit: Some(LISTED),
            ..RunFilter::default()
        };
        // What is marked stays marked when others come before it.
        let marked = self.listed.get(self.at).map(|run| run.row.run_id.clone());
        self.listed = runs::list(self.store, &filter)?;
        let place = |id| self.listed.iter().position(|run| run.row.run_id == id);
        if let Some(at) = marked.filter(|_| self.at > 0).and_then(place) {
            self.at = at;
        }
        let goes_on = |run: &&Listed| !run.row.state.is_over();
        let mut going = BTreeMap::new();
        for run in self.listed.iter().filter(goes_on) {
            let id = &run.row.run_id;
            let mut folded = match self.going.remove(id) {
                Some(folded) => folded,
                None => Recorded::of(self.store, run.row.clone())?,
            };
            folded.catch_up(self.store)?;
            going.insert(id.clone(), folded);
        }
        self.going = going;
        Ok(())
    }

    fn draw(&self, terminal: &mut ratatui::DefaultTerminal) -> Result<(), Failure> {
        let (now, zone) = (output::now(), output::zone());
        let Some(one) = &self.one else {
            let percent = |id: &str| {
                let run = self.going.get(id)?;
                Some(words::percent(run.state.counts()))
            };
            let scene = Scene::Runs(Runs {
                runs: &self.listed,
                percent: &percent,
                at: self.at,
                now,
                zone: &zone,
            });
            terminal.draw(|frame| draw(frame, &scene))?;
            return Ok(());
        };
        let steps = one.steps();
        let about = match steps.get(one.at) {
            Some(ix) if one.log => self.written(one, *ix),
            Some(ix) => why_of(one, *ix, now)?,
            None => Vec::new(),
        };
        let mut subject = one.recorded.subject(self.store, now)?;
        subject.interrupted = one.interrupted;
        let scene = Scene::Run(Box::new(One {
            subject,
            steps: &steps,
            filtered: one.only_undone,
            at: one.at,
            about: &about,
            heading: if one.log { " its output " } else { " why " },
            zone: &zone,
        }));
        terminal.draw(|frame| draw(frame, &scene))?;
        Ok(())
    }

    /// The last lines that a step wrote, or has written so far.
    fn written(&self, one: &Looked, ix: StepIx) -> Vec<String> {
        let (run, run_id) = (&one.recorded.state, one.recorded.run_id());
        let state = self.store.state_dir();
        if let StepState::Running { role, attempt, .. } = run.step(ix).state {
            let attempt = Attempt {
                step: ix,
                number: attempt,
                role,
            };
            let written = Written::open(state, run_id, attempt, None).unwrap_or_default();
            let logs = [&written.stdout, &written.stderr].into_iter().flatten();
            let lines = logs.filter_map(|log| log.last_lines(WRITTEN / 2).ok());
            let lines = lines.flatten().collect();
            // What another attempt has written meanwhile in the same place is not its own.
            if written.live.is_some() && written.is_sure() {
                return lines;
            }
        }
        last_words(state, run_id, run, ix, WRITTEN)
    }

    /// Does what a key asks for; whether that is to end.
    fn key(&mut self, key: KeyCode) -> Result<bool, Failure> {
        let count = match &self.one {
            Some(one) => one.steps().len(),
            None => self.listed.len(),
        };
        let last = count.saturating_sub(1);
        let at = self.one.as_mut().map_or(&mut self.at, |one| &mut one.at);
        match key {
            KeyCode::Char('q') => return Ok(true),
            KeyCode::Char('j') | KeyCode::Down => *at = (*at + 1).min(last),
            KeyCode::Char('k') | KeyCode::Up => *at = at.saturating_sub(1),
            KeyCode::PageDown => *at = (*at + 10).min(last),
            KeyCode::PageUp => *at = at.saturating_sub(10),
            KeyCode::Home | KeyCode::Char('g') => *at = 0,
            KeyCode::End | KeyCode::Char('G') => *at = last,
            KeyCode::Esc | KeyCode::Left | KeyCode::Char('h') => {
                if self.one.take().is_none() && key == KeyCode::Esc {
                    return Ok(true);
                }
                self.catch_up()?;
            }
            KeyCode::Enter | KeyCode::Right => {
                if self.one.is_none()
                    && let Some(run) = self.listed.get(self.at)
                {
                    let recorded = Recorded::find(self.store, &run.row.run_id)?;
                    self.one = Some(Looked::at(recorded));
                    self.catch_up()?;
                }
            }
            KeyCode::Char('l') => {
                if let Some(one) = &mut self.one {
                    one.log = !one.log;
                }
            }
            KeyCode::Char('f') => {
                if let Some(one) = &mut self.one {
                    one.only_undone = !one.only_undone;
                    one.at = 0;
                }
            }
            _ => {}
        }
        Ok(false)
    }
}

/// What is answered to *why*, as lines without colours.
fn why_of(one: &Looked, step: StepIx, now: Millis) -> Result<Vec<String>, Failure> {
    let question = Question {
        run_id: one.recorded.run_id(),
        run: &one.recorded.state,
        events: &one.recorded.events,
        step,
        now,
        interrupted: one.interrupted,
    };
    let mut answer = Vec::new();
    why::write(question, &output::zone(), &mut answer)?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let plain = anstream::adapter::strip_str(&text).to_string();
    Ok(plain.lines().map(str::to_owned).collect())
}
