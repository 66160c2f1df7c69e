//! The command line: one verb, one file.
//!
//! A verb's file holds its arguments with their help, and the function that
//! does it. Adding one is that file and its line in the table of [`verbs!`].
//! What several verbs share stands beside them: where the state is (`global`),
//! how a target becomes a plan (`target`), or a sequence does (`folder`, `values`,
//! `playbook`, `powershell`), which jobs and tasks are configured (`config`, `task`), what is
//! kept of them beside the store (`kept`, `records`, `journal`), how a run begins (`begin`), by which plan it goes on (`replan`),
//! and at which boot (`boot`), which run is meant where none is named (`waiting`),
//! who watches a run (`audience`, `echo`), what is done once it has ended (`after`), where its
//! spans go (`otlp`), how a recorded run is found and followed (`recorded`, `follow`), where results go
//! (`output`), what is listed of a plan (`listing`), how errors become words and
//! exit codes (`error`).

mod after;
mod agent;
mod agent_step;
mod approve;
mod args;
mod audience;
mod begin;
mod boot;
mod build;
mod cache;
mod cancel;
mod check;
mod completions;
mod config;
mod digest;
mod doc;
mod echo;
mod error;
mod events;
mod folder;
mod follow;
mod freshness;
mod git;
mod global;
mod graph;
mod hash;
mod history;
mod job_status;
mod journal;
mod kept;
mod list;
mod listing;
mod log_file;
mod logs;
mod metrics;
mod notify;
mod orchestration;
mod orchestration_record;
mod orchestration_run;
mod otlp;
mod output;
mod plan;
mod plan_task;
mod playbook;
mod powershell;
mod prune;
mod recorded;
mod records;
mod replan;
mod report;
mod resume;
mod run;
mod runs;
mod seq;
mod show;
mod status;
mod target;
mod task;
mod trace;
mod validate;
mod values;
mod waiting;
mod why;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand};

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

Exit codes:
    0  succeeded; failures that the plan tolerates are warnings
    1  a run failed
    2  bad usage or definition; nothing ran
    3  a person is needed: the run is quarantined, or waits for a restart
   74  the store, or what it keeps, cannot be read or written
   75  another run holds the lock, or another process drives the run
  124  the run's deadline passed
  130  canceled or interrupted
  143  terminated";

/// Makes the table of verbs from its lines: a name and its file's module.
///
/// Each verb describes itself when it is its turn. What clap would derive for all
/// of them is one function with everything any of them needs on the stack at once,
/// and that is not much where it is limited.
macro_rules! verbs {
    ($($verb:ident => $module:ident,)*) => {
        #[derive(Debug)]
        enum Verb {
            $($verb($module::Args),)*
        }

        /// Each verb's name, and what adds its options and its help.
        const VERBS: &[(&str, fn(Command) -> Command)] =
            &[$((stringify!($module), <$module::Args as Args>::augment_args),)*];

        impl Verb {
            fn run(self, global: &Global) -> Result<ExitCode, Failure> {
                match self {
                    $(Verb::$verb(args) => $module::run(args, global),)*
                }
            }
        }

        impl FromArgMatches for Verb {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                let (name, matches) = matches.subcommand().unwrap_or(("", matches));
                match name {
                    $(stringify!($module) => {
                        FromArgMatches::from_arg_matches(matches).map(Verb::$verb)
                    })*
                    _ => Err(clap::Error::new(ErrorKind::MissingSubcommand)),
                }
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                *self = Verb::from_arg_matches(matches)?;
                Ok(())
            }
        }
    };
}

impl Subcommand for Verb {
    fn augment_subcommands(command: Command) -> Command {
        let verbs = VERBS.iter();
        command.subcommands(verbs.map(|(name, describe)| describe(Command::new(*name))))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Verb::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        VERBS.iter().any(|(known, _)| *known == name)
    }
}

// In the order in which help lists them.
verbs! {
    Run => run,
    Seq => seq,
    Check => check,
    Plan => plan,
    Validate => validate,
    Resume => resume,
    Cancel => cancel,
    Approve => approve,
    Runs => runs,
    Status => status,
    Logs => logs,
    Events => events,
    Why => why,
    Report => report,
    Metrics => metrics,
    Trace => trace,
    Graph => graph,
    List => list,
    Show => show,
    Hash => hash,
    History => history,
    Build => build,
    Doc => doc,
    Git => git,
    Agent => agent,
    Orchestration => orchestration,
    Cache => cache,
    Prune => prune,
    Completions => completions,
}

/// The whole program, with its arguments given.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = Cli::command();
    let is_verb = |word: &str| command.find_subcommand(word).is_some();
    // A plan file that is not there is told as such, not as an unknown verb.
    let exists = |path: &OsStr| {
        let extension = Path::new(path).extension().and_then(OsStr::to_str);
        Path::new(path).exists() || matches!(extension, Some("json" | "toml" | "yaml" | "yml"))
    };
    let args = powershell::rewritten(args.into_iter().collect());
    let args = args::with_default_verb(args, &is_verb, &exists);
    let parsed = command
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_of_verbs_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_begins_its_help_with_an_imperative_and_shows_examples_that_parse() {
        for verb in Cli::command().get_subcommands_mut() {
            let name = verb.get_name().to_owned();
            let about = verb
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(about.starts_with(char::is_uppercase), "{name}: {about:?}");
            assert!(!about.ends_with('.'), "{name}: {about:?}");
            let help = verb.render_long_help().to_string();
            let examples = help
                .split_once("Examples:")
                .map_or("", |(_, examples)| examples);
            let lines = examples
                .lines()
                .filter_map(|line| line.trim().strip_prefix("$ "));
            for line in lines {
                let line = line.split(['|', '>']).next().unwrap_or(line);
                let parsed = Cli::command().try_get_matches_from(line.split_whitespace());
                assert!(parsed.is_ok(), "{line}: {parsed:?}");
            }
        }
    }

    #[test]
    fn help_lists_the_exit_code_of_every_failure() {
        use error::Kind;
        for kind in [
            Kind::Usage,
            Kind::Run,
            Kind::Quarantined,
            Kind::Store,
            Kind::Busy,
        ] {
            let code = format!("\n{:>5}  ", kind.exit_code());
            assert!(AFTER_HELP.contains(&code), "{kind:?}");
        }
    }
}
