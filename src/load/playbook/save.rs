//! A selection written down as a playbook.

use serde_json::{Value, json};

use crate::plan::Scope;
use crate::plan::build::quoted;

/// What is saved of a command line.
#[derive(Clone, Debug)]
pub struct Saved<'a> {
    pub name: &'a str,
    pub description: Option<&'a str>,
    /// Terms of the selection language, as they were given.
    pub sequence: &'a [String],
    pub variables: &'a Scope,
    pub profile: Option<&'a str>,
    /// When: RFC 3339.
    pub created: &'a str,
}

/// The file's name for a playbook of this name.
///
/// # Errors
/// The name cannot be that of a file in the folder of playbooks.
pub fn file_name(name: &str) -> Result<String, String> {
    let fit = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(fit) {
        let name = quoted(name);
        return Err(format!(
            "{name} cannot be a playbook's name: letters, digits, `-`, `_` and `.` may stand in it"
        ));
    }
    Ok(format!("{name}.json"))
}

impl Saved<'_> {
    /// A29: the text of the file, with the keys of the first generation.
    pub fn text(&self) -> String {
        let tokens = self.sequence.iter().flat_map(|term| term.split(','));
        let tokens = tokens.map(str::trim).filter(|token| !token.is_empty());
        let mut book = json!({
            "Name": self.name,
            "Description": self.description.unwrap_or_default(),
            "Sequence": tokens.collect::<Vec<_>>(),
            "Variables": self.variables,
            "Created": self.created,
            "Version": "1.0",
        });
        if let Some(profile) = self.profile {
            book["Profile"] = Value::from(profile);
        }
        format!("{book:#}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A29.
    #[test]
    fn a29_a_selection_is_saved_as_a_playbook_that_is_read_again() {
        let variables = Scope::from([("Fast".into(), json!(true))]);
        let saved = Saved {
            name: "my-setup",
            description: None,
            sequence: &["0001, 0207".into(), "!0208".into()],
            variables: &variables,
            profile: Some("Developer"),
            created: "2025-01-08T00:00:00Z",
        };
        let text = saved.text();
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["Sequence"], json!(["0001", "0207", "!0208"]));
        assert_eq!(read["Variables"], json!({"Fast": true}));
        assert_eq!(read["Profile"], "Developer");
        assert_eq!(read["Created"], "2025-01-08T00:00:00Z");
        let book = super::super::testing::book(&text);
        assert_eq!(book.name.unwrap().value, "my-setup");
        assert_eq!(book.stages[0].items.len(), 1);
    }

    #[test]
    fn a29_a_name_is_no_path() {
        assert_eq!(file_name("my-setup").unwrap(), "my-setup.json");
        for name in ["", "../x", "a/b", ".x", "a\0", "a:b"] {
            assert!(file_name(name).is_err(), "{name:?}");
        }
    }
}
