//! What failed, at the top of the page: each step with its reason and its last words,
//! and the way to all the rest of it.

use maud::{Markup, html};

use super::{Model, text, to_be_explained};
use crate::view::words;

pub fn body(model: &Model<'_>) -> Markup {
    let (run, now) = (model.subject.run, model.subject.now);
    let (failed, all) = to_be_explained(run);
    if failed.is_empty() {
        return html! {};
    }
    html! {
        section .failed aria-labelledby="failed" {
            h2 #failed { (words::counted(all, "step")) " failed" }
            ul {
                @for ix in &failed {
                    @let said = model.said.iter().find(|(of, _)| of == ix);
                    li {
                        a href=(model.step(*ix)) { (text(&run.plan()[*ix].id)) }
                        " " (text(&words::note(run, *ix, now)))
                        @if !run.counts_as_failure(*ix) { span .faint { " (it may fail)" } }
                        @if let Some((_, said)) = said && !said.is_empty() {
                            pre { (text(&said.join("\n"))) }
                        }
                    }
                }
            }
            @if all > failed.len() {
                p { a href=(model.address("events", &[("kind", "step_settled")])) {
                    "and " (all - failed.len()) " more"
                } }
            }
        }
    }
}
