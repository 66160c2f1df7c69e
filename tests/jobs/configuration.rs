//! Where the configuration is, what it may say, and what is listed of it.

use std::path::Path;

use crate::support::{Test, skip};
use crate::{Jobs, write};

const TWO: &str = r#"
[jobs.zebra]
command = ["true"]
[jobs.ant]
description = "Carries leaves"
command = ["true"]
"#;

/// O1.
#[test]
fn o1_without_a_configuration_there_are_no_jobs_and_a_missing_one_is_an_error() {
    let test = Test::new();
    test.quintet(&["list"]).stdout("no jobs configured\n").run();
    test.quintet(&["plan", "list"])
        .stdout("no tasks configured\n")
        .run();
    test.quintet(&["orchestration", "list"])
        .stdout("no orchestrations configured\n")
        .run();
    for args in [
        &["list", "--config", "nowhere.toml"][..],
        &["--config", "nowhere.toml", "status"],
        &["agent", "list", "--config", "nowhere.toml"],
        &["run", "sample", "--config", "nowhere.toml"],
    ] {
        test.quintet(args)
            .status(2)
            .stdout("")
            .stderr_has("there is no configuration nowhere.toml")
            .run();
    }
}

/// O2.
#[test]
fn o2_places_are_xdgs_and_options_stand_before_or_after_the_verb() {
    let test = Test::new();
    let job = |name: &str| format!("[jobs.{name}]\ncommand = [\"true\"]\n");
    write(&test.path("xdg/orchastration/config.toml"), &job("older"));
    let xdg = test.path("xdg").to_string_lossy().into_owned();
    let list = |args: &[&str]| test.quintet(args).env("XDG_CONFIG_HOME", &xdg).run().text();
    assert_eq!(list(&["list"]), "older\n");
    write(&test.path("xdg/quintet/config.toml"), &job("ours"));
    assert_eq!(list(&["list"]), "ours\n");
    write(&test.path("mine.toml"), &job("mine"));
    assert_eq!(list(&["--config", "../mine.toml", "list"]), "mine\n");
    assert_eq!(list(&["list", "--config", "../mine.toml"]), "mine\n");
    write(&test.path(".config/quintet/config.toml"), &job("home"));
    test.quintet(&["list"]).stdout("home\n").run();

    for (args, dir) in [
        (["--state-dir", "../a", "run", "home"], "a"),
        (["run", "home", "--state-dir", "../b"], "b"),
    ] {
        test.quintet(&args).run();
        assert!(test.path(dir).join("runs/home/last.json").exists(), "{dir}");
    }
    assert!(!test.path("state").exists());
}

/// O3: the file that the older system ships, where it is at hand.
#[test]
fn o3_the_shipped_example_parses_completely() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = root.join("../shared/inputs/orchastration/config.example.toml");
    if !example.exists() {
        return skip("the older system's example", "it is not here");
    }
    let example = example.to_string_lossy().into_owned();
    let test = Test::new();
    let listed = |args: &[&str]| {
        let mut args = args.to_vec();
        args.extend(["--config", &example]);
        test.quintet(&args).stderr("").run().text()
    };
    assert_eq!(listed(&["list"]), "sample - List current directory\n");
    let tasks = listed(&["plan", "list"]);
    assert!(
        tasks.contains("sample_task - Example task definition [planned]\n"),
        "{tasks}"
    );
    let orchestrations = listed(&["orchestration", "list"]);
    assert!(orchestrations.starts_with("hello_multi_agent - "));
    assert_eq!(orchestrations.lines().count(), 2);
    assert_eq!(listed(&["agent", "list"]).lines().count(), 5);
    let ran = test
        .quintet(&["run", "sample", "--config", &example])
        .stdout_has("job=sample exit=0 duration_ms=")
        .run();
    assert_eq!(ran.text().lines().count(), 2);
}

/// O3.
#[test]
fn o3_unknown_keys_warn() {
    let jobs = Jobs::new("[jobs.a]\ncommand = [\"true\"]\ntimeout = 3\n");
    jobs.0
        .quintet(&["list"])
        .stdout("a\n")
        .stderr_has("jobs.a: the unknown key \"timeout\" has no effect")
        .stderr_has("did you mean \"timeout_seconds\"?")
        .run();
}

/// O4.
#[test]
fn o4_jobs_are_listed_by_name_with_what_they_are_for() {
    let jobs = Jobs::new(TWO);
    jobs.0
        .quintet(&["list"])
        .stdout("ant - Carries leaves\nzebra\n")
        .run();
    let json = jobs.0.quintet(&["list", "--json"]).run().json();
    assert_eq!(json[0]["name"], "ant");
    assert_eq!(json[1]["command"][0], "true");
}

/// O11.
#[test]
fn o11_a_wrong_configuration_is_told_of_all_that_is_wrong_and_runs_nothing() {
    let jobs = Jobs::new(
        "[jobs.a]\ncommand = [\"touch\", \"ran\"]\n[tasks.t]\nrepo = \"ours\"\n\
         working_dir = \"here\"\ncommand = []\n",
    );
    jobs.0
        .quintet(&["run", "a"])
        .status(2)
        .stderr_has("expected one of orchastration, external, found \"ours\"")
        .stderr_has("\"here\" is not absolute")
        .stderr_has("tasks.t.command: names no program")
        .stderr_has("config.toml:4:9")
        .no_file("ran")
        .run();
}

/// A wrong configuration does not hide how a run stands.
#[test]
fn o9_status_of_a_run_does_not_depend_on_the_configuration() {
    let jobs = Jobs::new("[jobs.a]\ncommand = [\"true\"]\n");
    jobs.0.quintet(&["run", "a"]).run();
    write(&jobs.0.path(".config/quintet/config.toml"), "[jobs");
    jobs.0
        .quintet(&["status"])
        .stdout_has("succeeded")
        .stderr_has("config.toml:1:")
        .run();
}

/// O18.
#[test]
fn o18_the_four_agents_are_listed_with_those_of_the_configuration() {
    let jobs = Jobs::new(
        "[agents.DocAgent]\ncommand = [\"writer\"]\n[agents.Critic]\ncommand = [\"critic\"]\n\
         capabilities = [\"finds fault\"]\n",
    );
    let text = jobs.0.quintet(&["agent", "list"]).run().text();
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("- ")?.split(':').next())
        .collect();
    let all = [
        "BuilderAgent",
        "Critic",
        "DocAgent",
        "PlannerAgent",
        "ReviewerAgent",
    ];
    assert_eq!(names, all);
    assert!(
        text.contains("- Critic: finds fault (by critic)\n"),
        "{text}"
    );
    assert!(text.contains("- ReviewerAgent: check that every declared output is there;"));
    let json = jobs.0.quintet(&["agent", "list", "--json"]).run().json();
    assert_eq!(json[2]["command"][0], "writer");
}

/// O19.
#[test]
fn o19_orchestrations_are_listed_by_name() {
    let jobs = Jobs::new(
        "[orchestrations.b]\nagents = [\"DocAgent\"]\n\
         [orchestrations.a]\nsteps = [[\"DocAgent\"]]\ndescription = \"Writes\"\n",
    );
    jobs.0
        .quintet(&["orchestration", "list"])
        .stdout("a - Writes\nb\n")
        .run();
}

/// O30.
#[test]
fn o30_help_after_a_verb_is_that_verbs() {
    let test = Test::new();
    for (args, part) in [
        (&["--help"][..], "Exit codes:"),
        (&["hash", "--help"], "Usage: quintet hash"),
        (&["plan", "create", "--help"], "--reset"),
        (
            &["git", "issue", "create", "--help"],
            "Usage: quintet git issue create",
        ),
        (&["build", "run", "--help"], "Usage: quintet build run"),
        (
            &["orchestration", "list", "--help"],
            "Usage: quintet orchestration list",
        ),
        (&["--version"], env!("CARGO_PKG_VERSION")),
    ] {
        test.quintet(args).stdout_has(part).run();
    }
}

/// O31.
#[test]
fn o31_no_name_leads_out_of_the_state_directory() {
    for name in [
        "../../escaped",
        "/tmp/escaped",
        "a\\nb",
        "20251120-150201-x7k2",
    ] {
        let jobs = Jobs::new(&format!("[jobs.\"{name}\"]\ncommand = [\"true\"]\n"));
        jobs.0
            .quintet(&["list"])
            .status(2)
            .stderr_has("jobs: the name ")
            .run();
        assert!(!jobs.0.path("state").exists());
    }
    let jobs = Jobs::new(TWO);
    for args in [
        ["plan", "status", "../x"],
        ["plan", "create", "../x"],
        ["build", "run", "a/b"],
    ] {
        jobs.0.quintet(&args).status(2).run();
    }
    jobs.0.quintet(&["history", "../runs"]).status(2).run();
}
