//! Whether a git working tree has nothing that is not committed.

use super::{Finding, NotRun, Tool, Tools};

/// So many changed paths are named.
const NAMED: usize = 5;

/// What git says where there is no repository is recognised by its words, so
/// they are asked for untranslated. And a question takes no lock of somebody's
/// repository, as `git status` by itself does to refresh the index.
pub fn find(dir: &str, tools: &mut impl Tools) -> Finding {
    let ran = match tools.run(&Tool {
        argv: vec!["git", "status", "--porcelain"],
        cwd: Some(dir),
        env: &[("LC_ALL", "C"), ("GIT_OPTIONAL_LOCKS", "0")],
    }) {
        Ok(ran) => ran,
        Err(NotRun::NotThere(why) | NotRun::Other(why)) => return Finding::Unknown(why),
    };
    if ran.code != Some(0) {
        return match ran.output.contains("not a git repository") {
            true => Finding::Unknown(format!("not a git repository: {dir}")),
            false => ran.failure("git status"),
        };
    }
    // Two letters that say what happened to it stand before each path.
    let mut changed = ran.output.lines().filter_map(|line| line.get(3..));
    let mut named: Vec<&str> = changed.by_ref().take(NAMED).collect();
    if named.is_empty() {
        return Finding::Holds(format!("the git tree at {dir} is clean"));
    }
    if changed.next().is_some() {
        named.push("and more");
    }
    let named = named.join(", ");
    Finding::Fails(format!("the git tree at {dir} is not clean: {named}"))
}

#[cfg(test)]
mod tests {
    use super::super::Canned;
    use super::*;

    fn found(mut tools: Canned) -> Finding {
        let found = find("/w", &mut tools);
        assert_eq!(tools.asked, ["git status --porcelain"]);
        found
    }

    #[test]
    fn a_tree_is_clean_where_git_says_nothing_of_it() {
        let clean = "the git tree at /w is clean".into();
        assert_eq!(found(Canned::says(0, "")), Finding::Holds(clean));
        assert_eq!(
            found(Canned::says(0, " M a.txt\n?? \"b\\tc\"\nR  d -> e\n")),
            Finding::Fails("the git tree at /w is not clean: a.txt, \"b\\tc\", d -> e".into())
        );
        let many: String = (0..6).map(|n| format!("?? {n}\n")).collect();
        assert_eq!(
            found(Canned::says(0, &many)),
            Finding::Fails("the git tree at /w is not clean: 0, 1, 2, 3, 4, and more".into())
        );
    }

    #[test]
    fn no_repository_and_no_git_are_told_apart() {
        let unknown = |words: &str| Finding::Unknown(words.into());
        let fatal = "fatal: not a git repository (or any of the parent directories): .git\n";
        assert_eq!(
            found(Canned::says(128, fatal)),
            unknown("not a git repository: /w")
        );
        let fatal = "fatal: detected dubious ownership in repository at '/w'\n";
        assert_eq!(
            found(Canned::says(128, fatal)),
            unknown(&format!(
                "git status failed (exit code 128): {}",
                fatal.trim()
            ))
        );
        let missing = NotRun::NotThere("git is not installed".into());
        assert_eq!(
            found(Canned::answers(Err(missing))),
            unknown("git is not installed")
        );
    }
}
