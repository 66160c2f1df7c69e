//! A list of runs, newest first: a table for people, JSON for programs.

use std::io::{self, Write};

use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::escape::clean;
use super::style::{self, HEADING};
use super::time::{date_and_clock, so_far, took};
use crate::run::Millis;
use crate::run::record::rfc3339;
use crate::store::{RunFilter, RunRow, Store, StoreError};

/// A run in the list.
pub struct Listed {
    pub row: RunRow,
    /// It has not ended, and no engine drives it any more.
    pub interrupted: bool,
}

impl Listed {
    /// Its state, as people are told it.
    pub fn word(&self) -> &'static str {
        match self.interrupted {
            true => "interrupted",
            false => self.row.state.word(),
        }
    }

    /// How long it took, or has taken so far; in milliseconds.
    pub fn duration_ms(&self, now: Millis) -> Option<u64> {
        let until = match (self.row.ended_at, self.interrupted) {
            (Some(ended), _) => ended,
            (None, false) => now,
            // Nobody knows when it stopped.
            (None, true) => return None,
        };
        Some(until.saturating_sub(self.row.started_at?))
    }
}

/// A run in the list, for programs. Moments are RFC 3339.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunListed<'a> {
    run_id: &'a str,
    plan_id: &'a str,
    /// The plan's.
    name: &'a str,
    version: &'a str,
    /// `pending`, `running`, `succeeded`, `failed`, `canceled` or `quarantined`.
    state: &'static str,
    /// It has not ended, and no engine drives it any more.
    interrupted: bool,
    created_at: String,
    started_at: Option<String>,
    ended_at: Option<String>,
    /// How long it took, or has taken so far; unknown where it was interrupted.
    duration_ms: Option<u64>,
    exit_code: Option<i32>,
    error_message: Option<&'a str>,
    /// With which words it was begun.
    command_line: &'a [String],
}

/// The runs that fit, newest first, each with whether it was interrupted.
///
/// # Errors
/// The store cannot be read.
pub fn list(store: &Store, filter: &RunFilter) -> Result<Vec<Listed>, StoreError> {
    let mut listed = Vec::new();
    for row in store.runs(filter)? {
        let interrupted = !row.state.is_over() && store.owner(&row.run_id)?.is_none();
        listed.push(Listed { row, interrupted });
    }
    Ok(listed)
}

/// The last of a page of runs, where there may be more behind it.
pub fn last_of_page<'a>(listed: &'a [Listed], filter: &RunFilter) -> Option<&'a Listed> {
    let is_full = filter
        .limit
        .is_some_and(|limit| listed.len() == limit as usize);
    listed.last().filter(|_| is_full)
}

/// The table.
///
/// # Errors
/// The stream does not take it.
pub fn table(
    runs: &[Listed],
    now: Millis,
    zone: &TimeZone,
    out: &mut impl Write,
) -> io::Result<()> {
    let width = |len: fn(&RunRow) -> usize, least| {
        runs.iter()
            .map(|run| len(&run.row))
            .max()
            .unwrap_or(0)
            .max(least)
    };
    let id = width(|row| row.run_id.len(), 3);
    let name = width(|row| clean(&row.name).to_string().chars().count(), 4).min(40);
    writeln!(
        out,
        "{HEADING}{:id$}  {:11}  {:name$}  {:19}  TOOK{HEADING:#}",
        "RUN", "STATE", "PLAN", "STARTED"
    )?;
    for run in runs {
        let (row, word) = (&run.row, run.word());
        let style = style::of_state(word);
        let took = run.duration_ms(now).map(|ms| match row.ended_at {
            Some(_) => took(ms).to_string(),
            None => so_far(ms).to_string(),
        });
        let line = format!(
            "{:id$}  {style}{word:11}{style:#}  {:name$}  {:19}  {}",
            clean(&row.run_id),
            clean(&row.name),
            date_and_clock(row.started_at.unwrap_or(row.created_at), zone),
            took.unwrap_or_default(),
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// The list for programs.
pub fn told(runs: &[Listed], now: Millis) -> Vec<RunListed<'_>> {
    let moment = |at: Millis| rfc3339(at).to_string();
    let told = runs.iter().map(|run| {
        let row = &run.row;
        RunListed {
            run_id: &row.run_id,
            plan_id: &row.plan_id,
            name: &row.name,
            version: &row.version,
            state: row.state.word(),
            interrupted: run.interrupted,
            created_at: moment(row.created_at),
            started_at: row.started_at.map(moment),
            ended_at: row.ended_at.map(moment),
            duration_ms: run.duration_ms(now),
            exit_code: row.exit_code,
            error_message: row.error_message.as_deref(),
            command_line: &row.command_line,
        }
    });
    told.collect()
}

/// The list as JSON.
pub fn json(runs: &[Listed], now: Millis) -> Value {
    json!(told(runs, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoredState;
    use crate::view::testing::{self, NOON};

    fn listed(id: &str, state: StoredState, ended_at: Option<Millis>, interrupted: bool) -> Listed {
        let row = RunRow {
            key: 1,
            run_id: id.into(),
            plan_id: "P".into(),
            name: "Merge\u{1b}[2J".into(),
            version: "1".into(),
            content_id: "c0ffee".into(),
            project_id: None,
            phase_id: "x".into(),
            state,
            created_at: NOON,
            started_at: Some(NOON),
            ended_at,
            exit_code: None,
            error_message: None,
            metadata: "{}".into(),
            command_line: vec!["quintet".into()],
        };
        Listed { row, interrupted }
    }

    fn runs() -> [Listed; 3] {
        [
            listed("20261120-120000-aaaa", StoredState::Running, None, false),
            listed("20261120-120000-bbbb", StoredState::Running, None, true),
            listed(
                "20261120-120000-cccc",
                StoredState::Failed,
                Some(NOON + 1_234),
                false,
            ),
        ]
    }

    /// P28.
    #[test]
    fn p28_the_table() {
        let shown = testing::written(|out| table(&runs(), NOON + 65_000, &TimeZone::UTC, out));
        insta::assert_snapshot!(shown, @r###"
        RUN                   STATE        PLAN            STARTED              TOOK
        20261120-120000-aaaa  running      Merge\u{1b}[2J  2026-11-20 12:00:00  1m05s
        20261120-120000-bbbb  interrupted  Merge\u{1b}[2J  2026-11-20 12:00:00
        20261120-120000-cccc  failed       Merge\u{1b}[2J  2026-11-20 12:00:00  1.2s
        "###);
    }

    /// P23.
    #[test]
    fn p23_times_in_json_are_rfc_3339() {
        let json = json(&runs(), NOON + 65_000);
        assert_eq!(json[0]["duration_ms"], 65_000);
        assert_eq!(json[1]["interrupted"], true);
        assert_eq!(json[1]["duration_ms"], Value::Null);
        assert_eq!(json[2]["ended_at"], "2026-11-20T12:00:01.234Z");
    }
}
