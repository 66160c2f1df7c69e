//! Agents in worktrees: what is merged, what is thrown away, what is reported, and
//! that the repository is never left half changed.

use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Agents, ended, text};
use crate::support::eventually;

/// Two agents that are isolated, and one that comes after them.
const TWO: &str = r#"
[agents.Left]
command = ["sh", "left.sh"]
working_dir = "repo"
isolation = "worktree"
[agents.Right]
command = ["sh", "right.sh"]
working_dir = "repo"
isolation = "worktree"
[agents.Last]
command = ["sh", "-c", "cat >last.json; echo '{}'"]
[orchestrations.two]
steps = [["Left", "Right"], ["Last"]]
[orchestrations.discard]
steps = [{ group = ["Left", "Right"], merge = "discard" }, ["Last"]]
[orchestrations.together]
steps = [{ group = ["Left", "Right"], isolation = "worktree" }]
[orchestrations.nobody]
steps = [{ group = ["Left", "Right"], isolation = "none" }]
"#;

/// Agents and a repository to work in.
struct Isolated(Agents);

impl Isolated {
    /// The scripts are committed, so that a worktree has them.
    fn new(config: &str, scripts: &[(&str, &str)]) -> Isolated {
        let mut agents = Agents::new(config);
        let lines = (1..=9).map(|n| format!("line {n}\n")).collect::<String>();
        agents = agents.script("repo/lines.txt", &lines);
        for (name, text) in scripts {
            agents = agents.script(&format!("repo/{name}"), text);
        }
        let isolated = Isolated(agents);
        isolated.git(&["init", "--quiet", "--initial-branch=main"]);
        isolated.git(&["add", "--all"]);
        isolated.git(&["commit", "--quiet", "-m", "First"]);
        isolated
    }

    /// What git says in the repository.
    #[track_caller]
    fn git(&self, words: &[&str]) -> String {
        let mut command = Command::new("git");
        let identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
        command.args(identity).args(words);
        command
            .current_dir(self.repo())
            .env("HOME", self.0.0.path(""));
        let output = command.output().expect("git can be run");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {words:?}: {said}");
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    fn repo(&self) -> PathBuf {
        self.0.0.path("work/repo")
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.repo().join(name)).unwrap_or_default()
    }

    fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    fn is_clean(&self) -> bool {
        self.git(&["status", "--porcelain"]).is_empty()
    }

    /// The run's branches.
    fn branches(&self) -> Vec<String> {
        let all = self.git(&["branch", "--list", "quintet/*", "--format=%(refname:short)"]);
        all.lines().map(str::to_owned).collect()
    }

    /// No worktree is left: git knows of none, and there is no folder of one.
    #[track_caller]
    fn no_worktree_is_left(&self) {
        let known = self.git(&["worktree", "list", "--porcelain"]);
        assert_eq!(known.matches("worktree ").count(), 1, "{known}");
        let left = self.folders();
        assert!(left.is_empty(), "{left:?}");
    }

    /// Neither is a branch.
    #[track_caller]
    fn nothing_is_left(&self) {
        self.no_worktree_is_left();
        assert_eq!(self.branches(), [""; 0]);
    }

    /// What is recorded of an orchestration's newest run, as text.
    fn events(&self, name: &str) -> String {
        let record = self.0.records(name).pop();
        let run = record.map(|record| text(&record, "run_id").to_owned());
        let path = format!("state/runs/{}/events.jsonl", run.unwrap_or_default());
        std::fs::read_to_string(self.0.0.path(&path)).unwrap_or_default()
    }

    fn folders(&self) -> Vec<PathBuf> {
        let runs = std::fs::read_dir(self.0.0.path("state/runs"));
        let runs = runs.map(|runs| runs.flatten().collect::<Vec<_>>());
        let folders = runs.unwrap_or_default().into_iter();
        let folders = folders.map(|run| run.path().join("worktrees"));
        folders.filter(|folder| folder.exists()).collect()
    }
}

/// A script that writes the line of this number anew.
fn changes_line(n: u32, to: &str) -> String {
    format!(
        "sed 's/^line {n}$/{to}/' lines.txt >new && mv new lines.txt && echo '{{\"done\": true}}'\n"
    )
}

fn status<'r>(record: &'r Value, step: &str) -> &'r str {
    let found = ended(record).into_iter().find(|(id, _)| *id == step);
    found.unwrap_or_else(|| panic!("no {step} in {record}")).1
}

#[test]
fn two_at_once_do_not_see_each_other_and_both_are_merged() {
    // Each waits until the other has begun, so that both are at work at once.
    let meet = |own: &str, other: &str| {
        format!(
            "touch $OLD/{own}.here; while [ ! -e $OLD/{other}.here ]; do sleep 0.05; done\n\
             echo {own} >{own}.txt; [ -e {other}.txt ] && exit 9\n\
             pwd >$OLD/{own}.pwd; [ \"$(pwd)\" = \"$QUINTET_WORKTREE\" ] || exit 8\n\
             echo \"{{\\\"{own}\\\": \\\"$QUINTET_BASE\\\"}}\"\n"
        )
    };
    let (left, right) = (meet("left", "right"), meet("right", "left"));
    let test = Isolated::new(TWO, &[("left.sh", &left), ("right.sh", &right)]);
    let base = test.head();
    let outside = test.0.0.path("work");
    let call = test.0.run("two", &[]);
    call.env("OLD", &outside.to_string_lossy())
        .stderr_has("work from the last commit of")
        .run();
    assert_eq!(
        (test.read("left.txt"), test.read("right.txt")),
        ("left\n".into(), "right\n".into())
    );
    assert!(test.is_clean());
    test.nothing_is_left();
    let record = test.0.record("two");
    assert_eq!(status(&record, "1/worktree/merge"), "succeeded");
    let context = &record["context"];
    assert_eq!(context["left"], json!(base));
    assert_eq!(context["merge"]["agents"], json!(["Left", "Right"]));
    assert_eq!(context["merge"]["to"], json!(test.head()));
    // Where they worked is nobody else's business, and not in the repository.
    let pwd = std::fs::read_to_string(outside.join("left.pwd")).expect("written");
    let state = test.0.0.path("state");
    let state = std::fs::canonicalize(state).expect("it is there");
    assert!(pwd.starts_with(&*state.to_string_lossy()), "{pwd}");
    let last = super::read_json(&outside.join("last.json"));
    assert_eq!(last["context"]["merge"]["into"], "main");
}

#[test]
fn a_conflict_names_the_file_and_both_agents_and_leaves_the_repository_as_it_was() {
    let (left, right) = (changes_line(5, "left"), changes_line(5, "right"));
    let test = Isolated::new(TWO, &[("left.sh", &left), ("right.sh", &right)]);
    let (head, reflog) = (test.head(), test.git(&["reflog"]));
    test.0
        .run("two", &[])
        .status(1)
        .stderr_has("conflict in lines.txt (changed by Left and Right)")
        .run();
    assert_eq!((test.head(), test.git(&["reflog"])), (head, reflog));
    assert!(test.is_clean() && !test.repo().join(".git/MERGE_HEAD").exists());
    test.no_worktree_is_left();
    let record = test.0.record("two");
    assert_eq!(status(&record, "1/worktree/merge"), "failed");
    assert_eq!(status(&record, "2/Last"), "skipped");
    assert_eq!(status(&record, "worktrees/remove"), "succeeded");
    // What they made is not lost, and the failure says where it is.
    let branches = test.branches();
    assert_eq!(branches.len(), 2, "{branches:?}");
    let error = text(
        record["agents"]
            .as_array()
            .expect("a list")
            .iter()
            .find(|agent| agent["step"] == "1/worktree/merge")
            .expect("it is there"),
        "error",
    );
    for branch in &branches {
        assert!(error.contains(branch.as_str()), "{error}");
        let lines = test.git(&["show", &format!("{branch}:lines.txt")]);
        assert!(
            lines.contains("left") || lines.contains("right"),
            "{branch}: {lines}"
        );
    }
    assert_eq!(record["context"]["worktrees"]["kept"], json!(branches));
}

/// Somebody has committed to the repository while agents worked.
#[test]
fn what_was_committed_meanwhile_is_merged_with_or_named() {
    let commits = |n: u32| {
        format!(
            "cd $OLD/repo && sed 's/^line {n}$/mine/' lines.txt >new && mv new lines.txt &&\n\
             git -c user.name=a -c user.email=a@localhost commit -qam Mine && echo '{{}}'\n"
        )
    };
    let left = changes_line(5, "left");
    let of = |n| {
        let test = Isolated::new(TWO, &[("left.sh", &left), ("right.sh", &commits(n))]);
        let old = test.0.0.path("work").to_string_lossy().into_owned();
        (test, old)
    };
    let (test, old) = of(1);
    test.0.run("two", &[]).env("OLD", &old).run();
    let lines = test.read("lines.txt");
    assert!(
        lines.starts_with("mine\n") && lines.contains("\nleft\n"),
        "{lines}"
    );

    let (test, old) = of(5);
    let failed = test.0.run("two", &[]).env("OLD", &old).status(1);
    let who = "conflict in lines.txt (changed by Left and a commit made meanwhile)";
    failed.stderr_has(who).run();
    assert!(test.read("lines.txt").contains("\nmine\n") && test.is_clean());
}

#[test]
fn changes_of_one_file_in_two_places_go_together_and_a_discarded_one_leaves_nothing() {
    let (left, right) = (changes_line(1, "left"), changes_line(9, "right"));
    let scripts = [("left.sh", &*left), ("right.sh", &*right)];
    let merged = Isolated::new(TWO, &scripts);
    merged.0.run("two", &[]).run();
    let lines = merged.read("lines.txt");
    assert!(
        lines.starts_with("left\n") && lines.ends_with("right\n"),
        "{lines}"
    );

    let discarded = Isolated::new(TWO, &scripts);
    let head = discarded.head();
    discarded.0.run("discard", &[]).run();
    assert_eq!(discarded.head(), head);
    assert!(discarded.is_clean());
    discarded.nothing_is_left();
    let record = discarded.0.record("discard");
    assert_eq!(status(&record, "1/worktree/discard"), "succeeded");
    // What they answered counts all the same.
    assert_eq!(record["context"]["done"], true);
}

/// A commit, changes and a file, and then the end by an exit or, `$PPID` being what
/// tidies up, by a death that leaves no time for it.
const SPOILS: &str = "touch $OLD/again junk; echo bad >>work.txt; git add work.txt\n\
    git -c user.name=a -c user.email=a@localhost commit -qm Bad; echo bad >lines.txt\n";
const ENDS: [&str; 2] = ["exit 1\n", "kill -9 $PPID; sleep 60\n"];

/// All of it is gone that the failed attempt has done.
#[test]
fn an_attempt_after_a_failed_one_begins_from_the_base() {
    let config = TWO.replace("[agents.Right]", "retries = 1\n[agents.Right]");
    for end in ENDS {
        let left = format!(
            "git rev-parse HEAD >>$OLD/heads; [ -e junk ] && exit 9\n\
             if [ -e $OLD/again ]; then echo good >good.txt; echo '{{}}'; exit 0; fi\n{SPOILS}{end}"
        );
        let right = "echo '{}'\n";
        let test = Isolated::new(&config, &[("left.sh", &left), ("right.sh", right)]);
        let base = test.head();
        let outside = test.0.0.path("work");
        let call = test.0.run("two", &[]);
        call.env("OLD", &outside.to_string_lossy()).run();
        let heads = std::fs::read_to_string(outside.join("heads")).expect("written");
        assert_eq!(heads, format!("{base}\n{base}\n"));
        assert_eq!(test.read("good.txt"), "good\n");
        assert!(test.read("lines.txt").starts_with("line 1\n"));
        assert_eq!(
            (test.read("junk"), test.read("work.txt")),
            ("".into(), "".into())
        );
        test.nothing_is_left();
    }
}

/// A commit that an agent makes itself is its work as well.
#[test]
fn what_an_agent_commits_itself_is_merged_and_no_hook_is_run() {
    let left = "echo own >own.txt; git add own.txt\n\
        git -c user.name=a -c user.email=a@localhost commit -qm Own; echo rest >rest.txt\n\
        echo '{}'\n";
    let test = Isolated::new(TWO, &[("left.sh", left), ("right.sh", "echo '{}'\n")]);
    let hooks = test.repo().join(".git/hooks");
    std::fs::create_dir_all(&hooks).expect("made");
    for hook in [
        "post-checkout",
        "post-merge",
        "post-commit",
        "pre-merge-commit",
    ] {
        let path = hooks.join(hook);
        // The agent's own commit may run it: that is the agent's doing.
        let text = "#!/bin/sh\n[ -n \"$QUINTET_CONTEXT\" ] || touch \"$HOME/hook\"; exit 0\n";
        std::fs::write(&path, text).expect("written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("executable");
    }
    test.0.run("two", &[]).run();
    assert_eq!(
        (test.read("own.txt"), test.read("rest.txt")),
        ("own\n".into(), "rest\n".into())
    );
    assert!(!test.0.0.path("hook").exists());
}

/// `left.sh` waits for the file `go`.
const WAITS: &str = "touch $OLD/begun; while [ ! -e $OLD/go ]; do sleep 0.05; done\n\
    echo once >>once.txt; echo '{}'\n";

/// The engine is killed while an agent works.
#[test]
fn an_agent_whose_engine_is_killed_is_merged_once_when_the_run_is_resumed() {
    let test = Isolated::new(TWO, &[("left.sh", WAITS), ("right.sh", "echo '{}'\n")]);
    let outside = test.0.0.path("work");
    let old = outside.to_string_lossy();
    let run = test.0.run("two", &[]).env("OLD", &old);
    let live = run.status(128 + 9).start();
    eventually("the agent has begun", || test.0.exists("begun"));
    live.signal(Signal::SIGKILL);
    live.finish();
    std::fs::write(outside.join("go"), "").expect("written");
    test.0.call(&["resume"]).env("OLD", &old).run();
    assert_eq!(test.read("once.txt"), "once\n");
    test.nothing_is_left();
}

/// The engine is killed between the agents and the merge, which waits for another run
/// that holds the repository's lock.
#[test]
fn a_killed_engine_merges_once_when_the_run_is_resumed() {
    let scripts = [
        ("left.sh", "echo once >>once.txt; echo '{}'\n"),
        ("right.sh", "echo '{}'\n"),
    ];
    let test = Isolated::new(TWO, &scripts);
    let repository = std::fs::canonicalize(test.repo()).expect("it is there");
    let holder = json!({
        "plan_id": "holder",
        "steps": [{
            "id": "hold",
            "shell": true,
            "command": "touch held; while [ ! -e go ]; do sleep 0.05; done",
            "locks": [format!("git {}", repository.display())],
        }],
    });
    let outside = test.0.0.path("work");
    std::fs::write(outside.join("holder.json"), holder.to_string()).expect("written");
    let holder = test.0.0.quintet(&["run", "holder.json"]).start();
    eventually("the lock is held", || test.0.exists("held"));
    let head = test.head();
    let live = test.0.run("two", &[]).status(128 + 9).start();
    eventually("the merge waits for the lock", || {
        test.events("two").contains("step_blocked")
    });
    live.signal(Signal::SIGKILL);
    live.finish();
    assert_eq!(test.head(), head);
    std::fs::write(outside.join("go"), "").expect("written");
    holder.finish();
    let record = test.0.record("two");
    test.0.call(&["resume", text(&record, "run_id")]).run();
    assert_eq!(test.read("once.txt"), "once\n");
    let merges = test.git(&["log", "--format=%s", "--", "once.txt"]);
    assert_eq!(merges.lines().count(), 1, "{merges}");
    test.nothing_is_left();
}

/// What succeeded in the first part of a run is merged in the last, and no part leaves
/// a worktree, though the step that removes them has succeeded in the first.
#[test]
fn a_failed_run_that_is_resumed_merges_what_was_made_before() {
    let right = "[ -e $OLD/mended ] || exit 3; echo right >right.txt; echo '{}'\n";
    let left = changes_line(1, "left");
    for orchestration in ["two", "together"] {
        let test = Isolated::new(TWO, &[("left.sh", &left), ("right.sh", right)]);
        let outside = test.0.0.path("work");
        let old = outside.to_string_lossy();
        let head = test.head();
        let begun = test.0.run(orchestration, &[]).env("OLD", &old);
        begun.status(1).run();
        test.no_worktree_is_left();
        let again = || test.0.call(&["resume"]).env("OLD", &old);
        again().status(1).run();
        assert_eq!(test.head(), head);
        test.no_worktree_is_left();
        std::fs::write(outside.join("mended"), "").expect("written");
        again().run();
        assert!(test.read("lines.txt").starts_with("left\n"));
        assert_eq!(test.read("right.txt"), "right\n");
        test.nothing_is_left();
    }
}

/// A second signal ends the run without its last step.
#[test]
fn a_run_that_is_killed_leaves_no_worktree() {
    let stubborn = format!("trap '' TERM INT\n{WAITS}");
    let test = Isolated::new(TWO, &[("left.sh", &stubborn), ("right.sh", "echo '{}'\n")]);
    let outside = test.0.0.path("work");
    let old = outside.to_string_lossy().into_owned();
    let live = test.0.run("two", &[]).env("OLD", &old).status(130).start();
    eventually("the agent has begun", || test.0.exists("begun"));
    live.signal(Signal::SIGINT);
    eventually("the run stops", || {
        test.events("two").contains("run_stopping")
    });
    live.signal(Signal::SIGINT);
    live.finish();
    test.no_worktree_is_left();
}

#[test]
fn a_canceled_run_leaves_no_worktree() {
    let test = Isolated::new(TWO, &[("left.sh", WAITS), ("right.sh", "echo '{}'\n")]);
    let outside = test.0.0.path("work");
    let (old, head) = (outside.to_string_lossy().into_owned(), test.head());
    let live = test.0.run("two", &[]).env("OLD", &old).status(130).start();
    eventually("the agent has begun", || test.0.exists("begun"));
    assert!(!test.folders().is_empty());
    live.signal(Signal::SIGINT);
    live.finish();
    test.no_worktree_is_left();
    assert_eq!((test.head(), test.branches()), (head, vec![]));
    assert!(test.is_clean());
}

#[test]
fn what_is_not_committed_is_neither_seen_nor_lost() {
    let left = "grep -q mine lines.txt && exit 9; echo left >left.txt; echo '{}'\n";
    let test = Isolated::new(TWO, &[("left.sh", left), ("right.sh", "echo '{}'\n")]);
    std::fs::write(test.repo().join("lines.txt"), "mine\n").expect("written");
    test.0.run("two", &[]).run();
    assert_eq!(
        (test.read("lines.txt"), test.read("left.txt")),
        ("mine\n".into(), "left\n".into())
    );
    assert_eq!(test.git(&["status", "--porcelain"]), " M lines.txt");

    // Where it is in the way, git refuses, and nothing is changed.
    let left = changes_line(5, "left");
    let test = Isolated::new(TWO, &[("left.sh", &left), ("right.sh", "echo '{}'\n")]);
    std::fs::write(test.repo().join("lines.txt"), "mine\n").expect("written");
    test.git(&["config", "merge.autoStash", "true"]);
    let head = test.head();
    test.0
        .run("two", &[])
        .status(1)
        .stderr_has("does not take it, and is left as it was")
        .run();
    assert_eq!(
        (test.read("lines.txt"), test.head()),
        ("mine\n".into(), head)
    );
    assert_eq!(test.branches().len(), 1);
    test.no_worktree_is_left();
}

#[test]
fn a_group_may_share_one_worktree_or_have_none() {
    let (left, right) = (
        "echo left >left.txt; while [ ! -e right.txt ]; do sleep 0.05; done; echo '{}'\n",
        "while [ ! -e left.txt ]; do sleep 0.05; done; echo right >right.txt; echo '{}'\n",
    );
    let scripts = [("left.sh", left), ("right.sh", right)];
    let test = Isolated::new(TWO, &scripts);
    test.0.run("together", &[]).run();
    assert_eq!(test.read("right.txt"), "right\n");
    assert!(test.is_clean());
    test.nothing_is_left();

    let nobody = Isolated::new(TWO, &scripts);
    nobody.0.run("nobody", &[]).run();
    // They have worked in the repository itself, and nobody has committed it.
    assert!(!nobody.is_clean());
}

const ROUNDS: &str = r#"
[tasks.t]
repo = "external"
working_dir = "{work}/repo"
command = ["true"]
outputs = ["work.txt"]
[agents.Work]
command = ["sh", "build.sh"]
isolation = "worktree"
[agents.Review]
command = ["sh", "review.sh"]
[orchestrations.t]
steps = [{ loop = ["Work", "Review"], max_rounds = 2 }]
"#;

const ADDS: &str = "echo line >>work.txt; echo '{}'\n";

/// The reviewer sees what the builder made, a second round goes on from the first, and
/// the repository has none of it before it was approved.
#[test]
fn a_loop_shares_a_worktree_which_is_merged_when_it_is_approved() {
    let review = "[ -e {work}/repo/work.txt ] && exit 9\n\
        if [ $(wc -l <work.txt) -ge 2 ]; then echo '{\"verdict\": \"approved\"}'; else\n\
        echo '{\"verdict\": \"rejected\", \"findings\": [\"one line\"]}'; fi\n";
    let review = review.replace("{work}", "$OLD");
    let test = Isolated::new(ROUNDS, &[("build.sh", ADDS), ("review.sh", &review)]);
    let outside = test.0.0.path("work");
    let call = test.0.run("t", &[]);
    call.env("OLD", &outside.to_string_lossy()).run();
    assert_eq!(test.read("work.txt"), "line\nline\n");
    let record = test.0.record("t");
    assert_eq!(status(&record, "1/r2/Review"), "succeeded");
    assert_eq!(status(&record, "1/worktree/merge"), "succeeded");
    test.nothing_is_left();
}

/// In a loop an attempt begins from what the last one that succeeded has left.
#[test]
fn a_failed_attempt_in_a_loop_is_taken_back() {
    let config = ROUNDS.replace("[agents.Review]", "retries = 1\n[agents.Review]");
    let review = "if [ $(wc -l <work.txt) -ge 2 ]; then echo '{\"verdict\": \"approved\"}'; else\n\
        echo '{\"verdict\": \"rejected\", \"findings\": [\"one line\"]}'; fi\n";
    for end in ENDS {
        // The first attempt of the second round fails.
        let build = format!(
            "[ -e junk ] && exit 9\n\
             if [ -e work.txt ] && [ ! -e $OLD/again ]; then\n{SPOILS}{end}fi\n{ADDS}"
        );
        let test = Isolated::new(&config, &[("build.sh", &build), ("review.sh", review)]);
        let outside = test.0.0.path("work");
        let call = test.0.run("t", &[]);
        call.env("OLD", &outside.to_string_lossy()).run();
        assert_eq!(test.read("work.txt"), "line\nline\n");
        assert!(test.read("lines.txt").starts_with("line 1\n"));
        let record = test.0.record("t");
        let second = &record["agents"][3];
        assert_eq!(
            (&second["step"], &second["attempts"]),
            (&json!("1/r2/Work"), &json!(2))
        );
        test.nothing_is_left();
    }
}

#[test]
fn a_loop_that_is_never_approved_is_never_merged() {
    let review =
        "echo \"{\\\"verdict\\\": \\\"rejected\\\", \\\"findings\\\": [$(wc -l <work.txt)]}\"\n";
    let test = Isolated::new(ROUNDS, &[("build.sh", ADDS), ("review.sh", review)]);
    let head = test.head();
    test.0
        .run("t", &[])
        .status(1)
        .stderr_has("not approved after 2 rounds")
        .run();
    assert_eq!(test.head(), head);
    assert!(test.is_clean());
    test.no_worktree_is_left();
    let record = test.0.record("t");
    assert_eq!(status(&record, "1/worktree/merge"), "skipped");
    // Whoever wants to look at it can.
    let branch = test.branches().remove(0);
    let made = test.git(&["show", &format!("{branch}:work.txt")]);
    assert_eq!(made, "line\nline");
}

/// Whether it is to be merged or not: the reviewer must see it.
#[test]
fn a_canceled_loop_goes_on_from_what_its_builder_made() {
    let review = "touch $OLD/begun; while [ ! -e $OLD/go ]; do sleep 0.05; done\n\
        [ \"$(cat work.txt)\" = line ] && echo '{\"verdict\": \"approved\"}'\n";
    for (merge, made) in [("merge", "line\n"), ("discard", "")] {
        let rounds = format!("max_rounds = 2, merge = \"{merge}\"");
        let config = ROUNDS.replace("max_rounds = 2", &rounds);
        let test = Isolated::new(&config, &[("build.sh", ADDS), ("review.sh", review)]);
        let outside = test.0.0.path("work");
        let old = outside.to_string_lossy().into_owned();
        let live = test.0.run("t", &[]).env("OLD", &old).status(130).start();
        eventually("the reviewer has begun", || test.0.exists("begun"));
        live.signal(Signal::SIGINT);
        live.finish();
        test.no_worktree_is_left();
        std::fs::write(outside.join("go"), "").expect("written");
        test.0.call(&["resume"]).env("OLD", &old).run();
        assert_eq!(test.read("work.txt"), made);
        assert_eq!(status(&test.0.record("t"), "1/r1/Review"), "succeeded");
        test.nothing_is_left();
    }
}

/// A round that changes nothing is noticed in a worktree as well.
#[test]
fn a_round_in_a_worktree_that_changes_nothing_ends_the_loop() {
    let config = ROUNDS.replace("max_rounds = 2", "max_rounds = 3");
    let build = "echo same >work.txt; echo '{}'\n";
    let review = "echo '{\"verdict\": \"rejected\"}'\n";
    let test = Isolated::new(&config, &[("build.sh", build), ("review.sh", review)]);
    test.0
        .run("t", &[])
        .status(1)
        .stderr_has("the last round changed nothing")
        .run();
    assert_eq!(status(&test.0.record("t"), "1/r3/Work"), "skipped");
}

/// Those that are built in work there too.
#[test]
fn a_built_in_builder_works_in_a_worktree() {
    let config = "[tasks.t]\nrepo = \"external\"\nworking_dir = \"{work}/repo\"\n\
        command = [\"sh\", \"-c\", \"pwd >made.txt\"]\noutputs = [\"made.txt\"]\n\
        [orchestrations.t]\nsteps = [{ group = [\"BuilderAgent\"], isolation = \"worktree\" }, \
        [\"ReviewerAgent\"]]\n";
    let test = Isolated::new(config, &[]);
    test.0.run("t", &[]).run();
    let made = test.read("made.txt");
    assert!(made.contains("/worktrees/"), "{made}");
    assert!(test.is_clean());
}

/// A clear refusal, before anything runs.
#[test]
fn what_is_no_repository_is_refused_with_the_place() {
    let agents = Agents::new(&TWO.replace("working_dir = \"repo\"\n", ""));
    agents
        .run("two", &[])
        .status(2)
        .stderr_has("config.toml:2:")
        .stderr_has("Left is to work in a worktree, and")
        .stderr_has("lies in no git repository")
        .run();
    assert!(agents.records("two").is_empty());

    // A repository without a commit is one that git has to be asked about.
    let test = Isolated::new(TWO, &[]);
    std::fs::remove_dir_all(test.repo().join(".git")).expect("removed");
    test.git(&["init", "--quiet"]);
    test.0
        .run("two", &[])
        .status(1)
        .stderr_has("has no commit yet")
        .run();
    let record = test.0.record("two");
    assert_eq!(ended(&record)[0], ("1/worktree/base", "failed"));
}

#[test]
fn isolation_that_is_misspelt_is_refused_with_its_place() {
    let wrong = TWO.replacen("\"worktree\"", "\"worktre\"", 1);
    let agents = Agents::new(&wrong.replace("\"discard\"", "\"discrd\""));
    agents
        .run("two", &[])
        .status(2)
        .stderr_has("did you mean \"worktree\"?")
        .stderr_has("config.toml:5:")
        .stderr_has("did you mean \"discard\"?")
        .run();
    let agents = Agents::new(&TWO.replace("isolation = \"worktree\"\n", ""));
    agents
        .run("two", &[])
        .status(2)
        .stderr_has("none of these agents works in a worktree")
        .run();
}
