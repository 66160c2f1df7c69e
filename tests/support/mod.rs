//! How tests run the program: one small builder that says what is given, what
//! is called and what must come of it, all of it together.
//!
//! ```ignore
//! let test = Test::new().file("plan.json", PLAN);
//! test.quintet(&["run", "plan.json"]).status(1).stderr_has("failed").run();
//! test.quintet(&["status"]).stdout_has("failed").run();
//! ```
//!
//! Each test has a directory of its own, to work in and to keep state in, and
//! no environment but what it is given. A program that does not end is killed
//! with its process group, and the test fails with what it had said.

#![allow(dead_code)] // Each test file uses its own part of this.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Longer than anything takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A directory to work in, which goes when this does.
pub struct Test {
    dir: tempfile::TempDir,
}

impl Test {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let test = Test { dir };
        std::fs::create_dir(test.path("work")).expect("a directory can be made");
        test
    }

    /// Puts a file into the working directory.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path("work").join(name);
        let parent = path.parent().expect("a file is in a directory");
        std::fs::create_dir_all(parent).expect("a directory can be made");
        std::fs::write(path, content).expect("a file can be written");
        self
    }

    /// A path in the test's directory: `work` is where programs run, `state`
    /// where they keep what they record.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A call of the program, still to be described.
    pub fn quintet(&self, args: &[&str]) -> Call<'_> {
        Call {
            test: self,
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: BTreeMap::new(),
            stdin: Vec::new(),
            timeout: TIMEOUT,
            reboots: 0,
            status: 0,
            stdout: None,
            stdout_has: Vec::new(),
            stderr: None,
            stderr_has: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Whether calls after a restart can be made here: it takes a mount of one's
    /// own. Says so where they cannot.
    pub fn can_restart(&self, test: &str) -> bool {
        let version = self.quintet(&["--version"]).after_restarts(1);
        let can = version
            .command()
            .output()
            .is_ok_and(|done| done.status.success());
        if !can {
            skip(test, "no mount of one's own is to be had");
        }
        can
    }

    /// The processes that carry this test's directory in their environment, each
    /// with the program that it runs.
    pub fn processes(&self) -> Vec<(Pid, PathBuf)> {
        let mark = self.path("state").to_string_lossy().into_owned();
        let entries = std::fs::read_dir("/proc").expect("/proc can be read");
        let of_entry = |entry: std::io::Result<std::fs::DirEntry>| {
            let path = entry.ok()?.path();
            let pid: i32 = path.file_name()?.to_str()?.parse().ok()?;
            let environ = std::fs::read(path.join("environ")).ok()?;
            let marked = environ
                .windows(mark.len())
                .any(|part| part == mark.as_bytes());
            let program = std::fs::read_link(path.join("exe")).ok()?;
            marked.then_some((Pid::from_raw(pid), program))
        };
        entries.filter_map(of_entry).collect()
    }

    /// What a test compares: without what differs from run to run.
    pub fn normal(&self, text: &str) -> String {
        let home = self.dir.path().to_string_lossy().into_owned();
        let mut text = text.replace(&home, "[HOME]");
        for (pattern, name) in [
            (r"\d{8}-\d{6}-[0-9a-z]{4}", "[RUN]"),
            (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "[MOMENT]"),
            (r"\d\d:\d\d:\d\d", "[TIME]"),
            // With what lines it up, which depends on how long it is.
            (r" *\b(\d+ms|\d+\.\ds)\b", " [TOOK]"),
        ] {
            let pattern = regex::Regex::new(pattern).expect("the pattern is written out here");
            text = pattern.replace_all(&text, name).into_owned();
        }
        text
    }
}

/// A call of the program, and what must come of it.
pub struct Call<'a> {
    test: &'a Test,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    stdin: Vec<u8>,
    timeout: Duration,
    reboots: u32,
    status: i32,
    stdout: Option<Vec<u8>>,
    stdout_has: Vec<String>,
    stderr: Option<String>,
    stderr_has: Vec<String>,
    files: Vec<(String, Option<Vec<u8>>)>,
}

/// What the program said.
pub struct Done {
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Done {
    /// stdout as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("stdout is text")
    }

    /// stdout as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).expect("stdout is JSON")
    }
}

impl<'a> Call<'a> {
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    pub fn stdin(mut self, content: impl AsRef<[u8]>) -> Self {
        self.stdin = content.as_ref().to_vec();
        self
    }

    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The machine has been restarted so often before this call: the program finds
    /// another boot id, which a mount that nobody else sees puts in the place of
    /// the kernel's. See [`Test::can_restart`].
    pub fn after_restarts(mut self, times: u32) -> Self {
        self.reboots = times;
        self
    }

    /// The exit code must be this one; else it must be 0.
    pub fn status(mut self, code: i32) -> Self {
        self.status = code;
        self
    }

    /// stdout must be exactly this.
    pub fn stdout(mut self, content: impl AsRef<[u8]>) -> Self {
        self.stdout = Some(content.as_ref().to_vec());
        self
    }

    /// stdout must hold this somewhere.
    pub fn stdout_has(mut self, part: &str) -> Self {
        self.stdout_has.push(part.into());
        self
    }

    /// stderr must be exactly this.
    pub fn stderr(mut self, content: &str) -> Self {
        self.stderr = Some(content.into());
        self
    }

    /// stderr must hold this somewhere.
    pub fn stderr_has(mut self, part: &str) -> Self {
        self.stderr_has.push(part.into());
        self
    }

    /// Afterwards the file in the working directory must hold exactly this.
    pub fn file_is(mut self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.files
            .push((name.into(), Some(content.as_ref().to_vec())));
        self
    }

    /// Afterwards there must be no such file in the working directory.
    pub fn no_file(mut self, name: &str) -> Self {
        self.files.push((name.into(), None));
        self
    }

    /// The command as it will be run, for tests with a terminal or pipes of their own.
    pub fn command(&self) -> Command {
        let mut command = match self.reboots {
            0 => Command::new(env!("CARGO_BIN_EXE_quintet")),
            n => in_boot(n, &self.test.path("boot_id")),
        };
        command
            .args(&self.args)
            .current_dir(self.test.path("work"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.test.dir.path())
            .env("TZ", "UTC")
            .env("QUINTET_STATE_DIR", self.test.path("state"))
            .envs(&self.env)
            .process_group(0);
        command
    }

    /// Begins the call; its output can be read as it comes.
    pub fn start(self) -> Live<'a> {
        let mut command = self.command();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not read has a right not to.
            let _ = stdin.write_all(&self.stdin);
        }
        let stderr = child.stderr.take().map(drain).expect("stderr is a pipe");
        let stdout = child.stdout.take().expect("stdout is a pipe");
        Live {
            call: self,
            child,
            stdout: Some(stdout),
            stderr: Some(stderr),
        }
    }

    /// Makes the call, and checks everything that was said of it.
    ///
    /// # Panics
    /// Something is not as it must be.
    #[track_caller]
    pub fn run(self) -> Done {
        self.start().finish()
    }

    #[track_caller]
    fn check(&self, status: ExitStatus, done: &Done) {
        let Call { args, .. } = self;
        let stdout = String::from_utf8_lossy(&done.stdout);
        let said = format!(
            "quintet {}\n--- status {status}\n--- stdout\n{stdout}\n--- stderr\n{}",
            args.join(" "),
            done.stderr
        );
        let code = status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        assert_eq!(code, self.status, "the wrong exit code: {said}");
        assert!(!done.stderr.contains("panicked"), "it panicked: {said}");
        if let Some(expected) = &self.stdout {
            assert!(done.stdout == *expected, "the wrong stdout: {said}");
        }
        if let Some(expected) = &self.stderr {
            assert!(done.stderr == *expected, "the wrong stderr: {said}");
        }
        for part in &self.stdout_has {
            assert!(stdout.contains(part), "stdout lacks {part:?}: {said}");
        }
        for part in &self.stderr_has {
            assert!(done.stderr.contains(part), "stderr lacks {part:?}: {said}");
        }
        for (name, expected) in &self.files {
            let found = std::fs::read(self.test.path("work").join(name)).ok();
            assert!(found == *expected, "file {name} is {found:?}: {said}");
        }
    }
}

/// A call that is under way.
pub struct Live<'a> {
    call: Call<'a>,
    child: Child,
    stdout: Option<std::process::ChildStdout>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

impl Live<'_> {
    /// The next line on stdout, without its end; empty at the end of all.
    pub fn line(&mut self) -> String {
        let stdout = self.stdout.as_mut().expect("stdout is open");
        let mut line = Vec::new();
        let mut byte = [0];
        while stdout.read(&mut byte).is_ok_and(|n| n == 1) && byte != *b"\n" {
            line.push(byte[0]);
        }
        String::from_utf8(line).expect("the line is text")
    }

    /// Closes stdout: nobody reads it any more.
    pub fn stop_reading(mut self) -> Self {
        self.stdout = None;
        self
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process id is a positive number"))
    }

    pub fn signal(&self, signal: Signal) {
        nix::sys::signal::kill(self.pid(), signal).expect("the program is there");
    }

    /// The same of a call that must have this exit code.
    #[track_caller]
    pub fn finish_with(mut self, code: i32) -> Done {
        self.call.status = code;
        self.finish()
    }

    /// Waits for the end, and checks everything that was said of the call.
    /// Gives what was not read from stdout before.
    ///
    /// # Panics
    /// It does not end, or something is not as it must be.
    #[track_caller]
    pub fn finish(mut self) -> Done {
        let stdout = self.stdout.take().map(drain);
        let deadline = Instant::now() + self.call.timeout;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                break Some(status);
            }
            if Instant::now() > deadline {
                let _ = killpg(self.pid(), Signal::SIGKILL);
                let _ = self.child.wait();
                break None;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let join = |thread: Option<JoinHandle<Vec<u8>>>| {
            thread.map_or_else(Vec::new, |thread| {
                thread.join().expect("reading does not panic")
            })
        };
        let done = Done {
            stdout: join(stdout),
            stderr: String::from_utf8_lossy(&join(self.stderr.take())).into_owned(),
        };
        match status {
            Some(status) => self.call.check(status, &done),
            None => panic!(
                "quintet {} did not end: {}",
                self.call.args.join(" "),
                done.stderr
            ),
        }
        done
    }
}

/// The program, in the boot of this number.
fn in_boot(number: u32, file: &std::path::Path) -> Command {
    let id = format!("11111111-2222-4333-8444-{number:012}\n");
    std::fs::write(file, id).expect("a file can be written");
    let script = "mount --bind \"$1\" /proc/sys/kernel/random/boot_id && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    if !nix::unistd::Uid::effective().is_root() {
        command.arg("--map-root-user");
    }
    command.args(["--mount", "sh", "-c", script, "sh"]);
    command.arg(file).arg(env!("CARGO_BIN_EXE_quintet"));
    command
}

/// Reads to the end, beside whatever else happens.
fn drain(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let _ = pipe.read_to_end(&mut all);
        all
    })
}

/// Whether the long tests run, at their full length: `./test --nightly`.
pub fn nightly() -> bool {
    std::env::var_os("NIGHTLY").is_some()
}

/// Says that a test, or a part of it, is left out here, and why.
pub fn skip(test: &str, why: &str) {
    eprintln!("skipped: {test}: {why}");
}

/// Waits until something holds.
///
/// # Panics
/// It does not come to hold.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !holds() {
        assert!(Instant::now() < deadline, "it never came about: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
