//! `/checks`: checks, by what is remembered of them.

use axum::extract::State;
use axum::response::Response;

use crate::serve::routes::App;
use crate::serve::trouble::Trouble;
use crate::serve::world::Reader;
use crate::store::{Checked, Store};
use crate::view::validated;
use crate::view::web::checks::{Last, Model, Project, page as view};

/// So many plans are shown, those that were run last.
const MOST: usize = 10;

pub async fn page(State(app): State<App>) -> Response {
    let control = app.control;
    super::answer(app, move |reader| {
        Ok(view(&Model {
            projects: &projects(reader)?,
            now: reader.now,
            zone: reader.zone(),
            control,
        }))
    })
    .await
}

/// The plans whose checks were run last, with what is remembered of each.
///
/// # Errors
/// The record cannot be read.
pub fn projects(reader: &Reader<'_>) -> Result<Vec<Project>, Trouble> {
    let Some(store) = reader.store_if_any() else {
        return Ok(Vec::new());
    };
    let checked = store.checked(MOST)?.into_iter();
    checked
        .map(|checked| project(reader, store, checked))
        .collect()
}

fn project(reader: &Reader<'_>, store: &Store, checked: Checked) -> Result<Project, Trouble> {
    let Checked {
        project: root,
        plan_id,
        at,
    } = checked;
    let last = match store.last_run_in(&root, &plan_id)? {
        None => None,
        Some(run_id) => Some(last(reader, store, &root, run_id)?),
    };
    Ok(Project {
        root,
        plan_id,
        at,
        last,
    })
}

fn last(reader: &Reader<'_>, store: &Store, root: &str, run_id: String) -> Result<Last, Trouble> {
    let rows = store.cache_rows(root)?;
    reader.recorded(&run_id, |recorded| {
        let run = &recorded.state;
        // What a run of checks is begun by is on its command line.
        let is_checks = recorded.row.command_line.iter().any(|word| word == "check");
        Ok(Last {
            steps: validated::all(run, &rows, &recorded.events, is_checks, reader.now),
            is_checks,
            run_id: run_id.clone(),
            plan: run.plan().clone(),
        })
    })
}
