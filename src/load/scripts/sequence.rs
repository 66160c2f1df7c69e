//! A selection of scripts becomes a plan: who waits for whom, and in what order.
//!
//! A selection by hand runs in ascending order of numbers, four at a time, as its
//! users know it. What a script depends on goes before it whatever its number,
//! and a script that is not selected is waited for by nobody.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::load::Request;
use crate::plan::build::Links;
use crate::plan::problem::{Problem, Span};
use crate::plan::{Order, Plan, Rollback, Scope};

use super::catalogue::{Script, ScriptIx};
use super::config::Defaults;
use super::lower::{Lowering, Usage, told};
use super::needs::{self, Candidate, Meaning};
use super::{AT_ONCE, Folder, Manner, environment, is_there};

impl Folder {
    /// The selected scripts and what they depend on, directly or not.
    pub(super) fn with_dependencies(&self, selected: &[ScriptIx]) -> Vec<ScriptIx> {
        let all = self.catalogue.all();
        let candidates = self.candidates(&all);
        let mut taken: BTreeSet<ScriptIx> = selected.iter().copied().collect();
        let mut open: Vec<ScriptIx> = selected.to_vec();
        while let Some(ix) = open.pop() {
            for (word, _) in &self.catalogue.script(ix).dependencies {
                if let Meaning::Script { at, .. } = needs::meaning(word, ix.0, &candidates)
                    && taken.insert(all[at])
                {
                    open.push(all[at]);
                }
            }
        }
        taken.into_iter().collect()
    }

    fn candidates(&self, of: &[ScriptIx]) -> Vec<Candidate<'_>> {
        let script = |ix: &ScriptIx| self.catalogue.script(*ix);
        of.iter()
            .map(|ix| Candidate {
                number: script(ix).number,
                stem: &script(ix).id,
            })
            .collect()
    }

    /// The plan of a selection, but for its edges, which are in the builder.
    pub(super) fn sequence(
        &self,
        selected: &[ScriptIx],
        variables: Scope,
        conditions: &Scope,
        manner: &Manner,
        lowering: &mut Lowering<'_>,
    ) -> Plan {
        let mut names = variables.clone();
        names.extend(conditions.clone());
        let (variables, names) = (Arc::new(variables), Arc::new(names));
        let waits = self.waits(selected, lowering);
        let order = ascending(&waits);
        let sequential = manner.parallel.or(self.config.parallel) == Some(false);
        let mut links = Links::default();
        // The script before each that must be over first, where only order is asked for.
        let mut last: Vec<(Lane, usize)> = Vec::new();
        let mut before: Vec<Option<usize>> = vec![None; selected.len()];
        for &at in &order {
            if let Some(lane) = self.lane(selected[at], sequential) {
                let previous = last.iter_mut().find(|(known, _)| *known == lane);
                before[at] = previous.as_ref().map(|(_, at)| *at);
                match previous {
                    Some((_, last)) => *last = at,
                    None => last.push((lane, at)),
                }
            }
        }
        for (at, &ix) in selected.iter().enumerate() {
            let script = self.catalogue.script(ix);
            let usage = Usage {
                id: script.id.clone(),
                variables: Arc::clone(&variables),
                names: Some(Arc::clone(&names)),
                defaults: Defaults {
                    continue_on_error: manner.continue_on_error,
                    ..Defaults::default()
                },
                ..Usage::default()
            };
            let mut step = lowering.step(script, usage);
            if let Some(about) = &mut step.about {
                about.notes = waits[at].notes.clone().into();
            }
            links.clear();
            for (need, place) in &waits[at].scripts {
                let id = &self.catalogue.script(selected[*need]).id;
                links.needs.push((lowering.builder.name(id), *place));
            }
            if let Some(before) = before[at].filter(|b| !waits[at].needs(*b)) {
                let id = &self.catalogue.script(selected[before]).id;
                links.after.push((lowering.builder.name(id), script.at));
            }
            lowering.builder.add(step, script.at, &links);
        }
        self.header(&variables, manner, sequential, lowering.request)
    }

    /// Scripts of one lane run one after another: all of a sequential run, or
    /// those of a range that may not run beside one another.
    fn lane(&self, ix: ScriptIx, sequential: bool) -> Option<Lane> {
        let script = self.catalogue.script(ix);
        if sequential {
            return Some(Lane::All);
        }
        let ranges = self.config.ranges.iter().enumerate().rev();
        let mut own = ranges
            .filter(|(_, (range, of))| range.contains(&script.number) && of.parallel.is_some());
        let (n, (_, defaults)) = own.next()?;
        (defaults.parallel == Some(false)).then_some(Lane::Range(n))
    }

    fn header(
        &self,
        variables: &Scope,
        manner: &Manner,
        sequential: bool,
        request: &Request,
    ) -> Plan {
        let name = self
            .dir
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let mut plan = Plan::new(
            name.filter(|name| name != "..")
                .unwrap_or_else(|| "scripts".into()),
        );
        plan.max_concurrency = match sequential {
            true => NonZeroU32::MIN,
            false => manner
                .max_concurrency
                .or(self.config.max_concurrency)
                .unwrap_or(AT_ONCE),
        };
        plan.order = Order::Written;
        plan.rollback = Rollback::Never;
        plan.variables = variables
            .iter()
            .map(|(name, value)| (name.to_string(), told(value)))
            .collect();
        plan.env = environment(variables, manner.non_interactive, request);
        plan
    }

    /// What each of the selected scripts waits for.
    fn waits(&self, selected: &[ScriptIx], lowering: &mut Lowering<'_>) -> Vec<Waits> {
        let chosen = self.candidates(selected);
        let all = self.catalogue.all();
        let everything = self.candidates(&all);
        let scripts = selected.iter().enumerate();
        scripts
            .map(|(at, &ix)| {
                let script = self.catalogue.script(ix);
                let mut waits = Waits::default();
                for (word, place) in &script.dependencies {
                    match needs::meaning(word, at, &chosen) {
                        Meaning::Script { at, of } => {
                            let id = &self.catalogue.script(selected[at]).id;
                            if of > 1 {
                                let note = format!("{word:?} could be {of} scripts; {id} is taken");
                                waits.notes.push(note.into());
                            }
                            waits.scripts.push((at, *place));
                        }
                        Meaning::Note => {
                            waits.notes.push(format!("depends on {word:?}").into());
                        }
                        Meaning::Tool(tool) => {
                            let elsewhere = needs::meaning(word, ix.0, &everything);
                            if let Meaning::Script { at, .. } = elsewhere {
                                let other = self.catalogue.script(all[at]);
                                lowering.problems.extend(unselected(
                                    script,
                                    other,
                                    &tool,
                                    *place,
                                    lowering.request,
                                ));
                            } else if !is_there(&tool, lowering.request.path()) {
                                waits.notes.push(unknown(word).into());
                            }
                        }
                    }
                }
                waits
            })
            .collect()
    }
}

/// Scripts that run one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    All,
    Range(usize),
}

/// What a selected script waits for: positions in the selection.
#[derive(Clone, Debug, Default)]
struct Waits {
    scripts: Vec<(usize, Span)>,
    notes: Vec<Box<str>>,
}

impl Waits {
    fn needs(&self, at: usize) -> bool {
        self.scripts.iter().any(|(script, _)| *script == at)
    }
}

fn unknown(word: &str) -> String {
    format!("depends on {word:?}, which is no script here and no program on PATH")
}

/// A58: what a script depends on is in the folder and not selected. Where the
/// tool that it would install is there, nothing is missing.
fn unselected(
    script: &Script,
    other: &Script,
    tool: &str,
    at: Span,
    request: &Request,
) -> Option<Problem> {
    (!is_there(tool, request.path())).then(|| {
        let message = format!(
            "{} depends on {}, which is not selected",
            script.id, other.id
        );
        let problem = Problem::warning(message).at(at, "");
        problem.help("--with-deps takes along what the selected scripts depend on")
    })
}

/// The order in which scripts start one after another: ascending, but none
/// before what it waits for. Those in a circle come last, for the builder to
/// find.
fn ascending(waits: &[Waits]) -> Vec<usize> {
    let mut missing: Vec<usize> = waits
        .iter()
        .map(|waits| {
            waits
                .scripts
                .iter()
                .map(|(at, _)| at)
                .collect::<BTreeSet<_>>()
                .len()
        })
        .collect();
    let mut dependents: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); waits.len()];
    for (at, waits) in waits.iter().enumerate() {
        for (need, _) in &waits.scripts {
            dependents[*need].insert(at);
        }
    }
    let mut ready: BTreeSet<usize> = (0..waits.len()).filter(|at| missing[*at] == 0).collect();
    let mut order = Vec::with_capacity(waits.len());
    while let Some(at) = ready.pop_first() {
        order.push(at);
        for &dependent in &dependents[at] {
            missing[dependent] -= 1;
            if missing[dependent] == 0 {
                ready.insert(dependent);
            }
        }
    }
    order.extend((0..waits.len()).filter(|at| missing[*at] > 0));
    order
}
