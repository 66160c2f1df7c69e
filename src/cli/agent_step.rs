//! `quintet agent step`: one attempt of an agent's step, begun by an engine.
//!
//! What to do is on standard input, and what came of it goes where every step puts
//! out its values. All else is [`crate::agent`].

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::error::{Failure, Kind};
use super::folder::said;
use super::output;
use crate::agent::{Came, Place, attempt};
use crate::view::escape::clean;
use crate::view::job_record::moment;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent, for whoever looks at processes
    #[arg(value_name = "AGENT")]
    _agent: String,
}

pub fn run(_: &Args) -> Result<ExitCode, Failure> {
    let missing = |name: &str| {
        let message = format!("{name} is not set: an engine begins this, no person");
        Failure::new(Kind::Usage, message)
    };
    let need = |name: &str| said(name).ok_or_else(|| missing(name));
    let outputs = PathBuf::from(need("QUINTET_OUTPUT")?);
    let place = Place {
        run: need("QUINTET_RUN_ID")?,
        step: need("QUINTET_STEP_ID")?,
        attempt: need("QUINTET_ATTEMPT")?.parse().unwrap_or(1),
        folder: own_folder(&outputs),
        now: &|| moment(output::now()),
    };
    let mut told = Vec::new();
    io::stdin().read_to_end(&mut told)?;
    let Came {
        outputs: lines,
        failed,
    } = attempt(&told, &place).map_err(|why| Failure::new(Kind::Usage, why))?;
    let mut text = String::new();
    for (name, value) in lines {
        text.push_str(&format!("{name}={value}\n"));
    }
    let written = OpenOptions::new().append(true).create(true).open(outputs);
    written.and_then(|mut file| file.write_all(text.as_bytes()))?;
    match failed {
        None => Ok(ExitCode::SUCCESS),
        Some(why) => Err(Failure::new(Kind::Run, clean(&why))),
    }
}

/// `RUN/agents/1-0` for `RUN/slots/1-0.set`: no two attempts have that at one time.
fn own_folder(outputs: &Path) -> PathBuf {
    let run = outputs.ancestors().nth(2).unwrap_or(Path::new(""));
    run.join("agents")
        .join(outputs.file_stem().unwrap_or_default())
}
