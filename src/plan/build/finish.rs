//! From steps that name each other to a plan of edges.
//!
//! The order of the checks matters: a fallback takes the edge to its principal
//! out of its needs, a mention adds an edge, and only then is it known what
//! waits for what and whether that goes round in a circle.

use std::collections::BTreeMap;

use crate::plan::graph::waits;
use crate::plan::name::nearest;
use crate::plan::problem::{Problem, Severity, Span};
use crate::plan::{Plan, StepIx};

use super::ancestry::Ancestry;
use super::{Builder, For, Link, Mark, cycles, quoted};

/// For so many unknown names the nearest is looked for; each costs a walk over all steps.
const GUESSES: usize = 20;

/// A circle is shown with so many of its steps and places.
const CIRCLE_SHOWN: usize = 8;

pub(super) fn finish(builder: Builder, mut header: Plan) -> (Option<Plan>, Vec<Problem>) {
    let mut builder = builder;
    header.steps = std::mem::take(&mut builder.steps);
    // The plan grows by its edges now, and no new name is met.
    builder.names.close();
    let mut finish = Finish {
        plan: header,
        builder,
        guesses: GUESSES,
        forward: false,
    };
    let seen = finish.builder.seen;
    if seen.holds {
        finish.check_holds();
    }
    if seen.fallbacks {
        finish.fallbacks();
    }
    finish.edges();
    if seen.mentions {
        finish.mentions();
    }
    if finish.circles() == 0 && seen.consumes {
        finish.consumers();
    }
    let Finish { plan, builder, .. } = finish;
    let problems = builder.problems.into_vec();
    let sound = problems.iter().all(|p| p.severity == Severity::Warning);
    (sound.then_some(plan), problems)
}

struct Finish {
    plan: Plan,
    builder: Builder,
    guesses: usize,
    /// Some step waits for one that comes later in the plan. Where none does,
    /// nothing can go round in a circle.
    forward: bool,
}

impl Finish {
    fn mark(&self, ix: StepIx) -> Mark {
        self.builder.marks[ix.at()]
    }

    fn links(&self, ix: StepIx) -> std::ops::Range<usize> {
        let start = match ix.at() {
            0 => 0,
            i => self.builder.marks[i - 1].links_end,
        };
        start as usize..self.mark(ix).links_end as usize
    }

    fn span(&self, ix: StepIx, link: Link) -> Span {
        Span {
            file: self.mark(ix).id.file,
            start: link.start,
            end: link.end,
        }
    }

    fn id(&self, ix: StepIx) -> String {
        quoted(&self.plan[ix].id)
    }

    /// The step a link leads to. Where there is none, or it is the step itself,
    /// that is reported; `verb` says what the step does with the other.
    fn target(&mut self, ix: StepIx, link: Link, verb: &str) -> Option<StepIx> {
        let place = self.span(ix, link);
        let found = self.builder.names.step(link.name());
        match found {
            Some(to) if to != ix => return found,
            Some(_) => {
                let problem = Problem::error(format!("step {} {verb} itself", self.id(ix)));
                self.builder.report(problem.at(place, ""));
            }
            None => {
                let name = self.builder.names.text(link.name()).to_owned();
                let problem = Problem::error(format!(
                    "step {} {verb} {}, which does not exist",
                    self.id(ix),
                    quoted(&name)
                ))
                .at(place, "no step has this id");
                let problem = self.guess(problem, &name);
                self.builder.report(problem);
            }
        }
        None
    }

    /// Adds the nearest id as help, as long as there is effort left for that.
    fn guess(&mut self, problem: Problem, name: &str) -> Problem {
        if self.guesses == 0 {
            return problem;
        }
        self.guesses -= 1;
        match nearest(name, self.plan.steps.iter().map(|step| &*step.id)) {
            Some(near) => problem.help(format!("did you mean {}?", quoted(near))),
            None => problem,
        }
    }

    fn fallbacks(&mut self) {
        let mut places: BTreeMap<StepIx, Span> = BTreeMap::new();
        for ix in self.plan.indices() {
            for i in self.links(ix) {
                let link = self.builder.links[i];
                if link.purpose() != For::Fallback {
                    continue;
                }
                let Some(to) = self.target(ix, link, "falls back on") else {
                    continue;
                };
                let place = self.span(ix, link);
                if let Some(other) = self.plan[to].fallback_of {
                    let problem = Problem::error(format!(
                        "step {} is the fallback of two steps, {} and {}",
                        self.id(to),
                        self.id(other),
                        self.id(ix)
                    ))
                    .at(place, "named again here")
                    .also(places[&to], "first named here")
                    .help("give each of them a fallback of its own");
                    self.builder.report(problem);
                    continue;
                }
                self.plan[to].fallback_of = Some(ix);
                // What waits for the principal waits for its stand-in, wherever that is.
                self.forward = true;
                places.insert(to, place);
            }
        }
    }

    /// Needs and mere order. Naming a step twice is the same as once.
    fn edges(&mut self) {
        const NOBODY: u32 = u32::MAX;
        let mut named_by = vec![NOBODY; self.plan.steps.len()];
        let (mut needs, mut after) = (Vec::new(), Vec::new());
        for ix in self.plan.indices() {
            needs.clear();
            after.clear();
            if let Some(principal) = self.plan[ix].fallback_of {
                // A fallback waits for its principal's failure, not for its success.
                named_by[principal.at()] = ix.at() as u32;
            }
            for i in self.links(ix) {
                let link = self.builder.links[i];
                let (verb, list) = match link.purpose() {
                    For::Need => ("needs", &mut needs),
                    For::After => ("comes after", &mut after),
                    _ => break,
                };
                let Some(to) = self.target(ix, link, verb) else {
                    continue;
                };
                if std::mem::replace(&mut named_by[to.at()], ix.at() as u32) != ix.at() as u32 {
                    self.forward |= to > ix;
                    list.push(to);
                }
            }
            needs.sort_unstable();
            after.sort_unstable();
            self.plan[ix].needs = needs.as_slice().into();
            self.plan[ix].after = after.as_slice().into();
        }
    }

    /// What a step mentions must be over before it starts, so it comes after it.
    fn mentions(&mut self) {
        let mut ancestry = None;
        for ix in self.plan.indices() {
            for i in self.links(ix) {
                let link = self.builder.links[i];
                if link.purpose() != For::Mention {
                    continue;
                }
                let Some(to) = self.target(ix, link, "asks about") else {
                    continue;
                };
                let step = &self.plan[ix];
                if step.needs.contains(&to) || step.after.contains(&to) {
                    continue;
                }
                let ancestry = ancestry.get_or_insert_with(|| Ancestry::new(&self.plan));
                // An edge that was there in other form already does no harm.
                if ancestry.any(&self.plan, ix, |before| before == to) != Some(true) {
                    let mut after = self.plan[ix].after.to_vec();
                    after.push(to);
                    after.sort_unstable();
                    self.forward |= to > ix;
                    self.plan[ix].after = after.into();
                }
            }
        }
    }

    fn circles(&mut self) -> usize {
        if !self.forward {
            return 0;
        }
        let circles = match self.with_fallbacks() {
            Some(plan) => cycles::find(&plan),
            None => cycles::find(&self.plan),
        };
        for circle in &circles {
            let problem = self.circle(circle);
            self.builder.report(problem);
        }
        circles.len()
    }

    /// The plan with an edge more for whatever waits for a step that has a
    /// fallback: it waits for that one too. `None` where no step has any.
    fn with_fallbacks(&self) -> Option<Plan> {
        let fallback: BTreeMap<StepIx, StepIx> = self
            .plan
            .indices()
            .filter_map(|ix| Some((self.plan[ix].fallback_of?, ix)))
            .collect();
        if fallback.is_empty() {
            return None;
        }
        let mut plan = self.plan.clone();
        for ix in plan.indices() {
            let more: Vec<StepIx> = waits(&self.plan, ix)
                .filter_map(|to| fallback.get(&to).copied())
                .filter(|to| *to != ix && !waits(&self.plan, ix).any(|known| known == *to))
                .collect();
            if !more.is_empty() {
                let mut after = plan[ix].after.to_vec();
                after.extend(more);
                plan[ix].after = after.into();
            }
        }
        Some(plan)
    }

    fn circle(&self, circle: &[StepIx]) -> Problem {
        let mut path: Vec<String> = circle
            .iter()
            .map(|ix| self.plan[*ix].id.to_string())
            .collect();
        path.push(path[0].clone());
        if path.len() > CIRCLE_SHOWN + 3 {
            let left_out = path.len() - CIRCLE_SHOWN;
            let middle = format!("... {left_out} more ...");
            path.splice(CIRCLE_SHOWN - 2..CIRCLE_SHOWN - 2 + left_out, [middle]);
        }
        let mut problem = Problem::error(format!(
            "steps wait for each other in a circle: {}",
            path.join(" -> ")
        ));
        let next = circle.iter().cycle().skip(1);
        for (n, (from, to)) in circle.iter().zip(next).take(CIRCLE_SHOWN).enumerate() {
            let (span, label) = self.edge(*from, *to);
            problem = match n {
                0 => problem.at(span, label),
                _ => problem.also(span, label),
            };
        }
        problem
    }

    /// Where it is written that a step waits for another, and in what words.
    fn edge(&self, from: StepIx, to: StepIx) -> (Span, String) {
        let (this, other) = (self.id(from), self.id(to));
        let link = |of: StepIx, to: StepIx, fits: fn(For) -> bool| {
            let mut links = self.links(of).map(|i| self.builder.links[i]);
            links.find(|l| fits(l.purpose()) && self.builder.names.step(l.name()) == Some(to))
        };
        let waits = |purpose| matches!(purpose, For::Need | For::After | For::Mention);
        if let Some(link) = link(from, to, waits) {
            let verb = match link.purpose() {
                For::Need => "needs",
                For::Mention => "asks about",
                _ => "comes after",
            };
            return (self.span(from, link), format!("{this} {verb} {other}"));
        }
        if self.plan[from].fallback_of != Some(to) {
            let label = format!("{this} waits for a step that {other} stands in for");
            return (self.mark(from).id, label);
        }
        // What is left is a fallback and its principal, where the place is.
        let place = link(to, from, |purpose| purpose == For::Fallback)
            .map_or(self.mark(from).id, |link| self.span(to, link));
        (place, format!("{this} stands in for {other}"))
    }

    /// Where a name of the step is written that is no edge.
    fn place(&self, ix: StepIx, name: &str) -> Span {
        let links = self.links(ix).map(|i| self.builder.links[i]);
        let mut places = links.filter(|link| link.purpose() == For::Place);
        let found = places.find(|link| self.builder.names.text(link.name()) == name);
        found.map_or(self.mark(ix).id, |link| self.span(ix, link))
    }

    /// What a step holds must be declared, and be enough.
    fn check_holds(&mut self) {
        for ix in self.plan.indices() {
            let Some(holds) = self.plan[ix].holds.clone() else {
                continue;
            };
            if let Some((pool, places)) = &holds.pool {
                self.check_capacity(ix, "pool", pool, *places);
            }
            for (resource, units) in &holds.resources {
                self.check_capacity(ix, "resource", resource, *units);
            }
        }
    }

    fn check_capacity(&mut self, ix: StepIx, kind: &str, name: &str, wanted: u32) {
        let declared = match kind {
            "pool" => &self.plan.pools,
            _ => &self.plan.resources,
        };
        let problem = match declared.get(name) {
            Some(capacity) if wanted <= *capacity => return,
            Some(capacity) => Problem::error(format!(
                "step {} wants {wanted} of {kind} {}, which has {capacity}",
                self.id(ix),
                quoted(name)
            ))
            .help("it could never start"),
            None => {
                let near = nearest(name, declared.keys().map(|name| &**name));
                let problem = Problem::error(format!(
                    "step {} uses the {kind} {}, which is not declared",
                    self.id(ix),
                    quoted(name)
                ));
                match near {
                    Some(near) => problem.help(format!("did you mean {}?", quoted(near))),
                    None => problem,
                }
            }
        };
        let at = self.place(ix, name);
        self.builder.report(problem.at(at, ""));
    }

    /// Whoever consumes something should wait for a step that provides it.
    fn consumers(&mut self) {
        let mut ancestry = None;
        for ix in self.plan.indices() {
            let consumes = match &self.plan[ix].about {
                Some(about) if !about.consumes.is_empty() => about.consumes.clone(),
                _ => continue,
            };
            for thing in &consumes {
                let ancestry = ancestry.get_or_insert_with(|| Ancestry::new(&self.plan));
                let provides = |before: StepIx| {
                    let about = self.plan[before].about.as_ref();
                    about.is_some_and(|about| about.provides.contains(thing))
                };
                // Where the effort is used up nothing is said: a warning must be right.
                if ancestry.any(&self.plan, ix, provides) == Some(false) {
                    let problem = self.nobody_provides(ix, thing);
                    self.builder.report(problem);
                }
            }
        }
    }

    fn nobody_provides(&mut self, ix: StepIx, thing: &str) -> Problem {
        let problem = Problem::warning(format!(
            "step {} consumes {}, which nothing it waits for provides",
            self.id(ix),
            quoted(thing)
        ))
        .at(self.place(ix, thing), "");
        if self.guesses == 0 {
            return problem;
        }
        self.guesses -= 1;
        let provider = self.plan.indices().find(|other| {
            let about = self.plan[*other].about.as_ref();
            about.is_some_and(|about| about.provides.iter().any(|p| **p == *thing))
        });
        match provider {
            Some(other) if other == ix => problem.help("it provides that itself"),
            Some(other) => problem.help(format!(
                "step {} provides it: should this need it?",
                self.id(other)
            )),
            None => problem,
        }
    }
}
