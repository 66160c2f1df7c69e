//! `quintet logs`: what steps wrote, byte for byte.
//!
//! Output is copied from its files in pieces, whatever its size. On a terminal
//! what the terminal would act on is taken out; a file or a program gets every
//! byte as it was written.
//!
//! What an attempt writes while it runs lies in its slot's files, which are
//! another attempt's as soon as it has ended. So a piece that was read there
//! is shown only if the attempt is found there again after the reading; what
//! is missed that way is in the attempt's own range when its end is recorded.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::error::{self, Failure};
use super::follow::{Follower, News};
use super::global::Global;
use super::output;
use crate::engine::written::Live;
use crate::paths::StateDir;
use crate::plan::StepIx;
use crate::run::{Attempt, Finish, Kind, Role};
use crate::store::Store;
use crate::store::logs::{FAR, Log, PIECE};
use crate::view::escape::Printable;
use crate::view::log::{Form, Label, whole_characters};
use crate::view::recorded::{Recorded, end_of};
use crate::view::words;

/// What is read at once of an attempt that runs. Each piece costs a look for
/// the attempt, which costs more than to read a little.
const LIVE_PIECE: usize = 1 << 20;

/// Show what a step, or every step of a run, wrote
///
/// Both streams are shown one after the other, each under a heading where both
/// have something. Without STEP the output of all steps is shown in the order
/// in which they ended. RUN is a run's id, the beginning or end of one, or `last`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ quintet logs last build\n  $ quintet logs x7k2 build --attempt 1 --stderr\n  $ quintet logs last build --follow\n  $ quintet logs last build --tail 20"
)]
pub struct Args {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,

    /// The step; all of them without
    #[arg(value_name = "STEP")]
    step: Option<String>,

    /// Which attempt; the last without
    #[arg(long, value_name = "N", requires = "step")]
    attempt: Option<u32>,

    /// Only what went to stdout
    #[arg(long, conflicts_with = "stderr")]
    stdout: bool,

    /// Only what went to stderr
    #[arg(long)]
    stderr: bool,

    /// Go on showing output as it is written, until the run is over
    #[arg(long, short)]
    follow: bool,

    /// Only the last N lines of each stream
    #[arg(long, value_name = "N")]
    tail: Option<usize>,

    /// Print pieces as lines of JSON: text where it is text, base64 where not
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let store = global.store()?;
    let recorded = Recorded::find(&store, &args.run)?;
    let id = args.step.as_deref();
    let step = id.map(|id| recorded.step(id)).transpose()?;
    let reader = Reader {
        verb: &args,
        global,
        state: store.state_dir().clone(),
        run_id: recorded.run_id().to_owned(),
    };
    match step {
        Some(ix) => reader.one_step(&store, recorded, ix)?,
        None => reader.all_steps(&store, recorded)?,
    }
    Ok(ExitCode::SUCCESS)
}

struct Reader<'a> {
    verb: &'a Args,
    global: &'a Global,
    state: StateDir,
    run_id: String,
}

/// How far each stream of an attempt was shown, once any of it was.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    stdout: Option<u64>,
    stderr: Option<u64>,
}

impl Reader<'_> {
    fn all_steps(&self, store: &Store, recorded: Recorded) -> Result<(), Failure> {
        self.finished_among(&recorded, 0)?;
        if !self.verb.follow {
            return Ok(());
        }
        let mut follower = Follower::new(store, recorded)?;
        loop {
            match follower.wait(Duration::from_secs(3600))? {
                News::Events(from) => self.finished_among(&follower.recorded, from)?,
                News::Nothing => {}
                News::Over => return Ok(()),
            }
        }
    }

    /// Shows the output of all attempts that ended in the events from there on.
    fn finished_among(&self, recorded: &Recorded, from: usize) -> Result<(), Failure> {
        for event in &recorded.events[from..] {
            if let Kind::StepFinished { attempt, end } = &event.kind {
                let id = &recorded.state.plan()[attempt.step].id;
                self.finished(id, *attempt, end, Shown::default(), true)?;
            }
        }
        Ok(())
    }

    fn one_step(&self, store: &Store, recorded: Recorded, ix: StepIx) -> Result<(), Failure> {
        let id = recorded.state.plan()[ix].id.to_string();
        let last = recorded.newest_attempt(ix);
        let number = self.verb.attempt.or(last).unwrap_or(0);
        let attempt = |number| Attempt {
            step: ix,
            number,
            role: Role::Main,
        };
        if self.verb.attempt.is_some_and(|n| n == 0 || Some(n) > last) {
            let made = last.unwrap_or(0);
            return Err(Failure::new(
                error::Kind::Usage,
                format!("step {id} has no attempt {number}"),
            )
            .hint(format!("it has {made} so far")));
        }
        if !self.verb.follow {
            return match end_of(&recorded.events, attempt(number)) {
                Some(end) => self.finished(&id, attempt(number), end, Shown::default(), false),
                None => self.live(&id, attempt(number), &mut Shown::default()),
            };
        }
        let mut follower = Follower::new(store, recorded)?;
        let (mut number, mut shown) = (number.max(1), Shown::default());
        loop {
            let over = follower.wait(Duration::from_millis(100))? == News::Over;
            let recorded = &follower.recorded;
            // An attempt that ended, and after it perhaps others that did.
            while let Some(end) = end_of(&recorded.events, attempt(number)) {
                self.finished(&id, attempt(number), end, std::mem::take(&mut shown), false)?;
                number += 1;
            }
            let settled = recorded.state.step(ix).outcome().is_some();
            if over || settled || self.verb.attempt.is_some_and(|only| only < number) {
                return Ok(());
            }
            self.live(&id, attempt(number), &mut shown)?;
        }
    }

    /// Shows what an attempt that has ended wrote, after what was shown before.
    fn finished(
        &self,
        id: &str,
        attempt: Attempt,
        end: &Finish,
        shown: Shown,
        always_head: bool,
    ) -> Result<(), Failure> {
        let both = end.output.stdout.is_some() && end.output.stderr.is_some() && self.wants_both();
        let head = always_head || both;
        let streams = [
            ("stdout", &end.output.stdout, shown.stdout),
            ("stderr", &end.output.stderr, shown.stderr),
        ];
        let mut out = output::bytes();
        for (stream, range, shown) in streams {
            let Some(range) = range.as_ref().filter(|_| self.wants(stream)) else {
                continue;
            };
            // A stream that was shown while the attempt ran had its heading then.
            if head && shown.is_none() {
                self.head(id, attempt, stream, &mut out)?;
            }
            let lost = |e| unreadable(self.directory().join(&*range.file), &e);
            let log = Log::open(&self.state, &self.run_id, range).map_err(lost)?;
            let from = shown
                .map_or_else(|| self.beginning(&log, stream), Ok)
                .map_err(lost)?;
            let piece = Piece {
                form: self.form(id, attempt, stream, from),
                size: PIECE,
                is_sure: &|| true,
                is_last: true,
            };
            piece
                .copy(&log, from, &mut out)
                .map_err(|e| e.failure(lost))?;
        }
        out.flush()?;
        for said in words::left_out(&end.output) {
            output::note(self.global, &format!("{id}: {said}"));
        }
        Ok(())
    }

    /// Shows what an attempt that runs has written since.
    fn live(&self, id: &str, attempt: Attempt, shown: &mut Shown) -> Result<(), Failure> {
        let Some(live) = Live::find(&self.directory(), attempt) else {
            return Ok(());
        };
        let is_sure = || live.is_sure();
        let streams = [
            ("stdout", &live.files.stdout, &mut shown.stdout),
            ("stderr", &live.files.stderr, &mut shown.stderr),
        ];
        let mut out = output::bytes();
        for (stream, path, shown) in streams {
            let Some(log) = Log::so_far(path).ok().filter(|_| self.wants(stream)) else {
                continue;
            };
            let lost = |e| unreadable(path.clone(), &e);
            let from = shown
                .map_or_else(|| self.beginning(&log, stream), Ok)
                .map_err(lost)?;
            if from >= log.len || !is_sure() {
                continue;
            }
            if shown.is_none() && self.wants_both() && stream == "stderr" {
                self.head(id, attempt, stream, &mut out)?;
            }
            let piece = Piece {
                form: self.form(id, attempt, stream, from),
                size: LIVE_PIECE,
                is_sure: &is_sure,
                is_last: false,
            };
            let end = piece
                .copy(&log, from, &mut out)
                .map_err(|e| e.failure(lost))?;
            *shown = Some(end);
        }
        Ok(out.flush()?)
    }

    /// Where to begin with a stream of which nothing was shown.
    fn beginning(&self, log: &Log, stream: &str) -> io::Result<u64> {
        let Some(lines) = self.verb.tail else {
            return Ok(0);
        };
        let (begin, is_exact) = log.tail(lines)?;
        if !is_exact {
            let mib = FAR >> 20;
            let text = format!("the lines are long: these are the last {mib} MiB of {stream}");
            output::note(self.global, &text);
        }
        Ok(begin)
    }

    fn directory(&self) -> PathBuf {
        self.state.run(&self.run_id)
    }

    fn head(
        &self,
        id: &str,
        attempt: Attempt,
        stream: &str,
        out: &mut impl Write,
    ) -> io::Result<()> {
        if self.verb.json {
            return Ok(());
        }
        let id = crate::view::escape::clean(id);
        let role = match attempt.role {
            Role::Undo => "undo",
            Role::Main | Role::Remedy => "attempt",
        };
        match attempt {
            Attempt {
                number: 1,
                role: Role::Main,
                ..
            } => writeln!(out, "==> {id}: {stream} <=="),
            attempt => writeln!(out, "==> {id}: {stream}, {role} {} <==", attempt.number),
        }
    }

    fn form(&self, id: &str, attempt: Attempt, stream: &'static str, offset: u64) -> Form {
        match (self.verb.json, output::is_terminal()) {
            (true, _) => Form::Json(Label {
                step_id: id.to_owned(),
                attempt: attempt.number,
                stream,
                offset,
            }),
            (false, true) => Form::Terminal(Printable::default()),
            (false, false) => Form::Raw,
        }
    }

    fn wants(&self, stream: &str) -> bool {
        match stream {
            "stdout" => !self.verb.stderr,
            _ => !self.verb.stdout,
        }
    }

    fn wants_both(&self) -> bool {
        self.wants("stdout") && self.wants("stderr")
    }
}

/// How a stream is copied.
struct Piece<'a> {
    form: Form,
    size: usize,
    /// Asked after each piece was read: whether it was what it was taken for.
    is_sure: &'a dyn Fn() -> bool,
    /// Nothing will ever follow what is there now.
    is_last: bool,
}

/// What a copy failed at.
enum Broken {
    Reading(io::Error),
    Writing(io::Error),
}

impl Broken {
    fn failure(self, reading: impl Fn(io::Error) -> Failure) -> Failure {
        match self {
            Broken::Reading(error) => reading(error),
            Broken::Writing(error) => error.into(),
        }
    }
}

impl Piece<'_> {
    /// Copies a stream from there on; gives where it stopped.
    fn copy(mut self, log: &Log, mut from: u64, out: &mut impl Write) -> Result<u64, Broken> {
        let mut buffer = vec![0; self.size];
        while from < log.len {
            let got = log.read(from, &mut buffer).map_err(Broken::Reading)?;
            if got == 0 && self.is_last {
                return Err(Broken::Reading(io::ErrorKind::UnexpectedEof.into()));
            }
            let is_end = from + got as u64 == log.len;
            let whole = match is_end && self.is_last {
                true => got,
                false => whole_characters(&buffer[..got]),
            };
            if whole == 0 || !(self.is_sure)() {
                break;
            }
            let piece = &buffer[..whole];
            self.form.piece(piece, out).map_err(Broken::Writing)?;
            from += whole as u64;
            if is_end {
                break;
            }
        }
        self.form.finish(out).map_err(Broken::Writing)?;
        Ok(from)
    }
}

fn unreadable(path: PathBuf, why: &io::Error) -> Failure {
    let path = path.display();
    Failure::new(error::Kind::Store, format!("{path} cannot be read: {why}"))
}
