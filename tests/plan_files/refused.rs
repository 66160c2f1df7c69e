//! Hostile plans and the program itself: what must be refused is refused by
//! `validate` and by `run` alike, with exit code 2, in bounded time, memory and
//! stack, and nothing has run or been recorded.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::hostile::{named, quoted, step, steps};
use crate::support::{Test, nightly};

/// Runs what follows with little stack; its peak of memory in KiB and its time
/// in milliseconds go into the file `measured`.
const MEASURE: &str = r#"
import resource, subprocess, sys, time
def little():
    resource.setrlimit(resource.RLIMIT_STACK, (256 << 10, resource.RLIM_INFINITY))
begun = time.monotonic()
done = subprocess.run(sys.argv[1:], preexec_fn=little, timeout=300)
took = int((time.monotonic() - begun) * 1000)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
open("measured", "w").write("%d %d" % (peak, took))
sys.exit(done.returncode if done.returncode >= 0 else 128 - done.returncode)
"#;

/// What a call may take: memory in MiB, and time on a machine that does nothing
/// else, for a program that was built for speed.
struct Bounds {
    mib: u64,
    ms: u64,
}

const QUICK: Bounds = Bounds { mib: 64, ms: 100 };

struct Said {
    code: Option<i32>,
    stderr: String,
}

/// Makes the call within its bounds.
#[track_caller]
fn measured(test: &Test, args: &[&str], bounds: &Bounds) -> Said {
    let call = test.quintet(args);
    let command = call.command();
    let mut python = Command::new("python3");
    python
        .args(["-c", MEASURE])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .current_dir(test.path("work"));
    for (name, value) in command.get_envs() {
        python.env(name, value.unwrap_or_default());
    }
    let done = python.output().expect("python3 can be started");
    let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!stderr.contains("panicked"), "{args:?}: {stderr:.2000}");
    let measured = std::fs::read_to_string(test.path("work/measured"));
    let measured = measured.unwrap_or_else(|_| panic!("{args:?} did not end: {stderr:.2000}"));
    let (peak, took) = measured.split_once(' ').expect("two numbers");
    let (peak, took): (u64, u64) = (peak.parse().unwrap(), took.parse().unwrap());
    assert!(peak < bounds.mib * 1024, "{args:?} took {peak} KiB");
    // What is tested here was built to be debugged, on a machine that is busy.
    let slower = if nightly() { 20 } else { 100 };
    assert!(took < bounds.ms * slower, "{args:?} took {took} ms");
    Said {
        code: done.status.code(),
        stderr,
    }
}

/// `validate` and `run` refuse the plan and say so; nothing else happens.
#[track_caller]
fn refused_by_all(name: &str, content: impl AsRef<[u8]>, bounds: &Bounds, words: &str) {
    let small = content.as_ref().len() < 4096;
    let test = Test::new().file(name, content);
    for verb in ["validate", "run", "plan"] {
        let stderr = if small {
            test.quintet(&[verb, name]).status(2).run().stderr
        } else {
            let said = measured(&test, &[verb, name], bounds);
            assert_eq!(said.code, Some(2), "{verb}: {:.2000}", said.stderr);
            said.stderr
        };
        assert!(
            stderr.contains(words),
            "{verb} lacks {words:?}: {stderr:.2000}"
        );
        assert!(stderr.len() < 64 << 10, "{verb} says too much");
        assert!(
            !test.path("state").exists(),
            "{verb} has recorded something"
        );
    }
    let mut left: Vec<String> = names(&test.path("work"));
    left.retain(|left| left != name && left != "measured");
    assert_eq!(left, Vec::<String>::new());
}

/// What lies in a directory.
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("it can be read").flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// XF01: one of the circles is printed as a path.
#[test]
fn xf01_cycles_are_refused_by_every_verb() {
    let id = |i: usize| format!("s{i}");
    let two = steps([step("a", &["b".into()], &[]), step("b", &["a".into()], &[])]);
    refused_by_all("p.json", two, &QUICK, "in a circle: a -> b -> a");
    let own = steps([step("a", &["a".into()], &[])]);
    refused_by_all("p.json", own, &QUICK, "step \"a\" needs itself");
    let ring = (0..1000).map(|i| step(&id(i), &[id((i + 1) % 1000)], &[]));
    refused_by_all(
        "p.json",
        steps(ring),
        &QUICK,
        "in a circle: s0 -> s1 -> s2 -> ",
    );
}

/// XF02: with the place and the nearest name, and never the last one wins.
#[test]
fn xf02_duplicates_and_missing_are_refused_by_every_verb() {
    let twice = "{\"steps\": [\n  {\"id\": \"a\", \"command\": \"true\"},\n  \
                 {\"id\": \"a\", \"command\": \"touch\", \"args\": [\"ran\"]}\n]}";
    refused_by_all("p.json", twice, &QUICK, "p.json:3:11");
    refused_by_all(
        "p.json",
        named(&["Build", "build"]),
        &QUICK,
        "differ by case alone",
    );
    let key = r#"{"steps":[{"id":"a","command":"true","command":"touch ran"}]}"#;
    refused_by_all("p.json", key, &QUICK, "the key \"command\" is given twice");
    let missing = steps([step("ghosts", &[], &[]), step("a", &["ghost".into()], &[])]);
    refused_by_all("p.json", missing, &QUICK, "did you mean \"ghosts\"?");
    let yaml = "steps:\n  - {id: a, command: 'true'}\n  - {id: b, command: 'true', id: c}\n";
    refused_by_all("p.yaml", yaml, &QUICK, "p.yaml:3:");
}

/// Within its bounds the plan is found sound; gives its directory.
#[track_caller]
fn sound(content: String, ms: u64, count: usize) -> Test {
    let test = Test::new().file("p.json", content);
    let said = measured(&test, &["validate", "p.json"], &Bounds { mib: 200, ms });
    assert_eq!(said.code, Some(0), "{count} steps: {:.2000}", said.stderr);
    test
}

/// XF03: large shapes, with a stack of 256 KiB.
#[test]
fn xf03_large_shapes_are_validated_in_bounds() {
    let id = |i: usize| format!("s{i}");
    let chain = (0..50_000).map(|i: usize| {
        let needs: Vec<_> = i.checked_sub(1).map(id).into_iter().collect();
        step(&id(i), &needs, &[])
    });
    sound(steps(chain), 1000, 50_000);
    sound(
        steps((0..20_000).map(|i| step(&id(i), &[], &[]))),
        1000,
        20_000,
    );
    let dense = (0..600).map(|i| step(&id(i), &(0..i).map(id).collect::<Vec<_>>(), &[]));
    sound(steps(dense), 1000, 600);
    let huge = step("a", &[], &vec!["x".repeat(200_000); 20]);
    sound(steps([huge]), 1000, 1);
}

/// XF03: ten megabytes of plan, to the end.
#[test]
fn xf03_ten_megabytes_run_to_the_end() {
    let count = if nightly() { 10_000 } else { 1000 };
    let long = ["x".repeat(10_000_000 / count)];
    let big = (0..count).map(|i| step(&format!("step-{i:06}"), &[], &long));
    let test = sound(steps(big), 2000, count);
    let run = ["run", "p.json", "-q", "--max-concurrency", "4"];
    let said = measured(
        &test,
        &run,
        &Bounds {
            mib: 400,
            ms: 60_000,
        },
    );
    assert_eq!(said.code, Some(0), "{:.2000}", said.stderr);
    let status = test.quintet(&["status", "last", "--json"]).run().json();
    assert_eq!(status["counts"]["succeeded"], count);
}

/// XF04.
#[test]
fn xf04_nesting_and_bombs_are_refused_by_every_verb() {
    for deep in [100_000, 5_000_000] {
        let deep = "[".repeat(deep) + &"]".repeat(deep);
        refused_by_all("p.json", deep, &QUICK, "nested more than 128 deep");
    }
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    refused_by_all("p.yaml", format!("steps: {deep}"), &QUICK, "p.yaml:1:");
    refused_by_all("p.toml", format!("steps = {deep}"), &QUICK, "p.toml:1:");
    let tail = "steps:\n  - id: s\n    command: 'true'\n";
    let nine = |name: &str, i: usize| vec![format!("*{name}{}", i - 1); 9].join(",");
    let mut bomb = "x-a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    let mut merge = "x-b0: &b0 {k: 1}\n".to_owned();
    for i in 1..10 {
        bomb.push_str(&format!("x-a{i}: &a{i} [{}]\n", nine("a", i)));
        merge.push_str(&format!("x-b{i}: &b{i}\n  <<: [{}]\n", nine("b", i)));
    }
    refused_by_all("p.yaml", bomb + tail, &QUICK, "stand for too much");
    refused_by_all(
        "p.yaml",
        merge + tail,
        &QUICK,
        "merge keys (<<) are not read",
    );
    let own = "x-a: &a [*a]\n".to_owned() + tail;
    refused_by_all("p.yaml", own, &QUICK, "an alias inside what it stands for");
}

/// XF05: names that could lead somewhere, hide something or mean something
/// else are refused by the characters that a name may have, and nothing outside
/// the state directory is touched by any verb.
#[test]
fn xf05_names_are_refused_by_every_verb() {
    let long = "n".repeat(5000);
    for id in [
        "../../../../quintet-escaped",
        "/quintet-absolute",
        "..",
        ".",
        "a/../b",
        "a//b",
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
    ] {
        refused_by_all("p.json", named(&[id]), &QUICK, "the step id ");
    }
    assert!(!Path::new("/quintet-absolute").exists() && !Path::new("/quintet-escaped").exists());
    // Names that are allowed to have parts make no folders anywhere.
    let test = Test::new().file("p.json", named(&["a/b", "\u{e9}", "x_1-2.3"]));
    test.quintet(&["run", "p.json"]).run();
    for (dir, expected) in [("", vec!["state", "work"]), ("work", vec!["p.json"])] {
        let mut found = names(&test.path(dir));
        found.sort();
        assert_eq!(found, expected);
    }
}

/// XF06: numbers and types, with the field's path.
#[test]
fn xf06_numbers_and_types_are_refused_by_every_verb() {
    for (field, path) in [
        ("\"timeout_sec\": NaN", "steps[0].timeout_sec"),
        (
            "\"timeout_sec\": 1e400, \"retries\": 99999999999999999999",
            "steps[0].retries",
        ),
        ("\"timeout_sec\": -5", "steps[0].timeout_sec"),
        ("\"timeout_sec\": \"5\"", "steps[0].timeout_sec"),
        ("\"retries\": true", "steps[0].retries"),
        ("\"grace_sec\": [1]", "steps[0].grace_sec"),
        ("\"retry\": {\"jitter\": 2}", "steps[0].retry.jitter"),
        ("\"max_output\": -1", "steps[0].max_output"),
        ("\"max_output\": 1.5", "steps[0].max_output"),
        ("\"max_output\": \"10MB\"", "steps[0].max_output"),
        ("\"max_output\": 9007199254740993", "steps[0].max_output"),
        (
            "\"exit_codes\": {\"x\": \"success\"}",
            "steps[0].exit_codes.x",
        ),
    ] {
        let plan = format!(r#"{{"steps": [{{"id": "a", "command": "true", {field}}}]}}"#);
        refused_by_all("p.json", plan, &QUICK, path);
    }
    for (globals, path) in [
        ("\"max_concurrency\": 0", "globals.max_concurrency"),
        ("\"max_concurrency\": 1e9", "globals.max_concurrency"),
        ("\"default_max_output\": true", "globals.default_max_output"),
        ("\"deadline_sec\": -1", "globals.deadline_sec"),
    ] {
        let plan =
            format!(r#"{{"globals": {{{globals}}}, "steps": [{{"id": "a", "command": "true"}}]}}"#);
        refused_by_all("p.json", plan, &QUICK, path);
    }
}

/// XF08: a mark and foreign line ends are read over; what is not UTF-8 is
/// refused with the offset of the byte, in every format.
#[test]
fn xf08_encodings_of_every_format() {
    let good = [
        (
            "p.json",
            "{\"steps\":[\n{\"id\":\"a\",\n\"command\":\"touch\",\"args\":[\"ran\"]}]}",
        ),
        (
            "p.yaml",
            "steps:\n  - id: a\n    command: touch\n    args: [ran]\n",
        ),
        (
            "p.toml",
            "[[steps]]\nid = \"a\"\ncommand = \"touch\"\nargs = [\"ran\"]\n",
        ),
    ];
    for (name, text) in good {
        let foreign = text.replace('\n', "\r\n");
        for bytes in [
            foreign.clone(),
            format!("\u{feff}{text}"),
            format!("\u{feff}{foreign}"),
        ] {
            let test = Test::new().file(name, bytes);
            test.quintet(&["validate", name, "--strict"]).run();
            test.quintet(&["run", name, "-q"]).file_is("ran", "").run();
        }
        let at = text.find("ran").expect("it is in all of them");
        let mut bad = text.as_bytes().to_vec();
        bad[at..at + 2].copy_from_slice(b"\xff\xfe");
        let words = format!("not valid UTF-8: byte 0xff at offset {at}");
        refused_by_all(name, bad, &QUICK, &words);
        // Half of a character at the very end, and UTF-16.
        let cut = [text.as_bytes(), b"\xe2\x82"].concat();
        refused_by_all(name, cut, &QUICK, "not valid UTF-8: byte 0xe2");
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let wide = [&b"\xff\xfe"[..], &wide].concat();
        refused_by_all(name, wide, &QUICK, "the file is UTF-16; only UTF-8 is read");
    }
    let tabs = Test::new().file(
        "p.json",
        "{\t\"steps\":\t[{\"id\":\t\"a\",\t\"command\": \"true\"}]}",
    );
    tabs.quintet(&["validate", "p.json"]).run();
    refused_by_all(
        "p.yaml",
        "steps:\n\t- id: a\n\t  command: 'true'\n",
        &QUICK,
        "p.yaml:2:",
    );
}

/// XF09: a value of a megabyte is one word, or is refused by the system by name.
#[test]
fn xf09_a_value_of_a_megabyte_arrives_whole_or_not_at_all() {
    let value = "a b$(touch X)`touch X`;'\"\\\n".repeat(40_000);
    let plan = format!(
        r#"{{"variables": {{"V": {}}}, "steps": [
            {{"id": "stdin", "command": "sh", "args": ["-c", "cat > got"], "stdin": "${{V}}"}},
            {{"id": "arg", "command": "touch", "args": ["ran", "${{V}}"], "on_failure": "continue"}},
            {{"id": "env", "command": "touch", "args": ["ran"], "env": {{"V": "${{V}}"}},
              "on_failure": "continue"}},
            {{"id": "shell", "shell": true, "command": "touch ran; echo \"${{V}}\"",
              "on_failure": "continue"}}
        ]}}"#,
        quoted(&value)
    );
    let test = Test::new().file("p.json", plan);
    test.quintet(&["run", "p.json"])
        .file_is("got", &value)
        .no_file("ran")
        .no_file("X")
        .run();
    let status = test.quintet(&["status", "last", "--json"]).run().json();
    for id in ["arg", "env", "shell"] {
        let all = status["steps"].as_array().expect("steps are a list");
        let step = all
            .iter()
            .find(|step| step["step_id"] == id)
            .expect("it is there");
        assert_eq!(step["end"], "failed_to_start", "{id}");
        let error = step["error"].as_str().unwrap_or_default();
        assert!(error.contains("too long"), "{id}: {error}");
    }
}

/// XF10: a condition is no code, and has bounds.
#[test]
fn xf10_bad_conditions_are_refused_by_every_verb() {
    let deep = "(".repeat(1_000_000) + &")".repeat(1_000_000);
    let long = format!("a == '{}'", "x".repeat(1 << 20));
    let many = vec!["a == 'b'"; 100_000].join(" or ");
    for (condition, words) in [
        (&*deep, "at most"),
        (&*long, "at most"),
        (&*many, "at most"),
        ("__import__('os').system('touch ran')", "called"),
        ("1/0", "steps[0].condition"),
        ("$(touch ran)", "steps[0].condition"),
        ("`touch ran`", "steps[0].condition"),
        ("a; touch ran", "steps[0].condition"),
        ("prev.ghost.status == 'success'", "ghost"),
    ] {
        let condition = quoted(condition);
        let plan = format!(
            r#"{{"steps": [{{"id": "a", "command": "touch", "args": ["ran"], "condition": {condition}}}]}}"#
        );
        refused_by_all("p.json", plan, &QUICK, words);
    }
}

/// XF10: what turns out to be of the wrong kind when it is judged is an error
/// with its kind, and the step does not run.
#[test]
fn xf10_a_mix_of_types_is_a_typed_error() {
    let plan = r#"{"variables": {"N": {"type": "int", "default": 3}}, "steps": [
        {"id": "a", "command": "touch", "args": ["ran"], "condition": "N contains 1"}
    ]}"#;
    let test = Test::new().file("p.json", plan);
    let begun = std::time::Instant::now();
    let done = test.quintet(&["run", "p.json"]).command().output();
    let done = done.expect("it can be started");
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert!(matches!(done.status.code(), Some(0..=2)), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert!(stderr.contains("cannot be compared"), "{stderr}");
    assert!(!test.path("work/ran").exists());
    assert!(begun.elapsed() < Duration::from_secs(30));
}
