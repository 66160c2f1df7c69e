//! The tree for people: phases with their children indented under them.
//!
//! Where it would be long, what need not be looked at is told in few lines: a
//! branch whose steps all stand alike in one, neighbours that do in another.
//! What has failed or runs is always there.

use std::io::{self, Write};

use jiff::tz::TimeZone;

use super::{Place, places};
use crate::plan::StepIx;
use crate::run::RunState;
use crate::view::escape::clean;
use crate::view::status::{Subject, header};
use crate::view::style::{self, FAINT};
use crate::view::time::{so_far, took};
use crate::view::tree::Rails;
use crate::view::words;

/// A tree of more lines than this is not looked at as a whole.
const LONG: usize = 40;

/// Fewer neighbours than this are not worth a line that stands for them: a
/// phase's name tells more than a step's.
const FEW_STEPS: usize = 4;
const FEW_PHASES: usize = 12;

/// Writes the run's header and its tree.
///
/// # Errors
/// The stream does not take it.
pub fn write(subject: Subject<'_>, zone: &TimeZone, out: &mut impl Write) -> io::Result<()> {
    header(subject, zone, out)?;
    writeln!(out)?;
    let places = places(subject);
    let is_long = places.len() > LONG;
    let mut rails = Rails::default();
    let mut at = 0;
    while let Some(place) = places.get(at) {
        let depth = place.node.depth;
        let row = if is_long {
            row(&places, at)
        } else {
            Vec::new()
        };
        let few = if place.is_phase() {
            FEW_PHASES
        } else {
            FEW_STEPS
        };
        if let Some([last, ..]) = row.last().filter(|_| row.len() >= few) {
            rails.before(depth, last.node.last, out)?;
            together(subject, &row, out)?;
            at = last.node.end;
            continue;
        }
        rails.before(depth, place.node.last, out)?;
        let folded = is_long && place.below.is_quiet();
        // Where the steps of a phase are not shown, the first tells for all.
        let shown = if folded { place.node.end } else { at + 1 };
        let teller = first_step(subject.run, &places[at..shown]);
        line(subject, place, teller, out)?;
        at = shown;
    }
    Ok(())
}

/// The branches, from the one at `at`, that are neighbours and that one line can
/// stand for.
fn row<'p, 'a>(places: &'p [Place<'a>], mut at: usize) -> Vec<&'p [Place<'a>]> {
    let alike = |one: &Place<'_>| (one.node.depth, one.word, one.is_phase());
    let first = places.get(at).map(alike);
    let mut row = Vec::new();
    while let Some(place) = places.get(at)
        && place.below.is_quiet()
        && Some(alike(place)) == first
    {
        row.push(&places[at..place.node.end]);
        at = place.node.end;
    }
    row
}

fn first_step(run: &RunState, branch: &[Place<'_>]) -> Option<StepIx> {
    branch.iter().find_map(|place| place.step(run))
}

/// The line for several: `… 14 succeeded`, with what there is to say of all of them.
fn together(subject: Subject<'_>, row: &[&[Place<'_>]], out: &mut impl Write) -> io::Result<()> {
    let Some([first, ..]) = row.first() else {
        return Ok(());
    };
    let style = style::of_state(first.word);
    let (n, word) = (row.len(), first.word);
    let phases = if first.is_phase() { "phases " } else { "" };
    write!(out, "… {n} {phases}{style}{word}{style:#}")?;
    let tellers = row.iter().map(|branch| first_step(subject.run, branch));
    let mut notes = tellers.map(|step| note(subject, step));
    let first = notes.next().unwrap_or_default();
    let common = notes.all(|note| note == first);
    remark(if common { &first } else { "" }, out)
}

/// The line for one place. `teller` is the step with something to say of it.
fn line(
    subject: Subject<'_>,
    place: &Place<'_>,
    teller: Option<StepIx>,
    out: &mut impl Write,
) -> io::Result<()> {
    let word = place.word;
    let style = style::of_state(word);
    let slash = if place.is_phase() { "/" } else { "" };
    let name = clean(place.node.name);
    write!(out, "{name}{slash}  {style}{word}{style:#}")?;
    let duration = match (place.node.step, place.is_phase()) {
        (Some(ix), false) => words::duration(subject.run, ix, subject.now),
        _ => match place.below.took(subject.now) {
            Some(ms) if place.below.running > 0 => so_far(ms).to_string(),
            Some(ms) => took(ms).to_string(),
            None => String::new(),
        },
    };
    if !duration.is_empty() {
        write!(out, "  {duration}")?;
    }
    if place.is_phase() {
        write!(out, "{}", counts(place))?;
    }
    remark(&note(subject, teller), out)
}

/// `  3 steps` where all stand alike, else how many stand in which way.
fn counts(place: &Place<'_>) -> String {
    let parts = place.below.parts();
    let told = parts.iter().filter(|(n, _)| *n > 0);
    let told: Vec<&(usize, &str)> = told.collect();
    match told[..] {
        [] => String::new(),
        [(n, word)] if *word == place.word => format!("  {}", words::counted(*n, "step")),
        _ => {
            let told = told.iter().map(|(n, word)| format!("{n} {word}"));
            format!("  {}", told.collect::<Vec<_>>().join(", "))
        }
    }
}

fn note(subject: Subject<'_>, step: Option<StepIx>) -> String {
    step.map_or_else(String::new, |ix| words::note(subject.run, ix, subject.now))
}

fn remark(note: &str, out: &mut impl Write) -> io::Result<()> {
    match note.is_empty() {
        true => writeln!(out),
        false => writeln!(out, "  {FAINT}{}{FAINT:#}", clean(note)),
    }
}
