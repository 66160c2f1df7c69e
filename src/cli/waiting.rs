//! Which run `quintet resume` means when it is told none.
//!
//! The one that stopped for a restart, if that has been; else the newest, as
//! with every other verb. Where several runs would do, a person chooses.

use super::error::{Failure, Kind};
use super::global::Global;
use super::output;
use crate::engine::may_have_restarted;
use crate::exec::process::boot_id;
use crate::store::{RunFilter, RunRow, Store, StoredState};
use crate::view::recorded::Recorded;

/// The exit code of a run that stopped for a restart, and of no other canceled one.
const A_PERSON_IS_NEEDED: i32 = 3;

/// So many runs are suggested.
const MOST: usize = 5;

/// The run that is meant.
pub struct Meant {
    pub run_id: String,
    /// What to do instead, where there is nothing to be done for it.
    pub otherwise: Option<String>,
}

/// Finds it.
///
/// # Errors
/// There is none, or a person must choose; or the store cannot be read.
pub fn meant(store: &Store, global: &Global) -> Result<Meant, Failure> {
    let mut waited = restarted(store)?;
    match waited.len() {
        0 => newest(store),
        1 => {
            let run_id = waited.remove(0).run_id;
            let text = format!("run {run_id} waited for a restart, which has been");
            output::note(global, &text);
            let otherwise = None;
            Ok(Meant { run_id, otherwise })
        }
        _ => Err(Failure::new(
            Kind::Usage,
            "several runs waited for a restart, which has been; which one is to go on?",
        )
        .hint(listed(&waited))),
    }
}

/// Runs that stopped for a restart which has been, newest first.
fn restarted(store: &Store) -> Result<Vec<RunRow>, Failure> {
    let boot = boot_id();
    let mut found = Vec::new();
    for row in of_state(store, StoredState::Canceled)? {
        // The store's table tells so much cheaply; only the record knows the boot.
        if row.exit_code != Some(A_PERSON_IS_NEEDED) {
            continue;
        }
        let recorded = Recorded::of(store, row)?;
        let waits = recorded.state.stopped_in().is_some();
        if waits && may_have_restarted(&recorded.state, &boot) {
            found.push(recorded.row);
        }
    }
    Ok(found)
}

fn newest(store: &Store) -> Result<Meant, Failure> {
    let last = store.find_run("last")?;
    let others = match last.state {
        StoredState::Succeeded => unfinished(store)?,
        _ => Vec::new(),
    };
    Ok(Meant {
        run_id: last.run_id,
        otherwise: (!others.is_empty()).then(|| listed(&others)),
    })
}

/// Runs that ended otherwise than well, or whose engine is gone, newest first.
fn unfinished(store: &Store) -> Result<Vec<RunRow>, Failure> {
    let mut found = Vec::new();
    for row in store.runs(&RunFilter::default())? {
        let goes_on = !row.state.is_over() && store.owner(&row.run_id)?.is_some();
        if row.state != StoredState::Succeeded && !goes_on {
            found.push(row);
        }
        if found.len() == MOST {
            break;
        }
    }
    Ok(found)
}

fn of_state(store: &Store, state: StoredState) -> Result<Vec<RunRow>, Failure> {
    Ok(store.runs(&RunFilter {
        state: Some(state),
        ..RunFilter::default()
    })?)
}

fn listed(rows: &[RunRow]) -> String {
    let line = |row: &RunRow| {
        let word = match row.state.is_over() {
            true => row.state.word(),
            false => "interrupted",
        };
        format!("\n  quintet resume {}  ({}, {word})", row.run_id, row.name)
    };
    let lines: String = rows.iter().take(MOST).map(line).collect();
    format!("say which:{lines}")
}
