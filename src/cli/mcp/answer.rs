//! What a tool answers: an object, cleaned and bounded; or why there is none, in
//! the words that the command line has for it.
//!
//! Every text goes through here, so nothing that a program or a file has written
//! reaches the client with anything a terminal would act on.

use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::Value;

use crate::cli::error::{Failure, Kind};
use crate::view::escape::printable;

/// No answer has more bytes of JSON. Tools page or cut what could be longer; this is
/// for what nobody has thought of.
const MOST: usize = 256 * 1024;

/// No single text in an answer is longer, in bytes.
pub const LONGEST_TEXT: usize = 32 * 1024;

/// Makes a tool's result of what came of it.
pub fn of(result: Result<Value, Failure>) -> CallToolResult {
    let bounded = result.map(cleaned).and_then(|value| {
        let size = value.to_string().len();
        match size <= MOST {
            true => Ok(value),
            false => Err(Failure::new(
                Kind::Usage,
                format!("the answer would have {size} bytes, and may have {MOST}"),
            )
            .hint("ask for less at once")),
        }
    });
    match bounded {
        Ok(value) => CallToolResult::structured(value),
        Err(failure) => refusal(&failure),
    }
}

/// The result that says why not.
pub fn refusal(failure: &Failure) -> CallToolResult {
    let mut said = failure.message.clone();
    if let Some(hint) = &failure.hint {
        said.push_str("\nhint: ");
        said.push_str(hint);
    }
    let said = cut(&printable(&said));
    CallToolResult::error(vec![ContentBlock::text(said)])
}

/// The text, or its beginning with a word that it is no more than that.
pub fn cut(text: &str) -> String {
    if text.len() <= LONGEST_TEXT {
        return text.to_owned();
    }
    let boundary = |at: &usize| text.is_char_boundary(*at);
    let end = (0..=LONGEST_TEXT).rev().find(boundary).unwrap_or(0);
    format!("{}\n… ({} more bytes)", &text[..end], text.len() - end)
}

fn cleaned(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(printable(&text)),
        Value::Array(all) => all.into_iter().map(cleaned).collect(),
        Value::Object(all) => all
            .into_iter()
            .map(|(name, value)| (printable(&name), cleaned(value)))
            .collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_are_cleaned_wherever_they_stand() {
        let hostile =
            json!({ "a": ["\u{1b}[31mred\u{1b}[0m\u{202e}", { "b\u{7}": "x\ny" } ], "n": 1 });
        assert_eq!(
            cleaned(hostile),
            json!({ "a": ["red", { "b": "x\ny" } ], "n": 1 })
        );
    }

    #[test]
    fn what_is_too_long_is_cut_or_refused() {
        let long = "ü".repeat(LONGEST_TEXT);
        let shown = cut(&long);
        assert!(shown.len() < LONGEST_TEXT + 40 && shown.contains("more bytes"));
        assert_eq!(cut("short"), "short");
        let many: Vec<&str> = vec!["0123456789"; MOST / 10];
        assert_eq!(of(Ok(json!(many))).is_error, Some(true));
        assert_eq!(of(Ok(json!(["few"]))).is_error, Some(false));
    }
}
