//! Whatever the text: no parser of the plan's small languages panics, every
//! error points into the text, and hopeless long texts are answered by looking
//! at them once.

use proptest::prelude::*;
use quintet::plan::condition::{Condition, Facts, Value};
use quintet::plan::graph::Graph;
use quintet::plan::name::{check_id, nearest};
use quintet::plan::problem::Span;
use quintet::plan::select::{Range, Selection};
use quintet::plan::variables::{Declaration, Kind, Scope};
use quintet::plan::{Plan, Text};

struct Nothing;

impl Facts for Nothing {
    fn look_up(&self, path: &[&str]) -> Value {
        match path.len() {
            1 => Value::Text(path[0].to_owned()),
            2 => Value::List(vec![Value::Bool(true), Value::Number(0.5)]),
            _ => Value::Null,
        }
    }
}

fn plan() -> Plan {
    let step = |id: &str, needs: &[u32]| {
        serde_json::json!({
            "id": id, "action": "group", "needs": needs, "tags": ["t"],
            "policy": {"grace": 0}, "source": {"file": 0, "line": 1, "column": 1},
        })
    };
    let steps = [step("a", &[]), step("g/0001_b", &[0]), step("é", &[1])];
    let plan = serde_json::json!({"id": "p", "name": "p", "version": "1", "max_concurrency": 1, "steps": steps});
    serde_json::from_value(plan).unwrap()
}

fn scope() -> Scope {
    let mut declaration = Declaration::new("A", Kind::Int, Span::default());
    declaration.secret = true;
    let given = [
        ("A".to_owned(), "1".to_owned()),
        ("B".to_owned(), "b".to_owned()),
    ];
    Scope::resolve(&[declaration], &given, false).0
}

fn everything_reads(text: &str) {
    read_condition(text);
    read_selection(text);
    read_text(text);
    let _ = check_id(text);
    let _ = nearest(text, ["a", "config/a", text]);
    let given = [(text.to_owned(), text.to_owned())];
    let mut declaration = Declaration::new(text, Kind::Number, Span::default());
    declaration.pattern = Some(text.into());
    let _ = Scope::resolve(&[declaration], &given, true);
}

fn read_condition(text: &str) {
    match Condition::parse(text) {
        Ok(condition) => {
            assert_eq!(condition.text(), text);
            let _ = condition.judge(&Nothing);
            let _ = (condition.steps(), condition.variables());
        }
        Err(error) => {
            assert!(
                text.get(error.at.clone()).is_some(),
                "{error:?} points beside {text:?}"
            );
            assert!(!error.message.is_empty());
        }
    }
}

fn read_selection(text: &str) {
    let plan = plan();
    let graph = Graph::new(&plan);
    let args = [text.to_owned()];
    let mut errors = match Selection::parse(&args) {
        Ok(selection) => selection.resolve(&plan, &graph).err().unwrap_or_default(),
        Err(errors) => errors,
    };
    let range = Range {
        from: Some(text.to_owned()),
        skip_tags: args.to_vec(),
        ..Range::default()
    };
    errors.extend(range.resolve(&plan, &graph).err().unwrap_or_default());
    for error in errors {
        assert!(error.term.get(error.at.clone()).is_some(), "{error:?}");
    }
}

fn read_text(text: &str) {
    let scope = scope();
    for (start, end) in [(0, text.len()), (7, text.len() + 9), (3, 4)] {
        let at = Span {
            file: 0,
            start,
            end: end as u32,
        };
        for problem in [
            scope.expand(text, at).err(),
            scope.expand_shell(text, at).err(),
        ]
        .into_iter()
        .flatten()
        {
            let (span, _) = problem.at.expect("every problem of a text has a place");
            assert!(
                at.start <= span.start && span.start <= span.end && span.end <= at.end,
                "{span:?}"
            );
        }
    }
    if !text.contains('$') {
        assert_eq!(scope.expand(text, Span::default()), Ok(Text::from(text)));
    }
}

/// Pieces of all the languages, so that random texts get past the first word.
const PIECES: &str = "(prev\\.|steps\\['|'\\]|a|\\.status|\\.outputs\\.K|env\\.|\\$|\\{|\\}|:-|==|!=| -eq | -like | -match | in | and | -or |not |!|\\^|\\+|-|\\*|\\?|\\[|\\]|\\(|\\)|'|\"|\\\\|,|0001|02|x|tag:|path:|stage:|g/|é|\u{301}|\u{202e}| |\n|\u{0}|1\\.5|@\\(|~|A|B){0,16}";

proptest! {
    #![proptest_config(crate::cases(1000))]

    /// XF10.
    #[test]
    fn xf10_random_pieces(text in PIECES) {
        everything_reads(&text);
    }

    /// XF10.
    #[test]
    fn xf10_random_characters(text in any::<String>()) {
        everything_reads(&text);
    }
}

/// XF10.
#[test]
fn xf10_a_great_deal_of_anything() {
    for piece in [
        "(",
        ")",
        "not ",
        "!",
        "[",
        "@(",
        "a and ",
        "a -match 'b' -or ",
        "'",
        "\"\\",
        "$",
        "${",
        "${A",
        "$$",
        "{",
        "+",
        "*",
        "*a",
        "a,",
        "!0001,",
        "0001-",
        "tag:t,",
        "-",
        "é",
        "e\u{301}",
        "\0",
        "\n",
        "/",
        "a/",
        "[a",
        "?*",
    ] {
        everything_reads(&piece.repeat((1 << 16) / piece.len()));
        read_condition(&piece.repeat((1 << 20) / piece.len()));
    }
}
