//! From a job to a running program, or to words for why there is none.
//!
//! The environment a step starts from is prepared once for a slot; a job only
//! adds to it. The program is searched for in the step's own PATH, as
//! `execvpe` would, but for one thing: a file that the system cannot run is
//! never guessed to be a shell script.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::rc::Rc;

use nix::errno::Errno;
use nix::unistd::Pid;

use super::sys::{self, Image, Stack, Stage};
use super::wire::Setup;
use crate::exec::{Job, errno_of};
use crate::run::{Attempt, Role};

/// Searched where a step has no PATH at all.
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// The variable that tells whose a process is.
pub const MARK: &str = "QUINTET_MARK";
/// The variable that names the file for a step's outputs.
pub const OUTPUT: &str = "QUINTET_OUTPUT";

/// Why a program did not start.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The system's name: `ENOENT`.
    pub errno: String,
    /// For people: `no such program: pwsh`.
    pub error: String,
}

impl Refusal {
    pub fn new(errno: Errno, error: String) -> Self {
        Refusal {
            errno: format!("{errno:?}"),
            error,
        }
    }
}

/// The environment a step starts from, as the system wants it.
#[derive(Default)]
pub struct Base {
    /// `KEY=VALUE`, and the key's length. Shared, so that a step costs no copy.
    entries: Vec<(Rc<CStr>, usize)>,
}

impl Base {
    /// Leaves out what no environment can hold: empty keys, NUL bytes.
    pub fn new(env: &[(Vec<u8>, Vec<u8>)]) -> Base {
        let mut base = Base::default();
        base.entries.reserve(env.len());
        for (key, value) in env {
            if let Some(entry) = entry(key, value) {
                base.set(entry, key.len());
            }
        }
        base
    }

    fn set(&mut self, entry: Rc<CStr>, key: usize) {
        let is_new = |(old, old_key): &(Rc<CStr>, usize)| {
            old.to_bytes()[..*old_key] != entry.to_bytes()[..key]
        };
        self.entries.retain(is_new);
        self.entries.push((entry, key));
    }

    /// The environment with these over it, later ones winning.
    fn with(&self, over: &[(&str, &str)]) -> Result<Vec<Rc<CStr>>, Refusal> {
        let hidden = |entry: &CStr, key: usize| {
            over.iter()
                .any(|(name, _)| name.as_bytes() == &entry.to_bytes()[..key])
        };
        let kept = self.entries.iter().filter(|(e, key)| !hidden(e, *key));
        let mut env = Vec::with_capacity(self.entries.len() + over.len());
        env.extend(kept.map(|(entry, _)| Rc::clone(entry)));
        for (i, (key, value)) in over.iter().enumerate() {
            if over[i + 1..].iter().any(|(later, _)| later == key) {
                continue;
            }
            env.push(entry(key.as_bytes(), value.as_bytes()).ok_or_else(|| {
                let error =
                    format!("the environment cannot hold a variable {key:?} with this value");
                Refusal::new(Errno::EINVAL, error)
            })?);
        }
        Ok(env)
    }
}

fn entry(key: &[u8], value: &[u8]) -> Option<Rc<CStr>> {
    if key.is_empty() || key.contains(&b'=') {
        return None;
    }
    let entry = CString::new([key, b"=", value].concat()).ok()?;
    Some(entry.as_c_str().into())
}

/// What stands in the environment of all of an attempt's processes.
pub fn mark(setup: &Setup, attempt: Attempt) -> String {
    let role = match attempt.role {
        Role::Main => "main",
        Role::Remedy => "remedy",
        Role::Undo => "undo",
    };
    format!(
        "{MARK}={}:{}:{role}:{}:{}",
        setup.run_id,
        attempt.step.at(),
        attempt.number,
        setup.nonce
    )
}

/// Lays out everything the program gets. For a builtin no program is laid out:
/// only what those get that it runs.
///
/// # Errors
/// The job cannot be put into the system's terms.
pub fn image(base: &Base, job: &Job, mark: &str, outputs: &str) -> Result<Image, Refusal> {
    let mark = mark.strip_prefix(MARK).and_then(|m| m.strip_prefix('='));
    let ours = [(MARK, mark.unwrap_or_default()), (OUTPUT, outputs)];
    let theirs = job.env.iter().map(|(key, value)| (&**key, &**value));
    let over: Vec<(&str, &str)> = theirs.chain(ours).collect();
    let env = base.with(&over)?;
    let cwd = text("the working directory", job.cwd.as_bytes())?;
    if job.builtin.is_some() {
        let (paths, argv) = Default::default();
        return Ok(Image {
            paths,
            argv,
            env,
            cwd,
        });
    }
    lay_out(&job.argv, cwd, env)
}

/// Lays out a program.
///
/// # Errors
/// It cannot be put into the system's terms.
pub fn lay_out(
    argv: &[impl AsRef<str>],
    cwd: CString,
    env: Vec<Rc<CStr>>,
) -> Result<Image, Refusal> {
    let program = argv.first().map(AsRef::as_ref);
    let Some(program) = program.filter(|program| !program.is_empty()) else {
        return Err(Refusal::new(Errno::ENOENT, "no program is named".into()));
    };
    Ok(Image {
        paths: candidates(program, &env)?,
        argv: texts("an argument", argv)?,
        cwd,
        env,
    })
}

fn candidates(program: &str, env: &[Rc<CStr>]) -> Result<Vec<CString>, Refusal> {
    if program.contains('/') {
        return texts("the program's name", &[program]);
    }
    let path = env.iter().find_map(|e| e.to_bytes().strip_prefix(b"PATH="));
    let directories = path.unwrap_or(DEFAULT_PATH).split(|&b| b == b':');
    directories
        .map(|directory| {
            let parts: &[&[u8]] = match directory {
                b"" => &[b".", b"/", program.as_bytes()],
                directory => &[directory, b"/", program.as_bytes()],
            };
            text("the program's name", &parts.concat())
        })
        .collect()
}

fn texts(what: &str, list: &[impl AsRef<str>]) -> Result<Vec<CString>, Refusal> {
    list.iter()
        .map(|t| text(what, t.as_ref().as_bytes()))
        .collect()
}

/// # Errors
/// It holds a NUL byte; `what` says what cannot.
pub fn text(what: &str, bytes: &[u8]) -> Result<CString, Refusal> {
    CString::new(bytes)
        .map_err(|_| Refusal::new(Errno::EINVAL, format!("{what} contains a NUL byte")))
}

/// Starts the program.
///
/// # Errors
/// It does not run, and why.
pub fn launch(
    image: &Image,
    stdin: BorrowedFd<'_>,
    stdout: BorrowedFd<'_>,
    stderr: BorrowedFd<'_>,
    stack: &mut Stack,
) -> Result<Pid, Refusal> {
    sys::spawn(image, [stdin, stdout, stderr], stack)
        .map_err(|(stage, errno)| unlaunched(image, stage, errno))
}

/// Why it does not run, where this failed.
pub fn unlaunched(image: &Image, stage: Stage, errno: Errno) -> Refusal {
    Refusal::new(errno, explain(image, stage, errno))
}

/// A file with the text, to be read from its beginning.
///
/// # Errors
/// No memory.
pub fn stdin_with(text: &str) -> Result<File, Refusal> {
    let make = || -> io::Result<File> {
        let flags = nix::sys::memfd::MFdFlags::MFD_CLOEXEC;
        let mut file = File::from(nix::sys::memfd::memfd_create("stdin", flags)?);
        file.write_all(text.as_bytes())?;
        file.rewind()?;
        Ok(file)
    };
    make().map_err(|e| Refusal::new(errno_of(&e), format!("standard input cannot be made: {e}")))
}

/// There is nothing that the program's output could go to.
pub fn no_streams(e: &io::Error) -> Refusal {
    Refusal::new(errno_of(e), format!("the streams cannot be set up: {e}"))
}

fn explain(image: &Image, stage: Stage, errno: Errno) -> String {
    let program = image.argv.first().map(|name| name.to_string_lossy());
    let program = program.unwrap_or_default();
    let cwd = image.cwd.to_string_lossy();
    match (stage, errno) {
        (Stage::WorkingDirectory, Errno::ENOENT) => {
            format!("working directory does not exist: {cwd}")
        }
        (Stage::WorkingDirectory, Errno::ENOTDIR) => {
            format!("working directory is not a directory: {cwd}")
        }
        (Stage::WorkingDirectory, Errno::EACCES) => {
            format!("no permission to enter the working directory: {cwd}")
        }
        (Stage::WorkingDirectory, _) => {
            format!(
                "working directory cannot be entered: {cwd}: {}",
                errno.desc()
            )
        }
        (Stage::Exec, Errno::ENOENT) => no_such_program(&program, &cwd),
        (Stage::Exec, Errno::EACCES) => format!("no permission to run: {program}"),
        (Stage::Exec, Errno::ENOEXEC) => {
            format!("not a program the system can run (is a #! line missing?): {program}")
        }
        (Stage::Exec, Errno::E2BIG) => {
            let argv = image.argv.iter().map(|text| text.as_bytes_with_nul().len());
            let env = image.env.iter().map(|text| text.to_bytes_with_nul().len());
            let bytes: usize = argv.chain(env).sum();
            format!("arguments and environment are too long: {bytes} bytes in all")
        }
        (Stage::Exec, _) => format!("cannot run {program}: {}", errno.desc()),
        (Stage::Clone, _) => format!("no room for another process: {}", errno.desc()),
        (Stage::Streams, _) => format!("the streams cannot be set up: {}", errno.desc()),
    }
}

/// A script whose interpreter is missing fails as if it were missing itself.
fn no_such_program(program: &str, cwd: &str) -> String {
    if program.contains('/') && Path::new(cwd).join(program).exists() {
        format!("the interpreter that the first line of {program} names does not exist")
    } else {
        format!("no such program: {program}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::StepIx;
    use std::time::Duration;

    fn setup(env: &[(&str, &str)]) -> Setup {
        let bytes = |text: &str| text.as_bytes().to_vec();
        Setup {
            run_dir: "/".into(),
            run_id: "r".into(),
            epoch: 1,
            nonce: "n".into(),
            env: env.iter().map(|(k, v)| (bytes(k), bytes(v))).collect(),
            secrets: Default::default(),
            ends_with_engine: false,
        }
    }

    fn job(argv: &[&str], env: &[(&str, &str)]) -> Job {
        Job {
            attempt: Attempt {
                step: StepIx::new(3),
                number: 2,
                role: Role::Remedy,
            },
            argv: argv.iter().map(|arg| arg.to_string()).collect(),
            builtin: None,
            cwd: "/".into(),
            env: env
                .iter()
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .collect(),
            stdin: None,
            timeout: None,
            grace: Duration::ZERO,
            own_log: false,
            max_output: None,
            slurm: None,
            locks: Vec::new(),
            behind: None,
        }
    }

    fn strings<T: AsRef<CStr>>(texts: &[T]) -> Vec<&str> {
        let texts = texts.iter().map(AsRef::as_ref);
        texts.map(|t| t.to_str().expect("ASCII")).collect()
    }

    /// P16: what is later wins, and the attempt's own two cannot be overridden.
    #[test]
    fn the_step_environment_lies_over_the_base() {
        let setup = setup(&[("A", "base"), ("B", "base"), ("", "x"), ("B", "later")]);
        let base = Base::new(&setup.env);
        let job = job(
            &["true"],
            &[("A", "1"), ("C", "2"), ("A", "3"), (MARK, "mine")],
        );
        let mark = mark(&setup, job.attempt);
        let image = image(&base, &job, &mark, "/o").expect("a good job");
        assert_eq!(
            strings(&image.env),
            [
                "B=later",
                "C=2",
                "A=3",
                "QUINTET_MARK=r:3:remedy:2:n",
                "QUINTET_OUTPUT=/o"
            ]
        );
    }

    #[test]
    fn the_program_is_searched_in_the_steps_own_path() {
        let base = Base::new(&setup(&[("PATH", "/base")]).env);
        let paths = |base: &Base, program: &str, env: &[(&str, &str)]| {
            let image = image(base, &job(&[program], env), "", "/o").expect("a good job");
            strings(&image.paths).join(" ")
        };
        assert_eq!(paths(&base, "x", &[]), "/base/x");
        assert_eq!(paths(&base, "x", &[("PATH", "/a::b")]), "/a/x ./x b/x");
        assert_eq!(paths(&base, "./x", &[("PATH", "/a")]), "./x");
        assert_eq!(paths(&Base::default(), "x", &[]), "/bin/x /usr/bin/x");
    }

    #[test]
    fn what_no_system_call_can_carry_is_refused() {
        let base = Base::default();
        for job in [
            job(&[], &[]),
            job(&[""], &[]),
            job(&["a\0b"], &[]),
            job(&["a", "b\0"], &[]),
            job(&["a"], &[("K=", "v")]),
            job(&["a"], &[("K", "v\0")]),
        ] {
            assert!(image(&base, &job, "", "/o").is_err(), "{job:?}");
        }
    }
}
