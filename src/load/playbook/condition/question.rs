//! The two questions about the outside world that conditions may ask.
//!
//! `Test-Path './results/*.json'` and `Get-Command git` are asked by a step of
//! their own before whatever depends on the answer: not when the plan is made,
//! since an earlier step may make the file, and never by the condition itself,
//! which runs nothing. The step ends with 0 for yes and with 1 for no, and both
//! are its success.

use std::collections::BTreeMap;

use crate::plan::{Program, Text, Verdict};

use super::Refused;
use super::words::Reader;

#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Whether anything is there; the path may be a pattern.
    Path { path: Text, kind: Kind },
    /// Whether there is a program of this name.
    Command(Text),
}

/// What is asked to be at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Anything,
    File,
    Folder,
}

impl Question {
    /// What the step that asks it is called.
    pub fn name(&self) -> &'static str {
        match self {
            Question::Path { .. } => "test-path",
            Question::Command(_) => "get-command",
        }
    }

    /// The question for people.
    pub fn shown(&self) -> String {
        match self {
            Question::Path { path, .. } => format!("whether {} is there", path.shown()),
            Question::Command(name) => format!("whether there is a command {}", name.shown()),
        }
    }

    /// What asks it: a script that never changes, with the path or name as its
    /// argument. Without field separators a pattern is expanded and not split.
    pub fn program(&self) -> Program {
        const PATH: &str =
            "IFS=; for path in $1; do if [ \"$2\" \"$path\" ]; then exit 0; fi; done; exit 1";
        const COMMAND: &str = "command -v -- \"$1\" >/dev/null 2>&1 || exit 1";
        let (script, args) = match self {
            Question::Path { path, kind } => {
                let test = match kind {
                    Kind::Anything => "-e",
                    Kind::File => "-f",
                    Kind::Folder => "-d",
                };
                (PATH, vec![path.clone(), test.into()])
            }
            Question::Command(name) => (COMMAND, vec![name.clone()]),
        };
        Program::Shell {
            script: script.into(),
            args: args.into(),
        }
    }

    /// What its exit codes mean.
    pub fn exit_codes() -> BTreeMap<i32, Verdict> {
        BTreeMap::from([(0, Verdict::Success), (1, Verdict::Success)])
    }
}

impl Reader<'_, '_> {
    /// The question that the command asks, if it is one that is understood.
    /// Stands behind the command's name, and moves past its arguments.
    pub(super) fn question(&mut self, command: &str) -> Result<Option<Question>, Refused> {
        let (start, is_path) = match command.to_ascii_lowercase().as_str() {
            "test-path" => (self.at - command.len(), true),
            "get-command" => (self.at - command.len(), false),
            _ => return Ok(None),
        };
        let (mut asked, mut kind) = (None, Kind::Anything);
        loop {
            self.skip_space();
            let option = self.option();
            let known = match option.as_deref() {
                Some("path" | "literalpath") => is_path,
                Some("name") => !is_path,
                Some("pathtype") if is_path => {
                    kind = self.kind()?;
                    continue;
                }
                Some("erroraction" | "ea") => {
                    self.skip_space();
                    self.take_while(char::is_alphanumeric);
                    continue;
                }
                Some(_) => false,
                None => true,
            };
            if !known {
                let message = format!("only simple forms of `{command}` are understood");
                return Err(Refused::new(start..self.at, message));
            }
            match (self.argument()?, &asked) {
                (Some(argument), None) => asked = Some(argument),
                (None, Some(_)) if option.is_none() => break,
                _ => {
                    let message = format!("`{command}` asks about one thing here");
                    return Err(Refused::new(start..self.at, message));
                }
            }
        }
        Ok(asked.map(|asked| match is_path {
            true => Question::Path { path: asked, kind },
            false => Question::Command(asked),
        }))
    }

    /// The option that stands here, in lower case; an operator is none.
    fn option(&mut self) -> Option<String> {
        const OPTIONS: [&str; 6] = [
            "path",
            "literalpath",
            "name",
            "pathtype",
            "erroraction",
            "ea",
        ];
        let rest = self.rest().strip_prefix('-')?;
        let length = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let word = rest[..length].to_ascii_lowercase();
        OPTIONS.contains(&&*word).then(|| {
            self.at += 1 + length;
            word
        })
    }

    fn kind(&mut self) -> Result<Kind, Refused> {
        self.skip_space();
        let start = self.at;
        let word = self.take_while(|c| c.is_alphanumeric() || c == '\'');
        match word.trim_matches('\'').to_ascii_lowercase().as_str() {
            "any" => Ok(Kind::Anything),
            "leaf" => Ok(Kind::File),
            "container" => Ok(Kind::Folder),
            _ => Err(Refused::new(
                start..self.at,
                "a kind of path is Any, Leaf or Container",
            )),
        }
    }
}
