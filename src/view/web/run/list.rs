//! The steps of a run, in the order in which people are shown them.

use maud::{Markup, html};

use super::Model;
use crate::view::order::sections;
use crate::view::status::Subject;
use crate::view::web::{state, text};
use crate::view::words;

pub fn body(model: &Model<'_>) -> Markup {
    let Subject { run, now, .. } = model.subject;
    let plan = run.plan();
    html! {
        table data-rows {
            thead { tr { th { "Step" } th { "State" } th .number { "Took" } th { "Note" } } }
            @for section in sections(plan) {
                tbody {
                    @if let Some(group) = section.group {
                        tr { th colspan="4" scope="rowgroup" { (text(group)) } }
                    }
                    @for ix in section.steps {
                        tr id={ "step-" (ix.at()) } {
                            td { a href=(model.step(ix)) { (text(&plan[ix].id)) } }
                            td { (state(run.step(ix).word())) }
                            td .number { (words::duration(run, ix, now)) }
                            td { (text(&words::note(run, ix, now))) }
                        }
                    }
                }
            }
        }
    }
}
