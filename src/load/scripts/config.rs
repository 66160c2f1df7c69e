//! The configuration file of a folder of scripts: profiles, what holds for a
//! range of numbers, and how many at once.
//!
//! Such a file has many sections that are no business of ours, and they are
//! passed over. What we read stands under `Automation` or at the top, and its
//! names are read in any case of letters, as the systems that write these files
//! read them. It is one more document: JSON, TOML, YAML, or PowerShell data.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::load::document::{Entry, Kind, Node};
use crate::plan::problem::{Problem, Span};
use crate::plan::{Scope, Verdict};

/// What a configuration says.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Where the scripts are, and where playbooks are.
    pub scripts: Option<String>,
    pub playbooks: Option<String>,
    pub max_concurrency: Option<NonZeroU32>,
    pub parallel: Option<bool>,
    /// What holds for every script.
    pub all: Defaults,
    /// What holds for some, in the order of the file. Of several the last counts.
    pub ranges: Vec<(RangeInclusive<u16>, Defaults)>,
    pub profiles: BTreeMap<String, Profile>,
    /// Where its profiles are written.
    pub at: Option<Span>,
}

/// How scripts are run where they do not say it themselves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Defaults {
    pub timeout: Option<Duration>,
    pub retries: Option<u32>,
    pub retry_delay: Option<Duration>,
    pub continue_on_error: Option<bool>,
    pub stage: Option<String>,
    /// Whether they may run beside one another.
    pub parallel: Option<bool>,
    pub exit_codes: BTreeMap<i32, Verdict>,
}

/// A named selection, with what goes with it.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    pub description: String,
    /// Terms of the selection language.
    pub scripts: Vec<String>,
    pub variables: Scope,
    pub max_concurrency: Option<NonZeroU32>,
    pub continue_on_error: Option<bool>,
    pub parallel: Option<bool>,
}

impl Defaults {
    /// These, and where they say nothing, `under`.
    pub fn over(mut self, under: &Defaults) -> Defaults {
        let codes = std::mem::take(&mut self.exit_codes);
        let mut exit_codes = under.exit_codes.clone();
        exit_codes.extend(codes);
        Defaults {
            timeout: self.timeout.or(under.timeout),
            retries: self.retries.or(under.retries),
            retry_delay: self.retry_delay.or(under.retry_delay),
            continue_on_error: self.continue_on_error.or(under.continue_on_error),
            stage: self.stage.or_else(|| under.stage.clone()),
            parallel: self.parallel.or(under.parallel),
            exit_codes,
        }
    }
}

impl Config {
    /// What holds for the script of this number.
    pub fn defaults(&self, number: u16) -> Defaults {
        let holds = |(range, _): &&(RangeInclusive<u16>, Defaults)| range.contains(&number);
        let ranges = self.ranges.iter().filter(holds);
        ranges.fold(self.all.clone(), |all, (_, own)| own.clone().over(&all))
    }
}

/// Reads a configuration. What does not fit is reported and counts as left out.
pub fn read(root: Node<'_>, problems: &mut Vec<Problem>) -> Config {
    let mut config = Config::default();
    let mut walk = Walk { problems };
    if root.kind() != Kind::Object {
        walk.refuse("", "expected an object of sections", root.span());
        return config;
    }
    for section in root.entries() {
        if is(&section, &["automation"]) && section.value.kind() == Kind::Object {
            for entry in section.value.entries() {
                walk.setting(&entry, &mut config);
            }
        } else {
            walk.setting(&section, &mut config);
        }
    }
    config
}

fn is(entry: &Entry<'_>, names: &[&str]) -> bool {
    names
        .iter()
        .any(|name| entry.key.eq_ignore_ascii_case(name))
}

struct Walk<'p> {
    problems: &'p mut Vec<Problem>,
}

impl Walk<'_> {
    fn setting(&mut self, entry: &Entry<'_>, config: &mut Config) {
        let Entry { key, value, .. } = entry;
        match key.to_ascii_lowercase().as_str() {
            "scriptspath" => config.scripts = self.text(key, *value),
            "playbookspath" => config.playbooks = self.text(key, *value),
            "maxconcurrency" => config.max_concurrency = self.positive(key, *value),
            "parallelexecution" => config.parallel = self.flag(key, *value),
            "profiles" => {
                config.at = Some(entry.key_span());
                for profile in value.entries() {
                    let read = self.profile(&profile);
                    config.profiles.insert(profile.key.into_owned(), read);
                }
            }
            "scriptrangedefaults" => {
                for range in value.entries() {
                    if let Some(numbers) = self.range(&range) {
                        let mut defaults = Defaults::default();
                        for entry in range.value.entries() {
                            self.default(&entry, &mut defaults, true);
                        }
                        config.ranges.push((numbers, defaults));
                    }
                }
            }
            _ => self.default(entry, &mut config.all, false),
        }
    }

    /// `closed`: nothing but these names has a place here.
    fn default(&mut self, entry: &Entry<'_>, defaults: &mut Defaults, closed: bool) {
        let Entry { key, value, .. } = entry;
        match key.to_ascii_lowercase().as_str() {
            "defaulttimeout" | "timeout" => defaults.timeout = self.seconds(key, *value),
            "maxretries" | "retrycount" | "retries" => {
                defaults.retries = self.count(key, *value);
            }
            "retrydelay" => defaults.retry_delay = self.seconds(key, *value),
            "continueonerror" => defaults.continue_on_error = self.flag(key, *value),
            "exitcodes" => self.exit_codes(*value, &mut defaults.exit_codes),
            "stage" | "defaultstage" if closed => defaults.stage = self.text(key, *value),
            "parallel" | "allowparallel" if closed => {
                defaults.parallel = self.flag(key, *value);
            }
            "requireselevation" | "description" => {}
            _ if closed => {
                let message = format!("ScriptRangeDefaults: {key:?} has no effect");
                let problem = Problem::warning(message).at(entry.key_span(), "");
                self.problems.push(problem);
            }
            _ => {}
        }
    }

    fn profile(&mut self, entry: &Entry<'_>) -> Profile {
        let mut profile = Profile::default();
        if entry.value.kind() != Kind::Object {
            let message = "expected an object with Scripts";
            self.refuse(&entry.key, message, entry.value.span());
        }
        for entry in entry.value.entries() {
            let Entry { key, value, .. } = &entry;
            match key.to_ascii_lowercase().as_str() {
                "description" => {
                    profile.description = self.text(key, *value).unwrap_or_default();
                }
                "scripts" | "sequence" => profile.scripts = self.texts(key, *value),
                "variables" => {
                    let named = value.entries();
                    profile.variables = named
                        .map(|entry| (entry.key.into(), entry.value.to_value()))
                        .collect();
                }
                "maxconcurrency" => profile.max_concurrency = self.positive(key, *value),
                "continueonerror" => profile.continue_on_error = self.flag(key, *value),
                "parallel" => profile.parallel = self.flag(key, *value),
                _ => {}
            }
        }
        profile
    }

    fn exit_codes(&mut self, node: Node<'_>, codes: &mut BTreeMap<i32, Verdict>) {
        for entry in node.entries() {
            let word = entry.value.text().unwrap_or_default().to_ascii_lowercase();
            let verdict = match word.as_str() {
                "success" => Some(Verdict::Success),
                "warning" => Some(Verdict::Warning),
                "restart" | "restart_required" | "restartrequired" => {
                    Some(Verdict::RestartRequired)
                }
                "handling" | "needs_handling" | "needshandling" => Some(Verdict::NeedsHandling),
                "failure" | "error" => Some(Verdict::Failure),
                _ => None,
            };
            match (entry.key.trim().parse(), verdict) {
                (Ok(code), Some(verdict)) => {
                    codes.insert(code, verdict);
                }
                (Err(_), _) => self.refuse(&entry.key, "is no exit code", entry.key_span()),
                (_, None) => {
                    let message =
                        "expected success, warning, restart_required, needs_handling or failure";
                    self.refuse(&entry.key, message, entry.value.span());
                }
            }
        }
    }

    /// `0000-0099`, or one number.
    fn range(&mut self, entry: &Entry<'_>) -> Option<RangeInclusive<u16>> {
        let written = entry.key.trim();
        let (first, last) = written.split_once('-').unwrap_or((written, written));
        let number = |text: &str| {
            let text = text.trim();
            let is_one = text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit());
            is_one.then(|| text.parse::<u16>().ok()).flatten()
        };
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Some(first..=last),
            _ => {
                let message = "is no range of numbers such as 0000-0099";
                self.refuse(&entry.key, message, entry.key_span());
                None
            }
        }
    }

    fn refuse(&mut self, key: &str, message: &str, at: Span) {
        let message = match key {
            "" => message.to_owned(),
            key => format!("{key}: {message}"),
        };
        self.problems.push(Problem::error(message).at(at, ""));
    }

    fn wanted<T>(&mut self, key: &str, node: Node<'_>, found: Option<T>, what: &str) -> Option<T> {
        if found.is_none() && !node.is_null() {
            self.refuse(key, &format!("expected {what}"), node.span());
        }
        found
    }

    fn text(&mut self, key: &str, node: Node<'_>) -> Option<String> {
        let text = node.text().map(|text| text.into_owned());
        self.wanted(key, node, text, "a text")
    }

    fn flag(&mut self, key: &str, node: Node<'_>) -> Option<bool> {
        self.wanted(key, node, node.bool(), "true or false")
    }

    fn count(&mut self, key: &str, node: Node<'_>) -> Option<u32> {
        let number = node.number().and_then(|number| number.parse().ok());
        self.wanted(key, node, number, "a whole number")
    }

    fn positive(&mut self, key: &str, node: Node<'_>) -> Option<NonZeroU32> {
        let number = node.number().and_then(|number| number.parse().ok());
        self.wanted(key, node, number, "a whole number from 1")
    }

    fn seconds(&mut self, key: &str, node: Node<'_>) -> Option<Duration> {
        let number = node.number().and_then(|number| number.parse::<f64>().ok());
        let seconds = number.and_then(|number| Duration::try_from_secs_f64(number).ok());
        self.wanted(key, node, seconds, "a number of seconds")
    }

    /// A list of texts, or one text.
    fn texts(&mut self, key: &str, node: Node<'_>) -> Vec<String> {
        if let Some(text) = node.text() {
            return vec![text.into_owned()];
        }
        if node.kind() != Kind::Array {
            self.refuse(key, "expected a list of texts", node.span());
        }
        let items = node.items();
        items.filter_map(|item| self.text(key, item)).collect()
    }
}
