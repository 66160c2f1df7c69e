//! A run through the library alone: plan in, ended run out, record in the store.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use quintet::engine::{Again, Answers, Audience, Held, Session};
use quintet::exec::process::Zygote;
use quintet::paths::StateDir;
use quintet::plan::{Plan, StepIx};
use quintet::run::{Event, Kind, Outcome, RunOutcome, RunState};
use quintet::store::{Durability, Store};

#[path = "simulation/plans.rs"]
#[allow(dead_code)]
mod plans;
#[derive(Clone)]
pub struct Rng;
impl Rng {
    pub fn below(&mut self, _: u64) -> u64 {
        0
    }
    pub fn chance(&mut self, _: u64) -> bool {
        false
    }
}

#[derive(Default)]
struct Quiet(Vec<&'static str>);

impl Audience for Quiet {
    fn begins(&mut self, _run_id: &str) {}
    fn event(&mut self, _run: &RunState, event: &Event) {
        self.0.push(match event.kind {
            Kind::StepStarted { .. } => "started",
            Kind::StepFinished { .. } => "finished",
            Kind::RunFinished { .. } => "over",
            _ => return,
        });
    }
    fn ask(&mut self, step: StepIx, _question: &str, answers: &Answers) {
        answers.give(step, true, "test");
    }
    fn waits(&mut self, _held: &Held) {}
}

fn shell(script: &str, id: &str, needs: &[usize]) -> quintet::plan::Step {
    let mut step = plans::random(&mut Rng).steps.remove(0);
    let mut command = plans::command();
    command.program = quintet::plan::Program::Shell {
        script: script.into(),
        args: [].into(),
    };
    step.action = quintet::plan::Action::Command(Box::new(command));
    step.policy = Default::default();
    step.id = id.into();
    step.needs = needs.iter().map(|n| StepIx::new(*n)).collect();
    step
}

fn session<'a>(state: &StateDir, audience: &'a mut Quiet) -> Session<'a> {
    Session {
        state: state.clone(),
        durability: Durability::Full,
        zygote: Zygote::fork().expect("a zygote"),
        signals: None,
        secrets: BTreeMap::new(),
        strict: false,
        command_line: vec!["test".into()],
        audience,
    }
}

fn plan(steps: Vec<quintet::plan::Step>) -> Plan {
    let mut plan = plans::empty(steps);
    plan.max_concurrency = NonZeroU32::new(2).unwrap();
    plan
}

#[test]
fn a_failed_run_is_resumed_where_it_failed() {
    let tmp = tempfile::tempdir().unwrap();
    let state = StateDir::create(&tmp.path().join("state")).unwrap();
    let log = tmp.path().join("log");
    let flag = tmp.path().join("flag");
    let plan = plan(vec![
        shell(&format!("echo a >> {}", log.display()), "a", &[]),
        shell(&format!("test -e {}", flag.display()), "b", &[0]),
        shell(&format!("echo c >> {}", log.display()), "c", &[1]),
    ]);
    let mut audience = Quiet::default();
    let ended = session(&state, &mut audience).begin(plan).unwrap();
    assert_eq!(ended.outcome, RunOutcome::Failed);
    assert_eq!(ended.exit_code, 1);
    assert_eq!(audience.0.last(), Some(&"over"));
    std::fs::write(&flag, "").unwrap();
    let mut audience = Quiet::default();
    let again = Again {
        by: "test".into(),
        ..Again::default()
    };
    let ended = session(&state, &mut audience)
        .resume(&ended.run_id, &again)
        .unwrap();
    assert_eq!(ended.outcome, RunOutcome::Succeeded);
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "a\nc\n");
    let store = Store::read_only(&state).unwrap();
    let events = store.events(&ended.run_id, 0, usize::MAX).unwrap();
    let run = RunState::replay(ended.state.plan().clone(), &events).unwrap();
    assert_eq!(run.step(StepIx::new(1)).outcome(), Some(Outcome::Succeeded));
    assert_eq!(run.step(StepIx::new(1)).attempts, 2);
}
