//! What a step does, on one line: a command as a person could type it.
//!
//! Words that a shell would take apart are quoted, holes that are filled when
//! the step starts are shown as they were written, and nothing is filled in:
//! what is shown here is never run.

use std::fmt;

use super::escape::{is_hostile, push_clean};
use crate::plan::{Action, Builtin, Command, Part, Program, Text};

/// What the step does, on one line.
pub fn of_action(action: &Action) -> Shown<'_> {
    match action {
        Action::Command(command) => Shown::Command(command),
        Action::Builtin(builtin) => Shown::Builtin(builtin),
        Action::Group => Shown::Nothing,
    }
}

/// The command on one line.
pub fn of_command(command: &Command) -> Shown<'_> {
    Shown::Command(command)
}

/// A program and its arguments on one line.
pub fn of_words(given: &[String]) -> String {
    let texts: Vec<Text> = given.iter().map(|word| Text::from(word.as_str())).collect();
    let mut shown = String::new();
    words(&texts, "", &mut shown);
    shown
}

/// See [`of_action`].
#[derive(Clone, Copy)]
pub enum Shown<'a> {
    Command(&'a Command),
    Builtin(&'a Builtin),
    Nothing,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = String::new();
        self.push(&mut shown);
        f.write_str(&shown)
    }
}

impl Shown<'_> {
    /// Appends what is shown.
    pub fn push(self, to: &mut String) {
        match self {
            Shown::Nothing => to.push_str("(a meeting point; runs nothing)"),
            Shown::Builtin(builtin) => push_clean(&builtin.question.to_string(), to),
            Shown::Command(command) => match &command.program {
                Program::Argv(argv) => words(argv, "", to),
                Program::Shell { script, args } => {
                    push_clean(script.trim_end(), to);
                    words(args, " ", to);
                }
            },
        }
    }
}

fn words(texts: &[Text], before: &str, to: &mut String) {
    let mut before = before;
    for text in texts {
        to.push_str(before);
        word(text, to);
        before = " ";
    }
}

fn word(text: &Text, to: &mut String) {
    let shown = text.shown();
    let literal = |part: &Part| match part {
        Part::Literal(literal) => is_plain(literal),
        // A hole is one word whatever will be in it.
        _ => true,
    };
    let plain = match text {
        Text::Plain(text) => !text.is_empty() && is_plain(text),
        Text::Parts(parts) => parts.iter().all(literal),
    };
    if plain {
        return to.push_str(&shown);
    }
    to.push('\'');
    match shown.contains(is_hostile) {
        // No shell reads this, and it must not harm the terminal.
        true => push_clean(&shown, to),
        false => to.push_str(&shown.replace('\'', r"'\''")),
    }
    to.push('\'');
}

fn is_plain(word: &str) -> bool {
    let plain = |c: char| {
        matches!(c, '_' | '-' | '.' | '/' | ':' | '=' | '@' | '%' | '+' | ',')
            || c.is_alphanumeric()
    };
    word.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::builtin::Question;

    fn shown(program: Program) -> String {
        let command = Command {
            program,
            cwd: "/".into(),
            env: Box::default(),
            stdin: None,
        };
        of_action(&Action::Command(Box::new(command))).to_string()
    }

    fn argv(words: &[&str]) -> Program {
        Program::Argv(words.iter().map(|word| Text::from(*word)).collect())
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_need_it() {
        assert_eq!(
            shown(argv(&["git", "commit", "-m", "it's done", "", "--all=$x"])),
            r"git commit -m 'it'\''s done' '' '--all=$x'"
        );
    }

    #[test]
    fn holes_are_shown_as_written_and_need_no_quotes() {
        let hole = Part::Output {
            step: "a".into(),
            key: "K".into(),
            default: None,
        };
        let text = Text::Parts(Box::new([Part::Literal("--x=".into()), hole]));
        let program = Program::Argv(Box::new([Text::from("run"), text]));
        assert_eq!(shown(program), "run --x=${steps.a.outputs.K}");
    }

    #[test]
    fn a_builtin_says_what_it_asks() {
        let builtin = Builtin {
            question: Question::DiskSpace {
                path: "/a\u{1b}[2J".into(),
                at_least: 1 << 30,
            },
            cwd: "/".into(),
            env: Box::default(),
        };
        assert_eq!(
            of_action(&Action::Builtin(Box::new(builtin))).to_string(),
            r"disk space at least 1 GB at /a\u{1b}[2J"
        );
    }

    #[test]
    fn a_script_is_shown_on_one_line_and_harmless() {
        let script = "echo a\nprintf '\u{1b}[2J'\n".into();
        let args = Box::new([Text::from("a b")]);
        assert_eq!(
            shown(Program::Shell { script, args }),
            r"echo a\nprintf '\u{1b}[2J' 'a b'"
        );
        assert_eq!(shown(argv(&["\u{202e}"])), r"'\u{202e}'");
    }
}
