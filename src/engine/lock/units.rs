//! The units of one name: bytes of one file that are locked or not.
//!
//! Each unit is one byte of the file's range. A holder also writes down who it
//! is, at a place that belongs to the first unit of each range it holds, and
//! locks a second byte to say that the text is its own, and not what a dead one
//! left there.
//!
//! This file does not know names, other wants, waiting, or whose turn it is.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{Denied, Held, Want};
use crate::run::event::Holder;
use crate::store::{StoreError, range_lock};

/// Where the bytes begin that say a unit's text is its holder's own.
const SIGNED: u64 = 1 << 40;

/// Length of a unit's text; unit `n` has its at `n` times this.
pub(super) const TEXT: usize = 256;

/// What a look at a name finds.
pub(super) struct Survey {
    pub free: u64,
    /// What others hold, each holder's ranges in full.
    pub held: Vec<Range<u64>>,
}

pub(super) fn survey(file: &File, want: &Want) -> io::Result<Survey> {
    let mut found = Survey {
        free: 0,
        held: Vec::new(),
    };
    let mut rest = 0..u64::from(want.capacity);
    while !rest.is_empty() {
        let (free, held) = first_free(file, rest.clone())?;
        found.free += free.end - free.start;
        found.held.extend(held);
        rest.start = free.end.max(rest.start + 1);
    }
    Ok(found)
}

/// The first units in a row that nobody else holds, and what is held before
/// them. If nothing is free, the range is empty and at the end.
///
/// The kernel tells of one lock that is in the way, not necessarily the first;
/// so what lies before it is asked about again, until nothing is in the way.
fn first_free(file: &File, within: Range<u64>) -> io::Result<(Range<u64>, Vec<Range<u64>>)> {
    let mut held = Vec::new();
    let mut free = within.clone();
    while !free.is_empty() {
        match range_lock::conflict(file, free.clone())? {
            None => return Ok((free, held)),
            Some(theirs) if theirs.start > free.start => free.end = theirs.start,
            Some(theirs) => {
                free = theirs.end.min(within.end)..within.end;
                held.push(theirs.start..theirs.end.min(within.end));
            }
        }
    }
    Ok((free, held))
}

/// One of those who hold what is wanted, if it has said who it is.
pub(super) fn holder(file: &File, want: &Want) -> io::Result<Option<Holder>> {
    let (_, held) = first_free(file, 0..u64::from(want.capacity))?;
    let first = held.into_iter().next();
    Ok(first.and_then(|range| signature(file, range.start)))
}

/// Takes the units of one want for this open file, the lowest that are free.
pub(super) fn take(file: File, path: &Path, want: &Want, who: &Holder) -> Result<File, Denied> {
    let io = |e| StoreError::io(path, &e);
    let mut missing = u64::from(want.units);
    let mut taken: Vec<Range<u64>> = Vec::new();
    let mut in_the_way = None;
    let mut rest = 0..u64::from(want.capacity);
    while missing > 0 {
        let (free, held) = first_free(&file, rest.clone()).map_err(io)?;
        in_the_way = held.into_iter().next().or(in_the_way);
        if free.is_empty() {
            // Dropping the file gives back what was taken.
            return Err(Denied::Held(Held {
                on: want.to_string(),
                holder: in_the_way.and_then(|range| signature(&file, range.start)),
            }));
        }
        let part = free.start..free.end.min(free.start + missing);
        // Who was faster has changed what is free: then look again.
        if range_lock::try_lock(&file, part.clone()).map_err(io)? {
            missing -= part.end - part.start;
            rest.start = part.end;
            taken.push(part);
        }
    }
    let text = text(who);
    for range in taken {
        sign(&file, range.start, &text);
    }
    Ok(file)
}

/// Says who holds the range that begins here. Failing that, nobody is told.
fn sign(file: &File, unit: u64, text: &[u8]) {
    let signed = SIGNED + unit;
    if file.write_all_at(text, unit * TEXT as u64).is_ok() {
        let _ = range_lock::try_lock(file, signed..signed + 1);
    }
}

/// Who holds the range that begins here. It may have been taken just now and
/// not be signed yet, so others get a chance to run first.
pub(super) fn signature(file: &File, unit: u64) -> Option<Holder> {
    let signed = SIGNED + unit;
    for _ in 0..20 {
        if range_lock::conflict(file, signed..signed + 1)
            .ok()?
            .is_some()
        {
            let mut text = [0; TEXT];
            file.read_exact_at(&mut text, unit * TEXT as u64).ok()?;
            return serde_json::from_slice(&text).ok();
        }
        std::thread::yield_now();
    }
    None
}

/// A holder as text of fixed length. What does not fit is cut off the step's id.
fn text(who: &Holder) -> Vec<u8> {
    let mut who = who.clone();
    loop {
        let mut text = serde_json::to_vec(&who).expect("a plain struct is JSON");
        if text.len() <= TEXT {
            text.resize(TEXT, b' ');
            return text;
        }
        match who.step.pop() {
            Some(_) => {}
            None => who.run.clear(),
        }
    }
}
