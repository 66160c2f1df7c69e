//! What a run of checks would do: each check, and what would remedy it.

use std::io::{self, Write};

use super::lines::{LEFT_OUT, left_out};
use super::summary::by_phase;
use super::{name, not_here, validated};
use crate::plan::{Absent, CacheUse, Plan, Remediate, StepIx};
use crate::run::Freshness;
use crate::view::command::{of_action, of_command};
use crate::view::escape::clean;
use crate::view::freshness::Looked;
use crate::view::style::HEADING;

/// Writes it, as far as one can tell before anything has run. Checks with one of
/// these tags are left out.
///
/// # Errors
/// The stream does not take it.
pub fn write(plan: &Plan, looked: &Looked, tags: &[&str], out: &mut impl Write) -> io::Result<()> {
    let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
    let left_out: Vec<StepIx> = left_out(plan, &tags).collect();
    let alone = |ix: &StepIx| !plan[*ix].id.contains('/') && plan[*ix].absent.is_none();
    let is_check = |ix: &StepIx| plan[*ix].action != crate::plan::Action::Group;
    for ix in plan.indices().filter(alone).filter(is_check) {
        would(plan, looked, ix, out)?;
    }
    for (phase, checks) in by_phase(plan) {
        let takes_part = |ix: &&StepIx| plan[**ix].absent.is_none() || left_out.contains(ix);
        let checks: Vec<&StepIx> = checks.iter().filter(takes_part).collect();
        if checks.is_empty() {
            continue;
        }
        if let Some(phase) = phase {
            writeln!(out, "{HEADING}{}{HEADING:#}", clean(name(plan, phase)))?;
        }
        for ix in checks {
            match plan[*ix].absent {
                Some(Absent::NotSelected) => {
                    let name = clean(name(plan, *ix));
                    writeln!(out, "  would skip {name}: {LEFT_OUT}")?;
                }
                _ => would(plan, looked, *ix, out)?,
            }
        }
    }
    Ok(())
}

fn would(plan: &Plan, looked: &Looked, ix: StepIx, out: &mut impl Write) -> io::Result<()> {
    let step = &plan[ix];
    let name = clean(name(plan, ix));
    let elsewhere = step.when.as_ref().map(|when| when.text());
    let elsewhere = elsewhere.and_then(not_here).filter(|_| !is_here(plan, ix));
    if let Some(elsewhere) = elsewhere {
        return writeln!(out, "  would skip {name}: {elsewhere}");
    }
    if let (Some(Freshness::Fresh(fresh)), CacheUse::Use) = (looked.get(&ix), plan.cache) {
        let validated = validated(fresh);
        return writeln!(out, "  would skip {name}: fresh, {validated}");
    }
    writeln!(out, "  would run {name}: {}", of_action(&step.action))?;
    let remedy = step.remedy.as_deref();
    if let Some(remedy) = remedy.filter(|_| plan.remediate != Remediate::No) {
        let ask = plan.remediate == Remediate::Ask || remedy.confirm.is_some();
        let asked = if ask { ", once a person agrees" } else { "" };
        let command = of_command(&remedy.command);
        writeln!(out, "    would remedy with {command}{asked}")?;
    }
    Ok(())
}

/// Whether this is a system that the check is for, as the plan noted it.
fn is_here(plan: &Plan, ix: StepIx) -> bool {
    let Some(when) = &plan[ix].when else {
        return true;
    };
    let systems = ["IsLinux", "IsMacOS", "IsWindows"];
    let names = when.variables().into_iter();
    let mut names = names.filter(|name| systems.contains(name));
    names.any(|name| plan.facts.get(name).is_some_and(|fact| fact == "true"))
}
