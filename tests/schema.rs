//! The published JSON Schema: it is the one that the loader's tables make, and
//! it agrees with the loader on every fixture it can judge.

use std::path::{Path, PathBuf};

use quintet::load::document::{self, Format, Kind, Node};
use quintet::load::{Request, checks, load, plan_file};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn fixtures(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("tests/fixtures").join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// A fixture of any format as the JSON that a schema judges.
fn instance(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    let mut problems = Vec::new();
    let format = Format::of(path, &text);
    let document = document::parse(&text, format, 0, &mut problems);
    assert_eq!(problems, [], "{}", path.display());
    value(document.unwrap().root())
}

fn value(node: Node<'_>) -> Value {
    match node.kind() {
        Kind::Null => Value::Null,
        Kind::Bool => node.bool().into(),
        Kind::Number => serde_json::from_str(node.number().unwrap()).unwrap(),
        Kind::Text => node.text().into(),
        Kind::Env => panic!("a plan has no such texts"),
        Kind::Array => node.items().map(value).collect(),
        Kind::Object => node
            .entries()
            .map(|entry| (entry.key.into_owned(), value(entry.value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

/// P33: the schema is published, and is up to date. `QUINTET_BLESS=1` writes it.
#[test]
fn p33_the_published_schema_is_the_loaders() {
    let path = root().join("schema/plan.schema.json");
    let text = serde_json::to_string_pretty(&plan_file::schema()).unwrap() + "\n";
    if std::env::var_os("QUINTET_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let published: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert!(
        published == plan_file::schema(),
        "{} is out of date; run the tests with QUINTET_BLESS=1",
        path.display()
    );
}

/// P33.
#[test]
fn p33_the_schema_accepts_every_good_file() {
    let schema = jsonschema::validator_for(&plan_file::schema()).unwrap();
    for path in fixtures("good") {
        let errors: Vec<String> = schema
            .iter_errors(&instance(&path))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{}", path.display());
    }
}

/// What is wrong with a field by itself the schema refuses as the loader does;
/// what only the whole plan shows, it cannot.
///
/// P33.
#[test]
fn p33_the_schema_refuses_every_file_of_a_wrong_shape() {
    let schema = jsonschema::validator_for(&plan_file::schema()).unwrap();
    for path in fixtures("bad_shape") {
        assert!(!schema.is_valid(&instance(&path)), "{}", path.display());
        assert!(load(&path, &Request::default()).is_err());
    }
    for path in fixtures("bad_meaning") {
        let name = path.display();
        assert!(
            schema.is_valid(&instance(&path)),
            "{name} belongs to bad_shape"
        );
    }
}

/// The schema of files of checks is published, and is up to date.
/// `QUINTET_BLESS=1` writes it.
#[test]
fn the_published_schema_of_checks_is_the_loaders() {
    let path = root().join("schema/checks.schema.json");
    let text = serde_json::to_string_pretty(&checks::schema()).unwrap() + "\n";
    if std::env::var_os("QUINTET_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let published: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert!(
        published == checks::schema(),
        "{} is out of date; run the tests with QUINTET_BLESS=1",
        path.display()
    );
    let schema = jsonschema::validator_for(&published).unwrap();
    let check = serde_json::json!({ "name": "a", "command": "true", "ttl": "1h" });
    assert!(schema.is_valid(&serde_json::json!({ "checks": [check] })));
    assert!(!schema.is_valid(&serde_json::json!({ "checks": [{ "command": "true" }] })));
}
