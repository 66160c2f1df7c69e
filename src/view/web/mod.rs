//! Pages, as a browser shows them. One page, one file; parts that several pages have
//! are files too.
//!
//! Each is a function of what is recorded and of a moment, like every other view, and
//! gives HTML in which nothing acts: no script, no style of its own, every text escaped
//! by the macro that makes it. What a page may do when it is used is said in attributes
//! that the one script knows (`serve/client/script.js`):
//!
//! - `data-live` on the page: it is asked for again when the run, or any run, has news;
//! - `data-post`: a form that is sent as JSON to that address; what came of it is told in
//!   its `role=alert`, which a page that is asked for again leaves as it is;
//! - `data-sure` on such a form: it is sent when this question has been answered;
//! - `data-download`: a link whose answer is saved as a file of that name;
//! - `data-every`: so many milliseconds after it was asked for, the page is asked for
//!   again while there may be news: it shows what grows without an event;
//! - `data-end`: an element that is shown at its end, and stays there as it grows,
//!   until somebody scrolls away;
//! - `data-auto`: a form that is asked for as soon as something in it changes;
//! - `data-play`: a button that moves the slider with that id through its range.
//!
//! What an address names behind `#` is brought into view and gets `data-marked`.
//!
//! A page's addresses are relative to the server's root.

pub mod agents;
pub mod approvals;
pub mod checks;
pub mod compare;
mod control;
pub mod definition;
mod frame;
mod lines;
pub mod locks;
pub mod metrics;
mod replay;
pub mod run;
pub mod runs;
pub mod spark;
pub mod start;
pub mod step;
pub mod trouble;

pub use frame::{Live, Page, Section, Site, render};

use maud::{Markup, html};

use super::escape::printable;

/// A state's word with its colour. Colour is never all that tells states apart.
fn state(word: &str) -> Markup {
    html! { span .state data-state=(word) { (word) } }
}

/// A text from a file or a program: what a terminal or a browser would act on, or show
/// in another order than it is written, is spelled out.
fn text(text: &str) -> String {
    printable(text)
}

/// An address with what is asked of it; what is empty is left out.
fn address(path: &str, query: &[(&str, &str)]) -> String {
    let mut address = path.to_owned();
    let given = query.iter().filter(|(_, value)| !value.is_empty());
    for (n, (name, value)) in given.enumerate() {
        let before = if n == 0 { '?' } else { '&' };
        address.push_str(&format!("{before}{name}={}", encoded(value)));
    }
    address
}

/// A path's segment or a query's value in an address.
fn encoded(text: &str) -> String {
    let mut address = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                address.push(char::from(byte));
            }
            _ => address.push_str(&format!("%{byte:02X}")),
        }
    }
    address
}
