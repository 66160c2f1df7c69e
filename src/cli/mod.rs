//! The command line: one verb, one file.
//!
//! A verb's file holds its arguments with their help, and the function that
//! does it. Adding one is that file, a line in [`Verb`] and a line in [`Verb::run`].
//! What several verbs share stands beside them: where the state is (`global`),
//! how a target becomes a plan (`target`), who watches a run (`audience`), how
//! errors become words and exit codes (`error`).

mod audience;
mod cancel;
mod error;
mod global;
mod plan;
mod resume;
mod run;
mod target;
mod validate;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use error::Failure;
use global::Global;

/// Run the work you already have written down
///
/// quintet runs plans of steps: in the right order, as parallel as they may be, with
/// retries, timeouts, locks and rollback. Every event is recorded; a run that was
/// killed is resumed where it was, and can say why anything in it happened.
#[derive(Debug, Parser)]
#[command(name = "quintet", version, after_help = AFTER_HELP, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

const AFTER_HELP: &str = "\
A target by itself is run: `quintet plan.json` is `quintet run plan.json`.

Exit codes: 0 succeeded · 1 a run failed · 2 bad usage or definition, nothing ran · \
3 quarantined, a person is needed · 74 the store cannot be read or written · \
75 another run holds the lock · 124 the run's deadline passed · 130, 143 interrupted";

#[derive(Debug, Subcommand)]
enum Verb {
    Run(run::Args),
    Plan(plan::Args),
    Validate(validate::Args),
    Resume(resume::Args),
    Cancel(cancel::Args),
}

impl Verb {
    fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        match self {
            Verb::Run(args) => run::run(args, global),
            Verb::Plan(args) => plan::run(args, global),
            Verb::Validate(args) => validate::run(args, global),
            Verb::Resume(args) => resume::run(args, global),
            Verb::Cancel(args) => cancel::run(args, global),
        }
    }
}

/// The whole program, with its arguments given.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = with_verb(args.into_iter().collect());
    let parsed = Cli::command()
        .try_get_matches_from(args)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(usage) => {
            // Help and version are no errors and go to stdout, with code 0.
            let code = usage.exit_code() as u8;
            let _ = usage.print();
            return ExitCode::from(code);
        }
    };
    cli.global.choose_colours();
    match cli.verb.run(&cli.global) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

/// A target by itself is to be run: puts `run` before a first argument that is
/// no verb and names something that exists.
fn with_verb(mut args: Vec<OsString>) -> Vec<OsString> {
    let Some(first) = args.get(1) else {
        return args;
    };
    let is_verb = first
        .to_str()
        .is_some_and(|word| Cli::command().find_subcommand(word).is_some());
    let is_option = first.as_encoded_bytes().starts_with(b"-");
    if !is_verb && !is_option && Path::new(first).exists() {
        args.insert(1, "run".into());
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_of_verbs_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_target_by_itself_is_run() {
        let args = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let here = env!("CARGO_MANIFEST_DIR");
        assert_eq!(
            with_verb(args(&["q", here, "--var"])),
            args(&["q", "run", here, "--var"])
        );
        assert_eq!(
            with_verb(args(&["q", "validate", here])),
            args(&["q", "validate", here])
        );
        assert_eq!(
            with_verb(args(&["q", "no-such-thing"])),
            args(&["q", "no-such-thing"])
        );
    }
}
