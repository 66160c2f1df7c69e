//! The tree for people: phases with their children indented under them.
//!
//! Where it would be long, what need not be looked at is told in few lines: a
//! branch whose steps all stand alike in one, neighbours that do in another.
//! What has failed or runs is always there.

use std::io::{self, Write};

use jiff::tz::TimeZone;

use super::{Place, places};
use crate::plan::StepIx;
use crate::view::escape::clean;
use crate::view::status::{Subject, header};
use crate::view::style::{self, FAINT};
use crate::view::time::{so_far, took};
use crate::view::tree::Rails;
use crate::view::words;

/// A tree of more lines than this is not looked at as a whole.
const LONG: usize = 40;

/// Fewer neighbours than this are not worth a line that stands for them.
const FEW: usize = 4;

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
        let alike = match is_long {
            true => alike(&places[at..]),
            false => 1,
        };
        if alike >= FEW {
            let row = &places[at..at + alike];
            let last = row.last().is_some_and(|place| place.node.last);
            rails.before(place.node.depth, last, out)?;
            together(subject, row, out)?;
            at += alike;
            continue;
        }
        rails.before(place.node.depth, place.node.last, out)?;
        let below = &places[at + 1..place.node.end];
        let folded = is_long && place.below.is_quiet();
        // Where the steps of a phase are not shown, the first tells for all.
        let teller = match (place.step(subject.run), folded) {
            (None, true) => below.iter().find_map(|place| place.step(subject.run)),
            (own, _) => own,
        };
        line(subject, place, teller, out)?;
        at += if folded { below.len() + 1 } else { 1 };
    }
    Ok(())
}

/// How many of the places, from the first, are neighbours that one line can
/// stand for.
fn alike(places: &[Place<'_>]) -> usize {
    let Some(first) = places.first() else {
        return 0;
    };
    let fits = |place: &&Place<'_>| {
        let quiet = !place.is_phase() && place.below.is_quiet();
        quiet && place.node.depth == first.node.depth && place.word == first.word
    };
    places.iter().take_while(fits).count()
}

/// The line for several: `… 14 succeeded`, with what there is to say of all of them.
fn together(subject: Subject<'_>, row: &[Place<'_>], out: &mut impl Write) -> io::Result<()> {
    let word = row.first().map_or("", |place| place.word);
    let style = style::of_state(word);
    write!(out, "… {} {style}{word}{style:#}", row.len())?;
    let mut notes = row.iter().map(|place| note(subject, place.node.step));
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
