//! What a script says of itself, in comments near its beginning.
//!
//! Two forms, both as they are found in the wild. A comment by itself, with any
//! leader (`# Stage: Core`, `// Stage: Core`, `-- Stage: Core`); and a line of a
//! block comment (`<# … .NOTES … Stage: Core … #>`, `""" … """`, `/* … */`).
//! Several fields may stand in one line (`Stage: Core, Order: 0512`). What comes
//! first counts.
//!
//! Nothing here can fail: a file without a header says nothing. This does not
//! know what the fields mean.

use std::ops::Range;

/// Only so many lines are looked at.
pub const LINES: usize = 60;

/// What a script says, each with the bytes of the text that say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    pub stage: Option<Said>,
    pub dependencies: Option<Said>,
    pub description: Option<Said>,
    pub tags: Option<Said>,
    pub condition: Option<Said>,
    pub category: Option<Said>,
}

/// A value and its place in the file's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub text: String,
    pub at: Range<usize>,
}

/// The fields' names, in small letters. `order` is the file's number over again.
const FIELDS: [&str; 8] = [
    "stage",
    "dependencies",
    "description",
    "tags",
    "condition",
    "category",
    "order",
    "dependency",
];

/// Marks that begin a comment which ends with its line.
const LEADERS: [&str; 7] = ["#", "//", "--", ";", "::", "rem ", "REM "];

/// Comments over several lines: how they begin and end.
const BLOCKS: [(&str, &str); 4] = [
    ("<#", "#>"),
    ("/*", "*/"),
    ("\"\"\"", "\"\"\""),
    ("'''", "'''"),
];

/// Reads the header of a script's text.
pub fn read(text: &str) -> Header {
    let mut header = Header::default();
    let mut block: Option<&str> = None;
    let mut synopsis = false;
    let mut start = 0;
    for line in text.split_inclusive('\n').take(LINES) {
        let at = start..start + line.trim_end().len();
        start += line.len();
        let at = trimmed(text, at);
        let line = &text[at.clone()];
        let inside = block;
        let opened = inside.is_none().then(|| opens(line)).flatten();
        block = match (inside, opened) {
            (Some(end), _) => (!line.contains(end)).then_some(end),
            (None, Some((begin, end))) => (!line[begin.len()..].contains(end)).then_some(end),
            (None, None) => None,
        };
        if inside.is_some() || opened.is_some() {
            let begin = opened.map_or(0, |(begin, _)| begin.len());
            let end = inside.or(opened.map(|(_, end)| end)).unwrap_or_default();
            let inner = line[begin..].trim_end_matches(end);
            let within = trimmed(text, at.start + begin..at.start + begin + inner.len());
            let star = text[within.clone()].starts_with('*');
            let within = trimmed(text, within.start + usize::from(star)..within.end);
            header.take(text, within.clone());
            header.take_synopsis(text, within, &mut synopsis);
        } else if let Some(leader) = LEADERS.iter().find(|leader| line.starts_with(**leader)) {
            let rest = &line[leader.len()..];
            let more = rest.len() - rest.trim_start_matches(['#', '/', '!', ' ', '\t']).len();
            header.take(text, at.start + leader.len() + more..at.end);
        }
    }
    header
}

fn opens(line: &str) -> Option<(&'static str, &'static str)> {
    let begins = |(begin, _): &&(&str, &str)| line.starts_with(*begin);
    BLOCKS.iter().find(begins).copied()
}

impl Header {
    /// Takes the fields of one line, if it has any.
    fn take(&mut self, text: &str, at: Range<usize>) {
        let Some((field, value)) = field(text, at) else {
            return;
        };
        // What a description says is its own affair, and so are a condition's commas.
        let splits = !matches!(field, "description" | "condition");
        if splits && let Some((own, next)) = another(text, value.clone()) {
            self.set(field, text, own);
            return self.take(text, next);
        }
        self.set(field, text, trimmed(text, value));
    }

    fn set(&mut self, field: &str, text: &str, at: Range<usize>) {
        let place = match field {
            "stage" => &mut self.stage,
            "dependencies" | "dependency" => &mut self.dependencies,
            "description" => &mut self.description,
            "tags" => &mut self.tags,
            "condition" => &mut self.condition,
            "category" => &mut self.category,
            _ => return,
        };
        if place.is_none() && !at.is_empty() {
            *place = Some(Said {
                text: text[at.clone()].to_owned(),
                at,
            });
        }
    }

    /// PowerShell's help has the description under a heading of its own.
    fn take_synopsis(&mut self, text: &str, at: Range<usize>, below: &mut bool) {
        let line = &text[at.clone()];
        if *below && !line.is_empty() {
            *below = false;
            if !line.starts_with('.') {
                self.set("description", text, at);
            }
        } else if line.eq_ignore_ascii_case(".SYNOPSIS") {
            *below = true;
        }
    }
}

/// The field that a line begins with, and where its value is.
fn field(text: &str, at: Range<usize>) -> Option<(&'static str, Range<usize>)> {
    let line = &text[at.clone()];
    let colon = line.find(':')?;
    let name = line[..colon].trim_end();
    let field = FIELDS
        .iter()
        .find(|field| name.eq_ignore_ascii_case(field))?;
    Some((field, trimmed(text, at.start + colon + 1..at.end)))
}

/// Where a value is cut short by the next field of the same line: what is its
/// own, and where that field begins.
fn another(text: &str, value: Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
    let commas = text[value.clone()].match_indices(',');
    for (comma, _) in commas {
        let next = trimmed(text, value.start + comma + 1..value.end);
        if field(text, next.clone()).is_some() {
            return Some((trimmed(text, value.start..value.start + comma), next));
        }
    }
    None
}

fn trimmed(text: &str, at: Range<usize>) -> Range<usize> {
    let line = &text[at.clone()];
    let start = at.start + (line.len() - line.trim_start().len());
    start..start + line.trim().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(said: &Option<Said>) -> &str {
        said.as_ref().map_or("", |said| said.text.as_str())
    }

    /// What a text says: stage, dependencies, description, tags, condition.
    fn all(text: &str) -> [String; 5] {
        let header = read(text);
        for said in [&header.stage, &header.tags, &header.condition]
            .into_iter()
            .flatten()
        {
            assert_eq!(text[said.at.clone()], said.text);
        }
        [
            said(&header.stage),
            said(&header.dependencies),
            said(&header.description),
            said(&header.tags),
            said(&header.condition),
        ]
        .map(str::to_owned)
    }

    /// A15.
    #[test]
    fn a15_comments_of_any_kind_say_the_fields() {
        let wanted = [
            "Core",
            "Git, PowerShell7",
            "Sets it up: all of it, at once",
            "a, b",
            "Environment -eq 'Production'",
        ];
        for leader in ["#", "# ", "//", "-- ", ";", "REM ", "  #  ", "#\t"] {
            let text = format!(
                "#!/bin/sh\n{leader}Stage: Core\n{leader}Dependencies: Git, PowerShell7\n\
                 {leader}Description: Sets it up: all of it, at once\n{leader}TAGS: a, b\n\
                 {leader}condition : Environment -eq 'Production'\necho Stage: none\n"
            );
            assert_eq!(all(&text), wanted, "{leader:?}");
        }
    }

    /// A16.
    #[test]
    fn a16_lines_of_a_block_comment_say_them_too() {
        let notes = "<#\n.SYNOPSIS\n    Runs the unit tests\n.NOTES\n    Stage: Testing\n    \
                     Order: 0402\n    Dependencies: 0400\n    Tags: testing, unit\n#>\nStage: none\n";
        assert_eq!(
            all(notes),
            [
                "Testing",
                "0400",
                "Runs the unit tests",
                "testing, unit",
                ""
            ]
        );
        let python =
            "#!/usr/bin/env python3\n\"\"\"\nFetch it.\n\nStage: Core\nTags: net\n\"\"\"\n";
        assert_eq!(all(python), ["Core", "", "", "net", ""]);
        let c_like = "/*\n * Stage: Core\n * Tags: net\n */\n";
        assert_eq!(all(c_like), ["Core", "", "", "net", ""]);
        let one_line = "\"\"\"Stage: Core\"\"\"\nStage: none\n# Tags: net\n";
        assert_eq!(all(one_line), ["Core", "", "", "net", ""]);
    }

    /// A17.
    #[test]
    fn a17_line_ends_and_missing_headers_do_no_harm() {
        assert_eq!(all("# Stage: Core\r\n# Tags: a\r\n")[..1], ["Core"]);
        assert_eq!(read(""), Header::default());
        assert_eq!(read("echo hello\n"), Header::default());
        assert_eq!(read("# Stage:\n# Tags: ,\n").stage, None);
        let late = format!("{}# Stage: Late\n", "\n".repeat(LINES));
        assert_eq!(read(&late), Header::default());
    }

    /// A18.
    #[test]
    fn a18_several_fields_in_one_line_are_several_fields() {
        let text = "# Stage: Reporting, Order: 0512, Dependencies: 0510, 0511, Tags: a, b\n";
        assert_eq!(all(text), ["Reporting", "0510, 0511", "", "a, b", ""]);
        let description = "# Description: the stages, Stage: is one\n";
        assert_eq!(all(description)[2], "the stages, Stage: is one");
        assert_eq!(all(description)[0], "");
    }

    #[test]
    fn what_comes_first_counts() {
        assert_eq!(all("# Stage: First\n# Stage: Second\n")[0], "First");
    }
}
