//! One unit of a stage: a script, code of the playbook's own, or another playbook.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::load::Unmet;
use crate::load::scripts::catalogue::ScriptIx;
use crate::load::scripts::is_there;
use crate::load::scripts::lower::{Usage, as_environment};
use crate::plan::build::quoted;
use crate::plan::name::folded;
use crate::plan::problem::Span;
use crate::plan::{
    About, Action, Condition, OnFailure, Policy, Retry, Scope as Values, Step, Text,
};

use super::super::book::{Does, Item, Language, Said, Stage};
use super::super::code;
use super::super::condition::Earlier;
use super::super::scope::Scope;
use super::super::setting;
use super::super::template::Filled;
use super::stage::Entry;
use super::{Making, Place, outermost, told_values};

/// So often may playbooks run others, in all: each of a few that run the next
/// twice doubles the plan.
const MOST_SPLICED: usize = 1000;

/// One thing that a stage runs.
pub(super) struct Unit<'b> {
    pub id: String,
    pub item: &'b Item,
    pub script: Option<ScriptIx>,
}

/// When a unit's turn is.
pub(super) struct Turn<'s> {
    pub stage: &'s Stage,
    pub entry: &'s Entry,
    /// The steps that end the unit before it, if it waits for one.
    pub before: Vec<String>,
    /// The steps of all units of its stage before it.
    pub so_far: &'s [String],
    /// The steps that its script depends on.
    pub needed: Vec<String>,
}

/// What a unit's steps wait for.
struct Waits {
    after: Vec<String>,
    needs: Vec<String>,
}

impl Turn<'_> {
    fn waits(&self) -> Waits {
        let entry = self.entry;
        let (after, needs) = match self.before.is_empty() {
            true => (entry.after.clone(), entry.needs.clone()),
            false => (self.before.clone(), Vec::new()),
        };
        Waits { after, needs }
    }

    /// What its condition may ask about: other stages, and its own so far, without
    /// the steps whose failure is tolerated.
    fn earlier(&self, tolerated: &BTreeSet<String>) -> Vec<Earlier> {
        let so_far = self.so_far.iter().filter(|id| !tolerated.contains(*id));
        let so_far = Earlier {
            key: self.stage.key.value.clone(),
            group: None,
            steps: so_far.cloned().collect(),
        };
        let mut earlier = self.entry.earlier.clone();
        earlier.extend(Some(so_far).filter(|so_far| !so_far.steps.is_empty()));
        earlier
    }
}

impl Making<'_, '_> {
    /// Makes the steps of a unit, and returns those that end it.
    pub(super) fn unit(
        &mut self,
        unit: &Unit<'_>,
        turn: &Turn<'_>,
        around: &mut Place,
    ) -> Vec<String> {
        let Turn { stage, entry, .. } = turn;
        let item = unit.item;
        let mut place = Place {
            scope: around.scope.with(&item.variables, self.findings),
            policy: item.policy.within(&around.policy),
            ..around.clone()
        };
        self.env(&item.env, &mut place);
        let mut waits = turn.waits();
        if entry.job {
            let chain = around.chain.iter();
            let chain = chain.filter(|id| !self.tolerated.contains(*id));
            waits.needs.extend(chain.cloned());
        }
        let mut always = entry.regardless;
        if let Some(said) = &item.condition {
            let whose = format!(
                "{} in the stage {}",
                quoted(&unit.id),
                quoted(&stage.name.value)
            );
            let all = [&waits.after[..], &waits.needs].concat();
            let earlier = turn.earlier(&self.tolerated);
            if let Some(read) = self.condition(said, &whose, &place, &earlier, &all) {
                always |= read.regardless;
                place.when.push(read.condition.text().to_owned());
            }
        }
        if always {
            waits.after.append(&mut waits.needs);
        }
        waits.needs.extend_from_slice(&turn.needed);
        waits.after.retain(|id| !waits.needs.contains(id));
        if let Some(id) = &item.id {
            around.scope.add_step(&id.value, &unit.id);
        }
        let ended = match &item.does {
            Does::Playbook(name) => self.within(name, unit, &place, &waits),
            _ => {
                let Some(mut step) = self.step(stage, unit, &place) else {
                    return Vec::new();
                };
                self.judge(&mut step, unit, entry.job, always);
                if let Action::Command(command) = &mut step.action {
                    command.env = last_of_each(std::mem::take(&mut command.env).into());
                }
                step.name = item.name.as_ref().map(|said| said.value.as_str().into());
                self.scripts += 1;
                self.add(step, item.at, &waits.after, &waits.needs);
                vec![unit.id.clone()]
            }
        };
        if entry.job {
            self.stands_before(&ended, item, around, always && !entry.regardless);
        }
        ended
    }

    /// Notes what a step of a job is for the steps after it. One that runs
    /// whatever became of those before says nothing about them, so the next
    /// waits for it and needs the one before it.
    fn stands_before(&mut self, ended: &[String], item: &Item, around: &mut Place, whatever: bool) {
        let goes_on = item.policy.continue_on_error.as_ref();
        if setting::flag(goes_on, &around.scope, self.findings) == Some(true) {
            self.tolerated.extend(ended.iter().cloned());
        }
        if !whatever {
            around.chain = ended.to_vec();
        }
    }

    /// What a failure of the step means, beyond what its policy says.
    fn judge(&mut self, step: &mut Step, unit: &Unit<'_>, job: bool, always: bool) {
        let mut policy = Policy::clone(&step.policy);
        let goes_on = !policy.critical;
        if unit.script.is_some_and(|ix| self.critical.contains(&ix)) {
            policy.critical = true;
            policy.on_failure = OnFailure::Abort;
        } else if goes_on && self.all_critical {
            policy.critical = true;
        }
        // A job that fails skips what needs it; what does not need it goes on.
        if job && policy.on_failure == OnFailure::Abort {
            policy.on_failure = OnFailure::SkipDependents;
        }
        policy.always |= always && job;
        step.policy = self.lowering.builder.policy(policy);
    }

    fn step(&mut self, stage: &Stage, unit: &Unit<'_>, place: &Place) -> Option<Step> {
        let item = unit.item;
        let condition = self.all_of(&place.when, stage.at);
        let variables = told_values(&place.scope);
        let mut env = self.differing(&variables);
        env.extend(
            place
                .scope
                .texts()
                .into_iter()
                .flat_map(|(name, text)| both(&name, &text)),
        );
        env.extend(place.env.iter().cloned());
        let (parameters, texts) = self.parameters(item, &place.scope);
        env.extend(
            texts
                .into_iter()
                .flat_map(|(name, text)| both(&name, &text)),
        );
        let mut defaults = setting::defaults(&place.policy, &place.scope, self.findings);
        if self.manner.continue_on_error == Some(true) {
            defaults.continue_on_error = Some(true);
        }
        defaults.continue_on_error = defaults.continue_on_error.or(self.manner.continue_on_error);
        let description = item.description.as_ref().map(|said| said.value.clone());
        if let Some(ix) = unit.script {
            // Where nothing is asked for, the variables alone are what names mean.
            let mut names = Values::new();
            if !self.conditions.is_empty() {
                names.clone_from(&variables);
                names.extend(self.conditions.clone());
            }
            let usage = Usage {
                id: unit.id.clone(),
                variables: Arc::new(variables),
                names: (!names.is_empty()).then(|| Arc::new(names)),
                parameters,
                env,
                condition,
                stage: Some(stage.name.value.clone()),
                description,
                defaults,
            };
            return Some(self.lowering.step(self.catalogue.script(ix), usage));
        }
        let Does::Code { language, text } = &item.does else {
            return None;
        };
        let code = code::lower(*language, text, &place.scope, self.findings)?;
        self.need_interpreter(*language, &unit.id);
        let goes_on = defaults.continue_on_error == Some(true);
        let policy = Policy {
            timeout: defaults.timeout.filter(|limit| !limit.is_zero()),
            retry: Retry {
                count: defaults.retries.unwrap_or(0),
                delay: defaults.retry_delay.unwrap_or_default(),
                ..Retry::default()
            },
            on_failure: if goes_on {
                OnFailure::SkipDependents
            } else {
                OnFailure::Abort
            },
            critical: !goes_on,
            ..Policy::default()
        };
        let mut step = self.plain_step(unit.id.clone(), code.program, policy);
        if let Action::Command(command) = &mut step.action {
            env.extend(as_environment(&parameters));
            env.extend(code.env);
            command.env = env.into();
        }
        if let Some(condition) = condition {
            self.note(&condition, place);
            step.when = Some(Box::new(condition));
            step.scope = Some(Arc::new(variables));
        }
        step.about = Some(Box::new(About {
            description: description.unwrap_or_default().into(),
            stage: Some(stage.name.value.as_str().into()),
            ..About::default()
        }));
        Some(step)
    }

    /// All conditions as one.
    fn all_of(&mut self, when: &[String], at: Span) -> Option<Condition> {
        let text = match when {
            [] => return None,
            [one] => one.clone(),
            several => {
                let several: Vec<String> = several.iter().map(|c| format!("({c})")).collect();
                several.join(" and ")
            }
        };
        // Each was read by itself; together they are longer, and perhaps too long.
        Condition::parse(&text)
            .map_err(|error| self.refuse(error.message, at))
            .ok()
    }

    /// What a step is told beyond what the whole plan is told.
    fn differing(&self, variables: &Values) -> Vec<(Box<str>, Text)> {
        let base = told_values(&self.base);
        let mut own = variables.clone();
        own.retain(|name, value| base.get(name) != Some(value));
        as_environment(&own)
    }

    /// Parameters with their templates filled; what the command line gives goes
    /// over them, as over everything. Those that wait for a step come as texts.
    fn parameters(&mut self, item: &Item, scope: &Scope) -> (Values, Vec<(Box<str>, Text)>) {
        let mut values = Values::new();
        let mut texts = Vec::new();
        for named in &item.parameters {
            let name: Box<str> = named.name.value.as_str().into();
            let given = self.given.iter().rev();
            let given = given
                .clone()
                .find(|(given, _)| folded(given) == folded(&name));
            let same = values
                .keys()
                .find(|known| folded(known) == folded(&name))
                .cloned();
            if let Some(same) = same {
                values.remove(&same);
            }
            match given {
                Some((_, value)) => {
                    values.insert(name, value.clone());
                }
                None => match scope.fill(&named.value, self.findings) {
                    Filled::Value(value) => {
                        values.insert(name, value);
                    }
                    parts @ Filled::Parts(_) => texts.push((name, parts.into_text())),
                },
            }
        }
        (values, texts)
    }

    fn need_interpreter(&mut self, language: Language, id: &str) {
        let program = code::interpreter(language).to_owned();
        if !is_there(&program, self.lowering.request.path()) {
            let step = id.to_owned();
            self.lowering.unmet.push(Unmet { step, program });
        }
    }

    /// Another playbook, in the place of a unit.
    fn within(
        &mut self,
        name: &Said<String>,
        unit: &Unit<'_>,
        place: &Place,
        waits: &Waits,
    ) -> Vec<String> {
        let key = folded(&name.value);
        let library = self.library;
        let Some(book) = library.get(&key) else {
            return Vec::new();
        };
        if let Some(first) = self.running.iter().position(|running| *running == key) {
            let circle = self.running[first..].iter().chain([&key]);
            let circle: Vec<String> = circle.map(|name| quoted(name)).collect();
            let message = format!("playbooks run each other: {}", circle.join(" → "));
            self.refuse(message, name.at);
            return Vec::new();
        }
        self.spliced += 1;
        if self.spliced > MOST_SPLICED {
            if self.spliced == MOST_SPLICED + 1 {
                let message = format!("other playbooks are run more than {MOST_SPLICED} times");
                self.refuse(message, name.at);
            }
            return Vec::new();
        }
        let (parameters, _) = self.parameters(unit.item, &place.scope);
        let given = parameters
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()));
        let given: Vec<_> = given.chain(self.given.clone()).collect();
        let start = self.id(&format!("{}/start", unit.id));
        let mut inner = Place {
            prefix: format!("{}/", unit.id),
            scope: outermost(book, &given, self.lowering.request, self.findings),
            policy: place.policy.within(&book.policy),
            env: place.env.clone(),
            when: vec![format!("steps['{start}'].status == 'succeeded'")],
            ..Place::default()
        };
        self.env(&book.env, &mut inner);
        self.point(&start, name.at, place, &waits.after, &waits.needs);
        self.running.push(key);
        let end = self.stages(book, &inner, std::slice::from_ref(&start));
        self.running.pop();
        end
    }

    /// A meeting point that is reached only where the conditions of its place
    /// hold. Before another playbook it keeps what is inside from asking them
    /// again, where their names mean something else; behind a job it says that
    /// the job was not skipped.
    pub(super) fn point(
        &mut self,
        id: &str,
        at: Span,
        place: &Place,
        after: &[String],
        needs: &[String],
    ) {
        let mut step = Step::new(id, Action::Group);
        if let Some(condition) = self.all_of(&place.when, at) {
            self.note(&condition, place);
            step.when = Some(Box::new(condition));
            step.scope = Some(Arc::new(told_values(&place.scope)));
        }
        self.helpers += 1;
        self.add(step, at, after, needs);
    }
}

/// Each variable once, with the value that it was given last.
pub(super) fn last_of_each(mut env: Vec<(Box<str>, Text)>) -> Box<[(Box<str>, Text)]> {
    let mut seen = BTreeSet::new();
    env.reverse();
    env.retain(|(name, _)| seen.insert(name.clone()));
    env.reverse();
    env.into()
}

/// A text under both of the names in which scripts are told variables.
fn both(name: &str, text: &Text) -> [(Box<str>, Text); 2] {
    let name = name.replace('.', "_");
    crate::load::scripts::lower::PREFIXES
        .map(|prefix| (format!("{prefix}{name}").into(), text.clone()))
}
