//! Plan files in all formats: random bytes, good files that were damaged,
//! and documents of the right shape with anything in them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::{Index, select};
use quintet::load::{Loaded, Refusal, Request, load, load_str};
use quintet::plan::Plan;
use quintet::plan::graph::Graph;
use quintet::plan::problem::Severity;
use quintet::plan::select::Selection;
use quintet::run::RunState;
use quintet::view::diagnostic::{Style, render, to_json};
use quintet::view::preview::Preview;
use serde_json::{Map, Value, json};

const NAMES: [&str; 5] = ["a.json", "a.psd1", "a.toml", "a.yaml", "a"];

fn request() -> Request {
    Request {
        cwd: "/run/from".into(),
        vars: vec![("GIVEN".into(), "x'${OTHER}\n".into())],
        ..Request::default()
    }
}

/// What must be true of whatever came of a text.
fn judge(name: &str, text: &str) -> Option<Plan> {
    match load_str(name, text, &request()) {
        Ok(loaded) => {
            sound(&loaded);
            Some(loaded.plan)
        }
        Err(refusal) => {
            refused_well(&refusal, text);
            None
        }
    }
}

/// A plan can be kept, read back, selected of, previewed and run.
fn sound(loaded: &Loaded) {
    let plan = &loaded.plan;
    let kept: Plan = serde_json::from_str(&plan.to_json()).expect("a plan reads back");
    assert_eq!(kept.to_json(), plan.to_json());
    for ix in plan.indices() {
        for need in plan[ix].needs.iter().chain(&plan[ix].after) {
            assert!(need.at() < plan.steps.len() && *need != ix);
        }
    }
    let graph = Graph::new(plan);
    let all = Selection::parse(&["*".to_owned()]).expect("it is one");
    let _ = all.resolve(plan, &graph);
    let run = RunState::new(Arc::new(plan.clone()));
    assert!(run.queues_are_current());
    let mut out = Vec::new();
    let preview = Preview::new(plan, &Default::default());
    preview.text(&mut out).expect("memory takes it");
    preview.json(&mut out).expect("memory takes it");
    let _ = render(&loaded.warnings, &loaded.sources, Style::default());
}

/// A refusal has an error, and each place it names is in the text.
fn refused_well(refusal: &Refusal, text: &str) {
    let problems = &refusal.problems;
    assert!(problems.iter().any(|p| p.severity == Severity::Error));
    for problem in problems {
        assert!(!problem.message.is_empty());
        for (span, _) in problem.at.iter().chain(&problem.also) {
            let (start, end) = (span.start as usize, span.end as usize);
            assert!(text.get(start..end).is_some(), "{start}..{end} {problem:?}");
        }
    }
    let shown = render(problems, &refusal.sources, Style::default());
    assert!(!shown.is_empty());
    assert!(!to_json(problems, &refusal.sources).is_null());
}

fn fixtures() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let folders = ["good", "bad_shape", "bad_meaning", "bad_syntax"];
    let mut paths = Vec::new();
    for folder in folders {
        let entries = std::fs::read_dir(root.join(folder)).expect("fixtures");
        paths.extend(entries.map(|entry| entry.expect("a fixture").path()));
    }
    paths.sort();
    let read = |path| std::fs::read_to_string(path).expect("fixtures are text");
    paths.into_iter().map(read).collect()
}

/// What is done to a good text.
#[derive(Clone, Debug)]
enum Damage {
    Cut(Index, Index),
    Doubled(Index, Index, u8),
    Moved(Index, Index, Index),
    Piece(Index, String),
    /// A part of another fixture.
    Spliced(Index, usize, Index, Index),
}

const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "'",
    "#",
    "&a ",
    "*a",
    "<<: *a",
    "|",
    ">",
    "- ",
    "\n",
    "\r\n",
    "\t",
    " ",
    "\\",
    "\\ud800",
    "\u{feff}",
    "\0",
    "=",
    "[[steps]]",
    "[steps]",
    "\"\"\"",
    "'''",
    "---",
    "...",
    "!!",
    "!tag ",
    "? ",
    "null",
    "true",
    "-1",
    "1e999",
    "9223372036854775808",
    "0x10",
    "${",
    "${GIVEN}",
    "${env.X}",
    "@{",
    "@(",
    "@'\n",
    "\n\"@",
    "<#",
    "$env:X",
    "$(",
    ";",
    "`",
    "steps",
    "depends_on",
    "id",
    "when",
    "é",
    "\u{202e}",
];

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    prop_oneof![
        (at(), at()).prop_map(|(a, b)| Damage::Cut(a, b)),
        (at(), at(), 1..40u8).prop_map(|(a, b, n)| Damage::Doubled(a, b, n)),
        (at(), at(), at()).prop_map(|(a, b, to)| Damage::Moved(a, b, to)),
        (at(), select(PIECES)).prop_map(|(a, piece)| Damage::Piece(a, piece.to_owned())),
        (at(), any::<usize>(), at(), at())
            .prop_map(|(a, other, from, to)| { Damage::Spliced(a, other, from, to) }),
    ]
}

/// A range that begins and ends between characters. Short ranges are likelier.
fn range(text: &str, a: &Index, b: &Index) -> std::ops::Range<usize> {
    let start = place(text, a);
    let most = (text.len() - start).min(1 + b.index(400));
    let end = (start + most..=text.len()).find(|at| text.is_char_boundary(*at));
    start..end.unwrap_or(text.len())
}

fn place(text: &str, at: &Index) -> usize {
    let at = at.index(text.len() + 1);
    (at..=text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

impl Damage {
    fn apply(&self, text: &mut String, others: &[String]) {
        match self {
            Damage::Cut(a, b) => text.replace_range(range(text, a, b), ""),
            Damage::Doubled(a, b, n) => {
                let range = range(text, a, b);
                let again = text[range.clone()].repeat(usize::from(*n));
                text.insert_str(range.end, &again);
            }
            Damage::Moved(a, b, to) => {
                let range = range(text, a, b);
                let part = text[range.clone()].to_owned();
                text.replace_range(range, "");
                text.insert_str(place(text, to), &part);
            }
            Damage::Piece(a, piece) => text.insert_str(place(text, a), piece),
            Damage::Spliced(at, other, from, to) => {
                let other = &others[other % others.len()];
                let part = &other[range(other, from, to)];
                text.insert_str(place(text, at), part);
            }
        }
    }
}

/// Anything that a field may be given, sensible values among it.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..20i64).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Of numbers near nothing the readers of the formats keep different parts.
        prop_oneof![prop::num::f64::NORMAL, prop::num::f64::ZERO].prop_map(|n| json!(n)),
        select(
            &[
                "a", "b", "c", "sh", "true", "10s", "1h", "abort", "continue", "skip", "g/x"
            ][..]
        )
        .prop_map(Value::from),
        "[a-c$\\{\\}:'\" =!()|.\\-\\n\u{0}é]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-cA-Z_ .]{0,6}", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The fields that files use, and one that none does.
const FIELDS: &[&str] = &[
    "description",
    "executor",
    "id",
    "log_file",
    "metadata",
    "name",
    "notices",
    "plan_id",
    "variables",
    "version",
    "nonsense",
];

const STEP_FIELDS: &[&str] = &[
    "after",
    "always",
    "args",
    "command",
    "condition",
    "confirm",
    "consumes",
    "continue_on_error",
    "critical",
    "critical_grace_period_sec",
    "cwd",
    "depends_on",
    "description",
    "enabled",
    "env",
    "executor",
    "exit_codes",
    "fallback_step",
    "grace_sec",
    "id",
    "idempotent",
    "locks",
    "log",
    "name",
    "needs",
    "on_failure",
    "pool",
    "priority",
    "provides",
    "resources",
    "retries",
    "retry",
    "retry_delay_sec",
    "shell",
    "stage",
    "stdin",
    "tags",
    "timeout_sec",
    "timeout_seconds",
    "type",
    "ui_hints",
    "undo",
    "when",
    "nonsense",
];

fn fields(
    names: &'static [&'static str],
    most: usize,
) -> impl Strategy<Value = Map<String, Value>> {
    let field = (select(names), value()).prop_map(|(name, value)| (name.to_owned(), value));
    prop::collection::vec(field, 0..most).prop_map(|fields| fields.into_iter().collect())
}

const GLOBALS: &[&str] = &[
    "cwd",
    "deadline_sec",
    "default_grace_sec",
    "default_retries",
    "default_retry_delay_sec",
    "default_timeout_sec",
    "env",
    "lock",
    "max_concurrency",
    "on_abort",
    "on_restart",
    "pools",
    "resources",
    "rollback",
    "slurm_jobs",
    "nonsense",
];

/// A plan with a few steps that mostly make sense, and fields that may not.
fn document() -> impl Strategy<Value = Value> {
    let step = (
        fields(STEP_FIELDS, 4),
        prop::collection::vec(0..6usize, 0..3),
    );
    let parts = (
        fields(FIELDS, 3),
        fields(GLOBALS, 3),
        prop::collection::vec(step, 0..6),
    );
    parts.prop_map(|(mut plan, globals, steps)| {
        if !globals.is_empty() {
            plan.insert("globals".into(), globals.into());
        }
        let step = |(at, (mut step, needs)): (usize, (Map<String, Value>, Vec<usize>))| {
            step.entry("id").or_insert(json!(format!("s{at}")));
            step.entry("command").or_insert("true".into());
            if !needs.is_empty() {
                let needs: Vec<String> = needs.iter().map(|n| format!("s{n}")).collect();
                step.entry("depends_on").or_insert(needs.into());
            }
            Value::Object(step)
        };
        let steps: Vec<Value> = steps.into_iter().enumerate().map(step).collect();
        plan.entry("plan_id").or_insert("p".into());
        plan.entry("steps").or_insert(steps.into());
        Value::Object(plan)
    })
}

/// TOML has no null; a field that is null is one that is left out.
fn without_null(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let items = items.iter().filter(|item| !item.is_null());
            items.map(without_null).collect()
        }
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            let fields = fields.map(|(key, value)| (key.clone(), without_null(value)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

/// The plan without where it is written.
fn meaning(plan: Plan) -> String {
    let mut plan = plan;
    plan.files.clear();
    for step in &mut plan.steps {
        step.source = Default::default();
    }
    plan.to_json()
}

fn has_exponents(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.to_string().contains('e'),
        Value::Array(all) => all.iter().any(has_exponents),
        Value::Object(all) => all.values().any(has_exponents),
        _ => false,
    }
}

proptest! {
    #![proptest_config(crate::cases(300))]

    /// XF04, XF08.
    #[test]
    fn xf08_no_bytes_in_a_file(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let folder = tempfile::tempdir().expect("a folder");
        for name in NAMES {
            let path = folder.path().join(name);
            std::fs::write(&path, &bytes).expect("written");
            match (load(&path, &request()), std::str::from_utf8(&bytes)) {
                (Ok(loaded), _) => sound(&loaded),
                (Err(refusal), Ok(text)) => refused_well(&refusal, text),
                (Err(refusal), Err(_)) => {
                    let message = &refusal.problems[0].message;
                    let told = message.contains("offset") || message.contains("UTF-16");
                    prop_assert!(told, "{message}");
                }
            }
        }
    }

    /// XF02, XF06: good and bad files, damaged in several places at once.
    #[test]
    fn xf06_no_damage_to_a_file(
        which in any::<Index>(),
        damages in prop::collection::vec(damage(), 1..6),
        name in select(&NAMES[..]),
    ) {
        let others = fixtures();
        let mut text = others[which.index(others.len())].clone();
        for damage in &damages {
            damage.apply(&mut text, &others);
        }
        judge(name, &text);
    }

    /// XF06: documents of a plan's shape, with anything in any field. The three
    /// formats agree on whether that is a plan, and on which.
    #[test]
    fn xf06_no_value_in_a_field(document in document()) {
        let document = without_null(&document);
        let json = judge("a.json", &document.to_string());
        let yaml = judge("a.yaml", &document.to_string());
        let pretty = serde_json::to_string_pretty(&document).expect("JSON");
        let other = judge("a.json", &pretty);
        let json = json.map(meaning);
        prop_assert_eq!(&json, &other.map(meaning));
        prop_assert_eq!(&json, &yaml.map(meaning));
        // TOML is written without exponents, and some fields take a number as it is
        // written.
        if let Ok(toml) = toml::to_string(&document)
            && !has_exponents(&document)
        {
            prop_assert_eq!(&json, &judge("a.toml", &toml).map(meaning));
        }
    }
}

/// XF03, XF04: a great deal of anything is answered in time that grows with its
/// length, not with its square: that would take minutes here.
#[test]
fn xf04_a_great_deal_of_anything_in_a_file() {
    let pieces = [
        "{",
        "[",
        "{\"a\":",
        "[[",
        "\"",
        "'",
        ",",
        ":",
        "-",
        "- ",
        "- - ",
        "? ",
        "&a ",
        "*a ",
        "#",
        "#\n",
        "\n",
        "\t",
        "a: ",
        "a:\n",
        "a = 1\n",
        "[a]\n",
        "[[a]]\n",
        "a.",
        "\\",
        "\u{0}",
        "é",
        "!",
        "!!a ",
        "|\n",
        ">\n",
        "---\n",
        "<<: ",
        "{},",
        "[],",
        "1,",
        "null\n",
        "'''",
        "\"\"\"",
        "${GIVEN}",
        "\"\\u0061",
        "@{a=",
        "@(",
        "@(\n",
        "(1,",
        "1,",
        "[a",
        "[a\n",
        "[int]",
        "$(\n",
        "${",
        "$env:X",
        "\"$(",
        "@\"\n",
        "<#",
        "`",
        "x\n\n",
        "a=1;",
        "a=1,2;",
    ];
    for name in &NAMES[..4] {
        for piece in pieces {
            let text = piece.repeat((1 << 18) / piece.len());
            let texts = match *name {
                "a.psd1" => [
                    format!("@{{ steps = @({text}"),
                    format!("@{{ steps = @{{ id = \"{text}\" }}"),
                ],
                _ => [format!("{{\"steps\":[{{\"id\":\"{text}\"}}]}}"), text],
            };
            let began = Instant::now();
            for text in &texts {
                judge(name, text);
            }
            let took = began.elapsed();
            assert!(
                took < Duration::from_secs(20),
                "{name}: {piece:?} took {took:?}"
            );
        }
    }
}
