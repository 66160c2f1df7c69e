//! What a playbook says of how scripts run, as numbers and yes or no.
//!
//! Each may be written as a template, and what fills it may be a text.

use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::Value;

use crate::load::scripts::config::Defaults;
use crate::plan::problem::Problem;

use super::book::{Policy, Said};
use super::scope::{Findings, Scope};
use super::template::{Filled, shown};

/// A hundred years. What is longer was not meant.
const MOST_SECONDS: f64 = 100.0 * 365.25 * 86_400.0;

/// Yes or no; None where it is not said, or filled with nothing.
pub fn flag(said: Option<&Said<Value>>, scope: &Scope, findings: &mut Findings) -> Option<bool> {
    let said = said?;
    let text = text(said, scope, findings)?;
    match text.to_ascii_lowercase().as_str() {
        "true" | "$true" | "yes" | "1" => Some(true),
        "false" | "$false" | "no" | "0" => Some(false),
        _ => {
            refuse(said, &text, "true or false", findings);
            None
        }
    }
}

/// A whole number.
pub fn count(said: Option<&Said<Value>>, scope: &Scope, findings: &mut Findings) -> Option<u32> {
    let said = said?;
    let text = text(said, scope, findings)?;
    let count = text.trim().parse().ok();
    if count.is_none() {
        refuse(said, &text, "a whole number", findings);
    }
    count
}

/// A whole number, at least one.
pub fn at_least_one(
    said: Option<&Said<Value>>,
    scope: &Scope,
    findings: &mut Findings,
) -> Option<NonZeroU32> {
    let count = NonZeroU32::new(count(said, scope, findings)?);
    if let (None, Some(said)) = (count, said) {
        refuse(said, "0", "a number of at least one", findings);
    }
    count
}

/// A number of seconds.
pub fn seconds(
    said: Option<&Said<Value>>,
    scope: &Scope,
    findings: &mut Findings,
) -> Option<Duration> {
    let said = said?;
    let text = text(said, scope, findings)?;
    let seconds = text.trim().parse::<f64>().ok();
    match seconds.filter(|seconds| (0.0..=MOST_SECONDS).contains(seconds)) {
        Some(seconds) => Some(Duration::from_secs_f64(seconds)),
        None => {
            refuse(said, &text, "a number of seconds", findings);
            None
        }
    }
}

/// All of a policy.
pub fn defaults(policy: &Policy, scope: &Scope, findings: &mut Findings) -> Defaults {
    Defaults {
        timeout: seconds(policy.timeout.as_ref(), scope, findings),
        retries: count(policy.retries.as_ref(), scope, findings),
        retry_delay: seconds(policy.retry_delay.as_ref(), scope, findings),
        continue_on_error: flag(policy.continue_on_error.as_ref(), scope, findings),
        ..Defaults::default()
    }
}

/// What is said, filled, as text; None where that is no text at all.
fn text(said: &Said<Value>, scope: &Scope, findings: &mut Findings) -> Option<String> {
    let text = match scope.fill(said, findings) {
        Filled::Value(value) => shown(&value),
        Filled::Parts(_) => {
            let problem = Problem::error("this must be known before anything runs");
            let problem = problem.at(said.at, "it names what a step puts out");
            findings.problems.push(problem);
            return None;
        }
    };
    Some(text).filter(|text| !text.is_empty())
}

fn refuse(said: &Said<Value>, found: &str, wanted: &str, findings: &mut Findings) {
    let found = crate::plan::build::quoted(found);
    let problem = Problem::error(format!("expected {wanted}, found {found}"));
    findings.problems.push(problem.at(said.at, ""));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::playbook::book::Named;
    use crate::plan::problem::Span;
    use serde_json::json;

    fn said(value: Value) -> Said<Value> {
        Said::new(value, Span::default())
    }

    fn scope() -> Scope {
        let limit = Named {
            name: Said::new("limit".into(), Span::default()),
            value: said(json!(90)),
        };
        Scope::default().with(&vec![limit], &mut Findings::default())
    }

    /// A36.
    #[test]
    fn a36_settings_are_values_templates_and_texts() {
        let findings = &mut Findings::default();
        let scope = &scope();
        let flags = [
            (json!(true), Some(true)),
            (json!("False"), Some(false)),
            (json!("{{go:=true}}"), Some(true)),
            (json!(""), None),
        ];
        for (value, expected) in flags {
            assert_eq!(flag(Some(&said(value)), scope, findings), expected);
        }
        let half = Duration::from_millis(500);
        assert_eq!(
            seconds(Some(&said(json!(0.5))), scope, findings),
            Some(half)
        );
        let limit = Duration::from_secs(90);
        assert_eq!(
            seconds(Some(&said(json!("{{limit}}"))), scope, findings),
            Some(limit)
        );
        assert_eq!(count(Some(&said(json!("3"))), scope, findings), Some(3));
        assert_eq!(count(None, scope, findings), None);
        assert!(findings.problems.is_empty());
    }

    #[test]
    fn what_is_no_setting_is_refused() {
        let scope = &scope();
        let refused = |value: Value, set: fn(&Said<Value>, &Scope, &mut Findings)| {
            let mut findings = Findings::default();
            set(&said(value), scope, &mut findings);
            let problems = findings.problems.into_vec();
            problems.into_iter().map(|p| p.message).collect::<String>()
        };
        let flags = refused(json!("maybe"), |v, s, f| {
            assert_eq!(flag(Some(v), s, f), None)
        });
        assert_eq!(flags, "expected true or false, found \"maybe\"");
        let counts = refused(json!(1.5), |v, s, f| assert_eq!(count(Some(v), s, f), None));
        assert_eq!(counts, "expected a whole number, found \"1.5\"");
        let seconds_ = refused(json!(-1), |v, s, f| {
            assert_eq!(seconds(Some(v), s, f), None)
        });
        assert_eq!(seconds_, "expected a number of seconds, found \"-1\"");
        let none = refused(json!(0), |v, s, f| {
            assert_eq!(at_least_one(Some(v), s, f), None)
        });
        assert_eq!(none, "expected a number of at least one, found \"0\"");
    }
}
