//! The command line: one verb, one file.
//!
//! A verb's file holds its arguments with their help, and the function that
//! does it. Adding one is that file and its line in the table [`VERBS`].
//! What several verbs share stands beside them: where the state is (`global`),
//! how a target becomes a plan (`target`), or a sequence does (`folder`, `values`,
//! `playbook`, `powershell`), which jobs and tasks are configured (`config`, `task`), what
//! is kept of them beside the store (`kept`, `records`, `journal`), how a run begins (`begin`), by which plan it goes on (`replan`),
//! and at which boot (`boot`), which run is meant where none is named (`waiting`),
//! who watches a run (`audience`, `echo`), what is done once it has ended (`after`), where its
//! spans go (`otlp`), how a recorded run is followed (`follow`), where results go
//! (`output`), what is listed of a plan (`listing`), how errors become words and
//! exit codes (`error`).

mod after;
mod agent;
mod agent_step;
mod approve;
mod args;
mod attempt;
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
mod doctor;
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
mod mcp;
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
mod previews;
mod prune;
mod records;
mod replan;
mod report;
mod resume;
mod run;
mod runs;
mod seq;
mod serve;
mod show;
mod status;
mod target;
mod task;
mod top;
mod trace;
mod validate;
mod values;
mod waiting;
mod why;
mod worktrees;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::{ArgMatches, Command, CommandFactory, FromArgMatches, Parser};

use error::Failure;
use global::Global;

/// Run the work you already have written down
///
/// quintet runs plans of steps: in the right order, as parallel as they may be, with
/// retries, timeouts, locks and rollback. Every event is recorded; a run that was
/// killed is resumed where it was, and can say why anything in it happened.
#[derive(Debug, Parser)]
#[command(name = "quintet", version, after_help = AFTER_HELP, disable_help_subcommand = true,
    subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
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

/// A verb, in the words of its file.
struct Verb {
    name: &'static str,
    /// Adds its help and its arguments.
    ///
    /// One function for each verb, where deriving would make one for all of them:
    /// that keeps every verb's description on the stack at once in a build for
    /// debugging, a quarter of a MiB and more with each verb.
    describe: fn(Command) -> Command,
    /// Makes its arguments of what was parsed.
    read: fn(&ArgMatches) -> Result<Deed, clap::Error>,
}

impl Verb {
    fn described(&self) -> Command {
        (self.describe)(Command::new(self.name))
    }
}

/// A verb with its arguments, to be done.
type Deed = Box<dyn FnOnce(&Global) -> Result<ExitCode, Failure>>;

/// Makes the table of verbs from its lines: a verb and its file have one name.
macro_rules! verbs {
    ($($verb:ident,)*) => {
        static VERBS: &[Verb] = &[
            $(Verb {
                name: stringify!($verb),
                describe: <$verb::Args as clap::Args>::augment_args,
                read: |matches| {
                    let args = $verb::Args::from_arg_matches(matches)?;
                    Ok(Box::new(move |global| $verb::run(args, global)))
                },
            },)*
        ];
    };
}

// In the order in which help lists them.
verbs! {
    run,
    seq,
    check,
    plan,
    validate,
    resume,
    cancel,
    approve,
    runs,
    status,
    logs,
    events,
    why,
    report,
    metrics,
    trace,
    graph,
    list,
    show,
    hash,
    history,
    build,
    doc,
    git,
    agent,
    orchestration,
    serve,
    top,
    cache,
    prune,
    doctor,
    mcp,
    attempt,
    completions,
}

/// The command line as clap knows it.
fn command() -> Command {
    Cli::command().subcommands(VERBS.iter().map(Verb::described))
}

/// The same for a command line that names a verb: what is said of the others would
/// cost each run time, and each supervisor the memory that it is forked with.
fn command_of(verb: Option<&Verb>) -> Command {
    match verb {
        Some(verb) => Cli::command().subcommand(verb.described()),
        None => command(),
    }
}

/// What the arguments ask for.
fn parse(command: Command, args: Vec<OsString>) -> Result<(Global, Deed), clap::Error> {
    let matches = command.try_get_matches_from(args)?;
    let Cli { global } = Cli::from_arg_matches(&matches)?;
    let (name, arguments) = matches.subcommand().expect("a verb is required");
    let verb = VERBS.iter().find(|verb| verb.name == name);
    let deed = (verb.expect("clap knows the table's verbs only").read)(arguments)?;
    Ok((global, deed))
}

/// The whole program, with its arguments given.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let verb = |word: &str| VERBS.iter().find(|verb| verb.name == word);
    let is_verb = |word: &str| verb(word).is_some() || word == powershell::COMMAND;
    // A plan file that is not there is told as such, not as an unknown verb.
    let exists = |path: &OsStr| {
        let extension = Path::new(path).extension().and_then(OsStr::to_str);
        Path::new(path).exists() || matches!(extension, Some("json" | "toml" | "yaml" | "yml"))
    };
    let args = powershell::rewritten(args.into_iter().collect());
    let args = args::with_default_verb(args, &is_verb, &exists);
    let named = args::first_word(&args).and_then(|at| verb(args[at].to_str()?));
    let (global, deed) = match parse(command_of(named), args) {
        Ok(asked) => asked,
        Err(usage) => {
            // Help and version are no errors and go to stdout, with code 0.
            let code = usage.exit_code() as u8;
            let _ = usage.print();
            return ExitCode::from(code);
        }
    };
    global.choose_colours();
    match deed(&global) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_of_verbs_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_verb_begins_its_help_with_an_imperative_and_shows_examples_that_parse() {
        for verb in command().get_subcommands_mut() {
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
                let parsed = command().try_get_matches_from(line.split_whitespace());
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
