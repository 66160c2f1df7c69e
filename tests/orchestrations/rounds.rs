//! Loops of rounds: they end by approval, by the last round, or when nothing moves.

use serde_json::json;

use super::{Agents, ended};
use crate::support::eventually;

const ROUNDS: &str = r#"
[tasks.t]
repo = "external"
working_dir = "{work}"
command = ["true"]
outputs = ["work.txt"]
[agents.Work]
command = ["sh", "build.sh"]
[agents.Review]
command = ["sh", "review.sh"]
[agents.After]
command = ["sh", "-c", "cat >after.json; echo '{}'"]
[orchestrations.t]
steps = [{ loop = ["Work", "Review"], max_rounds = 3 }, ["After"]]
"#;

/// Each round adds a line.
const ADDS: &str = "cat >told.json; echo line >>work.txt; echo '{}'\n";

#[test]
fn a_second_round_is_told_of_the_first_and_its_approval_ends_the_loop() {
    let agents = Agents::new(ROUNDS).script("build.sh", ADDS).script(
        "review.sh",
        "if [ $(wc -l <work.txt) -ge 2 ]; then echo '{\"verdict\": \"approved\"}'; else\n\
         echo '{\"verdict\": \"rejected\", \"findings\": [\"one line\"]}'; fi\n",
    );
    agents.run("t", &[]).run();
    let record = agents.record("t");
    let all = [
        ("1/r1/Work", "succeeded"),
        ("1/r1/Review", "succeeded"),
        ("1/r2/Work", "succeeded"),
        ("1/r2/Review", "succeeded"),
        ("1/r3/Work", "skipped"),
        ("1/r3/Review", "skipped"),
        ("1/gate", "succeeded"),
        ("2/After", "succeeded"),
    ];
    assert_eq!(ended(&record), all);
    let told = super::read_json(&agents.0.path("work/told.json"));
    assert_eq!(
        (&told["round"], &told["context"]["findings"]),
        (&json!(2), &json!(["one line"]))
    );
}

#[test]
fn a_loop_that_is_never_approved_ends_after_its_rounds_and_fails() {
    let agents = Agents::new(ROUNDS).script("build.sh", ADDS).script(
        "review.sh",
        "echo \"{\\\"verdict\\\": \\\"rejected\\\", \\\"findings\\\": [\\\"$(wc -l <work.txt)\\\"]}\"\n",
    );
    agents
        .run("t", &[])
        .status(1)
        .stderr_has("not approved after 3 rounds")
        .run();
    let record = agents.record("t");
    assert_eq!(
        ended(&record)[6..],
        [("1/gate", "failed"), ("2/After", "skipped")]
    );
    assert_eq!(record["status"], "failed");
    assert!(!agents.exists("after.json"));
}

/// Whoever says nothing that can be read, or nothing at all, has rejected.
#[test]
fn a_verdict_that_is_missing_or_unreadable_is_a_rejection() {
    let lies = [
        "echo '{}'",
        "echo approved",
        "echo '{\"verdict\": \"APPROVED!\"}'",
        "echo '{\"verdict\": true}'",
        "echo 'verdict=approved' >>\"$QUINTET_OUTPUT\"; echo '{}'",
        "echo '{\"verdict\": \"approved\"}'; exit 1",
        "kill -9 $$",
    ];
    for lie in lies {
        let agents = Agents::new(ROUNDS)
            .script("build.sh", ADDS)
            .script("review.sh", lie);
        let failed = agents.run("t", &[]).status(1);
        failed.stderr_has("not approved after 3 rounds").run();
        let record = agents.record("t");
        assert_eq!(record["agents"][1]["verdict"], "rejected", "{lie}");
    }
}

#[test]
fn a_round_that_changes_nothing_ends_the_loop() {
    let still = Agents::new(ROUNDS)
        .script("build.sh", "echo same >work.txt; echo '{}'\n")
        .script("review.sh", "echo '{\"verdict\": \"rejected\"}'\n");
    still
        .run("t", &[])
        .status(1)
        .stderr_has("the last round changed nothing")
        .run();
    let record = still.record("t");
    assert_eq!(
        ended(&record)[4..6],
        [("1/r3/Work", "skipped"), ("1/r3/Review", "skipped")]
    );

    let again = Agents::new(ROUNDS).script("build.sh", ADDS).script(
        "review.sh",
        "echo '{\"verdict\": \"rejected\", \"findings\": [\"ugly\"]}'\n",
    );
    again
        .run("t", &[])
        .status(1)
        .stderr_has("the same findings")
        .run();
    assert_eq!(ended(&again.record("t"))[4], ("1/r3/Work", "skipped"));
}

#[test]
fn a_round_whose_builder_fails_is_no_approved_one() {
    let agents = Agents::new(ROUNDS)
        .script(
            "build.sh",
            "if [ -e again ]; then echo ok >work.txt; echo '{}'; else touch again; exit 5; fi\n",
        )
        .script("review.sh", "echo '{\"verdict\": \"approved\"}'\n");
    agents.run("t", &[]).run();
    let record = agents.record("t");
    let all = ended(&record);
    assert_eq!(
        all[..3],
        [
            ("1/r1/Work", "failed"),
            ("1/r1/Review", "skipped"),
            ("1/r2/Work", "succeeded")
        ]
    );
    assert_eq!(all[6], ("1/gate", "succeeded"));
}

/// `quintet approve` answers, from anywhere.
#[test]
fn a_person_is_asked_where_that_is_wanted_and_no_answer_is_no() {
    let review = "echo '{\"verdict\": \"rejected\"}'\n";
    let asking = |seconds: &str| {
        let rounds = format!("max_rounds = 1, ask_seconds = {seconds}");
        let config = ROUNDS.replace("max_rounds = 3", &rounds);
        let agents = Agents::new(&config);
        agents.script("build.sh", ADDS).script("review.sh", review)
    };
    let nobody = asking("0.2");
    let failed = nobody.run("t", &[]).status(1);
    failed.stderr_has("not approved after 1 round").run();
    assert_eq!(ended(&nobody.record("t"))[3], ("1/gate", "failed"));

    let somebody = asking("0");
    let live = somebody.run("t", &[]).start();
    eventually("the question is asked", || {
        let approve = somebody.0.quintet(&["approve", "last", "1/approval"]);
        let mut command = approve.command();
        command.output().is_ok_and(|output| output.status.success())
    });
    live.finish();
    let record = somebody.record("t");
    let all = ended(&record);
    assert_eq!(
        all[2..],
        [
            ("1/approval", "succeeded"),
            ("1/gate", "succeeded"),
            ("2/After", "succeeded")
        ]
    );
}

#[test]
fn a_loop_needs_its_bound_and_one_reviewer() {
    let none = Agents::new(&ROUNDS.replace(", max_rounds = 3", ""));
    none.run("t", &[]).status(2).stderr_has("max_rounds").run();
    let many = Agents::new(&ROUNDS.replace("max_rounds = 3", "max_rounds = 21"));
    many.run("t", &[])
        .status(2)
        .stderr_has("20 is the most")
        .run();
    let two = Agents::new(&ROUNDS.replace("\"Work\", \"Review\"", "[\"Work\", \"Review\"]"));
    two.run("t", &[])
        .status(2)
        .stderr_has("the one agent that reviews")
        .run();
}
