//! What the readers say, and that they say the same.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The document as a plain value, and what is wrong with it.
pub(in crate::load::document) fn read(text: &str, format: Format) -> (Option<Value>, Vec<String>) {
    let mut problems = Vec::new();
    let value = parse(text, format, 0, &mut problems).map(|doc| value(doc.root()));
    let messages = problems.iter().map(|p| {
        let place = p.at.as_ref().map(|(span, _)| (span.start, span.end));
        match place {
            Some((start, end)) => format!("{start}..{end} {}", p.message),
            None => p.message.clone(),
        }
    });
    (value, messages.collect())
}

fn value(node: Node<'_>) -> Value {
    match node.kind() {
        Kind::Null => Value::Null,
        Kind::Bool => node.bool().into(),
        Kind::Number => json!({ "number": node.number() }),
        Kind::Text => node.text().into(),
        Kind::Env => json!({ "env": format!("{:?}", node.pieces()) }),
        Kind::Array => node.items().map(value).collect(),
        Kind::Object => node
            .entries()
            .map(|entry| (entry.key.into_owned(), value(entry.value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

pub(in crate::load::document) fn good(text: &str, format: Format) -> Value {
    let (value, problems) = read(text, format);
    assert_eq!(problems, Vec::<String>::new());
    value.unwrap()
}

pub(in crate::load::document) fn wrong(text: &str, format: Format) -> Vec<String> {
    let (_, problems) = read(text, format);
    assert!(!problems.is_empty(), "accepted: {text}");
    problems
}

#[test]
fn json_is_read() {
    let text = r#" {"a": [1, -2.5e+3, "x", true, false, null, {}, []], "b\n": "q\"\\\/\b\f\r\tü\u00e9\ud83d\ude00"} "#;
    assert_eq!(
        good(text, Format::Json),
        json!({
            "a": [{"number": "1"}, {"number": "-2.5e+3"}, "x", true, false, null, {}, []],
            "b\n": "q\"\\/\u{8}\u{c}\r\tüé😀",
        })
    );
}

#[test]
fn json_mistakes_are_named_and_read_on_from() {
    let text = concat!(
        "{'a': 1,, \"b\" 2, c: [1 2,],\n",
        "\"d\": True, \"e\": NaN, \"f\": -Infinity, \"g\": 01,\n",
        "\"h\": \"\\q \\ud800 \\u12\", \"i\": .5, \"j\": +1, \"k\": 0x1f, \"l\" = 1, \"a\": 2,}"
    );
    let (value, problems) = read(text, Format::Json);
    assert_eq!(
        problems,
        [
            "1..4 single quotes",
            "8..9 a: two commas in a row",
            "14..14 b: a colon is missing",
            "17..18 a key without quotes",
            "22..22 c[0]: a comma is missing",
            "24..25 c[1]: a comma before the closing bracket",
            "33..37 d: JSON has no True",
            "44..47 e: JSON has no NaN",
            "54..63 f: JSON has no -Infinity",
            "70..72 g: \"01\" is not a number of JSON",
            "80..81 h: a backslash before a character that needs none; write two for one that is meant",
            "83..89 h: half of a surrogate pair: it stands for no character",
            "90..92 h: \\u without four hexadecimal digits",
            "102..104 i: \".5\" is not a number of JSON",
            "111..113 j: \"+1\" is not a number of JSON",
            "120..124 k: \"0x1f\" is not a number of JSON",
            "130..131 l: an equals sign after a key",
            "141..142 a: a comma before the closing bracket",
            "136..137 the key \"a\" is given twice",
        ]
    );
    assert_eq!(
        value.unwrap()["c"],
        json!([{"number": "1"}, {"number": "2"}])
    );
}

#[test]
fn json_strings_hold_no_control_characters() {
    assert_eq!(
        wrong("[\"long enough\tfor a word\", \"\u{1}\"]", Format::Json),
        [
            "13..14 [0]: a tab inside a string; write \\t",
            "28..29 [1]: a control character inside a string; write \\u0001",
        ]
    );
}

#[test]
fn json_that_cannot_be_read_on_from() {
    let cases = [
        ("", "0..0 the file is empty"),
        (" \n ", "3..3 the file is empty"),
        ("{} x", "3..4 something follows the end of the document"),
        ("[1}", "2..3 [0]: expected \"]\", found \"}\""),
        (
            "{\"a\": [1, {\"b\": 2",
            "10..11 a \"{\" that is never closed",
        ),
        (
            "{\"a\": \"x\n\"}",
            "6..8 a: a string without its closing quote",
        ),
        ("{\"a\": @}", "6..7 a: expected a value, found \"@\""),
        ("{\"a\":}", "5..6 a: expected a value, found \"}\""),
        (
            "{1: 2}",
            "1..2 expected a key in double quotes, found \"1\"",
        ),
        (
            "[1;2]",
            "2..3 [0]: expected a comma or a closing bracket, found \";\"",
        ),
        ("\"a", "0..2 a string without its closing quote"),
        ("{\"a\"", "0..1 a \"{\" that is never closed"),
    ];
    for (text, expected) in cases {
        let (value, problems) = read(text, Format::Json);
        assert_eq!(problems, [expected], "{text}");
        assert_eq!(value, None, "{text}");
    }
}

/// P37: comments before JSON, with the place of the first.
#[test]
fn p37_comments_in_json_are_one_clear_error() {
    let text = "# DOC_LINK: x\n// more\n{\"a\": 1 /* why */}";
    let mut problems = Vec::new();
    let doc = parse(text, Format::Json, 0, &mut problems);
    assert!(doc.is_some(), "the rest is read all the same");
    assert_eq!(problems.len(), 1);
    assert_eq!(
        problems[0].message,
        "JSON has no comments, and this file has 3"
    );
    let (span, label) = problems[0].at.clone().unwrap();
    assert_eq!((span.start, span.end), (0, 13));
    assert_eq!(label, "the first is here");
    assert_eq!(
        wrong("{} // x", Format::Json),
        ["3..7 JSON has no comments"]
    );
}

/// XF04.
#[test]
fn xf04_nesting_has_an_end_in_every_format() {
    for deep in [100_000, 5_000_000] {
        let text = "[".repeat(deep);
        assert_eq!(
            wrong(&text, Format::Json)[0].split_once(' ').unwrap().0,
            "128..129"
        );
    }
    let deep = 100_000;
    let flow = "[".repeat(deep);
    assert!(wrong(&flow, Format::Yaml).len() == 1);
    let block = "- ".repeat(deep);
    assert!(wrong(&block, Format::Yaml).len() == 1);
    let array = format!("a = {}{}", "[".repeat(deep), "]".repeat(deep));
    assert!(wrong(&array, Format::Toml).len() <= ENOUGH_TO_READ);
    let dotted = format!("a{} = 1", ".a".repeat(deep));
    assert!(wrong(&dotted, Format::Toml).len() <= ENOUGH_TO_READ);
    let header = format!("[a{}]", ".a".repeat(deep));
    assert!(wrong(&header, Format::Toml).len() <= ENOUGH_TO_READ);
    for open in ["@(", "(", ",", "@{a=", "@(1,", "(1,", "[string]", "$(", "{"] {
        let value = format!("@{{ a = {}", open.repeat(deep));
        assert!(!wrong(&value, Format::Psd1).is_empty());
    }
    let at_the_limit = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
    good(&at_the_limit, Format::Json);
}

const ENOUGH_TO_READ: usize = 20;

/// XF04.
#[test]
fn xf04_aliases_are_copies_under_a_budget() {
    let text = "a: &x {b: [1, two]}\nc: *x\nd: [*x, *x]\n";
    let x = json!({"b": [{"number": "1"}, "two"]});
    assert_eq!(
        good(text, Format::Yaml),
        json!({"a": x, "c": x, "d": [x, x]})
    );

    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for i in 1..10 {
        let nine = vec![format!("*a{}", i - 1); 9].join(",");
        bomb.push_str(&format!("a{i}: &a{i} [{nine}]\n"));
    }
    let problems = wrong(&bomb, Format::Yaml);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].ends_with("the aliases of this file stand for too much"));

    let cycle = wrong("a: &a [*a]\n", Format::Yaml);
    assert_eq!(cycle, ["7..9 a[0]: an alias inside what it stands for"]);
    let merge = wrong("a: &a {k: 1}\nb:\n  <<: [*a, *a]\n", Format::Yaml);
    assert_eq!(merge, ["18..20 b: merge keys (<<) are not read"]);
    assert_eq!(wrong("a: *b\n", Format::Yaml).len(), 1);
}

#[test]
fn yaml_is_read_by_the_core_schema() {
    let text = concat!(
        "n: ~\nt: true\nf: FALSE\ny: yes\no: on\ni: +12\nh: 0x1F\no8: 0o17\nd: 1.5e3\nv: 1.10\n",
        "q: \"1\"\ns: 'it''s'\nlit: |\n  a\n  b\nfold: >\n  a\n  b\nempty:\ntag: !!str 5\n",
        "3010: restart\ninf: .inf\ntime: 12:30\n"
    );
    assert_eq!(
        good(text, Format::Yaml),
        json!({
            "n": null, "t": true, "f": false, "y": "yes", "o": "on",
            "i": {"number": "12"}, "h": {"number": "31"}, "o8": {"number": "15"},
            "d": {"number": "1.5e3"}, "v": {"number": "1.10"},
            "q": "1", "s": "it's", "lit": "a\nb\n", "fold": "a b\n", "empty": null, "tag": "5",
            "3010": "restart", "inf": {"number": ".inf"}, "time": "12:30",
        })
    );
}

#[test]
fn yaml_that_a_plan_does_not_need_is_refused() {
    let cases = [
        ("a: 1\n---\nb: 2\n", "a second document in the file"),
        ("a: 1\na: 2\n", "the key \"a\" is given twice"),
        ("[a]: 1\n", "a key that is no plain word"),
        ("a: !mine x\n", "a: a tag that means nothing here"),
        ("a: !!int x\n", "a: a tag that means nothing here"),
        ("", "the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("a: &x b\n*x : c\n", "an alias as a key"),
        ("&k a: 1\nb: *k\n", "b: an alias of a key"),
    ];
    for (text, expected) in cases {
        let problems = wrong(text, Format::Yaml);
        assert_eq!(problems.len(), 1, "{text}");
        assert!(problems[0].ends_with(expected), "{text}: {problems:?}");
    }
    let tab = wrong("a:\n\tb: 1\n", Format::Yaml);
    assert!(tab[0].contains("tab"), "{tab:?}");
}

#[test]
fn yaml_places_are_bytes() {
    let text = "ü: \"é\"\nx: wörd\n";
    let mut problems = Vec::new();
    let doc = parse(text, Format::Yaml, 0, &mut problems).unwrap();
    for entry in doc.root().entries() {
        let span = entry.value.span();
        let written = &text[span.start as usize..span.end as usize];
        assert_eq!(Some(written.into()), entry.value.text());
        let key = &text[entry.key_span().start as usize..entry.key_span().end as usize];
        assert_eq!(key, entry.key);
    }
}

#[test]
fn toml_is_read_in_the_order_of_the_file() {
    let text = concat!(
        "z = 1\na = \"two\"\n\"q k\" = 'x'\nm = \"\"\"\nl1\nl2\"\"\"\nn = 1_000\nh = 0xff\np = +1.5\n",
        "d = 1979-05-27\ne = \"\\u00e9\"\ninline = {x = 1, y = [true, {}]}\n",
        "[t.u]\nv = 1\n[[s]]\nid = \"a\"\n[[s]]\nid = \"b\"\n"
    );
    let value = good(text, Format::Toml);
    assert_eq!(
        value,
        json!({
            "z": {"number": "1"}, "a": "two", "q k": "x", "m": "l1\nl2",
            "n": {"number": "1000"}, "h": {"number": "255"}, "p": {"number": "1.5"},
            "d": "1979-05-27", "e": "é", "inline": {"x": {"number": "1"}, "y": [true, {}]},
            "t": {"u": {"v": {"number": "1"}}}, "s": [{"id": "a"}, {"id": "b"}],
        })
    );
    let mut problems = Vec::new();
    let doc = parse(text, Format::Toml, 0, &mut problems).unwrap();
    let keys: Vec<_> = doc.root().entries().map(|e| e.key.into_owned()).collect();
    let expected = [
        "z", "a", "q k", "m", "n", "h", "p", "d", "e", "inline", "t", "s",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn toml_mistakes_are_all_reported() {
    let problems = wrong("a = \nb = tru\nc = 1\nc = 2\n", Format::Toml);
    assert!(problems.len() >= 3, "{problems:?}");
    assert!(problems.iter().any(|p| p.ends_with("duplicate key")));
}

/// XF08: byte order mark and CRLF are fine, other encodings are told by offset and line.
#[test]
fn xf08_encodings() {
    let marked = decode(b"\xef\xbb\xbf{\"a\":\r\n1}".to_vec(), 0).unwrap();
    assert_eq!(good(&marked, Format::Json), json!({"a": {"number": "1"}}));
    let crlf = "a: 1\r\nb:\r\n  - x\r\n";
    assert_eq!(
        good(crlf, Format::Yaml),
        json!({"a": {"number": "1"}, "b": ["x"]})
    );
    assert_eq!(
        good("a = 1\r\nb = \"x\"\r\n", Format::Toml),
        json!({"a": {"number": "1"}, "b": "x"})
    );

    let marked = decode(b"\xef\xbb\xbf@{\r\na = 1\r\nb = 'x'\r\n}\r\n".to_vec(), 0).unwrap();
    assert_eq!(
        good(&marked, Format::Psd1),
        json!({"a": {"number": "1"}, "b": "x"})
    );

    let NotText { shown, problem } = *decode(b"{\n\"a\xff\xfe\": 1}\n".to_vec(), 0).unwrap_err();
    assert_eq!(
        problem.message,
        "not valid UTF-8: byte 0xff at offset 4 (line 2)"
    );
    let (span, _) = problem.at.unwrap();
    assert_eq!(&shown[span.start as usize..span.end as usize], "\u{fffd}");
    let NotText { problem, .. } = *decode(b"\xff\xfe{\0".to_vec(), 0).unwrap_err();
    assert_eq!(problem.message, "the file is UTF-16; only UTF-8 is read");
}

#[test]
fn the_format_is_the_extension_or_the_look() {
    let of = |name: &str, text: &str| Format::of(FilePath::new(name), text);
    assert_eq!(of("a.json", "a: 1"), Format::Json);
    assert_eq!(of("a.YML", "{}"), Format::Yaml);
    assert_eq!(of("a.toml", ""), Format::Toml);
    assert_eq!(of("a.PSD1", ""), Format::Psd1);
    assert_eq!(of("a", "<# why\n#>\n# c\n@{\n}"), Format::Psd1);
    assert_eq!(of("a", "<# never closed @{"), Format::Yaml);
    assert_eq!(of("a", "\n {\"a\": 1}"), Format::Json);
    assert_eq!(of("a", "// c\n{}"), Format::Json);
    assert_eq!(of("a", "# c\n{}"), Format::Json);
    assert_eq!(of("a", "[1]"), Format::Json);
    assert_eq!(of("a", "# c\nx = 1"), Format::Toml);
    assert_eq!(of("a", "[[steps]]\n"), Format::Toml);
    assert_eq!(of("a", "x: a=b"), Format::Yaml);
    assert_eq!(of("a", ""), Format::Yaml);
}

#[test]
fn a_long_array_is_cut_and_freed_and_reads_the_same() {
    let item = r#"{"id":"s","args":[1,2,[]],"e":[]}"#;
    let count = 50_000;
    let items = vec![item; count].join(",");
    let text = format!(r#"{{"before":[1],"steps":[{items}],"after":{{"x":[{item}]}}}}"#);
    let mut problems = Vec::new();
    let mut doc = parse(&text, Format::Json, 0, &mut problems).unwrap();
    let keys: Vec<_> = doc.root().entries().map(|e| e.key.into_owned()).collect();
    assert_eq!(keys, ["before", "steps", "after"]);
    let steps = doc.root().entries().nth(1).unwrap().value;
    assert_eq!(steps.items().count(), count);
    assert_eq!(steps.item_count(), count);
    let first = value(steps.items().next().unwrap());
    assert!(steps.items().all(|node| value(node) == first));
    let place = steps.place();
    let mut seen = 0;
    doc.consume(place, |index, node| {
        assert_eq!(index, seen);
        assert_eq!(value(node), first);
        seen += 1;
    });
    assert_eq!(seen, count);
    let after = doc.root().entries().nth(2).unwrap();
    assert_eq!(value(after.value), json!({ "x": [first] }));
}

#[test]
fn many_keys_are_compared_as_few_are() {
    let keys: Vec<_> = (0..200).map(|i| format!("\"k{i}\":{i}")).collect();
    good(&format!("{{{}}}", keys.join(",")), Format::Json);
    let twice = format!("{{{},\"\\u006b7\":1}}", keys.join(","));
    assert_eq!(
        wrong(&twice, Format::Json)[0].split_once(' ').unwrap().1,
        "the key \"k7\" is given twice"
    );
}

#[test]
fn a_part_of_a_text_has_its_own_place() {
    let text = r#"["plain text", "esc\taped"]"#;
    let mut problems = Vec::new();
    let doc = parse(text, Format::Json, 0, &mut problems).unwrap();
    let spans: Vec<_> = doc
        .root()
        .items()
        .map(|node| node.part(6..8))
        .map(|span| &text[span.start as usize..span.end as usize])
        .collect();
    assert_eq!(spans, ["te", "esc\\taped"]);
}

/// Values that all formats can say. TOML has no null.
fn any_value() -> impl Strategy<Value = Value> {
    let word = "[ -~äß✓\u{1F600}\\n\\t\"\\\\]{0,12}";
    let scalar = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-1000..1000i32).prop_map(|n| Value::from(f64::from(n) / 8.0)),
        word.prop_map(Value::from),
    ];
    let tree = scalar.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(word, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map(word, tree, 0..6)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

/// The value as `value` shows a node's: numbers by their text.
fn shown(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!({ "number": number.to_string() }),
        Value::Array(items) => items.iter().map(shown).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), shown(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// Block YAML, with every string in double quotes as JSON writes it.
fn as_yaml(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                out.push_str(&format!("\n{pad}{}: ", Value::from(key.as_str())));
                as_yaml(value, indent + 2, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for value in items {
                out.push_str(&format!("\n{pad}- "));
                as_yaml(value, indent + 2, out);
            }
        }
        other => out.push_str(&other.to_string()),
    }
}

/// PowerShell data. An array of one array has a comma that keeps the two apart.
fn as_psd1(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("$null"),
        Value::Bool(truth) => out.push_str(&format!("${truth}")),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => out.push_str(&format!("'{}'", text.replace('\'', "''"))),
        Value::Array(items) => {
            out.push_str("@(");
            if let [Value::Array(_)] = items.as_slice() {
                out.push(',');
            }
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { " " });
                as_psd1(item, out);
            }
            out.push(')');
        }
        Value::Object(map) => {
            out.push_str("@{");
            for (key, value) in map {
                out.push_str(&format!("\n'{}' = ", key.replace('\'', "''")));
                as_psd1(value, out);
            }
            out.push('}');
        }
    }
}

/// Whether keys differ in more than case, as PowerShell's have to.
fn keys_differ(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(keys_differ),
        Value::Object(map) => {
            let keys: std::collections::BTreeSet<_> =
                map.keys().map(|key| key.to_lowercase()).collect();
            keys.len() == map.len() && map.values().all(keys_differ)
        }
        _ => true,
    }
}

proptest! {
    #[test]
    fn the_formats_read_the_same(document in any_value()) {
        let expected = shown(&document);
        prop_assert_eq!(&good(&document.to_string(), Format::Json), &expected);
        prop_assert_eq!(&good(&format!("{document:#}"), Format::Json), &expected);
        let mut yaml = String::new();
        as_yaml(&document, 0, &mut yaml);
        prop_assert_eq!(&good(&yaml, Format::Yaml), &expected, "{}", yaml);
        if keys_differ(&document) {
            let mut psd1 = String::new();
            as_psd1(&document, &mut psd1);
            prop_assert_eq!(&good(&psd1, Format::Psd1), &expected, "{}", psd1);
        }
        let toml = ::toml::to_string(&document).unwrap();
        prop_assert_eq!(&good(&toml, Format::Toml), &expected, "{}", toml);
    }

    #[test]
    fn json_agrees_with_another_reader(text in "[\\[\\]{},:\"a1\\-.e \\\\un0t\\n]{0,24}") {
        let (_, problems) = read(&text, Format::Json);
        let twice = problems.iter().all(|p| p.ends_with("is given twice"));
        let theirs = serde_json::from_str::<Value>(&text);
        let ranged = theirs.as_ref().is_err_and(|e| e.to_string().contains("out of range"));
        prop_assert_eq!(twice, theirs.is_ok() || ranged, "{:?} {:?}", problems, theirs);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        match decode(bytes, 0) {
            Ok(text) => for format in [Format::Json, Format::Psd1, Format::Toml, Format::Yaml] {
                read(&text, format);
            },
            Err(not_text) => {
                let NotText { shown, problem } = *not_text;
                let (span, _) = problem.at.unwrap();
                prop_assert!(shown.is_char_boundary(span.start as usize));
                prop_assert!(shown.is_char_boundary(span.end as usize));
            }
        }
    }

    #[test]
    fn no_likely_data_file_makes_the_reader_panic(
        text in "[@{}()\\[\\],;=$`\"'#<>|&a1x.:\\- \\n\\r\u{a0}é]{0,60}"
    ) {
        for text in [format!("@{{a={text}"), format!("@{{a=\"{text}\"}}"), format!("@{{{text}}}")] {
            let mut problems = Vec::new();
            parse(&text, Format::Psd1, 0, &mut problems).map(|doc| value(doc.root()));
            for (span, _) in problems.iter().filter_map(|p| p.at.as_ref()) {
                let (start, end) = (span.start as usize, span.end as usize);
                prop_assert!(text.get(start..end).is_some(), "{:?}", problems);
            }
        }
    }

    #[test]
    fn no_likely_text_makes_a_reader_panic(text in "[\\[\\]{}:,\"'#&*!|>=.\\-a1 \\n\\\\é/]{0,40}") {
        for format in [Format::Json, Format::Psd1, Format::Toml, Format::Yaml] {
            let mut problems = Vec::new();
            parse(&text, format, 0, &mut problems).map(|doc| value(doc.root()));
            for (span, _) in problems.iter().filter_map(|p| p.at.as_ref()) {
                prop_assert!(span.start <= span.end && span.end as usize <= text.len());
            }
        }
    }
}
