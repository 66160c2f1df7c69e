//! A run as the store has it: found by what a person types, and folded.

use std::fmt;
use std::sync::Arc;

use super::status::Subject;
use super::words;
use crate::plan::StepIx;
use crate::plan::name::nearest;
use crate::run::{self, Attempt, Event, Finish, IllegalEvent, Millis, RunPhase, RunState, Seq};
use crate::store::{NoSuchRun, RunRow, Store, StoreError};

/// Events are read in pieces of so many.
const PIECE: usize = 10_000;

/// Why a run, or a step of it, is not to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    Run(NoSuchRun),
    /// The record cannot be read.
    Store(StoreError),
    /// Its events do not follow from each other.
    Contradiction {
        run_id: String,
        what: String,
    },
    /// The run has no such step.
    NoStep {
        run_id: String,
        id: String,
        /// The one that was perhaps meant.
        nearest: Option<String>,
    },
}

impl From<NoSuchRun> for Unread {
    fn from(error: NoSuchRun) -> Self {
        Unread::Run(error)
    }
}

impl From<StoreError> for Unread {
    fn from(error: StoreError) -> Self {
        Unread::Store(error)
    }
}

impl std::error::Error for Unread {}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unread::Run(error) => error.fmt(f),
            Unread::Store(error) => error.fmt(f),
            Unread::Contradiction { run_id, what } => {
                write!(f, "the record of run {run_id} contradicts itself: {what}")
            }
            Unread::NoStep { run_id, id, .. } => write!(f, "run {run_id} has no step {id:?}"),
        }
    }
}

/// A run, as far as its recorded events tell.
pub struct Recorded {
    pub row: RunRow,
    pub state: RunState,
    /// Present only where it was asked for.
    pub events: Vec<Event>,
}

impl Recorded {
    /// Finds a run by its id, by the beginning or end of one, or by `last`,
    /// and folds all its events.
    ///
    /// # Errors
    /// None or several fit, or the store cannot be read.
    pub fn find(store: &Store, text: &str) -> Result<Self, Unread> {
        Recorded::of(store, store.find_run(text)?)
    }

    /// Folds all events of a run.
    ///
    /// # Errors
    /// The store cannot be read, or contradicts itself.
    pub fn of(store: &Store, row: RunRow) -> Result<Self, Unread> {
        let plan = Arc::new(store.plan(&row.run_id)?);
        let mut recorded = Recorded {
            state: RunState::new(plan),
            events: Vec::new(),
            row,
        };
        recorded.catch_up(store)?;
        Ok(recorded)
    }

    fn fold(&mut self, store: &Store, event: Event) -> Result<(), Unread> {
        let contradicts = |error: IllegalEvent| Unread::Contradiction {
            run_id: self.row.run_id.clone(),
            what: error.to_string(),
        };
        if matches!(event.kind, run::Kind::PlanReplaced { .. }) && self.state.is_latest_plan() {
            // The plan has come since this was read.
            let plan = Arc::new(store.plan(&self.row.run_id)?);
            self.state = RunState::replay(plan, &self.events).map_err(contradicts)?;
        }
        self.state.apply(&event).map_err(contradicts)?;
        self.events.push(event);
        Ok(())
    }

    /// Takes in what has happened since; gives the number of events before it.
    ///
    /// # Errors
    /// The store cannot be read, or contradicts itself.
    pub fn catch_up(&mut self, store: &Store) -> Result<usize, Unread> {
        let before = self.events.len();
        loop {
            let piece = read(store, &self.row.run_id, self.state.seq())?;
            let whole = piece.len() == PIECE;
            for event in piece {
                self.fold(store, event)?;
            }
            if !whole {
                self.state.acknowledge(self.state.seq());
                return Ok(before);
            }
        }
    }

    pub fn run_id(&self) -> &str {
        &self.row.run_id
    }

    /// Whether the run is over.
    pub fn is_over(&self) -> bool {
        matches!(self.state.phase(), RunPhase::Finished(_))
    }

    /// Whether the run is not over and nobody drives it any more.
    ///
    /// # Errors
    /// The run's directory cannot be read.
    pub fn is_interrupted(&self, store: &Store) -> Result<bool, Unread> {
        Ok(!self.is_over() && store.owner(&self.row.run_id)?.is_none())
    }

    /// The run as views take it.
    ///
    /// # Errors
    /// The run's directory cannot be read.
    pub fn subject(&self, store: &Store, now: Millis) -> Result<Subject<'_>, Unread> {
        Ok(Subject {
            run_id: &self.row.run_id,
            run: &self.state,
            now,
            interrupted: self.is_interrupted(store)?,
        })
    }

    /// The run as it stood just after an event; after the nearest, where there is none
    /// of that number.
    ///
    /// # Errors
    /// Its events do not follow from each other.
    pub fn at(&self, seq: Seq) -> Result<Moment<'_>, Unread> {
        let until = self.events.partition_point(|event| event.seq <= seq);
        let events = &self.events[..until.clamp(1.min(self.events.len()), self.events.len())];
        let replayed = RunState::replay(self.state.plan().clone(), events);
        let contradicts = |error: IllegalEvent| Unread::Contradiction {
            run_id: self.row.run_id.clone(),
            what: error.to_string(),
        };
        Ok(Moment {
            run_id: &self.row.run_id,
            state: replayed.map_err(contradicts)?,
            events,
        })
    }

    /// The step's newest attempt that has something to show; none was made, without.
    pub fn newest_attempt(&self, ix: StepIx) -> Option<u32> {
        let made = words::attempts_made(self.state.step(ix));
        (made > 0).then_some(made)
    }

    /// The step of that id.
    ///
    /// # Errors
    /// There is none: names the nearest.
    pub fn step(&self, id: &str) -> Result<StepIx, Unread> {
        if let Some(ix) = self.state.find(id) {
            return Ok(ix);
        }
        let plan = self.state.plan();
        let ids = plan.steps.iter().map(|step| step.id.as_ref());
        Err(Unread::NoStep {
            run_id: self.row.run_id.clone(),
            id: id.to_owned(),
            nearest: nearest(id, ids).map(str::to_owned),
        })
    }
}

/// A run at a moment that has passed.
pub struct Moment<'a> {
    run_id: &'a str,
    pub state: RunState,
    /// What had happened.
    pub events: &'a [Event],
}

impl Moment<'_> {
    /// The run as views take it.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            run_id: self.run_id,
            run: &self.state,
            now: self.events.last().map_or(0, |event| event.at),
            interrupted: false,
        }
    }
}

/// How an attempt ended, if it has.
pub fn end_of(events: &[Event], attempt: Attempt) -> Option<&Finish> {
    events.iter().rev().find_map(|event| match &event.kind {
        run::Kind::StepFinished { attempt: of, end } if *of == attempt => Some(&**end),
        _ => None,
    })
}

fn read(store: &Store, run_id: &str, after: Seq) -> Result<Vec<Event>, Unread> {
    Ok(store.events(run_id, after, PIECE)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::replan::{merged, replacement};
    use crate::run::{Engine, Reason};
    use crate::store::testing::{Home, plan};
    use crate::store::{Durability, RunWriter};

    fn engine(epoch: u32) -> Engine {
        Engine {
            epoch,
            pid: 42,
            host: "here".into(),
            boot: String::new(),
            version: "0".into(),
        }
    }

    /// XA12.
    #[test]
    fn xa12_who_follows_a_run_follows_it_to_its_new_plan() {
        let home = Home::new();
        let store = home.store();
        let run = home.new_run();
        let owner = run.owner.clone();
        let event = |seq, kind| Event {
            seq,
            at: 2000,
            kind,
        };
        let begun = run::Kind::RunStarted {
            plan: run.content.id.clone(),
            seed: 7,
            traceparent: None,
            engine: engine(1),
        };
        let writer = RunWriter::begin(home.store(), Durability::Full, run, |_| {}).unwrap();
        writer.append(event(1, begun));
        writer.close().unwrap();
        let mut reader = Recorded::find(&store, "last").unwrap();

        let mut state = reader.state.clone();
        let before = state.plan().clone();
        let after = Arc::new(merged(&state, plan(&["b", "a"])).unwrap());
        state.will_follow(after.clone());
        let ownership = store.own(reader.run_id(), &owner).unwrap();
        let resumed = run::Kind::RunResumed {
            engine: engine(ownership.epoch()),
        };
        let reason = Reason::Request { by: "me".into() };
        let by = Box::new(replacement(&before, &after, "plan.json", reason));
        let (state_dir, full) = (&home.state, Durability::Full);
        let writer = RunWriter::resume(state_dir, full, ownership, after, |_| {}).unwrap();
        writer.append(event(2, resumed));
        writer.append(event(3, run::Kind::PlanReplaced { by }));
        writer.close().unwrap();

        assert_eq!(reader.catch_up(&store).unwrap(), 1);
        let late = Recorded::find(&store, "last").unwrap();
        for reader in [reader, late] {
            let ids = |plan: &crate::plan::Plan| -> Vec<String> {
                plan.steps.iter().map(|step| step.id.to_string()).collect()
            };
            assert_eq!(ids(reader.state.plan()), ["a", "b"]);
            assert_eq!(reader.events.len(), 3);
        }
    }
}
