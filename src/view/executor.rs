//! Where a step runs, and what is asked for it there.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::words::counted;
use crate::plan::{Executor, Slurm};

/// For people, as far as anybody has said it: `slurm: 4 cpus, 8 GiB, partition main`.
pub fn text(executor: &Executor) -> Option<String> {
    let asked = match executor {
        Executor::Unsaid => return None,
        Executor::Local => return Some("this machine".into()),
        Executor::Slurm(asked) => parts(asked).join(", "),
    };
    Some(match asked.is_empty() {
        true => "slurm".into(),
        false => format!("slurm: {asked}"),
    })
}

fn parts(asked: &Slurm) -> Vec<String> {
    let mut parts = Vec::new();
    parts.extend(asked.cpus.map(|cpus| counted(cpus as usize, "cpu")));
    parts.extend(asked.memory.map(memory));
    parts.extend(asked.gpus.as_deref().map(gpus));
    parts.extend(asked.time.map(time));
    let named = [("partition", &asked.partition), ("account", &asked.account)];
    for (what, name) in named {
        parts.extend(name.as_ref().map(|name| format!("{what} {name}")));
    }
    let labels = asked.labels.iter();
    parts.extend(labels.map(|(name, value)| format!("{name}={value}")));
    parts.extend(asked.options.iter().map(|option| option.to_string()));
    parts
}

fn memory(mib: u64) -> String {
    match mib % 1024 {
        0 => format!("{} GiB", mib / 1024),
        _ => format!("{mib} MiB"),
    }
}

fn gpus(asked: &str) -> String {
    match asked.parse() {
        Ok(count) => counted(count, "gpu"),
        Err(_) => format!("gpus {asked}"),
    }
}

fn time(minutes: u32) -> String {
    match (minutes, minutes % 60) {
        (0, _) => "no time limit".into(),
        (_, 0) => format!("at most {} h", minutes / 60),
        _ => format!("at most {minutes} min"),
    }
}

/// For programs.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct ExecutorSaid<'a> {
    /// `slurm` or `local`.
    kind: &'static str,
    /// What is asked of Slurm. What is not here, the site decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpus: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_mib: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpus: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_minutes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    options: Vec<&'a str>,
}

/// For programs, as far as anybody has said it.
pub fn told(executor: &Executor) -> Option<ExecutorSaid<'_>> {
    match executor {
        Executor::Unsaid => None,
        Executor::Local => Some(ExecutorSaid {
            kind: "local",
            ..ExecutorSaid::default()
        }),
        Executor::Slurm(asked) => Some(ExecutorSaid {
            kind: "slurm",
            cpus: asked.cpus,
            memory_mib: asked.memory,
            gpus: asked.gpus.as_deref(),
            time_minutes: asked.time,
            partition: asked.partition.as_deref(),
            account: asked.account.as_deref(),
            labels: asked.labels.iter().map(|(k, v)| (&**k, &**v)).collect(),
            options: asked.options.iter().map(|option| &**option).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn all() -> Slurm {
        Slurm {
            cpus: Some(4),
            memory: Some(8192),
            gpus: Some("a100:2".into()),
            time: Some(120),
            partition: Some("main".into()),
            account: Some("lab".into()),
            labels: [("team".into(), "a".into())].into(),
            options: vec!["--exclusive".into()],
        }
    }

    #[test]
    fn people_read_what_is_asked_for_and_nothing_else() {
        let slurm = |asked: Slurm| text(&Executor::Slurm(asked.into())).unwrap();
        assert_eq!(text(&Executor::Unsaid), None);
        assert_eq!(text(&Executor::Local).as_deref(), Some("this machine"));
        assert_eq!(slurm(Slurm::default()), "slurm");
        assert_eq!(
            slurm(all()),
            "slurm: 4 cpus, 8 GiB, gpus a100:2, at most 2 h, partition main, account lab, \
             team=a, --exclusive"
        );
        let other = Slurm {
            cpus: Some(1),
            memory: Some(1500),
            gpus: Some("1".into()),
            time: Some(90),
            ..Slurm::default()
        };
        assert_eq!(
            slurm(other),
            "slurm: 1 cpu, 1500 MiB, 1 gpu, at most 90 min"
        );
    }

    #[test]
    fn programs_find_units_in_the_names() {
        let json = |executor: &Executor| json!(told(executor));
        assert_eq!(json(&Executor::Unsaid), json!(null));
        assert_eq!(json(&Executor::Local), json!({ "kind": "local" }));
        assert_eq!(
            json(&Executor::Slurm(all().into())),
            json!({
                "kind": "slurm", "cpus": 4, "memory_mib": 8192, "gpus": "a100:2",
                "time_minutes": 120, "partition": "main", "account": "lab",
                "labels": { "team": "a" }, "options": ["--exclusive"],
            })
        );
    }
}
