//! Whether a program is there in a version that is wanted.

use super::{Finding, NotRun, Tool, Tools};
use crate::plan::builtin::Version;

/// A program that is missing is an answer; one that does not tell its version is none.
pub fn find(
    program: &str,
    args: &[Box<str>],
    at_least: Option<&Version>,
    below: Option<&Version>,
    tools: &mut impl Tools,
) -> Finding {
    let argv: Vec<&str> = [program]
        .into_iter()
        .chain(args.iter().map(|arg| &**arg))
        .collect();
    let called = argv.join(" ");
    let ran = match tools.run(&Tool {
        argv,
        cwd: None,
        env: &[],
    }) {
        Ok(ran) => ran,
        Err(NotRun::NotThere(why)) => return Finding::Fails(why),
        Err(NotRun::Other(why)) => return Finding::Unknown(why),
    };
    if ran.code != Some(0) {
        return ran.failure(&called);
    }
    let Some(version) = first_version(&ran.output) else {
        return Finding::Unknown(format!("{called} tells no version"));
    };
    if let Some(least) = at_least.filter(|least| version.is_older_than(least)) {
        return Finding::Fails(format!("{program} {version} is older than {least}"));
    }
    if let Some(bound) = below.filter(|bound| !version.is_older_than(bound)) {
        return Finding::Fails(format!("{program} {version} is not older than {bound}"));
    }
    Finding::Holds(format!("{program} {version}"))
}

/// The first dotted number.
fn first_version(text: &str) -> Option<Version> {
    let numbers = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    let dotted = numbers
        .map(|number| number.trim_matches('.'))
        .filter(|number| number.contains('.'));
    dotted.into_iter().find_map(|number| number.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::super::Canned;
    use super::*;

    fn found(tools: &mut Canned, at_least: Option<&str>, below: Option<&str>) -> Finding {
        let version = |text: &str| text.parse::<Version>().expect("a version");
        let (at_least, below) = (at_least.map(version), below.map(version));
        let args = ["--version".into()];
        find("python3", &args, at_least.as_ref(), below.as_ref(), tools)
    }

    #[test]
    fn the_version_that_a_tool_tells_is_compared_number_by_number() {
        let holds = |words: &str| Finding::Holds(words.into());
        let fails = |words: &str| Finding::Fails(words.into());
        for (at_least, below, finding) in [
            (None, None, holds("python3 3.11.2")),
            (Some("3.9"), Some("4"), holds("python3 3.11.2")),
            (Some("3.11.2"), None, holds("python3 3.11.2")),
            (
                Some("3.12"),
                None,
                fails("python3 3.11.2 is older than 3.12"),
            ),
            (
                Some("3"),
                Some("3.11.2"),
                fails("python3 3.11.2 is not older than 3.11.2"),
            ),
        ] {
            let mut tools = Canned::says(0, "Python 3.11.2 (main)\nGCC 12.2\n");
            assert_eq!(found(&mut tools, at_least, below), finding);
            assert_eq!(tools.asked, ["python3 --version"]);
        }
    }

    #[test]
    fn a_version_is_the_first_dotted_number() {
        for (text, version) in [
            ("git version 2.39.5\n", "2.39.5"),
            ("jq-1.7.1-dirty", "1.7.1"),
            ("tool (2024-08-28) v0.4.", "0.4"),
            ("... 1..2 10.3", "10.3"),
            ("1.99999999999999999999 2.0", "2.0"),
        ] {
            let found = first_version(text).map(|version| version.to_string());
            assert_eq!(found.as_deref(), Some(version), "{text}");
        }
        assert_eq!(first_version("less 590 (GNU)"), None);
    }

    #[test]
    fn what_tells_no_version_leaves_it_open_and_what_is_missing_does_not() {
        let unknown = |words: &str| Finding::Unknown(words.into());
        assert_eq!(
            found(&mut Canned::says(0, "hello"), None, None),
            unknown("python3 --version tells no version")
        );
        assert_eq!(
            found(&mut Canned::says(3, "\n oh no 1.2\nmore"), None, None),
            unknown("python3 --version failed (exit code 3): oh no 1.2")
        );
        let missing = NotRun::NotThere("python3 is not installed".into());
        assert_eq!(
            found(&mut Canned::answers(Err(missing)), None, None),
            Finding::Fails("python3 is not installed".into())
        );
        let other = NotRun::Other("no permission to run: python3".into());
        assert_eq!(
            found(&mut Canned::answers(Err(other)), None, None),
            unknown("no permission to run: python3")
        );
    }
}
