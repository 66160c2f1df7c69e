//! What the `Dependencies` of scripts mean.
//!
//! A word names a script by its number, by its whole name, or by a word of its
//! name (`Git` is `0207_Install-Git`), in this order, and never the script that
//! says it. Of several the one that installs is meant, then the lowest. What no
//! script is called may be a tool that is there already; what it is not either
//! is only worth a note, since these headers are written for people. Nothing
//! here can make a script wait for ever: a circle is the plan builder's to find.

use std::ops::Range;

/// A script that may be depended on.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub number: u16,
    /// `0207_Install-Git`.
    pub stem: &'a str,
}

/// What one word of a list of dependencies means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The candidate at this position; whether others might have been meant.
    Script { at: usize, of: usize },
    /// A tool, by the name that its program could have.
    Tool(String),
    /// Nothing that can be waited for (`All`).
    Note,
}

/// The words of a list, each with its place in the text; `None` and what stands
/// in parentheses is left out.
pub fn words(text: &str) -> Vec<(&str, Range<usize>)> {
    let mut words = Vec::new();
    let mut start = 0;
    for piece in text.split([',', ';']) {
        let bare = piece.split('(').next().unwrap_or_default();
        let word = bare.trim();
        let at = start + (bare.len() - bare.trim_start().len());
        start += piece.len() + 1;
        // What is left of `(a, b)` behind its comma.
        let stray = piece.contains(')') && !piece.contains('(');
        let none = ["none", "n/a", "-"]
            .iter()
            .any(|no| word.eq_ignore_ascii_case(no));
        if !word.is_empty() && !none && !stray {
            words.push((word, at..at + word.len()));
        }
    }
    words
}

/// What a word means that the script at `own` says.
pub fn meaning(word: &str, own: usize, candidates: &[Candidate<'_>]) -> Meaning {
    if word.eq_ignore_ascii_case("all") {
        return Meaning::Note;
    }
    let others = || candidates.iter().enumerate().filter(|(at, _)| *at != own);
    let matching = |matches: &dyn Fn(&Candidate<'_>) -> bool| {
        let all: Vec<(usize, &Candidate<'_>)> = others().filter(|(_, c)| matches(c)).collect();
        let installs = |(_, c): &&(usize, &Candidate<'_>)| name(c.stem).starts_with("Install-");
        let best = all.iter().find(installs).or(all.first());
        best.map(|(at, _)| Meaning::Script {
            at: *at,
            of: all.len(),
        })
    };
    let number = word.parse::<u16>().ok().filter(|_| word.len() == 4);
    if let Some(number) = number {
        let found = matching(&|c| c.number == number);
        return found.unwrap_or_else(|| Meaning::Tool(word.to_owned()));
    }
    let stem = word.rsplit_once('.').map_or(word, |(stem, _)| stem);
    let same = |c: &Candidate<'_>| {
        [c.stem, name(c.stem)]
            .iter()
            .any(|name| name.eq_ignore_ascii_case(word) || name.eq_ignore_ascii_case(stem))
    };
    // `GitHub CLI` is `GitHubCLI` where it is part of a name.
    let joined: String = word.split_whitespace().collect();
    let has_word = |c: &Candidate<'_>| {
        let mut parts = name(c.stem).split(['-', '_', '.']);
        parts.any(|part| part.eq_ignore_ascii_case(&joined))
    };
    matching(&same)
        .or_else(|| matching(&has_word))
        .unwrap_or_else(|| Meaning::Tool(program(word)))
}

/// The name behind the number.
fn name(stem: &str) -> &str {
    stem.get(5..).unwrap_or_default()
}

/// What the program of a tool is probably called.
fn program(tool: &str) -> String {
    let lower = tool.to_ascii_lowercase();
    match lower.as_str() {
        "powershell7" | "powershell" | "powershell core" => "pwsh".into(),
        "github cli" | "githubcli" => "gh".into(),
        "opentofu" => "tofu".into(),
        "python" => "python3".into(),
        "nodejs" | "node.js" => "node".into(),
        _ => lower,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDER: [&str; 8] = [
        "0001_Ensure-PowerShell7",
        "0008_Install-OpenTofu",
        "0009_Initialize-OpenTofu",
        "0207_Install-Git",
        "0400_Install-TestingTools",
        "0700_Setup-GitEnvironment",
        "0701_Use-Git",
        "0720_Install-GitHubCLI",
    ];

    fn of(own: &str, word: &str) -> Meaning {
        let candidates = FOLDER.map(|stem| Candidate {
            number: stem[..4].parse().expect("digits"),
            stem,
        });
        let own = FOLDER.iter().position(|stem| stem.starts_with(own));
        meaning(word, own.expect("it is there"), &candidates)
    }

    fn script(own: &str, word: &str) -> (&'static str, usize) {
        match of(own, word) {
            Meaning::Script { at, of } => (&FOLDER[at][..4], of),
            other => panic!("{word}: {other:?}"),
        }
    }

    /// A19. A20.
    #[test]
    fn a20_a_word_is_a_number_then_a_name_then_a_word_of_a_name() {
        assert_eq!(script("0700", "0400"), ("0400", 1));
        assert_eq!(script("0700", "0207_Install-Git"), ("0207", 1));
        assert_eq!(script("0700", "install-git.ps1"), ("0207", 1));
        assert_eq!(
            script("0700", "Git"),
            ("0207", 2),
            "not GitEnvironment, and it installs"
        );
        assert_eq!(script("0207", "git"), ("0701", 1), "never itself");
        assert_eq!(script("0001", "GitHub CLI"), ("0720", 1));
        assert_eq!(script("0400", "OpenTofu"), ("0008", 2));
        assert_eq!(of("0400", "Docker"), Meaning::Tool("docker".into()));
        assert_eq!(of("0400", "0999"), Meaning::Tool("0999".into()));
    }

    /// A21.
    #[test]
    fn a21_a_dependency_that_only_matches_the_script_itself_is_a_tool() {
        assert_eq!(script("0009", "OpenTofu"), ("0008", 1));
        assert_eq!(of("0001", "PowerShell7"), Meaning::Tool("pwsh".into()));
    }

    /// A23.
    #[test]
    fn a23_none_and_remarks_are_no_dependencies() {
        let all = |text| -> Vec<&str> { words(text).into_iter().map(|(word, _)| word).collect() };
        assert_eq!(all("None"), [""; 0]);
        assert_eq!(all("None (self-contained)"), [""; 0]);
        assert_eq!(all("None (a, b)"), [""; 0]);
        assert_eq!(all("0400 (Testing Tools)"), ["0400"]);
        assert_eq!(
            all("0744 (Auto Documentation), 0745 (Indexer)"),
            ["0744", "0745"]
        );
        assert_eq!(all("0480, 0490 (simple test runners)"), ["0480", "0490"]);
        assert_eq!(all("0520,0521 ; Git"), ["0520", "0521", "Git"]);
        assert_eq!(words(" Git (x) , Node")[1], ("Node", 11..15));
        assert_eq!(of("0400", "All"), Meaning::Note);
    }
}
