//! `/runs/{run}/step`: one step of a run, and why it is as it is.

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::serve::routes::App;
use crate::serve::trouble::{ErrorBody, Trouble};
use crate::view::order::sections;
use crate::view::timeline::Timeline;
use crate::view::web::step::attempts;
use crate::view::why::{self, Question};
use crate::view::{status, step};

/// Which step.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Its id.
    pub step: String,
}

/// A step as it stands, and why
#[utoipa::path(get, path = "/runs/{run}/step", tag = "runs", params(
    ("run" = String, Path, description = "its id, the beginning or end of it, or `last`"),
    Which,
), responses(
    (status = 200, description = "`step`, as `quintet status --json` gives it; `attempts`, as its timeline does; `why`; and `plan`: the step as its plan has it", body = Value),
    (status = 404, body = ErrorBody),
))]
pub async fn one(
    State(app): State<App>,
    Path(run): Path<String>,
    Query(which): Query<Which>,
) -> Result<Json<Value>, Trouble> {
    let told = app.world.read(move |reader| {
        reader.recorded(&run, |recorded| {
            let (ix, plan) = (recorded.step(&which.step)?, recorded.state.plan());
            let subject = recorded.subject(reader.store()?, reader.now)?;
            let section = sections(plan)
                .into_iter()
                .find(|section| section.steps.contains(&ix));
            let mut timeline = Timeline::default();
            timeline.bars = attempts(&recorded.events, ix, plan);
            let question = Question {
                run_id: recorded.run_id(),
                run: &recorded.state,
                events: &recorded.events,
                step: ix,
                now: reader.now,
                interrupted: subject.interrupted,
            };
            Ok(json!({
                "run_id": recorded.run_id(),
                "step": status::step(subject, section.and_then(|section| section.group), ix),
                "attempts": timeline.json(plan),
                "why": why::json(question, reader.zone()),
                "plan": step::json(plan, ix),
            }))
        })
    });
    Ok(Json(told.await?))
}
