//! `quintet mcp` as a client meets it: the program, over pipes, in hand-written
//! JSON-RPC, a message a line.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getsid};
use serde_json::{Value, json};
use support::Test;

const CONFIG: &str = r#"
[jobs.hello]
description = "Says hello"
command = ["printf", "\u001b[31mhello\u001b[0m %s\n", "; rm -rf /"]

[jobs.nap]
command = ["sleep", "300"]

[jobs.gate]
command = ["sh", "-c", "while [ ! -e open ]; do sleep 0.05; done"]

[tasks.parser]
description = "Parses"
repo = "external"
working_dir = "/"
command = ["true"]

[agents.Writer]
command = ["sh", "-c", "cat >goal.json; echo '{}'"]

[orchestrations.release]
description = "Releases"
steps = [["Writer"]]
"#;

/// A client, and the server that it talks to. The server ends with it.
struct Client {
    server: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    id: u64,
    /// The processes of the runs that it has begun.
    begun: Vec<Pid>,
}

impl Client {
    fn new(test: &Test, args: &[&str]) -> Client {
        let mut words = vec!["--config", "config.toml", "mcp"];
        words.extend(args);
        let mut server = test
            .quintet(&words)
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program can be started");
        let stdin = server.stdin.take();
        let stdout = BufReader::new(server.stdout.take().expect("stdout is a pipe"));
        let mut client = Client {
            server,
            stdin,
            stdout,
            id: 0,
            begun: Vec::new(),
        };
        let params = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        });
        let about = client.ask("initialize", params);
        assert_eq!(about["result"]["serverInfo"]["name"], "quintet", "{about}");
        client.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        client
    }

    fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        writeln!(stdin, "{line}").expect("the server reads");
    }

    /// The answer to a request. Every line must be a message.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.id += 1;
        let request =
            json!({ "jsonrpc": "2.0", "id": self.id, "method": method, "params": params });
        self.send(&request.to_string());
        loop {
            let mut line = String::new();
            let got = self.stdout.read_line(&mut line);
            assert!(got.is_ok_and(|n| n > 0), "no answer to {request}");
            let answer: Value = serde_json::from_str(&line).expect("stdout is the protocol's");
            assert_eq!(answer["jsonrpc"], "2.0");
            if answer["id"] == self.id {
                return answer;
            }
        }
    }

    fn tool(&mut self, name: &str, arguments: Value) -> Value {
        let params = json!({ "name": name, "arguments": arguments });
        self.ask("tools/call", params)["result"].take()
    }

    /// What a tool answers.
    #[track_caller]
    fn done(&mut self, name: &str, arguments: Value) -> Value {
        let result = self.tool(name, arguments);
        assert_ne!(result["isError"], true, "{name}: {result}");
        result["structuredContent"].clone()
    }

    /// Why a tool does not do what it was asked to.
    #[track_caller]
    fn refused(&mut self, name: &str, arguments: Value) -> String {
        let result = self.tool(name, arguments);
        assert_eq!(result["isError"], true, "{name}: {result}");
        result["content"][0]["text"]
            .as_str()
            .expect("a text")
            .to_owned()
    }

    fn names(&mut self) -> Vec<(String, Value)> {
        let tools = self.ask("tools/list", json!({}))["result"]["tools"].take();
        let tools = tools.as_array().expect("a list").iter();
        let named = |tool: &Value| {
            let name = tool["name"].as_str().expect("a name").to_owned();
            (name, tool["annotations"].clone())
        };
        tools.map(named).collect()
    }

    /// Previews and starts; gives the run's id.
    #[track_caller]
    fn start(&mut self, kind: &str, name: &str) -> String {
        let begun = self.begin(kind, name);
        begun["run_id"].as_str().expect("an id").to_owned()
    }

    /// Previews and starts; gives the answer.
    #[track_caller]
    fn begin(&mut self, kind: &str, name: &str) -> Value {
        let seen = self.done("preview", json!({ "kind": kind, "name": name }));
        let asked = json!({ "kind": kind, "name": name, "token": seen["token"] });
        let begun = self.done("start", asked);
        let pid = begun["pid"].as_i64().and_then(|pid| pid.try_into().ok());
        self.begun.push(Pid::from_raw(pid.expect("a process id")));
        begun
    }

    /// How the run has ended.
    #[track_caller]
    fn ended(&mut self, run: &str) -> Value {
        loop {
            let asked = json!({ "run": run, "wait_sec": 5, "until_over": true });
            let seen = self.done("watch", asked);
            if seen["is_over"] == true {
                return seen;
            }
            assert_eq!(seen["interrupted"], false, "{seen}");
        }
    }

    /// Says no more, and gives the server's exit code.
    fn hang_up(&mut self) -> Option<i32> {
        self.stdin = None;
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let ended = self.server.try_wait().expect("it can be waited for");
            if let Some(status) = ended {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the server does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        // Where a test has failed its run may still go on.
        for run in self
            .begun
            .iter()
            .filter(|run| getsid(Some(**run)) == Ok(**run))
        {
            let _ = kill(*run, Signal::SIGTERM);
        }
    }
}

fn configured() -> Test {
    Test::new().file("config.toml", CONFIG)
}

#[test]
fn tools_that_change_something_are_there_only_with_control() {
    let test = configured();
    let mut client = Client::new(&test, &[]);
    let tools = client.names();
    let names: Vec<&str> = tools.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "explain", "list", "log", "preview", "runs", "status", "watch"
        ]
    );
    assert!(tools.iter().all(|(_, hints)| hints["readOnlyHint"] == true));

    let tools = Client::new(&test, &["--control"]).names();
    for control in ["start", "cancel"] {
        let found = tools.iter().find(|(name, _)| name == control);
        let (_, hints) = found.expect("it is listed");
        assert_eq!(hints["readOnlyHint"], false, "{control}");
        assert_eq!(hints["destructiveHint"], true, "{control}");
    }
}

#[test]
fn without_control_nothing_starts_and_nothing_stops() {
    let test = configured();
    let mut client = Client::new(&test, &[]);
    let seen = client.done("preview", json!({ "kind": "job", "name": "hello" }));
    assert!(seen["token"].is_null(), "{seen}");
    for (tool, arguments) in [
        (
            "start",
            json!({ "kind": "job", "name": "hello", "token": "0" }),
        ),
        ("cancel", json!({ "run": "last" })),
    ] {
        let why = client.refused(tool, arguments);
        assert!(
            why.contains("only reads") && why.contains("--control"),
            "{why}"
        );
    }
    assert_eq!(client.done("runs", json!({}))["runs"], json!([]));
    assert!(!test.path("state").exists(), "looking has written");
}

#[test]
fn what_is_registered_is_listed_and_previewed() {
    let test = configured();
    let mut client = Client::new(&test, &[]);
    let all = client.done("list", json!({}));
    assert_eq!(all["jobs"][1]["name"], "hello");
    assert_eq!(all["jobs"][1]["description"], "Says hello");
    assert_eq!(all["tasks"][0]["status"], "planned");
    assert_eq!(all["orchestrations"][0]["groups"], json!([["Writer"]]));
    let some = client.done("list", json!({ "contains": "hel" }));
    assert_eq!(some["jobs"].as_array().map(Vec::len), Some(1));
    assert_eq!(some["orchestrations"], json!([]));

    let seen = client.done("preview", json!({ "kind": "job", "name": "hello" }));
    let told = test
        .quintet(&["--config", "config.toml", "plan", "hello"])
        .run();
    let shown = seen["preview"].as_str().expect("a text");
    assert_eq!(shown, told.text(), "it is what `quintet plan` says");
    let asked = json!({ "kind": "orchestration", "name": "release", "goal": "Ship it" });
    let seen = client.done("preview", asked);
    assert!(
        seen["preview"].as_str().expect("a text").contains("Writer"),
        "{seen}"
    );
}

#[test]
fn from_the_preview_to_the_explanation() {
    let test = configured();
    let mut client = Client::new(&test, &["--control"]);
    let run = client.start("job", "hello");
    let seen = client.ended(&run);
    assert_eq!(seen["state"], "succeeded", "{seen}");
    let events = seen["events"].as_array().expect("a list");
    assert_eq!(events[0]["type"], "run_started");
    assert_eq!(seen["last_seq"], events.len());

    let last = seen["last_seq"].as_u64().expect("a number");
    let rest = client.done("watch", json!({ "run": run, "after": last - 1 }));
    assert_eq!(rest["events"].as_array().map(Vec::len), Some(1));
    assert_eq!(rest["events"][0]["type"], "run_finished");

    let log = client.done("log", json!({ "run": run, "step": "hello" }));
    // Escapes are gone, and what the arguments hold was no command.
    assert_eq!(log["stdout"], "hello ; rm -rf /\n");
    assert!(log["note"].as_str().expect("a text").contains("data"));
    let why = client.done("explain", json!({ "run": run, "step": "hello" }));
    assert!(
        why["why"].as_str().expect("a text").contains("succeeded"),
        "{why}"
    );
    let status = client.done("status", json!({ "run": run }));
    assert_eq!(status["steps"][0]["state"], "succeeded", "{status}");
    let runs = client.done("runs", json!({ "state": "succeeded", "name": "hello" }));
    assert_eq!(runs["runs"][0]["run_id"], run, "{runs}");
}

#[test]
fn tasks_and_orchestrations_start_too() {
    let test = configured();
    let mut client = Client::new(&test, &["--control"]);
    let run = client.start("task", "parser");
    assert_eq!(client.ended(&run)["state"], "succeeded");
    // Its record is written once the run is over.
    let deadline = Instant::now() + Duration::from_secs(60);
    while client.done("list", json!({}))["tasks"][0]["status"] != "done" {
        assert!(Instant::now() < deadline, "the task is not done");
    }

    let goal = "--now $(touch oops)";
    let seen = client.done(
        "preview",
        json!({ "kind": "orchestration", "name": "release", "goal": goal }),
    );
    let asked = json!({ "kind": "orchestration", "name": "release", "token": seen["token"] });
    let begun = client.done("start", asked);
    let run = begun["run_id"].as_str().expect("an id");
    assert_eq!(client.ended(run)["state"], "succeeded");
    let given = std::fs::read_to_string(test.path("work/goal.json")).expect("it was given a goal");
    let given: Value = serde_json::from_str(&given).expect("the goal is given as JSON");
    assert_eq!(given["goal"], goal);
    assert!(!test.path("work/oops").exists());
}

#[test]
fn nothing_starts_that_was_not_previewed() {
    let test = configured();
    let mut client = Client::new(&test, &["--control"]);
    let start = |name: &str, token: &Value| json!({ "kind": "job", "name": name, "token": token });
    let why = client.refused("start", start("hello", &json!("00")));
    assert!(why.contains("preview first"), "{why}");
    let seen = client.done("preview", json!({ "kind": "job", "name": "hello" }));
    let why = client.refused("start", start("nap", &seen["token"]));
    assert!(
        why.contains("preview first") && why.contains("hello"),
        "{why}"
    );
    let run = client.done("start", start("hello", &seen["token"]))["run_id"].take();
    client.ended(run.as_str().expect("an id"));
    let why = client.refused("start", start("hello", &seen["token"]));
    assert!(why.contains("preview first"), "a token is good once: {why}");
    assert_eq!(
        client.done("runs", json!({}))["runs"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

#[test]
fn what_has_changed_since_the_preview_does_not_start() {
    let test = configured();
    let mut client = Client::new(&test, &["--control"]);
    let seen = client.done("preview", json!({ "kind": "job", "name": "hello" }));
    let test = test.file("config.toml", CONFIG.replace("Says hello", "Says goodbye"));
    let asked = json!({ "kind": "job", "name": "hello", "token": seen["token"] });
    let why = client.refused("start", asked);
    assert!(why.contains("changed since the preview"), "{why}");
    assert_eq!(client.done("runs", json!({}))["runs"], json!([]));
    // The program itself looks as well: it reads the file once more.
    test.quintet(&[
        "--config",
        "config.toml",
        "run",
        "hello",
        "--only-plan",
        "c0ffee",
    ])
    .status(2)
    .stderr_has("no longer what was previewed")
    .run();
    drop(test);
}

#[test]
fn a_sleeping_job_is_canceled() {
    let test = configured();
    let mut client = Client::new(&test, &["--control"]);
    let run = client.start("job", "nap");
    let why = client.refused("cancel", json!({ "run": "last" }));
    assert!(why.contains("whole id") && why.contains(&run), "{why}");
    let asked = client.done("cancel", json!({ "run": run, "now": true }));
    assert_eq!(asked["asked_to_stop"], true);
    assert_eq!(client.ended(&run)["state"], "canceled");
    let why = client.refused("cancel", json!({ "run": run }));
    assert!(why.contains("over already"), "{why}");
}

#[test]
fn a_run_goes_on_when_the_server_ends() {
    let test = configured();
    let mut client = Client::new(&test, &["--control"]);
    let run = client.start("job", "gate");
    assert_eq!(client.hang_up(), Some(0));
    goes_on(test, &run);
}

#[test]
fn a_run_goes_on_when_the_server_is_killed_with_its_group() {
    let test = configured();
    let mut client = Client::new(&test, &["--control"]);
    let run = client.start("job", "gate");
    let group = i32::try_from(client.server.id()).expect("a process id");
    killpg(Pid::from_raw(group), Signal::SIGKILL).expect("it is there");
    assert_eq!(client.hang_up(), None);
    goes_on(test, &run);
}

/// The run waits at its gate, and ends well once that is open.
#[track_caller]
fn goes_on(test: Test, run: &str) {
    let mut client = Client::new(&test, &[]);
    let seen = client.done("watch", json!({ "run": run }));
    assert_eq!(
        (&seen["is_over"], &seen["interrupted"]),
        (&json!(false), &json!(false))
    );
    let _test = test.file("open", "");
    assert_eq!(client.ended(run)["state"], "succeeded");
}

#[test]
fn a_run_has_a_session_of_its_own_and_none_of_the_servers_streams() {
    let test = configured();
    let mut client = Client::new(&test, &["--control"]);
    let begun = client.begin("job", "gate");
    let pid = begun["pid"].as_i64().expect("a process id");
    let process = Pid::from_raw(i32::try_from(pid).expect("a process id"));
    assert_eq!(getsid(Some(process)), Ok(process));
    let stream = |n| std::fs::read_link(format!("/proc/{pid}/fd/{n}")).expect("it is open");
    assert_eq!(stream(0), Path::new("/dev/null"));
    assert_eq!(stream(1), Path::new("/dev/null"));
    assert!(
        stream(2).to_string_lossy().contains("memfd"),
        "{:?}",
        stream(2)
    );

    let test = test.file("open", "");
    client.ended(begun["run_id"].as_str().expect("an id"));
    // Nothing is left of it while the server lives, not even its exit code.
    let deadline = Instant::now() + Duration::from_secs(60);
    while Path::new(&format!("/proc/{pid}")).exists() {
        assert!(Instant::now() < deadline, "nobody took note of its end");
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(test);
}

#[test]
fn who_waits_for_news_keeps_nobody_from_canceling() {
    let test = configured();
    let mut client = Client::new(&test, &["--control"]);
    let run = client.start("job", "nap");
    for n in 0..20 {
        let arguments = json!({ "run": run, "wait_sec": 30, "until_over": true });
        let params = json!({ "name": "watch", "arguments": arguments });
        let wait =
            json!({ "jsonrpc": "2.0", "id": 1000 + n, "method": "tools/call", "params": params });
        client.send(&wait.to_string());
    }
    client.done("cancel", json!({ "run": run, "now": true }));
    let over = || -> bool {
        let status = test.quintet(&["status", &run, "--json"]).run().json();
        status["run"]["state"] == "canceled"
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !over() {
        assert!(Instant::now() < deadline, "it does not stop");
    }
}

#[test]
fn wrong_names_and_arguments_are_told_with_what_is_near() {
    let test = configured();
    let mut client = Client::new(&test, &["--control"]);
    let run = client.start("job", "hello");
    client.ended(&run);
    for (tool, arguments, said) in [
        (
            "preview",
            json!({ "kind": "job", "name": "helo" }),
            "did you mean \"hello\"?",
        ),
        (
            "preview",
            json!({ "kind": "task", "name": "../parser" }),
            "there is no task",
        ),
        (
            "preview",
            json!({ "kind": "file", "name": "hello" }),
            "file",
        ),
        (
            "preview",
            json!({ "kind": "job", "name": "hello", "path": "/bin/sh" }),
            "path",
        ),
        (
            "preview",
            json!({ "kind": "job", "name": "hello", "goal": "x" }),
            "only an orchestration",
        ),
        ("preview", json!({ "name": "hello" }), "kind"),
        ("runs", json!({ "state": "asleep" }), "the states are"),
        (
            "status",
            json!({ "run": "20200101-000000-zzzz" }),
            "there is no run",
        ),
        (
            "explain",
            json!({ "run": run, "step": "helo" }),
            "did you mean hello?",
        ),
        (
            "log",
            json!({ "run": run, "step": "hello", "attempt": 7 }),
            "no attempt 7",
        ),
    ] {
        let why = client.refused(tool, arguments.clone());
        assert!(why.contains(said), "{tool} {arguments}: {why}");
    }
    // What the command line would take for a path is never run in a job's place.
    let _test = test.file("hello", "#!/bin/sh\ntouch oops\n");
    let why = client.refused("preview", json!({ "kind": "job", "name": "hello" }));
    assert!(why.contains("hides the job"), "{why}");
}

#[test]
fn a_wrong_configuration_is_told_with_its_place() {
    let test = configured();
    let mut client = Client::new(&test, &[]);
    let _test = test.file("config.toml", "[jobs.hello]\ncommnd = [\"true\"]\n");
    let why = client.refused("list", json!({}));
    assert!(
        why.contains("config.toml:2") && !why.contains('\u{1b}'),
        "{why}"
    );
}

#[test]
fn runs_are_paged() {
    let test = configured();
    for _ in 0..3 {
        test.quintet(&["--config", "config.toml", "run", "hello"])
            .run();
    }
    let mut client = Client::new(&test, &[]);
    let first = client.done("runs", json!({ "limit": 2 }));
    let second = client.done("runs", json!({ "limit": 2, "before": first["next"] }));
    let ids = |page: &Value| -> Vec<Value> {
        let runs = page["runs"].as_array().expect("a list").iter();
        runs.map(|run| run["run_id"].clone()).collect()
    };
    let (mut all, rest) = (ids(&first), ids(&second));
    assert_eq!((all.len(), rest.len()), (2, 1));
    assert!(second["next"].is_null());
    all.extend(rest);
    all.sort_by_key(Value::to_string);
    all.dedup();
    assert_eq!(all.len(), 3);
}

#[test]
fn what_is_no_message_or_too_long_is_survived() {
    let test = configured();
    let mut client = Client::new(&test, &[]);
    client.send("this is no JSON {");
    client.send(&format!(
        r#"{{"jsonrpc":"2.0","id":99,"method":"{}"}}"#,
        "x".repeat(2 << 20)
    ));
    client.send(r#"{"jsonrpc":"2.0","id":98,"method":"tools/call","params":[]}"#);
    client.send("\u{0}\u{1b}[2J");
    let all = client.done("list", json!({}));
    assert_eq!(all["jobs"][1]["name"], "hello");
    let unknown = client.ask("tools/call", json!({ "name": "shell", "arguments": {} }));
    assert!(unknown["error"].is_object(), "{unknown}");
    assert_eq!(client.hang_up(), Some(0));
}

#[test]
fn a_client_that_says_nothing_ends_the_server() {
    let test = configured();
    test.quintet(&["mcp"]).stdout("").stderr("").run();
}
