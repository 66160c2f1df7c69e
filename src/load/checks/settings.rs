//! How checks are run: what was given counts first, then what the file says,
//! then the default. Who gives knows flags and the environment; this does not.

use crate::load::document::{Node, Path};
use crate::load::plan_file::header::is;
use crate::load::plan_file::record::Record;
use crate::load::plan_file::walk::count;

use super::Lowering;
use super::fields::{LOG, SETTINGS};

/// Log files that are kept where nobody says how many.
const KEPT: u32 = 20;

/// What is said of a run before the file is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given {
    pub auto_remediate: Option<bool>,
    pub interactive: Option<bool>,
    pub fast: Option<bool>,
    pub skip_tests: Option<bool>,
    pub dry_run: Option<bool>,
    pub log: Option<bool>,
    pub parallel: Option<bool>,
}

/// How the checks of a file are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub auto_remediate: bool,
    /// A person is asked before each remedy.
    pub interactive: bool,
    /// Checks that are fresh are skipped.
    pub fast: bool,
    pub skip_tests: bool,
    pub dry_run: bool,
    /// There is a log file.
    pub log: bool,
    /// So many log files are kept.
    pub keep: u32,
    /// Phases, and the checks of those that say nothing of it, run at once.
    pub parallel: bool,
    /// The phases after one that failed run all the same.
    pub keep_going: bool,
}

impl Lowering<'_, '_, '_> {
    pub(super) fn settings(&mut self, root: &Record<'_>) -> Settings {
        let given = *self.given;
        let said = root.named("settings").map(|node| {
            let path = Path::Field(&Path::Root, "settings");
            self.walk.record(node, &SETTINGS, &path)
        });
        let log = root.named("log").map(|node| {
            let path = Path::Field(&Path::Root, "log");
            self.walk.record(node, &LOG, &path)
        });
        let choose = |given: Option<bool>, name: &str, otherwise: bool| {
            let said = said.as_ref().and_then(|said| said.named(name));
            given.or(said.and_then(Node::bool)).unwrap_or(otherwise)
        };
        Settings {
            auto_remediate: choose(given.auto_remediate, "auto_remediate", true),
            interactive: choose(given.interactive, "interactive", false),
            fast: choose(given.fast, "fast_mode", false),
            skip_tests: choose(given.skip_tests, "skip_tests", false),
            dry_run: choose(given.dry_run, "dry_run", false),
            log: choose(given.log, "log_remediation", true),
            keep: log
                .and_then(|log| log.named("keep").map(count))
                .unwrap_or(KEPT),
            parallel: given
                .parallel
                .unwrap_or_else(|| is(root.named("parallel"), false)),
            keep_going: is(root.named("keep_going"), false),
        }
    }
}
