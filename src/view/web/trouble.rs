//! What is shown in the place of a page that cannot be made.

use maud::html;

use super::{Live, Page, Section, text};

pub fn page(message: &str, hint: Option<&str>) -> Page {
    let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
    Page {
        title: "Not to be had".into(),
        section: Section::Runs,
        live: Live::Never,
        body: html! {
            h1 { (text(first)) }
            @if !rest.is_empty() { pre { (text(rest)) } }
            @if let Some(hint) = hint { p { (text(hint)) } }
            p { a href="/" { "The runs" } }
        },
    }
}
