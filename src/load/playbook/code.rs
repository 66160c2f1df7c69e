//! Code that stands in a playbook itself, as a command of its own.
//!
//! The text is run by the interpreter that the playbook asks for, and nothing
//! that fills a template ever becomes part of it: each hole becomes a reference
//! to a variable of the step's environment, in the language's own quoting, so
//! that a value with quotes in it stays a value.

use crate::plan::name::folded;
use crate::plan::problem::Problem;
use crate::plan::{Program, Text};

use super::book::{Language, Said};
use super::scope::{Findings, Scope};
use super::template;

/// Quotes and expressions may stand this deep in one another.
const MAX_DEPTH: usize = 32;

/// The program for a text of code, and the environment that it reads.
pub struct Code {
    pub program: Program,
    pub env: Vec<(Box<str>, Text)>,
}

/// The interpreter of a language.
pub fn interpreter(language: Language) -> &'static str {
    match language {
        Language::PowerShell => "pwsh",
        Language::Shell => "sh",
        Language::Python => "python3",
    }
}

/// Makes the program. None where the text has templates in places where no
/// reference can stand, which has been reported then.
pub fn lower(
    language: Language,
    text: &Said<String>,
    scope: &Scope,
    findings: &mut Findings,
) -> Option<Code> {
    let mut rewriting = Rewriting {
        text: &text.value,
        at: 0,
        written: String::new(),
        language,
        env: Vec::new(),
        said: text,
        scope,
        findings,
    };
    let refused = match template::has_holes(&text.value) {
        true => rewriting.code(None, 0).err(),
        false => {
            rewriting.written.clone_from(&text.value);
            None
        }
    };
    let (written, env) = (rewriting.written, rewriting.env);
    let refused = match refused {
        None if written.contains('\0') => Some("code cannot hold a NUL"),
        refused => refused,
    };
    if let Some(refused) = refused {
        findings
            .problems
            .push(Problem::error(refused).at(text.at, "in this code"));
        return None;
    }
    let words: &[&str] = match language {
        Language::PowerShell => &["pwsh", "-NoProfile", "-NonInteractive", "-Command"],
        Language::Shell => &["sh", "-c"],
        Language::Python => &["python3", "-c"],
    };
    let mut argv: Vec<Text> = words.iter().map(|word| Text::from(*word)).collect();
    argv.push(written.into());
    Some(Code {
        program: Program::Argv(argv.into()),
        env,
    })
}

struct Rewriting<'a> {
    text: &'a str,
    at: usize,
    written: String,
    language: Language,
    env: Vec<(Box<str>, Text)>,
    said: &'a Said<String>,
    scope: &'a Scope,
    findings: &'a mut Findings,
}

/// Why a text of code cannot be filled.
type Refused = &'static str;

impl<'a> Rewriting<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Writes the next `length` bytes as they are.
    fn copy(&mut self, length: usize) {
        self.written.push_str(&self.rest()[..length]);
        self.at += length;
    }

    /// Writes up to and with `end`, or all that is left.
    fn copy_through(&mut self, end: &str) {
        let rest = self.rest();
        self.copy(rest.find(end).map_or(rest.len(), |at| at + end.len()));
    }

    /// Code up to `close`, or to the end.
    fn code(&mut self, close: Option<char>, depth: usize) -> Result<(), Refused> {
        if depth > MAX_DEPTH {
            return Err("the quotes in this code stand too deep in one another");
        }
        if self.language == Language::Python {
            return Err("templates in Python code cannot be filled; read os.environ instead");
        }
        let mut open = 0;
        while let Some(c) = self.rest().chars().next() {
            if let Some((name, end)) = self.hole() {
                let reference = match self.language {
                    Language::PowerShell => format!("${{env:{name}}}"),
                    _ => format!("\"${{{name}}}\""),
                };
                self.written.push_str(&reference);
                self.at = end;
                continue;
            }
            match c {
                _ if Some(c) == close && open == 0 => return Ok(()),
                '(' | '{' => open += 1,
                ')' | '}' if open > 0 => open -= 1,
                _ => {}
            }
            match c {
                '\'' => self.single()?,
                '"' => self.double(depth)?,
                '#' if self.begins_comment() => self.copy_through("\n"),
                '<' if self.rest().starts_with("<#") => self.copy_through("#>"),
                '@' if self.rest().starts_with("@'") || self.rest().starts_with("@\"") => {
                    self.here_string()?;
                }
                '<' if self.rest().starts_with("<<") && self.language == Language::Shell => {
                    return Err("templates beside a here-document cannot be filled");
                }
                _ if c == self.escape() => self.copy_escaped(),
                _ => self.copy(c.len_utf8()),
            }
        }
        Ok(())
    }

    fn escape(&self) -> char {
        match self.language {
            Language::PowerShell => '`',
            _ => '\\',
        }
    }

    fn copy_escaped(&mut self) {
        let length = self.rest().chars().take(2).map(char::len_utf8).sum();
        self.copy(length);
    }

    fn begins_comment(&self) -> bool {
        let before = self.text[..self.at].chars().next_back();
        before.is_none_or(|c| c.is_whitespace() || matches!(c, ';' | '(' | '{' | ')' | '}'))
    }

    /// `'…'`. In PowerShell it becomes an expression where holes are in it:
    /// `('…' + ${env:X} + '…')`; a shell's quotes are closed and opened again.
    fn single(&mut self) -> Result<(), Refused> {
        let start = self.written.len();
        let mut filled = false;
        self.copy(1);
        loop {
            let Some(c) = self.rest().chars().next() else {
                return Err("a quote in this code is never closed");
            };
            if let Some((name, end)) = self.hole() {
                let reference = match self.language {
                    Language::PowerShell => format!("' + ${{env:{name}}} + '"),
                    _ => format!("'\"${{{name}}}\"'"),
                };
                self.written.push_str(&reference);
                (self.at, filled) = (end, true);
            } else if c == '\'' && self.rest().starts_with("''") {
                self.copy(2);
            } else {
                self.copy(c.len_utf8());
                if c == '\'' {
                    break;
                }
            }
        }
        if filled && self.language == Language::PowerShell {
            self.written.insert(start, '(');
            self.written.push(')');
        }
        Ok(())
    }

    /// `"…"`, in which variables stand as they are, and expressions in `$(…)`.
    fn double(&mut self, depth: usize) -> Result<(), Refused> {
        self.copy(1);
        loop {
            let Some(c) = self.rest().chars().next() else {
                return Err("a quote in this code is never closed");
            };
            if let Some((name, end)) = self.hole() {
                let drive = match self.language {
                    Language::PowerShell => "env:",
                    _ => "",
                };
                self.written.push_str(&format!("${{{drive}{name}}}"));
                self.at = end;
            } else if self.rest().starts_with("$(") {
                self.copy(2);
                self.code(Some(')'), depth + 1)?;
            } else if c == self.escape() {
                self.copy_escaped();
            } else if c == '`' {
                return Err("templates beside a command in backquotes cannot be filled");
            } else {
                self.copy(c.len_utf8());
                if c == '"' {
                    return Ok(());
                }
            }
        }
    }

    /// `@'` … `'@`, which holds quotes as they are.
    fn here_string(&mut self) -> Result<(), Refused> {
        let close = if self.rest().starts_with("@'") {
            "\n'@"
        } else {
            "\n\"@"
        };
        let rest = self.rest();
        let end = rest.find(close).map_or(rest.len(), |at| at + close.len());
        if template::has_holes(&rest[..end]) {
            return Err("templates in a here-string cannot be filled");
        }
        self.copy(end);
        Ok(())
    }

    /// The hole that begins here: the environment variable that holds what
    /// fills it, and where it ends.
    fn hole(&mut self) -> Option<(Box<str>, usize)> {
        let dollar = usize::from(self.rest().starts_with("${{"));
        if !self.rest()[dollar..].starts_with("{{") {
            return None;
        }
        let (inside, end) = template::braces(self.text, self.at + dollar)?;
        let hole = template::hole(inside)?;
        let written = &self.text[self.at + dollar..end];
        let text = self
            .scope
            .fill_at(written, self.said.at, self.findings)
            .into_text();
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let wanted: String = hole.name.chars().map(plain).collect();
        let mut name = format!("QUINTET_VAR_{wanted}");
        let mut n = 1;
        // Names that differ in nothing the environment can hold, or defaults.
        while let Some((_, other)) = self
            .env
            .iter()
            .find(|(known, _)| folded(known) == folded(&name))
        {
            if *other == text {
                break;
            }
            n += 1;
            name = format!("QUINTET_VAR_{wanted}_{n}");
        }
        let known = self
            .env
            .iter()
            .find(|(known, _)| folded(known) == folded(&name));
        let name = match known {
            Some((name, _)) => name.clone(),
            None => {
                let name: Box<str> = name.into();
                self.env.push((name.clone(), text));
                name
            }
        };
        Some((name, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::playbook::book::Named;
    use crate::plan::problem::Span;
    use serde_json::json;

    fn scope() -> Scope {
        let named = |(name, value): (&str, serde_json::Value)| Named {
            name: Said::new(name.into(), Span::default()),
            value: Said::new(value, Span::default()),
        };
        let values = [("out", json!("it's; exit 9")), ("on", json!(true))];
        let values = values.into_iter().map(named).collect();
        Scope::default().with(&values, &mut Findings::default())
    }

    fn lowered(language: Language, text: &str) -> Result<(String, Vec<String>), String> {
        let mut findings = Findings::default();
        let said = Said::new(text.to_owned(), Span::default());
        let Some(code) = lower(language, &said, &scope(), &mut findings) else {
            return Err(findings.problems.into_vec()[0].message.clone());
        };
        let Program::Argv(argv) = code.program else {
            panic!("code is an argument");
        };
        let env = code
            .env
            .iter()
            .map(|(name, text)| format!("{name}={}", text.shown()));
        Ok((argv.last().unwrap().shown().into_owned(), env.collect()))
    }

    #[track_caller]
    fn becomes(language: Language, text: &str, expected: &str) {
        assert_eq!(
            lowered(language, text).map(|(text, _)| text),
            Ok(expected.into()),
            "{text}"
        );
    }

    /// A34: values are data, whatever they hold.
    #[test]
    fn a34_templates_in_powershell_become_references() {
        let becomes = |text, expected| becomes(Language::PowerShell, text, expected);
        becomes("Get-Item {{out}}", "Get-Item ${env:QUINTET_VAR_out}");
        becomes("$p = '{{out}}'", "$p = ('' + ${env:QUINTET_VAR_out} + '')");
        becomes(
            "@('a{{out}}', '{{on}}')",
            "@(('a' + ${env:QUINTET_VAR_out} + ''), ('' + ${env:QUINTET_VAR_on} + ''))",
        );
        becomes("\"to {{out}}!\"", "\"to ${env:QUINTET_VAR_out}!\"");
        becomes("'it''s {{on}}'", "('it''s ' + ${env:QUINTET_VAR_on} + '')");
        becomes(
            "\"$(if ('{{on}}') { \"a {{out}}\" }) b\"",
            "\"$(if (('' + ${env:QUINTET_VAR_on} + '')) { \"a ${env:QUINTET_VAR_out}\" }) b\"",
        );
        becomes(
            "'plain' # don't {{on}}\n'{{on}}'",
            "'plain' # don't {{on}}\n('' + ${env:QUINTET_VAR_on} + '')",
        );
        becomes("`'{{on}}", "`'${env:QUINTET_VAR_on}");
        becomes("'{0}' -f {{on}}", "'{0}' -f ${env:QUINTET_VAR_on}");
        becomes("no holes 'at all", "no holes 'at all");
    }

    #[test]
    fn the_environment_holds_what_fills_each_hole() {
        let (text, env) = lowered(
            Language::PowerShell,
            "{{a-b:=1}} {{a_b:=2}} {{a-b:=1}} {{out}}",
        )
        .unwrap();
        assert_eq!(
            text,
            "${env:QUINTET_VAR_a_b} ${env:QUINTET_VAR_a_b_2} ${env:QUINTET_VAR_a_b} ${env:QUINTET_VAR_out}"
        );
        assert_eq!(
            env,
            [
                "QUINTET_VAR_a_b=1",
                "QUINTET_VAR_a_b_2=2",
                "QUINTET_VAR_out=it's; exit 9"
            ]
        );
    }

    #[test]
    fn templates_in_shell_code_become_references() {
        let becomes = |text, expected| becomes(Language::Shell, text, expected);
        becomes("cat {{out}}", "cat \"${QUINTET_VAR_out}\"");
        becomes(
            "echo 'a {{out}} b' \"{{on}}\"",
            "echo 'a '\"${QUINTET_VAR_out}\"' b' \"${QUINTET_VAR_on}\"",
        );
        becomes(
            "echo \"$(cat '{{out}}')\"",
            "echo \"$(cat ''\"${QUINTET_VAR_out}\"'')\"",
        );
    }

    #[test]
    fn where_no_reference_can_stand_templates_are_refused() {
        let powershell = |text: &str| lowered(Language::PowerShell, text).unwrap_err();
        assert!(powershell("@'\n{{on}}\n'@").contains("here-string"));
        assert!(powershell("'{{on}}").contains("never closed"));
        let deep = format!("{}{{{{on}}}}", "\"$(".repeat(100));
        assert!(powershell(&deep).contains("too deep"));
        let shell = |text: &str| lowered(Language::Shell, text).unwrap_err();
        assert!(shell("cat <<E\n{{on}}\nE").contains("here-document"));
        assert!(shell("echo \"`echo {{on}}`\"").contains("backquotes"));
        assert!(
            lowered(Language::Python, "print('{{on}}')")
                .unwrap_err()
                .contains("Python")
        );
        assert!(lowered(Language::Python, "print('on')").is_ok());
        assert!(powershell("a\0").contains("NUL"));
    }
}
