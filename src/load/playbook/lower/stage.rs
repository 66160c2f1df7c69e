//! A stage: what it waits for, what it does in which order, and where it is over.

use std::num::NonZeroU32;

use crate::load::scripts::catalogue::ScriptIx;
use crate::load::scripts::needs::{self, Candidate, Meaning};
use crate::plan::build::quoted;
use crate::plan::name::{folded, nearest};
use crate::plan::problem::{Problem, Severity, Span};

use super::super::book::{Does, Needs, Playbook, Said, Stage};
use super::super::condition::Earlier;
use super::super::setting;
use super::super::template::Filled;
use super::item::{Turn, Unit};
use super::{Making, Place, slug};

/// A stage that was made.
struct Made {
    earlier: Earlier,
    /// Outputs by name, as `needs.KEY.outputs.NAME` fills a template.
    outputs: Vec<(String, Filled)>,
}

/// How a stage is gone into.
pub(super) struct Entry {
    /// Steps that must be over.
    pub after: Vec<String>,
    /// Steps that must have succeeded.
    pub needs: Vec<String>,
    /// It is a job: its steps need one another, and its failure does not end
    /// what does not need it.
    pub job: bool,
    /// The stages that its conditions may ask about.
    pub earlier: Vec<Earlier>,
    /// Its condition is judged however what it waits for has ended.
    pub regardless: bool,
}

impl Making<'_, '_> {
    /// The stages of a playbook, after `start`. What follows goes after what
    /// this returns.
    pub(super) fn stages(
        &mut self,
        book: &Playbook,
        place: &Place,
        start: &[String],
    ) -> Vec<String> {
        let mut end = start.to_vec();
        let mut jobs = Vec::new();
        let mut made: Vec<Made> = Vec::new();
        // Every item has its name, and every job its outputs, from then on.
        let mut place = place.clone();
        for stage in in_order(&book.stages) {
            let Some(entry) = self.entry(stage, &book.stages, &made, &end, start) else {
                continue;
            };
            for other in &made {
                for (name, filled) in &other.outputs {
                    let name = format!("needs.{}.outputs.{name}", other.earlier.key);
                    place.scope = place.scope.with_context(&name, filled.clone());
                }
            }
            let job = entry.job;
            let one = self.stage(stage, &mut place, entry);
            if let Some(one) = one {
                match job {
                    true => jobs.extend(one.earlier.group.clone()),
                    false => end = one.earlier.group.iter().cloned().collect(),
                }
                made.push(one);
            }
        }
        end.extend(jobs);
        end
    }

    fn entry(
        &mut self,
        stage: &Stage,
        all: &[Stage],
        made: &[Made],
        end: &[String],
        start: &[String],
    ) -> Option<Entry> {
        let keys = match &stage.needs {
            Needs::Previous => {
                return Some(Entry {
                    after: end.to_vec(),
                    needs: Vec::new(),
                    job: false,
                    earlier: made.last().map(|m| m.earlier.clone()).into_iter().collect(),
                    regardless: false,
                });
            }
            Needs::Keys(keys) => keys,
        };
        let mut earlier = Vec::new();
        for key in keys {
            let named = |m: &&Made| folded(&m.earlier.key) == folded(&key.value);
            let found = made.iter().filter(named).map(|m| m.earlier.clone());
            earlier.extend(found);
            if !all
                .iter()
                .any(|s| folded(&s.key.value) == folded(&key.value))
            {
                let names = all.iter().map(|stage| &*stage.key.value);
                let near = nearest(&key.value, names);
                let message = format!(
                    "{} needs {}, which does not exist",
                    quoted(&stage.key.value),
                    quoted(&key.value)
                );
                let problem = Problem::error(message).at(key.at, "");
                self.findings.problems.push(match near {
                    Some(near) => problem.help(format!("did you mean {near:?}?")),
                    None => problem,
                });
                return None;
            }
        }
        let waits_for_itself = !keys.is_empty() && earlier.is_empty();
        if waits_for_itself && !all.is_empty() && self.findings.problems.is_empty() {
            let message = format!("{} waits for itself", quoted(&stage.key.value));
            self.refuse(message, stage.at);
        }
        Some(Entry {
            after: start.to_vec(),
            needs: earlier.iter().filter_map(|e| e.group.clone()).collect(),
            job: true,
            earlier,
            regardless: false,
        })
    }

    /// Nothing, for a stage that has nothing to do.
    fn stage(&mut self, stage: &Stage, around: &mut Place, mut entry: Entry) -> Option<Made> {
        let group = self.id(&format!("{}{}", around.prefix, slug(&stage.name.value)));
        let whose = format!("the stage {}", quoted(&stage.name.value));
        let mut place = Place {
            prefix: format!("{group}/"),
            scope: around.scope.with(&stage.variables, self.findings),
            policy: stage.policy.within(&around.policy),
            env: around.env.clone(),
            when: around.when.clone(),
        };
        self.env(&stage.env, &mut place);
        let mut regardless = false;
        if let Some(said) = &stage.condition {
            let waits = [&entry.after[..], &entry.needs].concat();
            let read = self.condition(said, &whose, &place, &entry.earlier, &waits);
            if let Some(read) = read {
                regardless = read.regardless;
                place.when.push(read.condition.text().to_owned());
            }
        }
        if regardless {
            entry.after.append(&mut entry.needs);
        }
        entry.regardless = regardless;
        let units = self.units(stage, &place);
        if units.is_empty() {
            self.ids.remove(&folded(&group));
            return None;
        }
        let steps = self.chains(stage, &units, &mut place, &entry);
        match entry.job {
            true => self.group(&group, stage.at, &[], &steps),
            false => self.group(&group, stage.at, &steps, &[]),
        }
        let outputs = stage.outputs.iter();
        let outputs = outputs
            .map(|named| {
                let filled = place.scope.fill(&named.value, self.findings);
                (named.name.value.clone(), filled)
            })
            .collect();
        around.scope = around.scope.with_steps_of(&place.scope);
        let earlier = Earlier {
            key: stage.key.value.clone(),
            group: Some(group),
            steps,
        };
        Some(Made { earlier, outputs })
    }

    /// How many of a stage's units may run at once; none is no limit.
    fn width(&mut self, stage: &Stage, place: &Place, job: bool) -> Option<NonZeroU32> {
        let parallel = setting::flag(Some(&stage.parallel), &place.scope, self.findings);
        let most = stage.max_concurrency.as_ref();
        let most = setting::at_least_one(most, &place.scope, self.findings);
        let alone = parallel != Some(true) || job || self.manner.parallel == Some(false);
        if alone { Some(NonZeroU32::MIN) } else { most }
    }

    /// Makes the steps of all units: as many chains as may run at once, and each
    /// unit stands in one; without a limit each is a chain by itself.
    fn chains(
        &mut self,
        stage: &Stage,
        units: &[Unit<'_>],
        place: &mut Place,
        entry: &Entry,
    ) -> Vec<String> {
        let width = self.width(stage, place, entry.job);
        let width = width.map_or(units.len(), |width| width.get() as usize);
        let mut chains: Vec<Vec<String>> = vec![Vec::new(); width.min(units.len())];
        let mut all = Vec::new();
        for (at, unit) in units.iter().enumerate() {
            let chain = at % chains.len();
            let turn = Turn {
                stage,
                entry,
                before: std::mem::take(&mut chains[chain]),
                so_far: &all,
                needed: self.needed(at, units, width < units.len()),
            };
            let ended = self.unit(unit, &turn, place);
            chains[chain].clone_from(&ended);
            all.extend(ended);
        }
        all
    }

    /// What a script depends on by its own header, within its stage. Where units
    /// stand in chains, only on what stands before it: they run as written.
    fn needed(&self, at: usize, units: &[Unit<'_>], chained: bool) -> Vec<String> {
        let Some(script) = units[at].script else {
            return Vec::new();
        };
        let scripts: Vec<usize> = (0..units.len())
            .filter(|u| units[*u].script.is_some())
            .collect();
        let candidates: Vec<Candidate<'_>> = scripts
            .iter()
            .filter_map(|unit| units[*unit].script)
            .map(|ix| self.catalogue.script(ix))
            .map(|script| Candidate {
                number: script.number,
                stem: &script.id,
            })
            .collect();
        let own = scripts
            .iter()
            .position(|unit| *unit == at)
            .unwrap_or_default();
        let words = self.catalogue.script(script).dependencies.iter();
        words
            .filter_map(|(word, _)| match needs::meaning(word, own, &candidates) {
                Meaning::Script { at, .. } => Some(scripts[at]),
                _ => None,
            })
            .filter(|other| *other != at && (!chained || *other < at))
            .map(|other| units[other].id.clone())
            .collect()
    }

    /// The units of all items of a stage, each with its id.
    fn units<'b>(&mut self, stage: &'b Stage, place: &Place) -> Vec<Unit<'b>> {
        let mut units = Vec::new();
        for item in &stage.items {
            let (scripts, wanted) = match &item.does {
                Does::Select(tokens) => (self.selected(tokens, place), None),
                Does::Script(word) => {
                    let found = self.catalogue.find(&place.scope.plain(word, self.findings));
                    match found {
                        Ok(ix) => (vec![ix], None),
                        Err(message) => {
                            self.refuse(message, word.at);
                            continue;
                        }
                    }
                }
                Does::Code { .. } => (Vec::new(), Some("code")),
                Does::Playbook(_) => (Vec::new(), Some("playbook")),
            };
            for ix in scripts {
                let id = &self.catalogue.script(ix).id;
                let id = self.id(&format!("{}{id}", place.prefix));
                units.push(Unit {
                    id,
                    item,
                    script: Some(ix),
                });
            }
            if let Some(usual) = wanted {
                let called = [&item.id, &item.name, &item.description];
                let called = called.into_iter().flatten().next();
                let called = called.map_or(usual.into(), |said| slug(&said.value));
                let id = self.id(&format!("{}{called}", place.prefix));
                let script = None;
                units.push(Unit { id, item, script });
            }
        }
        units
    }

    /// What tokens of the selection language select: in the order of the tokens,
    /// ascending within each. What is left out is left out of all.
    fn selected(&mut self, tokens: &[Said<String>], place: &Place) -> Vec<ScriptIx> {
        let mut words: Vec<(String, Span)> = Vec::new();
        for token in tokens {
            let text = place.scope.plain(token, self.findings);
            let parts = text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty());
            words.extend(parts.map(|part| (part.to_owned(), token.at)));
        }
        let out = |word: &str| word.starts_with(['!', '^']);
        let mut selected = Vec::new();
        for (word, at) in words.iter().filter(|(word, _)| !out(word)) {
            for ix in self.matching(word, *at) {
                if !selected.contains(&ix) {
                    selected.push(ix);
                }
            }
        }
        for (word, at) in words.iter().filter(|(word, _)| out(word)) {
            let found = self.matching(&word[1..], *at);
            selected.retain(|ix| !found.contains(ix));
        }
        selected
    }

    /// What one term selects. One playbook is written for many folders, so a
    /// stage or a tag that no script has selects nothing, which is told.
    fn matching(&mut self, term: &str, at: Span) -> Vec<ScriptIx> {
        let terms = [term.to_owned()];
        let errors = match self.catalogue.select(&terms, self.allow_missing) {
            Ok(found) => return found,
            Err(errors) => errors,
        };
        let kinds = ["stage:", "tag:"];
        let by_kind = kinds.iter().any(|kind| folded(term).starts_with(kind));
        for error in errors {
            let mut problem = Problem::error(error.message).at(at, "");
            if by_kind || self.allow_missing {
                problem.severity = Severity::Warning;
            }
            problem.help = error.help;
            self.findings.problems.push(problem);
        }
        Vec::new()
    }
}

/// The stages in an order in which each comes after what it needs, and else as
/// they are written. Those that wait for themselves come last.
fn in_order(stages: &[Stage]) -> Vec<&Stage> {
    let mut left: Vec<&Stage> = stages.iter().collect();
    let mut done: Vec<&Stage> = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let waits = |stage: &Stage, left: &[&Stage]| match &stage.needs {
            Needs::Previous => false,
            Needs::Keys(keys) => keys.iter().any(|key| {
                let mut others = left.iter();
                others.any(|other| folded(&other.key.value) == folded(&key.value))
            }),
        };
        let next = left.iter().position(|stage| !waits(stage, &left));
        done.push(left.remove(next.unwrap_or(0)));
    }
    done
}
