//! Who watches a run from the command line: the views on stderr and stdout, and
//! the person at the terminal, who may be asked.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::tz::TimeZone;

use super::echo::Echo;
use super::error::warn;
use super::log_file;
use super::notify::Notifier;
use super::orchestration_record::Record;
use super::output::LinesToPeople;
use crate::engine::{Answers, Audience, Clock, Ended, Held, Question};
use crate::paths::StateDir;
use crate::plan::{Plan, StepIx};
use crate::run::{Event, Kind, RunState, Seq, Usual};
use crate::store::logs;
use crate::view::escape;
use crate::view::jsonl::Jsonl;
use crate::view::log_file::LogFile;
use crate::view::plain::Plain;
use crate::view::progress::{Progress, Screen};
use crate::view::{notices, summary};

/// How a run is shown, and what is answered.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Events as JSON on stdout.
    pub json: bool,
    /// The result will be on stdout, and nothing else.
    pub result: bool,
    /// Every question is answered with yes.
    pub yes: bool,
    /// Nothing on stderr but errors.
    pub quiet: bool,
    /// People are shown what happens, and how it ended. Else somebody else does that.
    pub shows: bool,
    /// What the run's step writes is shown as it comes, and so no board is drawn.
    pub echo: bool,
}

/// The views of one run.
pub struct Watcher {
    manner: Manner,
    state: StateDir,
    /// How long steps usually take.
    usual: Usual,
    clock: Clock,
    people: People,
    /// The file that the plan asks for.
    log_file: Option<LogFile<File>>,
    programs: Option<Jsonl<Box<dyn Write>>>,
    /// Those who are told elsewhere.
    notifier: Notifier,
    /// Events that are not durable yet, and so not for programs.
    waiting: VecDeque<Event>,
    plan: Option<Arc<Plan>>,
    run_id: String,
    /// The record of an orchestration.
    record: Record,
    echo: Option<Echo>,
    /// One person answers one question at a time.
    terminal: Arc<Mutex<()>>,
}

/// What people see while the run goes on.
enum People {
    /// The first event will tell how large the plan is.
    NotYet,
    Progress(Progress),
    Lines(Plain<Box<dyn Write>>),
    Nothing,
}

impl Watcher {
    /// The secrets are for messages that go elsewhere.
    pub fn new(manner: Manner, state: StateDir, secrets: BTreeMap<String, String>) -> Self {
        Watcher {
            notifier: Notifier::new(state.clone(), secrets),
            manner,
            state,
            usual: Usual::nothing(),
            clock: Clock::start(),
            people: People::NotYet,
            log_file: None,
            programs: None,
            waiting: VecDeque::new(),
            plan: None,
            run_id: String::new(),
            record: Record::default(),
            echo: None,
            terminal: Arc::default(),
        }
    }

    /// Whether people see the live board, and not lines or nothing.
    fn draws(&self) -> bool {
        let wants_lines = self.manner.json || self.manner.echo || is_continuous_integration();
        self.manner.shows && !self.manner.quiet && !wants_lines && std::io::stderr().is_terminal()
    }

    fn people(&self, run: &RunState) -> People {
        if self.manner.quiet || !self.manner.shows {
            return People::Nothing;
        }
        let zone = TimeZone::system();
        if self.draws() {
            let clock = self.clock;
            let screen = Screen {
                now: Box::new(move || clock.now()),
                term: console::Term::stderr(),
                colour: anstream::AutoStream::choice(&std::io::stderr())
                    != anstream::ColorChoice::Never,
                zone: zone.clone(),
            };
            if let Ok(progress) = Progress::begin(run, &self.usual, screen) {
                return People::Progress(progress);
            }
        }
        let stderr: Box<dyn Write> = Box::new(LinesToPeople::new());
        People::Lines(Plain::new(stderr, run.plan(), zone))
    }

    /// The view of the file that the run's plan asks for.
    fn log_file(&self, run: &RunState) -> Option<LogFile<File>> {
        let wanted = run.plan().log_file.as_ref()?;
        let file = log_file::open(wanted, &self.state.logs(), self.manner.quiet)?;
        Some(LogFile::new(file, TimeZone::system()))
    }

    /// Tells how the run ended.
    pub fn sum_up(&mut self, ended: &Ended) {
        if let Some(echo) = self.echo.take() {
            echo.end(&self.state, ended);
        }
        self.notifier.ended(ended);
        // Taking the progress down leaves the terminal to the summary.
        self.people = People::Nothing;
        // Whoever has closed stderr does not want to know, here and below.
        let _ = notices::at_end(&ended.state, self.manner.quiet, &mut anstream::stderr());
        if self.manner.quiet || self.manner.json || !self.manner.shows {
            return;
        }
        let (run_id, state) = (&ended.run_id, &ended.state);
        let mut tail =
            |ix: StepIx| logs::last_words(&self.state, run_id, state, ix, summary::TAIL_LINES);
        let mut err = anstream::stderr().lock();
        let _ = summary::write(run_id, state, &mut tail, &mut err);
    }
}

impl Audience for Watcher {
    fn begins(&mut self, run_id: &str) {
        self.run_id = run_id.to_owned();
        if self.manner.echo {
            self.echo = Some(Echo::begin(self.state.run(run_id)));
        }
        if self.manner.json {
            let stdout: Box<dyn Write> = Box::new(std::io::stdout().lock());
            self.programs = Some(Jsonl::new(stdout, run_id));
        } else if self.manner.result {
            let _ = writeln!(std::io::stderr(), "Run ID: {run_id}");
        } else {
            let _ = writeln!(std::io::stdout(), "Run ID: {run_id}");
        }
    }

    fn asks_for_usual(&self) -> bool {
        self.draws()
    }

    fn expects(&mut self, usual: &Usual) {
        self.usual = usual.clone();
    }

    fn event(&mut self, run: &RunState, event: &Event) {
        if self.manner.json {
            self.plan.get_or_insert_with(|| run.latest_plan().clone());
            self.waiting.push_back(event.clone());
        }
        self.notifier.event(run, event);
        self.record.event(&self.state, &self.run_id, run, event);
        let begins = matches!(self.people, People::NotYet);
        if let Kind::RunStarted { .. } = event.kind {
            let _ = notices::at_start(run, self.manner.quiet, &mut anstream::stderr());
        }
        if begins || matches!(event.kind, Kind::PlanReplaced { .. }) {
            // What is there must be gone before the new one draws.
            self.people = People::Nothing;
            self.log_file = self.log_file(run);
            self.people = self.people(run);
        }
        if let Some(log_file) = &mut self.log_file
            && let Err(error) = log_file.event(run, event)
        {
            self.log_file = None;
            if !self.manner.quiet {
                warn(&format!("nothing more is added to the log file: {error}"));
            }
        }
        if let Kind::RunPaused { reason } = &event.kind
            && self.manner.quiet
        {
            // Else nobody would know why nothing happens, or what to do.
            let _ = writeln!(anstream::stderr(), "nothing new starts: {reason}");
        }
        match &mut self.people {
            People::Progress(progress) => progress.event(run, event),
            People::Lines(plain) => {
                if plain.event(run, event).is_err() {
                    self.people = People::Nothing;
                }
            }
            People::NotYet | People::Nothing => {}
        }
    }

    fn durable(&mut self, seq: Seq) {
        self.notifier.durable(&self.run_id, seq);
        let (Some(jsonl), Some(plan)) = (&mut self.programs, &self.plan) else {
            return;
        };
        let mut written = Ok(());
        let durable = self.waiting.partition_point(|event| event.seq <= seq);
        for event in self.waiting.drain(..durable) {
            written = written.and_then(|()| jsonl.event(plan, &event));
        }
        if written.and_then(|()| jsonl.flush()).is_err() {
            // The reader has gone. The run has not.
            self.programs = None;
        }
    }

    fn ask(&mut self, question: &Question<'_>, answers: &Answers) {
        let step = question.step;
        if self.manner.yes {
            answers.give(step, true, "--yes");
            return;
        }
        if question.is_patient && !self.manner.quiet {
            let (run, id) = (&self.run_id, escape::clean(question.id));
            let how = format!("to answer from elsewhere: quintet approve {run} {id}, or with --no");
            let _ = writeln!(anstream::stderr(), "{how}");
        }
        if !std::io::stdin().is_terminal() {
            if !question.is_patient {
                answers.give(step, false, "no terminal");
            }
            return;
        }
        if let People::Progress(progress) = &self.people {
            progress.pause();
        }
        let question = question.text.to_owned();
        let answers = answers.clone();
        let terminal = self.terminal.clone();
        // The run goes on while a person thinks.
        std::thread::spawn(move || {
            let _mine = terminal.lock().unwrap_or_else(PoisonError::into_inner);
            let yes = ask_person(&question);
            answers.give(step, yes, "terminal");
        });
    }

    fn answered(&mut self) {
        if let People::Progress(progress) = &self.people {
            progress.go_on();
        }
    }

    fn forgets(&mut self, why: &str) {
        if !self.manner.quiet {
            warn(why);
        }
    }

    fn waits(&mut self, held: &Held) {
        if !self.manner.quiet {
            let _ = writeln!(anstream::stderr(), "waiting: {held}");
        }
    }

    fn damaged(&mut self, run_id: &str, lines: &[u64]) {
        let path = self.state.run(run_id).join("events.jsonl");
        let lines: Vec<String> = lines.iter().map(u64::to_string).collect();
        // Also when quiet: a disk or a person has changed what must not change.
        warn(&format!(
            "{} does not say what the database says, which counts: line {}",
            path.display(),
            lines.join(", ")
        ));
    }
}

fn ask_person(question: &str) -> bool {
    let mut err = anstream::stderr();
    let _ = write!(err, "{question} [y/N] ");
    let _ = err.flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// Logs of build servers are no terminals, whatever they say.
fn is_continuous_integration() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}
