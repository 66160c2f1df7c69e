//! How long the last runs of a plan took, as small bars in a line of a table.

use maud::{Markup, html};

use crate::store::{Recent, StoredState};
use crate::view::time::took;

/// So many are shown.
pub const MOST: usize = 20;

/// In the drawing's own units: one bar with what is between it and the next, and the
/// height of the longest.
const STRIDE: usize = 4;
const HEIGHT: u64 = 16;

/// Bars of runs that are over, oldest first; those that did not succeed are of another
/// colour and have a foot.
pub fn bars(runs: &[Recent]) -> Markup {
    let over = runs.iter().filter_map(|run| Some((run, run.took_ms()?)));
    let over: Vec<_> = over.collect();
    let Some(longest) = over.iter().map(|(_, took)| (*took).max(1)).max() else {
        return html! {};
    };
    let (mut good, mut bad) = (String::new(), String::new());
    for (at, (run, took)) in over.iter().enumerate() {
        let height = (took * HEIGHT / longest).max(1);
        let x = at * STRIDE + STRIDE / 2;
        match run.state {
            StoredState::Succeeded => good.push_str(&format!("M{x} {HEIGHT}v-{height}")),
            _ => bad.push_str(&format!("M{x} {HEIGHT}v-{height}m-2 {height}m0 1h4")),
        }
    }
    let failed = over
        .iter()
        .filter(|(run, _)| run.state != StoredState::Succeeded);
    let told = format!(
        "The last {}: {} did not succeed, the longest took {}",
        over.len(),
        failed.count(),
        took(longest)
    );
    html! {
        svg .spark viewBox={ "0 0 " (MOST * STRIDE) " " (HEIGHT + 2) } role="img" aria-label=(told) {
            title { (told) }
            path .good d=(good) {}
            path .bad d=(bad) {}
        }
    }
}
