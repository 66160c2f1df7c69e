//! How many attempts ran at once, over the whole of the run.

use maud::{Markup, html};

use super::axis::{Window, tick_label};
use super::{CHART, NAMES, part};
use crate::run::Millis;
use crate::view::timeline::Timeline;
use crate::view::web::run::Model;

/// In pixels.
const HEIGHT: u64 = 64;
/// The curve has so many steps: one for each few pixels.
const PIECES: usize = 250;

pub fn chart(model: &Model<'_>, timeline: &Timeline, window: &Window) -> Markup {
    let whole = Window {
        from: 0,
        to: window.whole,
        ..window.clone()
    };
    let curve = curve(timeline, &whole);
    let most = curve.iter().copied().fold(0.0, f64::max);
    let (width, height) = (NAMES + CHART + 20, HEIGHT + 22);
    let label = format!("How many attempts ran at once: {most:.0} at most");
    let every = whole.every();
    html! {
        div .scroll .picture tabindex="0" role="region" aria-label="How many ran at once; it can be scrolled" {
            svg .timeline role="group" aria-label=(label) viewBox={ "0 0 " (width) " " (height) }
                width=(width) height=(height) {
                text x="0" y="16" { "Running at once" }
                text .below x="0" y="34" { (format!("{most:.0} at most")) }
                path .area d=(area(&curve, most)) {}
                @if !window.is_all() {
                    @let (from, to) = (whole.x_since(window.from), whole.x_since(window.to));
                    rect .part x=(from) y="0" width=((to - from).max(2)) height=(HEIGHT) {}
                }
                @for tick in whole.ticks() {
                    @let x = whole.x_since(tick);
                    a href=(part(model, tick, tick + every)) {
                        title { "Zoom in from " (tick_label(tick, every)) " on" }
                        line .tick x1=(x) x2=(x) y1="0" y2=(HEIGHT + 4) {}
                        text .below x=(x + 3) y=(HEIGHT + 16) { (tick_label(tick, every)) }
                    }
                }
            }
        }
    }
}

/// How many ran on average in each piece of the time.
fn curve(timeline: &Timeline, whole: &Window) -> Vec<f64> {
    let length = whole.whole as f64 / PIECES as f64;
    let place = |at: Millis| {
        let since = at.saturating_sub(whole.start).min(whole.whole) as f64;
        since / length
    };
    // What each attempt adds to the pieces it begins and ends in, and between them, as
    // the change from one piece to the next.
    let mut own = vec![0.0; PIECES + 1];
    let mut change = vec![0.0; PIECES + 2];
    for bar in &timeline.bars {
        let from = place(bar.started_at);
        let to = place(bar.end.as_ref().map_or(whole.end(), |end| end.ended_at)).max(from);
        let (first, last) = (from as usize, to as usize);
        if first == last {
            own[first] += to - from;
            continue;
        }
        own[first] += (first + 1) as f64 - from;
        own[last] += to - last as f64;
        change[first + 1] += 1.0;
        change[last] -= 1.0;
    }
    let mut between = 0.0;
    (0..PIECES)
        .map(|piece| {
            between += change[piece];
            own[piece] + between
        })
        .collect()
}

fn area(curve: &[f64], most: f64) -> String {
    let mut path = format!("M{NAMES} {HEIGHT}");
    for (n, running) in curve.iter().enumerate() {
        let high = running / most.max(1.0) * (HEIGHT - 4) as f64;
        let y = HEIGHT as f64 - high;
        let x = |n: usize| NAMES + n as u64 * CHART / PIECES as u64;
        path.push_str(&format!("V{y:.0}H{}", x(n + 1)));
    }
    path.push_str(&format!("V{HEIGHT}Z"));
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{self, NOON, Story, exited};

    #[test]
    fn the_curve_is_the_work_that_was_done() {
        let plan = testing::plan(&["a", "b", "c: a"]);
        let story = Story::of(plan, |id, _| (exited(0), if id == "b" { 700 } else { 300 }));
        let timeline = Timeline::of(&story.events);
        let whole = Window {
            from: 0,
            to: 700,
            start: NOON,
            whole: 700,
            now: None,
        };
        let curve = curve(&timeline, &whole);
        let work = curve.iter().sum::<f64>() * 700.0 / PIECES as f64;
        assert!((work - 1300.0).abs() < 1e-6, "{work}");
        assert!((curve[0] - 2.0).abs() < 1e-9 && (curve[PIECES - 1] - 1.0).abs() < 1e-9);
    }
}
