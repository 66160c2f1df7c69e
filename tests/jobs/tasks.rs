//! Tasks: planned, built, documented, published.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::Jobs;

const CONFIG: &str = r#"
[tasks.port]
description = "Port the parser"
repo = "external"
working_dir = "{}"
command = ["sh", "-c", "mkdir -p out; echo made >out/port; echo to people; echo and to me >&2"]
outputs = ["out/port"]
documents = ["README.md"]

[tasks.broken]
repo = "orchastration"
working_dir = "{}"
command = ["sh", "-c", "exit 3"]
status = "planned"

[jobs.port]
command = ["true"]
"#;

fn status(jobs: &Jobs, task: &str) -> String {
    let record = jobs.record(&format!("tasks/{task}.json"));
    record["status"].as_str().expect("a status").to_owned()
}

/// O10.
#[test]
fn o10_tasks_are_listed_planned_and_told_of_and_done_is_not_forgotten() {
    let jobs = Jobs::new(CONFIG);
    jobs.0
        .quintet(&["plan", "list"])
        .stdout("broken [planned]\nport - Port the parser [planned]\n")
        .run();
    jobs.0
        .quintet(&["plan", "status", "port"])
        .status(2)
        .stderr_has("nothing is recorded of task port yet")
        .run();
    jobs.0
        .quintet(&["plan", "create", "port"])
        .stdout("task=port status=planned\n")
        .run();
    jobs.0
        .quintet(&["plan", "status", "port"])
        .stdout_has("port status=planned last_run=20")
        .run();
    jobs.0.quintet(&["build", "run", "port"]).run();
    jobs.0
        .quintet(&["plan", "create", "port"])
        .status(2)
        .stderr_has("task port is done; nothing was changed")
        .stderr_has("quintet plan create port --reset")
        .run();
    assert_eq!(status(&jobs, "port"), "done");
    jobs.0
        .quintet(&["plan", "list"])
        .stdout_has("port - Port the parser [done]\n")
        .run();
    jobs.0
        .quintet(&["plan", "create", "port", "--reset"])
        .stdout("task=port status=planned\n")
        .run();
    jobs.0
        .quintet(&["plan", "create", "prot"])
        .status(2)
        .stderr_has("did you mean \"port\"?")
        .run();
    assert_eq!(jobs.records("tasks/port.runs").len(), 3);
}

/// A target that is called like one of the verbs is still within reach.
#[test]
fn o10_a_plan_file_called_list_is_dot_slash_list() {
    let jobs = Jobs::new(CONFIG);
    let plan = r#"{"steps": [{"id": "mine", "command": "true"}]}"#;
    std::fs::write(jobs.0.path("work/list"), plan).expect("written");
    jobs.0.quintet(&["plan", "./list"]).stdout_has("mine").run();
    jobs.0.quintet(&["plan", "list"]).stdout_has("port").run();
}

/// O12.
#[test]
fn o12_a_build_goes_to_files_and_terminal_and_the_task_is_done() {
    let jobs = Jobs::new(CONFIG);
    let done = jobs
        .0
        .quintet(&["build", "run", "port"])
        .stdout_has("to people\n")
        .stdout_has("task=port exit=0 status=done\n")
        .stderr_has("and to me\n")
        .file_is("out/port", "made\n")
        .run();
    assert!(!done.text().contains("and to me"));
    let record = jobs.record("tasks/port.json");
    assert_eq!(record["status"], "done");
    assert_eq!(record["repo"], "external");
    assert_eq!(record["outputs"][0], "out/port");
    let [run] = &jobs.records("tasks/port.runs")[..] else {
        panic!("one run")
    };
    assert_eq!(
        (&run["action"], &run["status"]),
        (&"build.run".into(), &"done".into())
    );
    let stdout = run["stdout_path"].as_str().expect("a path");
    assert_eq!(
        std::fs::read_to_string(stdout).expect("a file"),
        "to people\n"
    );
}

/// O12: what a build says is seen while it runs.
#[test]
fn o12_the_terminal_does_not_wait_for_the_end() {
    let jobs = Jobs::new(&CONFIG.replace(
        "exit 3",
        "echo early; while ! test -e go; do sleep 0.05; done; echo late",
    ));
    let mut live = jobs.0.quintet(&["build", "run", "broken"]).start();
    assert!(live.line().starts_with("Run ID: "));
    assert_eq!(live.line(), "early");
    std::fs::write(jobs.0.path("work/go"), "").expect("written");
    let rest = live.finish().text();
    assert!(
        rest.starts_with("late\n") && !rest.contains("early"),
        "{rest}"
    );
}

/// O12: what is seen of a task while it is built.
#[test]
fn o12_a_task_that_is_being_built_is_in_progress() {
    let jobs = Jobs::new(&CONFIG.replace("exit 3", "cat $HOME/state/tasks/broken.json"));
    let done = jobs.0.quintet(&["build", "run", "broken"]).run();
    assert!(
        done.text().contains("\"status\": \"in_progress\""),
        "{}",
        done.text()
    );
}

/// O13.
#[test]
fn o13_a_failed_build_is_failed() {
    let jobs = Jobs::new(CONFIG);
    jobs.0
        .quintet(&["build", "run", "broken"])
        .status(1)
        .stdout_has("task=broken exit=3 status=failed\n")
        .run();
    let record = jobs.record("tasks/broken.json");
    assert_eq!(record["status"], "failed");
    assert!(record["last_error"].as_str().expect("why").contains('3'));
    jobs.0
        .quintet(&["plan", "status", "broken"])
        .stdout_has("broken status=failed")
        .stdout_has("last_error: ")
        .run();
}

/// O14. O15. O36.
#[test]
fn o14_a_task_is_documented_once_in_its_own_repository() {
    let jobs = Jobs::new(CONFIG);
    std::fs::write(jobs.0.path("work/README.md"), "# Mine\n\nWords.\n").expect("written");
    for _ in 0..2 {
        jobs.0
            .quintet(&["doc", "generate", "port"])
            .stdout_has("task=port status=planned doc=")
            .run();
    }
    let readme = || std::fs::read_to_string(jobs.0.path("work/README.md")).expect("a file");
    assert_eq!(readme().matches("## Task Summary: port").count(), 1);
    assert!(readme().starts_with("# Mine\n\nWords.\n\n<!-- quintet task port -->"));
    assert_eq!(status(&jobs, "port"), "planned");
    jobs.0.quintet(&["build", "run", "port"]).run();
    jobs.0.quintet(&["doc", "generate", "port"]).run();
    assert!(readme().contains("- Status: done\n"), "{}", readme());
    let page = std::fs::read_to_string(jobs.0.path("work/docs/tasks/port.md")).expect("a page");
    assert!(page.starts_with("# Task: port\n") && page.ends_with("## Status\n\ndone\n"));
    // O36: what a task makes is in its repository, and nothing of ours is.
    let mut there: Vec<_> = std::fs::read_dir(jobs.0.path("work"))
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    there.sort();
    assert_eq!(there, ["README.md", "docs", "out"]);
    assert!(!jobs.state("docs").exists());
}

/// O15.
#[test]
fn o15_documenting_makes_nothing_done() {
    let jobs = Jobs::new(CONFIG);
    jobs.0.quintet(&["build", "run", "broken"]).status(1).run();
    jobs.0.quintet(&["doc", "generate", "broken"]).run();
    assert_eq!(status(&jobs, "broken"), "failed");
}

/// A folder with a program that stands in for gh: it notes its arguments and does this.
fn gh(jobs: &Jobs, does: &str) -> String {
    let folder = jobs.0.path("bin");
    std::fs::create_dir(&folder).expect("a directory");
    let noted = jobs.0.path("noted");
    let text = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >'{}'\n{does}\n",
        noted.display()
    );
    let program = folder.join("gh");
    std::fs::write(&program, text).expect("written");
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("a mode");
    format!("{}:/usr/bin:/bin", folder.display())
}

/// O16.
#[test]
fn o16_an_issue_is_made_by_gh_and_recorded() {
    let jobs = Jobs::new(&CONFIG.replace("Port the parser", "Port $(the) `parser`; now"));
    let path = gh(
        &jobs,
        "echo creating >&2; echo https://example.org/issues/7",
    );
    jobs.0
        .quintet(&["git", "issue", "create", "port"])
        .env("PATH", &path)
        .stdout("https://example.org/issues/7\n")
        .run();
    let noted = std::fs::read_to_string(jobs.0.path("noted")).expect("it was called");
    let words = "issue\ncreate\n--title\nTask: port\n--body\nPort $(the) `parser`; now\n";
    assert_eq!(noted, words);
    let record = jobs.record("tasks/port.json");
    assert_eq!(record["issue_url"], "https://example.org/issues/7");
    assert_eq!(record["status"], "planned");
    let run = &jobs.records("tasks/port.runs")[0];
    assert_eq!(run["message"], "https://example.org/issues/7");
}

/// O16.
#[test]
fn o16_without_gh_and_when_it_fails_that_is_said() {
    let jobs = Jobs::new(CONFIG);
    let nowhere = jobs.0.path("nowhere").to_string_lossy().into_owned();
    jobs.0
        .quintet(&["git", "issue", "create", "port"])
        .env("PATH", &nowhere)
        .status(2)
        .stderr_has("\"gh\" is not on PATH")
        .run();
    let path = gh(&jobs, "echo no login >&2; exit 4");
    jobs.0
        .quintet(&["git", "issue", "create", "port"])
        .env("PATH", &path)
        .status(1)
        .stderr_has("no login")
        .run();
    assert_eq!(jobs.records("tasks/port.runs")[0]["exit_code"], 4);
}

fn git(jobs: &Jobs, args: &[&str]) -> String {
    let done = Command::new("git")
        .args(args)
        .current_dir(jobs.0.path("work"))
        .env("HOME", jobs.0.path("work"))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .expect("git can be started");
    assert!(done.status.success(), "git {args:?}: {done:?}");
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

/// O17.
#[test]
fn o17_a_branch_is_made_and_none_is_ever_moved() {
    let jobs = Jobs::new(CONFIG);
    git(&jobs, &["init", "-q", "-b", "main"]);
    let me = ["-c", "user.name=me", "-c", "user.email=me@example.org"];
    let commit = ["commit", "-q", "--allow-empty", "-m", "first"];
    git(&jobs, &[&me[..], &commit[..]].concat());
    jobs.0
        .quintet(&["git", "branch", "create", "port"])
        .stdout("task/external-port\n")
        .run();
    assert_eq!(
        git(&jobs, &["branch", "--show-current"]),
        "task/external-port"
    );
    assert_eq!(
        jobs.record("tasks/port.json")["branch"],
        "task/external-port"
    );
    jobs.0
        .quintet(&["git", "branch", "create", "broken"])
        .stdout("task/broken\n")
        .run();
    let before = git(&jobs, &["for-each-ref"]);
    jobs.0
        .quintet(&["git", "branch", "create", "port"])
        .status(1)
        .stdout("")
        .stderr_has("the branch task/external-port exists")
        .run();
    assert_eq!(git(&jobs, &["for-each-ref"]), before);
}

/// O32.
#[test]
fn o32_a_job_and_a_task_of_one_name_do_not_share_records() {
    let jobs = Jobs::new(CONFIG);
    jobs.0.quintet(&["run", "port"]).run();
    jobs.0.quintet(&["build", "run", "port"]).run();
    assert_eq!(jobs.records("runs/port").len(), 1);
    assert_eq!(jobs.records("tasks/port.runs").len(), 1);
    assert_eq!(jobs.record("runs/port/last.json")["job_name"], "port");
    let lines = jobs.0.quintet(&["history", "port"]).run().text();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(lines.contains("  build.run port  exit=0") && lines.contains("  run port  exit=0"));
}

/// O33.
#[test]
fn o33_nothing_but_the_users_own_directories_is_written_to() {
    let jobs = Jobs::new(CONFIG);
    jobs.0.quintet(&["build", "run", "port"]).run();
    let mode = |path: PathBuf| {
        std::fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
    };
    assert_eq!(mode(jobs.state("tasks")) & 0o077, 0);
    assert_eq!(mode(jobs.state("tasks/port.runs")) & 0o077, 0);
}
