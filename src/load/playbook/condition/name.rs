//! Names: with a `$` or without one, of values, of commands and of steps.

use crate::plan::build::quoted;

use super::words::{Reader, is_constant, is_operator, is_part, is_start};
use super::{Refused, ending};

impl<'a> Reader<'a, '_> {
    /// `$name`, `$env:NAME`, `${name}`, `$(name)`, `$true`.
    pub(super) fn dollar(&mut self) -> Result<(), Refused> {
        let start = self.at;
        self.at += 1;
        if self.peek() == Some('(') {
            return self.subexpression(start);
        }
        let braced = self.peek() == Some('{');
        self.at += usize::from(braced);
        let name = self.take_while(|c| is_part(c) || c == '.' || c == ':');
        if braced && self.peek() == Some('}') {
            self.at += 1;
        } else if self.peek() == Some('(') {
            let call = format!("the call of {}", quoted(name));
            return Err(Refused::code(start..self.at, &call));
        }
        if name.is_empty() || name.contains(':') || is_constant(name) {
            self.copy(start);
            return Ok(());
        }
        self.value_of(name.trim_end_matches('.'), start, "$")
    }

    /// `$(name)`; anything more in it is code.
    pub(super) fn subexpression(&mut self, start: usize) -> Result<(), Refused> {
        self.at += 1;
        self.skip_space();
        self.at += usize::from(self.peek() == Some('$'));
        let name = self.take_while(|c| is_part(c) || c == '.');
        self.skip_space();
        if self.peek() != Some(')') || name.is_empty() {
            return Err(Refused::code(start..start + 2, "an expression in `$(…)`"));
        }
        self.at += 1;
        self.value_of(name, start, "$")
    }

    /// A word without `$`: an operator, a command, or a name.
    pub(super) fn name(&mut self) -> Result<(), Refused> {
        let start = self.at;
        let name = self.path();
        if is_operator(name) || is_constant(name) {
            self.copy(start);
            return Ok(());
        }
        if let Some(question) = self.question(name)? {
            let id = (self.around.ask)(question);
            self.write(start, &format!("steps['{id}'].exit_code == 0"));
            return Ok(());
        }
        if ending::read(self, name, start)? {
            return Ok(());
        }
        let known = self.around.scope.find(name).is_some();
        if !known && (name.contains('-') || self.is_command()) {
            let construct = format!("the command {}", quoted(name));
            return Err(Refused::code(start..self.at, &construct));
        }
        match name.split('.').next() {
            Some("steps" | "prev") if !known => return self.of_step(name, start),
            Some("env" | "vars") if !known => {
                self.copy(start);
                return Ok(());
            }
            _ => {}
        }
        self.value_of(name, start, "")
    }

    /// Letters, digits and `_`, with `-` and `.` between them.
    pub(super) fn path(&mut self) -> &'a str {
        let start = self.at;
        loop {
            self.take_while(is_part);
            let mut rest = self.rest().chars();
            let joins = matches!(rest.next(), Some('-' | '.'));
            if !joins || !rest.next().is_some_and(is_part) {
                return &self.text[start..self.at];
            }
            self.at += 1;
        }
    }

    /// Whether what follows a word makes it a command with arguments: nothing
    /// may follow a value but an operator.
    pub(super) fn is_command(&self) -> bool {
        let rest = self.rest();
        let next = rest.trim_start();
        if next.len() == rest.len() {
            return false;
        }
        let word: &str = next.split(|c: char| !is_part(c)).next().unwrap_or_default();
        match next.chars().next() {
            Some('\'' | '"' | '$') => true,
            Some(c) if is_start(c) => !is_operator(word),
            _ => false,
        }
    }

    /// `steps.ITEM.status` and `steps['ITEM'].status`, where an item may be
    /// known by its name in the playbook.
    pub(super) fn of_step(&mut self, name: &str, start: usize) -> Result<(), Refused> {
        let (item, field) = match name.split_once('.') {
            Some((_, rest)) => rest.split_once('.').unwrap_or((rest, "")),
            None => {
                self.take_while(|c| c != ']');
                self.take_while(|c| c == ']' || c == '.' || is_part(c));
                let rest = &self.text[start + name.len()..self.at];
                let rest = rest.trim_start_matches(['[', '\'', '"']);
                rest.split_once([']', '.']).unwrap_or((rest, ""))
            }
        };
        let item = item.trim_end_matches(['\'', '"']);
        match self.around.scope.step(item) {
            Some(step) => {
                let field = field.trim_start_matches('.');
                let written = format!("steps['{step}'].{field}");
                self.write(start, &written);
            }
            None => self.copy(start),
        }
        Ok(())
    }
}
