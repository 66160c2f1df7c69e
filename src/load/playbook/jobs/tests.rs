//! What jobs mean, clause by clause, as the stages that they become.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::load::document::{self, Format, Path};
use crate::load::playbook::book::{Does, Language, Needs, Playbook, Said, Stage, Values};
use crate::plan::problem::{Problem, Problems, Severity};

/// The stages of jobs, their problems, and the keys that change nothing.
fn read_as(text: &str, format: Format) -> (Vec<Stage>, Vec<Problem>, Vec<String>) {
    let mut found = Vec::new();
    let document = document::parse(text, format, 0, &mut found).expect("a document");
    assert_eq!(found, [], "the fixture is well-formed");
    let mut problems = Problems::default();
    let mut book = Playbook::default();
    let path = Path::Field(&Path::Root, "jobs");
    super::read(document.root(), &path, &mut book, &mut problems);
    let idle = book.idle.into_iter().map(|said| said.value).collect();
    (book.stages, problems.into_vec(), idle)
}

fn good(text: &str) -> Vec<Stage> {
    let (stages, problems, idle) = read_as(text, Format::Yaml);
    assert_eq!((problems, idle), (Vec::new(), Vec::new()));
    stages
}

/// The problems as what they point at, and what they say.
fn wrong(text: &str) -> Vec<(String, String)> {
    let (_, problems, _) = read_as(text, Format::Yaml);
    let shown = |problem: Problem| {
        assert_eq!(problem.severity, Severity::Error);
        let (span, _) = problem.at.expect("a place");
        let place = &text[span.start as usize..span.end as usize];
        (place.to_owned(), problem.message)
    };
    problems.into_iter().map(shown).collect()
}

fn names(stages: &[Stage]) -> Vec<&str> {
    stages.iter().map(|stage| &*stage.name.value).collect()
}

fn pairs(values: &Values) -> Vec<(&str, Value)> {
    values
        .iter()
        .map(|named| (&*named.name.value, named.value.value.clone()))
        .collect()
}

fn word(said: &Option<Said<String>>) -> Option<&str> {
    said.as_ref().map(|said| &*said.value)
}

fn plain<T: Clone>(said: &Option<Said<T>>) -> Option<T> {
    said.as_ref().map(|said| said.value.clone())
}

fn needs(stage: &Stage) -> Vec<&str> {
    match &stage.needs {
        Needs::Keys(keys) => keys.iter().map(|key| &*key.value).collect(),
        Needs::Previous => panic!("jobs need jobs by name"),
    }
}

/// A40.
#[test]
fn a40_every_clause_of_a_job_and_a_step_is_read() {
    let stages = good(
        r#"
build:
  name: Build it
  description: Makes the thing
  env: {LEVEL: job, N: 1}
  if: "vars.deploy == 'yes'"
  timeout-minutes: 2
  continue-on-error: true
  retries: 1
  outputs: {version: "${{ steps.get.outputs.version }}"}
  steps:
    - id: get
      name: Get the version
      description: From the tag
      run: "0402, 0404-0406"
      env: {LEVEL: step}
      with: {path: src}
      if: ${{ always() }}
      continue-on-error: false
      timeout: 30
      retries: 2
      retry-delay: 5
    - script: 0407_Check-Syntax.ps1
      parameters: {All: true}
    - uses: playbook:other
      if: true
"#,
    );
    let [build] = stages.as_slice() else {
        panic!("{stages:?}");
    };
    assert_eq!(
        (&*build.key.value, &*build.name.value),
        ("build", "Build it")
    );
    assert_eq!(word(&build.description), Some("Makes the thing"));
    assert_eq!(word(&build.condition), Some("vars.deploy == 'yes'"));
    assert_eq!(build.needs, Needs::Keys(Vec::new()));
    assert_eq!(build.parallel.value, json!(false));
    assert_eq!(
        pairs(&build.env),
        [("LEVEL", json!("job")), ("N", json!(1))]
    );
    assert_eq!(
        pairs(&build.outputs),
        [("version", json!("${{ steps.get.outputs.version }}"))]
    );
    assert_eq!(plain(&build.policy.timeout), Some(json!(120.0)));
    assert_eq!(plain(&build.policy.continue_on_error), Some(json!(true)));
    assert_eq!(plain(&build.policy.retries), Some(json!(1)));
    let [get, check, other] = build.items.as_slice() else {
        panic!("{build:?}");
    };
    let Does::Select(tokens) = &get.does else {
        panic!("{get:?}");
    };
    let tokens: Vec<&str> = tokens.iter().map(|token| &*token.value).collect();
    assert_eq!(tokens, ["0402", "0404-0406"]);
    assert_eq!(word(&get.id), Some("get"));
    assert_eq!(word(&get.name), Some("Get the version"));
    assert_eq!(word(&get.description), Some("From the tag"));
    assert_eq!(word(&get.condition), Some("${{ always() }}"));
    assert_eq!(pairs(&get.env), [("LEVEL", json!("step"))]);
    assert_eq!(pairs(&get.parameters), [("path", json!("src"))]);
    assert_eq!(plain(&get.policy.timeout), Some(json!(30)));
    assert_eq!(plain(&get.policy.continue_on_error), Some(json!(false)));
    assert_eq!(plain(&get.policy.retries), Some(json!(2)));
    assert_eq!(plain(&get.policy.retry_delay), Some(json!(5)));
    assert!(matches!(&check.does, Does::Script(name) if name.value == "0407_Check-Syntax.ps1"));
    assert_eq!(pairs(&check.parameters), [("All", json!(true))]);
    assert!(matches!(&other.does, Does::Playbook(name) if name.value == "other"));
    assert_eq!(word(&other.condition), Some("true"));
}

/// A40.
#[test]
fn a40_keys_may_be_written_in_any_style() {
    let step = "steps: [{run: '0402', continueOnError: true, TimeoutMinutes: 1}]";
    let kebab = good(&format!(
        "a: {{timeout-minutes: 1, retry-delay: 2, {step}}}"
    ));
    let camel = good(&format!("a: {{timeoutMinutes: 1, retryDelay: 2, {step}}}"));
    let pascal = good(&format!("a: {{TimeoutMinutes: 1, RetryDelay: 2, {step}}}"));
    for stages in [&kebab, &camel, &pascal] {
        let policy = &stages[0].policy;
        assert_eq!(plain(&policy.timeout), Some(json!(60.0)));
        assert_eq!(plain(&policy.retry_delay), Some(json!(2)));
        let policy = &stages[0].items[0].policy;
        assert_eq!(plain(&policy.continue_on_error), Some(json!(true)));
        assert_eq!(plain(&policy.timeout), Some(json!(60.0)));
    }
    assert_eq!(
        wrong("a: {retry-delay: 1, RetryDelay: 2, steps: [{run: '0402'}]}"),
        [(
            "RetryDelay".into(),
            "jobs.a: \"retry-delay\" and \"RetryDelay\" are one field".into()
        )]
    );
}

/// A31, A40: the same jobs as PowerShell data.
#[test]
fn a40_jobs_may_be_powershell_data() {
    let text = concat!(
        "@{ Build = @{ Needs = 'Setup'; Steps = @(@{ Run = '0402'; Env = @{ A = $env:HOME } }) }\n",
        "Setup = @{ Steps = @(@{ Run = 0402; With = @{ P = \"<$env:HOME>\" } }) } }"
    );
    let (stages, problems, _) = read_as(text, Format::Psd1);
    assert_eq!(problems, []);
    assert_eq!(names(&stages), ["Setup", "Build"]);
    assert_eq!(needs(&stages[1]), ["Setup"]);
    assert_eq!(
        pairs(&stages[1].items[0].env),
        [("A", json!("{{env.HOME}}"))]
    );
    assert_eq!(
        pairs(&stages[0].items[0].parameters),
        [("P", json!("<{{env.HOME}}>"))]
    );
}

/// A40.
#[test]
fn a40_scripts_are_selected_and_programs_say_their_language() {
    let does = |step: &str| {
        good(&format!("a: {{steps: [{step}]}}"))[0].items[0]
            .does
            .clone()
    };
    let selected = |step: &str| match does(step) {
        Does::Select(tokens) => tokens.into_iter().map(|t| t.value).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(selected("{run: 0402}"), ["0402"]);
    assert_eq!(selected("{run: 402}"), ["0402"]);
    assert_eq!(
        selected("{run: [402, '0404,!0403']}"),
        ["0402", "0404", "!0403"]
    );
    assert_eq!(
        selected("{run: '04*, stage:Unit Tests'}"),
        ["04*", "stage:Unit Tests"]
    );
    assert_eq!(does("{script: '402'}"), {
        let Does::Script(name) = does("{script: '402'}") else {
            panic!("no script");
        };
        assert_eq!(name.value, "0402");
        Does::Script(name)
    });
    let code = |step: &str| match does(step) {
        Does::Code { language, text } => (language, text.value),
        other => panic!("{other:?}"),
    };
    let hello = |language| (language, "echo $HOME".to_owned());
    assert_eq!(
        code("{run: echo $HOME, shell: bash}"),
        hello(Language::Shell)
    );
    assert_eq!(code("{script: echo $HOME}"), hello(Language::PowerShell));
    assert_eq!(
        code("{script: echo $HOME, shell: Python}"),
        hello(Language::Python)
    );
    assert_eq!(
        wrong("a: {steps: [{run: echo hi}]}"),
        [(
            "echo hi".into(),
            "jobs.a.steps[0].run: \"echo hi\" selects no scripts".into()
        )]
    );
    assert_eq!(
        wrong("a: {steps: [{run: echo hi, shell: perl}]}")[0],
        ("perl".into(), "\"perl\" is no shell that is known".into())
    );
    assert_eq!(
        wrong("a: {steps: [{run: 'echo ${{ env.X }}', shell: bash}]}"),
        [(
            "echo ${{ env.X }}".into(),
            "jobs.a.steps[0].run: a value within a program's text would be code".into()
        )]
    );
}

/// A40: the product of the axes, what is excluded and what is included.
#[test]
fn a40_a_matrix_is_multiplied() {
    let stages = good(
        r#"
build:
  strategy:
    max-parallel: 2
    matrix:
      os: [linux, mac]
      python: ["3.12", "3.13"]
      exclude: [{os: mac, python: "3.12"}]
      include:
        - {os: linux, fast: true}
        - {os: windows, python: "3.14"}
  steps: [{run: "0402", with: {v: "${{ matrix.python }}"}}]
test:
  needs: build
  steps: [{run: "0404"}]
"#,
    );
    assert_eq!(
        names(&stages),
        [
            "build (linux, 3.12, true)",
            "build (linux, 3.13, true)",
            "build (mac, 3.13)",
            "build (windows, 3.14)",
            "test",
        ]
    );
    for stage in &stages[..4] {
        assert_eq!(stage.key.value, "build");
        assert_eq!(plain(&stage.max_concurrency), Some(json!(2)));
        assert_eq!(
            pairs(&stage.items[0].parameters),
            [("v", json!("${{ matrix.python }}"))],
            "values are put in when all is read"
        );
    }
    assert_eq!(
        pairs(&stages[0].variables),
        [(
            "matrix",
            json!({"os": "linux", "python": "3.12", "fast": true})
        )]
    );
    assert_eq!(needs(&stages[4]), ["build"]);
}

/// A40.
#[test]
fn a40_a_matrix_without_sense_is_refused() {
    let matrix = |matrix: &str| {
        let text = format!("a: {{strategy: {{matrix: {matrix}}}, steps: [{{run: '0402'}}]}}");
        wrong(&text)
    };
    let axis = |n: usize| format!("{:?}", (0..n).collect::<Vec<_>>());
    let many = format!("{{x: {}, y: {}}}", axis(16), axis(17));
    assert_eq!(
        matrix(&many),
        [(
            "{".into(),
            "jobs.a.strategy.matrix: more than 256 combinations".into()
        )]
    );
    let endless: Vec<String> = (0..70).map(|n| format!("a{n}: [1, 2]")).collect();
    assert_eq!(matrix(&format!("{{{}}}", endless.join(", "))).len(), 1);
    assert_eq!(
        matrix("{x: [1], exclude: [{x: 1}]}"),
        [(
            "{".into(),
            "jobs.a.strategy.matrix: there is no combination".into()
        )]
    );
    assert_eq!(
        matrix("{x: 1, y: [], include: {z: 1}}"),
        [
            (
                "{".into(),
                "jobs.a.strategy.matrix.include: expected a list of objects, found an object"
                    .into()
            ),
            (
                "1".into(),
                "jobs.a.strategy.matrix.x: expected a list of values".into()
            ),
            (
                "[".into(),
                "jobs.a.strategy.matrix.y: expected a list of values".into()
            ),
        ]
    );
    assert_eq!(
        matrix("'${{ fromJSON(x) }}'"),
        [(
            "${{ fromJSON(x) }}".into(),
            "jobs.a.strategy.matrix: a matrix that is made by an expression is not known".into()
        )]
    );
    let full = format!("{{x: {}, y: {}}}", axis(16), axis(16));
    let text = format!("a: {{strategy: {{matrix: {full}}}, steps: [{{run: '0402'}}]}}");
    assert_eq!(good(&text).len(), 256);
}

/// A40.
#[test]
fn a40_a_name_with_templates_is_not_that_of_a_combination() {
    let stages = good(
        "a: {name: 'On ${{ matrix.os }}', strategy: {matrix: {os: [x]}}, steps: [{run: '0402'}]}",
    );
    assert_eq!(names(&stages), ["a (x)"]);
}

/// A40: jobs stand behind what they need, and else as they are written.
#[test]
fn a40_jobs_stand_behind_what_they_need() {
    let steps = "steps: [{run: '0402'}]";
    let stages = good(&format!(
        "d: {{needs: [b, C], {steps}}}\na: {{{steps}}}\nb: {{needs: a, {steps}}}\nc: {{{steps}}}"
    ));
    assert_eq!(names(&stages), ["a", "b", "c", "d"]);
    assert_eq!(needs(&stages[3]), ["b", "C"]);
    let long: String = (0..5000)
        .map(|n| format!("j{n}: {{needs: j{}, {steps}}}\n", n + 1))
        .collect();
    let stages = good(&format!("{long}j5000: {{{steps}}}"));
    assert_eq!(stages[0].name.value, "j5000");
}

/// A40.
#[test]
fn a40_a_need_that_is_missing_or_a_circle_is_shown() {
    let steps = "steps: [{run: '0402'}]";
    let text = format!("build: {{{steps}}}\ntest: {{needs: [biuld], {steps}}}");
    assert_eq!(
        wrong(&text),
        [(
            "biuld".into(),
            "job \"test\" needs \"biuld\", which does not exist".into()
        )]
    );
    let (_, problems, _) = read_as(&text, Format::Yaml);
    assert_eq!(problems[0].help.as_deref(), Some("did you mean \"build\"?"));

    let text = format!(
        "z: {{needs: a, {steps}}}\na: {{needs: [b], {steps}}}\nb: {{needs: c, {steps}}}\nc: {{needs: [a], {steps}}}"
    );
    let (stages, problems, _) = read_as(&text, Format::Yaml);
    assert_eq!(stages, []);
    assert_eq!(
        problems[0].message,
        "jobs need each other: \"a\" → \"b\" → \"c\" → \"a\""
    );
    let places = problems[0].at.iter().chain(&problems[0].also);
    let labels: Vec<&str> = places.map(|(_, label)| &**label).collect();
    assert_eq!(
        labels,
        [
            "\"a\" needs \"b\"",
            "\"b\" needs \"c\"",
            "\"c\" needs \"a\""
        ]
    );
    assert_eq!(
        wrong(&format!("a: {{needs: a, {steps}}}"))[0].1,
        "job \"a\" needs itself"
    );
}

/// A40.
#[test]
fn a40_what_is_no_job_is_refused_at_its_place() {
    let cases = [
        (
            "[1]",
            "[",
            "jobs: expected an object with a job for each name, found a list",
        ),
        ("{}", "{", "jobs: there are none"),
        ("a: 1", "1", "jobs.a: expected an object, found a number"),
        (
            "a: {steps: []}",
            "[",
            "jobs.a.steps: expected a list of steps",
        ),
        (
            "a: {name: x}",
            "{",
            "jobs.a.steps: expected a list of steps",
        ),
        (
            "a b: {steps: [{run: '0402'}]}",
            "a b",
            "\"a b\" cannot be a job's name",
        ),
        (
            "a: {steps: [x]}",
            "x",
            "jobs.a.steps[0]: expected an object, found a text",
        ),
        (
            "a: {steps: [{name: x}]}",
            "{",
            "jobs.a.steps[0]: nothing says what it does",
        ),
        (
            "a: {steps: [{run: '0402', uses: 'playbook:x'}]}",
            "0402",
            "jobs.a.steps[0]: several things say what it does",
        ),
        (
            "a: {steps: [{uses: actions/checkout@v4}]}",
            "actions/checkout@v4",
            "jobs.a.steps[0].uses: \"actions/checkout@v4\" is not known here",
        ),
        (
            "a: {steps: [{run: '0402', id: x}, {run: '0403', id: X}]}",
            "X",
            "the id \"X\" is given twice in one job",
        ),
        (
            "a: {steps: [{run: '0402', id: 'x y'}]}",
            "x y",
            "\"x y\" cannot be a step's name",
        ),
        (
            "a: {needs: {b: 1}, steps: [{run: '0402'}]}",
            "{",
            "jobs.a.needs: expected a text, found an object",
        ),
        (
            "a: {env: [1], steps: [{run: '0402'}]}",
            "[",
            "jobs.a.environment: expected an object, found a list",
        ),
        (
            "a: {if: [1], steps: [{run: '0402'}]}",
            "[",
            "jobs.a.if: expected a text, found a list",
        ),
        (
            "a: {timeout-minutes: soon, steps: [{run: '0402'}]}",
            "soon",
            "jobs.a: expected a number of minutes",
        ),
        (
            "a: {steps: [{run: true}]}",
            "true",
            "jobs.a.steps[0].run: expected a text, found true or false",
        ),
    ];
    for (text, place, message) in cases {
        assert_eq!(wrong(text), [(place.into(), message.into())], "{text}");
    }
}

/// A40: what is written and changes nothing is told.
#[test]
fn a40_what_changes_nothing_is_told() {
    let (_, problems, idle) = read_as(
        "a: {runs-on: linux, strategy: {fail-fast: true}, steps: [{run: '0402', outputs: []}]}",
        Format::Yaml,
    );
    assert_eq!(problems, []);
    assert_eq!(
        idle,
        [
            "jobs.a.steps[0].outputs",
            "jobs.a.strategy.fail-fast",
            "jobs.a.runs-on"
        ]
    );
}

/// The playbook, its problems, and the keys that change nothing.
fn playbook(text: &str) -> (Playbook, Vec<String>) {
    let mut found = Vec::new();
    let document = document::parse(text, Format::Yaml, 0, &mut found).expect("a document");
    let mut problems = Problems::default();
    let book = crate::load::playbook::read(document.root(), &mut problems);
    let problems = problems.into_vec().into_iter().map(|p| p.message);
    (book.expect("a playbook"), problems.collect())
}

/// A31, A40: jobs within a playbook of the third generation, and by themselves.
#[test]
fn a40_a_playbook_of_jobs_says_the_rest_as_others_do() {
    let (book, problems) = playbook(
        r#"
metadata: {name: release, description: Builds and tests, version: "3.0"}
orchestration:
  env: {LEVEL: book}
  defaults: {timeout: 120, retries: 1, continueOnError: false}
  concurrency: {maxConcurrency: 3}
  jobs:
    test: {needs: build, steps: [{run: "0402"}]}
    build: {steps: [{run: "0001"}]}
validation: {preConditions: [{name: ready, condition: "IsLinux"}]}
notifications: {onFailure: {message: broken}}
"#,
    );
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(word(&book.name), Some("release"));
    assert_eq!(word(&book.version), Some("3.0"));
    assert_eq!(pairs(&book.env), [("LEVEL", json!("book"))]);
    assert_eq!(plain(&book.policy.timeout), Some(json!(120)));
    assert_eq!(plain(&book.policy.retries), Some(json!(1)));
    assert_eq!(plain(&book.max_concurrency), Some(json!(3)));
    assert_eq!(names(&book.stages), ["build", "test"]);
    assert_eq!((book.before.len(), book.notices.len()), (1, 1));

    let (book, problems) = playbook("name: x\nenv: {A: b}\njobs: {a: {steps: [{run: '0402'}]}}");
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(names(&book.stages), ["a"]);
    assert_eq!(pairs(&book.env), [("A", json!("b"))]);

    let both = "orchestration: {stages: [{sequence: '0001'}], jobs: {a: {steps: [{run: '0402'}]}}}";
    assert_eq!(
        playbook(both).1,
        ["orchestration: there are stages and jobs"]
    );
    assert_eq!(
        playbook("orchestration: {profiles: {}}").1,
        ["orchestration: \"stages\" or \"jobs\" is missing"]
    );
}

/// Anything under the keys that jobs have.
fn anything() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(&[
        "a",
        "b",
        "0402",
        "0401-0404",
        "${{ matrix.x }}",
        "playbook:a",
        "é",
        "",
        "a.sh",
        "bash",
        "always()",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2..300i64).prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    let key = prop::sample::select(&[
        "a",
        "b",
        "needs",
        "steps",
        "run",
        "script",
        "uses",
        "strategy",
        "matrix",
        "include",
        "exclude",
        "env",
        "if",
        "id",
        "name",
        "outputs",
        "with",
        "shell",
        "Max-Parallel",
        "timeout",
        "timeout_minutes",
    ]);
    leaf.prop_recursive(6, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6).prop_map(|fields| {
                let fields = fields
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value));
                Value::Object(fields.collect())
            }),
        ]
    })
}

proptest! {
    /// XF06: whatever stands in its place, a job is read or refused at a place in
    /// the file, and each stage stands behind what it needs.
    #[test]
    fn xf06_anything_under_the_keys_of_jobs(jobs in anything(), steps in anything()) {
        let text = json!({"x": {"steps": steps, "needs": "y"}, "y": jobs}).to_string();
        let (stages, problems, _) = read_as(&text, Format::Json);
        for (span, _) in problems.iter().flat_map(|p| p.at.iter().chain(&p.also)) {
            prop_assert!(text.get(span.start as usize..span.end as usize).is_some());
        }
        for (at, stage) in stages.iter().enumerate() {
            for need in needs(stage) {
                let behind = stages[at..].iter().all(|other| other.key.value != need);
                prop_assert!(behind, "{}", text);
            }
        }
    }
}
