//! Which of several ready steps goes first.

use crate::{log, plan, ran};

/// Without a past the plan's order decides. Afterwards what takes longest is
/// begun first, and a preview tells how long it will be.
#[test]
fn a_second_run_begins_with_what_held_up_the_first() {
    let test = plan(
        r#"
plan_id: ORDER
globals: { max_concurrency: 1 }
steps:
  - { id: brief, shell: true, command: "echo brief >> log; sleep 0.05" }
  - { id: long, shell: true, command: "echo long >> log; sleep 1" }
"#,
    );
    let preview = || test.quintet(&["plan", "plan.yaml"]);
    preview().stdout_has("no history").run();
    ran(&test, 0);
    assert_eq!(log(&test), "brief long");
    preview().stdout_has("critical path 1 step").run();
    ran(&test, 0);
    assert_eq!(log(&test), "brief long long brief");
}
