//! Runs of phase trees, told as lines and as documents.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::document::{self, Status, Tree};
use super::lines;
use crate::plan::{Absent, Action, OnFailure, Plan};
use crate::run::Kind;
use crate::view::status::Subject;
use crate::view::testing::{self, RUN, Story, exited};

/// An installation, lowered as phase trees are: each phase is a meeting point
/// at its own end.
fn installation() -> Plan {
    let mut plan = testing::plan(&[
        "preflight: preflight/disk preflight/tools",
        "preflight/disk",
        "preflight/tools: preflight/disk",
        "config: config/hardware",
        "config/hardware: config/hardware/wifi",
        "config/hardware/bluetooth: preflight",
        "config/hardware/wifi: config/hardware/bluetooth",
        "first-run: first-run/welcome",
        "first-run/welcome: config",
    ]);
    for phase in ["preflight", "config", "config/hardware", "first-run"] {
        testing::step(&mut plan, phase).action = Action::Group;
    }
    for step in &mut plan.steps {
        let policy = std::sync::Arc::make_mut(&mut step.policy);
        policy.on_failure = OnFailure::SkipDependents;
    }
    plan
}

/// It fails three levels deep.
fn failed(plan: Plan) -> Story {
    let mut story = Story::of(plan, |id, _| match id {
        "config/hardware/bluetooth" => (exited(3), 1_200),
        _ => (exited(0), 400),
    });
    for event in &mut story.events {
        if let Kind::StepFinished { attempt, end } = &mut event.kind
            && attempt.step == story.run.find("config/hardware/bluetooth").unwrap()
        {
            end.tail = Some("looking\nno adapter\n".into());
        }
    }
    story
}

fn subject(story: &Story) -> Subject<'_> {
    Subject {
        run_id: RUN,
        run: &story.run,
        now: story.now,
        interrupted: false,
    }
}

/// The tree's lines, without the header.
fn drawn(story: &Story) -> String {
    let text = testing::written(|out| lines::write(subject(story), &TimeZone::UTC, out));
    let (_, tree) = text.split_once("\n\n").expect("a header comes first");
    tree.to_owned()
}

fn tree(story: &Story) -> Tree {
    document::of(subject(story), &story.events, &TimeZone::UTC)
}

fn json(tree: &Tree, in_one_line: bool) -> Value {
    let text = testing::written(|out| tree.write(in_one_line, out));
    assert_eq!(text.trim_end().contains('\n'), !in_one_line);
    serde_json::from_str(&text).expect("it is JSON")
}

/// H18.
#[test]
fn h18_every_phase_above_a_failure_has_failed_and_none_beside_it() {
    insta::assert_snapshot!(drawn(&failed(installation())), @r#"
    preflight/  succeeded  800ms  2 steps
    ├─ disk  succeeded  400ms
    └─ tools  succeeded  400ms
    config/  failed  1.2s  1 failed, 1 skipped
    └─ hardware/  failed  1.2s  1 failed, 1 skipped
       ├─ bluetooth  failed  1.2s  exit 3
       └─ wifi  skipped  it depends on config/hardware/bluetooth, which failed
    first-run/  skipped  1 step
    └─ welcome  skipped  it depends on config/hardware/wifi, which was skipped
    "#);
}

/// H18.
#[test]
fn h18_a_tolerated_failure_stays_one_and_its_phase_comes_about() {
    let mut plan = installation();
    testing::policy(&mut plan, "config/hardware/bluetooth", |policy| {
        policy.on_failure = OnFailure::Continue;
    });
    insta::assert_snapshot!(drawn(&failed(plan)), @r#"
    preflight/  succeeded  800ms  2 steps
    ├─ disk  succeeded  400ms
    └─ tools  succeeded  400ms
    config/  succeeded  1.6s  1 succeeded, 1 failed
    └─ hardware/  succeeded  1.6s  1 succeeded, 1 failed
       ├─ bluetooth  failed  1.2s  exit 3
       └─ wifi  succeeded  400ms
    first-run/  succeeded  400ms  1 step
    └─ welcome  succeeded  400ms
    "#);
}

#[test]
fn phases_of_a_run_that_goes_on_say_how_far_they_are() {
    let mut plan = installation();
    testing::step(&mut plan, "first-run/welcome").absent = Some(Absent::Disabled);
    testing::step(&mut plan, "first-run").absent = Some(Absent::Disabled);
    let mut story = Story::until(
        plan,
        |_, _| (exited(0), 400),
        |event| matches!(event.kind, Kind::StepStarted { attempt, .. } if attempt.step.at() == 6),
    );
    story.now += 3_000;
    insta::assert_snapshot!(drawn(&story), @r#"
    preflight/  succeeded  800ms  2 steps
    ├─ disk  succeeded  400ms
    └─ tools  succeeded  400ms
    config/  running  3s  1 succeeded, 1 running
    └─ hardware/  running  3s  1 succeeded, 1 running
       ├─ bluetooth  succeeded  400ms
       └─ wifi  running  3s
    first-run/  skipped
    └─ welcome  skipped  switched off in the file
    "#);
}

#[test]
fn ids_that_have_no_steps_above_them_make_phases_too() {
    let plan = testing::plan(&["a/b/one", "a/b/two: a/b/one", "a/c"]);
    let story = Story::of(plan, |id, _| (exited(i32::from(id == "a/b/one")), 10));
    insta::assert_snapshot!(drawn(&story), @r#"
    a/  failed  10ms  1 succeeded, 1 failed, 1 canceled
    ├─ b/  failed  10ms  1 failed, 1 canceled
    │  ├─ one  failed  10ms  exit 1
    │  └─ two  canceled  the run was aborted
    └─ c  succeeded  10ms
    "#);
}

#[test]
fn where_the_tree_is_long_what_is_alike_is_one_line_and_failures_are_shown() {
    let mut steps: Vec<String> = (0..90).map(|n| format!("g{}/s{n}", n / 30)).collect();
    steps.extend((0..9).map(|n| format!("g3/h/s{n}: g1/s40")));
    steps.extend((0..12).map(|n| format!("t{n}/s")));
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let mut plan = testing::plan(&steps);
    testing::policy(&mut plan, "g1/s40", |policy| policy.critical = false);
    for n in 60..70 {
        testing::step(&mut plan, &format!("g2/s{n}")).absent = Some(Absent::NotSelected);
    }
    let story = Story::of(plan, |id, _| (exited(i32::from(id == "g1/s40")), 10));
    insta::assert_snapshot!(drawn(&story), @r#"
    g0/  succeeded  150ms  30 steps
    g1/  succeeded  150ms  29 succeeded, 1 failed
    ├─ … 10 succeeded
    ├─ s40  failed  10ms  exit 1
    └─ … 19 succeeded
    g2/  succeeded  100ms  20 steps
    ├─ … 10 skipped  not selected
    └─ … 20 succeeded
    g3/  skipped  9 steps  it depends on g1/s40, which failed
    … 12 phases succeeded
    "#);
}

/// H19.
#[test]
fn h19_the_document_has_the_state_files_fields_and_words_at_every_level() {
    let mut plan = installation();
    testing::step(&mut plan, "first-run/welcome").absent = Some(Absent::Disabled);
    if let Action::Command(command) = &mut testing::step(&mut plan, "preflight/disk").action {
        command.env = Box::new([("QUINTET_CONFIG".into(), r#"{"least": 5}"#.into())]);
    }
    plan.metadata
        .insert("schema_version".into(), "1.0.0".into());
    let story = failed(plan);
    let document = json(&tree(&story), false);
    assert_eq!(document, json(&tree(&story), true));
    let mut phases = vec![&document];
    while let Some(phase) = phases.pop() {
        let fields = phase.as_object().expect("a phase is an object");
        let mut names: Vec<&str> = fields.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "children",
                "config",
                "current_step",
                "end_time",
                "errors",
                "logs",
                "phase",
                "start_time",
                "status"
            ]
        );
        let children = phase["children"].as_object().expect("children by name");
        for (name, child) in children {
            assert_eq!(child["phase"], **name);
            phases.push(child);
        }
    }
    assert_eq!(document["phase"], "root");
    assert_eq!(document["status"], "failed");
    assert_eq!(document["config"]["schema_version"], "1.0.0");
    assert_eq!(document["start_time"], "2026-11-20T12:00:00.000Z");
    let children = &document["children"];
    assert_eq!(children["preflight"]["status"], "completed");
    let disk = &children["preflight"]["children"]["disk"];
    assert_eq!(disk["config"]["least"], 5);
    assert_eq!(
        disk["logs"][1],
        "[2026-11-20 12:00:00] [INFO] [preflight/disk] succeeded after 400ms"
    );
    let welcome = &children["first-run"]["children"]["welcome"];
    assert_eq!(welcome["status"], "skipped");
    let text = testing::written(|out| tree(&story).write(true, out));
    let places =
        ["preflight", "config", "first-run"].map(|name| text.find(&format!("\"{name}\":")));
    assert!(places.is_sorted(), "children come in the plan's order");
}

/// H18. H19.
#[test]
fn h18_the_document_has_each_error_once_with_its_full_path() {
    let story = failed(installation());
    let tree = tree(&story);
    let errors: Vec<&String> = tree.phases.iter().flat_map(|phase| &phase.errors).collect();
    assert_eq!(errors, ["config/hardware/bluetooth: exit 3: no adapter"]);
    for path in ["", "config", "config/hardware", "config/hardware/bluetooth"] {
        assert_eq!(tree.find(path).unwrap().status, Status::Failed, "{path}");
    }
    assert_eq!(tree.find("preflight").unwrap().status, Status::Completed);
    for path in ["config/hardware/wifi", "first-run", "first-run/welcome"] {
        assert_eq!(tree.find(path).unwrap().status, Status::Skipped, "{path}");
    }
}

/// H19.
#[test]
fn h19_the_document_of_a_run_that_goes_on_says_what_runs() {
    let mut story = Story::until(
        installation(),
        |_, _| (exited(0), 400),
        |event| matches!(event.kind, Kind::StepStarted { attempt, .. } if attempt.step.at() == 5),
    );
    story.now += 3_000;
    let tree = tree(&story);
    for path in ["", "config", "config/hardware", "config/hardware/bluetooth"] {
        let phase = tree.find(path).unwrap();
        assert_eq!(phase.status, Status::Running, "{path:?}");
        let current = phase.current_step.as_deref();
        assert_eq!(current, Some("config/hardware/bluetooth"), "{path:?}");
        assert_eq!(phase.end_time, None, "{path:?}");
    }
    let done = tree.find("preflight").unwrap();
    assert_eq!(
        (done.status, &done.current_step),
        (Status::Completed, &None)
    );
    assert_eq!(tree.find("first-run").unwrap().status, Status::Pending);
}

/// H19.
#[test]
fn h19_a_run_without_an_engine_says_so_once() {
    let story = Story::until(
        installation(),
        |_, _| (exited(0), 400),
        |event| matches!(event.kind, Kind::StepFinished { .. }),
    );
    let subject = Subject {
        interrupted: true,
        ..subject(&story)
    };
    let tree = document::of(subject, &story.events, &TimeZone::UTC);
    let said = format!("its engine is gone; quintet resume {RUN}");
    assert_eq!(tree.root().unwrap().errors, [said]);
    assert_eq!(tree.find("preflight").unwrap().status, Status::Pending);
}

/// H19.
#[test]
fn h19_a_thousand_levels_need_no_stack() {
    let id = (0..1_000).map(|_| "x").collect::<Vec<_>>().join("/");
    let mut plan = testing::plan(&["a"]);
    plan.steps[0].id = id.as_str().into();
    let story = Story::of(plan, |_, _| (exited(1), 10));
    let tree = tree(&story);
    assert_eq!(tree.phases.len(), 1_001);
    assert!(
        tree.phases
            .iter()
            .all(|phase| phase.status == Status::Failed)
    );
    let errors = tree.phases.iter().map(|phase| phase.errors.len());
    assert_eq!(errors.sum::<usize>(), 1);
    for in_one_line in [true, false] {
        let text = testing::written(|out| tree.write(in_one_line, out));
        assert!(text.len() < 2 << 20, "{} bytes", text.len());
        assert_eq!(text.matches("\"status\":\"failed\"").count(), 1_001);
    }
}
