//! Output that is much, long, hostile or has nowhere to go.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::{Call, Test, eventually, nightly, skip};
use crate::{Record, exists, number, plan, running, text, written};

/// Writes so many bytes, in lines of a hundred.
const SPEW: &str = r#"
import os, sys
left, block = int(sys.argv[1]), (b"x" * 99 + b"\n") * 655
while left > 0:
    left -= os.write(1, block[:left])
"#;

/// The peak of memory in KiB of every process of ours that serves this test's
/// runs: engines, zygotes and supervisors, by process id.
fn peaks(test: &Test) -> Vec<(u32, u64)> {
    let state = format!("QUINTET_STATE_DIR={}", test.path("state").display());
    let processes = std::fs::read_dir("/proc")
        .expect("there is /proc")
        .flatten();
    let peak = |entry: std::fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
        let environment = std::fs::read(entry.path().join("environ")).ok()?;
        let mut entries = environment.split(|&b| b == 0);
        let is_ours = name.starts_with("quintet") && entries.any(|e| e == state.as_bytes());
        let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
        let peak = line.trim().strip_suffix(" kB")?.parse().ok()?;
        is_ours.then_some((pid, peak))
    };
    processes.filter_map(peak).collect()
}

/// Runs `count` steps that write `bytes` each, and gives the record. While they
/// do, nothing of ours may grow by 32 MiB, no reader that does not read may hold
/// them up, and a chain of other steps must get on.
fn spewing(count: usize, bytes: u64, fields: &str, vars: &[&str]) -> (Test, Record) {
    let spew: String = (0..count)
        .map(|n| {
            format!(
                r#"
          - {{id: spew{n}, shell: true, args: ["{bytes}"]{fields},
             command: "until [ -e go ]; do sleep 0.01; done; python3 spew.py $1"}}"#
            )
        })
        .collect();
    let ids: Vec<String> = (0..count).map(|n| format!("spew{n}")).collect();
    let chain: String = (1..40)
        .map(|n| {
            format!(
                "\n          - {{id: c{n}, command: 'true', depends_on: [c{}]}}",
                n - 1
            )
        })
        .collect();
    let slots = count + 1;
    let test = plan(&format!(
        r#"
        variables: {{TOKEN: {{secret: true}}}}
        globals: {{max_concurrency: {slots}}}
        steps:{spew}
          - {{id: c0, shell: true, command: "until [ -e go ]; do sleep 0.01; done"}}{chain}
          - {{id: last, shell: true, depends_on: [{}, c39],
             command: "touch spewed; until [ -e measured ]; do sleep 0.01; done"}}
        "#,
        ids.join(", ")
    ))
    .file("spew.py", SPEW);
    let run = running(&test, vars)
        .timeout(Duration::from_secs(600))
        .start();
    eventually("the steps run", || peaks(&test).len() >= slots + 2);
    // The slots may be there before the run is on record.
    eventually("the run is recorded", || {
        let events = test.quintet(&["events", "last"]).command().output();
        events.is_ok_and(|done| done.status.success() && !done.stdout.is_empty())
    });
    let before = peaks(&test);
    // A viewer that does not read. It ends with the test.
    let follow = test
        .quintet(&["logs", "last", "spew0", "--follow"])
        .status(143)
        .start();
    std::fs::write(test.path("work/go"), "").expect("it can be written");
    let deadline = std::time::Instant::now() + Duration::from_secs(300);
    while !test.path("work/spewed").exists() {
        assert!(
            std::time::Instant::now() < deadline,
            "the steps are held up"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    for (pid, after) in peaks(&test) {
        let before = before.iter().find(|(other, _)| *other == pid);
        let grown = after - before.map_or(0, |(_, before)| *before);
        assert!(grown < 32 * 1024, "process {pid} grew by {grown} KiB");
    }
    follow.signal(nix::sys::signal::Signal::SIGTERM);
    follow.finish();
    std::fs::write(test.path("work/measured"), "").expect("it can be written");
    run.finish();
    let record = Record::last(&test);
    get_on(&record);
    (test, record)
}

/// Between two short steps of the chain there is next to nothing, whatever the
/// other slots' output is.
fn get_on(record: &Record) {
    let at = |step: &str, field: &str| {
        let end = record.of("step_finished", step)[0];
        number(&end[field])
    };
    let mut gaps: Vec<u64> = (1..40)
        .map(|n| at(&format!("c{n}"), "started_at") - at(&format!("c{}", n - 1), "ended_at"))
        .collect();
    gaps.sort_unstable();
    // A machine that tests other things as well may stall a few of them.
    let worst = if nightly() {
        gaps[gaps.len() - 1]
    } else {
        gaps[gaps.len() / 2]
    };
    assert!(worst < 50, "from one step to the next it took {gaps:?} ms");
}

/// XC01: by descriptor, one and four at a time.
#[test]
fn xc01_much_output_costs_no_memory_and_holds_nobody_up() {
    let bytes: u64 = if nightly() { 1 << 30 } else { 48 << 20 };
    for count in [1, 4] {
        let (test, record) = spewing(count, bytes, "", &[]);
        for n in 0..count {
            let id = format!("spew{n}");
            let end = record.of("step_finished", &id)[0];
            assert_eq!(number(&end["output"]["stdout"]["len"]), bytes);
            assert_eq!(end["output"]["dropped"], serde_json::Value::Null);
        }
        drop(test);
    }
}

/// XC01: with a limit the beginning and the end are kept, the rest is counted,
/// and the disk never holds more.
#[test]
fn xc01_max_output_keeps_both_ends_and_counts_the_rest() {
    let bytes: u64 = if nightly() { 1 << 30 } else { 64 << 20 };
    const MOST: u64 = 1_000_000;
    let (test, record) = spewing(2, bytes, ", max_output: 1000000", &[]);
    for id in ["spew0", "spew1"] {
        assert_eq!(number(&record.step(id)["dropped_bytes"]), bytes - MOST);
        let note = format!(
            "[quintet: {} bytes are left out here, by max_output]\n",
            bytes - MOST
        );
        let log = test
            .quintet(&["logs", "last", id])
            .stderr_has(&format!(
                "{} bytes of its output were left out",
                bytes - MOST
            ))
            .run()
            .text();
        // The beginning ends within a line, which the note does not go on with.
        assert_eq!(log.len() as u64, MOST + note.len() as u64 + 1);
        let (begin, end) = log.split_once(&note).expect("the note is there");
        assert!(begin.starts_with("xxx") && end.ends_with('x'));
    }
    test.quintet(&["why", "spew0"])
        .stdout_has("bytes of its output were left out, by max_output")
        .run();
    let held: u64 = slots(&test).map(|meta| meta.size()).sum();
    assert!(held < 3 * MOST, "{held} bytes lie in the run's directory");
}

fn slots(test: &Test) -> impl Iterator<Item = std::fs::Metadata> {
    let runs = std::fs::read_dir(test.path("state/runs")).expect("there are runs");
    let slots = runs.flatten().map(|run| run.path().join("slots"));
    let files = slots.flat_map(|slots| std::fs::read_dir(slots).expect("it is there").flatten());
    files.map(|file| file.metadata().expect("it is there"))
}

/// XC01: the same through the masks of a run with secrets.
#[test]
fn xc01_masking_costs_no_memory_either() {
    let bytes: u64 = if nightly() { 1 << 30 } else { 24 << 20 };
    let (_test, record) = spewing(1, bytes, "", &["--var", "TOKEN=hunter2-x7Qz9"]);
    let end = record.of("step_finished", "spew0")[0];
    assert_eq!(number(&end["output"]["stdout"]["len"]), bytes);
}

/// The default of the plan, and a step that wants all of its output all the same.
#[test]
fn xc01_max_output_of_the_plan_holds_for_steps_that_give_none() {
    let test = plan(
        r#"
        globals: {default_max_output: 10}
        steps:
          - {id: cut, command: printf, args: ["%s", "0123456789abcdef"]}
          - {id: less, command: printf, args: ["%s", "0123456789abcdef"], max_output_bytes: 4}
          - {id: all, command: printf, args: ["%s", "0123456789abcdef"], max_output: 0}
        "#,
    );
    running(&test, &[]).run();
    let log = |id| test.quintet(&["logs", "last", id]).run().text();
    let note = |n| format!("\n[quintet: {n} bytes are left out here, by max_output]\n");
    assert_eq!(log("cut"), format!("01234{}bcdef", note(6)));
    assert_eq!(log("less"), format!("01{}ef", note(12)));
    assert_eq!(log("all"), "0123456789abcdef");
}

/// The call with so little address space that it cannot hold the output.
fn with_little_memory(call: &Call<'_>) -> Command {
    let command = call.command();
    let mut little = Command::new("sh");
    little
        .args(["-c", "ulimit -v 150000; exec \"$@\"", "sh"])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear();
    for (name, value) in command.get_envs() {
        little.env(name, value.unwrap_or_default());
    }
    little.current_dir(command.get_current_dir().expect("it has one"));
    little
}

/// XC02: a line that is longer than the memory of whoever shows it.
#[test]
fn xc02_one_huge_line_is_shown_in_bounded_memory() {
    let bytes: u64 = if nightly() { 209_715_200 } else { 160_000_000 };
    let test = plan(&format!(
        r#"
        steps:
          - {{id: line, shell: true, args: ["{bytes}"],
             command: "head -c $1 /dev/zero | tr '\\0' y; exit 1"}}
        "#
    ));
    // The summary of the failed step looks at its last lines.
    running(&test, &[]).status(1).stderr_has("yyyy").run();
    let shown = |args: &[&str]| {
        let call = test.quintet(&[&["logs", "last", "line"], args].concat());
        let begun = std::time::Instant::now();
        let mut command = with_little_memory(&call);
        let done = command.stdin(std::process::Stdio::null()).output();
        let done = done.expect("it can be started");
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{args:?}: {stderr}");
        (done.stdout, begun.elapsed())
    };
    let (tail, took) = shown(&["--tail", "5"]);
    assert_eq!(tail.len(), 1 << 20);
    // Not by reading all of it: that takes several times as long.
    assert!(
        took < Duration::from_secs(if nightly() { 1 } else { 5 }),
        "{took:?}"
    );
    let (json, _) = shown(&["--tail", "1", "--json"]);
    let last: serde_json::Value = serde_json::from_str(
        String::from_utf8(json)
            .expect("JSON is text")
            .lines()
            .last()
            .expect("a line"),
    )
    .expect("JSON");
    let offset = number(&last["offset"]) + text(&last["text"]).len() as u64;
    assert_eq!(offset, bytes, "the offset is that of the whole stream");
    for verb in [
        &["status"][..],
        &["why", "line"],
        &["events", "last", "--json"],
    ] {
        let call = test.quintet(verb);
        let done = with_little_memory(&call)
            .output()
            .expect("it can be started");
        assert!(
            done.status.success() && done.stdout.len() < 100_000,
            "{verb:?}"
        );
    }
    let all = with_little_memory(&test.quintet(&["logs", "last", "line"]));
    assert_eq!(counted(all), bytes);
}

/// How many bytes a command writes.
fn counted(mut command: Command) -> u64 {
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdout = child.stdout.take().expect("it is a pipe");
    let n = std::io::copy(&mut stdout, &mut std::io::sink()).expect("it can be read");
    assert!(child.wait().expect("it is ours").success());
    n
}

/// What no terminal, parser or page should be given as it is.
const HOSTILE: &str = r#"
import os, sys
data = b"ok-before\n\xff\xfe\x80\xc0\xaf\xed\xa0\x80\xf8\x88\x80\x80\x80\n"
data += b"nul:\x00:nul esc:\x1b[31mred\x1b]0;title\x07\x1b[2J cr:abc\rXYZ bs:\b\b\n"
data += "c1:\x9b31m \x9d0;t\x9c rtl:\u202etxt\u202c zw:\u200b lsep:\u2028 <script>\n".encode()
data += b"ok-after\n"
open("written", "wb").write(data)
for fd in (1, 2):
    os.write(fd, data)
sys.exit(1)
"#;

fn hostile_output() -> Test {
    let test = plan(
        r#"
        steps:
          - {id: bad, command: python3, args: [hostile.py]}
        "#,
    );
    test.file("hostile.py", HOSTILE)
}

/// XC03: byte for byte to files and programs, and without loss as JSON.
#[test]
fn xc03_hostile_bytes_are_kept_and_told_as_they_are() {
    let test = hostile_output();
    running(&test, &[]).status(1).run();
    let data = std::fs::read(test.path("work/written")).expect("the step wrote it");
    for stream in ["--stdout", "--stderr"] {
        test.quintet(&["logs", "last", "bad", stream])
            .stdout(&data)
            .run();
        let json = test
            .quintet(&["logs", "last", "bad", stream, "--json"])
            .run()
            .text();
        let mut joined = Vec::new();
        for line in json.lines() {
            let piece: serde_json::Value = serde_json::from_str(line).expect("JSON");
            assert_eq!(number(&piece["offset"]), joined.len() as u64);
            match piece["base64"].as_str() {
                Some(base64) => joined.extend(decoded(base64)),
                None => joined.extend(text(&piece["text"]).bytes()),
            }
        }
        assert_eq!(joined, data);
    }
    for what in [
        &["events", "last", "--json"][..],
        &["status", "last", "--json"],
        &["events", "last"],
        &["status", "last"],
        &["why", "bad"],
    ] {
        let said = test.quintet(what).run().text();
        let is_control =
            |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
        let json = what.contains(&"--json");
        assert!(json || !said.contains(is_control), "{what:?}: {said:?}");
        for line in said.lines().filter(|_| json && what[0] == "events") {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON");
        }
    }
}

fn decoded(base64: &str) -> Vec<u8> {
    let digit = |b: u8| match b {
        b'A'..=b'Z' => b - b'A',
        b'a'..=b'z' => b - b'a' + 26,
        b'0'..=b'9' => b - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = base64.bytes().filter(|b| *b != b'=').map(digit).collect();
    let mut bytes = Vec::new();
    for four in digits.chunks(4) {
        let bits = four
            .iter()
            .fold(0u32, |bits, digit| bits << 6 | u32::from(*digit));
        let bits = (bits << (6 * (4 - four.len()))).to_be_bytes();
        bytes.extend(&bits[1..four.len()]);
    }
    bytes
}

/// XC03: a terminal gets every line, and nothing that it would act on.
#[test]
fn xc03_a_terminal_is_not_given_what_it_would_act_on() {
    let test = hostile_output();
    let on_terminal = |args: &[&str]| {
        let call = test.quintet(args);
        let command = call.command();
        let mut terminal = Command::new("python3");
        terminal
            .args(["-c", "import pty, sys; pty.spawn(sys.argv[1:])"])
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .current_dir(test.path("work"));
        for (name, value) in command.get_envs() {
            terminal.env(name, value.unwrap_or_default());
        }
        let done = terminal.stdin(std::process::Stdio::null()).output();
        done.expect("python3 can be started").stdout
    };
    for args in [
        &["run", "plan.yaml"][..],
        &["logs", "last", "bad"],
        &["logs", "last", "bad", "--stdout"],
        &["logs", "last", "bad", "--tail", "9"],
        &["status"],
        &["why", "bad"],
        &["events", "last"],
    ] {
        let said = on_terminal(args);
        let has = |what: &[u8]| said.windows(what.len()).any(|part| part == what);
        let told = String::from_utf8_lossy(&said);
        for acted_on in [
            &b"\x1b]0;"[..],
            b"\x1b[2J cr",
            b"\x1b[31mred",
            b"\x07",
            b"\x00",
            b"\x08",
            "\u{9b}".as_bytes(),
            "\u{9d}".as_bytes(),
            "\u{202e}".as_bytes(),
            b"abc\rXYZ",
        ] {
            assert!(!has(acted_on), "{args:?} gave {acted_on:?}: {told:?}");
        }
        if args[0] == "logs" {
            let lines = [
                "ok-before",
                "nul:",
                "red",
                "XYZ",
                "c1:",
                "<script>",
                "ok-after",
            ];
            for line in lines {
                assert!(told.contains(line), "{args:?} lost {line}: {told:?}");
            }
            let streams = if args.contains(&"--stdout") { 1 } else { 2 };
            assert_eq!(told.matches("ok-after").count(), streams);
        }
    }
}

/// XC04: the directory of the logs goes, with the step's scratch in it.
#[test]
fn xc04_a_step_goes_on_when_its_log_vanishes() {
    for fields in ["", ", max_output: 1000000"] {
        let test = plan(&format!(
            r#"
            steps:
              - {{id: a, shell: true{fields},
                 command: "echo x; rm -rf \"$QUINTET_STATE_DIR\"/runs/*/slots; echo y; touch went-on"}}
              - {{id: b, command: touch, args: [b], depends_on: [a]}}
            "#
        ));
        // Without the slots' records nothing more may start. What ran is recorded.
        running(&test, &[])
            .status(74)
            .stderr_has("the run cannot be recorded: the start of an attempt")
            .run();
        assert!(!exists(&test, "b"));
        assert_eq!(written(&test, "went-on"), "");
        let record = Record::last(&test);
        let end = record.of("step_finished", "a")[0];
        assert_eq!(end["code"], 0, "{end}");
        let error = text(&end["error"]);
        assert!(error.contains("could not be kept"), "{error}");
        test.quintet(&["why", "a"])
            .stdout_has("could not be kept")
            .run();
        test.quintet(&["logs", "last"]).run();
        test.quintet(&["resume"]).file_is("b", "").run();
        assert_eq!(Record::last(&test).states(), "a succeeded, b succeeded");
    }
}

/// A file system of its own, which goes with this.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    fn mounted(at: &'a Path, options: &str) -> Option<Small<'a>> {
        std::fs::create_dir_all(at).expect("a directory can be made");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(at)
            .output();
        mount.is_ok_and(|m| m.status.success()).then_some(Small(at))
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).output();
    }
}

/// XC04: the file system of the logs is full, that of the record is not. The
/// step is told so by its own writes, or goes on where its output is piped, and
/// its end is recorded. The run, whose events are exported there, stops starting
/// steps, and goes on when there is room.
#[test]
fn xc04_a_full_file_system_of_logs_costs_output_alone() {
    let test = plan(
        r#"
        variables: {TOKEN: {secret: true}}
        steps:
          - {id: a, shell: true,
             command: "head -c 8000000 /dev/zero 2>/dev/null; echo $? > code; touch went-on"}
          - {id: b, command: touch, args: [b], depends_on: [a]}
        "#,
    );
    for (vars, code) in [(&[][..], "1\n"), (&["--var", "TOKEN=hunter2-x7Qz9"], "0\n")] {
        let _ = std::fs::remove_dir_all(test.path("state"));
        for made in ["b", "code", "went-on"] {
            let _ = std::fs::remove_file(test.path("work").join(made));
        }
        let runs = test.path("state/runs");
        let Some(_small) = Small::mounted(&runs, "size=2m,mode=0700") else {
            return skip("xc04", "needs root, to mount a small file system");
        };
        let mut command = running(&test, vars).command();
        let stderr = std::fs::File::create(test.path("stderr")).expect("there is room");
        command.stdout(std::process::Stdio::null());
        let mut run = command.stderr(stderr).spawn().expect("it can be started");
        eventually("the step has gone on", || exists(&test, "went-on"));
        assert_eq!(written(&test, "code"), code, "{vars:?}");
        // What can wait for room is given a moment to find that there is none.
        for _ in 0..20 {
            if run.try_wait().expect("it is ours").is_none() {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        let larger = Command::new("mount")
            .args(["-o", "remount,size=32m"])
            .arg(&runs)
            .status();
        assert!(larger.is_ok_and(|larger| larger.success()));
        eventually("the run ends", || {
            run.try_wait().expect("it is ours").is_some()
        });
        let ended = run.wait().expect("it is ours").code();
        let stderr = std::fs::read_to_string(test.path("stderr")).expect("it is there");
        assert!(matches!(ended, Some(0 | 74)), "{ended:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        // Short steps may all be over before the export fails, which comes after
        // the record; then there is nothing left to do.
        if Record::last(&test).state() != "succeeded" {
            test.quintet(&[&["resume"], vars].concat()).run();
        }
        let record = Record::last(&test);
        assert_eq!(record.states(), "a succeeded, b succeeded");
        assert_eq!(
            record.of("step_started", "a").len(),
            1,
            "it is not done again"
        );
        if !vars.is_empty() {
            let error = text(&record.step("a")["error"]);
            assert!(
                error.contains("bytes of its output could not be kept"),
                "{error}"
            );
        }
        assert!(exists(&test, "b"));
    }
}
