//! Who is told of a run that nobody watches, and of what.
//!
//! A message goes out of the house, to a server or a program of the author's,
//! and none of it changes what happens: a plan says whom to tell and how hard to
//! try, and the run goes on and ends as it would without.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Command, Retry, Step, Text, millis};

/// One receiver of messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notify {
    /// What the receiver is called in warnings and in the messages themselves.
    pub name: Box<str>,
    /// What it is told of; never empty.
    pub on: BTreeSet<Occasion>,
    /// Of which steps. Says nothing of the run as a whole.
    #[serde(default, skip_serializing_if = "Only::is_all")]
    pub only: Only,
    pub to: To,
    /// What happens to steps so soon after one another becomes one message.
    #[serde(with = "millis")]
    pub group_within: Duration,
    /// One try to deliver a message may take this long.
    #[serde(with = "millis")]
    pub timeout: Duration,
    /// How often and how soon a message that was not taken is tried again.
    pub retry: Retry,
}

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    RunSucceeded,
    RunFailed,
    RunCanceled,
    /// A person is needed.
    RunQuarantined,
    /// The run succeeded, and the one before it of the plan's id had not; or it
    /// had itself ended otherwise before it went on.
    RunRecovered,
    StepSucceeded,
    StepFailed,
    StepSkipped,
    StepCanceled,
    /// A step succeeded, and had to be remedied first.
    StepRemedied,
}

impl Occasion {
    pub const ALL: [Occasion; 10] = [
        Occasion::RunSucceeded,
        Occasion::RunFailed,
        Occasion::RunCanceled,
        Occasion::RunQuarantined,
        Occasion::RunRecovered,
        Occasion::StepSucceeded,
        Occasion::StepFailed,
        Occasion::StepSkipped,
        Occasion::StepCanceled,
        Occasion::StepRemedied,
    ];

    /// The word for it in files and messages.
    pub const fn word(self) -> &'static str {
        match self {
            Occasion::RunSucceeded => "run_succeeded",
            Occasion::RunFailed => "run_failed",
            Occasion::RunCanceled => "run_canceled",
            Occasion::RunQuarantined => "run_quarantined",
            Occasion::RunRecovered => "run_recovered",
            Occasion::StepSucceeded => "step_succeeded",
            Occasion::StepFailed => "step_failed",
            Occasion::StepSkipped => "step_skipped",
            Occasion::StepCanceled => "step_canceled",
            Occasion::StepRemedied => "step_remedied",
        }
    }
}

/// Which steps are meant: those of these ids, what lies below these ids, and those
/// with one of these tags. Where it names nothing it means all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Only {
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub steps: Box<[Box<str>]>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub tags: Box<[Box<str>]>,
}

impl Only {
    /// Whether it leaves nothing out.
    pub fn is_all(&self) -> bool {
        self.steps.is_empty() && self.tags.is_empty()
    }

    /// Whether the step is meant.
    pub fn has(&self, step: &Step) -> bool {
        self.is_all()
            || self.steps.iter().any(|id| is_or_is_below(&step.id, id))
            || self.tags.iter().any(|tag| step.tags.contains(tag))
    }
}

/// Whether `id` is `above`, or lies below it as `config/wifi` does below `config`.
pub fn is_or_is_below(id: &str, above: &str) -> bool {
    id.strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum To {
    /// JSON is posted to a server.
    Webhook {
        url: Text,
        /// What the message is signed with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<Key>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        headers: Vec<(Box<str>, Text)>,
    },
    /// A program is run, with the message on its standard input.
    Command(Box<Command>),
}

/// Where a key is that no plan may hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// The value of this secret variable.
    Variable(Box<str>),
    /// What this environment variable holds when the run is begun or goes on.
    Environment(Box<str>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Action;

    #[test]
    fn every_occasion_is_called_in_records_what_it_is_called_in_files() {
        for occasion in Occasion::ALL {
            let written = serde_json::to_value(occasion).expect("it can be written");
            assert_eq!(written, occasion.word());
        }
    }

    #[test]
    fn steps_are_meant_by_id_by_what_is_above_them_and_by_tag() {
        let step = |id: &str, tag: &str| Step {
            tags: [Box::from(tag)].into(),
            ..Step::new(id, Action::Group)
        };
        let only = Only {
            steps: [Box::from("config")].into(),
            tags: [Box::from("db")].into(),
        };
        assert!(only.has(&step("config", "x")));
        assert!(only.has(&step("config/hardware/wifi", "x")));
        assert!(only.has(&step("migrate", "db")));
        assert!(!only.has(&step("configure", "x")));
        assert!(!only.has(&step("pre/config", "x")));
        assert!(Only::default().has(&step("anything", "x")));
    }
}
