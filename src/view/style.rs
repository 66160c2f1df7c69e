//! The few styles that views use, each for one meaning.

use anstyle::{AnsiColor, Style};

pub const GOOD: Style = AnsiColor::Green.on_default();
pub const BAD: Style = AnsiColor::Red.on_default().bold();
pub const ODD: Style = AnsiColor::Yellow.on_default();
pub const BUSY: Style = AnsiColor::Cyan.on_default();
pub const FAINT: Style = Style::new().dimmed();
pub const HEADING: Style = Style::new().bold();

/// The style that goes with a state's word.
pub fn of_state(word: &str) -> Style {
    match word {
        "succeeded" => GOOD,
        "failed" | "quarantined" | "interrupted" => BAD,
        "running" => BUSY,
        "canceled" => ODD,
        "skipped" | "pending" => FAINT,
        _ => Style::new(),
    }
}
