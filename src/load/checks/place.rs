//! Who waits for whom: phases come one after another, and so do the checks of a
//! phase, unless they are to run at once.
//!
//! A phase is a step that runs nothing and stands at the phase's own end. It
//! needs those of its checks whose failure counts, and what comes after the phase
//! needs it; the checks of one phase do not need each other, so that a run tells
//! all that is wrong within a phase. Whatever must hold before all checks, the
//! first of them wait for.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use crate::plan::build::{Builder, Links, Name, quoted};
use crate::plan::name::nearest;
use crate::plan::problem::{Problem, Span};
use crate::plan::{Action, Policy, Source, Step};

use super::settings::Settings;

/// So many checks at once, where nobody says anything else.
const AT_ONCE: usize = 16;

/// A phase that has been read.
pub struct Phase {
    pub id: String,
    pub at: Span,
    pub step: Step,
    pub checks: Vec<Check>,
    /// None where the file says nothing of it.
    pub parallel: Option<bool>,
    /// The phases that it comes after, where it says so.
    pub needs: Option<Vec<(String, Span)>>,
}

/// A check that has been read: a step without edges.
pub struct Check {
    pub step: Step,
    pub policy: Policy,
    pub at: Span,
    /// Checks, by what the file calls them.
    pub needs: Vec<(String, Span)>,
    pub stale_with: Vec<(String, Span)>,
}

/// Adds all steps to the builder, with their edges. Says how many may run at once.
pub fn place(
    phases: Vec<Phase>,
    disk: Option<Step>,
    settings: &Settings,
    builder: &mut Builder,
) -> NonZeroU32 {
    let names = Names::of(&phases);
    let mut placing = Placing {
        builder,
        names,
        first: disk.as_ref().map(|step| step.id.to_string()),
        settings,
        links: Links::default(),
    };
    if let Some(step) = disk {
        placing
            .builder
            .add(step, Span::default(), &Links::default());
    }
    let all = phases.iter().map(|phase| phase.checks.len());
    let widest = match settings.parallel {
        true => all.sum(),
        false => {
            let wide = phases.iter().filter(|phase| phase.parallel == Some(true));
            wide.map(|phase| phase.checks.len()).max().unwrap_or(1)
        }
    };
    let mut before: Option<(String, Span)> = None;
    for phase in phases {
        let this = (phase.id.clone(), phase.at);
        placing.phase(phase, before.as_ref());
        before = Some(this);
    }
    let widest = u32::try_from(widest.clamp(1, AT_ONCE)).unwrap_or(1);
    NonZeroU32::new(widest).unwrap_or(NonZeroU32::MIN)
}

struct Placing<'p> {
    builder: &'p mut Builder,
    names: Names,
    /// What must hold before all checks.
    first: Option<String>,
    settings: &'p Settings,
    links: Links,
}

impl Placing<'_> {
    fn phase(&mut self, phase: Phase, before: Option<&(String, Span)>) {
        let entry = self.entry(&phase, before);
        let parallel = phase.parallel.unwrap_or(self.settings.parallel);
        let mut previous: Option<(Name, Span)> = None;
        let mut ends = Links::default();
        for check in phase.checks {
            let name = self.builder.name(&check.step.id);
            let tolerated = !check.policy.critical;
            let at = check.at;
            self.check(check, &phase.id, &entry, previous.filter(|_| !parallel));
            previous = Some((name, at));
            match tolerated {
                true => ends.after.push((name, at)),
                false => ends.needs.push((name, at)),
            }
        }
        if ends.needs.is_empty() {
            ends.needs.clone_from(&entry.needs);
        }
        ends.after.extend(&entry.after);
        let mut step = phase.step;
        step.policy = self.builder.policy(Policy {
            on_failure: crate::plan::OnFailure::SkipDependents,
            ..Policy::default()
        });
        self.builder.add(step, phase.at, &ends);
    }

    /// What the phase waits for.
    fn entry(&mut self, phase: &Phase, before: Option<&(String, Span)>) -> Links {
        let mut entry = Links::default();
        let said = match &phase.needs {
            Some(phases) => phases.clone(),
            None if self.settings.parallel => Vec::new(),
            None => before.cloned().into_iter().collect(),
        };
        for (phase, at) in said {
            let Some(id) = self.names.phase(&phase) else {
                let problem = self.names.no_phase(&phase).at(at, "");
                self.builder.report(problem);
                continue;
            };
            let link = (self.builder.name(&id), at);
            match self.settings.keep_going {
                true => entry.after.push(link),
                false => entry.needs.push(link),
            }
        }
        // Also where a phase comes after others: these may all be left out.
        if let Some(first) = &self.first {
            entry.needs.push((self.builder.name(first), phase.at));
        }
        entry
    }

    fn check(&mut self, check: Check, phase: &str, entry: &Links, previous: Option<(Name, Span)>) {
        let mut step = check.step;
        self.links.clear();
        self.links.needs.extend(&entry.needs);
        self.links.after.extend(&entry.after);
        for (name, at) in &check.needs {
            if let Some(id) = self.names.check(name, phase, *at, self.builder) {
                self.links.needs.push((self.builder.name(&id), *at));
            }
        }
        let mut ids = Vec::new();
        for (name, at) in &check.stale_with {
            if let Some(id) = self.names.check(name, phase, *at, self.builder) {
                self.links.places.push((self.builder.name(&id), *at));
                ids.push(id.into_boxed_str());
            }
        }
        if let Some(cache) = step.cache.as_mut().filter(|_| !ids.is_empty()) {
            cache.stale_with = ids.into();
        }
        if let Some(previous) = previous {
            let needed = self.links.needs.iter().any(|(name, _)| *name == previous.0);
            self.links.after.extend((!needed).then_some(previous));
        }
        step.policy = self.builder.policy(check.policy);
        self.builder.add(step, check.at, &self.links);
    }
}

/// What phases and checks are called in their file.
struct Names {
    /// Ids of phases, by id and by name.
    phases: BTreeMap<String, String>,
    /// Ids of checks, by id within their phase and by name. None where several
    /// phases have one of that name.
    checks: BTreeMap<String, Option<String>>,
}

impl Names {
    fn of(phases: &[Phase]) -> Names {
        let mut names = Names {
            phases: BTreeMap::new(),
            checks: BTreeMap::new(),
        };
        for phase in phases {
            let called = phase.step.name.iter().map(|name| name.to_string());
            for word in called.chain([phase.id.clone()]) {
                names.phases.insert(word, phase.id.clone());
            }
            for check in &phase.checks {
                let id = check.step.id.to_string();
                let last = id.rsplit('/').next().unwrap_or(&id).to_owned();
                let called = check.step.name.iter().map(|name| name.to_string());
                let mut words: Vec<String> = called.chain([last]).collect();
                words.dedup();
                for word in words {
                    let known = names.checks.entry(word);
                    known
                        .and_modify(|known| *known = known.take().filter(|known| *known == id))
                        .or_insert_with(|| Some(id.clone()));
                }
            }
        }
        for phase in phases {
            for check in &phase.checks {
                let id = check.step.id.to_string();
                names.checks.insert(id.clone(), Some(id));
            }
        }
        names
    }

    fn phase(&self, word: &str) -> Option<String> {
        self.phases.get(word).cloned()
    }

    fn no_phase(&self, word: &str) -> Problem {
        let problem = Problem::error(format!("there is no phase {}", quoted(word)));
        match nearest(word, self.phases.keys().map(String::as_str)) {
            Some(near) => problem.help(format!("did you mean {near:?}?")),
            None => problem,
        }
    }

    /// The id of the check that is meant, seen from a phase: one of its own comes
    /// first. What nobody is called stays as it is, for the builder to refuse.
    fn check(&self, word: &str, phase: &str, at: Span, builder: &mut Builder) -> Option<String> {
        let own = format!("{phase}/{}", super::check::slug(word));
        if let Some(Some(id)) = self.checks.get(&own) {
            return Some(id.clone());
        }
        match self.checks.get(word) {
            Some(Some(id)) => Some(id.clone()),
            None => Some(word.to_owned()),
            Some(None) => {
                let message = format!("several phases have a check {}", quoted(word));
                let problem = Problem::error(message).at(at, "");
                builder.report(problem.help("name it with its phase: phase/check"));
                None
            }
        }
    }
}

/// The step of a phase that is called so.
pub fn meeting(id: &str, source: Source) -> Step {
    Step {
        source,
        ..Step::new(id, Action::Group)
    }
}
