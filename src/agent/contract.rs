//! What a result must be before anybody believes it: JSON, of a bounded size, and
//! fitting a schema.

use serde_json::{Value, json};

use crate::plan::agent::Work;

/// An agent may print, or write as its result, so many bytes.
pub const MOST_PRINTED: u64 = 1 << 20;

/// A result that goes into the run's record has at most so many bytes: a step's
/// outputs have 64 KiB, and the entry around it takes some.
pub const MOST_RESULT: usize = 56 * 1024;

/// So many things that do not fit are told.
const SHOWN: usize = 3;

/// Reads a result.
///
/// # Errors
/// In words: it is no text, or no JSON.
pub fn parse(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "its result is not UTF-8".to_owned())?;
    match text.trim() {
        "" => Err("it gave no result".into()),
        text => serde_json::from_str(text).map_err(|e| format!("its result is no JSON: {e}")),
    }
}

/// Whether a result may be believed.
///
/// # Errors
/// What is wrong with it, with its place in the result.
pub fn check(result: &Value, schema: &Value) -> Result<(), String> {
    if !result.is_object() {
        return Err("its result is not an object".into());
    }
    let length = result.to_string().len();
    if length > MOST_RESULT {
        return Err(format!(
            "its result has {length} bytes, and {MOST_RESULT} are the most: what is larger \
             belongs into a file that the result names"
        ));
    }
    let validator = jsonschema::validator_for(schema).map_err(|e| unusable(&e))?;
    let mut errors = validator.iter_errors(result);
    let shown: Vec<String> = errors.by_ref().take(SHOWN).map(|e| misfit(&e)).collect();
    match shown.is_empty() {
        true => Ok(()),
        false => Err(format!("its result does not fit: {}", shown.join("; "))),
    }
}

/// Whether a schema can be used at all.
///
/// # Errors
/// Why not.
pub fn check_schema(schema: &Value) -> Result<(), String> {
    jsonschema::validator_for(schema).map_err(|e| unusable(&e))?;
    Ok(())
}

fn misfit(error: &jsonschema::ValidationError<'_>) -> String {
    const MOST: usize = 200;
    let place = error.instance_path().to_string();
    let place = if place.is_empty() { "/" } else { &place };
    // It quotes the value, which may be long.
    let said: String = error.to_string().chars().take(MOST).collect();
    format!("at {place}: {said}")
}

fn unusable(error: &jsonschema::ValidationError<'_>) -> String {
    format!("the schema cannot be used: {error}")
}

/// What the results of built-in agents are, and the least that those of others are.
pub fn schema(work: &Work) -> Value {
    let texts = json!({"type": "array", "items": {"type": "string"}});
    match work {
        Work::Program(_)
        | Work::Approval
        | Work::Gate
        | Work::Base(_)
        | Work::Merge(_)
        | Work::Discard(_)
        | Work::Remove(_) => json!({"type": "object"}),
        Work::Planner => json!({
            "type": "object",
            "required": ["plan"],
            "properties": {"plan": {
                "type": "object",
                "required": ["goal", "steps", "tasks"],
                "properties": {"goal": {"type": "string"}, "steps": texts, "tasks": texts},
            }},
        }),
        Work::Builder => json!({
            "type": "object",
            "required": ["build"],
            "properties": {"build": {
                "type": "object",
                "required": ["exit_code", "outputs"],
                "properties": {"exit_code": {"type": ["integer", "null"]}, "outputs": texts},
            }},
        }),
        Work::Reviewer => json!({
            "type": "object",
            "required": ["review", "verdict"],
            "properties": {
                "review": {
                    "type": "object",
                    "required": ["status", "report"],
                    "properties": {
                        "status": {"enum": ["passed", "failed"]},
                        "report": {"type": "string"},
                        "missing": texts,
                    },
                },
                "verdict": {"enum": ["approved", "rejected"]},
            },
        }),
        Work::Doc => json!({
            "type": "object",
            "required": ["doc"],
            "properties": {"doc": {
                "type": "object",
                "required": ["paths"],
                "properties": {"paths": texts},
            }},
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_told_with_its_place() {
        let schema = json!({
            "type": "object",
            "required": ["a"],
            "properties": {"a": {"type": "object", "properties": {"b": {"type": "integer"}}}},
        });
        assert_eq!(check(&json!({"a": {"b": 1}}), &schema), Ok(()));
        let wrong = check(&json!({"a": {"b": "x"}}), &schema).expect_err("no integer");
        assert!(wrong.contains("at /a/b: "), "{wrong}");
        let wrong = check(&json!({}), &schema).expect_err("nothing");
        assert!(wrong.contains("\"a\""), "{wrong}");
        let wrong = check(&json!([]), &json!({})).expect_err("no object");
        assert!(wrong.contains("not an object"), "{wrong}");
    }

    #[test]
    fn what_is_no_text_or_no_json_or_too_large_is_refused() {
        assert!(parse(b"\xff{}").expect_err("no text").contains("UTF-8"));
        assert!(parse(b" \n").expect_err("nothing").contains("no result"));
        assert!(parse(b"{\"a\":").expect_err("half").contains("no JSON"));
        let large = json!({ "a": "x".repeat(MOST_RESULT) });
        let wrong = check(&large, &json!({})).expect_err("too large");
        assert!(wrong.contains("are the most"), "{wrong}");
    }

    #[test]
    fn a_schema_that_is_none_is_told() {
        assert_eq!(check_schema(&json!({"type": "object"})), Ok(()));
        assert!(check_schema(&json!({"type": "objekt"})).is_err());
    }
}
