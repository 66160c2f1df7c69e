//! Where a value is, as people would say it.

use std::fmt;

/// Where a value is, in the words of the file: `steps[3].timeout_sec`.
#[derive(Clone, Copy)]
pub enum Path<'p> {
    Root,
    Field(&'p Path<'p>, &'p str),
    Item(&'p Path<'p>, usize),
    /// The item of `steps` at this index, and its id.
    Step(usize, &'p str),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Field(Path::Root, name) => write!(f, "{}", Printable(name)),
            Path::Field(owner, name) => write!(f, "{owner}.{}", Printable(name)),
            Path::Item(owner, index) => write!(f, "{owner}[{index}]"),
            Path::Step(index, _) => write!(f, "steps[{index}]"),
        }
    }
}

/// A key of the file's, fit to print.
struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars().take(60) {
            match c {
                ' '..='~' => write!(f, "{c}")?,
                _ => write!(f, "{}", c.escape_debug())?,
            }
        }
        Ok(())
    }
}

impl Path<'_> {
    /// The step that this is in.
    pub fn step(&self) -> Option<&str> {
        match self {
            Path::Root => None,
            Path::Field(owner, _) | Path::Item(owner, _) => owner.step(),
            Path::Step(_, id) => Some(id),
        }
    }

    /// A message about what is here.
    pub fn says(&self, message: impl fmt::Display) -> String {
        match self {
            Path::Root => message.to_string(),
            path => format!("{path}: {message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_spelt_as_in_the_file() {
        let step = Path::Step(3, "a");
        let args = Path::Field(&step, "args");
        assert_eq!(Path::Item(&args, 0).to_string(), "steps[3].args[0]");
        assert_eq!(Path::Item(&args, 0).step(), Some("a"));
        assert_eq!(
            Path::Field(&Path::Root, "glo\u{1b}bals").to_string(),
            "glo\\u{1b}bals"
        );
        assert_eq!(Path::Root.says("x"), "x");
    }
}
