//! Builtins: what the machine is asked, under the same supervision as programs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use quintet::exec::{Done, Job, Stop};
use quintet::plan::builtin::{FileKind, Question};
use quintet::run::Exit;

use crate::rig::*;

fn ask(step: usize, question: Question) -> Job {
    Job {
        builtin: Some(Box::new(question)),
        ..job(step, &[])
    }
}

fn version_of(program: &str, at_least: &str) -> Question {
    Question::ToolVersion {
        program: program.into(),
        args: ["--version".into()].into(),
        at_least: Some(at_least.parse().expect("a version")),
        below: None,
    }
}

/// Exit code, stdout and stderr.
fn said(rig: &Rig, done: &Done) -> (i32, String, String) {
    let Exit::Exited { code } = done.exit else {
        panic!("{:?}", done.exit);
    };
    assert_eq!((done.leaked, &done.error), (false, &None));
    let output = &done.output;
    (code, rig.read(&output.stdout), rig.read(&output.stderr))
}

/// A program of this name in the rig's directory, and the directory.
fn tool(rig: &Rig, name: &str, script: &str) -> String {
    let path = rig.path(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    rig.dir.path().to_str().expect("UTF-8").to_owned()
}

#[test]
fn what_holds_is_said_on_stdout_and_what_does_not_on_stderr() {
    let mut rig = Rig::new(1);
    let exists = |path: &str| Question::FileExists {
        paths: [path.into()].into(),
        kind: FileKind::Any,
    };
    let done = rig.run(ask(0, exists("/bin/sh")));
    assert_eq!(
        said(&rig, &done),
        (0, "/bin/sh is there\n".into(), String::new())
    );
    // One line, whatever the path is.
    let done = rig.run(ask(1, exists("/no\nsuch")));
    assert_eq!(
        said(&rig, &done),
        (1, String::new(), "/no such is not there\n".into())
    );
    let gone = Question::DiskSpace {
        path: "/no/such".into(),
        at_least: 1,
    };
    let done = rig.run(ask(2, gone));
    let why = "the disk space at /no/such cannot be told: No such file or directory\n";
    assert_eq!(said(&rig, &done), (2, String::new(), why.into()));
    // The slot goes on with programs.
    let done = rig.run(sh(3, "echo program"));
    assert_eq!(rig.read(&done.output.stdout), "program\n");
    rig.assert_nothing_left();
}

/// E22: the words, to the byte.
#[test]
fn e22_too_little_disk_space_is_told_in_these_words() {
    let mut rig = Rig::new(1);
    let question = |at_least| Question::DiskSpace {
        path: "/".into(),
        at_least,
    };
    let done = rig.run(ask(0, question(1 << 60)));
    let (code, stdout, stderr) = said(&rig, &done);
    assert_eq!((code, &*stdout), (1, ""));
    let words = stderr.strip_prefix("Insufficient disk space: ");
    let words =
        words.and_then(|rest| rest.strip_suffix("GB available (need at least 1073741824GB)\n"));
    let available = words.and_then(|available| available.parse::<f64>().ok());
    assert!(available.is_some(), "{stderr}");
    let done = rig.run(ask(1, question(0)));
    assert_eq!(said(&rig, &done).0, 0);
}

#[test]
fn a_tool_is_found_in_the_steps_own_path_and_has_its_environment() {
    let mut rig = Rig::new(1);
    let dir = tool(
        &rig,
        "fivetool",
        "echo fivetool ${V:-3.11}.2 >&2; pwd > \"$(dirname \"$0\")/at\"",
    );
    let run = |rig: &mut Rig, step, env: &[(&str, &str)]| {
        let mut job = ask(step, version_of("fivetool", "3.12"));
        job.cwd = "/usr".into();
        job.env = env
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let done = rig.run(job);
        said(rig, &done)
    };
    let path = format!("{dir}:/usr/bin:/bin");
    assert_eq!(
        run(&mut rig, 0, &[("PATH", &path)]),
        (
            1,
            String::new(),
            "fivetool 3.11.2 is older than 3.12\n".into()
        )
    );
    assert_eq!(rig.wait_for_file("at"), "/usr\n");
    assert_eq!(
        run(&mut rig, 1, &[("PATH", &path), ("V", "3.13")]),
        (0, "fivetool 3.13.2\n".into(), String::new())
    );
    assert_eq!(
        run(&mut rig, 2, &[]),
        (1, String::new(), "fivetool is not installed\n".into())
    );
    let done = rig.run(ask(3, version_of("/no/such/tool", "1")));
    assert_eq!(
        said(&rig, &done),
        (1, String::new(), "no such program: /no/such/tool\n".into())
    );
    let mut job = ask(4, version_of("sh", "1"));
    job.cwd = "/no/such".into();
    let done = rig.run(job);
    assert_eq!(
        said(&rig, &done),
        (
            2,
            String::new(),
            "working directory does not exist: /no/such\n".into()
        )
    );
}

/// A tool that floods its output costs no memory, and one whose daemon keeps it
/// open is not waited for.
#[test]
fn a_tool_that_floods_or_leaves_somebody_behind_still_has_a_version() {
    let mut rig = Rig::new(1);
    let flood = "echo flood 1.2.3; head -c 20000000 /dev/zero";
    let dir = tool(&rig, "flood", flood);
    let done = rig.run(ask(0, version_of(&format!("{dir}/flood"), "1")));
    assert_eq!(said(&rig, &done).0, 0);
    tool(&rig, "daemon", "echo daemon 2.0; sleep 120 &");
    let done = rig.run(ask(1, version_of(&format!("{dir}/daemon"), "1")));
    assert_eq!(done.exit, Exit::Exited { code: 0 });
    assert!(done.leaked, "the daemon ended by itself");
    rig.assert_nothing_left();
}

/// E35: a question takes no longer than its step's timeout, and nothing of it is left.
#[test]
fn e35_a_tool_that_hangs_is_ended_with_all_that_it_started() {
    const TIMEOUT: Duration = Duration::from_millis(400);
    let mut rig = Rig::new(1);
    let hang = "trap '' TERM; setsid sleep 120 & sleep 121 & echo x > \"$0.runs\"; sleep 122";
    let dir = tool(&rig, "hang", hang);
    let mut job = ask(0, version_of(&format!("{dir}/hang"), "1"));
    job.timeout = Some(TIMEOUT);
    job.grace = Duration::from_millis(100);
    let done = rig.run(job);
    let is_timeout = matches!(done.exit, Exit::TimedOut { after: TIMEOUT, .. });
    assert!(is_timeout, "{:?}", done.exit);
    assert!(
        rig.path("hang.runs").exists(),
        "it was too slow to be a test"
    );
    rig.assert_nothing_left();
}

#[test]
fn a_question_is_called_off_like_a_program() {
    let mut rig = Rig::new(1);
    let dir = tool(&rig, "hang", "echo x > \"$0.runs\"; sleep 120");
    let asked = rig.start(ask(0, version_of(&format!("{dir}/hang"), "1")));
    rig.wait_for_file("hang.runs");
    rig.stop(asked, Stop::Grace);
    let done = rig.done(asked);
    assert!(
        matches!(done.exit, Exit::Canceled { .. }),
        "{:?}",
        done.exit
    );
    rig.assert_nothing_left();
}

/// The copy has nothing of its supervisor's but what a program would have.
#[test]
fn a_question_begins_with_a_clean_slate() {
    let mut rig = Rig::new(1);
    let looks = "for p in $PPID $$; do
        ls /proc/$p/fd | tr '\\n' ' '; grep -E '^Sig(Blk|Ign)' /proc/$p/status | tr -d '\\n\\t'
        cut -d' ' -f5 /proc/$p/stat | grep -qx $p && echo ' leads' || echo ' follows'
    done > \"$0.saw\"
    sleep 120";
    let dir = tool(&rig, "look", looks);
    let asked = rig.start(ask(0, version_of(&format!("{dir}/look"), "1")));
    let saw = rig.wait_for_file("look.saw");
    rig.stop(asked, Stop::Now);
    rig.done(asked);
    let copy = saw.lines().next().expect("a line");
    // Its streams; what it hears the tool by, and the handle on it; /dev/null.
    let fds: Vec<&str> = copy
        .split("Sig")
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    assert!((5..=6).contains(&fds.len()), "{saw}");
    assert!(
        copy.contains("SigBlk:0000000000000000SigIgn:0000000000000000 leads"),
        "{saw}"
    );
    rig.assert_nothing_left();
}

#[test]
fn git_answers_for_its_working_tree() {
    let git = |dir: &std::path::Path, args: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(dir).args(args);
        for (key, value) in [
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
        ] {
            git.env(key, value);
        }
        git.output().is_ok_and(|done| done.status.success())
    };
    let mut rig = Rig::new(1);
    let repository = rig.path("repository");
    fs::create_dir(&repository).expect("made");
    if !git(&repository, &["init", "-q"]) {
        eprintln!("skipped: there is no git");
        return;
    }
    let dir = repository.to_str().expect("UTF-8").to_owned();
    let clean = |dir: &str| Question::GitClean { dir: dir.into() };
    let mut step = 0;
    let mut run = |rig: &mut Rig, question, env: &[(&str, &str)]| {
        let mut job = ask(step, question);
        step += 1;
        let env = env
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        job.env = env.collect();
        let done = rig.run(job);
        said(rig, &done)
    };
    assert_eq!(
        run(&mut rig, clean(&dir), &[]),
        (
            0,
            format!("the git tree at {dir} is clean\n"),
            String::new()
        )
    );
    fs::write(repository.join("new file"), "x").expect("written");
    assert_eq!(
        run(&mut rig, clean(&dir), &[]),
        (
            1,
            String::new(),
            format!("the git tree at {dir} is not clean: \"new file\"\n")
        )
    );
    // However people speak where the step runs.
    let french = [("LC_ALL", "fr_FR.UTF-8"), ("LANGUAGE", "fr")];
    assert_eq!(
        run(&mut rig, clean("/proc"), &french),
        (2, String::new(), "not a git repository: /proc\n".into())
    );
    assert_eq!(
        run(&mut rig, clean("/proc"), &[("PATH", "/no/such")]),
        (2, String::new(), "git is not installed\n".into())
    );
    rig.assert_nothing_left();
}

/// Nothing of a question goes on without its supervisor, though the copy itself
/// has no mark to be found by, and though nobody else is there to end it.
#[test]
fn a_question_ends_with_its_supervisor() {
    let mut rig = Rig::new(1);
    let look = "cut -d' ' -f4 /proc/$PPID/stat > \"$0.supervisor\"
        echo $PPID > \"$0.copy\"; sleep 120";
    let dir = tool(&rig, "look", look);
    let asked = rig.start(ask(0, version_of(&format!("{dir}/look"), "1")));
    let copy = rig.wait_for_file("look.copy");
    let supervisor = rig.wait_for_file("look.supervisor");
    let zygote = status(supervisor.trim(), "PPid").expect("it has a parent");
    let [supervisor, zygote] =
        [supervisor.trim(), &zygote].map(|pid| Pid::from_raw(pid.parse().expect("a number")));
    kill(zygote, Signal::SIGSTOP).expect("it is ours");
    kill(supervisor, Signal::SIGKILL).expect("it is ours");
    wait_until("end of the copy", || {
        let state = status(copy.trim(), "State");
        state
            .is_none_or(|state| state.starts_with('Z'))
            .then_some(())
    });
    kill(zygote, Signal::SIGCONT).expect("it is ours");
    rig.interrupted(asked);
    rig.assert_nothing_left();
}
