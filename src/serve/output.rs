//! What a step has written, as pages and interface ask for it: found by names that
//! anybody may have made up, and read within bounds.
//!
//! No name that is asked for ever becomes a path: a run is found in the store, a step
//! in its plan, an attempt in its events, and where their output lies their record
//! says.

use std::io;

use super::trouble::Trouble;
use super::world::Reader;
use crate::engine::written::Written;
use crate::plan::StepIx;
use crate::run::{Attempt, Event, Finish, Kind, Role, RunState, Seq, StepState};
use crate::store::logs::search::{Found, Needle};
use crate::store::logs::{self, Log};
use crate::view::recorded::Unread;
use crate::view::timeline::Bar;
use crate::view::web::run::logs::{Logs, One, PAGE, Search, Stream, Which};
use crate::view::web::run::{Asked, to_be_explained};
use crate::view::web::step::attempts;

/// So many lines are shown where output is only hinted at.
const HINT: usize = 12;

/// A run, at whatever moment.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    pub run_id: &'a str,
    pub state: &'a RunState,
    pub events: &'a [Event],
    /// It is shown as it stood at a moment that has passed.
    pub is_past: bool,
}

/// An attempt that was found, and all that its step has had.
pub struct Chosen {
    pub attempt: Attempt,
    pub attempts: Vec<Bar>,
}

impl Chosen {
    /// How the attempt ended, if it had.
    fn end(&self) -> Option<&Finish> {
        let mut of_all = self.attempts.iter();
        let bar = of_all.find(|bar| bar.attempt == self.attempt);
        bar.and_then(|bar| bar.end.as_deref())
    }
}

impl Run<'_> {
    /// The attempt of this step and role with this number; the newest, without.
    /// `None` where none was made yet.
    ///
    /// # Errors
    /// There is no such attempt.
    pub fn attempt(
        &self,
        step: StepIx,
        role: Role,
        number: Option<u32>,
    ) -> Result<Option<Chosen>, Trouble> {
        let attempts = attempts(self.events, step, self.state.plan());
        let mut of_role = attempts.iter().filter(|bar| bar.attempt.role == role);
        let found = match number {
            None => of_role.next_back(),
            Some(number) => {
                let id = &self.state.plan()[step].id;
                let none = || Trouble::not_found(format!("step {id:?} has no attempt {number}"));
                let mut fit = of_role.filter(|bar| bar.attempt.number == number);
                Some(fit.next().ok_or_else(none)?)
            }
        };
        let attempt = found.map(|bar| bar.attempt);
        Ok(attempt.map(|attempt| Chosen { attempt, attempts }))
    }

    /// Opens what an attempt has written. Of one that ran at a moment that has passed,
    /// nobody can say what it had written by then.
    ///
    /// # Errors
    /// It is gone, or not ours.
    pub fn written(&self, reader: &Reader<'_>, chosen: &Chosen) -> Result<Written, Trouble> {
        let end = chosen.end();
        if self.is_past && end.is_none() {
            return Ok(Written::default());
        }
        let state = reader.store()?.state_dir();
        Written::open(state, self.run_id, chosen.attempt, end).map_err(unreadable)
    }

    /// The last words of the steps whose failure a page explains.
    pub fn last_words(&self, reader: &Reader<'_>) -> Result<Vec<(StepIx, Vec<String>)>, Trouble> {
        let state = reader.store()?.state_dir();
        let said = |ix| logs::last_words(state, self.run_id, self.state, ix, 3);
        let (failed, _) = to_be_explained(self.state);
        Ok(failed.into_iter().map(|ix| (ix, said(ix))).collect())
    }

    /// The last lines of each stream of a step's attempt, by its name.
    ///
    /// # Errors
    /// There is no such attempt.
    pub fn ends(
        &self,
        reader: &Reader<'_>,
        step: StepIx,
        number: Option<u32>,
    ) -> Result<Vec<(&'static str, Vec<String>)>, Trouble> {
        let Some(chosen) = self.attempt(step, Role::Main, number)? else {
            return Ok(Vec::new());
        };
        // Of what is gone, no line is shown; the page has more to say.
        let Ok(written) = self.written(reader, &chosen) else {
            return Ok(Vec::new());
        };
        let ends = vec![
            ("stderr", last(&written.stderr)),
            ("stdout", last(&written.stdout)),
        ];
        Ok(if written.is_sure() { ends } else { Vec::new() })
    }

    /// What a page of output shows.
    ///
    /// # Errors
    /// There is no such step or attempt.
    pub fn logs(&self, reader: &Reader<'_>, asked: &Asked) -> Result<Logs, Trouble> {
        let Some(id) = asked.step.as_deref().filter(|id| !id.is_empty()) else {
            return self.all(reader, asked.from.unwrap_or(0));
        };
        let step = self.step(id)?;
        let Some(chosen) = self.attempt(step, asked.role, asked.attempt)? else {
            return Ok(Logs::Nothing("It has not run yet.".into()));
        };
        let written = match self.written(reader, &chosen) {
            Ok(written) => written,
            Err(trouble) => return Ok(Logs::Nothing(trouble.message)),
        };
        if chosen.end().is_none() && written.live.is_none() {
            let why = match self.is_past {
                true => "What it had written by then is not known: output has no times.",
                false => "It has just ended.",
            };
            return Ok(Logs::Nothing(why.into()));
        }
        let needle = asked.q.as_deref().and_then(Needle::new);
        let mut streams = Vec::new();
        for (name, log) in [("stdout", &written.stdout), ("stderr", &written.stderr)] {
            if let Some(log) = log.as_ref().filter(|_| asked.stream.has(name)) {
                streams.push(stream(name, log, asked, needle.as_ref()).map_err(unreadable)?);
            }
        }
        if !written.is_sure() {
            return Ok(Logs::Nothing("It has just ended.".into()));
        }
        Ok(Logs::One(One {
            attempt: chosen.attempt,
            attempts: chosen.attempts,
            streams,
            needle,
            is_live: written.live.is_some(),
        }))
    }

    /// The step of that id.
    ///
    /// # Errors
    /// There is none.
    pub fn step(&self, id: &str) -> Result<StepIx, Trouble> {
        let none = || Unread::NoStep {
            run_id: self.run_id.to_owned(),
            id: id.to_owned(),
            nearest: None,
        };
        self.state.find(id).ok_or_else(|| none().into())
    }

    /// The last lines of what runs now.
    fn live(&self, reader: &Reader<'_>) -> Result<Vec<(Attempt, Vec<String>)>, Trouble> {
        let running = self.state.running().filter(|_| !self.is_past).take(PAGE);
        let mut live = Vec::new();
        for step in running {
            let StepState::Running { role, .. } = self.state.step(step).state else {
                continue;
            };
            let Some(chosen) = self.attempt(step, role, None)? else {
                continue;
            };
            let written = self.written(reader, &chosen)?;
            let said = [&written.stdout, &written.stderr].map(last);
            if written.live.is_some() && written.is_sure() {
                live.push((chosen.attempt, said.concat()));
            }
        }
        Ok(live)
    }

    /// The last lines of all that has ended, from an event on.
    fn all(&self, reader: &Reader<'_>, from: Seq) -> Result<Logs, Trouble> {
        let state = reader.store()?.state_dir();
        let is_first = from == 0;
        let from = self.events.partition_point(|event| event.seq < from);
        let mut ended = self.events[from..]
            .iter()
            .filter_map(|event| match &event.kind {
                Kind::StepFinished { attempt, end } if !end.output.is_empty() => {
                    Some((event.seq, *attempt, &end.output))
                }
                _ => None,
            });
        let page: Vec<_> = ended.by_ref().take(PAGE).collect();
        let said = page.into_iter().map(|(_, attempt, output)| {
            (attempt, logs::last_lines(state, self.run_id, output, HINT))
        });
        Ok(Logs::All {
            live: if is_first {
                self.live(reader)?
            } else {
                Vec::new()
            },
            ends: said.collect(),
            next: ended.next().map(|(seq, ..)| seq),
        })
    }
}

/// The last lines of a stream. Of what is gone, there are none.
fn last(log: &Option<Log>) -> Vec<String> {
    let lines = log.as_ref().and_then(|log| log.last_lines(HINT).ok());
    lines.unwrap_or_default()
}

fn unreadable(error: io::Error) -> Trouble {
    Trouble::not_found(format!("the output cannot be read: {error}"))
}

/// A window on a stream: at the place asked for, at what is looked for, or at the end.
fn stream(
    name: &'static str,
    log: &Log,
    asked: &Asked,
    needle: Option<&Needle>,
) -> io::Result<Stream> {
    // A place is one in one stream.
    let is_one = asked.stream != Which::Both;
    let from = asked.from.filter(|_| is_one);
    let hit = asked.hit.filter(|_| is_one).unwrap_or(0);
    let search = match (needle, from) {
        (None, _) => None,
        (Some(needle), None) => Some(found(log, needle, hit)?),
        (Some(needle), Some(from)) => Some(around(log, needle, from)?),
    };
    let current = search.as_ref().and_then(|search| search.current);
    let window = match (current, from) {
        (Some(Found::At(at)), _) | (_, Some(at)) => log.window(at)?,
        (Some(_), None) => log.window(hit)?,
        (None, None) => log.last_window()?,
    };
    Ok(Stream {
        name,
        before: log.before(window.from)?,
        window,
        search,
    })
}

/// The first match from a place on, and those next to it.
fn found(log: &Log, needle: &Needle, hit: u64) -> io::Result<Search> {
    let current = log.find(needle, hit)?;
    let (next, before) = match current {
        Found::At(at) => (log.find(needle, at + 1)?, at),
        current => (current, hit),
    };
    Ok(Search {
        current: Some(current),
        next,
        previous: log.find_back(needle, before)?,
    })
}

/// The matches on both sides of a place.
fn around(log: &Log, needle: &Needle, from: u64) -> io::Result<Search> {
    Ok(Search {
        current: None,
        next: log.find(needle, from)?,
        previous: log.find_back(needle, from)?,
    })
}
