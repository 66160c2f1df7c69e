//! What the tests share: an executor in a directory, and steps for it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use quintet::exec::process::{Local, LocalConfig, Zygote};
use quintet::exec::{Done, Executor, Job, Report, Stop};
use quintet::plan::StepIx;
use quintet::run::{Attempt, LogRange, Role};

/// Longer than anything here takes on a busy machine, shorter than what hostile steps try.
pub const BOUND: Duration = Duration::from_secs(40);

/// A step that misbehaves in a way of its choice: `python3 -c STEP MODE`.
pub const STEP: &str = include_str!("step.py");

pub fn attempt(step: usize) -> Attempt {
    Attempt {
        step: StepIx::new(step),
        number: 1,
        role: Role::Main,
    }
}

pub fn job(step: usize, argv: &[&str]) -> Job {
    Job {
        attempt: attempt(step),
        argv: argv.iter().map(|arg| arg.to_string()).collect(),
        builtin: None,
        cwd: "/".into(),
        env: Vec::new(),
        stdin: None,
        timeout: None,
        grace: Duration::from_secs(60),
        own_log: false,
        max_output: None,
        slurm: None,
        locks: Vec::new(),
        behind: None,
    }
}

pub fn sh(step: usize, script: &str) -> Job {
    job(step, &["/bin/sh", "-c", script])
}

/// A misbehaving step. `$DIR` in its arguments is the rig's directory.
pub fn hostile(step: usize, mode: &[&str]) -> Job {
    let argv = [&["python3", "-c", STEP], mode].concat();
    job(step, &argv)
}

pub fn config(dir: &Path, run_id: &str, epoch: u32, slots: usize) -> LocalConfig {
    let env = ["PATH", "HOME", "LANG"];
    let env = env.into_iter().filter_map(|key| {
        let value = std::env::var_os(key)?;
        Some((OsString::from(key), value))
    });
    LocalConfig {
        run_dir: dir.to_path_buf(),
        run_id: run_id.to_string(),
        epoch,
        slots,
        env: env.collect(),
        nonce: format!("nonce{epoch}"),
    }
}

/// An id that no other test and no other run of the tests has.
pub fn new_run_id() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("test-{}-{n}", std::process::id())
}

pub struct Rig {
    pub dir: tempfile::TempDir,
    pub run_id: String,
    pub local: Local,
    /// All reports so far, in their order.
    pub reports: Vec<Report>,
}

impl Rig {
    pub fn new(slots: usize) -> Rig {
        let dir = tempfile::tempdir().expect("a directory");
        let run_id = new_run_id();
        let zygote = Zygote::fork().expect("a zygote");
        let local = Local::new(zygote, config(dir.path(), &run_id, 1, slots)).expect("an executor");
        Rig {
            dir,
            run_id,
            local,
            reports: Vec::new(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn start(&mut self, job: Job) -> Attempt {
        let attempt = job.attempt;
        self.local.start(job).expect("the executor works");
        attempt
    }

    pub fn wait_for<T>(&mut self, what: &str, find: impl Fn(&[Report]) -> Option<T>) -> T {
        let give_up = Instant::now() + BOUND;
        loop {
            if let Some(found) = find(&self.reports) {
                return found;
            }
            let left = give_up.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what}; reports: {:?}", self.reports);
            let waited = self.local.wait(Some(left), &mut self.reports);
            waited.expect("the executor works");
        }
    }

    pub fn done(&mut self, attempt: Attempt) -> Done {
        self.wait_for("end", |reports| end_of(reports, attempt))
    }

    pub fn accepted(&mut self, attempt: Attempt) {
        self.wait_for("start", |reports| {
            reports
                .contains(&Report::Accepted {
                    attempt,
                    node: None,
                })
                .then_some(())
        });
    }

    pub fn interrupted(&mut self, attempt: Attempt) {
        self.wait_for("interruption", |reports| {
            reports
                .contains(&Report::Interrupted { attempt })
                .then_some(())
        });
    }

    /// Runs one job to its end.
    pub fn run(&mut self, job: Job) -> Done {
        let attempt = self.start(job);
        self.done(attempt)
    }

    pub fn stop(&mut self, attempt: Attempt, how: Stop) {
        self.local.stop(attempt, how);
    }

    pub fn read(&self, range: &Option<LogRange>) -> String {
        read(self.dir.path(), range)
    }

    pub fn assert_nothing_left(&self) {
        assert_eq!(left(&self.run_id), BTreeMap::new(), "processes are left");
    }

    /// Waits until a step has made this file, and reads it.
    pub fn wait_for_file(&self, name: &str) -> String {
        wait_for_file(&self.path(name))
    }
}

pub fn end_of(reports: &[Report], wanted: Attempt) -> Option<Done> {
    reports.iter().find_map(|report| match report {
        Report::Finished { attempt, done } if *attempt == wanted => Some(done.clone()),
        _ => None,
    })
}

pub fn read(dir: &Path, range: &Option<LogRange>) -> String {
    let Some(range) = range else {
        return String::new();
    };
    let file = fs::File::open(dir.join(&*range.file)).expect("the output is there");
    let mut bytes = vec![0; range.len as usize];
    file.read_exact_at(&mut bytes, range.start)
        .expect("it is as long as it says");
    String::from_utf8(bytes).expect("the tests write UTF-8")
}

/// Waits for a file with at least one whole line in it.
pub fn wait_for_file(path: &Path) -> String {
    wait_until(&format!("{}", path.display()), || {
        let text = fs::read_to_string(path).ok()?;
        text.ends_with('\n').then_some(text)
    })
}

pub fn wait_until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let give_up = Instant::now() + BOUND;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < give_up, "no {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Every live process of a run's steps, and its command line.
pub fn left(run_id: &str) -> BTreeMap<i32, String> {
    let mark = format!("QUINTET_MARK={run_id}:");
    let processes = fs::read_dir("/proc").expect("there is /proc").flatten();
    processes
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let environment = fs::read(entry.path().join("environ")).ok()?;
            let is_ours = |entry: &[u8]| entry.starts_with(mark.as_bytes());
            if !environment.split(|&b| b == 0).any(is_ours) {
                return None;
            }
            let command = fs::read(entry.path().join("cmdline")).ok()?;
            Some((pid, String::from_utf8_lossy(&command).into_owned()))
        })
        .collect()
}

/// A field of `/proc/PID/status`.
pub fn status(pid: &str, field: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim_start_matches(':').trim().to_string())
}
