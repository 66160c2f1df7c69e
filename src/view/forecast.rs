//! What a run is expected to take, told to people and to programs.
//!
//! It does not know how that was found out: see [`Forecast`].

use std::io::{self, Write};

use serde_json::{Value, json};

use super::escape::clean;
use super::style::{FAINT, HEADING};
use super::time::took;
use super::words::counted;
use crate::plan::graph::Graph;
use crate::plan::{Plan, StepIx};
use crate::run::Usual;
use crate::run::forecast::Forecast;

/// How many steps of the critical path people are shown; programs get all.
const SHOWN: usize = 12;

/// The steps that the end of a run would come from, first to last; none without a past.
pub fn critical_path(plan: &Plan, usual: &Usual) -> Vec<StepIx> {
    let forecast = Forecast::new(plan, &Graph::new(plan), usual);
    forecast.map_or_else(Vec::new, |forecast| forecast.critical_path)
}

/// Two lines for people.
///
/// # Errors
/// The stream does not take it.
pub fn text(plan: &Plan, forecast: Option<&Forecast>, out: &mut impl Write) -> io::Result<()> {
    let Some(forecast) = forecast else {
        return writeln!(out, "no history: how long it will take is not known");
    };
    let (known, steps) = (forecast.expected.known, forecast.expected.steps);
    write!(out, "about {}", took(forecast.makespan))?;
    match known == steps {
        true => write!(out, " going by earlier runs")?,
        false => write!(out, " going by earlier runs of {known} of {steps}")?,
    }
    writeln!(
        out,
        "; {} of work, in no order faster than {}",
        took(forecast.work),
        took(forecast.lower_bound)
    )?;
    let path = &forecast.critical_path;
    write!(
        out,
        "{HEADING}critical path{HEADING:#} {}, {}:",
        counted(path.len(), "step"),
        took(forecast.critical_path_ms)
    )?;
    for (n, ix) in path.iter().take(SHOWN).enumerate() {
        let (comma, own) = (
            if n == 0 { "" } else { "," },
            forecast.expected.own()[ix.at()],
        );
        write!(
            out,
            "{comma} {} {FAINT}{}{FAINT:#}",
            clean(&plan[*ix].id),
            took(own)
        )?;
    }
    match path.len().saturating_sub(SHOWN) {
        0 => writeln!(out),
        more => writeln!(out, ", and {more} more"),
    }
}

/// An object for programs; `null` without a past.
pub fn json(plan: &Plan, forecast: Option<&Forecast>) -> Value {
    let Some(forecast) = forecast else {
        return Value::Null;
    };
    let path = forecast.critical_path.iter();
    let path: Vec<Value> = path
        .map(|ix| json!({"step_id": plan[*ix].id, "expected_ms": forecast.expected.own()[ix.at()]}))
        .collect();
    json!({
        "makespan_ms": forecast.makespan,
        "lower_bound_ms": forecast.lower_bound,
        "work_ms": forecast.work,
        "critical_path_ms": forecast.critical_path_ms,
        "critical_path": path,
        "known_steps": forecast.expected.known,
        "expected_steps": forecast.expected.steps,
    })
}
