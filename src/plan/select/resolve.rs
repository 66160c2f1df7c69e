//! What terms come to in a plan.
//!
//! Each term is resolved by itself to a set of steps; then what some of them
//! need, and what needs some of them, is added for all at once, which costs one
//! walk over the edges however many terms ask for it.

use super::index::Index;
use super::term::{Selection, Term, What};
use super::{FORMS, MAX_ERRORS, SelectError, StepSet, not_empty};
use crate::plan::graph::{Graph, waits};
use crate::plan::{Plan, StepIx};

/// A stretch of a plan, beside or instead of a selection. What is not given
/// does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// A term: this, and everything that directly or not waits for it.
    pub from: Option<String>,
    /// A term: this, and everything that it directly or not waits for.
    pub to: Option<String>,
    /// Terms: nothing but these.
    pub only: Vec<String>,
    /// Tags: nothing but steps with one of them.
    pub only_tags: Vec<String>,
    /// Tags: no step with any of them.
    pub skip_tags: Vec<String>,
}

/// Which edges a walk follows.
#[derive(Clone, Copy, PartialEq)]
enum Edges {
    /// What a step needs to succeed, or stands in for.
    Needs,
    /// Also what it merely comes after.
    Order,
}

impl Selection {
    /// The steps of `plan` that are selected.
    ///
    /// # Errors
    /// Every term (of very many, the first) that names nothing in the plan, or,
    /// if there is none, that the selection as a whole matches no step.
    pub fn resolve(&self, plan: &Plan, graph: &Graph) -> Result<StepSet, Vec<SelectError>> {
        let steps = self.steps(plan, graph)?;
        not_empty(steps, plan, || self.args.join(" "))
    }

    /// As `resolve`, and empty if no step matches.
    fn steps(&self, plan: &Plan, graph: &Graph) -> Result<StepSet, Vec<SelectError>> {
        if self.terms.is_empty() {
            return Ok(StepSet::all(plan));
        }
        let index = Index::new(plan);
        let mut included = Gathered::new(plan);
        let mut excluded = Gathered::new(plan);
        let mut errors = Vec::new();
        for term in &self.terms {
            match index.matching(&term.what) {
                Some(_)
                    if !term.exclude
                        && let Some(names) = ambiguous(&index, term) =>
                {
                    errors.push(self.several(term, &names));
                }
                Some(steps) => {
                    let into = if term.exclude {
                        &mut excluded
                    } else {
                        &mut included
                    };
                    into.add(term, &steps);
                }
                None if self.allow_missing
                    && matches!(term.what, What::Id(_) | What::Number(_)) => {}
                None => errors.push(self.unknown(&index, term)),
            }
            if errors.len() == MAX_ERRORS {
                break;
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut steps = match self.terms.iter().all(|term| term.exclude) {
            true => StepSet::all(plan),
            false => included.with_relatives(plan, graph),
        };
        steps.subtract(&excluded.with_relatives(plan, graph));
        Ok(steps)
    }

    fn several(&self, term: &Term, names: &[&str]) -> SelectError {
        let arg = &self.args[term.arg];
        let written = &arg[term.at.clone()];
        SelectError {
            term: arg.clone(),
            at: term.at.clone(),
            message: format!("{written} is the number of {}", names.join(" and ")),
            help: Some(format!("name the one that is meant, such as {}", names[0])),
        }
    }

    fn unknown(&self, index: &Index, term: &Term) -> SelectError {
        let arg = &self.args[term.arg];
        let written = &arg[term.at.clone()];
        let value = written
            .split_once(':')
            .map_or(written, |(_, value)| value.trim());
        let message = match &term.what {
            What::Tag(tag) => format!("no step has the tag {tag:?}"),
            What::Stage(stage) => format!("no step is in the stage {stage:?}"),
            What::Number(_) => format!("no step has the number {written}"),
            What::Path(_) | What::PathGlob(_) => format!("no step is at or below {value:?}"),
            _ => format!("no step is called {value:?}"),
        };
        let help = match (index.nearest(&term.what, value), index.known(&term.what)) {
            (Some(near), _) => format!("did you mean {near:?}? {FORMS}"),
            (None, known) if known.is_empty() => FORMS.to_owned(),
            (None, known) => format!("there are {}", known.join(", ")),
        };
        SelectError {
            term: arg.clone(),
            at: term.at.clone(),
            message,
            help: Some(help),
        }
    }
}

fn ambiguous<'p>(index: &Index<'p>, term: &Term) -> Option<Vec<&'p str>> {
    match term.what {
        What::Number(number) => index.ambiguous(number),
        _ => None,
    }
}

impl Range {
    /// The steps of `plan` within the range.
    ///
    /// `from` and `to` follow every edge, also where a step merely comes after
    /// another: they are about the order of a run.
    ///
    /// # Errors
    /// Every part that cannot be read or names nothing in the plan, or, if
    /// there is none, that no step is left.
    pub fn resolve(&self, plan: &Plan, graph: &Graph) -> Result<StepSet, Vec<SelectError>> {
        let mut errors = Vec::new();
        let mut resolved = |selection: Result<Selection, Vec<SelectError>>| {
            let steps = selection.and_then(|selection| selection.resolve(plan, graph));
            steps.map_err(|found| errors.extend(found)).ok()
        };
        let one = |term: &Option<String>| Selection::parse(term.as_slice());
        let from = resolved(one(&self.from));
        let to = resolved(one(&self.to));
        let only = resolved(Selection::parse(&self.only));
        let tagged = resolved(Ok(Selection::of_tags(&self.only_tags)));
        let skipped = resolved(Ok(Selection::of_tags(&self.skip_tags)));
        let (Some(from), Some(to), Some(only), Some(tagged), Some(skipped)) =
            (from, to, only, tagged, skipped)
        else {
            return Err(errors);
        };
        let mut steps = followers(plan, graph, from, Edges::Order);
        steps.intersect(&leaders(plan, to, Edges::Order));
        steps.intersect(&only);
        steps.intersect(&tagged);
        if !self.skip_tags.is_empty() {
            steps.subtract(&skipped);
        }
        not_empty(steps, plan, || "the range".into())
    }
}

/// What the terms of one kind, including or excluding, have found so far.
struct Gathered {
    steps: StepSet,
    /// Those of them whose needs are wanted too.
    up: StepSet,
    /// Those of them whose dependents are wanted too.
    down: StepSet,
}

impl Gathered {
    fn new(plan: &Plan) -> Self {
        let none = StepSet::none(plan);
        Gathered {
            steps: none.clone(),
            up: none.clone(),
            down: none,
        }
    }

    fn add(&mut self, term: &Term, steps: &StepSet) {
        self.steps.unite(steps);
        if term.up {
            self.up.unite(steps);
        }
        if term.down {
            self.down.unite(steps);
        }
    }

    fn with_relatives(self, plan: &Plan, graph: &Graph) -> StepSet {
        let mut steps = self.steps;
        steps.unite(&leaders(plan, self.up, Edges::Needs));
        steps.unite(&followers(plan, graph, self.down, Edges::Needs));
        steps
    }
}

/// `steps` and all that they wait for. Whatever is among them brings its
/// stand-in along: without it, the run would end where the plan goes on.
fn leaders(plan: &Plan, mut steps: StepSet, edges: Edges) -> StepSet {
    let mut stand_ins: Vec<(StepIx, StepIx)> = plan
        .indices()
        .filter_map(|ix| Some((plan[ix].fallback_of?, ix)))
        .collect();
    stand_ins.sort_unstable();
    let mut unseen: Vec<StepIx> = steps.iter().collect();
    while let Some(ix) = unseen.pop() {
        let mut see = |other| {
            if steps.insert(other) {
                unseen.push(other);
            }
        };
        match edges {
            Edges::Order => waits(plan, ix).for_each(&mut see),
            Edges::Needs => {
                let step = &plan[ix];
                step.needs
                    .iter()
                    .copied()
                    .chain(step.fallback_of)
                    .for_each(&mut see);
            }
        }
        let first = stand_ins.partition_point(|&(of, _)| of < ix);
        let own = stand_ins[first..].iter().take_while(|&&(of, _)| of == ix);
        own.for_each(|&(_, stand_in)| see(stand_in));
    }
    steps
}

/// `steps` and all that wait for them.
fn followers(plan: &Plan, graph: &Graph, mut steps: StepSet, edges: Edges) -> StepSet {
    let mut unseen: Vec<StepIx> = steps.iter().collect();
    while let Some(ix) = unseen.pop() {
        for &other in graph.dependents(ix) {
            let step = &plan[other];
            let follows =
                edges == Edges::Order || step.fallback_of == Some(ix) || step.needs.contains(&ix);
            if follows && steps.insert(other) {
                unseen.push(other);
            }
        }
    }
    steps
}
