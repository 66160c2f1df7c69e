//! Where a step runs: on this machine, or through an engine that spreads work
//! over many.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Action, Plan};

/// What makes a step's attempts happen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Executor {
    /// Nobody has said: this machine, unless whoever begins the run says otherwise.
    #[default]
    Unsaid,
    /// This machine.
    Local,
    /// Slurm, asked for these. Shared, since most steps ask alike.
    Slurm(Arc<Slurm>),
}

impl Executor {
    /// What is asked of Slurm, if the step runs there.
    pub fn slurm(&self) -> Option<&Arc<Slurm>> {
        match self {
            Executor::Unsaid | Executor::Local => None,
            Executor::Slurm(asked) => Some(asked),
        }
    }
}

impl Plan {
    /// Lets every step of which nobody has said where it runs run through Slurm.
    pub fn prefer_slurm(&mut self) {
        let nothing = Arc::default();
        for step in &mut self.steps {
            if step.executor == Executor::Unsaid && step.action != Action::Group {
                step.executor = Executor::Slurm(Arc::clone(&nothing));
            }
        }
    }

    /// Lets every step run on this machine, whatever was said.
    pub fn only_local(&mut self) {
        for step in &mut self.steps {
            if step.action != Action::Group {
                step.executor = Executor::Local;
            }
        }
    }

    /// Whether any step runs through Slurm.
    pub fn asks_slurm(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| step.executor.slurm().is_some() && step.absent.is_none())
    }
}

/// What a step asks of Slurm. What is not said, the site decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Slurm {
    /// Processors of one node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// Memory of one node, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// How many, or `TYPE:COUNT`, as Slurm's `--gpus` takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<Box<str>>,
    /// Slurm ends the job after so many minutes: it counts in whole ones, and is
    /// up to one late. A step's own timeout does not need it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Box<str>>,
    /// What people find the job by, in its comment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<Box<str>, Box<str>>,
    /// Further options of `sbatch`, each one word: `--exclusive`, `--constraint=ib`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<Box<str>>,
}

impl Slurm {
    /// What this one says, and where it says nothing what `outer` says. Labels of
    /// both count, and the options of both, the outer ones first.
    #[must_use]
    pub fn within(self, outer: &Slurm) -> Slurm {
        let mut labels = outer.labels.clone();
        labels.extend(self.labels);
        let mut options = outer.options.clone();
        options.extend(self.options);
        Slurm {
            cpus: self.cpus.or(outer.cpus),
            memory: self.memory.or(outer.memory),
            gpus: self.gpus.or_else(|| outer.gpus.clone()),
            time: self.time.or(outer.time),
            partition: self.partition.or_else(|| outer.partition.clone()),
            account: self.account.or_else(|| outer.account.clone()),
            labels,
            options,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Builtin, Step};

    /// Steps of which the first says nothing, the second this machine, the third
    /// Slurm, and a meeting point.
    fn plan() -> Plan {
        let step = |id: &str, executor| Step {
            executor,
            ..Step::new(id, Action::Builtin(Box::new(builtin())))
        };
        let asked = Slurm {
            cpus: Some(2),
            ..Slurm::default()
        };
        Plan {
            steps: vec![
                step("unsaid", Executor::Unsaid),
                step("local", Executor::Local),
                step("slurm", Executor::Slurm(Arc::new(asked))),
                Step::new("group", Action::Group),
            ],
            ..Plan::new("p")
        }
    }

    fn builtin() -> Builtin {
        let question = crate::plan::builtin::Question::GitClean { dir: "/".into() };
        Builtin {
            question,
            cwd: "/".into(),
            env: Box::default(),
        }
    }

    #[test]
    fn only_local_overrules_what_was_said_and_prefer_slurm_does_not() {
        let mut preferred = plan();
        preferred.prefer_slurm();
        let said: Vec<_> = preferred.steps.iter().map(|s| &s.executor).collect();
        let nothing = Executor::Slurm(Arc::default());
        let own = &plan().steps[2].executor;
        assert_eq!(said, [&nothing, &Executor::Local, own, &Executor::Unsaid]);
        preferred.only_local();
        let said: Vec<_> = preferred.steps.iter().map(|s| &s.executor).collect();
        let local = &Executor::Local;
        assert_eq!(said, [local, local, local, &Executor::Unsaid]);
        assert!(!preferred.asks_slurm());
    }

    #[test]
    fn what_is_said_closer_counts_and_what_is_not_said_comes_from_further_out() {
        let outer = Slurm {
            cpus: Some(2),
            partition: Some("main".into()),
            labels: [("team".into(), "a".into()), ("kind".into(), "x".into())].into(),
            options: vec!["--exclusive".into()],
            ..Slurm::default()
        };
        let inner = Slurm {
            cpus: Some(8),
            memory: Some(512),
            labels: [("kind".into(), "y".into())].into(),
            options: vec!["--nice".into()],
            ..Slurm::default()
        };
        let asked = inner.within(&outer);
        assert_eq!((asked.cpus, asked.memory), (Some(8), Some(512)));
        assert_eq!(asked.partition.as_deref(), Some("main"));
        let labels: Vec<_> = asked.labels.iter().map(|(k, v)| (&**k, &**v)).collect();
        assert_eq!(labels, [("kind", "y"), ("team", "a")]);
        assert_eq!(asked.options, ["--exclusive".into(), "--nice".into()]);
    }
}
