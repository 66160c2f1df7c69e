//! Finding the steps that one term is about.
//!
//! What can be looked up is sorted once, so that ten thousand ids on a command
//! line cost no more than reading them; only globs, tags and stages are held
//! against every step.

use std::collections::BTreeSet;
use std::ops;

use globset::GlobMatcher;

use super::StepSet;
use super::term::{What, number};
use crate::plan::name::{folded, nearest};
use crate::plan::{Plan, StepIx};

/// The plan's ids, names and numbers, sorted for looking up.
pub(super) struct Index<'a> {
    plan: &'a Plan,
    ids: Vec<(&'a str, StepIx)>,
    names: Vec<(&'a str, StepIx)>,
    numbers: Vec<(u16, StepIx)>,
}

impl<'a> Index<'a> {
    pub fn new(plan: &'a Plan) -> Self {
        let mut ids: Vec<_> = plan.indices().map(|ix| (&*plan[ix].id, ix)).collect();
        ids.sort_unstable();
        let named = |ix: StepIx| Some((plan[ix].name.as_deref()?, ix));
        let mut names: Vec<_> = plan.indices().filter_map(named).collect();
        names.sort_unstable();
        let numbered = |ix: StepIx| {
            plan[ix]
                .id
                .split('/')
                .filter_map(number_of)
                .map(move |n| (n, ix))
        };
        let mut numbers: Vec<_> = plan.indices().flat_map(numbered).collect();
        numbers.sort_unstable();
        Index {
            plan,
            ids,
            names,
            numbers,
        }
    }

    /// The steps that a term is about; nothing, where what it names does not exist.
    pub fn matching(&self, what: &What) -> Option<StepSet> {
        let known = |steps: StepSet| (!steps.is_empty()).then_some(steps);
        match what {
            What::Everything => Some(StepSet::all(self.plan)),
            What::Id(id) => known(self.at_or_below(id)).or_else(|| known(self.named(id))),
            What::Path(path) => known(self.at_or_below(path)),
            What::Glob(glob) => Some(self.globbed(glob)),
            What::PathGlob(glob) => known(self.globbed(glob)),
            What::Number(number) => known(self.numbered(*number..=*number)),
            What::Numbers(range) => Some(self.numbered(range.clone())),
            What::Prefix { digits, glob } => match glob {
                Some(glob) if self.numbers.is_empty() => Some(self.globbed(glob)),
                _ => Some(self.numbered(numbers_from(digits))),
            },
            What::Tag(tag) => known(self.filtered(|ix| self.plan[ix].tags.contains(tag))),
            What::Stage(stage) => {
                let wanted = folded(stage);
                let is_in = |name: &str| folded(name) == wanted;
                known(self.filtered(|ix| self.stage(ix).is_some_and(is_in)))
            }
        }
    }

    /// The names that a number stands in, if they are several: whoever says the
    /// number alone could mean any of them. The same name in several groups is one.
    pub fn ambiguous(&self, number: u16) -> Option<Vec<&'a str>> {
        let steps = self.numbered(number..=number);
        let parts = steps.iter().flat_map(|ix| self.plan[ix].id.split('/'));
        let mut names: Vec<&str> = parts
            .filter(|part| number_of(part) == Some(number))
            .collect();
        names.sort_unstable();
        names.dedup();
        (names.len() > 1).then_some(names)
    }

    fn filtered(&self, wanted: impl Fn(StepIx) -> bool) -> StepSet {
        let mut steps = StepSet::none(self.plan);
        for ix in self.plan.indices().filter(|&ix| wanted(ix)) {
            steps.insert(ix);
        }
        steps
    }

    /// The step with the id, and every step whose id goes on after it with `/`.
    fn at_or_below(&self, id: &str) -> StepSet {
        let below = format!("{id}/");
        let first = self.ids.partition_point(|(other, _)| **other < *below);
        let below = self.ids[first..]
            .iter()
            .take_while(|(other, _)| other.starts_with(&below));
        self.collected(exactly(&self.ids, id).chain(below))
    }

    fn named(&self, name: &str) -> StepSet {
        self.collected(exactly(&self.names, name))
    }

    fn collected<'b, K: 'b>(&self, entries: impl Iterator<Item = &'b (K, StepIx)>) -> StepSet {
        let mut steps = StepSet::none(self.plan);
        for &(_, ix) in entries {
            steps.insert(ix);
        }
        steps
    }

    /// The steps that the glob matches, or one of whose groups it matches.
    fn globbed(&self, glob: &GlobMatcher) -> StepSet {
        self.filtered(|ix| {
            let id = &*self.plan[ix].id;
            groups(id).any(|group| glob.is_match(group)) || glob.is_match(id)
        })
    }

    fn numbered(&self, range: ops::RangeInclusive<u16>) -> StepSet {
        let first = self
            .numbers
            .partition_point(|(number, _)| number < range.start());
        let numbers = self.numbers[first..].iter();
        self.collected(numbers.take_while(|(number, _)| range.contains(number)))
    }

    fn stage(&self, ix: StepIx) -> Option<&'a str> {
        self.plan[ix].about.as_ref()?.stage.as_deref()
    }

    /// The stages or tags that there are, if few enough to be named, where the
    /// term is about such a thing.
    pub fn known(&self, what: &What) -> Vec<&'a str> {
        const MOST: usize = 20;
        let known: BTreeSet<&str> = match what {
            What::Tag(_) => {
                let steps = self.plan.steps.iter();
                steps
                    .flat_map(|step| step.tags.iter().map(|tag| &**tag))
                    .collect()
            }
            What::Stage(_) => self
                .plan
                .indices()
                .filter_map(|ix| self.stage(ix))
                .collect(),
            _ => return Vec::new(),
        };
        match known.len() {
            0..=MOST => known.into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// What was probably meant by `value`, among what the term could be about.
    pub fn nearest(&self, what: &What, value: &str) -> Option<&'a str> {
        let steps = &self.plan.steps;
        match what {
            What::Tag(_) => nearest(
                value,
                steps.iter().flat_map(|s| s.tags.iter().map(|t| &**t)),
            ),
            What::Stage(_) => nearest(value, self.plan.indices().filter_map(|ix| self.stage(ix))),
            _ => {
                let ids = self.ids.iter().flat_map(|(id, _)| groups(id).chain([*id]));
                nearest(value, ids.chain(self.names.iter().map(|(name, _)| *name)))
            }
        }
    }
}

/// The entries of sorted `entries` with this key.
fn exactly<'a>(
    entries: &'a [(&'a str, StepIx)],
    key: &'a str,
) -> impl Iterator<Item = &'a (&'a str, StepIx)> {
    let first = entries.partition_point(|(other, _)| *other < key);
    entries[first..]
        .iter()
        .take_while(move |(other, _)| *other == key)
}

/// The groups that an id is in, outermost first.
fn groups(id: &str) -> impl Iterator<Item = &str> {
    id.match_indices('/').map(|(at, _)| &id[..at])
}

/// The number that a part of an id is or begins with.
fn number_of(part: &str) -> Option<u16> {
    let digits = part.get(..4)?;
    let goes_on = part.as_bytes().get(4).is_some_and(u8::is_ascii_digit);
    if goes_on { None } else { number(digits) }
}

/// The numbers of four digits that begin with `digits`.
fn numbers_from(digits: &str) -> ops::RangeInclusive<u16> {
    let bound = |fill: &str| {
        format!("{digits}{}", fill.repeat(4 - digits.len()))
            .parse()
            .unwrap_or(0)
    };
    bound("0")..=bound("9")
}
