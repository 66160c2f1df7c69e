//! Looking and remembering beside a run, on a thread of its own.
//!
//! The engine asks and goes on; answers come in batches. What has gathered while
//! one batch was worked on is the next one, so the more there is to do the less
//! each costs: one walk answers for all that asked before it began.
//!
//! What came of steps is written a tenth of a second later at most, many in one
//! transaction, so that little is lost with a killed run and nobody's commit
//! waits for it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::Environment;
use super::compare::{first_change, shown};
use super::fingerprint::{Made, Taker};
use super::identity::Identity;
use super::key::key;
use super::look::{Looker, keeps, whose};
use super::objects::Objects;
use crate::paths::StateDir;
use crate::plan::{Cache, Plan, StepIx};
use crate::run::{Freshness, Millis};
use crate::store::cache::{Entry, Files, Known, Print, Remembered, State, Whose, Write};
use crate::store::{Durability, Store};

/// What ended is written after so long, or when there is so much of it.
const SOON: Duration = Duration::from_millis(100);
const MANY: usize = 1_000;

/// What was only seen again saves the next run some reading, and waits for the end
/// of this one, or until there is so much of it.
const MOST_SEEN: usize = 10_000;

/// So many answers are given together.
const ENOUGH: usize = 256;

/// How often writing is tried at the end of a run, while somebody else writes.
const TRIES: u32 = 3;

/// Looks and remembers beside a run.
pub struct Prober {
    asked: Sender<Asked>,
    /// What went wrong, once all is remembered.
    warnings: Receiver<Vec<String>>,
}

enum Asked {
    Probe {
        step: StepIx,
        identity: Identity,
        now: Millis,
    },
    Succeeded {
        step: StepIx,
        at: Millis,
        put_out: BTreeMap<Box<str>, Box<str>>,
    },
    Failed {
        step: StepIx,
        at: Millis,
        exit: String,
    },
    TakenBack {
        step: StepIx,
        at: Millis,
    },
    SomethingRan,
}

impl Prober {
    /// Starts the thread. It opens the store itself, which some engine has made;
    /// `answer` is called on it.
    ///
    /// # Errors
    /// The system has no more threads.
    pub fn start(
        plan: Arc<Plan>,
        state: StateDir,
        env: Environment,
        answer: impl FnMut(Vec<(StepIx, Freshness)>) + Send + 'static,
    ) -> std::io::Result<Prober> {
        let (asked, asks) = channel();
        let (warn, warnings) = channel();
        let work = move || {
            let mut work = Work::begin(plan, &state, env);
            work.run(&asks, answer);
            // Nobody waits for memory to be freed.
            _ = warn.send(work.finish());
        };
        let thread = std::thread::Builder::new().name("freshness".into());
        thread.spawn(work)?;
        Ok(Prober { asked, warnings })
    }

    /// Asks about a step that has a cache, by what it would run. `now` is the
    /// wall clock's. A step may be asked about again before a further attempt,
    /// where what it depends on may have changed since: a remedy did its work. What
    /// counts is what is there before the attempt that succeeds.
    pub fn probe(&self, step: StepIx, identity: Identity, now: Millis) {
        self.say(Asked::Probe {
            step,
            identity,
            now,
        });
    }

    /// The step succeeded just now, and put this out for later steps. Only what
    /// was asked about before is remembered: of another nobody knows what was
    /// there before it ran.
    pub fn succeeded(&self, step: StepIx, at: Millis, put_out: BTreeMap<Box<str>, Box<str>>) {
        self.say(Asked::Succeeded { step, at, put_out });
    }

    /// The step failed just now.
    pub fn failed(&self, step: StepIx, at: Millis, exit: String) {
        self.say(Asked::Failed { step, at, exit });
    }

    /// What the step did is about to be taken back, so that its success counts no
    /// more. The store knows that from the record; but what was said of the success
    /// may not have been written yet, and must not come after it.
    pub fn taken_back(&self, step: StepIx, at: Millis) {
        self.say(Asked::TakenBack { step, at });
    }

    /// A step has ended, and files may not be what they were.
    pub fn something_ran(&self) {
        self.say(Asked::SomethingRan);
    }

    /// Waits until all is remembered. Says what went wrong, each once.
    pub fn finish(self) -> Vec<String> {
        drop(self.asked);
        let died = |_| vec!["what this run's steps came to is not remembered".into()];
        self.warnings.recv().unwrap_or_else(died)
    }

    fn say(&self, asked: Asked) {
        // A thread that died is told of by `finish`.
        _ = self.asked.send(asked);
    }
}

/// The thread's own.
struct Work {
    plan: Arc<Plan>,
    whose: Whose,
    looker: Looker,
    /// None where it cannot be opened: then nothing is remembered.
    store: Option<Store>,
    /// What was there before each step that was asked about.
    before: HashMap<StepIx, Print>,
    writes: Vec<Write>,
    /// How many of them are of what was only seen again.
    seen: usize,
    warnings: BTreeSet<String>,
}

impl Work {
    fn begin(plan: Arc<Plan>, state: &StateDir, env: Environment) -> Work {
        let mut warnings = BTreeSet::new();
        let whose = whose(&plan);
        let mut warn = |why: String| _ = warnings.insert(why);
        let store = Store::open(state, Durability::Normal);
        let store = store.map_err(|why| warn(format!("no freshness is remembered: {why}")));
        let store = store.ok();
        let remembered = match store.as_ref().map(|s| s.remembered(&whose, keeps(&plan))) {
            Some(Ok(remembered)) => remembered,
            Some(Err(why)) => {
                warn(format!("nothing is remembered of earlier runs: {why}"));
                Remembered::default()
            }
            None => Remembered::default(),
        };
        let key = key(state, true).unwrap_or_else(|why| {
            warn(format!("no key for the values of variables: {why}"));
            None
        });
        Work {
            whose,
            looker: Looker {
                taker: Taker::new(env, key.unwrap_or_else(any_key)),
                remembered,
                objects: Objects::of(state),
                puts_back: true,
            },
            plan,
            store,
            before: HashMap::new(),
            writes: Vec::new(),
            seen: 0,
            warnings,
        }
    }

    /// Works until nobody is left who could ask.
    fn run(&mut self, asks: &Receiver<Asked>, mut answer: impl FnMut(Vec<(StepIx, Freshness)>)) {
        let mut due = None;
        loop {
            let wait = due.map(|due: Instant| due.saturating_duration_since(Instant::now()));
            let first = match wait {
                Some(wait) => asks.recv_timeout(wait),
                None => asks.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match first {
                Ok(first) => {
                    let batch = std::iter::once(first).chain(asks.try_iter()).collect();
                    self.work(batch, &mut answer);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let is_due = due.is_some_and(|due| due <= Instant::now());
            let ended = self.writes.len() - self.seen;
            if is_due || ended >= MANY || self.seen >= MOST_SEEN {
                // What cannot be written now is tried again with what comes next.
                _ = self.write();
                due = None;
            } else if due.is_none() && ended > 0 {
                due = Some(Instant::now() + SOON);
            }
        }
    }

    /// Works on what has been asked. All of it was asked before we look, so what
    /// is looked at once counts for all of it. Answers are given by the way, so
    /// that what follows from them is done meanwhile.
    fn work(&mut self, batch: Vec<Asked>, answer: &mut impl FnMut(Vec<(StepIx, Freshness)>)) {
        if batch
            .iter()
            .any(|asked| !matches!(asked, Asked::Probe { .. }))
        {
            self.looker.taker.look_again();
        }
        let mut answers = Vec::new();
        for asked in batch {
            match asked {
                Asked::Probe {
                    step,
                    identity,
                    now,
                } => {
                    answers.push((step, self.probe(step, identity, now)));
                    if answers.len() == ENOUGH {
                        answer(std::mem::take(&mut answers));
                    }
                }
                Asked::Succeeded { step, at, put_out } => self.succeeded(step, at, put_out),
                Asked::Failed { step, at, exit } => self.failed(step, at, &exit),
                Asked::TakenBack { step, at } => self.taken_back(step, at),
                Asked::SomethingRan => {}
            }
        }
        if !answers.is_empty() {
            answer(answers);
        }
    }

    fn probe(&mut self, step: StepIx, identity: Identity, now: Millis) -> Freshness {
        let looked = self.looker.looked(&self.plan, step, identity, now);
        // What is fresh does not run, unless it goes by other steps as well, or was
        // stale when it was asked about before: then it has failed since, and what
        // mended it may have made everything as it was.
        let cache = self.plan[step].cache.as_ref();
        let goes_by_others = cache.is_some_and(|cache| !cache.stale_with.is_empty());
        let is_fresh = matches!(looked.freshness, Freshness::Fresh(_));
        let may_run = goes_by_others || !is_fresh || self.before.contains_key(&step);
        match looked.print.filter(|_| may_run) {
            Some(print) => _ = self.before.insert(step, print),
            None => _ = self.before.remove(&step),
        }
        let is_seen = |write: &Write| matches!(write, Write::SeenAgain { .. });
        self.seen += usize::from(looked.again.as_ref().is_some_and(is_seen));
        self.writes.extend(looked.again);
        looked.freshness
    }

    fn succeeded(&mut self, step: StepIx, at: Millis, put_out: BTreeMap<Box<str>, Box<str>>) {
        let plan = Arc::clone(&self.plan);
        let id = &plan[step].id;
        let (Some(cache), Some(print)) = (plan[step].cache.as_deref(), self.before.remove(&step))
        else {
            return;
        };
        let (state, outputs) = match self.came_of(cache, &print, at) {
            Ok(came) => came,
            Err(why) => {
                self.warnings.insert(format!("{id} will run again: {why}"));
                return;
            }
        };
        if let State::MadeNothing { pattern } = &state {
            let why = format!("{id} will run again: it made nothing of its output {pattern}");
            self.warnings.insert(why);
        }
        let kept = cache.restore && state == State::Succeeded && self.keep(id, &outputs);
        self.writes.push(Write::Ended {
            step: id.clone(),
            entry: Entry {
                state,
                at,
                known: Some(Known {
                    print,
                    outputs: outputs.into(),
                    put_out,
                }),
            },
            kept,
        });
    }

    /// Keeps what a step made. Whether all of it is.
    fn keep(&mut self, id: &str, made: &Files) -> bool {
        for file in made.iter() {
            if let Err(why) = self.looker.objects.keep(file) {
                let why = format!("what {id} made is not kept: {why}");
                self.warnings.insert(why);
                return false;
            }
        }
        true
    }

    /// What became of a success: whether it can be relied on, and what it made.
    fn came_of(
        &mut self,
        cache: &Cache,
        print: &Print,
        at: Millis,
    ) -> Result<(State, Files), String> {
        let taker = &mut self.looker.taker;
        let inputs = taker.inputs(cache, Some(&print.inputs), at)?;
        let Made { files, lacks } = taker.made(cache, at)?;
        let state = match (first_change(&print.inputs, &inputs), lacks) {
            (Some((path, _)), _) => State::ChangedMeanwhile { path: shown(path) },
            (None, Some(pattern)) => State::MadeNothing { pattern },
            (None, None) => State::Succeeded,
        };
        Ok((state, files))
    }

    fn failed(&mut self, step: StepIx, at: Millis, exit: &str) {
        let known = self.before.get(&step).map(|print| Known {
            print: print.clone(),
            outputs: Arc::default(),
            put_out: BTreeMap::new(),
        });
        self.writes.push(Write::Ended {
            step: self.plan[step].id.clone(),
            entry: Entry {
                state: State::Failed { exit: exit.into() },
                at,
                known,
            },
            kept: false,
        });
    }

    fn taken_back(&mut self, step: StepIx, at: Millis) {
        let step = &self.plan[step];
        if step.cache.is_some() {
            self.writes.push(Write::Ended {
                step: step.id.clone(),
                entry: Entry {
                    state: State::Unseen,
                    at,
                    known: None,
                },
                kept: false,
            });
        }
    }

    /// Writes what there is to remember. What could not be written stays.
    fn write(&mut self) -> Result<(), String> {
        let Some(store) = &mut self.store else {
            self.forget_writes();
            return Ok(());
        };
        let written = store.remember(&self.whose, &self.writes);
        written.map_err(|why| why.to_string())?;
        self.forget_writes();
        Ok(())
    }

    fn forget_writes(&mut self) {
        self.writes.clear();
        self.seen = 0;
    }

    /// Writes what is left, and leaves the store. Says what went wrong.
    fn finish(&mut self) -> Vec<String> {
        let mut tries = 0;
        while !self.writes.is_empty() {
            tries += 1;
            match self.write() {
                Ok(()) => break,
                Err(why) if tries == TRIES => {
                    let why = format!("the freshness of steps is not remembered: {why}");
                    self.warnings.insert(why);
                    break;
                }
                Err(_) => {}
            }
        }
        self.store = None;
        self.warnings.extend(self.looker.remembered.damage());
        std::mem::take(&mut self.warnings).into_iter().collect()
    }
}

/// A key for this run alone: what is hashed with it is nobody's later.
fn any_key() -> [u8; 32] {
    let mut key = [0; 32];
    _ = getrandom::fill(&mut key);
    key
}
