//! What is shown in the place of a page that cannot be made.

use maud::html;

use super::{Live, Page, Section, text};

pub fn page(message: &str, hint: Option<&str>) -> Page {
    Page {
        title: "Not to be had".into(),
        section: Section::Runs,
        live: Live::Never,
        body: html! {
            h1 { (text(message)) }
            @if let Some(hint) = hint { p { (text(hint)) } }
            p { a href="/" { "The runs" } }
        },
    }
}
