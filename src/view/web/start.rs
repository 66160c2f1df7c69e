//! What can be begun: what the configuration registers; and what it would do, before it
//! begins.

use maud::{Markup, html};
use serde_json::Value;

use super::{Live, Page, Section, encoded, text};

/// What is registered.
pub struct Listed<'a> {
    /// A list for each kind, each of objects with a `name` and a `description`.
    pub registered: &'a Value,
    /// Whether anything may be begun.
    pub control: bool,
}

/// What something would do.
pub struct Previewed<'a> {
    /// Its kind and name.
    pub title: &'a str,
    /// Where it is asked for, and with which words.
    pub post: &'a str,
    pub fields: &'a [(&'static str, String)],
    /// As the preview is written for people.
    pub text: &'a str,
    pub token: &'a str,
}

pub fn page(model: &Listed<'_>) -> Page {
    let kinds = [
        ("jobs", "job", "Jobs"),
        ("tasks", "task", "Tasks"),
        ("orchestrations", "orchestration", "Orchestrations"),
    ];
    Page {
        title: "Start".into(),
        section: Section::Start,
        live: Live::Never,
        body: html! {
            h1 { "Start" }
            p .faint {
                "What the configuration registers. "
                @if model.control { "Each is shown first, and begins from there." }
                @else { "Nothing is begun from this page; " code { "quintet serve --control" } " allows it." }
            }
            @for (key, kind, heading) in kinds {
                h2 { (heading) }
                (list(kind, &model.registered[key], model.control))
            }
        },
    }
}

fn list(kind: &str, all: &Value, control: bool) -> Markup {
    let all = all.as_array().map(Vec::as_slice).unwrap_or_default();
    html! {
        @if all.is_empty() { p .faint { "None." } } @else {
            table data-rows {
                thead { tr { th { "Name" } th { "What it does" } @if kind == "orchestration" && control { th { "With" } } } }
                tbody { @for one in all {
                    @let name = one["name"].as_str().unwrap_or_default();
                    tr {
                        td { @if control {
                            a href={ "/start/preview?kind=" (kind) "&name=" (encoded(name)) } { (text(name)) }
                        } @else { (text(name)) } }
                        td { (text(one["description"].as_str().unwrap_or_default())) }
                        @if kind == "orchestration" && control { td { (goal(name)) } }
                    }
                } }
            }
        }
    }
}

/// What an orchestration may be told.
fn goal(name: &str) -> Markup {
    html! {
        form .answer method="get" action="/start/preview" {
            input type="hidden" name="kind" value="orchestration";
            input type="hidden" name="name" value=(name);
            label { "Goal " input type="text" name="goal"; }
            label { "Task " input type="text" name="task" size="12"; }
            button type="submit" { "Preview" }
        }
    }
}

pub fn preview(model: &Previewed<'_>) -> Page {
    Page {
        title: text(model.title),
        section: Section::Start,
        live: Live::Never,
        body: html! {
            h1 { (text(model.title)) }
            p { "This is what it would do. It begins as it is shown here or not at all." }
            pre .preview tabindex="0" { (model.text) }
            form .answer data-post=(model.post) {
                @for (name, value) in model.fields { input type="hidden" name=(name) value=(value); }
                input type="hidden" name="token" value=(model.token);
                button .chief type="submit" { "Start" }
                p role="alert" {}
            }
        },
    }
}
