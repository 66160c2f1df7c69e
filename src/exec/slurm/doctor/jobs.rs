//! Small jobs that find out what only a node can know.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::super::clerk::{self, Row};
use super::folder::Folder;
use super::judge::{self, Facts, Here, Place, Silent};
use super::{Examination, Listener};

/// A node is heard this soon after it has said something.
const LISTEN: Duration = Duration::from_millis(50);

/// At most this long goes by between two questions to the controller.
const ASK: Duration = Duration::from_secs(5);

/// A job, and what is known of it.
struct Job {
    /// What its files are called.
    name: String,
    /// The one that it was submitted for, if for any.
    node: Option<String>,
    /// A hint: ids are used again.
    id: String,
    /// By our clock, when it was first seen.
    seen: Option<i64>,
    facts: Option<Facts>,
    silent: Silent,
    /// Nothing more will come of it.
    over: bool,
}

/// Where a job is to run, as far as that is said.
#[derive(Default)]
struct Target {
    partition: Option<String>,
    node: Option<String>,
}

impl Target {
    fn of(place: &Place) -> Target {
        Target {
            partition: Some(place.partition.clone()),
            node: Some(place.node.clone()),
        }
    }
}

/// Slurm decides; but where its default does not serve, a job would only wait there.
fn anywhere(serving: &[&Place]) -> Target {
    let is_said = std::env::var_os("SBATCH_PARTITION").is_some();
    match serving.first() {
        Some(first) if !is_said && !serving.iter().any(|place| place.by_default) => Target {
            node: None,
            ..Target::of(first)
        },
        _ => Target::default(),
    }
}

/// Submits them, waits, and tells what was found.
pub fn send(wanted: &Examination, places: &[Place], folder: &Folder, listener: &mut dyn Listener) {
    let serving = judge::serving(places);
    let targets: Vec<Target> = match wanted.all_nodes {
        true => serving.into_iter().map(Target::of).collect(),
        false => vec![anywhere(&serving)],
    };
    let began = Instant::now();
    let mut ward = Ward {
        title: format!("quintet-doctor-{}", folder.nonce),
        jobs: Vec::new(),
        wanted,
        folder,
    };
    for target in targets {
        if listener.leaves() {
            return;
        }
        ward.submit(target);
    }
    let many = match ward.jobs.len() {
        1 => "a small job".to_owned(),
        many => format!("{many} small jobs"),
    };
    listener.waits(&format!(
        "{many} submitted as {}; waiting for {} s at most",
        ward.title,
        wanted.patience.as_secs()
    ));
    if ward.wait(began + wanted.patience, listener) {
        ward.tell(began.elapsed(), listener);
    }
}

/// All of them; what still waits or runs when this goes is canceled.
struct Ward<'a> {
    /// The name of every job.
    title: String,
    jobs: Vec<Job>,
    wanted: &'a Examination,
    folder: &'a Folder,
}

impl Ward<'_> {
    fn submit(&mut self, target: Target) {
        let name = self.jobs.len().to_string();
        let submitted = clerk::run("sbatch", &self.sbatch(&name, &target));
        let (id, silent) = match submitted {
            Ok(said) => {
                let id = said.trim().split(';').next().unwrap_or_default().to_owned();
                (id, Silent::Waits(String::new()))
            }
            Err(trouble) if trouble.refused => (String::new(), Silent::Refused(trouble.why)),
            Err(trouble) => (String::new(), Silent::Unsure(trouble.why)),
        };
        self.jobs.push(Job {
            name,
            node: target.node,
            id,
            seen: None,
            facts: None,
            over: matches!(silent, Silent::Refused(_)),
            silent,
        });
    }

    fn sbatch(&self, name: &str, target: &Target) -> Vec<String> {
        let mut words: Vec<String> = [
            "--parsable",
            "--no-requeue",
            "--export=ALL",
            "--nodes=1",
            "--ntasks=1",
            "--mem=64M",
            "--time=2",
            "--chdir=/",
            "--input=/dev/null",
            // Where its folder is not there, it is to say so itself.
            "--output=/dev/null",
        ]
        .map(str::to_owned)
        .to_vec();
        words.push(format!("--job-name={}", self.title));
        let mut say = |option: &str, value: &Option<String>| {
            words.extend(value.iter().map(|value| format!("--{option}={value}")));
        };
        say("partition", &target.partition);
        say("nodelist", &target.node);
        let path = self.folder.path();
        words.push(path.join("script").to_string_lossy().into_owned());
        words.push(path.to_string_lossy().into_owned());
        words.push(name.to_owned());
        words.push(self.wanted.site.program.to_string_lossy().into_owned());
        words
    }

    /// False where nobody waits any more.
    fn wait(&mut self, until: Instant, listener: &mut dyn Listener) -> bool {
        let pause = self.wanted.site.poll.min(ASK);
        let mut ask = Instant::now() + pause;
        loop {
            self.listen();
            if Instant::now() >= ask {
                self.ask();
                ask = Instant::now() + pause;
            }
            if listener.leaves() {
                return false;
            }
            if self.jobs.iter().all(|job| job.over) || Instant::now() >= until {
                return true;
            }
            std::thread::sleep(LISTEN);
        }
    }

    /// Answers those that have begun, and reads what those say that have found out.
    fn listen(&mut self) {
        self.folder.look();
        for job in self.jobs.iter_mut().filter(|job| job.facts.is_none()) {
            if job.seen.is_none() && self.folder.read(&format!("{}.begun", job.name)).is_some() {
                // Before the answer, since the clocks are compared by it.
                let now = now();
                let answer = self.folder.write(&format!("{}.answer", job.name), b"");
                job.seen = answer.is_ok().then_some(now);
            }
            let said = self.folder.read(&format!("{}.said", job.name));
            let facts = said
                .zip(job.seen)
                .and_then(|(said, seen)| Facts::read(&said, seen));
            job.over |= facts.is_some();
            job.facts = facts;
        }
    }

    /// What Slurm says of those that say nothing themselves. While it cannot be asked,
    /// what it said before holds.
    fn ask(&mut self) {
        let Ok(rows) = clerk::look(std::slice::from_ref(&self.title)) else {
            return;
        };
        let alone = self.jobs.len() == 1;
        for job in self.jobs.iter_mut().filter(|job| !job.over) {
            let row = rows.iter().find(|row| alone || row.id == job.id);
            if let Some(row) = row {
                job.silent = of_row(row, &self.title);
                // What ended well has written, which may not be seen here yet.
                job.over = matches!(&job.silent, Silent::Ended { code, .. } if *code != Some(0));
            }
        }
    }

    fn tell(&self, waited: Duration, listener: &mut dyn Listener) {
        let here = Here {
            version: &self.wanted.version,
            machine: std::env::consts::ARCH,
            program: &self.wanted.site.program,
        };
        for job in &self.jobs {
            let checks = match &job.facts {
                Some(facts) => judge::node(facts, here),
                None => vec![judge::silent(&job.silent, waited, &self.wanted.root)],
            };
            match &job.node {
                None => checks.into_iter().for_each(|check| listener.hears(check)),
                Some(node) => listener.hears(judge::folded(node, checks)),
            }
        }
    }
}

impl Drop for Ward<'_> {
    fn drop(&mut self) {
        if self.jobs.iter().any(|job| !job.over) {
            let words = ["--me".to_owned(), format!("--name={}", self.title)];
            let _ = clerk::run("scancel", &words);
        }
    }
}

/// What Slurm says of a job that says nothing itself.
fn of_row(row: &Row, title: &str) -> Silent {
    match &*row.state {
        "PENDING" | "CONFIGURING" | "REQUEUED" | "REQUEUE_HOLD" => {
            Silent::Waits(row.reason.clone())
        }
        "RUNNING" | "COMPLETING" | "SUSPENDED" | "STOPPED" | "STAGE_OUT" | "SIGNALING" => {
            Silent::Runs(row.node.clone())
        }
        state => Silent::Ended {
            state: state.to_owned(),
            node: row.node.clone(),
            code: exit_code(&row.id, title),
        },
    }
}

fn exit_code(id: &str, title: &str) -> Option<i32> {
    let words = ["show", "job", "--oneliner", id].map(str::to_owned);
    let said = clerk::run("scontrol", &words).ok()?;
    let mut said = said.split_whitespace();
    // Ids are used again.
    said.find(|word| word.strip_prefix("JobName=") == Some(title))?;
    let code = said.find_map(|word| word.strip_prefix("ExitCode="))?;
    code.split(':').next()?.parse().ok()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// What a node does, done here; gives its exit code.
    fn node(folder: &Folder, dir: &Path, program: &str, path: &str) -> Option<i32> {
        let done = Command::new("/bin/sh")
            .arg(folder.path().join("script"))
            .arg(dir)
            .args(["0", program])
            .env("PATH", path)
            .env("SLURMD_NODENAME", "n7")
            .output();
        done.expect("there is a shell").status.code()
    }

    const PATH: &str = "/usr/bin:/bin";

    #[test]
    fn a_node_says_all_that_is_asked_of_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let (folder, _) = Folder::make(dir.path()).expect("it can be made");
        folder.write("0.answer", b"").expect("a file");
        assert_eq!(node(&folder, folder.path(), "/nowhere", PATH), Some(0));
        let began = folder.read("0.begun").expect("it has begun");
        let said = folder.read("0.said").expect("it has said it");
        let facts = Facts::read(&said, now()).expect("it is whole");
        assert_eq!(began.trim().parse(), Ok(facts.began));
        assert!(facts.alone && facts.has_timeout && facts.tells_moments);
        assert_eq!((&*facts.node, &*facts.program), ("n7", ""));

        std::fs::remove_file(folder.path().join("claimed")).expect("it is there");
        let poor = dir.path().join("poor");
        std::fs::create_dir(&poor).expect("a directory");
        // As it is where nothing can do better: `%3N` means nothing to it.
        std::fs::write(
            poor.join("date"),
            "#!/bin/sh\n[ $1 = +%s ] && echo 5 || echo 5N\n",
        )
        .expect("a file");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(poor.join("date"), mode).expect("it is ours");
        let path = format!("{}:{PATH}", poor.display());
        assert_eq!(node(&folder, folder.path(), "echo", &path), Some(0));
        let said = folder.read("0.said").expect("it has said it");
        let facts = Facts::read(&said, now()).expect("it is whole");
        assert!(!facts.alone && !facts.tells_moments);
        assert_eq!((facts.began, facts.answered), (5_000, 5_000));
        assert_eq!(facts.program, "--version", "what echo says to it");
    }

    /// What says its version and fails is not what begins attempts: see `attempt.sh`.
    #[test]
    fn a_program_that_fails_is_none() {
        let dir = tempfile::tempdir().expect("a directory");
        let (folder, _) = Folder::make(dir.path()).expect("it can be made");
        folder.write("0.answer", b"").expect("a file");
        folder
            .write("fails", b"#!/bin/sh\necho quintet 1; exit 1\n")
            .expect("a file");
        let program = folder.path().join("fails");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).expect("it is ours");
        let done = node(&folder, folder.path(), &program.to_string_lossy(), PATH);
        assert_eq!(done, Some(0));
        let said = folder.read("0.said").expect("it has said it");
        assert_eq!(Facts::read(&said, 0).expect("it is whole").program, "");
    }

    #[test]
    fn a_node_that_does_not_see_the_directory_says_how() {
        let dir = tempfile::tempdir().expect("a directory");
        let (folder, _) = Folder::make(dir.path()).expect("it can be made");
        assert_eq!(node(&folder, Path::new("/nowhere"), "true", PATH), Some(66));
        assert_eq!(node(&folder, dir.path(), "true", PATH), Some(67));
        let full = folder.path().join("0.begun");
        std::fs::create_dir(&full).expect("a directory");
        std::fs::create_dir(full.join("0.tmp")).expect("a directory in its place");
        assert_eq!(node(&folder, folder.path(), "true", PATH), Some(68));
    }
}
