//! What an agent's program printed: its result, and what it used.
//!
//! Programs that talk to a language model print more than the answer. Of two of
//! them the documented formats are read; any other prints its result and nothing
//! else, and may say in the result's `usage` what it used.

use serde_json::Value;

use super::contract;
use crate::plan::agent::{Prints, Usage};

/// What was read.
#[derive(Debug, PartialEq)]
pub struct Report {
    pub result: Value,
    pub usage: Option<Usage>,
}

/// Reads what was printed. Where the result stands in a file of its own, that is
/// `written`, and what was printed only tells what was used.
///
/// # Errors
/// In words: no result can be made out.
pub fn read(prints: Prints, printed: &[u8], written: Option<&[u8]>) -> Result<Report, String> {
    let written = written.map(contract::parse).transpose()?;
    match (prints, written) {
        (Prints::Json, Some(result)) => Ok(own(result)),
        (Prints::Json, None) => contract::parse(printed).map(own),
        (Prints::Claude, written) => claude(printed, written),
        (Prints::Codex, written) => codex(printed, written),
    }
}

fn own(result: Value) -> Report {
    let usage = result.get("usage").map(|usage| Usage {
        turns: number(usage, "turns"),
        input_tokens: number(usage, "input_tokens"),
        output_tokens: number(usage, "output_tokens"),
        cost: usage.get("cost").and_then(Value::as_f64),
    });
    Report { result, usage }
}

/// One object: `is_error`, `num_turns`, `total_cost_usd`, `usage`, and in `result`
/// the answer as text.
fn claude(printed: &[u8], written: Option<Value>) -> Result<Report, String> {
    let session = contract::parse(printed)?;
    let said = session.get("result").and_then(Value::as_str);
    if session.get("is_error").and_then(Value::as_bool) != Some(false) {
        let why = said.or_else(|| session.get("subtype").and_then(Value::as_str));
        return Err(format!(
            "its session failed: {}",
            why.unwrap_or("no reason is given")
        ));
    }
    let used = session.get("usage").unwrap_or(&Value::Null);
    // What was read from a cache or put into one was read all the same.
    let read = [
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
    ];
    let usage = Usage {
        turns: number(&session, "num_turns"),
        input_tokens: read.iter().map(|name| number(used, name)).sum(),
        output_tokens: number(used, "output_tokens"),
        cost: session.get("total_cost_usd").and_then(Value::as_f64),
    };
    let result = match written {
        Some(result) => result,
        None => answer(said.unwrap_or_default())?,
    };
    Ok(Report {
        result,
        usage: Some(usage),
    })
}

/// A line for each event: `turn.completed` has the usage, and the last
/// `item.completed` of an `agent_message` is the answer.
fn codex(printed: &[u8], written: Option<Value>) -> Result<Report, String> {
    let mut usage = Usage::default();
    let mut said = None;
    let lines = printed
        .split(|b| *b == b'\n')
        .filter(|line| !line.trim_ascii().is_empty());
    for line in lines {
        let event = contract::parse(line).map_err(|why| format!("one of its events: {why}"))?;
        let item = event.get("item").unwrap_or(&Value::Null);
        match event.get("type").and_then(Value::as_str) {
            Some("turn.completed") => {
                let used = event.get("usage").unwrap_or(&Value::Null);
                usage.turns += 1;
                usage.input_tokens += number(used, "input_tokens");
                usage.output_tokens += number(used, "output_tokens");
            }
            Some("turn.failed" | "error") => {
                let why = event.pointer("/error/message").or(event.get("message"));
                let why = why.and_then(Value::as_str).unwrap_or("no reason is given");
                return Err(format!("its session failed: {why}"));
            }
            Some("item.completed") if item.get("type") == Some(&"agent_message".into()) => {
                said = item.get("text").and_then(Value::as_str).map(str::to_owned);
            }
            _ => {}
        }
    }
    let result = match written {
        Some(result) => result,
        None => answer(&said.unwrap_or_default())?,
    };
    Ok(Report {
        result,
        usage: Some(usage),
    })
}

/// The JSON of an answer, which models like to put into a fence.
fn answer(said: &str) -> Result<Value, String> {
    let said = said.trim();
    let inside = said
        .strip_prefix("```")
        .and_then(|rest| rest.strip_suffix("```"));
    match inside {
        // The language's name ends with its line.
        Some(inside) => {
            let (_, body) = inside.split_once('\n').unwrap_or(("", inside));
            contract::parse(body.as_bytes())
        }
        None => contract::parse(said.as_bytes()),
    }
}

fn number(of: &Value, name: &str) -> u64 {
    of.get(name).and_then(Value::as_u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CLAUDE: &[u8] = br#"{"type":"result","subtype":"success","is_error":false,
        "duration_ms":5120,"duration_api_ms":4800,"num_turns":3,"session_id":"c0ffee",
        "result":"```json\n{\"verdict\": \"approved\"}\n```","total_cost_usd":0.0421,
        "usage":{"input_tokens":12,"cache_creation_input_tokens":100,
        "cache_read_input_tokens":1000,"output_tokens":40}}"#;

    const CODEX: &[u8] = br#"{"type":"thread.started","thread_id":"0199a213"}
{"type":"turn.started"}
{"type":"item.completed","item":{"id":"item_0","type":"reasoning","text":"I look"}}
{"type":"item.completed","item":{"id":"item_1","type":"agent_message","text":"{\"build\": {}}"}}
{"type":"turn.completed","usage":{"input_tokens":2400,"cached_input_tokens":2000,"output_tokens":120}}
"#;

    #[test]
    fn the_two_known_formats_are_read() {
        let report = read(Prints::Claude, CLAUDE, None).expect("read");
        assert_eq!(report.result, json!({"verdict": "approved"}));
        let usage = report.usage.expect("told");
        assert_eq!(
            (usage.turns, usage.input_tokens, usage.output_tokens),
            (3, 1112, 40)
        );
        assert_eq!(usage.cost, Some(0.0421));
        let report = read(Prints::Codex, CODEX, None).expect("read");
        assert_eq!(report.result, json!({"build": {}}));
        let usage = report.usage.expect("told");
        assert_eq!((usage.turns, usage.tokens(), usage.cost), (1, 2520, None));
    }

    #[test]
    fn a_session_that_failed_is_no_result() {
        let failed =
            br#"{"type":"result","subtype":"error_max_turns","is_error":true,"num_turns":9}"#;
        let why = read(Prints::Claude, failed, None).expect_err("failed");
        assert_eq!(why, "its session failed: error_max_turns");
        let failed = br#"{"type":"turn.failed","error":{"message":"no credit"}}"#;
        let why = read(Prints::Codex, failed, None).expect_err("failed");
        assert_eq!(why, "its session failed: no credit");
        assert!(read(Prints::Claude, b"{}", None).is_err());
    }

    /// O34.
    #[test]
    fn o34_a_written_result_stands_before_what_was_printed() {
        let written: &[u8] = br#"{"a": 1, "usage": {"turns": 2, "input_tokens": 5}}"#;
        let report = read(Prints::Json, b"chatter", Some(written)).expect("read");
        assert_eq!(
            report.usage.map(|usage| (usage.turns, usage.tokens())),
            Some((2, 5))
        );
        let report = read(Prints::Claude, CLAUDE, Some(b"{\"b\": 2}")).expect("read");
        assert_eq!(report.result, json!({"b": 2}));
        assert_eq!(report.usage.map(|usage| usage.turns), Some(3));
        assert!(read(Prints::Json, b"chatter", None).is_err());
    }
}
