//! Standing still while what happens cannot be written down, and going on by
//! itself when it can be again.
//!
//! There may be no room for the log, or none for the executor's own records, or
//! the file system must not be changed for the moment. Then the run is paused:
//! nothing new starts, what runs goes on, and people can still stop it. Every
//! now and then, ever less often, the engine tries again. It never gives up by
//! itself: only a person, or the run's deadline, ends a run that stands still,
//! and then the program says that its end could not be recorded.
//!
//! That the run is paused is an event like any other. It is shown at once, and
//! stands in the log when the log can be written: so whether it stands there is
//! also the proof that there is room again.
//!
//! A run that has not begun is not paused, but refused; and a log that has
//! failed for a reason that does not pass ends the engine. Which is which is
//! for the log to say ([`LogError::may_pass`]).

use super::{Engine, EngineError, Executor, Log, LogError, Request, World};
use crate::run::{Kind, Millis, Reason, Seq};

/// Between the first pause and the first try; doubled from try to try.
const SOON: Millis = 100;
/// Never longer than this: whoever has made room should not have to wait.
const LATEST: Millis = 5_000;

/// What the engine knows of its log while it stands still. The run's state says
/// whether it does.
#[derive(Default)]
pub(super) struct Standstill {
    /// When to try again.
    probe_at: Option<Millis>,
    /// A try is under way: once the log has this, there is room.
    probing: Option<Seq>,
    /// How long to wait after the next failure.
    wait: Millis,
    /// Somebody wants the run to be over, whether it can be recorded or not.
    given_up: bool,
}

impl Standstill {
    pub fn wake_at(&self) -> Option<Millis> {
        self.probe_at
    }

    /// Takes note of what is asked of a run that may have ended unrecorded.
    pub fn hear(&mut self, request: &Request) {
        self.given_up |= matches!(request, Request::Stop { .. });
    }

    /// Not yet; another try follows.
    fn put_off(&mut self, now: Millis) {
        self.wait = (self.wait * 2).clamp(SOON, LATEST);
        self.probe_at = Some(now + self.wait);
        self.probing = None;
    }
}

impl<E: Executor, L: Log, W: World> Engine<'_, E, L, W> {
    /// Takes in how far the log is, and tries again where it is time to.
    pub(super) fn heed_log(&mut self, standstill: &mut Standstill) -> Result<(), EngineError> {
        if self.run.is_paused() {
            self.probe(standstill)?;
        }
        match self.log.durable() {
            Ok(durable) => {
                self.run.acknowledge(durable);
                self.world.acknowledged(durable);
                match standstill.probing {
                    Some(wanted) if durable >= wanted => self.go_on(standstill),
                    _ => Ok(()),
                }
            }
            Err(error) => self.cannot_record(error, standstill),
        }
    }

    /// Whether everything is durable, the run's end included. Waits for that,
    /// unless there is no room for it: then the loop comes back here.
    pub(super) fn is_recorded(&mut self, standstill: &mut Standstill) -> Result<bool, EngineError> {
        let gives_up = standstill.given_up || self.run.is_told_to_end();
        if gives_up {
            // The last try. Where nothing has failed it does nothing.
            self.log.retry()?;
        }
        match self.log.flush() {
            Ok(()) => {
                self.world.acknowledged(self.run.seq());
                Ok(true)
            }
            Err(error) if gives_up => Err(error.into()),
            Err(error) => self.cannot_record(error, standstill).map(|()| false),
        }
    }

    fn cannot_record(
        &mut self,
        error: LogError,
        standstill: &mut Standstill,
    ) -> Result<(), EngineError> {
        match error.may_pass {
            true => self.pause(standstill, error.why),
            false => Err(error.into()),
        }
    }

    /// Nothing new starts from now on.
    pub(super) fn pause(
        &mut self,
        standstill: &mut Standstill,
        error: String,
    ) -> Result<(), EngineError> {
        if !self.run.is_paused() {
            let reason = Reason::Unwritable { error };
            self.record(Kind::RunPaused { reason })?;
            self.executor.pause();
        } else if standstill.probing.is_none() {
            // What is known already, and the next try is planned.
            return Ok(());
        }
        let now = self.world.now();
        standstill.put_off(now);
        Ok(())
    }

    fn probe(&mut self, standstill: &mut Standstill) -> Result<(), EngineError> {
        let due = standstill.probe_at.is_some_and(|at| at <= self.world.now());
        if due {
            standstill.probe_at = None;
            standstill.probing = Some(self.run.seq());
            self.log.retry()?;
            self.log.hurry();
        }
        Ok(())
    }

    fn go_on(&mut self, standstill: &mut Standstill) -> Result<(), EngineError> {
        standstill.probing = None;
        self.record(Kind::RunContinued)?;
        self.executor.unpause();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::engine::{Denied, JobContext};
    use crate::exec::{Done, Found, Job, Report, Stop, Waker};
    use crate::plan::StepIx;
    use crate::run::Stopping;
    use crate::run::{Attempt, Engine as EngineId, Event, Exit, Output, RunOutcome, RunState};
    use crate::view::testing;

    /// Everything that the engine touches: time moves when it waits, each step
    /// takes a second, and the log has no room from one moment to another.
    struct Ground {
        now: Millis,
        /// From when on, and until when, nothing can be written.
        full: (Millis, Millis),
        may_pass: bool,
        events: Vec<Event>,
        durable: Seq,
        failed: bool,
        /// When the log was tried again.
        tries: Vec<Millis>,
        /// Attempts that were handed over and have not begun; that run.
        waiting: VecDeque<Attempt>,
        running: Option<(Attempt, Millis)>,
        paused: bool,
        /// What began, and when.
        begun: Vec<(usize, Millis)>,
        /// Somebody stops the run at this time.
        stop_at: Option<Millis>,
    }

    impl Ground {
        fn new(full: (Millis, Millis)) -> Self {
            Ground {
                now: 0,
                full,
                may_pass: true,
                events: Vec::new(),
                durable: 0,
                failed: false,
                tries: Vec::new(),
                waiting: VecDeque::new(),
                running: None,
                paused: false,
                begun: Vec::new(),
                stop_at: None,
            }
        }

        fn is_full(&self) -> bool {
            (self.full.0..self.full.1).contains(&self.now)
        }

        fn error(&self) -> LogError {
            LogError {
                why: "no space left".into(),
                may_pass: self.may_pass,
            }
        }

        fn begin_next(&mut self) {
            if self.running.is_none()
                && !self.paused
                && let Some(attempt) = self.waiting.pop_front()
            {
                self.begun.push((attempt.step.at(), self.now));
                self.running = Some((attempt, self.now + 1000));
            }
        }

        fn done(&self, exit: Exit) -> Done {
            Done {
                exit,
                started_at: self.now,
                ended_at: self.now,
                output: Output::default(),
                outputs: Default::default(),
                leaked: false,
                error: None,
            }
        }

        fn end(&mut self, exit: Exit) -> Option<Report> {
            let (attempt, _) = self.running.take()?;
            let done = self.done(exit);
            Some(Report::Finished { attempt, done })
        }
    }

    type Shared = std::rc::Rc<std::cell::RefCell<Ground>>;
    struct Steps(Shared, Vec<Report>);
    struct Record(Shared);
    struct Around(Shared);

    impl Executor for Steps {
        fn start(&mut self, job: Job) -> io::Result<()> {
            let mut ground = self.0.borrow_mut();
            ground.waiting.push_back(job.attempt);
            let attempt = job.attempt;
            self.1.push(Report::Accepted {
                attempt,
                node: None,
            });
            ground.begin_next();
            Ok(())
        }

        fn pause(&mut self) {
            self.0.borrow_mut().paused = true;
        }

        fn unpause(&mut self) {
            let mut ground = self.0.borrow_mut();
            ground.paused = false;
            ground.begin_next();
        }

        fn stop(&mut self, attempt: Attempt, _how: Stop) {
            let mut ground = self.0.borrow_mut();
            let exit = Exit::Canceled { signal: None };
            if ground.running.is_some_and(|(runs, _)| runs == attempt) {
                self.1.extend(ground.end(exit));
            } else {
                ground.waiting.retain(|waits| *waits != attempt);
                let done = ground.done(exit);
                self.1.push(Report::Finished { attempt, done });
            }
        }

        fn wait(&mut self, timeout: Option<Duration>, reports: &mut Vec<Report>) -> io::Result<()> {
            let mut ground = self.0.borrow_mut();
            if self.1.is_empty() {
                let due = timeout.map(|timeout| ground.now + timeout.as_millis() as Millis);
                let ends = ground.running.map(|(_, at)| at);
                // The log says so when it has written something, or could not.
                let owing = !ground.failed && (ground.durable as usize) < ground.events.len();
                let told = owing.then_some(ground.now + 2);
                let times = [due, ends, ground.stop_at, told];
                let next = times.into_iter().flatten().min();
                ground.now = next.expect("it waits for something").max(ground.now);
                let now = ground.now;
                if ends.is_some_and(|at| at <= now) {
                    self.1.extend(ground.end(Exit::Exited { code: 0 }));
                    ground.begin_next();
                }
            }
            reports.append(&mut self.1);
            Ok(())
        }

        fn waker(&self) -> Waker {
            Waker::new(|| {})
        }

        fn recover(&mut self, _claimed: &[Attempt]) -> io::Result<Vec<(Attempt, Found)>> {
            Ok(Vec::new())
        }
    }

    impl Log for Record {
        fn append(&mut self, event: &Event) {
            self.0.borrow_mut().events.push(event.clone());
        }

        fn durable(&mut self) -> Result<Seq, LogError> {
            let mut ground = self.0.borrow_mut();
            let all = ground.events.len() as Seq;
            ground.failed |= ground.is_full() && ground.durable < all;
            if ground.failed {
                return Err(ground.error());
            }
            ground.durable = all;
            Ok(all)
        }

        fn hurry(&mut self) {}

        fn retry(&mut self) -> Result<(), LogError> {
            let mut ground = self.0.borrow_mut();
            let now = ground.now;
            ground.tries.push(now);
            ground.failed = false;
            Ok(())
        }

        fn flush(&mut self) -> Result<(), LogError> {
            self.durable().map(drop)
        }
    }

    impl World for Around {
        fn now(&mut self) -> Millis {
            self.0.borrow().now
        }

        fn requests(&mut self) -> Vec<Request> {
            let mut ground = self.0.borrow_mut();
            let now = ground.now;
            let due = ground.stop_at.take_if(|at| *at <= now);
            let why = Stopping::Cancel;
            let by = "SIGINT".to_owned();
            due.map(|_| Request::Stop { why, by }).into_iter().collect()
        }

        fn ask(&mut self, _step: StepIx, _question: &str) {}

        fn probe(
            &mut self,
            _step: StepIx,
            _identity: Result<super::super::fresh::Identity, String>,
        ) {
        }

        fn occupy(&mut self, _step: StepIx) -> Result<Vec<Arc<std::fs::File>>, Denied> {
            Ok(Vec::new())
        }

        fn show(&mut self, _run: &RunState, _event: &Event) {}

        fn tail(&mut self, _output: &Output) -> Option<Box<str>> {
            None
        }

        fn acknowledged(&mut self, seq: Seq) {
            assert!(seq <= self.0.borrow().durable, "it is not durable");
        }
    }

    /// A run of three steps, one after the other, on this ground.
    fn run_on(ground: Ground) -> (Result<RunOutcome, EngineError>, Shared) {
        let shared = Shared::new(ground.into());
        let plan = Arc::new(testing::plan(&["a", "b: a", "c: b"]));
        let mut engine = Engine {
            run: RunState::new(plan),
            executor: &mut Steps(shared.clone(), Vec::new()),
            log: &mut Record(shared.clone()),
            world: &mut Around(shared.clone()),
            context: JobContext::default(),
        };
        let id = EngineId {
            epoch: 1,
            pid: 1,
            host: "here".into(),
            boot: String::new(),
            version: "0".into(),
        };
        let begun = engine.begin("c0ffee".into(), 7, id);
        let outcome = begun.and_then(|()| engine.drive());
        (outcome, shared)
    }

    fn names(shared: &Shared) -> Vec<&'static str> {
        let named = |event: &Event| match event.kind {
            Kind::RunPaused { .. } => Some("paused"),
            Kind::RunContinued => Some("continued"),
            Kind::RunFinished { .. } => Some("finished"),
            _ => None,
        };
        shared.borrow().events.iter().filter_map(named).collect()
    }

    /// XD02.
    #[test]
    fn xd02_nothing_starts_without_room_and_the_run_goes_on_when_there_is_some() {
        // From just after `a` has begun.
        let (outcome, shared) = run_on(Ground::new((500, 60_000)));
        assert_eq!(outcome.expect("it goes on"), RunOutcome::Succeeded);
        assert_eq!(names(&shared), ["paused", "continued", "finished"]);
        let ground = shared.borrow();
        let steps: Vec<usize> = ground.begun.iter().map(|(step, _)| *step).collect();
        assert_eq!(steps, [0, 1, 2]);
        // `b` may start by a claim that was made while there was room; `c` may not
        // before there is some again.
        assert!(ground.begun[2].1 >= 60_000, "{:?}", ground.begun);
        // It is tried ever less often, but not too seldom.
        let pauses: Vec<Millis> = ground.tries.windows(2).map(|two| two[1] - two[0]).collect();
        assert!(pauses.is_sorted() && pauses.len() < 25, "{pauses:?}");
        assert_eq!(pauses.last(), Some(&LATEST));
        assert!(ground.tries[0] < 2_000);
    }

    /// XD02.
    #[test]
    fn xd02_only_the_end_of_the_run_finds_no_room() {
        let (outcome, shared) = run_on(Ground::new((2_500, 9_000)));
        assert_eq!(outcome.expect("it goes on"), RunOutcome::Succeeded);
        assert_eq!(
            names(&shared)
                .iter()
                .filter(|name| **name == "finished")
                .count(),
            1
        );
        assert!(shared.borrow().now >= 9_000);
        assert_eq!(
            shared.borrow().durable as usize,
            shared.borrow().events.len()
        );
    }

    /// XD02.
    #[test]
    fn xd02_whoever_stops_a_run_that_stands_still_is_told_that_it_cannot_be_recorded() {
        let ground = Ground {
            stop_at: Some(20_000),
            ..Ground::new((500, Millis::MAX))
        };
        let (outcome, shared) = run_on(ground);
        let error = outcome.expect_err("its end is not recorded");
        assert!(matches!(error, EngineError::Log(_)), "{error}");
        assert_eq!(shared.borrow().now, 20_000);
        // It was tried once more before that was said.
        assert_eq!(shared.borrow().tries.last(), Some(&20_000));
        assert!(shared.borrow().running.is_none());
    }

    /// XD03.
    #[test]
    fn xd03_what_does_not_pass_ends_the_engine_at_once_and_is_not_tried_again() {
        let ground = Ground {
            may_pass: false,
            ..Ground::new((500, 2_000))
        };
        let (outcome, shared) = run_on(ground);
        let error = outcome.expect_err("the log is not to be believed");
        assert!(matches!(error, EngineError::Log(_)), "{error}");
        assert_eq!(names(&shared), [""; 0]);
        assert_eq!(shared.borrow().tries, [0; 0]);
    }
}
