//! The program on a cluster: a test's working directory and state, and a lab for its steps.

use serde_json::{Value, json};

use crate::lab::Lab;
use crate::support::{Call, Done, Live, Test, eventually};

/// A test and its lab. The directory that the nodes share with the program is `shared`.
pub struct Cluster {
    pub test: Test,
    pub lab: Lab,
}

impl Cluster {
    /// Nothing, where there can be no lab; says why.
    pub fn start(name: &str, test: Test) -> Option<Cluster> {
        Some(Cluster::on(Lab::start(name)?, test))
    }

    /// On this lab.
    pub fn on(lab: Lab, test: Test) -> Cluster {
        std::fs::create_dir(test.path("shared")).expect("a directory can be made");
        Cluster { test, lab }
    }

    /// A call of the program that can reach the cluster, and asks often.
    pub fn quintet(&self, args: &[&str]) -> Call<'_> {
        let shared = self.test.path("shared");
        self.test
            .quintet(args)
            .env("SLURM_CONF", &self.lab.configuration())
            .env("QUINTET_SLURM_DIR", &shared.to_string_lossy())
            .env("QUINTET_SLURM_POLL", "0.2")
            .env("QUINTET_SLURM_HEARTBEAT", "1")
    }

    /// Writes a plan of these steps, in which a failure keeps nothing else from running.
    pub fn plan(&self, steps: &[Value]) {
        let mut steps = steps.to_vec();
        for step in &mut steps {
            let step = step.as_object_mut().expect("a step is an object");
            step.entry("shell").or_insert(json!(true));
            step.entry("critical").or_insert(json!(false));
        }
        let plan = json!({"plan_id": "cluster", "globals": {"max_concurrency": 1}, "steps": steps});
        let path = self.test.path("work").join("plan.json");
        std::fs::write(path, plan.to_string()).expect("a plan can be written");
    }

    /// Begins a run of the plan through Slurm.
    pub fn begin(&self) -> Begun<'_> {
        let call = self.quintet(&["run", "plan.json", "--executor", "slurm"]);
        Begun(call.start())
    }

    /// Whether the last run is not over.
    pub fn is_open(&self) -> bool {
        let events = self.events();
        let last = events.last().map(|event| event["type"].clone());
        last.is_some_and(|last| last != "run_finished")
    }

    /// The events of the last run so far; none before there is one.
    pub fn events(&self) -> Vec<Value> {
        let command = self
            .quintet(&["events", "last", "--json"])
            .command()
            .output();
        let said = command.expect("the program can be started").stdout;
        let said = String::from_utf8(said).expect("events are text");
        let line = |line| serde_json::from_str(line).expect("an event is JSON");
        said.lines().map(line).collect()
    }

    /// The events of this type of one step.
    pub fn of(&self, step: &str, kind: &str) -> Vec<Value> {
        let is_it = |event: &Value| event["type"] == kind && event["step_id"] == step;
        self.events().into_iter().filter(is_it).collect()
    }

    /// Waits until the step has begun so often, and says on which node it did last.
    pub fn begun(&self, step: &str, times: usize) -> String {
        eventually("the step begins", || {
            self.of(step, "step_started").len() >= times
        });
        let last = self.of(step, "step_started").pop().expect("it began");
        last["node"].as_str().unwrap_or_default().to_owned()
    }

    /// Lines that steps have added to `ledger`, which they are told as `$LEDGER`.
    pub fn ledger(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.test.path("shared/ledger"));
        text.unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// A command that says in the ledger that it is here, before `rest`.
    pub fn counted(&self, rest: &str) -> String {
        let ledger = self.test.path("shared/ledger");
        format!("echo \"$QUINTET_STEP_ID\" >>'{}'; {rest}", ledger.display())
    }

    /// Where files are that steps of a test leave for each other.
    pub fn shared(&self, name: &str) -> std::path::PathBuf {
        self.test.path("shared").join(name)
    }
}

/// A run that goes on.
pub struct Begun<'a>(pub Live<'a>);

impl Begun<'_> {
    /// Waits for its end, which must have this exit code.
    #[track_caller]
    pub fn finish_with(self, code: i32) -> Done {
        self.0.finish_with(code)
    }

    pub fn kill(&self) {
        self.0.signal(nix::sys::signal::Signal::SIGKILL);
    }
}
