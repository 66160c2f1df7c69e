//! The configuration that goes down a tree.
//!
//! A level has an object for a child under that child's name. What the level
//! was passed itself is laid over it, so that who stands further out has the
//! last word, and the whole is passed on to all below the child. Programs have
//! it as JSON in their environment, which can hold only so much.

use std::sync::Arc;

use serde_json::{Map, Value};

/// The longest text that is passed to one program: a variable of the
/// environment holds 128 KiB on Linux.
pub const LONGEST: usize = 100_000;

/// What all programs of a tree are passed together.
pub const MOST: usize = 64 << 20;

/// What a child is passed. Most children are passed what their parent was.
#[derive(Clone, Debug, Default)]
pub struct Config {
    values: Arc<Map<String, Value>>,
    text: Arc<str>,
}

impl Config {
    pub fn new(values: Map<String, Value>) -> Self {
        let text = match values.is_empty() {
            true => String::new(),
            false => Value::Object(values.clone()).to_string(),
        };
        Config {
            values: Arc::new(values),
            text: text.into(),
        }
    }

    /// What a child is passed for which its level has `own`.
    pub fn with(&self, own: Option<&Map<String, Value>>) -> Self {
        let Some(own) = own else {
            return self.clone();
        };
        let mut values = own.clone();
        let over = self.values.iter();
        values.extend(over.map(|(name, value)| (name.clone(), value.clone())));
        Config::new(values)
    }

    /// As JSON; empty where nothing is passed.
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).expect("an object")
    }

    /// H28.
    #[test]
    fn h28_what_is_passed_from_further_out_has_the_last_word() {
        let root = Config::default();
        let phase = root.with(Some(&object(r#"{"disk": "sda", "try": 1}"#)));
        let child = phase.with(Some(&object(r#"{"try": 2, "own": true}"#)));
        assert_eq!(phase.text(), r#"{"disk":"sda","try":1}"#);
        assert_eq!(child.text(), r#"{"disk":"sda","own":true,"try":1}"#);
        assert_eq!(child.with(None).text(), child.text());
        assert_eq!(root.with(None).text(), "");
    }
}
