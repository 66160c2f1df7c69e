//! What a configuration may say, and what is said of one that is wrong.

use std::time::Duration;

use super::config::{Repo, TaskStatus};
use super::*;
use crate::load::Request;
use crate::plan::{Action, Program, Text};

const GOOD: &str = r#"
[logging]
level = "warn"

[hash]
algorithm = "blake3"

[jobs.sample]
description = "Says something"
command = ["echo", "$HOME", "${NAME}"]
working_dir = "sub"
timeout_seconds = 1.5
env = { GREETING = "hello", DEPTH = 3 }

[tasks.port]
description = "Ports it"
repo = "external"
working_dir = "/srv/port"
command = ["make"]
outputs = ["out/port"]
documents = ["README.md"]

[agents.PlannerAgent]

[agents.Critic]
command = ["critic", "--json"]
capabilities = ["finds fault"]

[orchestrations.line]
agents = ["PlannerAgent", "Critic"]
description = "One by one"

[orchestrations.fan]
steps = [["PlannerAgent"], ["BuilderAgent", "Critic"], ["DocAgent"]]
"#;

fn parsed(text: &str) -> Result<(Config, Vec<Problem>), Refusal> {
    read_text("config.toml", Path::new("/"), text.to_owned())
}

fn request() -> Request {
    Request {
        cwd: "/here".into(),
        ..Request::default()
    }
}

fn messages(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|p| p.message.as_str()).collect()
}

#[track_caller]
fn refused(text: &str) -> Vec<String> {
    let refusal = parsed(text).expect_err("it is refused");
    let all = messages(&refusal.problems).into_iter();
    all.map(str::to_owned).collect()
}

/// O3.
#[test]
fn o3_everything_the_file_says_is_read() {
    let (config, warnings) = parsed(GOOD).expect("it is good");
    assert_eq!(messages(&warnings), [""; 0]);
    assert_eq!(config.log_level, config::LogLevel::Warn);
    assert_eq!(config.algorithm, Some("blake3"));
    let job = &config.jobs["sample"];
    assert_eq!(job.program.timeout, Some(Duration::from_millis(1500)));
    assert_eq!(job.program.env[1], ("DEPTH".into(), "3".into()));
    assert_eq!(job.program.source.line, 8);
    let task = &config.tasks["port"];
    assert_eq!(
        (task.repo, task.status),
        (Repo::External, TaskStatus::Planned)
    );
    assert_eq!(task.outputs, ["out/port"]);
    assert!(config.agents["PlannerAgent"].program.command.is_empty());
    assert_eq!(config.orchestrations["line"].groups().count(), 2);
    assert_eq!(
        *config.orchestrations["fan"].groups().nth(1).expect("three"),
        ["BuilderAgent", "Critic"]
    );
}

/// O3.
#[test]
fn o3_unknown_keys_are_warnings_with_their_place() {
    let text = "colour = 1\n[jobs.a]\ncommand = [\"true\"]\nworkdir = \"/\"\n[jobs.b]\ncommand = [\"true\"]\nx-note = 1\n";
    let (config, warnings) = parsed(text).expect("it is good all the same");
    assert_eq!(
        messages(&warnings),
        [
            "the unknown key \"colour\" has no effect",
            "jobs.a: the unknown key \"workdir\" has no effect"
        ]
    );
    let (place, _) = warnings[1].at.as_ref().expect("a place");
    assert_eq!(config.sources.place(*place).line, 4);
}

/// O11.
#[test]
fn o11_everything_that_is_wrong_with_tasks_is_said_at_once() {
    let text = r#"
[tasks.a]
repo = "mine"
working_dir = "here"
command = []
[tasks.b]
description = "nothing else"
[jobs.c]
command = [""]
"#;
    assert_eq!(
        refused(text),
        [
            "tasks.a.repo: expected one of orchastration, external, found \"mine\"",
            "tasks.a.working_dir: \"here\" is not absolute",
            "tasks.a.command: names no program",
            "tasks.b: \"repo\" is missing",
            "tasks.b: \"working_dir\" is missing",
            "tasks.b: \"command\" is missing",
            "jobs.c.command: names no program",
        ]
    );
}

/// O31.
#[test]
fn o31_a_name_that_leads_elsewhere_is_refused() {
    for name in ["../x", "a/b", "a\\nb", ".."] {
        let text = format!("[jobs.\"{name}\"]\ncommand = [\"true\"]\n");
        assert_eq!(refused(&text).len(), 1, "{name}");
    }
}

/// O24.
#[test]
fn o24_an_agent_that_nobody_knows_is_refused_before_anything_runs() {
    let text = "[agents.Mine]\n[orchestrations.o]\nagents = [\"PlanerAgent\"]\n\
                [orchestrations.p]\n[orchestrations.q]\nsteps = [[]]\n";
    assert_eq!(
        refused(text),
        [
            "agents.Mine: \"command\" is missing: only the built-in agents need none",
            "orchestrations.o: there is no agent \"PlanerAgent\"",
            "orchestrations.p: expected one of \"agents\" and \"steps\"",
            "orchestrations.q: a group has no agent",
        ]
    );
}

/// O5: what a job says is passed on as it is, and no shell reads it.
#[test]
fn o5_a_job_is_a_plan_of_one_step() {
    let (config, _) = parsed(GOOD).expect("it is good");
    let plan = config.job_plan("sample", &request()).expect("a job").plan;
    let [step] = &plan.steps[..] else {
        panic!("one step")
    };
    let Action::Command(command) = &step.action else {
        panic!("a command")
    };
    let words = ["echo", "$HOME", "${NAME}"].map(Text::from);
    assert_eq!(command.program, Program::Argv(words.into()));
    assert_eq!(&*command.cwd, "/here/sub");
    assert_eq!(step.policy.timeout, Some(Duration::from_millis(1500)));
    assert_eq!(plan.metadata[JOB], "sample");
    assert!(config.job_plan("port", &request()).is_none());
    let built = config.task_plan("port", &request()).expect("a task").plan;
    assert_eq!(built.metadata[TASK], "port");
}

/// O22, O24: an agent may take part more than once, and each time is a step.
#[test]
fn o22_each_part_of_an_agent_is_a_step_that_needs_the_group_before() {
    let text = format!(
        "{GOOD}[orchestrations.long]\nsteps = [[\"Critic\"], \
         {{ loop = [\"Critic\", \"Critic\"], max_rounds = 20 }}, [\"Critic\"]]\n"
    );
    // Twice in one round would be two steps of one name.
    let twice = "orchestrations.long.steps: \"Critic\" is twice in one round";
    assert_eq!(refused(&text), [twice]);

    let text = text.replace("[\"Critic\", \"Critic\"]", "[\"Critic\"]");
    let (config, _) = parsed(&text).expect("it is good");
    let asked = Asked {
        program: "/bin/quintet".into(),
        ..Asked::default()
    };
    let plan = config.orchestration_plan("long", &asked, &request());
    let plan = plan.expect("it is there").expect("it is good").plan;
    assert_eq!(plan.steps.len(), 1 + 20 + 1 + 1);
    let last = plan.steps.last().expect("the last");
    assert_eq!(
        (&*last.id, &*plan[last.needs[0]].id),
        ("3/Critic", "2/gate")
    );
}

/// A directory that looks like a repository, and orchestrations in it.
fn isolated(steps: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(dir.path().join("repo/.git")).expect("made");
    let text = format!(
        "[agents.\"A.b\"]\ncommand = [\"true\"]\nworking_dir = \"{0}/repo\"\nisolation = \"worktree\"\n\
         [agents.A-b]\ncommand = [\"true\"]\nworking_dir = \"{0}/repo\"\nisolation = \"worktree\"\n\
         [agents.C]\ncommand = [\"true\"]\nworking_dir = \"{0}\"\nisolation = \"none\"\n\
         [orchestrations.o]\nsteps = {steps}\n",
        dir.path().display()
    );
    (dir, text)
}

fn lowered(text: &str, state: &str) -> Result<crate::plan::Plan, String> {
    let (config, _) = parsed(text).expect("it is good");
    let asked = Asked {
        program: "/bin/quintet".into(),
        state: state.into(),
        ..Asked::default()
    };
    let plan = config.orchestration_plan("o", &asked, &request());
    plan.expect("it is there").map(|loaded| loaded.plan)
}

#[test]
fn agents_in_worktrees_have_a_base_before_them_and_a_fan_in_behind() {
    let (dir, text) = isolated("[[\"C\", \"A.b\", \"A-b\"], [\"C\"]]");
    let plan = lowered(&text, "/state").expect("it is good");
    let needs: Vec<(&str, Vec<&str>)> = plan
        .steps
        .iter()
        .map(|step| {
            let needs = step.needs.iter().map(|need| &*plan[*need].id);
            (&*step.id, needs.collect())
        })
        .collect();
    assert_eq!(
        needs,
        [
            ("1/worktree/base", vec![]),
            ("1/C", vec![]),
            ("1/A.b", vec!["1/worktree/base"]),
            ("1/A-b", vec!["1/worktree/base"]),
            ("1/worktree/merge", vec!["1/C", "1/A.b", "1/A-b"]),
            ("2/C", vec!["1/worktree/merge"]),
            ("worktrees/remove", vec![]),
        ]
    );
    let merge = plan.steps[4].holds.as_ref().expect("a lock");
    let top = std::fs::canonicalize(dir.path().join("repo")).expect("it is there");
    assert_eq!(*merge.locks[0], *format!("git {}", top.display()));
    let remove = plan.steps.last().expect("the last");
    assert!(remove.policy.always && remove.after.len() == 6);
    assert!(plan.notices[0].message.contains("not committed"));
    // Names that git would not take are told apart all the same.
    let told = serde_json::to_string(&remove.action).expect("a value");
    assert!(
        told.contains("1-1-A-b") && told.contains("1-2-A-b"),
        "{told}"
    );
}

#[test]
fn those_of_a_stage_are_isolated_in_one_repository_and_not_in_the_state_directory() {
    let (dir, text) = isolated("[{ group = [\"A.b\", \"C\"], isolation = \"worktree\" }]");
    let nowhere = lowered(&text, "/state").expect_err("C is in none");
    assert!(nowhere.contains("config.toml:13:"), "{nowhere}");
    assert!(nowhere.contains("lies in no git repository"), "{nowhere}");
    std::fs::create_dir(dir.path().join(".git")).expect("made");
    let two = lowered(&text, "/state").expect_err("two repositories");
    assert!(two.contains("work in one repository"), "{two}");

    let (dir, text) = isolated("[[\"A.b\"]]");
    let inside = dir.path().join("repo");
    let inside = lowered(&text, &inside.to_string_lossy()).expect_err("inside");
    assert!(inside.contains("say --state-dir DIR"), "{inside}");
}

#[test]
fn what_is_wrong_with_isolation_is_refused() {
    let (_dir, text) = isolated(
        "[{ group = [\"C\"], merge = \"merge\" }, { group = [\"C\"], loop = [\"C\"], max_rounds = 1 }, \
         { group = [\"C\"], max_rounds = 1 }, { isolation = \"worktree\" }, { loop = [\"C\"] }]",
    );
    let text = text.replace("\"none\"", "\"wrktree\"");
    assert_eq!(
        refused(&text),
        [
            "agents.C.isolation: expected one of none, worktree, found \"wrktree\"",
            "orchestrations.o.steps.merge: none of these agents works in a worktree: \
             \"isolation\" is missing",
            "orchestrations.o.steps: expected one of \"group\" and \"loop\"",
            "orchestrations.o.steps.max_rounds: only a loop has rounds",
            "orchestrations.o.steps.max_rounds: only a loop has rounds",
            "orchestrations.o.steps: expected one of \"group\" and \"loop\"",
            "orchestrations.o.steps: \"max_rounds\" is missing",
        ]
    );
}

/// Whatever is left of a file is read or refused, and nothing worse.
#[test]
fn a_file_that_was_cut_or_damaged_does_no_harm() {
    for end in 0..GOOD.len() {
        let _ = parsed(&GOOD[..end]);
        let damaged = format!("{}\u{1b}{}", &GOOD[..end], &GOOD[end + 1..]);
        assert!(parsed(&damaged).is_err(), "{damaged}");
    }
}
