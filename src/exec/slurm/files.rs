//! What engine and nodes write for each other, in a directory that they share:
//!
//! ```text
//! script            what Slurm starts on a node
//! env               the environment that steps start from
//! log               what Slurm and the script have to say; empty, most of the time
//! jobs/KEY/         of one attempt: `job` until it begins, then its output
//! batches/NAME      what one call of sbatch submits, a line for each attempt
//! claims/KEY        who has begun the attempt, or sees to it that nobody does
//! results/KEY       how it ended
//! ```
//!
//! An attempt's key is its step's place in the plan, its number and its role. All
//! files are for their owner alone: a job holds what its step is given, secrets too.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::SlurmConfig;
use crate::exec::process::{LiveOutput, outputs_in};
use crate::exec::{Done, Found, Job};
use crate::plan::builtin::Question;
use crate::run::{Attempt, Exit, Millis, Role};

/// The folder of a run's own directory in which all of this lies; a link, where
/// the site has a directory of its own for it.
pub const FOLDER: &str = "slurm";

/// In an attempt's own folder, from when an engine wants it to end.
pub const WISH: &str = "stop";

/// What an attempt is given, in its own folder. Secrets may be in it.
const GIVEN: [&str; 4] = ["job", "plainly", "input", "limits"];

/// What Slurm starts on a node.
const SCRIPT: &str = include_str!("attempt.sh");

/// The attempt's name wherever it is heard of.
pub fn key(attempt: Attempt) -> String {
    let role = match attempt.role {
        Role::Main => "main",
        Role::Remedy => "remedy",
        Role::Undo => "undo",
    };
    format!("{}.{}.{role}", attempt.step.at(), attempt.number)
}

/// An attempt as a node gets it. See [`Job`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Card {
    #[serde(flatten)]
    pub attempt: Attempt,
    pub run_id: String,
    pub nonce: String,
    pub argv: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builtin: Option<Box<Question>>,
    pub cwd: String,
    pub env: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    pub grace_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    pub heartbeat_ms: u64,
}

impl Card {
    /// # Errors
    /// The file is not there, or not whole.
    pub fn read(path: &Path) -> io::Result<Card> {
        serde_json::from_slice(&fs::read(path)?).map_err(io::Error::other)
    }

    pub fn job(self) -> Job {
        Job {
            attempt: self.attempt,
            argv: self.argv,
            builtin: self.builtin,
            cwd: self.cwd.into(),
            env: self.env,
            stdin: self.stdin,
            timeout: self.timeout_ms.map(Duration::from_millis),
            grace: Duration::from_millis(self.grace_ms),
            // Nobody else writes there.
            own_log: false,
            max_output: self.max_output,
            slurm: None,
            locks: Vec::new(),
            behind: None,
        }
    }
}

/// An attempt as a shell gets it, on a node where this program is not.
pub struct Plainly {
    /// Runs the program of the step, and nothing else.
    pub script: String,
    /// Assignments of numbers.
    pub limits: String,
    pub input: String,
}

/// Who has begun an attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Where; unknown where a full disk has kept only that there is a claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Box<str>>,
    /// For people: ids of jobs are used again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Box<str>>,
    /// It was made so that nobody begins the attempt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fenced: bool,
}

/// How an attempt ended, as its node writes it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ending {
    #[serde(flatten)]
    pub done: Done,
    pub node: Box<str>,
    /// A shell has made the attempt, and has left its outputs as they were written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_shell: bool,
}

/// What one call of sbatch submits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The job's name.
    pub name: String,
    /// What else sbatch was told.
    pub arguments: Vec<String>,
    /// Keys, and how long each is given to end when it is asked to.
    pub attempts: Vec<(String, Duration)>,
}

/// What is left of an attempt that an earlier engine submitted.
#[derive(Clone, Debug)]
pub struct Left {
    /// The last batch that it was submitted in, and its place there.
    pub batch: String,
    pub index: u32,
    /// It was submitted alone.
    pub alone: bool,
    pub arguments: Vec<String>,
    pub grace: Duration,
    pub claim: Option<Claim>,
}

impl Left {
    /// The same in the executor's words. What has ended is reported like any end,
    /// since what that means may be for Slurm to say.
    pub fn found(&self) -> Found {
        match &self.claim {
            Some(claim) if !claim.fenced => Found::Alive {
                node: claim.node.clone(),
            },
            _ => Found::Waits,
        }
    }
}

/// The run's shared directory.
#[derive(Clone, Debug)]
pub struct Shared {
    dir: PathBuf,
}

impl Shared {
    /// Makes what is not there yet.
    ///
    /// # Errors
    /// The directory cannot be made, or cannot be named in a command.
    pub fn make(config: &SlurmConfig) -> io::Result<Shared> {
        let link = config.run_dir.join(FOLDER);
        if fs::symlink_metadata(&link).is_err() {
            match &config.site.dir {
                None => folder(&link)?,
                Some(root) => {
                    let own = root.join(&config.run_id);
                    folder(&own)?;
                    std::os::unix::fs::symlink(own, &link)?;
                }
            }
        }
        let dir = fs::canonicalize(&link)?;
        if dir.to_str().is_none_or(|path| path.contains('\n')) {
            let why = format!("the directory shared with Slurm needs a name in UTF-8: {dir:?}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let shared = Shared { dir };
        for name in ["jobs", "batches", "claims", "results"] {
            folder(&shared.at(name))?;
        }
        shared.write("script", SCRIPT.as_bytes(), 0o700)?;
        let mut env = Vec::new();
        for (name, value) in std::env::vars_os() {
            // An engine that is itself a job of Slurm's is none on the node.
            if !name.as_bytes().starts_with(b"SLURM_") {
                env.extend_from_slice(name.as_bytes());
                env.push(b'=');
                env.extend_from_slice(value.as_bytes());
                env.push(0);
            }
        }
        shared.write("env", &env, 0o600)?;
        Ok(shared)
    }

    /// The one that a run has, if it has one.
    pub fn of(run_dir: &Path) -> Option<Shared> {
        let dir = fs::canonicalize(run_dir.join(FOLDER)).ok()?;
        Some(Shared { dir })
    }

    /// As a node knows it.
    pub fn at_path(dir: PathBuf) -> Shared {
        Shared { dir }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn path(&self) -> &Path {
        &self.dir
    }

    pub fn job(&self, key: &str) -> PathBuf {
        self.at("jobs").join(key)
    }

    pub fn claim_path(&self, key: &str) -> PathBuf {
        self.at("claims").join(key)
    }

    fn result_path(&self, key: &str) -> PathBuf {
        self.at("results").join(key)
    }

    /// Writes a file that is there whole, and durably, or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, content: &[u8], mode: u32) -> io::Result<()> {
        let path = self.at(name);
        let draft = path.with_extension(format!("{}.tmp", std::process::id()));
        let write = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(mode)
                .open(&draft)?;
            file.write_all(content)?;
            file.sync_data()?;
            fs::rename(&draft, &path)?;
            File::open(path.parent().unwrap_or(&self.dir))?.sync_all()
        };
        write().map_err(|e| {
            let _ = fs::remove_file(&draft);
            io::Error::new(e.kind(), format!("{}: {e}", path.display()))
        })
    }

    /// Lays out what a node needs for an attempt. Durable with its batch.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn lay_out(&self, card: &Card, plainly: Result<Plainly, &str>) -> io::Result<()> {
        let own = self.job(&key(card.attempt));
        folder(&own)?;
        let private = |name: &str, content: &[u8]| {
            let path = own.join(name);
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let written = options
                .open(&path)
                .and_then(|mut file| file.write_all(content));
            written.map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))
        };
        private("job", &serde_json::to_vec(card).map_err(io::Error::other)?)?;
        match plainly {
            Err(why) => private("not-plainly", why.as_bytes()),
            Ok(Plainly {
                script,
                limits,
                input,
            }) => {
                private("input", input.as_bytes())?;
                private("limits", limits.as_bytes())?;
                private("plainly", script.as_bytes())
            }
        }
    }

    /// Writes down what is about to be submitted.
    ///
    /// # Errors
    /// It cannot be written, and so must not be.
    pub fn intend(&self, batch: &Batch) -> io::Result<()> {
        let mut text = String::new();
        for argument in &batch.arguments {
            text.push_str(&format!("# {argument}\n"));
        }
        for (key, grace) in &batch.attempts {
            text.push_str(&format!("{key} {}\n", grace.as_millis()));
        }
        self.write(&format!("batches/{}", batch.name), text.as_bytes(), 0o600)
    }

    /// A batch that was written down.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn batch(&self, name: &str) -> io::Result<Batch> {
        let text = fs::read_to_string(self.at("batches").join(name))?;
        let mut batch = Batch {
            name: name.to_owned(),
            arguments: Vec::new(),
            attempts: Vec::new(),
        };
        for line in text.lines() {
            if let Some(argument) = line.strip_prefix("# ") {
                batch.arguments.push(argument.to_owned());
            } else if let Some((key, grace)) = line.split_once(' ') {
                let grace = Duration::from_millis(grace.parse().unwrap_or(0));
                batch.attempts.push((key.to_owned(), grace));
            }
        }
        Ok(batch)
    }

    /// Goes through the names in one of the folders.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn each_name(&self, folder: &str, mut each: impl FnMut(&str)) -> io::Result<()> {
        for entry in fs::read_dir(self.at(folder))? {
            if let Some(name) = entry?.file_name().to_str()
                && !name.ends_with(".tmp")
            {
                each(name);
            }
        }
        Ok(())
    }

    /// Makes the claim. False where somebody has made it before.
    ///
    /// # Errors
    /// Nobody knows whether it was made.
    pub fn claim(&self, key: &str, claim: &Claim) -> io::Result<bool> {
        let path = self.claim_path(key);
        // With its text at once, where that can be: who finds it reads it.
        let draft = self.job(key).join(format!("claim.{}", std::process::id()));
        let text = serde_json::to_vec(claim).unwrap_or_default();
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let drafted = options.open(&draft).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()
        });
        let linked = drafted.and_then(|()| fs::hard_link(&draft, &path));
        let _ = fs::remove_file(&draft);
        match linked {
            Ok(()) => return Ok(true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(_) => {}
        }
        let mut options = OpenOptions::new();
        match options.write(true).create_new(true).mode(0o600).open(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(io::Error::new(e.kind(), format!("{}: {e}", path.display()))),
            Ok(mut file) => {
                // That it is there says what matters. Where a disk is full, no more.
                let _ = file.write_all(&text).and_then(|()| file.sync_all());
                Ok(true)
            }
        }
    }

    /// Who has made the claim, if anybody has.
    pub fn claimed(&self, key: &str) -> Option<Claim> {
        let text = fs::read(self.claim_path(key)).ok()?;
        Some(serde_json::from_slice(&text).unwrap_or_default())
    }

    /// Takes away what an attempt was to be given, which nobody will be given any more.
    pub fn take_back(&self, key: &str) {
        let own = self.job(key);
        for name in GIVEN {
            // Gone already, once the attempt has begun.
            let _ = fs::remove_file(own.join(name));
        }
    }

    /// Makes the claim so that nobody begins the attempt; false where somebody has.
    ///
    /// # Errors
    /// Nobody knows.
    pub fn fence(&self, key: &str) -> io::Result<bool> {
        let fenced = Claim {
            fenced: true,
            ..Claim::default()
        };
        let made = self.claim(key, &fenced)?;
        // By an engine before this one, perhaps, which did not live to say so.
        Ok(made || self.claimed(key).is_some_and(|claim| claim.fenced))
    }

    /// When a node last said that the attempt goes on.
    pub fn beat(&self, key: &str) -> Option<SystemTime> {
        fs::metadata(self.claim_path(key)).ok()?.modified().ok()
    }

    /// Writes how an attempt ended.
    ///
    /// # Errors
    /// It cannot be written, and is to be tried again.
    pub fn end(&self, key: &str, ending: &Ending) -> io::Result<()> {
        let text = serde_json::to_vec(ending).map_err(io::Error::other)?;
        self.write(&format!("results/{key}"), &text, 0o600)
    }

    /// How the attempt ended, if it has.
    pub fn ended(&self, attempt: Attempt) -> Option<Ending> {
        let key = key(attempt);
        let text = fs::read(self.result_path(&key)).ok()?;
        let mut ending: Ending = serde_json::from_slice(&text).ok()?;
        let done = &mut ending.done;
        if ending.by_shell {
            let outputs = outputs_in(&self.job(&key).join("set"));
            done.outputs = outputs.values;
            done.error = done.error.take().or(outputs.complaint);
        }
        for stream in [&mut done.output.stdout, &mut done.output.stderr] {
            *stream = stream.take().filter(|range| range.len > 0);
            if let Some(range) = stream {
                range.file = format!("{FOLDER}/jobs/{key}/{}", range.file).into();
            }
        }
        Some(ending)
    }

    /// What is left of each of these attempts, in their order; nothing of those that
    /// were never submitted.
    ///
    /// # Errors
    /// The batches cannot be read.
    pub fn recover(&self, claimed: &[Attempt]) -> io::Result<Vec<Option<Left>>> {
        let mut names = Vec::new();
        self.each_name("batches", |name| names.push(name.to_owned()))?;
        // Later ones have later names: see `Batch::name`.
        names.sort_by_key(|name| order(name));
        let mut last = std::collections::BTreeMap::new();
        for name in &names {
            let batch = self.batch(name)?;
            let alone = batch.attempts.len() == 1;
            for (index, (key, grace)) in batch.attempts.into_iter().enumerate() {
                let left = Left {
                    batch: name.clone(),
                    index: index as u32,
                    alone,
                    arguments: batch.arguments.clone(),
                    grace,
                    claim: None,
                };
                last.insert(key, left);
            }
        }
        let left = |attempt: &Attempt| {
            let key = key(*attempt);
            let mut left = last.remove(&key)?;
            left.claim = self.claimed(&key);
            Some(left)
        };
        Ok(claimed.iter().map(left).collect())
    }

    /// Where a shell that makes the attempt writes.
    pub fn shell_output(&self, attempt: Attempt) -> Option<LiveOutput> {
        let key = key(attempt);
        let own = self.job(&key);
        let runs = own.join("out").exists() && !self.result_path(&key).exists();
        runs.then(|| LiveOutput {
            stdout: own.join("out"),
            stderr: own.join("err"),
        })
    }
}

/// An end that no supervisor has seen, at this moment.
pub fn ends_now(exit: Exit, error: Option<String>) -> Done {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since.map_or(0, |since| since.as_millis() as Millis);
    Done {
        error,
        ..Done::without_output(exit, now, now)
    }
}

/// The name of a batch: the run's, the engine's and its own number.
pub fn batch_name(run_id: &str, epoch: u32, number: u32) -> String {
    format!("{run_id}-{epoch}-{number}")
}

/// Names of batches in the order in which they were made.
fn order(name: &str) -> (u32, u32) {
    let mut parts = name.rsplit('-').map(|part| part.parse().unwrap_or(0));
    let number = parts.next().unwrap_or(0);
    (parts.next().unwrap_or(0), number)
}

fn folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(path);
    made.map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
    // Made by somebody else, perhaps for all to see.
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::StepIx;

    fn shared() -> (tempfile::TempDir, Shared) {
        let dir = tempfile::tempdir().expect("a directory");
        let shared = Shared::at_path(dir.path().to_owned());
        for name in ["jobs", "batches", "claims", "results"] {
            folder(&shared.at(name)).expect("made");
        }
        (dir, shared)
    }

    fn attempt(step: usize) -> Attempt {
        Attempt {
            step: StepIx::new(step),
            number: 1,
            role: Role::Main,
        }
    }

    #[test]
    fn a_claim_is_made_once_and_a_fence_is_a_claim() {
        let (_dir, shared) = shared();
        let node = Claim {
            node: Some("n1".into()),
            ..Claim::default()
        };
        // With a place for its draft; the other goes without.
        folder(&shared.job("0.1.main")).expect("made");
        assert!(shared.claim("0.1.main", &node).expect("made"));
        assert!(!shared.claim("0.1.main", &node).expect("asked"));
        assert!(!shared.fence("0.1.main").expect("asked"));
        assert!(shared.fence("1.1.main").expect("made"));
        assert!(shared.fence("1.1.main").expect("it is ours already"));
        assert!(!shared.claim("1.1.main", &node).expect("asked"));
        assert_eq!(shared.claimed("0.1.main"), Some(node));
    }

    #[test]
    fn an_attempt_is_in_the_last_batch_that_it_was_submitted_in() {
        let (_dir, shared) = shared();
        let grace = Duration::from_secs(5);
        let batch = |number, keys: &[&str]| Batch {
            name: batch_name("20261127-1", 1, number),
            arguments: vec!["--mem=5M".into()],
            attempts: keys.iter().map(|key| ((*key).to_owned(), grace)).collect(),
        };
        let both = batch(2, &["0.1.main", "1.1.main"]);
        shared.intend(&both).expect("written");
        shared.intend(&batch(10, &["1.1.main"])).expect("written");
        assert_eq!(shared.batch(&both.name).expect("read"), both);
        let left = shared.recover(&[attempt(0), attempt(1), attempt(2)]);
        let left = left.expect("read");
        let [Some(first), Some(second), None] = &left[..] else {
            panic!("{left:?}");
        };
        assert_eq!(
            (first.batch.as_str(), first.alone),
            ("20261127-1-1-2", false)
        );
        assert_eq!(
            (second.batch.as_str(), second.alone),
            ("20261127-1-1-10", true)
        );
        assert_eq!(first.found(), Found::Waits);
    }
}
