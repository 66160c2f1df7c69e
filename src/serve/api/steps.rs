//! `/runs/{run}/step`: one step of a run, and why it is as it is.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::serve::address::{Path, Query};
use crate::serve::routes::App;
use crate::serve::trouble::{ErrorBody, Trouble};
use crate::view::order::sections;
use crate::view::standing::{self, StepTold};
use crate::view::step::{self, StepPlanned};
use crate::view::timeline::{AttemptTold, Timeline};
use crate::view::web::step::attempts;
use crate::view::why::{self, Question, WhyTold};

/// Which step.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Its id.
    pub step: String,
}

/// A step, by all that is known of it.
#[derive(Debug, Serialize, ToSchema)]
struct StepAnswer<'a> {
    run_id: &'a str,
    step: StepTold<'a>,
    /// Its own, and those of its remedy and its undo.
    attempts: Vec<AttemptTold<'a>>,
    why: WhyTold<'a>,
    plan: StepPlanned<'a>,
}

/// A step as it stands, and why
#[utoipa::path(get, path = "/runs/{run}/step", operation_id = "get_step", tag = "runs", params(
    ("run" = String, Path, description = "its id, the beginning or end of it, or `last`"),
    Which,
), responses(
    (status = 200, description = "the step", body = StepAnswer),
    (status = 404, description = "there is no such run, or no such step in it", body = ErrorBody),
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
            Ok(json!(StepAnswer {
                run_id: recorded.run_id(),
                step: standing::step(subject, section.and_then(|section| section.group), ix),
                attempts: timeline.told(plan),
                why: why::told(question, reader.zone()),
                plan: step::told(plan, ix),
            }))
        })
    });
    Ok(Json(told.await?))
}
