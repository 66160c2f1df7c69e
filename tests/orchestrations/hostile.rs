//! Agents that crash, vanish, print what is no result, or never stop: each ends, and
//! it is told why.

use super::{Agents, ended};

fn ends(script: &str, why: &str) {
    let agents = Agents::new(
        "[agents.A]\ncommand = [\"sh\", \"a.sh\"]\n[orchestrations.x]\nagents = [\"A\"]\n",
    );
    let agents = agents.script("a.sh", script);
    agents.run("x", &[]).status(1).stderr_has(why).run();
    let record = agents.record("x");
    assert_eq!(ended(&record), [("1/A", "failed")], "{script}");
    let error = record["agents"][0]["error"].as_str().expect("told");
    assert!(error.contains(why), "{script}: {error}");
}

#[test]
fn who_crashes_is_told_of() {
    ends("exit 9\n", "it ended with exit 9");
    ends("kill -SEGV $$\n", "it was ended by signal 11");
}

#[test]
fn what_is_no_result_is_none() {
    ends("echo '{\"a\": '\n", "its result is no JSON");
    ends("true\n", "it gave no result");
    ends("echo '[1]'\n", "its result is not an object");
    ends("printf '{\"a\": \"\\377\"}'\n", "its result is not UTF-8");
    ends("mkfifo $QUINTET_RESULT\n", "it is no file");
    ends("rm -r $(dirname $QUINTET_RESULT)\n", "it gave no result");
}

#[test]
fn who_prints_a_gigabyte_is_stopped() {
    ends(
        "head -c 1G /dev/zero\n",
        "it printed more than 64 MiB and was ended",
    );
    ends(
        "head -c 2M /dev/zero | tr '\\0' ' '\n",
        "more than 1048576 bytes",
    );
    ends(
        "printf '{\"a\": \"'; head -c 100000 /dev/zero | tr '\\0' x; printf '\"}'\n",
        "are the most",
    );
}

#[test]
fn who_leaves_something_behind_keeps_nobody_waiting() {
    let agents = Agents::new(
        "[agents.A]\ncommand = [\"sh\", \"-c\", \"sleep 600 & echo '{\\\"a\\\": 1}'\"]\n\
         [orchestrations.x]\nagents = [\"A\"]\n",
    );
    agents.run("x", &[]).run();
    assert_eq!(agents.record("x")["context"]["a"], 1);
}

#[test]
fn who_is_no_program_is_told_of() {
    let agents = Agents::new(
        "[agents.A]\ncommand = [\"no-such-program-anywhere\"]\n\
         [orchestrations.x]\nagents = [\"A\"]\n",
    );
    agents
        .run("x", &[])
        .status(1)
        .stderr_has("no-such-program-anywhere")
        .run();
}

/// XH05. What is told to an agent lies with its run: a name in a directory of everybody's
/// is taken sooner or later, by one that was killed or by somebody else.
#[test]
fn xh05_what_an_agent_is_told_lies_with_its_run() {
    let agents = Agents::new(
        "[agents.A]\ncommand = [\"sh\", \"a.sh\"]\n[orchestrations.x]\nagents = [\"A\"]\n",
    );
    let agents = agents.script(
        "a.sh",
        "mkdir -p \"$(dirname $QUINTET_CONTEXT)/left\"\n\
         printf '{\"context\": \"%s\", \"result\": \"%s\"}' $QUINTET_CONTEXT $QUINTET_RESULT\n",
    );
    agents.run("x", &[]).run();
    let context = &agents.record("x")["context"];
    for name in ["context", "result"] {
        let path = context[name].as_str().expect("a path");
        let run = agents.0.path("state").join("runs");
        assert!(std::path::Path::new(path).starts_with(run), "{path}");
        assert!(!std::path::Path::new(path).exists());
    }
}
