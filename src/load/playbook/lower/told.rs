//! What people are told of the whole run.

use crate::plan::build::quoted;
use crate::plan::problem::Problem;
use crate::plan::{Level, Moment, Notice};

use super::super::book::{self, Playbook, Said};
use super::super::scope::Scope;
use super::{Making, known};

/// Where notices go.
const CHANNELS: [&str; 4] = ["console", "log", "file", "terminal"];

impl Making<'_, '_> {
    /// A38: notices with their templates filled. Channels that nobody serves are
    /// told once.
    pub(super) fn notices(&mut self, book: &Playbook, scope: &Scope) -> Vec<Notice> {
        let channels = book.notices.iter().flat_map(|notice| &notice.channels);
        let unknown = |said: &&Said<String>| {
            let name = said.value.to_ascii_lowercase();
            !CHANNELS.contains(&&*name)
        };
        let unknown: Vec<&Said<String>> = channels.filter(unknown).collect();
        if let Some(first) = unknown.first() {
            let mut names: Vec<&str> = unknown.iter().map(|said| &*said.value).collect();
            names.sort_unstable();
            names.dedup();
            let message = format!("nothing is sent to {}", names.join(", "));
            let problem = Problem::warning(message).at(first.at, "");
            let problem = problem.help("notices go to the terminal and into the record");
            self.findings.problems.push(problem);
        }
        let notices = book.notices.iter();
        notices
            .filter_map(|notice| self.notice(notice, scope))
            .collect()
    }

    fn notice(&mut self, notice: &book::Notice, scope: &Scope) -> Option<Notice> {
        let message = known(scope.fill_text(&notice.message, self.findings));
        let Some(message) = message else {
            self.refuse(
                "a notice cannot hold what a step puts out",
                notice.message.at,
            );
            return None;
        };
        Some(Notice {
            on: notice.on,
            level: self.level(notice, scope),
            message: message.into(),
        })
    }

    fn level(&mut self, notice: &book::Notice, scope: &Scope) -> Level {
        let usual = match notice.on {
            Moment::Start => Level::Info,
            Moment::Success => Level::Success,
            Moment::Warning => Level::Warning,
            Moment::Failure => Level::Error,
        };
        let Some(said) = &notice.level else {
            return usual;
        };
        let level = scope.plain(said, self.findings);
        match level.to_ascii_lowercase().as_str() {
            "information" | "info" | "debug" | "verbose" => Level::Info,
            "success" => Level::Success,
            "warning" | "warn" => Level::Warning,
            "error" | "critical" => Level::Error,
            _ => {
                let message = format!("there is no level {}", quoted(&level));
                let problem = Problem::warning(message).at(said.at, "");
                let help = "Information, Success, Warning or Error";
                self.findings.problems.push(problem.help(help));
                usual
            }
        }
    }
}
