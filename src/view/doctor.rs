//! What an examination has found, for people: a line for each check, and how to mend
//! what is not well.

use std::io::{self, Write};

use super::escape::clean;
use super::style::{BAD, GOOD, ODD};
use super::words::counted;
use crate::run::checkup::{Check, Grade};

/// Writes one.
///
/// # Errors
/// Those of the stream.
pub fn line(check: &Check, out: &mut impl Write) -> io::Result<()> {
    let style = match check.grade {
        Grade::Ok => GOOD,
        Grade::Warning => ODD,
        Grade::Bad => BAD,
    };
    let word = check.grade.word();
    let name = check.node.as_deref().unwrap_or(check.name);
    writeln!(
        out,
        "{style}{word:<7}{style:#}  {:<13}  {}",
        clean(name),
        clean(&check.found)
    )?;
    match &check.mend {
        Some(mend) => writeln!(out, "{:24}mend: {}", "", clean(mend)),
        None => Ok(()),
    }
}

/// The last line: how all of them are.
///
/// # Errors
/// Those of the stream.
pub fn summary(checks: &[Check], out: &mut impl Write) -> io::Result<()> {
    let of = |grade: Grade| checks.iter().filter(|check| check.grade == grade).count();
    let (warnings, bad) = (counted(of(Grade::Warning), "warning"), of(Grade::Bad));
    writeln!(
        out,
        "{}: {warnings}, {bad} bad",
        counted(checks.len(), "check")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_well_says_how_to_mend_it() {
        let checks = [
            Check::ok("client", "there"),
            Check::bad("controller", "silent\u{1b}[2J", "start it"),
        ];
        let mut out = Vec::new();
        for check in &checks {
            line(check, &mut out).expect("memory can be written to");
        }
        summary(&checks, &mut out).expect("memory can be written to");
        let plain = anstream::adapter::strip_bytes(&out).into_vec();
        let expected = "\
ok       client         there
bad      controller     silent\\u{1b}[2J
                        mend: start it
2 checks: 0 warnings, 1 bad
";
        assert_eq!(String::from_utf8(plain).expect("text"), expected);
    }
}
