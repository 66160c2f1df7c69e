//! How every front end makes a plan: steps go in one at a time, a checked plan
//! comes out, or everything that is wrong with it.
//!
//! A front end knows what its files say; this knows what makes a plan: ids are
//! names and each is one step's, what is referred to exists, nothing waits for
//! itself, what is asked of pools fits them. So these rules are the same for
//! all inputs, and so are the words in which their breach is reported.
//!
//! Problems are collected, never thrown: finding one does not hide the next.
//! This does not know files or formats, only [`Span`]s that were handed to it.

mod ancestry;
mod cycles;
mod finish;
mod names;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::name::check_id;
use super::problem::{Problem, Problems, Span};
use super::{Part, Plan, Policy, Step, StepIx, Text};

pub use names::Name;
use names::Names;

/// What a step refers to by name, each with its place. All places of one step
/// are in one file. Meant to be cleared and used again for the next step.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// Steps whose success it waits for.
    pub needs: Vec<(Name, Span)>,
    /// Steps it only waits for.
    pub after: Vec<(Name, Span)>,
    /// The step that stands in for it when it fails.
    pub fallback: Option<(Name, Span)>,
    /// Where the other names of the step are written: steps that its condition
    /// or texts mention, what it consumes, its pool and resources. A name that
    /// has no place here is reported at the step's id.
    pub places: Vec<(Name, Span)>,
}

impl Links {
    pub fn clear(&mut self) {
        self.needs.clear();
        self.after.clear();
        self.fallback = None;
        self.places.clear();
    }
}

/// Makes a plan of steps.
#[derive(Debug, Default)]
pub struct Builder {
    names: Names,
    steps: Vec<Step>,
    /// Parallel to the steps.
    marks: Vec<Mark>,
    /// The links of all steps, in the order of the steps.
    links: Vec<Link>,
    seen: Seen,
    policies: BTreeMap<Policy, Arc<Policy>>,
    /// The policy asked for last, which is mostly the one asked for next.
    last_policy: Option<Arc<Policy>>,
    problems: Problems,
}

/// What any step of the plan has: what none has needs no look at all of them.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    fallbacks: bool,
    mentions: bool,
    holds: bool,
    consumes: bool,
}

/// Where a step is written, and where its links end.
#[derive(Clone, Copy, Debug)]
struct Mark {
    id: Span,
    links_end: u32,
}

/// One name that a step refers to. Small, since large plans have many.
#[derive(Clone, Copy, Debug)]
struct Link {
    /// The name's number, and in the lowest bits what it is for.
    word: u32,
    start: u32,
    end: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    Need,
    After,
    Fallback,
    /// A condition or text names the step.
    Mention,
    /// Only a place.
    Place,
}

impl Link {
    const BITS: u32 = 3;

    fn new(purpose: For, name: Name, at: Span) -> Self {
        Link {
            word: name.0 << Self::BITS | purpose as u32,
            start: at.start,
            end: at.end,
        }
    }

    fn name(self) -> Name {
        Name(self.word >> Self::BITS)
    }

    fn purpose(self) -> For {
        match self.word & ((1 << Self::BITS) - 1) {
            0 => For::Need,
            1 => For::After,
            2 => For::Fallback,
            3 => For::Mention,
            _ => For::Place,
        }
    }
}

impl Builder {
    /// A builder with room for this many steps.
    pub fn with_capacity(steps: usize) -> Self {
        Builder {
            names: Names::with_capacity(steps),
            steps: Vec::with_capacity(steps),
            marks: Vec::with_capacity(steps),
            // Most plans have fewer, and what is not used costs nothing.
            links: Vec::with_capacity(steps * 3),
            ..Builder::default()
        }
    }

    /// The number of a name, for [`Links`].
    pub fn name(&mut self, name: &str) -> Name {
        self.names.name(name)
    }

    /// The policy as a step holds it: equal ones are one.
    pub fn policy(&mut self, policy: Policy) -> Arc<Policy> {
        if let Some(last) = self.last_policy.as_ref().filter(|last| ***last == policy) {
            return Arc::clone(last);
        }
        let shared = match self.policies.get(&policy) {
            Some(shared) => Arc::clone(shared),
            None => {
                let shared = Arc::new(policy.clone());
                self.policies.insert(policy, Arc::clone(&shared));
                shared
            }
        };
        self.last_policy = Some(Arc::clone(&shared));
        shared
    }

    /// Notes something that is wrong, to be given back by [`Builder::finish`].
    pub fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Adds a step that is finished but for its edges (`needs`, `after` and
    /// `fallback_of`), which follow from `links` when all steps are known.
    /// `id_at` is where its id is written.
    pub fn add(&mut self, step: Step, id_at: Span, links: &Links) -> StepIx {
        let ix = StepIx::new(self.steps.len());
        self.claim_id(&step.id, ix, id_at);
        let listed = [(For::Need, &links.needs), (For::After, &links.after)];
        for (purpose, list) in listed {
            let made = list.iter().map(|(name, at)| Link::new(purpose, *name, *at));
            self.links.extend(made);
        }
        if let Some((name, at)) = links.fallback {
            self.links.push(Link::new(For::Fallback, name, at));
            self.seen.fallbacks = true;
        }
        self.seen.holds |= step.holds.is_some();
        self.seen.consumes |= step.about.as_ref().is_some_and(|a| !a.consumes.is_empty());
        self.mentions(&step, id_at, links);
        let places = links.places.iter();
        self.links
            .extend(places.map(|(name, at)| Link::new(For::Place, *name, *at)));
        self.marks.push(Mark {
            id: id_at,
            links_end: self.links.len() as u32,
        });
        self.steps.push(step);
        ix
    }

    /// Resolves and checks everything, and puts the steps into `header`, which
    /// is the plan without them.
    ///
    /// Returns no plan where any problem is an error.
    pub fn finish(self, header: Plan) -> (Option<Plan>, Vec<Problem>) {
        finish::finish(self, header)
    }

    fn claim_id(&mut self, id: &str, ix: StepIx, at: Span) {
        if let Err(why) = check_id(id) {
            let problem = Problem::error(format!("the step id {} {why}", quoted(id)));
            self.report(problem.at(at, ""));
        }
        let name = self.names.name(id);
        if let Some(first) = self.names.step(name) {
            let first = self.marks[first.at()].id;
            let problem = Problem::error(format!("two steps have the id {}", quoted(id)))
                .at(at, "the second is here")
                .also(first, "the first is here")
                .help("ids are unique in a plan; rename one of the two");
            self.report(problem);
            return;
        }
        if let Some(other) = self.names.clash(name) {
            let problem = Problem::error(format!(
                "the step ids {} and {} differ by case alone",
                quoted(&self.steps[other.at()].id),
                quoted(id)
            ))
            .at(at, "this one")
            .also(self.marks[other.at()].id, "and this one")
            .help("not every system could keep their files apart; rename one of the two");
            self.report(problem);
        }
        self.names.define(name, ix);
    }

    /// Adds a link for every step that the step's condition and texts name.
    fn mentions(&mut self, step: &Step, id_at: Span, links: &Links) {
        let mut mention = |id: &str| {
            let name = self.names.name(id);
            let place = links.places.iter().find(|(n, _)| *n == name);
            let at = place.map_or(id_at, |(_, at)| *at);
            self.seen.mentions = true;
            self.links.push(Link::new(For::Mention, name, at));
        };
        for id in step.when.iter().flat_map(|when| when.steps()) {
            mention(id);
        }
        for_each_output(step.action.texts(), &mut mention);
        for id in step.cache.iter().flat_map(|cache| &cache.stale_with) {
            mention(id);
        }
        let later = step.undo.iter().map(|undo| &undo.command);
        let later = later.chain(step.remedy.iter().map(|remedy| &remedy.command));
        for command in later {
            // Mending a step or taking it back may of course ask what it has put out.
            for_each_output(command.texts(), &mut |id| {
                if *id != *step.id {
                    mention(id);
                }
            });
        }
    }
}

/// Calls `f` with the step of each output that the texts ask for.
fn for_each_output<'t>(texts: impl Iterator<Item = &'t Text>, f: &mut impl FnMut(&str)) {
    for text in texts {
        let Text::Parts(parts) = text else { continue };
        for part in parts {
            if let Part::Output { step, .. } = part {
                f(step);
            }
        }
    }
}

/// A name for a message: on one line, printable, and not endless.
pub(crate) fn quoted(name: &str) -> String {
    const MOST: usize = 60;
    match name.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}...", &name[..end]),
        None => format!("{name:?}"),
    }
}

#[cfg(test)]
mod tests;
