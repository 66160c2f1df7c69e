//! The part of the time that is looked at, and the way to another.

use maud::{Markup, html};

use super::{CHART, NAMES, part};
use crate::run::Millis;
use crate::view::time::took;
use crate::view::web::run::{Model, Scope};

/// A shorter part is not looked at; in milliseconds.
const SHORTEST: u64 = 10;
/// A longer run is shown as one of this length, a thousand years: a record may say
/// anything.
const LONGEST: u64 = 1 << 45;
/// So many marks at most.
const MOST_TICKS: u64 = 10;

/// A part of the run's time, in milliseconds since its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pub from: u64,
    pub to: u64,
    /// The run's beginning.
    pub start: Millis,
    /// How long the run took, or has taken.
    pub whole: u64,
    /// Now, of a run that goes on.
    pub now: Option<Millis>,
}

impl Window {
    pub fn of(model: &Model<'_>) -> Window {
        let subject = model.subject;
        let start = subject.run.started_at();
        // Nobody knows what became of what ran when its engine went.
        let (end, now) = match (subject.run.ended_at(), subject.interrupted) {
            (0, false) => (subject.now, Some(subject.now)),
            (0, true) => (subject.run.last_at(), None),
            (ended, _) => (ended, None),
        };
        let whole = end.saturating_sub(start).clamp(SHORTEST, LONGEST);
        let from = model.scope.from.unwrap_or(0).min(whole - SHORTEST);
        let to = model
            .scope
            .to
            .unwrap_or(whole)
            .min(whole)
            .max(from + SHORTEST);
        Window {
            from,
            to,
            start,
            whole,
            now,
        }
    }

    pub fn end(&self) -> Millis {
        self.start.saturating_add(self.whole)
    }

    fn length(&self) -> u64 {
        self.to - self.from
    }

    pub fn is_all(&self) -> bool {
        self.length() == self.whole
    }

    /// As much of it as these times take, each from a moment to one, or on.
    pub fn around(self, times: impl Iterator<Item = (Millis, Option<Millis>)>) -> Window {
        let (mut first, mut last) = (self.end(), self.start);
        for (from, until) in times {
            first = first.min(from);
            last = last.max(until.unwrap_or(self.end()));
        }
        let from = first
            .saturating_sub(self.start)
            .clamp(self.from, self.to - SHORTEST);
        let to = last
            .saturating_sub(self.start)
            .clamp(from + SHORTEST, self.to);
        Window { from, to, ..self }
    }

    /// Where a moment of the run is in the chart, given since its beginning.
    pub fn x_since(&self, since: u64) -> u64 {
        self.x(self.start.saturating_add(since))
    }

    /// Where a moment is in the chart, if it is in the part; else at its edge.
    pub fn x(&self, at: Millis) -> u64 {
        let since = at.saturating_sub(self.start).clamp(self.from, self.to);
        NAMES + (since - self.from) * CHART / self.length()
    }

    /// Whether something between these moments is in it.
    pub fn has(&self, from: Millis, until: Option<Millis>) -> bool {
        let moment = |since| self.start.saturating_add(since);
        let (first, last) = (moment(self.from), moment(self.to));
        from <= last && until.unwrap_or(self.end()) >= first
    }

    /// Moments at round distances, in milliseconds since the beginning.
    pub fn ticks(&self) -> Vec<u64> {
        let every = self.every();
        let first = self.from.div_ceil(every) * every;
        (0..=MOST_TICKS)
            .map(|n| first + n * every)
            .take_while(|tick| *tick <= self.to)
            .collect()
    }

    /// The distance between ticks: round as people count time.
    pub fn every(&self) -> u64 {
        const ROUND: [u64; 27] = [
            1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000,
            60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000,
            10_800_000, 21_600_000, 43_200_000, 86_400_000,
        ];
        let least = self.length().div_ceil(MOST_TICKS);
        let round = ROUND.into_iter().find(|every| *every >= least);
        // Of a run of months, so many whole days.
        round.unwrap_or(least.next_multiple_of(86_400_000))
    }
}

/// `0:05`, `1:02:03`, and as many more digits as the distance needs.
pub fn tick_label(ms: u64, every: u64) -> String {
    let (s, rest) = (ms / 1000, ms % 1000);
    let fraction = match every {
        1_000.. => String::new(),
        100.. => format!(".{}", rest / 100),
        10.. => format!(".{:02}", rest / 10),
        _ => format!(".{rest:03}"),
    };
    match s / 3600 {
        0 => format!("{}:{:02}{fraction}", s / 60, s % 60),
        hours => format!("{hours}:{:02}:{:02}{fraction}", s / 60 % 60, s % 60),
    }
}

pub fn tools(model: &Model<'_>, window: &Window) -> Markup {
    let Window {
        from, to, whole, ..
    } = *window;
    let length = window.length();
    let (quarter, half) = (length / 4, length / 2);
    let left = from.saturating_sub(half.max(1));
    let right = (to + half.max(1)).min(whole);
    let out = (from.saturating_sub(half), (to + half).min(whole));
    let all = Scope {
        from: None,
        to: None,
        page: 0,
        ..model.scope.clone()
    };
    html! {
        nav .tools aria-label="The part of the time" {
            span {
                (took(from)) " to " (took(to)) " of " (took(whole))
            }
            span {
                @if length > 2 * SHORTEST {
                    a href=(part(model, from + quarter, to - quarter)) { "Zoom in" } " "
                }
                @if !window.is_all() {
                    a href=(part(model, out.0, out.1)) { "Zoom out" } " "
                    @if from > 0 { a href=(part(model, left, left + length)) { "Earlier" } " " }
                    @if to < whole { a href=(part(model, right - length, right)) { "Later" } " " }
                    a href=(all.address(model.subject.run_id, "timeline")) { "All" }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: u64, to: u64) -> Window {
        Window {
            from,
            to,
            start: 1_000_000,
            whole: to,
            now: None,
        }
    }

    #[test]
    fn ticks_are_at_round_moments_and_few() {
        assert_eq!(window(0, 10_000).ticks().len(), 11);
        assert_eq!(window(0, 10_000).every(), 1_000);
        assert_eq!(window(1_234, 9_999).ticks()[0], 2_000);
        for length in [10, 99, 1_001, 61_000, 7_300_000, u64::from(u32::MAX) * 100] {
            let ticks = window(0, length).ticks();
            assert!((2..=11).contains(&ticks.len()), "{length}: {ticks:?}");
        }
        let labels = [(5_000, 1_000), (3_723_000, 60_000), (1_250, 50), (7, 1)];
        let labels = labels.map(|(ms, every)| tick_label(ms, every));
        assert_eq!(labels, ["0:05", "1:02:03", "0:01.25", "0:00.007"]);
    }

    #[test]
    fn a_moment_has_its_place_in_the_part() {
        let half = window(500, 1_000);
        assert_eq!(half.x(1_000_750), NAMES + CHART / 2);
        assert_eq!(half.x(0), NAMES);
        assert_eq!(half.x(9_999_999), NAMES + CHART);
        assert!(half.has(1_000_000, Some(1_000_500)) && !half.has(1_000_000, Some(1_000_499)));
        assert!(half.has(1_000_000, None));
        let times = [(1_000_600, Some(1_000_700)), (1_000_650, Some(1_000_800))];
        let around = half.around(times.into_iter());
        assert_eq!((around.from, around.to), (600, 800));
    }
}
