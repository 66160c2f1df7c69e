//! What is written of a task for the readers of its repository: a page, and a
//! section of the README.
//!
//! The section stands between two comments, by which it is found again: to write it
//! twice is to write it once (O14).

use super::command::of_words;
use super::job_record::TaskRecord;

/// The page.
pub fn page(name: &str, command: &[String], record: &TaskRecord) -> String {
    let parts = [
        ("Purpose", purpose(record)),
        ("Commands Run", format!("```sh\n{}\n```", shell(command))),
        ("Outputs Produced", list(&record.outputs)),
        ("Documents", list(&record.documents)),
        ("Status", record.status.clone()),
    ];
    let mut text = format!("# Task: {name}\n");
    for (heading, body) in parts {
        text.push_str(&format!("\n## {heading}\n\n{body}\n"));
    }
    text
}

/// The section, with the comments around it.
pub fn section(name: &str, command: &[String], record: &TaskRecord) -> String {
    let outputs = match record.outputs.is_empty() {
        true => "(none)".to_owned(),
        false => record.outputs.join(", "),
    };
    format!(
        "{}\n## Task Summary: {name}\n\n- Purpose: {}\n- Command: `{}`\n- Outputs: {outputs}\n\
         - Status: {}\n{}\n",
        begin(name),
        one_line(&purpose(record)),
        one_line(&shell(command)),
        record.status,
        end(name)
    )
}

/// A text with the section in it: in the place of the one that is there, else at
/// the end.
pub fn with_section(text: &str, name: &str, section: &str) -> String {
    let (begin, end) = (begin(name), end(name));
    if let Some(from) = text.find(&begin)
        && let Some(length) = text[from..].find(&end)
    {
        let rest = &text[from + length + end.len()..];
        let rest = rest.strip_prefix('\n').unwrap_or(rest);
        return format!("{}{section}{rest}", &text[..from]);
    }
    let gap = match text {
        "" => "",
        _ if text.ends_with("\n\n") => "",
        _ if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    format!("{text}{gap}{section}")
}

fn begin(name: &str) -> String {
    format!("<!-- quintet task {name} -->")
}

fn end(name: &str) -> String {
    format!("<!-- end of quintet task {name} -->")
}

fn purpose(record: &TaskRecord) -> String {
    match record.description.as_str() {
        "" => "(no description)".into(),
        // A comment in it could end the section for whoever looks for its end.
        said => said.replace("<!--", "&lt;!--"),
    }
}

fn shell(command: &[String]) -> String {
    of_words(command).replace("<!--", "< !--")
}

fn list(items: &[String]) -> String {
    match items {
        [] => "(none)".into(),
        _ => {
            let lines: Vec<String> = items.iter().map(|item| format!("- {item}")).collect();
            lines.join("\n")
        }
    }
}

fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> TaskRecord {
        TaskRecord {
            description: "Ports\nit".into(),
            status: "done".into(),
            outputs: vec!["out/a".into()],
            ..TaskRecord::default()
        }
    }

    /// O14.
    #[test]
    fn o14_a_section_is_replaced_where_it_stands() {
        let command = ["make".to_owned(), "it all".to_owned()];
        let first = section("a", &command, &record());
        let readme = with_section("# Mine", "a", &first);
        assert!(
            readme.starts_with("# Mine\n\n<!-- quintet task a -->\n"),
            "{readme}"
        );
        assert!(readme.contains("- Purpose: Ports it\n- Command: `make 'it all'`\n"));
        assert_eq!(with_section(&readme, "a", &first), readme);
        let other = with_section(&readme, "ab", &section("ab", &command, &record()));
        let more = format!("{other}\nMy own last words.\n");
        let failed = TaskRecord {
            status: "failed".into(),
            ..record()
        };
        let again = with_section(&more, "a", &section("a", &command, &failed));
        assert_eq!(again, more.replacen("Status: done", "Status: failed", 1));
    }

    #[test]
    fn a_page_says_what_there_is_to_say() {
        let page = page("a", &["make".to_owned()], &record());
        insta::assert_snapshot!(page, @r"
        # Task: a

        ## Purpose

        Ports
        it

        ## Commands Run

        ```sh
        make
        ```

        ## Outputs Produced

        - out/a

        ## Documents

        (none)

        ## Status

        done
        ");
    }
}
