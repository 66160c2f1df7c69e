//! What may be asked of a run from a page: that it stops, goes on, takes an answer.
//!
//! Where the server changes nothing, it is said how the same is done from a terminal.

use maud::{Markup, html};

use super::{encoded, text};
use crate::run::{Event, RunOutcome, RunPhase};
use crate::view::asking::{self, Asking};
use crate::view::status::Subject;

/// So many questions, and so many steps that need a word, are shown with a run.
const MOST: usize = 10;

/// All that may be asked of a run now.
pub fn of_run(subject: Subject<'_>, events: &[Event], control: bool) -> Markup {
    let Subject { run_id, run, .. } = subject;
    let asking = asking::all(run, events);
    html! {
        @for asking in asking.iter().take(MOST) { (question(run_id, &run.plan()[asking.step].id, asking, control)) }
        @if asking.len() > MOST {
            p { a href="/approvals" { (asking.len() - MOST) " more questions" } }
        }
        @if control {
            div .actions {
                @match run.phase() {
                    RunPhase::Finished(RunOutcome::Succeeded) => {}
                    RunPhase::Finished(_) => { (words_needed(subject)) (resume(run_id, "Resume: try again what has not succeeded")) }
                    _ if subject.interrupted => {
                        (words_needed(subject))
                        (resume(run_id, "Resume"))
                        (cancel(run_id, false))
                    }
                    _ => { (cancel(run_id, false)) (cancel(run_id, true)) }
                }
            }
        } @else if !matches!(run.phase(), RunPhase::Finished(RunOutcome::Succeeded)) {
            (by_hand(subject))
        }
    }
}

/// A question of a step, with its answers.
pub fn question(run_id: &str, step: &str, asking: &Asking, control: bool) -> Markup {
    html! {
        div .question id={ "question-" (run_id) "-" (asking.step.at()) } {
            p { strong { (text(step)) } " asks: " (text(&asking.question)) }
            @if control { (answers(run_id, step)) } @else {
                p .faint { "Answer with " code { "quintet approve " (run_id) " " (text(step)) } ", or here where the server runs with " code { "--control" } "." }
            }
        }
    }
}

/// Yes and no to what a step asks.
pub fn answers(run_id: &str, step: &str) -> Markup {
    html! {
        form .answer data-post=(address(run_id, "approve")) {
            input type="hidden" name="step" value=(step);
            button .chief type="submit" name="answer" value="yes" aria-label={ "Yes, " (text(step)) " may run" } { "Yes" }
            button type="submit" name="answer" value="no" aria-label={ "No, " (text(step)) " may not run" } { "No" }
            p role="alert" {}
        }
    }
}

fn cancel(run_id: &str, now: bool) -> Markup {
    let (label, sure) = match now {
        false => (
            "Cancel",
            "Stop this run? Running steps are ended with grace.",
        ),
        true => (
            "Kill",
            "End all running steps of this run at once, without grace?",
        ),
    };
    html! {
        form data-post=(address(run_id, "cancel")) data-sure=(sure) {
            input type="hidden" name="now" value=(now);
            button .grave type="submit" { (label) }
            p role="alert" {}
        }
    }
}

fn resume(run_id: &str, label: &str) -> Markup {
    html! {
        form data-post=(address(run_id, "resume")) {
            button type="submit" { (label) }
            p role="alert" {}
        }
    }
}

/// Steps that only go on when a person says so: nobody saw how they ended.
fn words_needed(subject: Subject<'_>) -> Markup {
    let Subject { run_id, run, .. } = subject;
    html! {
        @for ix in run.needs_word().into_iter().take(MOST) {
            @let step = &*run.plan()[ix].id;
            form data-post=(address(run_id, "retry"))
                data-sure={ "Nobody saw how " (text(step)) " ended. May it be run once more?" } {
                input type="hidden" name="step" value=(step);
                button type="submit" { "Run " (text(step)) " again" }
                p role="alert" {}
            }
        }
    }
}

/// The same from a terminal.
fn by_hand(subject: Subject<'_>) -> Markup {
    let verb = match subject.run.phase() {
        RunPhase::Finished(_) => "resume",
        _ if subject.interrupted => "resume",
        _ => "cancel",
    };
    html! {
        p .faint {
            "This page only shows. " code { "quintet " (verb) " " (subject.run_id) }
            " from a terminal, or " code { "quintet serve --control" } " for buttons here."
        }
    }
}

fn address(run_id: &str, what: &str) -> String {
    format!("/api/v1/runs/{}/{what}", encoded(run_id))
}
