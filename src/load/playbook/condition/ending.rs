//! What conditions may ask of the stages before: `success()`, `failure()`,
//! `always()`, and `needs.KEY.result == 'success'`.
//!
//! A stage has no ending of its own in a plan; its steps have. It failed where
//! any of them did, it succeeded where its last meeting point was reached, and
//! else it was skipped. What a step's own stage has done so far has no meeting
//! point yet: it succeeded where nothing failed.

use super::Refused;
use super::words::Reader;
use crate::plan::name::folded;

/// A stage that can be asked about.
#[derive(Clone, Debug)]
pub struct Earlier {
    /// As `needs.KEY` names it.
    pub key: String,
    /// The step that is reached when all of it is done.
    pub group: Option<String>,
    /// The steps that may fail.
    pub steps: Vec<String>,
}

impl Earlier {
    pub fn succeeded(&self) -> String {
        match &self.group {
            Some(group) => format!("steps['{group}'].status == 'succeeded'"),
            None => format!("not {}", joined(self.failed(), " or ", "false")),
        }
    }

    fn failed(&self) -> Vec<String> {
        let failed = |step: &String| format!("steps['{step}'].status == 'failed'");
        self.steps.iter().map(failed).collect()
    }
}

fn joined(parts: Vec<String>, word: &str, none: &str) -> String {
    if parts.is_empty() {
        return none.into();
    }
    format!("({})", parts.join(word))
}

/// Reads a question about stages whose first word is `name`. False where it is none.
pub(super) fn read(reader: &mut Reader<'_, '_>, name: &str, start: usize) -> Result<bool, Refused> {
    if let Some(item) = of_item(name) {
        return outcome(reader, item, start);
    }
    if reader.rest().starts_with("()") {
        let earlier = reader.around.earlier;
        let failures = || earlier.iter().flat_map(Earlier::failed).collect();
        let written = match name {
            "always" => "true".into(),
            "success" => joined(
                earlier.iter().map(Earlier::succeeded).collect(),
                " and ",
                "true",
            ),
            "failure" => joined(failures(), " or ", "false"),
            "cancelled" => {
                let message = "cancelled() is not known: what is canceled ends, and nothing begins";
                return Err(Refused::new(start..reader.at + 2, message));
            }
            _ => return Ok(false),
        };
        reader.regardless |= name != "success";
        reader.at += 2;
        reader.write(start, &written);
        return Ok(true);
    }
    let Some(key) = name
        .strip_prefix("needs.")
        .and_then(|rest| rest.strip_suffix(".result"))
    else {
        return Ok(false);
    };
    let wanted = comparison(reader);
    let key = folded(key);
    let earlier = reader.around.earlier.iter();
    let earlier = earlier.filter(|e| folded(&e.key) == key);
    let earlier: Vec<&Earlier> = earlier.collect();
    let (Some((equal, result)), false) = (wanted, earlier.is_empty()) else {
        let message = "a result is compared with 'success', 'failure' or 'skipped', and is that \
                       of something that this needs";
        return Err(Refused::new(start..reader.at, message));
    };
    let all = |of: fn(&Earlier) -> String| earlier.iter().map(|e| of(e)).collect();
    let succeeded = joined(all(Earlier::succeeded), " and ", "true");
    let failures = earlier.iter().flat_map(|e| e.failed()).collect();
    let failed = joined(failures, " or ", "false");
    let written = match result {
        "success" => succeeded,
        "failure" => failed,
        _ => format!("(not {succeeded} and not {failed})"),
    };
    reader.regardless = true;
    let not = if equal { "" } else { "not " };
    reader.write(start, &format!("({not}{written})"));
    Ok(true)
}

/// The item whose outcome a name is.
fn of_item(name: &str) -> Option<&str> {
    name.strip_prefix("steps.")?.strip_suffix(".outcome")
}

/// `steps.ITEM.outcome == 'success'`, of an item before.
fn outcome(reader: &mut Reader<'_, '_>, item: &str, start: usize) -> Result<bool, Refused> {
    let wanted = comparison(reader);
    let step = reader.around.scope.step(item).map(str::to_owned);
    let (Some((equal, result)), Some(step)) = (wanted, step) else {
        let message = "an outcome is compared with 'success', 'failure' or 'skipped', and is that \
                       of a step with an id before this one";
        return Err(Refused::new(start..reader.at, message));
    };
    let status = match result {
        "success" => "succeeded",
        "failure" => "failed",
        other => other,
    };
    reader.regardless = true;
    let operator = if equal { "==" } else { "!=" };
    reader.write(
        start,
        &format!("steps['{step}'].status {operator} '{status}'"),
    );
    Ok(true)
}

/// `== 'success'` and its like: whether it is to be equal, and to what.
fn comparison<'a>(reader: &mut Reader<'a, '_>) -> Option<(bool, &'a str)> {
    reader.skip_space();
    let operators = [("==", true), ("!=", false), ("-eq", true), ("-ne", false)];
    let (operator, equal) = operators
        .into_iter()
        .find(|(operator, _)| reader.rest().starts_with(operator))?;
    reader.at += operator.len();
    reader.skip_space();
    let quote = reader.peek().filter(|c| matches!(c, '\'' | '"'))?;
    reader.at += 1;
    let result = reader.take_while(|c| c.is_ascii_alphabetic());
    reader.at += usize::from(reader.peek() == Some(quote));
    ["success", "failure", "skipped"]
        .contains(&result)
        .then_some((equal, result))
}
