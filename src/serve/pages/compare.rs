//! `/compare?a=RUN&b=RUN`: two runs side by side.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use crate::serve::address::Query;
use crate::serve::routes::App;
use crate::serve::trouble::Trouble;
use crate::serve::world::Reader;
use crate::view::web::compare::{Model, Side, page as view};

/// Which runs, and what of them.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// Nothing where none was chosen yet, and likewise below.
    #[serde(default)]
    a: String,
    #[serde(default)]
    b: String,
    /// Also steps that are alike in both.
    #[serde(default)]
    all: bool,
    /// So many rows are left out.
    #[serde(default)]
    from: usize,
}

pub async fn page(State(app): State<App>, Query(asked): Query<Asked>) -> Response {
    super::answer(app, move |reader| {
        if asked.a.is_empty() || asked.b.is_empty() {
            let message = "two runs are compared, and fewer were chosen";
            return Err(Trouble::bad(message).hint("choose an A and a B in the list of runs"));
        }
        // One after the other: two that are locked at once could wait for each other.
        let a = side(reader, &asked.a)?;
        let b = side(reader, &asked.b)?;
        Ok(view(&Model {
            a: &a,
            b: &b,
            all: asked.all,
            from: asked.from,
            now: reader.now,
            zone: reader.zone(),
        }))
    })
    .await
}

fn side(reader: &Reader<'_>, run: &str) -> Result<Side, Trouble> {
    reader.recorded(run, |recorded| {
        Ok(Side {
            run_id: recorded.run_id().to_owned(),
            content_id: recorded.row.content_id.clone(),
            run: recorded.state.clone(),
            interrupted: recorded.is_interrupted(reader.store()?)?,
        })
    })
}
