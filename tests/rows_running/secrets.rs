//! Secrets, which steps may use and write as they like, and which nobody finds
//! afterwards in anything that was kept or shown.

use std::path::Path;

use nix::sys::signal::Signal;

use crate::support::{Done, Test, eventually};
use crate::{Record, number, plan, running, text};

/// Long enough to be told apart, and different in every spelling.
const SECRET: &str = "s3cr&t/w\"rd+ü:x7Qz9=~end";

/// Writes what it finds in VALUE (or in the file it is given) in many ways.
const TELLTALE: &str = r#"
import base64, json, os, sys, time, urllib.parse
v = os.environ.get("VALUE") or open(sys.argv[1]).read()
raw = v.encode()
def out(fd, data):
    data = data if isinstance(data, bytes) else data.encode()
    while data:
        data = data[os.write(fd, data):]
for fd in (1, 2):
    out(fd, "plain=%s\nurl=%s\n" % (v, urllib.parse.quote(v)))
    out(fd, "form=%s\nall=%s\n" % (urllib.parse.quote_plus(v), urllib.parse.quote(v, safe="")))
    for before in (b"", b"u", b"us"):
        for after in (b"", b":x"):
            out(fd, b"b64=" + base64.b64encode(before + raw + after) + b"\n")
            out(fd, b"url64=" + base64.urlsafe_b64encode(before + raw + after) + b"\n")
    out(fd, "hex=%s HEX=%s\n" % (raw.hex(), raw.hex().upper()))
    out(fd, "json=%s %s\n" % (json.dumps(v), json.dumps(v, ensure_ascii=False)))
    for code in (base64.b64encode(raw).decode(), raw.hex()):
        out(fd, "wrapped=" + "\n".join(code[n:n + 10] for n in range(0, len(code), 10)) + "\n")
    out(fd, b"split=" + raw[:9])
    time.sleep(0.2)
    out(fd, raw[9:] + b"\n")
    for byte in raw:
        out(fd, bytes([byte]))
    # Across the borders of whatever pieces the bytes are read in.
    for gap in (4095, 65575 - len(raw) // 2, 65577, 131072 - 3):
        out(fd, b"." * gap + raw)
    out(fd, b"\nend\n")
with open(os.environ["QUINTET_OUTPUT"], "w") as f:
    f.write("TOKEN=Bearer %s\n%s" % (v, v))
"#;

fn telltale(globals: &str, steps: &str) -> Test {
    let test = plan(&format!(
        r#"
        variables:
          TOKEN: {{secret: true, required: true}}
        globals: {{max_concurrency: 2{globals}}}
        steps:
          {steps}
        "#
    ));
    let file = test.path("work/token");
    std::fs::write(file, SECRET).expect("it can be written");
    test.file("telltale.py", TELLTALE)
}

fn var() -> String {
    format!("TOKEN={SECRET}")
}

/// Every form in which the secret must not be found.
fn forms() -> Vec<(&'static str, Vec<u8>)> {
    let raw = SECRET.as_bytes();
    let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    let quoted = |spare: &str| -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || spare.as_bytes().contains(&byte);
        let bytes = raw.iter();
        bytes
            .map(|&byte| match plain(byte) {
                true => char::from(byte).to_string(),
                false => format!("%{byte:02X}"),
            })
            .collect()
    };
    let mut forms = vec![
        ("plain", raw.to_vec()),
        ("the first half", raw[..raw.len() / 2].to_vec()),
        ("the second half", raw[raw.len() / 2..].to_vec()),
        ("hex", hex.clone().into_bytes()),
        ("HEX", hex.to_uppercase().into_bytes()),
        ("url", quoted("/_.-~").into_bytes()),
        ("url all", quoted("_.-~").into_bytes()),
        ("json", SECRET.replace('"', "\\\"").into_bytes()),
        ("json ascii", br#"s3cr&t/w\"rd+\u00fc:x7Qz9=~end"#.to_vec()),
    ];
    // printf 's3cr&t/w"rd+ü:x7Qz9=~end' | base64, with nothing, u and us before
    // it, but for the digits at the ends, which hold bits of their neighbours.
    for form in [
        "czNjciZ0L3cicmQrw7w6eDdRejk9fmVuZA",
        "MzY3ImdC93InJkK8O8Ong3UXo5PX5lbmQ",
        "zM2NyJnQvdyJyZCvDvDp4N1F6OT1+ZW5k",
        "zM2NyJnQvdyJyZCvDvDp4N1F6OT1-ZW5k",
    ] {
        // The middle is enough to be recognised by.
        forms.push(("base64", form.as_bytes()[4..form.len() - 4].to_vec()));
    }
    forms
}

#[track_caller]
fn clean(place: &str, bytes: &[u8]) {
    for (name, form) in forms() {
        let found = bytes.windows(form.len()).position(|part| part == form);
        if let Some(at) = found {
            let around = &bytes[at.saturating_sub(30)..(at + 60).min(bytes.len())];
            let around = String::from_utf8_lossy(around);
            panic!("{place} holds the secret ({name}): {around:?}");
        }
    }
}

#[track_caller]
fn clean_below(dir: &Path) {
    for entry in std::fs::read_dir(dir).expect("a directory can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            clean_below(&path);
        } else if path.is_file() {
            let bytes = std::fs::read(&path).expect("a file can be read");
            clean(&path.display().to_string(), &bytes);
        }
    }
}

#[track_caller]
fn clean_said(what: &str, done: &Done) {
    clean(what, &done.stdout);
    clean(what, done.stderr.as_bytes());
}

/// XH01: nothing that is kept, shown or exported holds the secret, in none of
/// the usual spellings, and the log says how often it was there.
#[test]
fn xh01_a_secret_in_output_is_masked_wherever_it_could_be_seen() {
    let test = telltale(
        "",
        r#"- {id: given, command: python3, args: [telltale.py], env: {VALUE: "${TOKEN}"}}
          - {id: finds, command: python3, args: [telltale.py, token]}
          - {id: uses, shell: true, command: "printf %s \"$O\" > got", depends_on: [given],
             env: {O: "${steps.given.outputs.TOKEN}"}}
          - {id: fails, shell: true, env: {VALUE: "${TOKEN}"}, on_failure: continue, retries: 1,
             command: "set -x; : \"$VALUE\"; echo \"$VALUE\" >&2; exit 3"}
          - {id: absent, command: "no-such-${TOKEN}", on_failure: continue}
          - {id: nowhere, command: "true", args: ["${TOKEN}"], on_failure: continue}
          - {id: long, command: printf, args: ["%s", "${TOKEN}"], log: own, max_output: 8}"#,
    );
    let ran = running(&test, &["--var", &var()]).run();
    clean_said("run", &ran);
    clean_below(&test.path("state"));
    // Whoever searches what a run has left is not to wait at a pipe.
    let odd = "find \"$1\" ! -type f ! -type d | grep .";
    let mut shell = std::process::Command::new("sh");
    let found = shell
        .args(["-c", odd, "sh"])
        .arg(test.path("state"))
        .status();
    assert_eq!(found.expect("sh can be started").code(), Some(1));
    for what in [
        &["events", "last"][..],
        &["events", "last", "--json"],
        &["status", "last"],
        &["status", "last", "--json"],
        &["logs", "last"],
        &["logs", "last", "--json"],
        &["logs", "last", "given", "--tail", "3"],
        &["why", "given"],
        &["why", "fails"],
        &["why", "absent"],
        &["runs", "--json"],
    ] {
        clean_said(&what.join(" "), &test.quintet(what).run());
    }

    let record = Record::last(&test);
    assert_eq!(record.state(), "succeeded");
    for id in ["given", "finds"] {
        // Each stream: plain, url, form, all, 12 base64, 2 hex, 2 JSON, 2 wrapped, split,
        // byte by byte and 4 times in between; and once among the outputs.
        assert_eq!(number(&record.step(id)["masked"]), 2 * 28 + 1, "{id}");
        let log = test.quintet(&["logs", "last", id, "--stdout"]).run();
        let log = log.text();
        for line in ["plain=***", "url=***", "wrapped=***", "split=***"] {
            assert!(
                log.lines().any(|l| l == line),
                "{id}: {line} is not in {log:.500}"
            );
        }
        assert!(log.ends_with("***\nend\n"));
        test.quintet(&["logs", "last", id])
            .stderr_has(&format!(
                "{id}: secrets were masked in 57 places of what it wrote"
            ))
            .run();
        test.quintet(&["why", id])
            .stdout_has("secrets were masked in 57 places of what it wrote")
            .run();
    }
    let uses = test.path("work/got");
    assert_eq!(
        std::fs::read_to_string(uses).expect("it is there"),
        "Bearer ***"
    );
    assert!(text(&record.of("step_finished", "fails")[0]["tail"]).contains("***"));
    assert_eq!(
        text(&record.step("absent")["error"]),
        "no such program: no-such-***"
    );
    assert!(record.step("nowhere")["masked"] == 0);
    assert_eq!(test.quintet(&["logs", "last", "long"]).run().stdout, b"***");
    let events = record.of("step_finished", "given");
    assert_eq!(number(&events[0]["output"]["masked"]), 57);
}

/// XH01: what a step of a run with secrets writes is masked also while no
/// engine lives, and a resume goes on with that.
#[test]
fn xh01_masking_survives_the_engine() {
    let test = telltale(
        "",
        r#"- id: slow
            shell: true
            env: {VALUE: "${TOKEN}"}
            command: |
              echo "before $VALUE"; touch begun
              until [ -e go-on ]; do sleep 0.02; done
              printf 'after %s' "$VALUE"; echo "TOKEN=$VALUE" > "$QUINTET_OUTPUT"; exit 4"#,
    );
    let run = running(&test, &["--var", &var()]).status(137).start();
    eventually("the step has begun", || test.path("work/begun").exists());
    let live = || test.quintet(&["logs", "last", "slow"]).run().text();
    eventually("the log shows it", || live().contains("before ***\n"));
    run.signal(Signal::SIGKILL);
    run.finish();
    std::fs::write(test.path("work/go-on"), "").expect("it can be written");
    eventually("the step has ended", || {
        let slots = test.path("state/runs");
        let runs = std::fs::read_dir(slots).expect("it is there");
        let sets = runs.flatten().map(|run| run.path().join("slots/1-0.out"));
        sets.into_iter().any(|path| path.exists())
    });
    clean_below(&test.path("state"));
    // It is over, so nothing that is still to be done needs the secret; but its
    // step failed, and is to be done again.
    let resumed = test.quintet(&["resume", "--var", &var()]).status(1).run();
    clean_said("resume", &resumed);
    clean_below(&test.path("state"));
    let record = Record::last(&test);
    assert_eq!(number(&record.step("slow")["masked"]), 3);
    let log = test
        .quintet(&["logs", "last", "slow", "--attempt", "1"])
        .run();
    assert_eq!(log.text(), "before ***\nafter ***");
}

/// XH01: what a step has put out, and nobody was left to take.
#[test]
fn xh01_no_outputs_lie_about_when_a_supervisor_dies() {
    let test = telltale(
        "",
        r#"- id: orphan
            shell: true
            env: {VALUE: "${TOKEN}"}
            command: |
              [ -e begun ] && exit 0
              touch begun; echo "TOKEN=$VALUE" > "$QUINTET_OUTPUT"
              kill -9 $PPID; sleep 60"#,
    );
    running(&test, &["--var", &var()]).run();
    let record = Record::last(&test);
    assert_eq!(record.of("step_finished", "orphan").len(), 2);
    clean_below(&test.path("state"));
}

/// XH01, XB02: masking waits for nobody who has got hold of the pipe.
#[test]
fn xh01_a_daemon_that_keeps_the_pipe_holds_up_nothing() {
    let test = telltale(
        "",
        r#"- id: daemon
            command: python3
            env: {VALUE: "${TOKEN}"}
            args:
              - -c
              - |
                import os, sys, time
                if os.fork() == 0:
                    os.setsid()
                    for _ in range(600):
                        os.write(1, b"daemon\n"); time.sleep(0.1)
                    os._exit(0)
                os.write(1, b"main " + os.environ["VALUE"].encode())"#,
    );
    running(&test, &["--var", &var()]).run();
    let record = Record::last(&test);
    assert_eq!(record.of("step_finished", "daemon")[0]["leaked"], true);
    let log = test.quintet(&["logs", "last", "daemon"]).run().text();
    assert!(log.contains("main ***"), "{log}");
    clean_below(&test.path("state"));
}

/// XH01: a secret that comes by the environment stands on no command line, and
/// is as well kept as any other.
#[test]
fn xh01_a_secret_can_be_given_without_being_shown() {
    let test = telltale(
        "",
        r#"- {id: a, shell: true, env: {VALUE: "${TOKEN}"}, command: "echo $VALUE $TOKEN; [ -e fixed ]"}"#,
    );
    running(&test, &["--var", "TOKEN"])
        .status(2)
        .stderr_has("there is no environment variable TOKEN")
        .run();
    running(&test, &["--var", "TOKEN"])
        .env("TOKEN", SECRET)
        .status(1)
        .run();
    let test = test.file("fixed", "");
    test.quintet(&["resume", "--var", "TOKEN"])
        .env("TOKEN", SECRET)
        .run();
    test.quintet(&["logs", "last", "a"])
        .stdout("*** ***\n")
        .run();
    clean_below(&test.path("state"));
}

/// XH01: what cannot be masked is told of before anything runs.
#[test]
fn xh01_a_secret_that_is_too_short_or_too_long_is_told_of() {
    let test = telltale("", r#"- {id: a, command: touch, args: [ran, "${TOKEN}"]}"#);
    running(&test, &["--var", &format!("TOKEN={}", "x".repeat(20_000))])
        .status(2)
        .stderr_has("too long to be masked in output")
        .no_file("ran")
        .run();
    running(&test, &["--var", "TOKEN=abc"])
        .stderr_has("warning: the value of variable \"TOKEN\" (secret) is too short to be masked")
        .file_is("ran", "")
        .run();
}
