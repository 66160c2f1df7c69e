//! A run's result as JUnit XML, which build servers read.
//!
//! One suite for each group of steps, in the order of the plan. A tolerated
//! failure is a failure here too: the format has no word for it, and a property
//! says what it is. Attempts that were made again are what the format calls
//! flaky where the step succeeded, and reruns where it did not.

use std::time::Duration;

use quick_junit::{
    NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestRerun, TestSuite,
};

use super::result::{RunResult, StepResult};
use crate::run::record::rfc3339;
use crate::run::{Millis, Outcome};

/// The suite of steps that belong to no group is called like the plan.
///
/// # Errors
/// The library's: none that is known, since all text is made fit for XML.
pub fn xml(result: &RunResult) -> Result<String, SerializeError> {
    let mut report = Report::new(&result.name);
    report.set_time(Duration::from_millis(result.duration_ms));
    report.timestamp = moment(result.started_at);
    for group in groups(result) {
        let mut suite = TestSuite::new(group.unwrap_or(&result.name));
        let mut time = 0;
        for step in result
            .steps
            .iter()
            .filter(|step| step.group.as_deref() == group)
        {
            time += step.duration_ms.unwrap_or(0);
            suite.add_test_case(case(step));
        }
        suite.set_time(Duration::from_millis(time));
        suite.timestamp = moment(result.started_at);
        report.add_test_suite(suite);
    }
    report.to_string()
}

/// Each once, in the order in which they come.
fn groups(result: &RunResult) -> Vec<Option<&str>> {
    let mut groups = Vec::new();
    for step in &result.steps {
        let group = step.group.as_deref();
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups
}

fn case(step: &StepResult) -> TestCase {
    let mut case = TestCase::new(&step.id, status(step));
    case.set_classname(step.group.as_deref().unwrap_or("steps"));
    case.set_time(Duration::from_millis(step.duration_ms.unwrap_or(0)));
    case.timestamp = moment(step.started_at);
    if step.name != step.id {
        case.add_property(("name", step.name.as_str()));
    }
    if step.attempts > 1 {
        case.add_property(("attempts", step.attempts.to_string().as_str()));
    }
    if step.tolerated {
        case.add_property(("tolerated", "true"));
    }
    if let Some(remark) = step.remark() {
        case.add_property(("remark", remark.as_str()));
    }
    case
}

fn status(step: &StepResult) -> TestCaseStatus {
    let mut status = match step.outcome {
        Some(Outcome::Succeeded) => TestCaseStatus::success(),
        Some(Outcome::Failed) => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Some(Outcome::Skipped | Outcome::Canceled) | None => TestCaseStatus::skipped(),
    };
    let message = match step.outcome {
        None => Some("it has not ended"),
        _ => step.error.as_deref().or(step.skipped_because.as_deref()),
    };
    if let Some(message) = message {
        status.set_message(message);
    }
    if step.outcome == Some(Outcome::Failed) {
        status.set_type(
            step.exit_code
                .map_or("failed".into(), |code| format!("exit {code}")),
        );
        if let Some(output) = &step.output {
            status.set_description(output);
        }
    }
    for retried in &step.retries {
        let mut rerun = TestRerun::new(NonSuccessKind::Failure);
        rerun.set_time(Duration::from_millis(retried.duration_ms));
        rerun.set_message(format!("attempt {}: {}", retried.attempt, retried.error));
        if let Some(output) = &retried.output {
            rerun.set_description(output);
        }
        status.add_rerun(rerun);
    }
    status
}

/// The library's moments, which it can read.
fn moment<T: std::str::FromStr>(at: Option<Millis>) -> Option<T> {
    rfc3339(at?).to_string().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::result::tests::result;

    /// A54, A52.
    #[test]
    fn a54_a52_a_result_as_junit() {
        insta::assert_snapshot!(xml(&result()).unwrap(), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="A test" tests="5" skipped="1" failures="2" errors="0" timestamp="2026-11-20T12:00:00.000+00:00" time="2.400">
            <testsuite name="core" tests="1" skipped="0" errors="0" failures="0" timestamp="2026-11-20T12:00:00.000+00:00" time="0.100">
                <testcase name="core/0001_Prepare" classname="core" timestamp="2026-11-20T12:00:00.000+00:00" time="0.100">
                    <properties>
                        <property name="remark" value="a restart is required (194)"/>
                    </properties>
                </testcase>
            </testsuite>
            <testsuite name="Testing" tests="1" skipped="0" errors="0" failures="1" timestamp="2026-11-20T12:00:00.000+00:00" time="1.200">
                <testcase name="0402_Run-Tests" classname="Testing" timestamp="2026-11-20T12:00:00.100+00:00" time="1.200">
                    <properties>
                        <property name="name" value="Run | tests"/>
                        <property name="attempts" value="2"/>
                    </properties>
                    <failure message="Timeout after 1.2s, after 2 attempts" type="exit 124">one
        two 100%
        </failure>
                    <rerunFailure time="1.100" message="attempt 1: exit 3">
                    </rerunFailure>
                </testcase>
            </testsuite>
            <testsuite name="A test" tests="3" skipped="1" errors="0" failures="1" timestamp="2026-11-20T12:00:00.000+00:00" time="0.020">
                <testcase name="slow" classname="steps" timestamp="2026-11-20T12:00:00.000+00:00" time="0.010">
                    <properties>
                        <property name="remark" value="needs handling (200)"/>
                    </properties>
                </testcase>
                <testcase name="lint" classname="steps" timestamp="2026-11-20T12:00:00.010+00:00" time="0.010">
                    <properties>
                        <property name="tolerated" value="true"/>
                    </properties>
                    <failure message="exit 1" type="exit 1">one
        two 100%
        </failure>
                </testcase>
                <testcase name="last" classname="steps" time="0.000">
                    <skipped message="it depends on 0402_Run-Tests, which failed"/>
                </testcase>
            </testsuite>
        </testsuites>
        "#);
    }

    /// A54.
    #[test]
    fn a54_whatever_steps_are_called_and_write_it_is_xml() {
        let mut result = result();
        result.steps[1].error = Some("]]> <a href=\"x\">&\u{0}\u{1b}[2J\u{b}".into());
        result.steps[1].output = Some("\u{1}\u{fffe}<![CDATA[ &amp; \u{7f}\n".into());
        result.steps[1].group = Some("a\"<'&>\n".into());
        let text = xml(&result).unwrap();
        let read = Report::deserialize_from_str(&text).unwrap();
        assert_eq!(read.test_suites.len(), 3);
        let forbidden = |c: char| c < ' ' && !['\n', '\r', '\t'].contains(&c);
        assert!(!text.contains(forbidden), "{text}");
    }
}
