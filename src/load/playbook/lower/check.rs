//! Conditions, the steps that answer their questions, and what must hold before
//! and after all.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::load::facts;
use crate::plan::build::Links;
use crate::plan::condition::SyntaxError;
use crate::plan::problem::Span;
use crate::plan::{
    About, Action, Command, Condition, OnFailure, Policy, Program, Source, Step, Verdict,
};

use super::super::book::{Check, Playbook, Said};
use super::super::condition::{self, Around, Earlier, Question, Read};
use super::{Making, Place, known, slug};

/// Prints what does not hold, and ends with the code it is given.
const COMPLAINT: &str = "printf '%s\\n' \"$1\" >&2; exit \"$2\"";

impl Making<'_, '_> {
    /// Reads a condition and adds the steps that answer its questions, which go
    /// after `after`.
    pub(super) fn condition(
        &mut self,
        said: &Said<String>,
        whose: &str,
        place: &Place,
        earlier: &[Earlier],
        after: &[String],
    ) -> Option<Read> {
        let mut questions: Vec<(String, Question)> = Vec::new();
        let ids = &mut self.ids;
        let read = {
            let mut ask = |question: Question| {
                let id = ids.take(&format!("{}{}", place.prefix, question.name()));
                questions.push((id.clone(), question));
                id
            };
            let mut around = Around {
                whose,
                scope: &place.scope,
                earlier,
                ask: &mut ask,
            };
            condition::read(said, &mut around, self.findings)
        };
        for (id, question) in questions {
            self.question(id, &question, after, said.at);
        }
        read
    }

    fn question(&mut self, id: String, question: &Question, after: &[String], at: Span) {
        let policy = Policy {
            exit_codes: Question::exit_codes(),
            ..Policy::default()
        };
        let mut step = self.plain_step(id, question.program(), policy);
        step.about = Some(Box::new(About {
            description: question.shown().into(),
            ..About::default()
        }));
        self.helpers += 1;
        self.add(step, at, after, &[]);
    }

    /// A step that runs a program and is no script.
    pub(super) fn plain_step(&mut self, id: String, program: Program, policy: Policy) -> Step {
        let command = Command {
            program,
            cwd: self.lowering.request.cwd.as_str().into(),
            env: Box::default(),
            stdin: None,
        };
        Step {
            policy: self.lowering.builder.policy(policy),
            ..Step::new(id, Action::Command(Box::new(command)))
        }
    }

    /// Adds a step that goes after some and needs others.
    pub(super) fn add(&mut self, step: Step, at: Span, after: &[String], needs: &[String]) {
        let builder = &mut self.lowering.builder;
        let mut links = Links::default();
        for (of, to) in [(after, &mut links.after), (needs, &mut links.needs)] {
            to.extend(of.iter().map(|id| (builder.name(id), at)));
        }
        builder.add(step, at, &links);
    }

    /// A meeting point: reached when these are over, or where they are needed,
    /// when they have succeeded.
    pub(super) fn group(&mut self, id: &str, at: Span, after: &[String], needs: &[String]) {
        self.helpers += 1;
        let step = Step::new(id, Action::Group);
        self.add(step, at, after, needs);
    }

    /// Notes what a condition asks of the outside world.
    pub(super) fn note(&mut self, condition: &Condition, place: &Place) {
        let request = self.lowering.request;
        let known = |name: &str| place.scope.spelled(name).is_some();
        facts::note(
            condition,
            known,
            request.env.as_ref(),
            &mut self.lowering.facts,
        );
    }

    /// A37: what must hold before anything runs. All else goes after what this returns.
    pub(super) fn before(&mut self, book: &Playbook, place: &Place) -> Vec<String> {
        let (id, ended) = ("preconditions", (1, Verdict::Failure));
        let checks = self.checks(&book.before, id, ended, place, &[]);
        match checks.is_empty() {
            true => Vec::new(),
            false => {
                self.ids.take(id);
                self.group(id, book.before[0].condition.at, &checks, &[]);
                vec![id.into()]
            }
        }
    }

    /// A37: what should hold in the end, else there is a warning. So one that
    /// cannot be judged, because it is code, is a warning as well.
    pub(super) fn after(&mut self, book: &Playbook, place: &Place, end: &[String]) {
        let ended = (2, Verdict::Warning);
        let before = self.findings.problems.count();
        self.checks(&book.after, "postconditions", ended, place, end);
        self.findings.problems.soften(before);
    }

    /// A step for each check, which runs where the check does not hold.
    fn checks(
        &mut self,
        checks: &[Check],
        group: &str,
        (code, verdict): (i32, Verdict),
        place: &Place,
        after: &[String],
    ) -> Vec<String> {
        let mut ids = Vec::new();
        let place = Place {
            prefix: format!("{group}/"),
            ..place.clone()
        };
        let scope = Arc::new(super::told_values(&place.scope));
        for check in checks {
            let whose = format!("the check {:?}", check.name.value);
            let read = self.condition(&check.condition, &whose, &place, &[], after);
            let Some(read) = read else { continue };
            let fails = Condition::parse(&format!("not ({})", read.condition.text()));
            let refuse = |error: SyntaxError| self.refuse(error.message, check.condition.at);
            let Ok(fails) = fails.map_err(refuse) else {
                continue;
            };
            self.note(&fails, &place);
            let usual = format!("{} does not hold", check.name.value);
            let message = check.message.as_ref().map(|said| {
                let filled = place.scope.fill_text(said, self.findings);
                known(filled).unwrap_or_else(|| said.value.clone())
            });
            let program = Program::Shell {
                script: COMPLAINT.into(),
                args: Box::new([message.unwrap_or(usual).into(), code.to_string().into()]),
            };
            let policy = Policy {
                exit_codes: BTreeMap::from([(code, verdict)]),
                on_failure: OnFailure::Abort,
                ..Policy::default()
            };
            let id = self.id(&format!("{}{}", place.prefix, slug(&check.name.value)));
            let mut step = self.plain_step(id.clone(), program, policy);
            step.when = Some(Box::new(fails));
            step.scope = Some(Arc::clone(&scope));
            step.name = Some(check.name.value.as_str().into());
            step.source = Source::default();
            self.add(step, check.condition.at, after, &[]);
            ids.push(id);
        }
        ids
    }
}
