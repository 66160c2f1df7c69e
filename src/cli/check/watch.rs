//! Who watches a run of checks: what happens to each check on stderr, its log
//! file, and what every run's watcher does besides (events as data, questions).

use std::collections::BTreeMap;
use std::io::Write;

use super::logs::RunLog;
use super::remembered;
use crate::cli::audience::{Manner, Watcher};
use crate::cli::error::Failure;
use crate::cli::output::LinesToPeople;
use crate::engine::{Answers, Audience, Ended, Held, Question};
use crate::load::checks::Settings;
use crate::paths::StateDir;
use crate::plan::StepIx;
use crate::run::{Event, RunState, Seq, Usual};
use crate::store::logs;
use crate::view::checks::lines::Lines;
use crate::view::checks::log::Level;
use crate::view::checks::summary::{Over, Places};
use crate::view::checks::{Tale, results};
use crate::view::summary;

pub struct Watch {
    inner: Watcher,
    manner: Manner,
    state: StateDir,
    tale: Tale,
    /// None where people are to hear nothing, or hear nothing any more.
    lines: Option<Lines<LinesToPeople>>,
    log: RunLog,
    places: Places,
    left_out: &'static [&'static str],
    /// The project's lock is ours.
    holds: bool,
}

impl Watch {
    pub fn new(
        manner: Manner,
        state: StateDir,
        log: RunLog,
        places: Places,
        settings: &Settings,
        secrets: BTreeMap<String, String>,
    ) -> Self {
        // The lines about checks stand for those about steps.
        let manner = Manner {
            shows: false,
            ..manner
        };
        let left_out = super::left_out(settings);
        let lines = (!manner.quiet).then(|| Lines::new(LinesToPeople::new(), left_out));
        Watch {
            inner: Watcher::new(manner, state.clone(), secrets),
            manner,
            state,
            tale: Tale::default(),
            lines,
            log,
            places,
            left_out,
            holds: false,
        }
    }

    /// Tells how the run ended, and keeps what is remembered as a file.
    pub fn sum_up(&mut self, ended: &Ended) {
        self.inner.sum_up(ended);
        self.released();
        remembered::after(&self.state, ended.state.plan(), &self.places, &mut self.log);
        let over = Over {
            run_id: &ended.run_id,
            run: &ended.state,
            tale: &self.tale,
            places: &self.places,
            left_out: self.left_out,
        };
        let headline = over.headline();
        let level = match ended.exit_code {
            0 => Level::Success,
            _ => Level::Error,
        };
        self.log.say(Level::Header, "Summary");
        self.log.say(level, &headline);
        let state = format!("State: {}", self.places.state.display());
        self.log.say(Level::Info, &state);
        self.log.rotate();
        // Whoever reads neither stream does not want to know.
        if self.manner.json {
            let results = results::json(&over, ended.exit_code);
            let _ = writeln!(std::io::stdout(), "{results}");
        }
        if self.manner.quiet {
            return;
        }
        let mut tail = |ix: StepIx| {
            let (run_id, state) = (&ended.run_id, &ended.state);
            logs::last_words(&self.state, run_id, state, ix, summary::TAIL_LINES)
        };
        let _ = over.write(&mut tail, &mut anstream::stderr().lock());
    }

    /// The run did not come to its end here, or was not begun.
    pub fn failed(&mut self, failure: &Failure) {
        self.log.say(Level::Error, &failure.message);
        self.released();
        self.log.rotate();
    }

    fn released(&mut self) {
        if std::mem::take(&mut self.holds) {
            let lock = self.places.lock.display().to_string();
            self.log.say(Level::LockReleased, &lock);
        }
    }
}

impl Audience for Watch {
    fn begins(&mut self, run_id: &str) {
        self.holds = true;
        let lock = self.places.lock.display();
        let message = format!("{lock} (PID {})", std::process::id());
        self.log.say(Level::LockAcquired, &message);
        self.log.say(Level::Info, &format!("Run: {run_id}"));
        self.inner.begins(run_id);
    }

    fn asks_for_usual(&self) -> bool {
        false
    }

    fn expects(&mut self, usual: &Usual) {
        self.inner.expects(usual);
    }

    fn event(&mut self, run: &RunState, event: &Event) {
        let told = self.tale.event(run, event);
        self.log.event(run, event, &told);
        if let Some(lines) = &mut self.lines
            && lines.event(run, event, &told).is_err()
        {
            self.lines = None;
        }
        self.inner.event(run, event);
    }

    fn durable(&mut self, seq: Seq) {
        self.inner.durable(seq);
    }

    fn ask(&mut self, question: &Question<'_>, answers: &Answers) {
        self.inner.ask(question, answers);
    }

    fn answered(&mut self) {
        self.inner.answered();
    }

    fn forgets(&mut self, why: &str) {
        self.log.say(Level::Warning, why);
        self.inner.forgets(why);
    }

    fn waits(&mut self, held: &Held) {
        let holder = held.holder.as_ref();
        let who = match holder {
            Some(holder) => format!(
                "Another orchestrator instance is running (PID {})",
                holder.pid
            ),
            None => "Another orchestrator instance is running, or others asked first".to_owned(),
        };
        let message = format!("{who}, waiting...");
        self.log.say(Level::Warning, &message);
        if !self.manner.quiet {
            let _ = writeln!(anstream::stderr(), "{message}");
        }
    }

    fn damaged(&mut self, run_id: &str, lines: &[u64]) {
        self.inner.damaged(run_id, lines);
    }
}
