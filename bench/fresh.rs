//! W6: what it takes to see that there is nothing to do.
//!
//! Each step copies a small file of its own, and all of them are done. ninja,
//! n2 and make look at times alone; quintet knows every file's content and
//! reads it again where its times have changed. So it is measured twice: with
//! nothing changed, and with every file touched, so that every byte is read.

use std::fs::{self, File, FileTimes};
use std::io::{BufWriter, Result, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use crate::bench::{Bench, text};
use crate::measure::{self, Contender, Measured, in_turn};
use crate::peers::Peer;
use crate::report::{Section, Table, Verdict};
use crate::rows::{named, wall};
use crate::workload::Workload;

const STEPS: usize = 10_000;

/// So long must a file have been left alone before its times are believed.
const SETTLED: Duration = Duration::from_millis(2_100);

/// Those who know copies, and how each writes them down. ninja is the first,
/// and what the others are compared with.
const PEERS: [(&str, Writer); 3] = [("ninja", ninja), ("n2", ninja), ("make", makefile)];

type Writer = fn(usize, &mut dyn Write) -> Result<()>;

pub fn fresh(bench: &Bench, mut section: Section) -> Section {
    let mut contenders: Vec<Contender> = PEERS
        .iter()
        .filter_map(|(name, writer)| peer(bench, name, *writer))
        .collect();
    let by_stat = quintet(bench, "W6/run", STEPS);
    let mut by_content = quintet(bench, "W6/rehash", STEPS);
    by_content.name = "rehash".into();
    by_content.shown += ", every file touched";
    let dir = by_content.order.dir.clone();
    by_content.before = Some(Box::new(move || {
        touch(&dir);
        // So that the new times are remembered: that is part of the work.
        sleep(SETTLED);
    }));
    // Behind the one that they are compared with.
    let behind = contenders.len().min(1);
    contenders.splice(behind..behind, [by_stat, by_content]);
    for contender in &contenders {
        // What is done is remembered, and its files are left alone for a while.
        if let Err(why) = settled(contender) {
            let note = format!("`{}` did not work: {why}", contender.shown);
            section.notes.push(note);
        }
    }
    let all = in_turn(&contenders, bench.rounds);
    let shown: Vec<&Measured> = all.iter().collect();
    section.tables.push(Table::of("", &shown));
    for (name, bound) in [("run", 0.6), ("rehash", 1.5)] {
        let ratio = match (named(&all, name), named(&all, "ninja")) {
            (Some(run), Some(ninja)) => run.over(ninja, wall),
            _ => f64::NAN,
        };
        let what = match name {
            "run" => "wall / ninja's",
            _ => "every byte read again: wall / ninja's",
        };
        section.verdicts.push(Verdict::new(what, ratio, bound, ""));
    }
    section.note_failures(&all);
    section
}

/// quintet's run of so many copies. What they copy is made where it is not there.
pub fn quintet(bench: &Bench, place: &str, steps: usize) -> Contender {
    let dir = bench.dir(place);
    files(&dir, steps);
    write(&dir.join("plan.json"), plan, steps);
    let state = text(&dir.join("state"));
    let words = ["--state-dir", &state, "--quiet", "run", "plan.json"];
    bench.contender("run", steps, &dir, bench.words(&words))
}

/// Lets everything be done, and then be seen to be done, by times that count.
///
/// # Errors
/// In words: it cannot be done.
pub fn settled(contender: &Contender) -> std::result::Result<(), String> {
    measure::once(contender)?;
    sleep(SETTLED);
    measure::once(contender).map(drop)
}

fn peer(bench: &Bench, name: &str, writer: Writer) -> Option<Contender> {
    let peer = Peer::named(name);
    peer.program()?;
    let dir = bench.dir(&format!("W6/{name}"));
    files(&dir, STEPS);
    write(&peer.file(&dir), writer, STEPS);
    let words = peer.command(&Workload::of(STEPS, 2, &[]));
    Some(bench.contender(name, STEPS, &dir, words))
}

/// What the steps copy, and where to.
fn files(dir: &Path, steps: usize) {
    for made in ["in", "out"] {
        fs::create_dir_all(dir.join(made)).expect("a directory can be made");
    }
    for step in 0..steps {
        let path = dir.join(format!("in/s{step}"));
        if !path.exists() {
            fs::write(path, format!("input {step}\n")).expect("a file can be written");
        }
    }
}

/// Gives every file another time, at which its content has not changed.
pub fn touch(dir: &Path) {
    let times = FileTimes::new().set_modified(SystemTime::now());
    for made in ["in", "out"] {
        for entry in fs::read_dir(dir.join(made)).expect("it was made") {
            let file = entry.and_then(|entry| File::options().append(true).open(entry.path()));
            let touched = file.and_then(|file| file.set_times(times));
            touched.expect("a file can be touched");
        }
    }
}

fn write(path: &Path, writer: Writer, steps: usize) {
    let mut out = BufWriter::new(File::create(path).expect("a file can be made"));
    let written = writer(steps, &mut out).and_then(|()| out.flush());
    written.expect("a file can be written");
}

fn plan(steps: usize, out: &mut dyn Write) -> Result<()> {
    writeln!(
        out,
        r#"{{"plan_id":"FRESH","globals":{{"max_concurrency":2}},"steps":["#
    )?;
    for step in 0..steps {
        write!(
            out,
            r#"{{"id":"s{step}","command":"cp","args":["in/s{step}","out/s{step}"],"cache":{{"inputs":["in/s{step}"],"outputs":["out/s{step}"]}}}}"#
        )?;
        writeln!(out, "{}", if step + 1 < steps { "," } else { "" })?;
    }
    writeln!(out, "]}}")
}

fn ninja(steps: usize, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "rule copy\n  command = cp $in $out")?;
    (0..steps).try_for_each(|step| writeln!(out, "build out/s{step}: copy in/s{step}"))
}

fn makefile(steps: usize, out: &mut dyn Write) -> Result<()> {
    write!(out, "MAKEFLAGS += -r\n.SUFFIXES:\n.PHONY: all\nall:")?;
    (0..steps).try_for_each(|step| write!(out, " out/s{step}"))?;
    writeln!(out)?;
    (0..steps)
        .try_for_each(|step| writeln!(out, "out/s{step}: in/s{step}\n\t@cp in/s{step} out/s{step}"))
}
