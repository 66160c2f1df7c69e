//! What a step may ask of the machine without naming a command for it.
//!
//! A builtin asks one [`Question`], which is answered yes or no or cannot be
//! answered, and it changes nothing. It is a step like any other: it has a
//! timeout, it is made again when it fails, and its exit code says how it went:
//! 0 where it holds, 1 where it does not, 2 where it could not be told.
//!
//! Nothing here knows how an answer is found.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Text, millis};

/// A question, and where the programs that help to answer it run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Builtin {
    pub question: Question,
    /// Where programs run; absolute.
    pub cwd: Arc<str>,
    /// Environment of this step alone, over the plan's. Programs are found in its PATH.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub env: Box<[(Box<str>, Text)]>,
}

/// What is asked. All paths are absolute, but for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Are all of these there? Links are followed.
    FileExists {
        paths: Box<[Box<str>]>,
        kind: FileKind,
    },
    /// Is the program there, and of a version in this range? Its version is the
    /// first dotted number that it says when it is called with these arguments.
    ToolVersion {
        program: Box<str>,
        args: Box<[Box<str>]>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_least: Option<Version>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        below: Option<Version>,
    },
    /// May the user write so many bytes more to the file system of this path?
    DiskSpace { path: Box<str>, at_least: u64 },
    /// Does somebody answer there? To find the host's address is part of the time.
    PortReachable {
        host: Box<str>,
        port: u16,
        #[serde(with = "millis")]
        timeout: Duration,
    },
    /// Is everything in this working tree committed or ignored?
    GitClean { dir: Box<str> },
}

/// What is to be at a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// Anything.
    #[default]
    Any,
    File,
    Directory,
    /// A file that the user may run.
    Executable,
}

impl FileKind {
    /// As a noun: `directory`.
    pub fn noun(self) -> &'static str {
        match self {
            FileKind::Any | FileKind::File => "file",
            FileKind::Directory => "directory",
            FileKind::Executable => "executable",
        }
    }
}

/// A version: whole numbers between dots, compared one by one. What one of two
/// versions says no more is 0 there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Version(Box<[u64]>);

impl Version {
    /// `3.9` is older than `3.10`, and `3.12` is not older than `3.12.0`.
    pub fn is_older_than(&self, other: &Version) -> bool {
        let most = self.0.len().max(other.0.len());
        let parts = |of: &Version| -> Vec<u64> {
            let given = of.0.iter().copied();
            given.chain(std::iter::repeat(0)).take(most).collect()
        };
        parts(self) < parts(other)
    }
}

/// A text that is no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoVersion;

impl fmt::Display for NoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a version is whole numbers between dots, such as 3.12")
    }
}

impl FromStr for Version {
    type Err = NoVersion;

    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let part = |part: &str| {
            // `parse` alone would take a sign.
            let digits = part.bytes().all(|b| b.is_ascii_digit());
            part.parse().ok().filter(|_| digits).ok_or(NoVersion)
        };
        text.split('.')
            .map(part)
            .collect::<Result<_, _>>()
            .map(Version)
    }
}

impl TryFrom<String> for Version {
    type Error = NoVersion;

    fn try_from(text: String) -> Result<Self, NoVersion> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.0.iter().enumerate() {
            let dot = if i == 0 { "" } else { "." };
            write!(f, "{dot}{part}")?;
        }
        Ok(())
    }
}

/// A few words for people: `disk space at least 1 GB at /srv`.
impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Question::FileExists { paths, kind } => {
                write!(f, "{} exists: {}", kind.noun(), paths.join(", "))
            }
            Question::ToolVersion {
                program,
                at_least,
                below,
                ..
            } => {
                let bounds = [("at least", at_least), ("below", below)];
                let bounds: Vec<String> = bounds
                    .iter()
                    .filter_map(|(word, bound)| Some(format!("{word} {}", bound.as_ref()?)))
                    .collect();
                match bounds.is_empty() {
                    true => write!(f, "{program} is installed"),
                    false => write!(f, "{program} {}", bounds.join(" and ")),
                }
            }
            Question::DiskSpace { path, at_least } => {
                write!(f, "disk space at least {} at {path}", amount(*at_least))
            }
            Question::PortReachable {
                host,
                port,
                timeout,
            } => write!(f, "port {port} of {host} reachable within {timeout:?}"),
            Question::GitClean { dir } => write!(f, "git tree clean at {dir}"),
        }
    }
}

/// Bytes in the largest unit in which they are a whole number.
fn amount(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KB", "MB", "GB", "TB"];
    let (mut amount, mut unit) = (bytes, 0);
    while amount > 0 && amount % 1024 == 0 && unit + 1 < UNITS.len() {
        amount /= 1024;
        unit += 1;
    }
    format!("{amount} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().expect("a version")
    }

    #[test]
    fn versions_are_compared_number_by_number() {
        for (older, newer) in [
            ("3.9", "3.10"),
            ("3.11.2", "3.12"),
            ("2", "2.0.1"),
            ("0.9", "1"),
        ] {
            assert!(
                version(older).is_older_than(&version(newer)),
                "{older} {newer}"
            );
            assert!(
                !version(newer).is_older_than(&version(older)),
                "{newer} {older}"
            );
        }
        assert!(!version("3.12").is_older_than(&version("3.12.0")));
        assert!(!version("3.12.0").is_older_than(&version("3.12")));
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in [
            "",
            ".",
            "3.",
            "v3",
            "3.12rc1",
            "+3.1",
            "3.99999999999999999999",
            "3 . 1",
        ] {
            assert_eq!(text.parse::<Version>(), Err(NoVersion), "{text:?}");
        }
        assert_eq!(version("3.012").to_string(), "3.12");
    }

    #[test]
    fn a_question_is_said_in_a_few_words() {
        let disk = |at_least| Question::DiskSpace {
            path: "/srv".into(),
            at_least,
        };
        assert_eq!(
            disk(1 << 30).to_string(),
            "disk space at least 1 GB at /srv"
        );
        assert_eq!(
            disk(3 << 29).to_string(),
            "disk space at least 1536 MB at /srv"
        );
        assert_eq!(disk(0).to_string(), "disk space at least 0 bytes at /srv");
        let tool = |at_least: Option<&str>, below: Option<&str>| {
            let question = Question::ToolVersion {
                program: "python3".into(),
                args: ["--version".into()].into(),
                at_least: at_least.map(version),
                below: below.map(version),
            };
            question.to_string()
        };
        assert_eq!(tool(None, None), "python3 is installed");
        assert_eq!(tool(Some("3.12"), None), "python3 at least 3.12");
        assert_eq!(
            tool(Some("3.12"), Some("4")),
            "python3 at least 3.12 and below 4"
        );
    }

    #[test]
    fn a_question_is_kept_as_it_was() {
        let question = Question::ToolVersion {
            program: "git".into(),
            args: ["--version".into()].into(),
            at_least: Some(version("2.30")),
            below: None,
        };
        let text = serde_json::to_string(&question).expect("it can be written");
        assert_eq!(
            text,
            r#"{"tool_version":{"program":"git","args":["--version"],"at_least":"2.30"}}"#
        );
        assert_eq!(serde_json::from_str::<Question>(&text).ok(), Some(question));
    }
}
