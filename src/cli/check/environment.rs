//! What environment variables say of how checks are run.
//!
//! A flag counts before them, and they count before what the file says. A value
//! that is neither yes nor no is refused: who set `FAST_MODE=of` meant something.

use crate::cli::error::{Failure, Kind};
use crate::load::checks::Given;

/// All of them, with what they say, for help.
pub const HELP: &str = "\
Examples:
  $ quintet check
  $ quintet check --fast --skip-tests
  $ quintet check python-version
  $ quintet check --dry-run
  $ quintet check --no-remediate --report junit=checks.xml

Environment (0 or 1, true or false, yes or no, on or off; a flag counts before it,
and it before the settings of the file):
  AUTO_REMEDIATE   use remedies (1)
  DRY_RUN          tell what would run, and run nothing (0)
  INTERACTIVE      ask before each remedy (0)
  PERSIST_CONFIG   add these settings to the shell's profile (0)
  FAST_MODE        skip checks that are fresh (0)
  SKIP_TESTS       leave out checks tagged tests or quality (0)
  LOG_REMEDIATION  write a log file (1)";

/// What is said of a run: by flags, or by the environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    pub auto_remediate: Option<bool>,
    pub dry_run: Option<bool>,
    pub interactive: Option<bool>,
    pub persist_config: Option<bool>,
    pub fast: Option<bool>,
    pub skip_tests: Option<bool>,
    pub log: Option<bool>,
}

impl Said {
    /// What the environment says, which is looked up with `env`.
    ///
    /// # Errors
    /// The values that say neither yes nor no, all of them.
    pub fn in_environment(env: impl Fn(&str) -> Option<String>) -> Result<Said, Failure> {
        let mut wrong = Vec::new();
        let mut said = |name: &str| {
            let value = env(name).filter(|value| !value.trim().is_empty())?;
            let read = flag(&value);
            if read.is_none() {
                wrong.push(format!("{name}={value:?} is neither yes nor no"));
            }
            read
        };
        let said = Said {
            auto_remediate: said("AUTO_REMEDIATE"),
            dry_run: said("DRY_RUN"),
            interactive: said("INTERACTIVE"),
            persist_config: said("PERSIST_CONFIG"),
            fast: said("FAST_MODE"),
            skip_tests: said("SKIP_TESTS"),
            log: said("LOG_REMEDIATION"),
        };
        match wrong.is_empty() {
            true => Ok(said),
            false => Err(Failure::new(Kind::Usage, wrong.join("\n       "))
                .hint("write 0 or 1, true or false, yes or no, on or off")),
        }
    }

    /// What this says, and what `after` says where this says nothing.
    pub fn or(self, after: Said) -> Said {
        Said {
            auto_remediate: self.auto_remediate.or(after.auto_remediate),
            dry_run: self.dry_run.or(after.dry_run),
            interactive: self.interactive.or(after.interactive),
            persist_config: self.persist_config.or(after.persist_config),
            fast: self.fast.or(after.fast),
            skip_tests: self.skip_tests.or(after.skip_tests),
            log: self.log.or(after.log),
        }
    }

    /// As the loader is given it.
    pub fn given(self, parallel: Option<bool>) -> Given {
        Given {
            auto_remediate: self.auto_remediate,
            interactive: self.interactive,
            fast: self.fast,
            skip_tests: self.skip_tests,
            dry_run: self.dry_run,
            log: self.log,
            parallel,
        }
    }
}

fn flag(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(vars: &[(&str, &str)]) -> Result<Said, Failure> {
        Said::in_environment(|name| {
            let found = vars.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    /// E14.
    #[test]
    fn e14_every_variable_says_yes_or_no_in_any_of_the_usual_words() {
        for (yes, no) in [
            ("1", "0"),
            ("true", "False"),
            ("YES", "no"),
            ("on", " off "),
        ] {
            let said = of(&[
                ("AUTO_REMEDIATE", no),
                ("DRY_RUN", yes),
                ("INTERACTIVE", no),
                ("PERSIST_CONFIG", yes),
                ("FAST_MODE", yes),
                ("SKIP_TESTS", no),
                ("LOG_REMEDIATION", ""),
            ]);
            let expected = Said {
                auto_remediate: Some(false),
                dry_run: Some(true),
                interactive: Some(false),
                persist_config: Some(true),
                fast: Some(true),
                skip_tests: Some(false),
                log: None,
            };
            assert_eq!(said.ok(), Some(expected));
        }
    }

    /// E14.
    #[test]
    fn e14_what_is_neither_yes_nor_no_is_refused_all_at_once() {
        let failure = of(&[("FAST_MODE", "of"), ("SKIP_TESTS", "2")]).unwrap_err();
        assert_eq!(failure.kind, Kind::Usage);
        assert!(failure.message.contains("FAST_MODE=\"of\""), "{failure:?}");
        assert!(failure.message.contains("SKIP_TESTS=\"2\""), "{failure:?}");
    }

    /// E14.
    #[test]
    fn e14_a_flag_counts_before_the_environment() {
        let flag = Said {
            fast: Some(false),
            ..Said::default()
        };
        let env = of(&[("FAST_MODE", "1"), ("SKIP_TESTS", "1")]).unwrap();
        let both = flag.or(env);
        assert_eq!((both.fast, both.skip_tests), (Some(false), Some(true)));
    }
}
