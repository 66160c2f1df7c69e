//! A run of checks, as people and programs see it: what happens to each check
//! under its phase (`lines`), a log file (`log`), what is said at the end
//! (`summary`), the same as data (`results`), and what a run would do (`dry`).
//!
//! What is worth a word is found out once, in `tale`; the views only say it. The
//! words are those of checks: a check passes, fails, is fresh, skipped or
//! remediated.

pub mod dry;
pub mod lines;
pub mod log;
pub mod results;
pub mod summary;
mod tale;

pub use tale::{Status, Tale, Told};

use crate::plan::{Action, Plan, StepIx};
use crate::run::Fresh;
use crate::run::took::took;

/// What people call the check or phase.
pub fn name(plan: &Plan, ix: StepIx) -> &str {
    let step = &plan[ix];
    step.name.as_deref().unwrap_or(&step.id)
}

/// The phase that a check is in; a step that stands by itself is in none.
pub fn phase(plan: &Plan, ix: StepIx) -> Option<StepIx> {
    let (parent, _) = plan[ix].id.rsplit_once('/')?;
    let mut steps = plan.indices();
    steps.find(|ix| *plan[*ix].id == *parent && plan[*ix].action == Action::Group)
}

/// The checks of the plan: what does something and is in a phase.
pub fn checks(plan: &Plan) -> impl Iterator<Item = StepIx> + '_ {
    let is_check = |ix: &StepIx| plan[*ix].action != Action::Group && plan[*ix].id.contains('/');
    plan.indices().filter(is_check)
}

/// `validated 12m ago, ttl 1h`
fn validated(fresh: &Fresh) -> String {
    let ms = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let age = brief(ms(fresh.age));
    match fresh.ttl {
        Some(ttl) => format!("validated {age} ago, ttl {}", brief(ms(ttl))),
        None => format!("validated {age} ago, and nothing has changed since"),
    }
}

/// A span without the part that is nothing: `1h`, not `1h00m`.
fn brief(ms: u64) -> String {
    let text = took(ms).to_string();
    for nothing in [".0s", "00s", "00m", "00h"] {
        if let Some(rest) = text.strip_suffix(nothing) {
            let unit = if nothing == ".0s" { "s" } else { "" };
            return format!("{rest}{unit}");
        }
    }
    text
}

/// Why a check is for other machines than this one, if its condition is nothing
/// but that: `not on macOS`.
fn not_here(condition: &str) -> Option<String> {
    let system = |word: &str| match word.trim() {
        "IsLinux" => Some("Linux"),
        "IsMacOS" => Some("macOS"),
        "IsWindows" => Some("Windows"),
        _ => None,
    };
    // Beside another condition it stands first, in parentheses.
    let platforms = match condition.strip_prefix('(') {
        Some(rest) => rest.split_once(") and (")?.0,
        None => condition,
    };
    let systems: Option<Vec<&str>> = platforms.split(" or ").map(system).collect();
    Some(format!("not on {}", systems?.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E24.
    #[test]
    fn e24_a_check_for_other_systems_says_which() {
        let said = |text| not_here(text);
        assert_eq!(said("IsMacOS").as_deref(), Some("not on macOS"));
        let two = "IsMacOS or IsWindows";
        assert_eq!(said(two).as_deref(), Some("not on macOS or Windows"));
        let both = "(IsMacOS) and (vars.X)";
        assert_eq!(said(both).as_deref(), Some("not on macOS"));
        assert_eq!(said("vars.X"), None);
        assert_eq!(said("(a or b)"), None);
    }

    #[test]
    fn spans_leave_out_what_is_nothing() {
        let said: Vec<String> = [720_000, 3_600_000, 5_400_000, 86_400_000, 2_000, 350]
            .map(brief)
            .into();
        assert_eq!(said, ["12m", "1h", "1h30m", "1d", "2s", "350ms"]);
    }
}
