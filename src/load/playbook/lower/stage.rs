//! A stage: what it waits for, what it does in which order, and where it is over.

use std::num::NonZeroU32;

use crate::load::scripts::catalogue::ScriptIx;
use crate::load::scripts::needs::{self, Candidate, Meaning};
use crate::plan::build::quoted;
use crate::plan::name::folded;
use crate::plan::problem::{Problem, Severity, Span};

use super::super::book::{Does, Needs, Playbook, Said, Stage};
use super::super::condition::Earlier;
use super::super::setting;
use super::super::template::Filled;
use super::item::{Turn, Unit};
use super::{Making, Place, slug};

/// A stage that was made.
struct Made {
    /// The step that is reached when all of it is done.
    group: String,
    earlier: Earlier,
    /// Outputs by name, as `needs.KEY.outputs.NAME` fills a template.
    outputs: Vec<(String, Filled)>,
    /// It has a condition, so that it may not run without having failed.
    conditional: bool,
    /// Its failure does not keep from running what needs it.
    tolerated: bool,
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
    /// What must hold, unless its own condition asks what became of the others.
    pub when: Vec<String>,
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
        let mut place = place.clone();
        for stage in &book.stages {
            let mut here = place.clone();
            let entry = match &stage.needs {
                Needs::Previous => previous(made.last(), &end),
                Needs::Keys(keys) => {
                    let keys = keys.iter().map(|key| folded(&key.value)).collect();
                    self.needed_jobs(stage, keys, &made, start, &mut here)
                }
            };
            let job = entry.job;
            let Some(one) = self.stage(stage, &mut here, entry) else {
                continue;
            };
            if job {
                jobs.push(one.group.clone());
            } else {
                end = vec![one.group.clone()];
                // Its items have their names from then on; a job's are its own.
                place.scope = place.scope.with_steps_of(&here.scope);
            }
            made.push(one);
        }
        end.extend(jobs);
        end
    }

    /// What a job waits for, and what those have put out. Its reader has put it
    /// behind them; one that a profile leaves out is not waited for.
    fn needed_jobs(
        &mut self,
        stage: &Stage,
        keys: Vec<String>,
        made: &[Made],
        start: &[String],
        here: &mut Place,
    ) -> Entry {
        let mut entry = Entry {
            after: start.to_vec(),
            needs: Vec::new(),
            job: true,
            earlier: Vec::new(),
            when: Vec::new(),
            regardless: false,
        };
        for other in made {
            if !keys.contains(&folded(&other.earlier.key)) {
                continue;
            }
            let group = &other.group;
            match other.tolerated {
                true => entry.after.push(group.clone()),
                false => entry.needs.push(group.clone()),
            }
            if other.conditional && !other.tolerated {
                entry.when.push(other.earlier.succeeded());
            }
            for (name, filled) in &other.outputs {
                let name = format!("needs.{}.outputs.{name}", other.earlier.key);
                here.scope.add_context(&name, filled.clone());
            }
            entry.earlier.push(other.earlier.clone());
        }
        entry.after.extend(self.makes_way(stage, made, here));
        entry
    }

    /// With `max-parallel`, the combination of the same job that must be over
    /// before this one may begin.
    fn makes_way(&mut self, stage: &Stage, made: &[Made], here: &Place) -> Option<String> {
        let most = stage.max_concurrency.as_ref();
        let most = setting::at_least_one(most, &here.scope, self.findings)?.get() as usize;
        let same = made.iter().filter(|m| m.earlier.key == stage.key.value);
        let same: Vec<&Made> = same.collect();
        let way = same.len().checked_sub(most)?;
        Some(same[way].group.clone())
    }

    /// Nothing, for a stage that has nothing to do.
    fn stage(&mut self, stage: &Stage, around: &mut Place, mut entry: Entry) -> Option<Made> {
        let group = self.id(&format!("{}{}", around.prefix, slug(&stage.name.value)));
        let whose = format!("the stage {}", quoted(&stage.name.value));
        let mut place = Place {
            prefix: format!("{group}/"),
            scope: around.scope.with(&stage.variables, self.findings),
            policy: stage.policy.within(&around.policy),
            ..around.clone()
        };
        self.env(&stage.env, &mut place);
        let mut regardless = false;
        let outer = place.when.len();
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
        } else {
            place.when.append(&mut entry.when);
        }
        let conditional = place.when.len() > outer;
        entry.regardless = regardless;
        let units = self.units(stage, &place);
        if units.is_empty() {
            self.ids.give_back(&group);
            return None;
        }
        let steps = self.chains(stage, &units, &mut place, &entry);
        match entry.job {
            true => self.end_of_job(&group, stage, &place, &steps),
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
        let goes_on = place.policy.continue_on_error.as_ref();
        let tolerated =
            entry.job && setting::flag(goes_on, &place.scope, self.findings) == Some(true);
        Some(Made {
            earlier: Earlier {
                key: stage.key.value.clone(),
                group: Some(group.clone()),
                steps,
            },
            group,
            outputs,
            conditional,
            tolerated,
        })
    }

    /// A job is reached when its steps have succeeded, or failed and that is
    /// tolerated, and not where its condition does not hold.
    fn end_of_job(&mut self, group: &str, stage: &Stage, place: &Place, steps: &[String]) {
        let tolerated = |id: &&String| self.tolerated.contains(*id);
        let (after, needs): (Vec<&String>, Vec<&String>) = steps.iter().partition(tolerated);
        let [after, needs] = [after, needs].map(|ids| ids.into_iter().cloned().collect::<Vec<_>>());
        self.point(group, stage.at, place, &after, &needs);
    }

    /// How many of a stage's units may run at once; none is no limit.
    fn width(&mut self, stage: &Stage, place: &Place, job: bool) -> Option<NonZeroU32> {
        let parallel = setting::flag(Some(&stage.parallel), &place.scope, self.findings);
        if parallel != Some(true) || job || self.manner.parallel == Some(false) {
            return Some(NonZeroU32::MIN);
        }
        let most = stage.max_concurrency.as_ref();
        setting::at_least_one(most, &place.scope, self.findings)
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
        if self.catalogue.script(script).dependencies.is_empty() {
            return Vec::new();
        }
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

/// A stage of others goes after the one before it.
fn previous(before: Option<&Made>, end: &[String]) -> Entry {
    Entry {
        after: end.to_vec(),
        needs: Vec::new(),
        job: false,
        earlier: before.map(|m| m.earlier.clone()).into_iter().collect(),
        when: Vec::new(),
        regardless: false,
    }
}
