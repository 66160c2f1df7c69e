//! The end of a loop of rounds: was the work approved, and if not, why is there no
//! further round?

use serde_json::{Value, json};

use crate::plan::agent::{Entry, Verdict};

/// What the rounds came to, by the steps that reviewed them, oldest first.
///
/// # Errors
/// In words: nobody has approved.
pub fn judge(rounds: &[String], history: &[Option<Entry>]) -> Result<Value, String> {
    let entries = history.iter().flatten();
    let reviews: Vec<&Entry> = entries.filter(|e| rounds.contains(&e.step)).collect();
    let approved = reviews
        .iter()
        .find(|e| e.verdict == Some(Verdict::Approved));
    if let Some(review) = approved {
        return Ok(json!({"loop": {"verdict": "approved", "by": review.step}}));
    }
    let mut why = match reviews.len() {
        0 => "no round was reviewed".to_owned(),
        1 => "not approved after 1 round".to_owned(),
        n => format!("not approved after {n} rounds"),
    };
    if let [.., before, last] = &reviews[..]
        && let Some(stuck) = stuck(before, last)
    {
        why.push_str(&format!(": {stuck}"));
    }
    if let Some(error) = reviews.last().and_then(|last| last.error.as_ref()) {
        why.push_str(&format!("; the last review: {error}"));
    }
    Err(why)
}

/// Why a round after `last` would be of no use, if so. `before` reviewed the round
/// before it.
pub fn stuck(before: &Entry, last: &Entry) -> Option<&'static str> {
    let findings = |entry: &Entry| entry.result.get("findings").cloned();
    let repeated = findings(last).filter(|found| !matches!(found, Value::Null));
    if last.work.is_some() && last.work == before.work {
        Some("the last round changed nothing")
    } else if repeated.is_some() && repeated == findings(before) && !is_empty(&repeated) {
        Some("the last round has the same findings as the one before")
    } else {
        None
    }
}

fn is_empty(findings: &Option<Value>) -> bool {
    matches!(findings, Some(Value::Array(all)) if all.is_empty())
}
