//! From a playbook and the scripts of a folder to a plan.
//!
//! - A stage becomes the steps of its scripts and a group behind them, `STAGE`,
//!   which is reached however they ended. What follows goes after it, so a
//!   failure that is tolerated does not skip the next stage, and one that is not
//!   ends the run.
//! - A job (a stage with `needs`) is reached only when all of it succeeded, and
//!   what needs it is skipped otherwise, unless its condition asks for more.
//! - A script's step is called `STAGE/0402_Run-UnitTests`: a script may stand in
//!   several stages, and runs in each with that stage's variables.
//! - What conditions ask of the outside world, and what must hold before and
//!   after, are steps too: all that happens is in the record.

mod check;
mod item;
mod stage;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use serde_json::Value;

use crate::load::Request;
use crate::load::scripts::catalogue::{Catalogue, ScriptIx};
use crate::load::scripts::lower::{Lowering, told};
use crate::load::scripts::{AT_ONCE, Folder, Manner, environment};
use crate::plan::build::quoted;
use crate::plan::name::folded;
use crate::plan::problem::{Problem, Span};
use crate::plan::{Order, Plan, Rollback, Text};

use super::book::{Named, Playbook, Policy, Said, Values};
use super::scope::{Findings, Scope};
use super::template::Filled;
use super::{profile, setting};
use item::last_of_each;

/// What a playbook is run with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub profile: Option<String>,
    /// Values of variables, over all that the playbook says.
    pub variables: crate::plan::Scope,
    /// What conditions can ask for beside the variables; scripts are not told of it.
    pub conditions: crate::plan::Scope,
    pub manner: Manner,
    /// Accept terms that no script matches.
    pub allow_missing: bool,
}

/// Other playbooks that one runs, by name without regard to case.
pub type Library = BTreeMap<String, Playbook>;

/// Makes the plan, but for its edges, which are in the builder of `lowering`.
/// What is wrong is left in `findings`.
pub fn lower(
    book: Playbook,
    library: &Library,
    folder: &Folder,
    options: &Options,
    lowering: &mut Lowering<'_>,
    findings: &mut Findings,
) -> Plan {
    let book = match profile::choose(&book, options.profile.as_deref()) {
        Ok(None) => book,
        Ok(Some(profile)) => {
            let profile = profile.clone();
            profile::apply(book, &profile, &mut findings.problems)
        }
        Err(problem) => {
            findings.problems.push(problem);
            book
        }
    };
    let given = given(lowering.request, options);
    let mut scope = outermost(&book, &given, lowering.request, findings);
    for (name, value) in &options.conditions {
        scope.add_context(name, Filled::Value(value.clone()));
    }
    let mut making = Making {
        library,
        catalogue: &folder.catalogue,
        manner: &options.manner,
        conditions: &options.conditions,
        allow_missing: options.allow_missing,
        given,
        base: scope.clone(),
        critical: BTreeSet::new(),
        all_critical: false,
        ids: Ids::default(),
        scripts: 0,
        helpers: 0,
        tolerated: BTreeSet::new(),
        running: Vec::new(),
        spliced: 0,
        lowering,
        findings,
    };
    making.success(&book, &scope);
    let mut place = Place {
        scope,
        policy: book.policy.clone(),
        ..Place::default()
    };
    making.env(&book.env, &mut place);
    // All steps have it from the plan.
    let env = std::mem::take(&mut place.env);
    let start = making.before(&book, &place);
    let end = making.stages(&book, &place, &start);
    making.after(&book, &place, &end);
    making.header(&book, &place.scope, env, folder, options)
}

/// What is known before any stage of a playbook.
fn outermost(
    book: &Playbook,
    given: &[(String, Value)],
    request: &Request,
    findings: &mut Findings,
) -> Scope {
    let scope = Scope::new(&book.inputs, given, findings);
    let scope = match &request.env {
        Some(env) => scope.in_environment(env.clone()),
        None => scope,
    };
    scope.with(&book.variables, findings)
}

/// What the command line gives, the later over the earlier.
fn given(request: &Request, options: &Options) -> Vec<(String, Value)> {
    let vars = request.vars.iter();
    let texts = vars.map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    let typed = options.variables.iter();
    let typed = typed.map(|(name, value)| (name.to_string(), value.clone()));
    texts.chain(typed).collect()
}

/// One plan while it is made.
struct Making<'a, 'r> {
    library: &'a Library,
    catalogue: &'a Catalogue,
    manner: &'a Manner,
    conditions: &'a crate::plan::Scope,
    allow_missing: bool,
    given: Vec<(String, Value)>,
    /// What every step is told by the plan's own environment.
    base: Scope,
    /// Scripts whose failure is the run's, whatever else is said.
    critical: BTreeSet<ScriptIx>,
    /// The failure of any script is the run's, also where the run goes on.
    all_critical: bool,
    ids: Ids,
    /// How many steps run scripts or code of the playbook …
    scripts: u32,
    /// … and how many are meeting points and questions, which always succeed.
    helpers: u32,
    /// Steps of jobs whose failure is for their job as if they had succeeded.
    tolerated: BTreeSet<String>,
    /// The playbooks that are being made, the innermost last.
    running: Vec<String>,
    /// How often a playbook stood in the place of an item.
    spliced: usize,
    lowering: &'a mut Lowering<'r>,
    findings: &'a mut Findings,
}

/// The ids of a plan, without regard to case: each with the last number that
/// was put behind it to make another.
#[derive(Default)]
struct Ids(BTreeMap<String, u32>);

impl Ids {
    fn take(&mut self, wanted: &str) -> String {
        let key = folded(wanted);
        let Some(mut n) = self.0.get(&key).copied() else {
            self.0.insert(key, 1);
            return wanted.to_owned();
        };
        loop {
            n += 1;
            let id = format!("{wanted}-{n}");
            if !self.0.contains_key(&folded(&id)) {
                self.0.insert(key, n);
                self.0.insert(folded(&id), 1);
                return id;
            }
        }
    }

    /// Frees an id that was not used after all.
    fn give_back(&mut self, id: &str) {
        self.0.remove(&folded(id));
    }
}

/// What holds where a stage stands.
#[derive(Clone, Debug, Default)]
struct Place {
    /// What ids begin with: nothing, or the stage of a playbook within and `/`.
    prefix: String,
    scope: Scope,
    policy: Policy,
    env: Vec<(Box<str>, Text)>,
    /// The conditions of what is around, which hold here too.
    when: Vec<String>,
    /// In a job: the last step that has to succeed for the next.
    chain: Vec<String>,
}

impl Making<'_, '_> {
    /// An id that nothing has yet: `wanted`, or with a number behind it.
    fn id(&mut self, wanted: &str) -> String {
        self.ids.take(wanted)
    }

    fn refuse(&mut self, message: impl Into<String>, at: Span) {
        let problem = Problem::error(message).at(at, "");
        self.findings.problems.push(problem);
    }

    /// Adds environment variables to what holds at a place, with their templates
    /// filled. Templates know them as `env.NAME`.
    fn env(&mut self, values: &Values, place: &mut Place) {
        for Named { name, value } in values {
            let filled = place.scope.fill(value, self.findings);
            let text = filled.clone().into_text();
            let nul = text.shown().contains('\0');
            if name.value.is_empty() || name.value.contains(['=', '\0']) || nul {
                let shown = quoted(&name.value);
                self.refuse(
                    format!("{shown} cannot be an environment variable"),
                    name.at,
                );
                continue;
            }
            let known = format!("env.{}", name.value);
            place.scope.add_context(&known, filled);
            place.env.push((name.value.as_str().into(), text));
        }
    }

    /// What counts as success, as far as it concerns single scripts.
    fn success(&mut self, book: &Playbook, scope: &Scope) {
        for said in &book.success.critical {
            let word = scope.plain(said, self.findings);
            match self.catalogue.find(&word) {
                Ok(ix) => {
                    self.critical.insert(ix);
                }
                Err(message) => self.refuse(message, said.at),
            }
        }
        let all = book.success.all.as_ref();
        self.all_critical = setting::flag(all, scope, self.findings) == Some(true);
    }

    /// The least number of successes that the plan counts: those that are asked
    /// for, and all the meeting points and questions, which count as well.
    fn min_succeeded(&mut self, book: &Playbook, scope: &Scope) -> Option<u32> {
        let at_least = setting::count(book.success.at_least.as_ref(), scope, self.findings);
        let failures = setting::count(book.success.failures.as_ref(), scope, self.findings);
        let failures = failures.map(|most| self.scripts.saturating_sub(most));
        let wanted = at_least.max(failures)?;
        Some(wanted.saturating_add(self.helpers))
    }

    fn header(
        &mut self,
        book: &Playbook,
        scope: &Scope,
        own: Vec<(Box<str>, Text)>,
        folder: &Folder,
        options: &Options,
    ) -> Plan {
        let plain = |said: &Option<Said<String>>| said.as_ref().map(|said| said.value.clone());
        let name = plain(&book.name).unwrap_or_else(|| "playbook".into());
        let manner = &options.manner;
        let said = book.max_concurrency.as_ref();
        let said = setting::at_least_one(said, scope, self.findings);
        let concurrency = manner.max_concurrency.or(said);
        let concurrency = concurrency
            .or(folder.config.max_concurrency)
            .unwrap_or(AT_ONCE);
        let variables = told_values(scope);
        let mut env = environment(&variables, manner.non_interactive, self.lowering.request);
        env.extend(own);
        self.tell_idle(book);
        Plan {
            version: plain(&book.version).unwrap_or_else(|| "1".into()),
            description: plain(&book.description).unwrap_or_default(),
            max_concurrency: match manner.parallel {
                Some(false) => NonZeroU32::MIN,
                _ => concurrency,
            },
            order: Order::Written,
            rollback: Rollback::Never,
            variables: variables
                .iter()
                .map(|(name, value)| (name.to_string(), told(value)))
                .collect(),
            env: last_of_each(env).into(),
            notices: self.notices(book, scope),
            min_succeeded: self.min_succeeded(book, scope),
            ..Plan::new(name)
        }
    }

    /// What is written and changes nothing is told once for the file.
    fn tell_idle(&mut self, book: &Playbook) {
        const MOST: usize = 12;
        let Some(first) = book.idle.first() else {
            return;
        };
        let names = book.idle.iter().take(MOST).map(|idle| &*idle.value);
        let mut names = names.collect::<Vec<_>>().join(", ");
        if let Some(more) = book.idle.len().checked_sub(MOST).filter(|more| *more > 0) {
            names.push_str(&format!(" and {more} more"));
        }
        let problem = Problem::warning(format!("these fields have no effect: {names}"));
        self.findings.problems.push(problem.at(first.at, ""));
    }
}

/// The values that scripts are told, by names that an environment can hold.
fn told_values(scope: &Scope) -> crate::plan::Scope {
    let values = scope.values().into_iter();
    values
        .map(|(name, value)| (name.replace('.', "_").into(), value))
        .collect()
}

/// A text that is known, from a template.
fn known(filled: Filled) -> Option<String> {
    match filled {
        Filled::Value(value) => Some(super::template::shown(&value)),
        Filled::Parts(_) => None,
    }
}

/// A name as a part of an id: lower case, with `-` for all but letters and digits.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    let end = slug.len().min(60);
    match &slug[..end] {
        "" => "stage".into(),
        slug => slug.trim_end_matches('-').into(),
    }
}

#[cfg(test)]
mod tests;
