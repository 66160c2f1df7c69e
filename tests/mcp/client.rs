//! A client of `quintet mcp`: the program, over pipes, in hand-written JSON-RPC, a
//! message a line.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getsid};
use serde_json::{Value, json};

use super::support::Test;

pub const CONFIG: &str = r#"
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
pub struct Client {
    pub server: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    id: u64,
    /// The processes of the runs that it has begun.
    begun: Vec<Pid>,
}

impl Client {
    pub fn new(test: &Test, args: &[&str]) -> Client {
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

    pub fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        writeln!(stdin, "{line}").expect("the server reads");
    }

    /// The answer to a request. Every line must be a message.
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
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

    pub fn tool(&mut self, name: &str, arguments: Value) -> Value {
        let params = json!({ "name": name, "arguments": arguments });
        self.ask("tools/call", params)["result"].take()
    }

    /// What a tool answers.
    #[track_caller]
    pub fn done(&mut self, name: &str, arguments: Value) -> Value {
        let result = self.tool(name, arguments);
        assert_ne!(result["isError"], true, "{name}: {result}");
        result["structuredContent"].clone()
    }

    /// Why a tool does not do what it was asked to.
    #[track_caller]
    pub fn refused(&mut self, name: &str, arguments: Value) -> String {
        let result = self.tool(name, arguments);
        assert_eq!(result["isError"], true, "{name}: {result}");
        result["content"][0]["text"]
            .as_str()
            .expect("a text")
            .to_owned()
    }

    pub fn names(&mut self) -> Vec<(String, Value)> {
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
    pub fn start(&mut self, kind: &str, name: &str) -> String {
        let begun = self.begin(kind, name);
        begun["run_id"].as_str().expect("an id").to_owned()
    }

    /// Previews and starts; gives the answer.
    #[track_caller]
    pub fn begin(&mut self, kind: &str, name: &str) -> Value {
        let seen = self.done("preview", json!({ "kind": kind, "name": name }));
        let asked = json!({ "kind": kind, "name": name, "token": seen["token"] });
        let begun = self.done("start", asked);
        let pid = begun["pid"].as_i64().and_then(|pid| pid.try_into().ok());
        self.begun.push(Pid::from_raw(pid.expect("a process id")));
        begun
    }

    /// How the run has ended.
    #[track_caller]
    pub fn ended(&mut self, run: &str) -> Value {
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
    pub fn hang_up(&mut self) -> Option<i32> {
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

/// A directory with the configuration of these tests.
pub fn configured() -> Test {
    Test::new().file("config.toml", CONFIG)
}
