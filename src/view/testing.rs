//! Small plans and their stories, for the tests of views.
//!
//! A story is made by the core itself: it is asked what is next, and the
//! script only says how each attempt ends and how long it takes. So every
//! reason in it is one that a real run gives.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::plan::{Action, Command, Plan, Policy, Program, Remedy, Source, Step, StepIx, Text};
use crate::run::event::Engine;
use crate::run::{
    self, Event, Exit, Finish, Kind, Millis, RunPhase, RunState, StepState, Usual, retry,
};

/// 2026-11-20 12:00:00 UTC, when every story begins.
pub const NOON: Millis = 1_795_176_000_000;

/// The run that every story is of.
pub const RUN: &str = "20261120-120000-test";

/// A plan of steps written as `id` or `id: need need`. Each echoes its own id;
/// two run at once.
pub fn plan(steps: &[&str]) -> Plan {
    let ids: Vec<&str> = steps
        .iter()
        .map(|step| step.split(':').next().unwrap_or_default())
        .collect();
    let position = |id: &str| ids.iter().position(|known| *known == id).map(StepIx::new);
    let steps = steps.iter().zip(&ids).enumerate().map(|(n, (step, id))| {
        let needs = step.split_once(':').map_or("", |(_, needs)| needs);
        let mut needs: Vec<StepIx> = needs
            .split_whitespace()
            .map(|need| position(need).expect("the step that is needed is in the plan"))
            .collect();
        needs.sort();
        step_of(id, needs, n)
    });
    Plan {
        name: "A test".into(),
        max_concurrency: NonZeroU32::new(2).expect("two is not zero"),
        files: vec!["test.json".into()],
        steps: steps.collect(),
        ..Plan::new("TEST")
    }
}

fn step_of(id: &str, needs: Vec<StepIx>, n: usize) -> Step {
    let words = ["echo", id].map(Text::from);
    let action = Action::Command(Box::new(Command {
        program: Program::Argv(Box::new(words)),
        cwd: "/work".into(),
        env: Box::default(),
        stdin: None,
    }));
    Step {
        needs: needs.into(),
        source: Source {
            file: 0,
            line: n as u32 + 1,
            column: 1,
        },
        ..Step::new(id, action)
    }
}

/// What is known of how long these steps took.
pub fn usual(plan: &Plan, took: &[(&str, Millis)]) -> Usual {
    let mut usual = Usual::nothing();
    for (id, ms) in took {
        let ix = plan.indices().find(|ix| *plan[*ix].id == **id);
        usual.note(ix.expect("the step is in the plan"), *ms);
    }
    usual
}

/// Changes one step's policy.
pub fn policy(plan: &mut Plan, id: &str, change: impl FnOnce(&mut Policy)) {
    change(Arc::make_mut(&mut step(plan, id).policy));
}

/// Gives a step a remedy, which may run so often. In stories it ends well.
pub fn remedy(plan: &mut Plan, id: &str, attempts: u32) {
    let Action::Command(command) = step(plan, id).action.clone() else {
        panic!("only what runs is remedied");
    };
    step(plan, id).remedy = Some(Box::new(Remedy {
        command: *command,
        timeout: None,
        attempts,
        cooldown: Duration::ZERO,
        budget: None,
        confirm: None,
    }));
}

/// The step of that id.
pub fn step<'a>(plan: &'a mut Plan, id: &str) -> &'a mut Step {
    let found = plan.steps.iter_mut().find(|step| step.id.as_ref() == id);
    found.expect("the step is in the plan")
}

pub fn exited(code: i32) -> Exit {
    Exit::Exited { code }
}

/// A run and everything that has happened to it.
pub struct Story {
    pub run: RunState,
    pub events: Vec<Event>,
    pub now: Millis,
}

impl Story {
    /// A run that has begun, at noon.
    pub fn begin(plan: Plan) -> Story {
        let plan = Arc::new(plan);
        let mut story = Story {
            run: RunState::new(plan),
            events: Vec::new(),
            now: NOON,
        };
        story.happens(Kind::RunStarted {
            plan: "c0ffee".into(),
            seed: 1,
            traceparent: None,
            engine: Engine {
                epoch: 1,
                pid: 42,
                host: "here".into(),
                boot: String::new(),
                version: "0".into(),
            },
        });
        story
    }

    /// A whole run, each of whose attempts ends as the script says: with which
    /// exit, after how many milliseconds.
    pub fn of(plan: Plan, script: impl Fn(&str, u32) -> (Exit, u64)) -> Story {
        let mut story = Story::begin(plan);
        story.go_on(&script, &|_| false);
        story
    }

    /// As [`of`](Story::of), but only up to and with the first event that
    /// `until` knows.
    pub fn until(
        plan: Plan,
        script: impl Fn(&str, u32) -> (Exit, u64),
        until: impl Fn(&Event) -> bool,
    ) -> Story {
        let mut story = Story::begin(plan);
        story.go_on(&script, &until);
        story
    }

    pub fn ix(&self, id: &str) -> StepIx {
        self.run.find(id).expect("the step is in the plan")
    }

    /// Folds one more event in, now.
    pub fn happens(&mut self, kind: Kind) {
        let event = Event {
            seq: self.run.seq() + 1,
            at: self.now,
            kind,
        };
        self.run.apply(&event).expect("the story is a legal one");
        self.run.acknowledge(event.seq);
        self.events.push(event);
    }

    /// Hands every view the events in order, with the state as it was then.
    pub fn tell(&self, mut each: impl FnMut(&RunState, &Event)) {
        let mut run = RunState::new(self.run.plan().clone());
        for event in &self.events {
            run.apply(event).expect("the story is a legal one");
            each(&run, event);
        }
    }

    fn go_on(&mut self, script: &dyn Fn(&str, u32) -> (Exit, u64), until: &dyn Fn(&Event) -> bool) {
        // What runs: when it ends, which attempt it is, and how it ends.
        let mut live: Vec<(Millis, run::Attempt, Exit)> = Vec::new();
        while !matches!(self.run.phase(), RunPhase::Finished(_)) {
            let commands = run::next(&self.run, self.now);
            let idle = commands.is_empty();
            for command in commands {
                if let Some(kind) = command.event() {
                    self.happens(kind);
                }
                if let run::Command::Start { attempt } = command {
                    self.run.hand_over(attempt);
                    if live.len() < self.run.plan().slots() {
                        live.push(self.starts(attempt, script));
                    }
                }
                if self.events.last().is_some_and(until) {
                    return;
                }
            }
            if idle {
                self.wait(&mut live, script);
                if self.events.last().is_some_and(until) {
                    return;
                }
            }
        }
    }

    /// Time passes until something ends or is due.
    fn wait(
        &mut self,
        live: &mut Vec<(Millis, run::Attempt, Exit)>,
        script: &dyn Fn(&str, u32) -> (Exit, u64),
    ) {
        live.sort_by_key(|(at, attempt, _)| (*at, *attempt));
        let due = run::wake_at(&self.run, self.now);
        match live.first() {
            Some((at, ..)) if due.is_none_or(|due| *at <= due) => {
                let (at, attempt, exit) = live.remove(0);
                self.now = at;
                self.ends(attempt, exit);
                // The slot takes what it was handed ahead of time.
                let handed = self.run.plan().indices().find(|ix| {
                    let record = self.run.step(*ix);
                    record.handed && matches!(record.state, StepState::Claimed { .. })
                });
                if let Some(step) = handed
                    && let StepState::Claimed { role, attempt, .. } = self.run.step(step).state
                {
                    let number = attempt;
                    live.push(self.starts(run::Attempt { step, number, role }, script));
                }
            }
            _ => self.now = due.expect("a run that waits waits for something"),
        }
    }

    /// An attempt begins: when it will end, and how.
    fn starts(
        &mut self,
        attempt: run::Attempt,
        script: &dyn Fn(&str, u32) -> (Exit, u64),
    ) -> (Millis, run::Attempt, Exit) {
        self.happens(Kind::StepStarted {
            attempt,
            node: None,
        });
        let id = self.run.plan()[attempt.step].id.clone();
        let (exit, ms) = match attempt.role {
            run::Role::Remedy => (exited(0), 100),
            _ => script(&id, attempt.number),
        };
        (self.now + ms, attempt, exit)
    }

    fn ends(&mut self, attempt: run::Attempt, exit: Exit) {
        if matches!(exit, Exit::TimedOut { .. }) {
            self.happens(Kind::StepTimeout { attempt });
        }
        let since = match self.run.step(attempt.step).state {
            StepState::Running { since, .. } => since,
            _ => self.now,
        };
        let policy = &self.run.plan()[attempt.step].policy;
        let end = Box::new(Finish {
            tail: None,
            verdict: retry::verdict(policy, &exit),
            error: matches!(exit, Exit::TimedOut { .. }).then(|| exit.to_string()),
            exit,
            started_at: since,
            ended_at: self.now,
            output: Default::default(),
            outputs: Default::default(),
            leaked: false,
        });
        self.happens(Kind::StepFinished { attempt, end });
    }
}

/// A timeout after that long.
pub fn timed_out(ms: u64) -> Exit {
    Exit::TimedOut {
        after: Duration::from_millis(ms),
        signal: Some(15),
    }
}

/// What a view writes, without colours.
pub fn written(view: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    view(&mut out).expect("a vector takes everything");
    let text = String::from_utf8(out).expect("views write text");
    anstream::adapter::strip_str(&text).to_string()
}
