//! Whether a condition holds, and which values decided it.
//!
//! `and` and `or` stop at the first part that decides; the reason names only
//! the parts that had a say. A value that only had to be true or false is not
//! shown: it may be a key that merely had to be there.

use std::cmp::Ordering;

use super::tree::{Comparison, Expr, Operand, Operator, Test, status_word};
use super::{Facts, Judgement, TypeError, Value};

/// A reason is cut off after this many characters.
const MOST_LETTERS: usize = 200;

pub(super) fn judge(expr: &Expr, facts: &dyn Facts) -> Result<Judgement, TypeError> {
    let mut reasons = Vec::new();
    let holds = decide(expr, facts, &mut reasons)?;
    let mut because = String::new();
    for (i, reason) in reasons.iter().enumerate() {
        if reasons[..i].contains(reason) {
            continue;
        }
        if !because.is_empty() {
            because.push_str(", ");
        }
        because.push_str(reason);
        if let Some((end, _)) = because.char_indices().nth(MOST_LETTERS) {
            because.truncate(end);
            because.push('…');
            break;
        }
    }
    if because.is_empty() {
        because = "it names nothing that could change".into();
    }
    Ok(Judgement { holds, because })
}

/// Decides, and leaves in `reasons` what decided.
fn decide(expr: &Expr, facts: &dyn Facts, reasons: &mut Vec<String>) -> Result<bool, TypeError> {
    match expr {
        Expr::All(parts) => decide_first(parts, false, facts, reasons),
        Expr::Any(parts) => decide_first(parts, true, facts, reasons),
        Expr::Not(inner) => decide(inner, facts, reasons).map(|holds| !holds),
        Expr::Truth(operand) => {
            let value = evaluate(operand, facts);
            if let Operand::Name(name) = operand {
                reasons.push(format!("{} is {}", name.shown, bare(&value)));
            }
            Ok(value.is_true())
        }
        Expr::Compare(comparison) => compare(comparison, facts, reasons),
    }
}

/// Looks for the first part that comes to `decisive`. If there is one, it alone
/// is the reason; if there is none, all are.
fn decide_first(
    parts: &[Expr],
    decisive: bool,
    facts: &dyn Facts,
    reasons: &mut Vec<String>,
) -> Result<bool, TypeError> {
    let before = reasons.len();
    for part in parts {
        let here = reasons.len();
        if decide(part, facts, reasons)? == decisive {
            reasons.drain(before..here);
            return Ok(decisive);
        }
    }
    Ok(!decisive)
}

/// What is told of a value that only had to be true or false.
fn bare(value: &Value) -> &'static str {
    match value {
        Value::Null => "not set",
        Value::Text(text) if text.is_empty() => "empty",
        Value::List(items) if items.is_empty() => "empty",
        Value::Bool(true) => "true",
        Value::Text(_) | Value::List(_) if value.is_true() => "set",
        _ if value.is_true() => "not zero",
        Value::Number(_) => "zero",
        _ => "false",
    }
}

fn evaluate(operand: &Operand, facts: &dyn Facts) -> Value {
    match operand {
        Operand::Value(value) => value.clone(),
        Operand::List(items) => {
            Value::List(items.iter().map(|item| evaluate(item, facts)).collect())
        }
        Operand::Name(name) => {
            let path: Vec<&str> = name.path.iter().map(|part| &**part).collect();
            let value = facts.look_up(&path);
            if name.length { value.length() } else { value }
        }
    }
}

fn compare(
    comparison: &Comparison,
    facts: &dyn Facts,
    reasons: &mut Vec<String>,
) -> Result<bool, TypeError> {
    let mut left = evaluate(&comparison.left, facts);
    let mut right = evaluate(&comparison.right, facts);
    explain(&comparison.left, &left, reasons);
    explain(&comparison.right, &right, reasons);
    if comparison.of_status {
        one_word_each(&mut left);
        one_word_each(&mut right);
    }
    let holds = test(&comparison.operator, &left, &right).map_err(|mismatch| TypeError {
        at: comparison.at.clone(),
        message: format!("{left} and {right} cannot be compared so: {mismatch}"),
    })?;
    Ok(holds != comparison.operator.negated)
}

fn test(operator: &Operator, left: &Value, right: &Value) -> Result<bool, &'static str> {
    let fold = operator.fold;
    let order = || left.order(right, fold);
    Ok(match &operator.test {
        Test::Equal => left.equals(right, fold)?,
        Test::Less => order()? == Some(Ordering::Less),
        Test::Greater => order()? == Some(Ordering::Greater),
        Test::LessOrEqual => order()?.is_some_and(Ordering::is_le),
        Test::GreaterOrEqual => order()?.is_some_and(Ordering::is_ge),
        Test::In => right.holds(left, fold, !operator.dashed)?,
        Test::Contains => left.holds(right, fold, !operator.dashed)?,
        Test::Match(pattern) => match left {
            Value::Null => false,
            Value::Text(text) => pattern.is_match(text),
            Value::Number(number) => pattern.is_match(&number.to_string()),
            Value::Bool(_) | Value::List(_) => return Err("only texts match a pattern"),
        },
    })
}

/// Leaves the value of every name in the operand as a reason.
fn explain(operand: &Operand, value: &Value, reasons: &mut Vec<String>) {
    match (operand, value) {
        (Operand::Name(name), Value::Null) => reasons.push(format!("{} is not set", name.shown)),
        (Operand::Name(name), value) => reasons.push(format!("{} is {value}", name.shown)),
        (Operand::List(items), Value::List(values)) => {
            for (item, value) in items.iter().zip(values) {
                explain(item, value, reasons);
            }
        }
        _ => {}
    }
}

/// Replaces every word for a step's status by the one that stands for it.
fn one_word_each(value: &mut Value) {
    match value {
        Value::Text(text) => {
            if let Some(word) = status_word(&text.to_ascii_lowercase()) {
                *text = word.into();
            }
        }
        Value::List(items) => items.iter_mut().for_each(one_word_each),
        _ => {}
    }
}
