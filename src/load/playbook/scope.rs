//! What names stand for at one place of a playbook.
//!
//! Names are looked up without regard to case, as everything is in the language
//! that playbooks are written beside. Values come in layers, the nearest last:
//! what the playbook declares, its profile, its stage, its item; and over all of
//! them what was given on the command line. A value may be a template that names
//! others. `Path: "{{Path}}"` means what is outside of it: the layer further
//! out, or the input of that name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::plan::build::quoted;
use crate::plan::name::folded;
use crate::plan::problem::{Problem, Problems, Span};
use crate::plan::{Part, Text};

use super::book::{Input, Named, Said, Values};
use super::template::{self, Filled, Found, Names, shown};

/// Values may be made of values that are made of values … so often.
const MAX_DEPTH: usize = 64;

/// The names of variables hold at most this many dots.
const MAX_DOTS: usize = 8;

/// What is found to be wrong, and the names that were told of already.
#[derive(Default)]
pub struct Findings {
    pub problems: Problems,
    missed: BTreeSet<String>,
}

/// The names that are known at one place.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// By name without regard to case.
    names: Arc<BTreeMap<String, Known>>,
    /// Steps by what their items are called, for `steps.ITEM.outputs.KEY`.
    steps: Arc<BTreeMap<String, Box<str>>>,
    /// What `env.NAME` is where no playbook says so; without it nothing is known.
    environment: Option<Arc<BTreeMap<String, String>>>,
}

#[derive(Clone, Debug)]
struct Known {
    spelled: Box<str>,
    found: Found,
    from: From,
}

/// Where a name has its value from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// Declared to come from outside, and nobody has given another.
    Input,
    Playbook,
    /// The command line, over which nothing goes.
    Given,
    /// Something that only templates and conditions may name, and no script is told.
    Context,
}

impl Scope {
    /// What is known outside of all that a playbook says: its inputs, and what
    /// was given for them or for anything else.
    pub fn new(inputs: &[Input], given: &[(String, Value)], findings: &mut Findings) -> Self {
        let mut names = BTreeMap::new();
        for input in inputs {
            let found = match &input.default {
                Some(default) => Found::Filled(Filled::Value(default.value.clone())),
                None => Found::Nothing,
            };
            insert(&mut names, &input.name.value, found, From::Input);
        }
        for (name, value) in given {
            let found = Found::Filled(Filled::Value(value.clone()));
            insert(&mut names, name, found, From::Given);
        }
        for input in inputs {
            check_input(input, &names[&folded(&input.name.value)], findings);
        }
        Scope {
            names: Arc::new(names),
            ..Scope::default()
        }
    }

    /// This in an environment, whose variables are the names `env.NAME`.
    pub fn in_environment(self, environment: BTreeMap<String, String>) -> Scope {
        Scope {
            environment: Some(Arc::new(environment)),
            ..self
        }
    }

    /// This with what a playbook, a stage or an item adds to it.
    pub fn with(&self, values: &Values, findings: &mut Findings) -> Scope {
        if values.is_empty() {
            return self.clone();
        }
        let own = values
            .iter()
            .map(|named| (folded(&named.name.value), named));
        let mut layer = Layer {
            outer: self,
            own: own.collect(),
            made: BTreeMap::new(),
            open: Vec::new(),
            at: Span::default(),
            findings,
        };
        for (name, named) in layer.own.clone() {
            layer.make(&name, named);
        }
        let made = layer.made;
        let mut scope = self.clone();
        let names = Arc::make_mut(&mut scope.names);
        for named in values {
            if let Some(filled) = made.get(&folded(&named.name.value)) {
                let found = Found::Filled(filled.clone());
                insert(names, &named.name.value, found, From::Playbook);
            }
        }
        scope
    }

    /// Adds a name that no script is told of.
    pub fn add_context(&mut self, name: &str, filled: Filled) {
        let names = Arc::make_mut(&mut self.names);
        insert(names, name, Found::Filled(filled), From::Context);
    }

    /// Adds that the item `id` is the step `step`.
    pub fn add_step(&mut self, id: &str, step: &str) {
        Arc::make_mut(&mut self.steps).insert(folded(id), step.into());
    }

    /// This, knowing the items that `other` knows.
    pub fn with_steps_of(&self, other: &Scope) -> Scope {
        Scope {
            steps: Arc::clone(&other.steps),
            ..self.clone()
        }
    }

    /// The id of the step that the item `id` is.
    pub fn step(&self, id: &str) -> Option<&str> {
        self.steps.get(&folded(id)).map(|step| &**step)
    }

    /// What a name stands for. After a dot comes a field of an object. Jobs say
    /// `vars.NAME` and `inputs.NAME` for what has no two names here.
    pub fn find(&self, name: &str) -> Option<Found> {
        let plain = name
            .split_once('.')
            .filter(|(owner, _)| ["inputs", "variables", "vars"].contains(&&*folded(owner)));
        let found = self.find_as_written(name);
        found.or_else(|| self.find_as_written(plain?.1))
    }

    fn find_as_written(&self, name: &str) -> Option<Found> {
        if let Some(known) = self.names.get(&folded(name)) {
            return Some(known.found.clone());
        }
        if let Some(output) = self.output(name) {
            return Some(output);
        }
        // Who owns the field is looked for in front of the first few dots, so
        // that a name of a million of them costs no more than its length.
        let dots: Vec<usize> = name
            .match_indices('.')
            .map(|(dot, _)| dot)
            .take(MAX_DOTS)
            .collect();
        let (owner, dot) = dots
            .into_iter()
            .rev()
            .filter_map(|dot| Some((self.names.get(&folded(&name[..dot]))?, dot)))
            .next()?;
        let Found::Filled(Filled::Value(mut value)) = owner.found.clone() else {
            return None;
        };
        for field in name[dot + 1..].split('.') {
            let Value::Object(fields) = value else {
                return None;
            };
            let wanted = folded(field);
            let found = fields.into_iter().find(|(name, _)| folded(name) == wanted);
            value = found?.1;
        }
        Some(Found::Filled(Filled::Value(value)))
    }

    /// The name as the playbook spells it, where it is one that conditions are
    /// judged with, and so need not be known before the run.
    pub fn spelled(&self, name: &str) -> Option<&str> {
        let known = self.names.get(&folded(name))?;
        let value = matches!(known.found, Found::Filled(Filled::Value(_)));
        (value && known.from != From::Context).then_some(&known.spelled)
    }

    /// The values that scripts are told, and conditions are judged with.
    pub fn values(&self) -> BTreeMap<Box<str>, Value> {
        let told = self.names.values().filter(|k| k.from != From::Context);
        told.filter_map(|known| match &known.found {
            Found::Filled(Filled::Value(value)) => Some((known.spelled.clone(), value.clone())),
            _ => None,
        })
        .collect()
    }

    /// The same with what steps put out, which only texts can wait for.
    pub fn texts(&self) -> Vec<(Box<str>, Text)> {
        let told = self.names.values().filter(|k| k.from != From::Context);
        told.filter_map(|known| match &known.found {
            Found::Filled(filled @ Filled::Parts(_)) => {
                Some((known.spelled.clone(), filled.clone().into_text()))
            }
            _ => None,
        })
        .collect()
    }

    /// A value with its templates filled.
    pub fn fill(&self, said: &Said<Value>, findings: &mut Findings) -> Filled {
        let mut names = Here {
            scope: self,
            at: said.at,
            findings,
        };
        template::fill_value(&said.value, &mut names)
    }

    /// A text with its templates filled.
    pub fn fill_text(&self, said: &Said<String>, findings: &mut Findings) -> Filled {
        self.fill_at(&said.value, said.at, findings)
    }

    /// A part of a text, filled.
    pub fn fill_at(&self, text: &str, at: Span, findings: &mut Findings) -> Filled {
        let mut names = Here {
            scope: self,
            at,
            findings,
        };
        template::fill(text, &mut names)
    }

    /// A text that must be known before anything runs. What a step puts out is
    /// refused there.
    pub fn plain(&self, said: &Said<String>, findings: &mut Findings) -> String {
        match self.fill_text(said, findings) {
            Filled::Value(value) => shown(&value),
            Filled::Parts(_) => {
                let problem = Problem::error("this must be known before anything runs");
                let problem = problem.at(said.at, "it names what a step puts out");
                findings.problems.push(problem);
                String::new()
            }
        }
    }

    /// What a template makes of a name: what it stands for, or the value of an
    /// environment variable, where one that is not set is nothing. Conditions do
    /// not ask this: they are judged with the environment by its names.
    pub fn find_or_env(&self, name: &str) -> Option<Found> {
        self.find(name).or_else(|| self.variable(name))
    }

    fn variable(&self, name: &str) -> Option<Found> {
        let name = name.strip_prefix("env.")?;
        let value = self.environment.as_ref()?.get(name);
        Some(value.map_or(Found::Nothing, |value| {
            Found::Filled(Filled::Value(value.as_str().into()))
        }))
    }

    fn output(&self, name: &str) -> Option<Found> {
        let (steps, rest) = name.split_once('.')?;
        let (id, rest) = rest.split_once('.')?;
        let (outputs, key) = rest.split_once('.')?;
        if folded(steps) != "steps" || folded(outputs) != "outputs" {
            return None;
        }
        let step = self.step(id)?.into();
        let (key, default) = (key.into(), None);
        let part = Part::Output { step, key, default };
        Some(Found::Filled(Filled::Parts(vec![part])))
    }
}

/// Names are spelled as they are nearest, since a script that asks for one in
/// its environment spells it like that. Values from the command line stay.
fn insert(names: &mut BTreeMap<String, Known>, name: &str, found: Found, from: From) {
    let mut known = Known {
        spelled: name.into(),
        found,
        from,
    };
    let key = folded(name);
    if let Some(given) = names.get(&key).filter(|known| known.from == From::Given) {
        known.found.clone_from(&given.found);
        known.from = From::Given;
    }
    names.insert(key, known);
}

/// A required input without a value, and one whose value is none of its choices.
fn check_input(input: &Input, known: &Known, findings: &mut Findings) {
    let name = &input.name;
    match &known.found {
        Found::Nothing if input.required => {
            let message = format!("nothing gives a value to {}", quoted(&name.value));
            let problem = Problem::warning(message).at(name.at, "the playbook asks for it");
            findings.problems.push(problem);
        }
        Found::Filled(Filled::Value(value))
            if !input.choices.is_empty() && !input.choices.contains(value) =>
        {
            let choices: Vec<String> = input.choices.iter().map(shown).collect();
            let message = format!(
                "{} is {}, and may only be one of {}",
                quoted(&name.value),
                quoted(&shown(value)),
                choices.join(", ")
            );
            findings
                .problems
                .push(Problem::error(message).at(name.at, ""));
        }
        _ => {}
    }
}

impl Findings {
    /// With the problems that were found before.
    pub fn after(problems: Problems) -> Self {
        Findings {
            problems,
            missed: BTreeSet::new(),
        }
    }

    /// A34: a name that nobody knows is empty, which is told once.
    pub fn missed(&mut self, name: &str, at: Span) {
        if self.missed.insert(folded(name)) {
            let message = format!("nothing gives a value to {}, so it is empty", quoted(name));
            self.problems.push(Problem::warning(message).at(at, ""));
        }
    }
}

/// Looking up names in a scope.
struct Here<'a> {
    scope: &'a Scope,
    at: Span,
    findings: &'a mut Findings,
}

impl Names for Here<'_> {
    fn find(&mut self, name: &str) -> Option<Found> {
        self.scope.find_or_env(name)
    }

    fn missed(&mut self, name: &str) {
        self.findings.missed(name, self.at);
    }
}

/// Looking up names in a layer that is being made: what it has itself is made
/// when it is asked for.
struct Layer<'a> {
    outer: &'a Scope,
    own: BTreeMap<String, &'a Named>,
    made: BTreeMap<String, Filled>,
    /// What is being made, the innermost last.
    open: Vec<String>,
    /// Where the innermost is written.
    at: Span,
    findings: &'a mut Findings,
}

impl Layer<'_> {
    fn make(&mut self, name: &str, named: &Named) {
        if self.made.contains_key(name) {
            return;
        }
        let at = std::mem::replace(&mut self.at, named.value.at);
        self.open.push(name.to_owned());
        let filled = template::fill_value(&named.value.value, self);
        self.open.pop();
        self.at = at;
        self.made.insert(name.to_owned(), filled);
    }
}

impl Names for Layer<'_> {
    fn find(&mut self, name: &str) -> Option<Found> {
        let key = folded(name);
        let given = self.outer.names.get(&key).filter(|k| k.from == From::Given);
        let itself = self.open.last() == Some(&key);
        if given.is_some() || itself {
            return self.outer.find_or_env(name);
        }
        let Some(named) = self.own.get(&key).copied() else {
            return self.outer.find_or_env(name);
        };
        if self.open.contains(&key) || self.open.len() == MAX_DEPTH {
            let message = format!("the value of {} is made of itself", quoted(name));
            let problem = Problem::error(message).at(self.at, "here it is asked for");
            let problem = problem.also(named.value.at, "and here it is made");
            self.findings.problems.push(problem);
            return Some(Found::Nothing);
        }
        self.make(&key, named);
        self.made.get(&key).cloned().map(Found::Filled)
    }

    fn missed(&mut self, name: &str) {
        self.findings.missed(name, self.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said<T>(value: T) -> Said<T> {
        Said::new(value, Span::default())
    }

    fn values(values: &[(&str, Value)]) -> Values {
        let named = |(name, value): &(&str, Value)| Named {
            name: said((*name).into()),
            value: said(value.clone()),
        };
        values.iter().map(named).collect()
    }

    fn input(name: &str, default: Option<Value>) -> Input {
        Input {
            name: said(name.into()),
            default: default.map(said),
            required: false,
            choices: Vec::new(),
        }
    }

    fn value(scope: &Scope, name: &str) -> Value {
        match scope.find(name) {
            Some(Found::Filled(Filled::Value(value))) => value,
            other => panic!("{name}: {other:?}"),
        }
    }

    fn messages(findings: Findings) -> Vec<String> {
        let problems = findings.problems.into_vec();
        problems.into_iter().map(|p| p.message).collect()
    }

    /// A35: command line, then stage, then playbook, then what an input defaults to.
    #[test]
    fn a35_the_command_line_goes_over_stages_over_playbooks() {
        let findings = &mut Findings::default();
        let inputs = [input("a", Some(json!("input"))), input("b", Some(json!(1)))];
        let scope = Scope::new(&inputs, &[("GIVEN".into(), json!("told"))], findings);
        let book = values(&[
            ("A", json!("book")),
            ("given", json!("book")),
            ("c", json!(1)),
        ]);
        let scope = scope.with(&book, findings);
        let stage = values(&[("C", json!([2])), ("Given", json!("stage"))]);
        let inner = scope.with(&stage, findings);
        assert_eq!(value(&inner, "a"), "book");
        assert_eq!(value(&inner, "b"), 1);
        assert_eq!(value(&inner, "c"), json!([2]));
        assert_eq!(value(&scope, "C"), 1, "one layer does not see the next");
        assert_eq!(value(&inner, "given"), "told");
        let told: Vec<_> = inner.values().into_keys().collect();
        assert_eq!(told, ["A".into(), "C".into(), "Given".into(), "b".into()]);
        assert!(findings.problems.is_empty());
    }

    /// A34.
    #[test]
    fn a34_values_may_be_made_of_others_in_any_order_and_of_what_is_outside() {
        let findings = &mut Findings::default();
        let scope = Scope::new(&[], &[("name".into(), json!("x"))], findings);
        let book = values(&[
            ("title", json!("{{type}}: {{name}}")),
            ("type", json!("{{type:=feat}}")),
            ("name", json!("{{name}}")),
            ("Path", json!("./{{name}}")),
        ]);
        let scope = scope.with(&book, findings);
        let scope = scope.with(&values(&[("path", json!("{{Path}}/sub"))]), findings);
        assert_eq!(value(&scope, "title"), "feat: x");
        assert_eq!(value(&scope, "path"), "./x/sub");
        assert!(findings.problems.is_empty());
    }

    /// A34: told once, and not of inputs that may be left out.
    #[test]
    fn a34_what_nobody_gives_is_empty_and_told_once() {
        let mut findings = Findings::default();
        let scope = Scope::new(&[input("free", None)], &[], &mut findings);
        let book = values(&[("a", json!("<{{who}}{{free}}>")), ("b", json!("{{Who}}"))]);
        let scope = scope.with(&book, &mut findings);
        assert_eq!(value(&scope, "a"), "<>");
        assert_eq!(value(&scope, "b"), "");
        assert_eq!(
            messages(findings),
            ["nothing gives a value to \"who\", so it is empty"]
        );
    }

    #[test]
    fn a_value_that_is_made_of_itself_is_an_error() {
        let mut findings = Findings::default();
        let book = values(&[("a", json!("{{b}}")), ("b", json!("{{a}}"))]);
        Scope::default().with(&book, &mut findings);
        assert_eq!(messages(findings), ["the value of \"a\" is made of itself"]);
        let mut findings = Findings::default();
        let chain: Vec<(String, Value)> = (0..10_000)
            .map(|n| (format!("v{n:05}"), json!(format!("{{{{v{:05}}}}}", n + 1))))
            .collect();
        let chain: Vec<(&str, Value)> = chain.iter().map(|(n, v)| (&**n, v.clone())).collect();
        Scope::default().with(&values(&chain), &mut findings);
        assert!(!findings.problems.is_empty());
    }

    #[test]
    fn fields_of_objects_and_outputs_of_steps_have_names() {
        let findings = &mut Findings::default();
        let tools = values(&[("Tools", json!({"One": {"Model": "m"}}))]);
        let mut scope = Scope::default().with(&tools, findings);
        scope.add_step("get", "stage/get");
        assert_eq!(value(&scope, "tools.one.model"), "m");
        assert_eq!(scope.find("tools.two"), None);
        assert_eq!(scope.find("tools.one.model.x"), None);
        let scope = scope.with(
            &values(&[("V", json!("v{{steps.get.outputs.Ver}}"))]),
            findings,
        );
        assert_eq!(
            scope.values().into_keys().collect::<Vec<_>>(),
            ["Tools".into()]
        );
        let [(name, text)] = scope.texts().try_into().unwrap();
        assert_eq!(
            (&*name, &*text.shown()),
            ("V", "v${steps.stage/get.outputs.Ver}")
        );
    }

    #[test]
    fn inputs_are_asked_for_and_have_choices() {
        let mut findings = Findings::default();
        let mut kind = input("kind", None);
        kind.choices = vec![json!("a"), json!("b")];
        let mut name = input("name", None);
        name.required = true;
        Scope::new(&[kind, name], &[("Kind".into(), json!("c"))], &mut findings);
        assert_eq!(
            messages(findings),
            [
                "\"kind\" is \"c\", and may only be one of a, b",
                "nothing gives a value to \"name\"",
            ]
        );
    }

    #[test]
    fn jobs_name_variables_and_the_environment_in_their_way() {
        let findings = &mut Findings::default();
        let scope = Scope::new(&[input("who", Some(json!("me")))], &[], findings)
            .with(&values(&[("A", json!("{{env.HOME}}"))]), findings);
        assert_eq!(value(&scope, "inputs.who"), "me");
        assert_eq!(value(&scope, "vars.a"), "");
        assert_eq!(scope.find("vars.inputs.who"), None);
        assert_eq!(scope.find("env.HOME"), None);
        let environment = [("HOME".to_owned(), "/{{who}}".to_owned())].into();
        let scope = Scope::default().in_environment(environment);
        let scope = scope.with(&values(&[("A", json!("{{env.HOME}}/x"))]), findings);
        assert_eq!(value(&scope, "vars.A"), "/{{who}}/x");
        assert_eq!(scope.find("env.HOME"), None);
        assert_eq!(scope.find_or_env("env.home"), Some(Found::Nothing));
        let mut own = scope.clone();
        own.add_context("env.HOME", Filled::Value("own".into()));
        assert_eq!(value(&own, "env.HOME"), "own");
    }
}
