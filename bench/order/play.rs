//! A run in virtual time: the real core decides, and no process is started.
//!
//! Everything between the core and a step is as it is in a real run, as far as
//! it has to do with order: a claim may be acted on only when the log is
//! durable, which takes a while, and what is handed to a slot ahead of time
//! waits there for its turn.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use quintet::plan::{StepIx, Verdict};
use quintet::run::{
    Attempt, Command, Engine, Event, Exit, Finish, Kind, Millis, Output, Role, RunPhase, RunState,
    Seq, Usual, next,
};

use super::graphs::Workflow;

/// How long the log takes to become durable.
const LOG_MS: Millis = 3;

struct Play<'a> {
    run: RunState,
    workflow: &'a Workflow,
    slots: usize,
    now: Millis,
    running: BinaryHeap<Reverse<(Millis, StepIx)>>,
    /// Handed out, and waiting for a slot.
    queue: VecDeque<Attempt>,
    /// What becomes durable when.
    written: VecDeque<(Millis, Seq)>,
}

/// How long the workflow takes in so many slots, if so much is known of it.
pub fn makespan(workflow: &Workflow, slots: u32, usual: &Usual) -> Millis {
    let plan = workflow.plan(slots);
    let mut play = Play {
        run: RunState::expecting(plan, usual),
        workflow,
        slots: slots as usize,
        now: 0,
        running: BinaryHeap::new(),
        queue: VecDeque::new(),
        written: VecDeque::new(),
    };
    play.happens(Kind::RunStarted {
        plan: String::new(),
        seed: 1,
        traceparent: None,
        engine: Engine {
            epoch: 1,
            pid: 1,
            host: String::new(),
            boot: String::new(),
            version: String::new(),
        },
    });
    play.play_out()
}

impl Play<'_> {
    fn play_out(mut self) -> Millis {
        let mut over = 0;
        loop {
            self.obey();
            if let RunPhase::Finished(_) = self.run.phase() {
                return over;
            }
            let ends = self.running.peek().map(|Reverse((at, _))| *at);
            let durable = self.written.front().map(|(at, _)| *at);
            let moment = [ends, durable].into_iter().flatten().min();
            self.now = moment.expect("something is under way");
            while let Some((at, seq)) = self.written.front()
                && *at <= self.now
            {
                self.run.acknowledge(*seq);
                self.written.pop_front();
            }
            while self
                .running
                .peek()
                .is_some_and(|Reverse((at, _))| *at == self.now)
            {
                let Some(Reverse((_, step))) = self.running.pop() else {
                    break;
                };
                self.ends(step);
                over = self.now;
            }
        }
    }

    fn happens(&mut self, kind: Kind) {
        let event = Event {
            seq: self.run.seq() + 1,
            at: self.now,
            kind,
        };
        self.run.apply(&event).expect("a legal event");
        self.written.push_back((self.now + LOG_MS, event.seq));
    }

    fn obey(&mut self) {
        loop {
            let commands = next(&self.run, self.now);
            if commands.is_empty() {
                return;
            }
            for command in commands {
                if let Some(kind) = command.event() {
                    self.happens(kind);
                }
                if let Command::Start { attempt } = command {
                    self.run.hand_over(attempt);
                    self.queue.push_back(attempt);
                }
            }
            self.fill_slots();
        }
    }

    fn fill_slots(&mut self) {
        while self.running.len() < self.slots
            && let Some(attempt) = self.queue.pop_front()
        {
            self.happens(Kind::StepStarted {
                attempt,
                node: None,
            });
            let ends = self.now + self.workflow.steps[attempt.step.at()].ms;
            self.running.push(Reverse((ends, attempt.step)));
        }
    }

    fn ends(&mut self, step: StepIx) {
        let end = Finish {
            exit: Exit::Exited { code: 0 },
            verdict: Verdict::Success,
            started_at: self.now,
            ended_at: self.now,
            output: Output::default(),
            outputs: Default::default(),
            leaked: false,
            error: None,
            tail: None,
        };
        let attempt = Attempt {
            step,
            number: 1,
            role: Role::Main,
        };
        let end = Box::new(end);
        self.happens(Kind::StepFinished { attempt, end });
        self.fill_slots();
    }
}
