//! Where steps run: what a plan, a group and a step say of it, what comes of it,
//! what is refused, and that it is told and kept.

use std::collections::BTreeSet;

use proptest::prelude::*;
use quintet::plan::problem::Severity;
use quintet::plan::{Executor, Slurm};
use serde_json::{Value, json};

use super::*;
use crate::support::Test;

/// The executors of a plan's steps, by their ids.
fn executors(plan: &Plan) -> Vec<(&str, &Executor)> {
    let steps = plan.steps.iter();
    steps.map(|step| (&*step.id, &step.executor)).collect()
}

/// The executor of the only step.
#[track_caller]
fn of_step(said: &str) -> Executor {
    plan(&one_step(&format!("\"executor\": {said}"))).steps[0]
        .executor
        .clone()
}

#[track_caller]
fn asked(said: &str) -> Slurm {
    match of_step(said) {
        Executor::Slurm(asked) => (*asked).clone(),
        other => panic!("{said} is {other:?}"),
    }
}

/// The problems with a step's executor, and the text that each points at.
#[track_caller]
fn problems(said: &str) -> Vec<(String, String)> {
    let refusal = refused(&one_step(&format!("\"executor\": {said}")));
    let text = refusal.sources.text(0);
    let place = |problem: &Problem| {
        let (span, _) = problem.at.as_ref().expect("a place");
        text[span.start as usize..span.end as usize].to_owned()
    };
    let problems = refusal.problems.iter();
    problems.map(|p| (p.message.clone(), place(p))).collect()
}

fn slurm() -> Executor {
    Executor::Slurm(Default::default())
}

#[test]
fn s01_a_word_says_where_a_step_runs() {
    assert_eq!(of_step(r#""slurm""#), slurm());
    assert_eq!(of_step(r#""local""#), Executor::Local);
    assert_eq!(of_step("null"), Executor::Unsaid);
    assert_eq!(of_step(r#"{"kind": "slurm"}"#), slurm());
    assert_eq!(of_step(r#"{"kind": "local"}"#), Executor::Local);
    assert_eq!(of_step("{}"), slurm());
}

#[test]
fn s02_an_object_says_what_is_asked_of_slurm() {
    let all = r#"{"kind": "slurm", "cpus": 4, "memory": "8GiB", "gpus": "a100:2", "time": "2h",
        "partition": "main,long", "account": "lab", "labels": {"team": "a b", "n": 3},
        "options": ["--exclusive", "--constraint=ib"], "x-note": 1}"#;
    let expected = Slurm {
        cpus: Some(4),
        memory: Some(8192),
        gpus: Some("a100:2".into()),
        time: Some(120),
        partition: Some("main,long".into()),
        account: Some("lab".into()),
        labels: [("n".into(), "3".into()), ("team".into(), "a b".into())].into(),
        options: vec!["--exclusive".into(), "--constraint=ib".into()],
    };
    assert_eq!(asked(all), expected);
}

#[test]
fn s03_memory_counts_in_mib_unless_it_says_otherwise() {
    for (said, mib) in [
        ("512", 512),
        ("\"512\"", 512),
        ("\"512M\"", 512),
        ("\"8G\"", 8192),
        ("\"8GiB\"", 8192),
        ("\"8 GB\"", 8192),
        ("\"1.5G\"", 1536),
        ("\"1T\"", 1 << 20),
        ("\"1025k\"", 2),
        ("\"1k\"", 1),
    ] {
        let said = format!("{{\"memory\": {said}}}");
        assert_eq!(asked(&said).memory, Some(mib), "{said}");
    }
}

#[test]
fn s04_a_time_is_whole_minutes_and_never_less_than_was_asked() {
    for (said, minutes) in [
        ("60", 1),
        ("61", 2),
        ("0.5", 1),
        ("0", 0),
        ("\"90s\"", 2),
        ("\"10m\"", 10),
        ("\"2h\"", 120),
        ("\"1d\"", 1440),
        ("\"1h 1s\"", 61),
    ] {
        let said = format!("{{\"time\": {said}}}");
        assert_eq!(asked(&said).time, Some(minutes), "{said}");
    }
}

#[test]
fn s05_gpus_are_counted_with_or_without_their_type() {
    for (said, gpus) in [
        ("1", "1"),
        ("\"2\"", "2"),
        ("\"a100:2\"", "a100:2"),
        ("\"volta:3,kepler:1\"", "volta:3,kepler:1"),
    ] {
        let said = format!("{{\"gpus\": {said}}}");
        assert_eq!(asked(&said).gpus.as_deref(), Some(gpus), "{said}");
    }
}

#[test]
fn s06_a_step_lies_over_its_group_and_that_over_the_plan() {
    let text = r#"{"plan_id": "p",
        "executor": {"partition": "main", "cpus": 1, "labels": {"of": "plan", "team": "a"},
            "options": ["--nice"]},
        "steps": [
        {"id": "a", "command": "true"},
        {"id": "b", "command": "true", "executor": {"cpus": 8}},
        {"id": "g/x", "command": "true"},
        {"id": "g/y", "command": "true", "executor": {"memory": 9, "options": ["--exclusive"]}},
        {"id": "g/in/z", "command": "true"},
        {"id": "gx/z", "command": "true", "executor": "slurm"},
        {"id": "g/in", "type": "group", "executor": {"cpus": 3}},
        {"id": "g", "type": "group", "depends_on": ["g/x"],
            "executor": {"kind": "slurm", "partition": "long", "labels": {"of": "group"}}}]}"#;
    let base = || Slurm {
        partition: Some("main".into()),
        cpus: Some(1),
        labels: [("of".into(), "plan".into()), ("team".into(), "a".into())].into(),
        options: vec!["--nice".into()],
        ..Slurm::default()
    };
    let group = || {
        let mut group = base();
        group.partition = Some("long".into());
        group.labels.insert("of".into(), "group".into());
        group
    };
    let slurm = |asked: Slurm| Executor::Slurm(asked.into());
    let expected = [
        ("a", slurm(base())),
        (
            "b",
            slurm(Slurm {
                cpus: Some(8),
                ..base()
            }),
        ),
        ("g/x", slurm(group())),
        (
            "g/y",
            slurm(Slurm {
                memory: Some(9),
                options: vec!["--nice".into(), "--exclusive".into()],
                ..group()
            }),
        ),
        (
            "g/in/z",
            slurm(Slurm {
                cpus: Some(3),
                ..group()
            }),
        ),
        ("gx/z", slurm(base())),
        ("g/in", Executor::Unsaid),
        ("g", Executor::Unsaid),
    ];
    let plan = plan(text);
    for ((id, found), (name, expected)) in executors(&plan).into_iter().zip(&expected) {
        assert_eq!((id, found), (*name, expected));
    }
}

#[test]
fn s07_what_is_local_closer_in_asks_for_nothing() {
    let text = r#"{"plan_id": "p", "executor": {"partition": "main"}, "steps": [
        {"id": "a", "command": "true", "executor": "local"},
        {"id": "g", "type": "group", "executor": {"kind": "local"}},
        {"id": "g/a", "command": "true"},
        {"id": "g/b", "command": "true", "executor": {"cpus": 2}},
        {"id": "c", "command": "true", "executor": null}]}"#;
    let plan = plan(text);
    let slurm = |asked: Slurm| Executor::Slurm(asked.into());
    let cpus = slurm(Slurm {
        cpus: Some(2),
        ..Slurm::default()
    });
    let partition = slurm(Slurm {
        partition: Some("main".into()),
        ..Slurm::default()
    });
    assert_eq!(
        executors(&plan),
        [
            ("a", &Executor::Local),
            ("g", &Executor::Unsaid),
            ("g/a", &Executor::Local),
            ("g/b", &cpus),
            ("c", &partition),
        ]
    );
}

#[test]
fn s08_a_plan_that_says_nothing_leaves_it_open() {
    let plan = plan(r#"{"steps": [{"id": "a/b", "command": "true"}]}"#);
    assert_eq!(executors(&plan), [("a/b", &Executor::Unsaid)]);
    assert!(!plan.asks_slurm());
}

#[test]
fn s09_a_group_of_nobody_is_told_of() {
    let text = r#"{"plan_id": "p", "steps": [
        {"id": "a", "command": "true"},
        {"id": "g", "type": "group", "depends_on": ["a"], "executor": "slurm"},
        {"id": "gx/a", "command": "true"}]}"#;
    let loaded = loaded(text);
    assert_eq!(
        messages(&loaded.warnings),
        ["steps[1].executor: has no effect, since no step's id begins with \"g/\""]
    );
    let (span, _) = loaded.warnings[0].at.clone().unwrap();
    assert_eq!((span.end - span.start) as usize, "slurm".len());
}

#[test]
fn s10_steps_that_ask_alike_share_what_they_ask() {
    let step =
        |n: usize| json!({"id": format!("s{n}"), "command": "true", "executor": {"cpus": 2}});
    let steps: Vec<Value> = (0..50).map(step).collect();
    let plan = plan(&json!({ "plan_id": "p", "steps": steps }).to_string());
    let asked = plan.steps.iter().filter_map(|s| s.executor.slurm());
    let places: BTreeSet<_> = asked.map(std::sync::Arc::as_ptr).collect();
    assert_eq!(places.len(), 1);
}

#[test]
fn s11_variables_are_replaced_and_secrets_refused() {
    let with = |partition: &str| {
        format!(
            r#"{{"variables": {{"WHERE": "slurm", "P": "main", "T": {{"secret": true}}}},
            "executor": {{"kind": "${{WHERE}}", "partition": "{partition}",
                "options": ["--qos=${{P}}"]}},
            "steps": [{{"id": "a", "command": "echo", "args": ["${{T}}"]}}]}}"#
        )
    };
    let plan = loaded_with(&with("${P}-x"), &with_var("T", "hunter2")).plan;
    let asked = plan.steps[0].executor.slurm().unwrap();
    assert_eq!(asked.partition.as_deref(), Some("main-x"));
    assert_eq!(asked.options, ["--qos=main".into()]);
    let refusal = refused_with(&with("${T}"), &with_var("T", "hunter2"));
    assert_eq!(
        messages(&refusal.problems),
        ["executor.partition: variable \"T\" is secret, and this would show it"]
    );
    let split = with_var("P", "a b");
    let refusal = refused_with(&with("${P}").replace("${T}", "x"), &split);
    assert_eq!(
        messages(&refusal.problems),
        ["executor.partition: \"a b\" holds ' ', which no such name can"]
    );
}

#[test]
fn s12_what_is_no_executor_is_refused_where_it_stands() {
    for (said, message, place) in [
        (
            r#""slrum""#,
            "executor: expected one of slurm, local, found \"slrum\"",
            "slrum",
        ),
        (
            r#"{"kind": "kubernetes"}"#,
            "executor.kind: expected one of slurm, local, found \"kubernetes\"",
            "kubernetes",
        ),
        (
            "3",
            "executor: expected a text or an object, found the number 3",
            "3",
        ),
        (r#"{"cpu": 4}"#, "executor: unknown field \"cpu\"", "cpu"),
        (r#"{"qos": "x"}"#, "executor: unknown field \"qos\"", "qos"),
        (
            r#"{"kind": "local", "cpus": 4}"#,
            "executor.cpus: is asked of Slurm, and this runs on this machine",
            "4",
        ),
        (
            r#"{"cpus": 0}"#,
            "executor.cpus: 0 is too small; 1 is the least",
            "0",
        ),
        (
            r#"{"cpus": 1.5}"#,
            "executor.cpus: expected a whole number, found 1.5",
            "1.5",
        ),
        (
            r#"{"memory": 0}"#,
            "executor.memory: 0 is too small; 1 is the least",
            "0",
        ),
        (
            r#"{"memory": "8 pounds"}"#,
            "executor.memory: expected memory such as 8GiB or 512M, found \"8 pounds\"",
            "8 pounds",
        ),
        (
            r#"{"memory": "99999999999999999999"}"#,
            "executor.memory: expected memory such as 8GiB or 512M, found \"99999999999999999999\"",
            "99999999999999999999",
        ),
        (
            r#"{"memory": "0M"}"#,
            "executor.memory: expected memory such as 8GiB or 512M, found \"0M\"",
            "0M",
        ),
        (
            r#"{"gpus": "a100:"}"#,
            "executor.gpus: expected a number of GPUs, or such as a100:2, found \"a100:\"",
            "a100:",
        ),
        (
            r#"{"gpus": "2,"}"#,
            "executor.gpus: expected a number of GPUs, or such as a100:2, found \"2,\"",
            "2,",
        ),
        (
            r#"{"gpus": "+2"}"#,
            "executor.gpus: expected a number of GPUs, or such as a100:2, found \"+2\"",
            "+2",
        ),
        (
            r#"{"time": "soon"}"#,
            "executor.time: expected a time such as 90s, 10m or 1h, found \"soon\"",
            "soon",
        ),
        (
            r#"{"time": -1}"#,
            "executor.time: -1 is too small; 0 is the least",
            "-1",
        ),
        (
            r#"{"partition": "debug*"}"#,
            "executor.partition: \"debug*\" holds '*', which no such name can",
            "debug*",
        ),
        (
            r#"{"partition": "a,,b"}"#,
            "executor.partition: a name in it is empty",
            "a,,b",
        ),
        (
            r#"{"partition": "-x"}"#,
            "executor.partition: \"-x\" begins like an option",
            "-x",
        ),
        (
            r#"{"partition": "a\u0000"}"#,
            "executor.partition: \"a\\0\" holds '\\0', which no such name can",
            "a\\u0000",
        ),
        (
            r#"{"account": "a,b"}"#,
            "executor.account: \"a,b\" holds ',', which no such name can",
            "a,b",
        ),
        (
            r#"{"account": "a\nb"}"#,
            "executor.account: \"a\\nb\" holds '\\n', which no such name can",
            "a\\nb",
        ),
        (
            r#"{"labels": {"a=b": "x"}}"#,
            "executor.labels.a=b: \"a=b\" holds '=', which no such name can",
            "a=b",
        ),
        (
            r#"{"labels": {"a": "x,y"}}"#,
            "executor.labels.a: holds ',', which no label can",
            "x,y",
        ),
        (
            r#"{"labels": {"a": "x\ny"}}"#,
            "executor.labels.a: holds '\\n', which no label can",
            "x\\ny",
        ),
        (
            r#"{"labels": {"a": "x\u0000"}}"#,
            "executor.labels.a: holds '\\0', which no label can",
            "x\\u0000",
        ),
        (
            r#"{"options": "--nice"}"#,
            "executor.options: expected a list of texts, found the text \"--nice\"",
            "--nice",
        ),
    ] {
        let expected = (format!("steps[0].{message}"), place.to_owned());
        assert_eq!(problems(said), [expected], "{said}");
    }
}

#[test]
fn s13_options_that_would_break_what_is_relied_on_are_refused_where_they_stand() {
    for option in [
        "ib",
        "-",
        "--",
        "",
        "--array=1-3",
        "-a1",
        "--job-name=x",
        "-Jx",
        "--output=x",
        "-ox",
        "--error=x",
        "-ex",
        "--wrap=x",
        "--parsable",
        "--wait",
        "-W",
        "--requeue",
        "--dependency=afterok:1",
        "-dafterok:1",
        "--open-mode=truncate",
        "--export=ALL",
        "--test-only",
        "--input=x",
        "-ix",
        "--chdir=/",
        "-D/",
        "--nodes=2",
        "-N2",
        "--nodes",
        "--ntasks=2",
        "-n2",
        "--comment=x",
        "--clusters=x",
        "-Mx",
        "--uid=1",
        "--version",
        "--constraint",
        "-C",
        "--nice\u{0}",
        "--nice\nx",
        "--arr=1",
        "-HJx",
    ] {
        let said = json!({ "options": ["--exclusive", option] }).to_string();
        let found = problems(&said);
        let [(message, place)] = &found[..] else {
            panic!("{option:?}: {found:?}");
        };
        let written = json!(option).to_string();
        assert_eq!(*place, written[1..written.len() - 1], "{option:?}");
        let begins = "steps[0].executor.options[1]: ";
        assert!(message.starts_with(begins), "{option:?}: {message}");
    }
    let fine = [
        "--exclusive",
        "--constraint=ib",
        "--nodes=1",
        "-n1",
        "-Cib",
        "--qos=high",
    ];
    let said = json!({ "options": fine }).to_string();
    assert_eq!(asked(&said).options, fine.map(Box::from));
}

#[test]
fn s14_what_was_meant_is_said() {
    let text = r#"{"executor": {"part": "main", "qos": "x"}, "steps": [
  {"id": "a", "command": "true", "executer": "slurm"},
  {"id": "b", "command": "true", "executor": "slrum"},
  {"id": "c", "command": "true", "executor": {"options": ["--constraint", "ib", "--array=1-3"]}}]}"#;
    insta::assert_snapshot!(shown(&refused(text)), @r#"
    error: executor: unknown field "part"
     --> plan.json:1:16
      |
    1 | {"executor": {"part": "main", "qos": "x"}, "steps": [
      |                ^^^^
      |
      = help: did you mean "partition"?

    error: executor: unknown field "qos"
     --> plan.json:1:32
      |
    1 | {"executor": {"part": "main", "qos": "x"}, "steps": [
      |                                ^^^
      |
      = help: what else sbatch takes stands in "options", such as ["--qos=high"]

    error: steps[0]: unknown field "executer"
     --> plan.json:2:35
      |
    2 |   {"id": "a", "command": "true", "executer": "slurm"},
      |                                   ^^^^^^^^
      |
      = help: did you mean "executor"?

    error: steps[1].executor: expected one of slurm, local, found "slrum"
     --> plan.json:3:47
      |
    3 |   {"id": "b", "command": "true", "executor": "slrum"},
      |                                               ^^^^^
      |
      = help: did you mean "slurm"?

    error: steps[2].executor.options[0]: "--constraint" takes a value
     --> plan.json:4:60
      |
    4 |   {"id": "c", "command": "true", "executor": {"options": ["--constraint", "ib", "--array=1-3"...
      |                                                            ^^^^^^^^^^^^
      |
      = help: an option and its value are one text: "--constraint=VALUE"

    error: steps[2].executor.options[1]: "ib" is no option of sbatch
     --> plan.json:4:76
      |
    4 |   {"id": "c", "command": "true", "executor": {"options": ["--constraint", "ib", "--array=1-3"...
      |                                                                            ^^
      |
      = help: an option and its value are one text: "--constraint=ib"

    error: steps[2].executor.options[2]: "--array=1-3" cannot stand here: an attempt is one job
     --> plan.json:4:82
      |
    4 | ...": {"options": ["--constraint", "ib", "--array=1-3"]}}]}
      |                                           ^^^^^^^^^^^
    "#);
}

#[test]
fn s15_all_formats_say_the_same() {
    let json = r#"{"executor": {"memory": "2G", "options": ["--nice"]},
        "steps": [{"id": "a", "command": "true", "executor": {"cpus": 2}}]}"#;
    let yaml = "executor: {memory: 2G, options: [--nice]}\n\
        steps:\n- {id: a, command: 'true', executor: {cpus: 2}}\n";
    let toml = "[executor]\nmemory = '2G'\noptions = ['--nice']\n\
        [[steps]]\nid = 'a'\ncommand = 'true'\nexecutor.cpus = 2\n";
    let psd1 = "@{ executor = @{ memory = '2G'; options = @('--nice') }\n\
        steps = @(@{ id = 'a'; command = 'true'; executor = @{ cpus = 2 } }) }";
    let of = |name: &str, text: &str| match load_str(name, text, &request()) {
        Ok(loaded) => loaded.plan.steps[0].executor.clone(),
        Err(refusal) => panic!("{name}: {}", shown(&refusal)),
    };
    let expected = Executor::Slurm(
        Slurm {
            cpus: Some(2),
            memory: Some(2048),
            options: vec!["--nice".into()],
            ..Slurm::default()
        }
        .into(),
    );
    for (name, text) in [
        ("p.json", json),
        ("p.yaml", yaml),
        ("p.toml", toml),
        ("p.psd1", psd1),
    ] {
        assert_eq!(of(name, text), expected, "{name}");
    }
}

/// An executor as a file says it.
fn said() -> impl Strategy<Value = Value> {
    let word = prop_oneof![Just(json!("slurm")), Just(json!("local"))];
    let cpus = proptest::option::of(1u32..9);
    let memory = proptest::option::of(prop_oneof![
        (1u32..9).prop_map(|n| json!(n)),
        (1u32..9).prop_map(|n| json!(format!("{n}G"))),
    ]);
    let partition = proptest::option::of("[a-c]{1,2}(,[a-c])?");
    let labels = proptest::collection::btree_map("[a-c]", "[a-c ]{0,2}", 0..3);
    let options = proptest::collection::vec("--(nice|exclusive|qos=[a-c])", 0..3);
    let object = (cpus, memory, partition, labels, options).prop_map(
        |(cpus, memory, partition, labels, options)| {
            json!({
                "cpus": cpus, "memory": memory, "partition": partition,
                "labels": labels, "options": options,
            })
        },
    );
    prop_oneof![1 => word, 4 => object]
}

/// The executors of steps in a group and outside, by what is said.
fn laid_over(of_plan: &Value, of_group: &Value, of_steps: &[Value; 2]) -> Vec<Executor> {
    let [inside, outside] = of_steps;
    let text = json!({
        "plan_id": "p", "executor": of_plan, "steps": [
            {"id": "g/a", "command": "true", "executor": inside},
            {"id": "g", "type": "group", "executor": of_group},
            {"id": "b", "command": "true", "executor": outside},
        ],
    });
    let plan = plan(&text.to_string());
    let steps = plan.steps.iter().filter(|step| &*step.id != "g");
    steps.map(|step| step.executor.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn s16_what_the_plan_says_is_what_each_step_says(one in said()) {
        let nothing = || Value::Null;
        let by_plan = laid_over(&one, &nothing(), &[nothing(), nothing()]);
        let by_steps = laid_over(&nothing(), &nothing(), &[one.clone(), one.clone()]);
        prop_assert_eq!(&by_plan, &by_steps);
        let by_both = laid_over(&nothing(), &one, &[nothing(), one.clone()]);
        prop_assert_eq!(&by_plan, &by_both);
    }

    #[test]
    fn s16_a_group_is_a_plan_for_those_under_it(outer in said(), inner in said()) {
        let nothing = || Value::Null;
        let by_group = laid_over(&outer, &inner, &[nothing(), nothing()]);
        let by_step = laid_over(&nothing(), &outer, &[inner, outer.clone()]);
        prop_assert_eq!(&by_group, &by_step);
    }
}

const PLAN: &str = r#"{"plan_id": "P", "steps": [
    {"id": "a", "command": "true", "executor": {"cpus": 4, "memory": "8G", "partition": "main"}},
    {"id": "b", "command": "true", "executor": "local"},
    {"id": "c", "command": "true"}]}"#;

#[test]
fn s17_previews_say_where_steps_run_and_what_they_ask_for() {
    let test = Test::new().file("plan.json", PLAN);
    let asked = "slurm: 4 cpus, 8 GiB, partition main";
    let shown = test.quintet(&["plan", "plan.json"]).run().text();
    let on: Vec<&str> = shown.lines().filter(|line| line.contains(" on ")).collect();
    let expected = [&format!("      on {asked}"), "      on this machine"];
    assert_eq!(on, expected, "{shown}");
    test.quintet(&["show", "plan.json", "a"])
        .stdout_has(&format!("  on            {asked}\n"))
        .run();
    let shown = test.quintet(&["show", "plan.json", "c"]).run().text();
    assert!(!shown.contains("\n  on "), "{shown}");
    let said = json!({"kind": "slurm", "cpus": 4, "memory_mib": 8192, "partition": "main"});
    let all = [said, json!({"kind": "local"}), Value::Null];
    let plan = test.quintet(&["plan", "plan.json", "--json"]).run().json();
    let graph = test.quintet(&["graph", "plan.json", "--json"]).run().json();
    for (n, (id, said)) in ["a", "b", "c"].iter().zip(&all).enumerate() {
        assert_eq!(plan["steps"][n]["executor"], *said, "{id}");
        assert_eq!(graph["nodes"][n]["executor"], *said, "{id}");
        let step = test
            .quintet(&["show", "plan.json", id, "--json"])
            .run()
            .json();
        assert_eq!(step["executor"], *said, "{id}");
    }
}

/// What is recorded of a run's steps.
fn recorded(test: &Test) -> Vec<Value> {
    let graph = test.quintet(&["graph", "last", "--json"]).run().json();
    let nodes = graph["nodes"].as_array().expect("a list").iter();
    nodes.map(|node| node["executor"].clone()).collect()
}

#[test]
fn s18_executor_local_runs_every_step_here_and_is_recorded() {
    let test = Test::new().file("plan.json", PLAN);
    test.quintet(&["run", "plan.json", "--executor", "local", "-q"])
        .run();
    assert_eq!(recorded(&test), vec![json!({"kind": "local"}); 3]);
}

/// No step of the plan runs, since nothing may be there that would run it.
#[test]
fn s19_executor_slurm_is_for_steps_of_which_nothing_is_said_and_is_recorded() {
    let disabled = PLAN.replace("\"command\"", "\"enabled\": false, \"command\"");
    let test = Test::new().file("plan.json", disabled);
    test.quintet(&["run", "plan.json", "--executor=slurm", "-q"])
        .run();
    let asked = json!({"kind": "slurm", "cpus": 4, "memory_mib": 8192, "partition": "main"});
    let expected = [asked, json!({"kind": "local"}), json!({"kind": "slurm"})];
    assert_eq!(recorded(&test), expected);
    test.quintet(&["run", "plan.json", "--executor", "slrum"])
        .status(2)
        .stderr_has("'slurm'")
        .run();
}

#[test]
fn s20_warnings_are_no_errors_unless_they_are_asked_to_be() {
    let text = r#"{"plan_id": "p", "steps": [{"id": "a", "command": "true"},
        {"id": "g", "type": "group", "executor": "slurm"}]}"#;
    let strict = Request {
        strict: true,
        ..request()
    };
    let refusal = refused_with(text, &strict);
    assert_eq!(refusal.problems[0].severity, Severity::Error);
}
