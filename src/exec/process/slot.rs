//! What a supervisor keeps of its slot between attempts: the files, the
//! environment, and the order in which things are written.
//!
//! What is the same for all slots of a run is made once, by the zygote, and
//! inherited. The slot's files are not: to make a thousand of them takes a while,
//! in which the zygote would make no supervisor.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::Pid;

use super::attempt::{Clock, Running};
use super::builtin;
use super::files::{Directory, RecordFile, SlotName, TAKEN_OVER};
use super::launch::{self, Base, Refusal};
use super::mask::Masker;
use super::output::{Outputs, Stream, take_outputs};
use super::pipe::Pipes;
use super::sys::{Image, Stack};
use super::wire::{Record, Setup};
use crate::exec::{Done, Job};
use crate::run::{Attempt, Exit, Output};

/// What all slots of a run begin with.
pub struct Common {
    directory: Directory,
    setup: Setup,
    base: Base,
    /// What to take out of output; nothing, in most runs.
    masker: Option<Arc<Masker>>,
    null: File,
}

impl Common {
    /// # Errors
    /// The run's directory cannot be opened.
    pub fn new(mut setup: Setup) -> io::Result<Common> {
        Ok(Common {
            directory: Directory::open(Path::new(&setup.run_dir))?,
            base: Base::new(&std::mem::take(&mut setup.env)),
            masker: masker(&setup),
            null: File::open("/dev/null")?,
            setup,
        })
    }

    /// The descriptors that a slot inherits with this.
    pub fn descriptors(&self) -> [RawFd; 2] {
        [self.directory.as_fd(), self.null.as_fd()].map(|fd| fd.as_raw_fd())
    }
}

/// A slot that is set up.
pub struct Slot {
    pub name: SlotName,
    pub directory: Directory,
    setup: Setup,
    base: Base,
    records: RecordFile,
    stdout: Stream,
    stderr: Stream,
    masker: Option<Arc<Masker>>,
    /// Of the attempt that runs, if its output does not go into the files by itself.
    pipes: Option<Box<Pipes>>,
    null: File,
    stack: Stack,
    /// Counts attempts, for the names of files of their own.
    serial: u64,
    outputs_serial: u32,
    outputs_path: String,
}

/// What came of a job.
pub enum Begun {
    Running(Running),
    /// Its program did not start.
    Refused(Attempt, Done),
    /// It was not started, since that could not be written down.
    Unrecordable(Attempt, io::Error),
}

impl Slot {
    /// # Errors
    /// The files cannot be made, or the run belongs to a later engine.
    pub fn new(common: Common, number: u32, stack: Stack) -> io::Result<Slot> {
        let Common {
            directory,
            setup,
            base,
            masker,
            null,
        } = common;
        let name = SlotName {
            epoch: setup.epoch,
            number,
        };
        let records = RecordFile::create(&directory, name)?;
        // Asked with the lock held: a later engine either is seen here, or sees the lock.
        if directory.epochs()?.last().map(|(last, _)| *last) != Some(setup.epoch) {
            return Err(io::Error::other(TAKEN_OVER));
        }
        // Steps open this by its path, and would follow a link that is planted there.
        let outputs_serial = (0..).find(|n| directory.remove(&name.outputs(*n)).is_ok());
        let outputs_serial = outputs_serial.unwrap_or_default();
        Ok(Slot {
            stdout: Stream::create(&directory, name, "out")?,
            stderr: Stream::create(&directory, name, "err")?,
            null,
            stack,
            base,
            masker,
            pipes: None,
            outputs_path: outputs_path(&directory, name, outputs_serial),
            outputs_serial,
            serial: 0,
            name,
            directory,
            setup,
            records,
        })
    }

    /// Works for another engine from now on. The slot's files stay what they are.
    ///
    /// # Errors
    /// That engine was replaced, perhaps while it was frozen.
    pub fn change_hands(&mut self, mut setup: Setup) -> io::Result<()> {
        if setup.epoch < self.setup.epoch {
            return Err(io::Error::other(TAKEN_OVER));
        }
        self.directory.still_belongs_to(setup.epoch)?;
        // What was a secret to one engine stays one, whatever the next is given.
        setup.secrets.0.append(&mut self.setup.secrets.0);
        self.masker = masker(&setup);
        self.base = Base::new(&std::mem::take(&mut setup.env));
        self.setup = setup;
        Ok(())
    }

    /// Whether what runs ends with the engine.
    pub fn ends_with_engine(&self) -> bool {
        self.setup.ends_with_engine
    }

    /// Writes down that the job starts, and starts it.
    pub fn begin(&mut self, job: Job) -> Begun {
        let attempt = job.attempt;
        let clock = Clock::start();
        let mark = launch::mark(&self.setup, attempt);
        let image = match launch::image(&self.base, &job, &mark, &self.outputs_path) {
            Ok(image) => image,
            Err(refusal) => return Begun::Refused(attempt, self.refused(refusal, clock)),
        };
        if let Err(e) = self.record_start(attempt, mark) {
            return Begun::Unrecordable(attempt, e);
        }
        self.serial += 1;
        match self.launch(&job, &image) {
            Ok(main) => Begun::Running(Running::new(job, main, clock)),
            Err(refusal) => Begun::Refused(attempt, self.refused(refusal, clock)),
        }
    }

    fn record_start(&mut self, attempt: Attempt, mark: String) -> io::Result<()> {
        self.stdout.make_ready(&self.directory)?;
        self.stderr.make_ready(&self.directory)?;
        let started = Record::Started {
            attempt,
            epoch: self.setup.epoch,
            mark,
        };
        let written = self.records.append(&started);
        written.map_err(|e| self.directory.at(&self.name.records(), e))
    }

    fn launch(&mut self, job: &Job, image: &Image) -> Result<Pid, Refusal> {
        let given = job.stdin.as_deref().map(launch::stdin_with).transpose()?;
        let mut pipes = Pipes::if_needed(self.masker.as_ref(), job.max_output)
            .map_err(|e| launch::no_streams(&e))?;
        let null = self.null.as_fd();
        let stdin = given.as_ref().map_or(null, AsFd::as_fd);
        let [stdout, stderr] = match &pipes {
            None => [self.stdout.target(), self.stderr.target()],
            Some(pipes) => pipes.targets(),
        };
        let (stdout, stderr) = (stdout.unwrap_or(null), stderr.unwrap_or(null));
        let main = match &job.builtin {
            None => launch::launch(image, stdin, stdout, stderr, &mut self.stack)?,
            Some(question) => builtin::launch(question, image, [stdin, stdout, stderr])?,
        };
        pipes.iter_mut().for_each(|pipes| pipes.has_begun());
        self.pipes = pipes;
        Ok(main)
    }

    /// The pipes through which output comes, if it comes through any.
    pub fn pipes(&self) -> Option<&Pipes> {
        self.pipes.as_deref()
    }

    /// Moves on what is in the pipes.
    pub fn pump(&mut self) {
        if let Some(pipes) = &mut self.pipes {
            pipes.pump([self.stdout.sink(), self.stderr.sink()]);
        }
    }

    /// Gathers what an attempt left, when nothing of it can write any more.
    pub fn gather(&mut self, over: &Running) -> Done {
        let mut errors = Vec::new();
        let exit = over.exit();
        if let Exit::TimedOut { .. } = exit {
            errors.push(exit.to_string());
        }
        let passed = match self.pipes.take() {
            None => Default::default(),
            Some(pipes) => pipes.finish([self.stdout.sink(), self.stderr.sink()]),
        };
        errors.extend(passed.complaint);
        let mut collect = |stream: &mut Stream| {
            let kept = stream.collect(&self.directory, over.own_log, self.serial);
            kept.unwrap_or_else(|e| {
                errors.push(format!("its output could not be kept: {e}"));
                None
            })
        };
        let output = Output {
            stdout: collect(&mut self.stdout),
            stderr: collect(&mut self.stderr),
            masked: passed.masked,
            dropped: passed.dropped,
        };
        let outputs = self.take_outputs();
        errors.extend(outputs.complaint);
        self.clean(Done {
            exit,
            started_at: over.clock().started_at,
            ended_at: over.clock().now(),
            output,
            outputs: outputs.values,
            leaked: over.leaked(),
            error: (!errors.is_empty()).then(|| errors.join("; ")),
        })
    }

    /// Takes secrets out of what is recorded as it is.
    fn clean(&self, mut done: Done) -> Done {
        let Some(masker) = &self.masker else {
            return done;
        };
        let mut clean = |text: &str| {
            let (text, masked) = masker.text(text);
            done.output.masked += masked;
            text
        };
        let outputs = std::mem::take(&mut done.outputs).into_iter();
        done.outputs = outputs
            .map(|(key, value)| (clean(&key).into(), clean(&value).into()))
            .collect();
        done.error = done.error.as_deref().map(&mut clean);
        done
    }

    fn refused(&self, refusal: Refusal, clock: Clock) -> Done {
        self.clean(refused(refusal, clock))
    }

    fn take_outputs(&mut self) -> Outputs {
        let name = self.name.outputs(self.outputs_serial);
        let (outputs, free) = take_outputs(&self.directory, &name);
        if !free {
            // What lies there must not be taken for the next step's.
            self.outputs_serial += 1;
            self.outputs_path = outputs_path(&self.directory, self.name, self.outputs_serial);
        }
        outputs
    }

    /// # Errors
    /// It could not be written, and must be tried again.
    pub fn record_end(&mut self, attempt: Attempt, done: &Done) -> io::Result<()> {
        let done = done.clone();
        let written = self.records.append(&Record::Ended { attempt, done });
        written.map_err(|e| self.directory.at(&self.name.records(), e))
    }

    /// Whether the run was removed, and with it everybody who could want to know.
    pub fn is_removed(&self) -> bool {
        self.records.is_removed()
    }

    /// Leaves only what somebody may still want to read.
    pub fn close(&self) {
        self.stdout.close(&self.directory);
        self.stderr.close(&self.directory);
    }
}

fn masker(setup: &Setup) -> Option<Arc<Masker>> {
    Masker::new(setup.secrets.0.iter().map(String::as_str)).map(Arc::new)
}

fn outputs_path(directory: &Directory, name: SlotName, serial: u32) -> String {
    let path = directory.path_of(&name.outputs(serial));
    // It loses nothing: the run's directory came as text.
    path.to_string_lossy().into_owned()
}

fn refused(refusal: Refusal, clock: Clock) -> Done {
    let exit = Exit::FailedToStart {
        errno: refusal.errno,
    };
    Done {
        error: Some(refusal.error),
        ..Done::without_output(exit, clock.started_at, clock.now())
    }
}

/// The end of an attempt that was called off before it began.
pub fn never_began() -> Done {
    let now = Clock::start().started_at;
    Done::without_output(Exit::Canceled { signal: None }, now, now)
}

/// Between two tries to write down what a full disk has refused.
pub const TRY_AGAIN: Duration = Duration::from_secs(1);
