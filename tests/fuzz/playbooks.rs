//! Whatever a playbook holds: reading it and making a plan of it never panics,
//! every problem points into its file, and large ones are done in the time of
//! their length.

use std::path::PathBuf;

use proptest::prelude::*;
use quintet::load::playbook::{self, Options};
use quintet::load::{Refusal, Request, scripts};
use serde_json::{Value, json};

use super::cases;

/// A folder with a few scripts, and a place for a playbook.
struct Folder {
    dir: tempfile::TempDir,
    request: Request,
}

impl Folder {
    fn new() -> Folder {
        let dir = tempfile::tempdir().expect("a folder");
        for file in ["0001_One.sh", "0002_Two.sh", "0402_Test.py"] {
            std::fs::write(dir.path().join(file), "# Stage: Core\n").expect("written");
        }
        let request = Request {
            cwd: dir.path().to_string_lossy().into_owned(),
            env: Some(Default::default()),
            ..Request::default()
        };
        Folder { dir, request }
    }

    /// The number of steps, or the problems.
    fn load(&self, name: &str, text: &str) -> Result<usize, Refusal> {
        let path: PathBuf = self.dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        let folder = scripts::open(self.dir.path(), None, &self.request)?;
        let playbooks = self.dir.path();
        let options = Options::default();
        let loaded = playbook::load(folder, &path, playbooks, &options, &self.request)?;
        Ok(loaded.plan.steps.len())
    }

    fn answers(&self, name: &str, text: &str) {
        if let Err(refusal) = self.load(name, text) {
            assert!(!refusal.problems.is_empty());
            for (span, _) in refusal.problems.iter().filter_map(|p| p.at.as_ref()) {
                let text = refusal.sources.text(span.file);
                assert!(text.get(span.start as usize..span.end as usize).is_some());
            }
        }
    }
}

/// Keys that mean something somewhere.
const KEYS: &[&str] = &[
    "Sequence",
    "stages",
    "sequences",
    "orchestration",
    "jobs",
    "steps",
    "Scripts",
    "script",
    "run",
    "uses",
    "name",
    "id",
    "if",
    "condition",
    "variables",
    "env",
    "needs",
    "outputs",
    "strategy",
    "matrix",
    "parallel",
    "timeout",
    "retries",
    "continueOnError",
    "parameters",
    "profiles",
    "defaults",
    "options",
    "validation",
    "preConditions",
    "postConditions",
    "notifications",
    "onStart",
    "message",
    "inline",
    "command",
    "playbook",
    "successCriteria",
    "maxConcurrency",
    "metadata",
    "defaultVariables",
    "required",
    "default",
    "0001",
    "x",
];

/// Texts that mean something somewhere.
const TEXTS: &[&str] = &[
    "0001",
    "0001-0402",
    "!0002",
    "stage:Core",
    "{{x}}",
    "{{x:={{y}}}}",
    "${{ matrix.a }}",
    "'{{x}}/a' -eq 'b'",
    "Test-Path '{{x}}'",
    "always()",
    "needs.a.result == 'failure'",
    "true",
    "{{steps.a.outputs.b}}",
    "powershell",
    "Write-Host '{{x}}' \"$({{y}})\"",
    "5",
    "a",
    "é",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(TEXTS).prop_map(str::to_owned),
        1 => r#"[\{\}\$\(\)'"`@ a-z0-9.:=|-]{0,12}"#,
        1 => ".{0,6}",
    ]
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => text().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => (-2i32..500).prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(6, 60, 5, |inner| {
        let key = prop_oneof![
            9 => prop::sample::select(KEYS).prop_map(str::to_owned),
            1 => text(),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a31_no_document_makes_a_playbook_panic(value in document(), root in 0..5usize) {
        let roots = ["Sequence", "stages", "sequences", "orchestration", "jobs"];
        let folder = Folder::new();
        folder.answers("p.json", &value.to_string());
        folder.answers("p.json", &json!({roots[root]: value}).to_string());
    }

    #[test]
    fn a28_no_text_makes_a_condition_a_template_or_code_panic(text in text(), more in text()) {
        let book = json!({
            "variables": {"x": more, "y": text},
            "notifications": {"onStart": {"message": text}},
            "validation": {"preConditions": [{"name": more, "condition": text}]},
            "stages": [{
                "name": text, "scripts": ["0001"], "condition": format!("{text}{more}"),
                "parameters": {"p": text},
                "inline": [format!("{text}{more}"), {"type": "shell", "script": text}],
            }],
        });
        Folder::new().answers("p.json", &book.to_string());
    }
}

/// Thousands of everything, which takes forever where anything is looked at
/// once for each other.
#[test]
fn a31_large_playbooks_are_read_in_bounded_time() {
    const MANY: usize = 4_000;
    let many = |one: &dyn Fn(usize) -> Value| (0..MANY).map(one).collect::<Vec<_>>();
    let named = |one: &dyn Fn(usize) -> Value| {
        let fields = (0..MANY).map(|n| (format!("v{n}"), one(n)));
        Value::Object(fields.collect())
    };
    let values = named(&|n| json!(format!("{{{{v{}}}}}", n / 2)));
    let folder = Folder::new();
    for book in [
        json!({"Sequence": many(&|_| json!("0001"))}),
        json!({"Sequence": many(&|n| json!({"script": "0001", "id": format!("i{n}")}))}),
        json!({"stages": many(&|n| json!({"name": format!("s{n}"), "scripts": ["0001"]}))}),
        json!({"Sequence": ["0001"], "variables": values, "env": named(&|n| json!(n))}),
        json!({"Sequence": ["0001"], "unknown": 1, "profiles": named(&|_| json!({"a": 1}))}),
        named(&|n| json!(n)),
    ] {
        folder.answers("large.json", &book.to_string());
    }
}
