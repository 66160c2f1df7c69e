//! Builtins: questions about the machine, and what is found.
//!
//! Each is one function, from a question to a [`Finding`]. It may wait as long
//! as it likes: whoever calls it does so in a process of its own, which ends
//! when the step's time is over. How programs are run it does not know; it is
//! given [`Tools`].

mod disk_space;
mod file_exists;
mod git_clean;
mod port_reachable;
mod tool_version;

use std::io;

use nix::errno::Errno;

use crate::plan::builtin::Question;

/// What came of a question, in words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    Holds(String),
    Fails(String),
    /// It could not be told, and why.
    Unknown(String),
}

impl Finding {
    /// What a program would exit with that found this.
    pub fn code(&self) -> i32 {
        match self {
            Finding::Holds(_) => 0,
            Finding::Fails(_) => 1,
            Finding::Unknown(_) => 2,
        }
    }

    /// The words, as one line without its end.
    pub fn line(&self) -> String {
        let (Finding::Holds(words) | Finding::Fails(words) | Finding::Unknown(words)) = self;
        words.replace(['\n', '\r'], " ")
    }
}

/// Finds out.
pub fn find(question: &Question, tools: &mut impl Tools) -> Finding {
    match question {
        Question::FileExists { paths, kind } => file_exists::find(paths, *kind),
        Question::ToolVersion {
            program,
            args,
            at_least,
            below,
        } => tool_version::find(program, args, at_least.as_ref(), below.as_ref(), tools),
        Question::DiskSpace { path, at_least } => disk_space::find(path, *at_least),
        Question::PortReachable {
            host,
            port,
            timeout,
        } => port_reachable::find(host, *port, *timeout),
        Question::GitClean { dir } => git_clean::find(dir, tools),
    }
}

/// Runs programs for a builtin.
pub trait Tools {
    /// Runs a program in the step's environment, without input, and waits for its end.
    ///
    /// # Errors
    /// It does not run.
    fn run(&mut self, tool: &Tool<'_>) -> Result<Ran, NotRun>;
}

/// A program to run.
pub struct Tool<'a> {
    pub argv: Vec<&'a str>,
    /// Where; the step's directory where it is not said.
    pub cwd: Option<&'a str>,
    /// Over the step's environment.
    pub env: &'a [(&'a str, &'a str)],
}

/// A program that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Absent where a signal ended it.
    pub code: Option<i32>,
    /// The beginning of what it put out on both streams.
    pub output: String,
}

impl Ran {
    /// That it failed, and the first thing that it said.
    fn failure(&self, called: &str) -> Finding {
        let how = match self.code {
            Some(code) => format!("{called} failed (exit code {code})"),
            None => format!("{called} was ended by a signal"),
        };
        match self.output.lines().find(|line| !line.trim().is_empty()) {
            Some(said) => Finding::Unknown(format!("{how}: {}", said.trim())),
            None => Finding::Unknown(how),
        }
    }
}

/// Why a program did not run, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRun {
    /// There is no such program.
    NotThere(String),
    Other(String),
}

/// A system's error without its number.
fn words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}

/// Tools that answer what a test says, and keep what they were asked.
#[cfg(test)]
struct Canned {
    answer: Result<Ran, NotRun>,
    asked: Vec<String>,
}

#[cfg(test)]
impl Canned {
    fn says(code: i32, output: &str) -> Canned {
        Canned::answers(Ok(Ran {
            code: Some(code),
            output: output.into(),
        }))
    }

    fn answers(answer: Result<Ran, NotRun>) -> Canned {
        let asked = Vec::new();
        Canned { answer, asked }
    }
}

#[cfg(test)]
impl Tools for Canned {
    fn run(&mut self, tool: &Tool<'_>) -> Result<Ran, NotRun> {
        self.asked.push(tool.argv.join(" "));
        self.answer.clone()
    }
}
