//! The performance budget, measured: quintet and its peers run the same
//! workloads in turn, and their figures are put beside the bare floor's.
//!
//! ```sh
//! cargo bench --bench workloads                 # every row
//! cargo bench --bench workloads -- W3 W4        # these
//! cargo bench --bench workloads -- --short      # counts that a change must keep
//! cargo bench --bench workloads -- --markdown > bench/RESULTS.md
//! ```
//!
//! `cargo test` runs the short form. Peers that are not installed are named as
//! missing. All that is measured is a process of its own; the floor, the meter
//! and the printing step are this program, called with the name of the part.

mod bench;
mod counts;
mod floor;
mod formats;
mod fresh;
mod growth;
mod history;
mod measure;
mod meter;
mod own;
mod peers;
mod report;
mod results;
mod rows;
mod sys;
mod workload;

use std::process::ExitCode;

use bench::Bench;
use report::Section;
use rows::{ROWS, Row};

const ROUNDS: usize = 5;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = part(&words) {
        return code;
    }
    match Asked::read(&words) {
        Ok(asked) => asked.answer(),
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

/// Runs as one of the processes that are measured, or that measure.
fn part(words: &[String]) -> Option<ExitCode> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |word: &str| {
        word.parse()
            .expect("this program calls itself with a number")
    };
    let done = match words[..] {
        ["floor", times, at_once, ref command @ ..] => {
            let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
            floor::spawn(number(times), number(at_once), &command)
        }
        ["print", mib] => floor::print(number(mib), floor::stdout()),
        ["write", file, mib] => floor::write(file.as_ref(), number(mib)),
        ["meter", order] => {
            let order = serde_json::from_str(order).expect("this program writes its orders");
            meter::run(&order).map(|sample| {
                println!(
                    "{}",
                    serde_json::to_string(&sample).expect("numbers are JSON")
                );
            })
        }
        _ => return None,
    };
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    })
}

/// What the command line says.
struct Asked {
    rows: Vec<&'static Row>,
    short: bool,
    rounds: usize,
    markdown: bool,
}

impl Asked {
    /// cargo passes `--bench` to a benchmark. Without it, this is a test among
    /// others: what it is told is meant for all of them, a filter for instance,
    /// and it has the short form to say.
    fn read(words: &[String]) -> Result<Asked, String> {
        let mut asked = Asked {
            rows: Vec::new(),
            short: false,
            rounds: ROUNDS,
            markdown: false,
        };
        if !words.iter().any(|word| word == "--bench") {
            asked.short = words
                .iter()
                .all(|word| word.starts_with('-') && word != "--list");
            return Ok(asked);
        }
        let mut words = words.iter().filter(|word| *word != "--bench");
        while let Some(word) = words.next() {
            match word.as_str() {
                "--short" => asked.short = true,
                "--markdown" => asked.markdown = true,
                "--rounds" => {
                    let rounds = words.next().and_then(|word| word.parse().ok());
                    asked.rounds = rounds
                        .filter(|rounds| *rounds > 0)
                        .ok_or("--rounds needs a number")?;
                }
                name => {
                    let row = ROWS.iter().find(|row| row.name.eq_ignore_ascii_case(name));
                    asked.rows.push(row.ok_or_else(|| usage(name))?);
                }
            }
        }
        if asked.rows.is_empty() && !asked.short {
            asked.rows = ROWS.iter().collect();
        }
        Ok(asked)
    }

    fn answer(self) -> ExitCode {
        if !self.short && self.rows.is_empty() {
            return ExitCode::SUCCESS;
        }
        let bench = Bench::new(self.rounds);
        match self.markdown {
            true => print!("{}", results::frame(self.rounds)),
            false => println!("{}", results::peers()),
        }
        let mut sections = Vec::new();
        for row in &self.rows {
            let section = (row.measure)(&bench, Section::of(row.name, row.about));
            print!("{}", section.show());
            sections.push(section);
        }
        let mut code = ExitCode::SUCCESS;
        if self.short {
            let section = counts::counts(&bench);
            print!("{}", section.show());
            if section
                .verdicts
                .iter()
                .any(|verdict| verdict.holds() != Some(true))
            {
                code = ExitCode::FAILURE;
            }
        }
        if self.markdown {
            print!("{}", results::missed(&sections));
        }
        code
    }
}

fn usage(name: &str) -> String {
    let rows: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
    format!(
        "no row is called {name}\nusage: cargo bench --bench workloads -- [{}] [--short] [--rounds N] [--markdown]",
        rows.join("|")
    )
}
