//! Jobs as plans: what waits for what, what reaches scripts, and what a failure
//! means.

use serde_json::{Value, json};

use super::Options;
use crate::load::playbook::tests::{Folders, env, lines, step, when};
use crate::plan::{OnFailure, Plan};

fn plan(jobs: &Value) -> Plan {
    Folders::new().plan(&json!({ "jobs": jobs }))
}

fn errors(jobs: &Value) -> Vec<String> {
    let book = json!({ "jobs": jobs });
    let problems = Folders::new().errors(&book, &Options::default());
    problems.into_iter().map(|p| p.message).collect()
}

/// A40: jobs begin at once, their steps run one after another, and a job begins
/// when what it needs has succeeded.
#[test]
fn a40_jobs_wait_for_what_they_need() {
    let plan = plan(&json!({
        "test": {"needs": ["build", "lint"], "steps": [{"run": "0402"}]},
        "build": {"steps": [{"run": "0001,0002"}, {"run": "0208"}]},
        "lint": {"steps": [{"run": "0201"}]},
    }));
    assert_eq!(
        lines(&plan),
        [
            "build/0001_One",
            "build/0002_Two << build/0001_One",
            "build/0208_Docker << build/0002_Two",
            "build << build/0001_One build/0002_Two build/0208_Docker",
            "lint/0201_Install-Node",
            "lint << lint/0201_Install-Node",
            "test/0402_Test << build lint",
            "test << test/0402_Test",
        ]
    );
    for id in ["build/0001_One", "test/0402_Test"] {
        let policy = &step(&plan, id).policy;
        assert!(policy.critical, "the run fails with it");
        assert_eq!(
            policy.on_failure,
            OnFailure::SkipDependents,
            "and what does not need it goes on"
        );
    }
}

/// A40: the environment of the playbook, of the job and of the step; the inner wins.
#[test]
fn a40_env_has_three_levels() {
    let plan = Folders::new().plan(&json!({
        "env": {"A": "book", "B": "book", "C": "book", "CI": "{{env.CI}}!"},
        "vars": {"x": "y"},
        "jobs": {"j": {
            "env": {"B": "job", "C": "job", "OUTER": "${{ env.A }}-${{ env.B }}"},
            "steps": [
                {"run": "0001", "env": {"C": "step ${{ env.C }}"}},
                {"run": "0002", "with": {"All": "${{ env.C }}${{ env.CI }}"}},
            ],
        }},
    }));
    let told = |id, name| env(&plan, id, name).unwrap_or_default();
    let (one, two) = ("j/0001_One", "j/0002_Two");
    let found = ["A", "B", "C", "OUTER", "CI"].map(|name| (told(one, name), told(two, name)));
    let expected = [
        ("book", "book"),
        ("job", "job"),
        ("step job", "job"),
        ("book-job", "book-job"),
        ("true!", "true!"),
    ];
    assert_eq!(found, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert_eq!(told(two, "QUINTET_VAR_All"), "jobtrue!");
}

/// A40: a stage for each combination; who needs the job waits for all of them.
#[test]
fn a40_every_combination_of_a_matrix_is_an_instance() {
    let plan = plan(&json!({
        "build": {
            "strategy": {"matrix": {"os": ["linux", "mac"], "version": [3.12]}},
            "steps": [{"run": "0001", "env": {"ON": "<${{ matrix.os }} ${{ matrix.version }}>"},
                       "if": "matrix.os != 'windows'"}],
        },
        "test": {"needs": "build", "steps": [{"run": "0402"}]},
    }));
    assert_eq!(
        lines(&plan),
        [
            "build-linux-3-12/0001_One",
            "build-linux-3-12 << build-linux-3-12/0001_One",
            "build-mac-3-12/0001_One",
            "build-mac-3-12 << build-mac-3-12/0001_One",
            "test/0402_Test << build-linux-3-12 build-mac-3-12",
            "test << test/0402_Test",
        ]
    );
    let on = |id| env(&plan, id, "ON").unwrap();
    assert_eq!(on("build-linux-3-12/0001_One"), "<linux 3.12>");
    let told = env(&plan, "build-linux-3-12/0001_One", "QUINTET_VAR_matrix");
    assert_eq!(told.as_deref(), Some("{\"os\":\"linux\",\"version\":3.12}"));
    assert_eq!(
        when(&plan, "build-linux-3-12/0001_One"),
        Some("'linux' != 'windows'")
    );
}

/// A40: so many combinations at once.
#[test]
fn a40_max_parallel_makes_combinations_wait() {
    let plan = plan(&json!({"b": {
        "strategy": {"max-parallel": 2, "matrix": {"n": [1, 2, 3, 4]}},
        "steps": [{"run": "0001"}],
    }}));
    let lines = lines(&plan);
    let waits: Vec<&str> = lines.iter().step_by(2).map(|line| &**line).collect();
    assert_eq!(
        waits,
        [
            "b-1/0001_One",
            "b-2/0001_One",
            "b-3/0001_One < b-1",
            "b-4/0001_One < b-2",
        ]
    );
}

/// A40: what a step puts out is handed on within its job and to those that need it.
#[test]
fn a40_outputs_are_handed_on() {
    let jobs = json!({
        "get": {
            "outputs": {"version": "v${{ steps.ver.outputs.number }}"},
            "steps": [
                {"id": "ver", "run": "0001"},
                {"run": "0002", "with": {"n": "${{ steps.ver.outputs.number }}"},
                 "if": "steps.ver.outputs.number != ''"},
            ],
        },
        "use": {"needs": "get", "steps": [
            {"run": "0402", "env": {"V": "<${{ needs.get.outputs.version }}>"}},
        ]},
    });
    let made = plan(&jobs);
    assert_eq!(
        env(&made, "get/0002_Two", "QUINTET_VAR_n").as_deref(),
        Some("${steps.get/0001_One.outputs.number}")
    );
    assert_eq!(
        when(&made, "get/0002_Two"),
        Some("steps['get/0001_One'].outputs['number'] != ''")
    );
    assert_eq!(
        env(&made, "use/0402_Test", "V").as_deref(),
        Some("<v${steps.get/0001_One.outputs.number}>")
    );
    // Only of a job that is needed is it known that it has put out anything.
    let mut alone = jobs;
    alone["use"]["needs"] = Value::Null;
    let warnings = Folders::new().warnings(&json!({ "jobs": alone }));
    assert_eq!(
        warnings,
        ["nothing gives a value to \"needs.get.outputs.version\", so it is empty"]
    );
}

/// A40: variables and inputs under the names that jobs give them.
#[test]
fn a40_vars_and_inputs_have_their_own_names() {
    let plan = Folders::new().plan(&json!({
        "inputs": {"who": {"default": "me"}},
        "variables": {"Level": 3},
        "jobs": {"j": {"if": "vars.Level -gt 2 && inputs.who == 'me'", "steps": [
            {"run": "0001", "with": {"p": "${{ inputs.who }}${{ vars.level }}"}},
        ]}},
    }));
    assert_eq!(
        env(&plan, "j/0001_One", "QUINTET_VAR_p").as_deref(),
        Some("me3")
    );
    assert_eq!(when(&plan, "j/0001_One"), Some("3 -gt 2 && 'me' == 'me'"));
}

/// A40: a job whose condition does not hold is skipped, and so is what needs it,
/// unless that asks what became of it.
#[test]
fn a40_a_job_that_is_skipped_skips_what_needs_it() {
    let plan = plan(&json!({
        "build": {"if": "env.DEPLOY == 'yes'", "steps": [{"run": "0001"}]},
        "test": {"needs": "build", "steps": [{"run": "0002"}]},
        "tell": {"needs": ["build", "test"], "if": "failure()", "steps": [{"run": "0402"}]},
        "clean": {"needs": "test", "if": "${{ always() }}", "steps": [{"run": "0208"}]},
        "say": {"needs": "test", "if": "needs.test.result == 'skipped'", "steps": [{"run": "0201"}]},
    }));
    let condition = Some("env.DEPLOY == 'yes'");
    assert_eq!(when(&plan, "build/0001_One"), condition);
    assert_eq!(when(&plan, "build"), condition);
    let reached = Some("steps['build'].status == 'succeeded'");
    assert_eq!(when(&plan, "test/0002_Two"), reached);
    assert_eq!(when(&plan, "test"), reached);
    assert_eq!(
        when(&plan, "tell/0402_Test"),
        Some(
            "(steps['build/0001_One'].status == 'failed' or steps['test/0002_Two'].status == 'failed')"
        )
    );
    let waits = lines(&plan);
    assert!(
        waits.contains(&"tell/0402_Test < build test".into()),
        "{waits:?}"
    );
    assert!(
        waits.contains(&"clean/0208_Docker < test".into()),
        "{waits:?}"
    );
    assert_eq!(when(&plan, "clean/0208_Docker"), Some("(true)"));
    assert!(step(&plan, "clean/0208_Docker").policy.always);
    assert_eq!(
        when(&plan, "say/0201_Install-Node"),
        Some(
            "((not (steps['test'].status == 'succeeded') and not \
             (steps['test/0002_Two'].status == 'failed')))"
        )
    );
}

/// A40: within a job, conditions ask about the steps before.
#[test]
fn a40_steps_ask_about_the_steps_before_them() {
    let plan = plan(&json!({"j": {"steps": [
        {"id": "one", "run": "0001"},
        {"run": "0002", "if": "failure()"},
        {"run": "0208", "if": "steps.one.outcome == 'success'"},
        {"run": "0402"},
    ]}}));
    assert_eq!(
        lines(&plan),
        [
            "j/0001_One",
            "j/0002_Two < j/0001_One",
            "j/0208_Docker < j/0001_One j/0002_Two",
            "j/0402_Test < j/0208_Docker << j/0001_One",
            "j << j/0001_One j/0002_Two j/0208_Docker j/0402_Test",
        ]
    );
    assert_eq!(
        when(&plan, "j/0002_Two"),
        Some("(steps['j/0001_One'].status == 'failed')")
    );
    assert_eq!(
        when(&plan, "j/0208_Docker"),
        Some("steps['j/0001_One'].status == 'succeeded'")
    );
    assert_eq!(when(&plan, "j/0402_Test"), None);
    assert!(
        errors(&json!({"j": {"steps": [{"run": "0001", "if": "cancelled()"}]}}))[0]
            .contains("cancelled() is not known")
    );
}

/// A40: a step that is gone on after, and a job.
#[test]
fn a40_failures_that_are_gone_on_after() {
    let plan = plan(&json!({
        "a": {"steps": [
            {"run": "0001", "continue-on-error": true},
            {"run": "0002"},
        ]},
        "b": {"continueOnError": true, "steps": [{"run": "0201"}, {"run": "0208"}]},
        "c": {"needs": ["a", "b"], "steps": [{"run": "0402"}]},
    }));
    assert_eq!(
        lines(&plan),
        [
            "a/0001_One",
            "a/0002_Two < a/0001_One",
            "a < a/0001_One << a/0002_Two",
            "b/0201_Install-Node",
            "b/0208_Docker << b/0201_Install-Node",
            "b << b/0201_Install-Node b/0208_Docker",
            "c/0402_Test < b << a",
            "c << c/0402_Test",
        ]
    );
    assert!(!step(&plan, "a/0001_One").policy.critical);
    assert!(step(&plan, "a/0002_Two").policy.critical);
    assert!(!step(&plan, "b/0208_Docker").policy.critical);
}

/// A40: a job may use a playbook, which has its place there.
#[test]
fn a40_a_step_uses_a_playbook() {
    let folders = Folders::new();
    folders.write(
        "inner.json",
        &json!({"inputs": {"to": {}}, "stages": [{"name": "In", "sequence": ["0402"]}]}),
    );
    let plan = folders.plan(&json!({"jobs": {"j": {"steps": [
        {"run": "0001"},
        {"id": "sub", "uses": "playbook:inner", "with": {"to": "x"}},
        {"run": "0002"},
    ]}}}));
    assert_eq!(
        lines(&plan),
        [
            "j/0001_One",
            "j/sub/start << j/0001_One",
            "j/sub/in/0402_Test < j/sub/start",
            "j/sub/in < j/sub/in/0402_Test",
            "j/0002_Two << j/sub/in",
            "j << j/0001_One j/sub/in j/0002_Two",
        ]
    );
    assert_eq!(
        env(&plan, "j/sub/in/0402_Test", "QUINTET_VAR_to").as_deref(),
        Some("x")
    );
}

/// A40: playbooks that run others are bounded in number, not only in depth.
#[test]
fn a40_playbooks_that_multiply_come_to_an_end() {
    let folders = Folders::new();
    let forty = |name: &str| json!({"steps": vec![json!({"playbook": name}); 40]});
    folders.write("wide.json", &forty("wider"));
    folders.write("wider.json", &forty("last"));
    folders.write("last.json", &json!({"steps": [{"script": "0001"}]}));
    let book = json!({"steps": [{"playbook": "wide"}]});
    let problems = folders.errors(&book, &Options::default());
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert_eq!(
        problems[0].message,
        "other playbooks are run more than 1000 times"
    );
}

/// A40: a chain of playbooks that goes too deep is an error, not a hole in the plan.
#[test]
fn a40_playbooks_run_others_so_deep() {
    let folders = Folders::new();
    for n in 0..20 {
        let next = json!({"steps": [{"id": "x", "playbook": format!("p{}", n + 1)}]});
        folders.write(&format!("p{n}.json"), &next);
    }
    folders.write("p20.json", &json!({"steps": [{"script": "0001"}]}));
    let book = json!({"steps": [{"playbook": "p0"}]});
    let problems = folders.errors(&book, &Options::default());
    assert_eq!(
        problems[0].message,
        "playbooks run others more than 16 deep"
    );
}
