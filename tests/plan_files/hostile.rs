//! Plans made to break the loader, and plans broken at random.

use std::time::Duration;

use proptest::prelude::*;
use quintet::plan::problem::Severity;

use super::*;

/// A step as JSON.
pub fn step(id: &str, needs: &[String], args: &[String]) -> String {
    let list = |texts: &[String]| {
        let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
        texts.join(",")
    };
    let (id, needs, args) = (quoted(id), list(needs), list(args));
    format!(r#"{{"id":{id},"command":"true","args":[{args}],"depends_on":[{needs}]}}"#)
}

pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

pub fn steps(list: impl IntoIterator<Item = String>) -> String {
    let steps: Vec<String> = list.into_iter().collect();
    let steps = steps.join(",");
    format!(r#"{{"plan_id":"p","version":"1","globals":{{}},"steps":[{steps}]}}"#)
}

pub fn named(ids: &[&str]) -> String {
    steps(ids.iter().map(|id| step(id, &[], &[])))
}

/// XF01.
#[test]
fn xf01_cycles() {
    let two = steps([step("a", &["b".into()], &[]), step("b", &["a".into()], &[])]);
    assert_eq!(
        messages(&refused(&two).problems),
        ["steps wait for each other in a circle: a -> b -> a"]
    );
    let own = steps([step("a", &["a".into()], &[])]);
    assert_eq!(
        messages(&refused(&own).problems),
        ["step \"a\" needs itself"]
    );
    let ring = (0..1000).map(|i| step(&format!("s{i}"), &[format!("s{}", (i + 1) % 1000)], &[]));
    let ring = refused(&steps(ring));
    assert_eq!(ring.problems.len(), 1);
    assert!(ring.problems[0].message.contains("s0 -> s1 -> s2"));
    assert!(shown(&ring).len() < 10_000, "long circles are cut");
}

/// XF02.
#[test]
fn xf02_duplicates_and_missing() {
    let cases = [
        (named(&["a", "a"]), "two steps have the id \"a\""),
        (
            named(&["Build", "build"]),
            "the step ids \"Build\" and \"build\" differ by case alone",
        ),
        (
            steps([step("a", &["ghost".into()], &[])]),
            "step \"a\" needs \"ghost\", which does not exist",
        ),
        (
            r#"{"steps":[{"id":"a","command":"true","command":"false"}]}"#.into(),
            "steps[0]: the key \"command\" is given twice",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(messages(&refused(&text).problems), [expected]);
    }
}

/// XF03: large shapes, in a thread with the stack that `ulimit -s 256` leaves.
#[test]
fn xf03_large_shapes_need_no_deep_stack() {
    let work = || {
        let id = |i: usize| format!("s{i}");
        let chain = (0..50_000).map(|i: usize| {
            let needs: Vec<_> = i.checked_sub(1).map(id).into_iter().collect();
            step(&id(i), &needs, &[])
        });
        assert_eq!(plan(&steps(chain)).steps.len(), 50_000);
        let wide = (0..20_000).map(|i| step(&id(i), &[], &[]));
        assert_eq!(plan(&steps(wide)).steps.len(), 20_000);
        let dense = (0..600).map(|i| step(&id(i), &(0..i).map(id).collect::<Vec<_>>(), &[]));
        assert_eq!(plan(&steps(dense)).steps[599].needs.len(), 599);
        let ring = (0..50_000).map(|i| step(&id(i), &[id((i + 1) % 50_000)], &[]));
        assert_eq!(refused(&steps(ring)).problems.len(), 1);
        let knot = (0..300).map(|i| {
            let needs: Vec<_> = (0..300).filter(|j| *j != i).map(id).collect();
            step(&id(i), &needs, &[])
        });
        assert_eq!(refused(&steps(knot)).problems.len(), 1);
        let long = "x".repeat(1000);
        let big = (0..10_000).map(|i| step(&id(i), &[], std::slice::from_ref(&long)));
        assert_eq!(plan(&steps(big)).steps.len(), 10_000);
        let huge = step("a", &[], &vec!["x".repeat(200_000); 20]);
        assert_eq!(argv(&plan(&steps([huge])).steps[0]).len(), 21);
    };
    let thread = std::thread::Builder::new().stack_size(256 << 10);
    thread.spawn(work).unwrap().join().unwrap();
}

/// XF04.
#[test]
fn xf04_nesting_and_bombs() {
    for deep in [100_000, 5_000_000] {
        let refusal = refused(&("[".repeat(deep) + &"]".repeat(deep)));
        assert_eq!(refusal.problems.len(), 1);
        assert_eq!(refusal.problems[0].message, "nested more than 128 deep");
        assert!(shown(&refusal).len() < 2000, "the line is cut");
    }
    let tail = "steps:\n  - id: s\n    command: 'true'\n";
    let nine = |name: &str, i: usize| vec![format!("*{name}{}", i - 1); 9].join(",");
    let mut bomb = "x-a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    let mut merge = "x-b0: &b0 {k: 1}\n".to_owned();
    for i in 1..10 {
        bomb.push_str(&format!("x-a{i}: &a{i} [{}]\n", nine("a", i)));
        merge.push_str(&format!("x-b{i}: &b{i}\n  <<: [{}]\n", nine("b", i)));
    }
    let cases = [
        (bomb + tail, "the aliases of this file stand for too much"),
        (merge + tail, "merge keys (<<) are not read"),
        (
            "x-a: &a [*a]\n".to_owned() + tail,
            "an alias inside what it stands for",
        ),
    ];
    for (text, expected) in cases {
        let refusal = load_str("p.yaml", text, &request()).unwrap_err();
        assert_eq!(refusal.problems.len(), 1, "{:?}", refusal.problems);
        assert!(refusal.problems[0].message.ends_with(expected));
    }
}

/// XF05.
#[test]
fn xf05_names() {
    let long = "n".repeat(5000);
    let bad = [
        "../../../../escaped",
        "/absolute",
        "..",
        ".",
        "a\0b",
        "",
        &long,
        "--help",
        "-rf",
        "e\u{301}",
        "\u{202e}gpj.exe",
        "a\nb",
        "CON",
        "a:b",
        "x.",
    ];
    for id in bad {
        let refusal = refused(&named(&[id]));
        assert_eq!(refusal.problems.len(), 1, "{id:?}");
        let message = &refusal.problems[0].message;
        assert!(message.starts_with("the step id \""), "{message}");
        let text = shown(&refusal);
        assert!(!text.contains(['\0', '\u{202e}', '\u{1b}']), "{text}");
    }
    assert_eq!(plan(&named(&["a/b", "\u{e9}", "x_1-2.3"])).steps.len(), 3);
    let argument = one_step(r#""args": ["a\u0000b"]"#);
    assert_eq!(
        messages(&refused(&argument).problems),
        ["steps[0].args[0]: holds a NUL, which no program can be given"]
    );
}

/// XF06.
#[test]
fn xf06_numbers_and_types_are_refused_with_the_fields_path() {
    let cases = [
        (
            "\"timeout_sec\": NaN",
            "steps[0].timeout_sec: JSON has no NaN",
        ),
        (
            "\"timeout_sec\": -Infinity",
            "steps[0].timeout_sec: JSON has no -Infinity",
        ),
        (
            "\"timeout_sec\": 1e400",
            "steps[0].timeout_sec: 1e400 is too large",
        ),
        (
            "\"timeout_sec\": -5",
            "steps[0].timeout_sec: -5 is too small; 0 is the least",
        ),
        (
            "\"timeout_sec\": \"5\"",
            "steps[0].timeout_sec: expected a number of seconds, found the text \"5\"",
        ),
        (
            "\"timeout_sec\": 99999999999",
            "steps[0].timeout_sec: 99999999999 is too large; 3155760000 is the most",
        ),
        (
            "\"retries\": true",
            "steps[0].retries: expected a whole number, found true",
        ),
        (
            "\"retries\": 99999999999999999999",
            "steps[0].retries: 99999999999999999999 is too large; 1000000 is the most",
        ),
        (
            "\"retries\": -1",
            "steps[0].retries: -1 is too small; 0 is the least",
        ),
        (
            "\"retries\": 0.5",
            "steps[0].retries: expected a whole number, found 0.5",
        ),
        (
            "\"critical\": 1",
            "steps[0].critical: expected true or false, found the number 1",
        ),
        (
            "\"env\": {\"A\": null}",
            "steps[0].env.A: expected a text, found nothing",
        ),
        (
            "\"args\": [[]]",
            "steps[0].args[0]: expected a text, found a list",
        ),
    ];
    for (field, expected) in cases {
        assert_eq!(messages(&refused(&one_step(field)).problems), [expected]);
    }
    let yaml = "steps:\n  - {id: a, command: 'true', timeout_sec: .nan, retries: .inf}\n";
    let refusal = load_str("p.yaml", yaml, &request()).unwrap_err();
    assert_eq!(
        messages(&refusal.problems),
        [
            "steps[0].timeout_sec: \".nan\" is not a number",
            "steps[0].retries: .inf is too large",
        ]
    );
    assert_eq!(
        plan(&one_step("\"timeout_sec\": 0.25")).steps[0]
            .policy
            .timeout,
        Some(Duration::from_millis(250))
    );
}

/// XF08.
#[test]
fn xf08_encodings() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        load(&path, &request())
    };
    let marked = file(
        "bom.json",
        b"\xef\xbb\xbf{\"steps\":[{\"id\":\"a\",\"command\":\"true\"}]}",
    );
    assert_eq!(marked.unwrap().plan.steps[0].source.column, 18);
    let crlf = file(
        "crlf.yaml",
        b"steps:\r\n  - id: a\r\n    command: echo\r\n    args: [x]\r\n",
    );
    assert_eq!(argv(&crlf.unwrap().plan.steps[0]), ["echo", "x"]);
    let bad = file(
        "bad.json",
        b"{\"steps\":[\n{\"id\":\"a\xff\xfe\",\"command\":\"true\"}]}",
    );
    let bad = bad.unwrap_err();
    assert_eq!(
        messages(&bad.problems),
        ["not valid UTF-8: byte 0xff at offset 19 (line 2)"]
    );
    assert!(shown(&bad).contains("bad.json:2:9"), "{}", shown(&bad));
}

proptest! {
    #[test]
    fn no_bytes_make_loading_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for name in ["a.json", "a.toml", "a.yaml", "a"] {
            if let Err(refusal) = load_str(name, text.clone(), &request()) {
                prop_assert!(!refusal.problems.is_empty());
                prop_assert!(!shown(&refusal).is_empty());
            }
        }
    }

    /// A good file with a hole, a doubled piece or a foreign piece: whatever it
    /// is now, it is a plan or a list of problems, each within the text.
    #[test]
    fn no_damage_to_a_good_file_makes_loading_panic(
        format in 0..3usize,
        from in 0..3000usize,
        len in 0..40usize,
        piece in "[\\[\\]{}:,\"'#&*$ \\n\\-a1.]{0,6}"
    ) {
        let extension = ["json", "toml", "yaml"][format];
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/good/full");
        let mut text = std::fs::read_to_string(path.with_extension(extension)).unwrap();
        let from = from.min(text.len());
        let to = (from + len).min(text.len());
        text.replace_range(from..to, &piece);
        if let Err(refusal) = load_str(&format!("full.{extension}"), text.clone(), &request()) {
            prop_assert!(refusal.problems.iter().any(|p| p.severity == Severity::Error));
            for (span, _) in refusal.problems.iter().flat_map(|p| p.at.iter().chain(&p.also)) {
                prop_assert!(text.is_char_boundary(span.start as usize));
                prop_assert!(text.is_char_boundary(span.end as usize));
                prop_assert!(span.start <= span.end);
            }
            prop_assert!(!shown(&refusal).is_empty());
        }
    }

    /// A step is located where it is written, however many lines are before it.
    #[test]
    fn steps_know_their_lines(gaps in prop::collection::vec(0..5usize, 1..20)) {
        let mut text = "{\"steps\": [".to_owned();
        let mut lines = Vec::new();
        for (i, gap) in gaps.iter().enumerate() {
            text.push_str(if i == 0 { "" } else { "," });
            text.push_str(&"\n".repeat(*gap));
            lines.push(1 + text.matches('\n').count() as u32);
            text.push_str(&format!("{{\"id\": \"s{i}\", \"command\": \"true\"}}"));
        }
        text.push_str("]}");
        let found: Vec<u32> = plan(&text).steps.iter().map(|s| s.source.line).collect();
        prop_assert_eq!(found, lines);
    }
}

/// The plans of the documents, where they lie beside this repository.
///
/// P31.
#[test]
fn p31_the_documents_plans_load_as_they_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/inputs/plans");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: there is no folder {}", folder.display());
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if let Err(refusal) = load(&path, &with_var("BRANCH", "x")) {
            panic!("{}", shown(&refusal));
        }
    }
}
