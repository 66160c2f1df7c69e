//! A run as the store has it: found by what a person types, and folded.

use std::sync::Arc;

use super::error::{Failure, Kind};
use crate::plan::StepIx;
use crate::plan::name::nearest;
use crate::run::{self, Event, IllegalEvent, Millis, RunPhase, RunState, Seq};
use crate::store::{RunRow, Store};
use crate::view::status::Subject;

/// Events are read in pieces of so many.
const PIECE: usize = 10_000;

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
    pub fn find(store: &Store, text: &str) -> Result<Self, Failure> {
        Recorded::of(store, store.find_run(text)?)
    }

    /// Folds all events of a run.
    ///
    /// # Errors
    /// The store cannot be read, or contradicts itself.
    pub fn of(store: &Store, row: RunRow) -> Result<Self, Failure> {
        let plan = Arc::new(store.plan(&row.run_id)?);
        let mut recorded = Recorded {
            state: RunState::new(plan),
            events: Vec::new(),
            row,
        };
        recorded.catch_up(store)?;
        Ok(recorded)
    }

    fn fold(&mut self, store: &Store, event: Event) -> Result<(), Failure> {
        let contradicts = |error: IllegalEvent| {
            let run_id = &self.row.run_id;
            let message = format!("the record of run {run_id} contradicts itself: {error}");
            Failure::new(Kind::Store, message)
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
    pub fn catch_up(&mut self, store: &Store) -> Result<usize, Failure> {
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
    pub fn is_interrupted(&self, store: &Store) -> Result<bool, Failure> {
        Ok(!self.is_over() && store.owner(&self.row.run_id)?.is_none())
    }

    /// The run as views take it.
    ///
    /// # Errors
    /// The run's directory cannot be read.
    pub fn subject(&self, store: &Store, now: Millis) -> Result<Subject<'_>, Failure> {
        Ok(Subject {
            run_id: &self.row.run_id,
            run: &self.state,
            now,
            interrupted: self.is_interrupted(store)?,
        })
    }

    /// The step of that id.
    ///
    /// # Errors
    /// There is none: names the nearest.
    pub fn step(&self, id: &str) -> Result<StepIx, Failure> {
        if let Some(ix) = self.state.find(id) {
            return Ok(ix);
        }
        let plan = self.state.plan();
        let ids = plan.steps.iter().map(|step| step.id.as_ref());
        let failure = Failure::new(
            Kind::Usage,
            format!("run {} has no step {id:?}", self.row.run_id),
        );
        Err(match nearest(id, ids) {
            Some(other) => failure.hint(format!("did you mean {other}?")),
            None => failure.hint(format!("`quintet status {}` lists them", self.row.run_id)),
        })
    }
}

fn read(store: &Store, run_id: &str, after: Seq) -> Result<Vec<Event>, Failure> {
    Ok(store.events(run_id, after, PIECE)?)
}
