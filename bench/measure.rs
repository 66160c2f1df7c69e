//! Several commands in turn, A B C A B C, so that whatever else the machine
//! does meets all of them alike.
//!
//! This file does not know what the commands are compared for.

use std::fs::File;
use std::io::{IsTerminal, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::meter::{Order, Sample};

/// A command that is measured.
pub struct Contender {
    pub name: String,
    /// The command, as a reader of the table should see it.
    pub shown: String,
    /// How many steps it runs.
    pub steps: usize,
    pub order: Order,
    /// It takes part in no more rounds than this.
    pub rounds: usize,
    /// What must not be there when a round begins.
    pub leftovers: Vec<PathBuf>,
    /// Before each round, what is on its way to the disk is waited for.
    pub settle: bool,
    /// What is done before each round, and not measured.
    pub before: Option<Box<dyn Fn()>>,
}

/// What came of it.
pub struct Measured {
    pub name: String,
    pub steps: usize,
    pub command: String,
    /// In the order of the rounds. Empty where it did not work.
    pub samples: Vec<Sample>,
    pub failed: Option<String>,
}

impl Measured {
    pub fn median(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(of).collect())
    }

    pub fn wall(&self) -> f64 {
        self.median(|sample| sample.wall)
    }

    pub fn cpu(&self) -> f64 {
        self.median(|sample| sample.cpu)
    }

    pub fn peak_mib(&self) -> f64 {
        self.median(|sample| sample.peak_kib as f64 / 1024.0)
    }

    /// The median over the rounds of what two took, divided: both met the same
    /// moment of the machine.
    pub fn over(&self, other: &Measured, of: impl Fn(&Sample) -> f64) -> f64 {
        let rounds = self.samples.iter().zip(&other.samples);
        median(rounds.map(|(one, two)| of(one) / of(two)).collect())
    }
}

pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    match numbers.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => numbers[n / 2],
        n => f64::midpoint(numbers[n / 2 - 1], numbers[n / 2]),
    }
}

/// Measures all of them, round by round. One that fails is left out from there on.
pub fn in_turn(contenders: &[Contender], rounds: usize) -> Vec<Measured> {
    let mut all: Vec<Measured> = contenders.iter().map(nothing_yet).collect();
    for round in 0..rounds {
        for (contender, measured) in contenders.iter().zip(&mut all) {
            if round >= contender.rounds || measured.failed.is_some() {
                continue;
            }
            say(&format!(
                "round {} of {rounds}: {}",
                round + 1,
                contender.name
            ));
            match once(contender) {
                Ok(sample) => measured.samples.push(sample),
                Err(why) => measured.failed = Some(why),
            }
        }
    }
    say("");
    all
}

/// Tells whoever watches what goes on.
fn say(what: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{what}");
    }
}

fn nothing_yet(contender: &Contender) -> Measured {
    Measured {
        name: contender.name.clone(),
        steps: contender.steps,
        command: contender.shown.clone(),
        samples: Vec::new(),
        failed: None,
    }
}

/// A command without the directory that its program is in, nor that of the store.
pub fn shown(words: &[String]) -> String {
    let name = |word: &String| {
        let name = Path::new(word).file_name();
        name.map_or_else(|| word.clone(), |name| name.to_string_lossy().into_owned())
    };
    let mut words: Vec<String> = words.iter().map(name).collect();
    if words.get(1).is_some_and(|word| word == "--state-dir") {
        words.drain(1..3);
    }
    words.join(" ")
}

/// One run, in a process of its own.
pub fn once(contender: &Contender) -> Result<Sample, String> {
    for path in &contender.leftovers {
        let _ = match path.is_dir() {
            true => std::fs::remove_dir_all(path),
            false => std::fs::remove_file(path),
        };
    }
    if let Some(before) = &contender.before {
        before();
    }
    if contender.settle {
        nix::unistd::sync();
    }
    let order = &contender.order;
    let meter = Command::new(this_program())
        .arg("meter")
        .arg(serde_json::to_string(order).expect("paths are text"))
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| error.to_string())?;
    let sample: Sample = serde_json::from_slice(&meter.stdout)
        .map_err(|_| format!("{} cannot be started", order.words[0]))?;
    match sample.code {
        0 => Ok(sample),
        code => Err(format!("exit code {code}: {}", last_line(&order.said))),
    }
}

fn last_line(path: &Path) -> String {
    let mut end = Vec::new();
    let _ = File::open(path).and_then(|mut said| {
        let length = said.metadata()?.len();
        said.seek(SeekFrom::Start(length.saturating_sub(1000)))?;
        said.read_to_end(&mut end)
    });
    let end = String::from_utf8_lossy(&end).into_owned();
    end.trim_end().lines().last().unwrap_or_default().to_owned()
}

/// The benchmark itself, which also is the floor, the meter and the printing step.
pub fn this_program() -> PathBuf {
    std::env::current_exe().expect("a program knows where it is")
}
