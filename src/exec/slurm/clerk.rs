//! Talks to Slurm by its own commands, one at a time, in a thread of its own: with
//! the controller down each of them waits for seconds before it says so.
//!
//! Commands, since they are what every site has in the version it needs, and their
//! text since it has not changed in many years, where their JSON has.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Longer than any command takes that waits for a controller that is down.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is asked of Slurm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Submit this batch; the words are sbatch's.
    Submit { batch: String, words: Vec<String> },
    /// What has become of jobs by these names, or of all jobs of this user.
    Look { number: u64, names: Vec<String> },
    /// End or signal jobs; the words are scancel's.
    Cancel { words: Vec<String> },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Submitted {
        batch: String,
        how: Result<String, Trouble>,
    },
    Looked {
        number: u64,
        rows: Result<Vec<Row>, Trouble>,
    },
}

/// Why Slurm did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub why: String,
    /// It never will, as it was asked.
    pub refused: bool,
}

/// A job, or one task of an array, as squeue shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub name: String,
    /// Its place in the array; none of a job that is no array.
    pub index: Option<u32>,
    pub state: String,
    pub reason: String,
    pub node: String,
    /// A hint: ids are used again.
    pub id: String,
}

/// Begins to run errands.
///
/// # Errors
/// There is no room for another thread.
pub fn hire(tell: impl Fn(Answer) + Send + 'static) -> io::Result<Sender<Errand>> {
    let (sender, errands): (_, Receiver<Errand>) = channel();
    std::thread::Builder::new()
        .name("slurm-clerk".into())
        .spawn(move || {
            for errand in errands {
                tell_of(errand, &tell);
            }
        })?;
    Ok(sender)
}

fn tell_of(errand: Errand, tell: &impl Fn(Answer)) {
    match errand {
        Errand::Submit { batch, words } => {
            let how = run("sbatch", &words).and_then(|out| match out.trim() {
                // `ID` or `ID;CLUSTER`.
                id if !id.is_empty() => Ok(id.split(';').next().unwrap_or(id).to_owned()),
                _ => Err(unsure("sbatch said nothing")),
            });
            tell(Answer::Submitted { batch, how });
        }
        Errand::Look { number, names } => {
            let rows = look(&names);
            tell(Answer::Looked { number, rows });
        }
        // Whether it was of use shows by what becomes of the job.
        Errand::Cancel { words } => drop(run("scancel", &words)),
    }
}

/// What has become of jobs by these names.
pub fn look(names: &[String]) -> Result<Vec<Row>, Trouble> {
    run("squeue", &squeue(names)).map(|out| rows(&out))
}

/// More names than this would be more than a command line is good for.
const MOST_NAMES: usize = 200;

fn squeue(names: &[String]) -> Vec<String> {
    let fixed = ["--noheader", "--array", "--me", "--states=all"];
    let mut words: Vec<String> = fixed.map(str::to_owned).to_vec();
    if names.len() <= MOST_NAMES {
        words.push(format!("--name={}", names.join(",")));
    }
    words.push("--format=%j|%K|%T|%r|%N|%i".into());
    words
}

/// What squeue has written.
fn rows(text: &str) -> Vec<Row> {
    let row = |line: &str| {
        let mut fields = line.split('|').map(str::trim);
        let mut next = || fields.next();
        Some(Row {
            name: next()?.to_owned(),
            index: next()?.parse().ok(),
            state: next()?.to_owned(),
            reason: next()?.to_owned(),
            node: next()?.to_owned(),
            id: next()?.to_owned(),
        })
    };
    text.lines().filter_map(row).collect()
}

/// Runs one of Slurm's commands.
pub fn run(program: &str, words: &[String]) -> Result<String, Trouble> {
    let said = listen(program, words)?;
    match said.success {
        true => Ok(said.out),
        false => Err(Trouble {
            refused: is_refusal(&said.err),
            why: words_of(program, &said.err),
        }),
    }
}

/// What one of Slurm's commands has put out.
pub struct Said {
    pub success: bool,
    pub out: String,
    pub err: String,
}

/// Whether Slurm's commands are told of a variable. Jobs inherit what sbatch has; of a
/// job that is to inherit nothing, the node would ask a login shell of the user, which
/// costs more than most steps do, and may hang.
fn is_for_slurm(name: &OsStr) -> bool {
    const NAMES: [&str; 10] = [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "KRB5CCNAME",
    ];
    let Some(name) = name.to_str() else {
        return false;
    };
    let prefixes = [
        "SLURM_CONF",
        "SLURM_CLUSTERS",
        "SBATCH_",
        "SQUEUE_",
        "SCANCEL_",
        "MUNGE",
    ];
    NAMES.contains(&name)
        // Where clients are loaded as a module.
        || name == "LD_LIBRARY_PATH"
        // Options of the site's, with which no output is written that can be read.
        || prefixes.iter().any(|prefix| name.starts_with(prefix)) && name != "SQUEUE_FORMAT"
}

/// The same where it may say something although it fails.
pub fn listen(program: &str, words: &[String]) -> Result<Said, Trouble> {
    let child = Command::new(program)
        .args(words)
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| is_for_slurm(name)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A terminal's interrupt is for the engine: a command that it ended halfway
        // would leave open whether it was done.
        .process_group(0)
        .spawn();
    let mut child = child.map_err(|e| Trouble {
        why: format!("{program} cannot be run: {e}"),
        refused: true,
    })?;
    let reader = |pipe: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(mut pipe) = pipe {
                let _ = pipe.read_to_end(&mut text);
            }
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let out = reader(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let err = reader(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let status = wait(&mut child).map_err(|e| unsure(&format!("{program}: {e}")))?;
    let (out, err) = (out.join(), err.join());
    match status {
        None => Err(unsure(&format!("{program} does not answer"))),
        Some(status) => Ok(Said {
            success: status.success(),
            out: out.unwrap_or_default(),
            err: err.unwrap_or_default(),
        }),
    }
}

/// Waits for the end of a command; gives it up after a while.
fn wait(child: &mut std::process::Child) -> io::Result<Option<std::process::ExitStatus>> {
    let give_up = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= give_up {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

fn unsure(why: &str) -> Trouble {
    Trouble {
        why: why.to_owned(),
        refused: false,
    }
}

/// Whether Slurm has said no, rather than nothing. Of all else nobody knows whether
/// it was done.
fn is_refusal(said: &str) -> bool {
    let passes = [
        "Unable to contact slurm controller",
        "Connection refused",
        "Socket timed out",
        "Connection timed out",
        "Zero Bytes were transmitted",
        "Unexpected message received",
        "Slurm backup controller",
        "Insane message length",
        "temporarily unable",
        "Resource temporarily unavailable",
        "Transport endpoint",
        "Unable to resolve",
        "authentication error",
        "Protocol authentication",
        "munge",
        "signal",
        // Limits on how much may be submitted, which others' ends make room in.
        "Job violates accounting/QOS policy",
        "exceeds limit of jobs",
        "MaxSubmit",
        "queue is full",
        "Max job count",
    ];
    !said.trim().is_empty() && !passes.iter().any(|text| said.contains(text))
}

/// What a command said, without its own name before each line.
fn words_of(program: &str, said: &str) -> String {
    let prefix = [format!("{program}: error: "), format!("{program}: fatal: ")];
    let strip = |line: &str| {
        let cut = prefix
            .iter()
            .find_map(|prefix| line.strip_prefix(prefix.as_str()));
        cut.unwrap_or(line).trim().to_owned()
    };
    let lines: Vec<String> = said
        .lines()
        .map(strip)
        .filter(|line| !line.is_empty())
        .collect();
    match lines.is_empty() {
        true => format!("{program} failed and said nothing"),
        false => lines.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_jobs_and_of_arrays_are_read() {
        let text = "r-1-1|N/A|RUNNING|None|n1|12\nr-1-2|3|PENDING|Resources||13_3\nnonsense\n";
        let found = rows(text);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].index, found[1].index), (None, Some(3)));
        assert_eq!((&*found[1].reason, &*found[1].node), ("Resources", ""));
        assert_eq!(found[1].id, "13_3");
    }

    #[test]
    fn jobs_inherit_what_slurm_needs_and_nothing_of_ours() {
        let is = |name: &str| is_for_slurm(OsStr::new(name));
        assert!(is("PATH") && is("SLURM_CONF") && is("SBATCH_PARTITION"));
        assert!(!is("TOKEN") && !is("SLURM_JOB_ID") && !is("SQUEUE_FORMAT"));
    }

    #[test]
    fn a_controller_that_is_not_there_has_refused_nothing() {
        let no = "sbatch: error: Batch job submission failed: Invalid partition name specified\n";
        let down = "sbatch: error: Batch job submission failed: \
            Unable to contact slurm controller (connect failure)\n";
        assert!(is_refusal(no) && !is_refusal(down) && !is_refusal(""));
        let words = words_of("sbatch", no);
        assert_eq!(
            words,
            "Batch job submission failed: Invalid partition name specified"
        );
    }

    #[test]
    fn a_command_that_is_not_there_is_refused_and_named() {
        let trouble = run("no-such-command-of-slurm", &[]).expect_err("it is not there");
        assert!(trouble.refused && trouble.why.contains("no-such-command-of-slurm"));
    }
}
