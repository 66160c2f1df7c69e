//! `quintet seq`: numbered scripts, by the sequence language.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use super::begin::{self, Begun};
use super::error::{Failure, Kind};
use super::global::Global;
use super::target::{self, Ready};
use super::{folder, freshness, listing, plan, playbook, values};
use crate::engine::Clock;
use crate::exec::process::Zygote;
use crate::load::playbook::save::Saved;
use crate::load::scripts::{self, Manner, Options};
use crate::load::{self, Refusal, Request};
use crate::run::record::rfc3339;

/// Run numbered scripts: NNNN_Name.*
///
/// A sequence is numbers, ranges, prefixes, stages and tags: 0001,
/// 0000-0099, 02*, stage:Core, tag:net; `!0050` leaves out, wherever it stands.
/// Scripts run in ascending order, four at a time, each after what its header
/// says that it depends on.
///
/// Where a shell makes something of `!` or `*`, write ^0050 and 02xx. Every flag may
/// also be written as PowerShell has it: -MaxConcurrency 4, -DryRun.
#[derive(Debug, clap::Args)]
#[command(alias = super::powershell::COMMAND, after_help = "\
Examples:
  $ quintet seq 0000-0099,!0050,stage:Core
  $ quintet seq 0000-0099 --dry-run
  $ quintet seq tag:net --sequential --continue-on-error
  $ quintet seq --profile Developer --config config.json
  $ quintet seq 0001,0207 --save-playbook my-setup
  $ quintet seq --load-playbook my-setup
  $ quintet seq --load-playbook my-setup --playbook-profile quick
  $ quintet seq 0000-0299 --variables {\"Environment\":\"Lab\"} --pass-thru

Environment: QUINTET_SEQUENCE and QUINTET_PROFILE (or AITHERZERO_...) are used where
nothing is selected.")]
pub struct Args {
    /// Which scripts; several sequences add up
    #[arg(value_name = "SEQUENCE")]
    sequence: Vec<String>,

    #[command(flatten)]
    folder: folder::Args,

    /// Take the scripts, and the variables, of this profile of the configuration
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,

    #[command(flatten)]
    playbook: playbook::Args,

    #[command(flatten)]
    values: values::Args,

    /// Run several at once, or not (`--parallel=false`)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    parallel: Option<bool>,

    /// Run one after another, in ascending order
    #[arg(long, conflicts_with_all = ["parallel", "max_concurrency"])]
    sequential: bool,

    /// Go on when a script fails; what depends on it is skipped
    #[arg(long)]
    continue_on_error: bool,

    /// Tell the scripts that nobody can be asked
    ///
    /// They never can: their standard input is empty. This sets
    /// AITHERZERO_NONINTERACTIVE=true, as does a standard input that is no terminal.
    #[arg(long)]
    non_interactive: bool,

    /// Take along what the selected scripts depend on
    #[arg(long)]
    with_deps: bool,

    /// Accept numbers and names that no script has
    #[arg(long)]
    allow_missing: bool,

    /// Treat warnings as errors, and tolerated failures as failures
    #[arg(long)]
    strict: bool,

    /// Show what would happen, and run nothing
    #[arg(long, short = 'n')]
    dry_run: bool,

    #[command(flatten)]
    listing: listing::Args,

    #[command(flatten)]
    anew: freshness::Args,

    #[command(flatten)]
    begin: begin::Args,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    if let Some(name) = &args.playbook.save {
        return args.save(name);
    }
    if args.dry_run || args.listing.is_wanted() {
        return args.look(global);
    }
    // First of all, while this process is small and has one thread: what exists
    // now exists in every supervisor.
    let zygote = Zygote::fork().map_err(|error| Failure::new(Kind::Run, error))?;
    let ready = args.ready(global, false)?.for_running()?;
    let begun = Begun {
        zygote,
        plan: ready.plan,
        secrets: ready.secrets,
        strict: args.strict,
    };
    begin::begin(begun, &args.begin, global)
}

impl Args {
    /// What runs nothing.
    fn look(&self, global: &Global) -> Result<ExitCode, Failure> {
        let json = self.begin.json;
        let ready = self.ready(global, json)?;
        match self.listing.is_wanted() {
            true => self.listing.show(&ready.plan, json)?,
            false => plan::show(&ready.for_looking(global, json).plan, global, json),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn ready(&self, global: &Global, json: bool) -> Result<Ready, Failure> {
        let request = Request {
            strict: self.strict,
            ..target::request()?
        };
        let dir = self.folder.scripts()?;
        let loaded = match &self.playbook.load {
            Some(name) => self.load(name, &dir, &request)?,
            None => scripts::load_with(&dir, &self.options()?, &request),
        };
        let mut ready = target::loaded(loaded, |_| Ok(()), global, json)?;
        self.anew.apply(&mut ready.plan);
        Ok(ready)
    }

    /// Loads a playbook.
    fn load(
        &self,
        name: &str,
        dir: &Path,
        request: &Request,
    ) -> Result<Result<load::Loaded, Refusal>, Failure> {
        let folder = match scripts::open(dir, self.folder.config.as_deref(), request) {
            Ok(folder) => folder,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let books = self.playbook.folder(dir, &folder.config);
        let path = match self.playbook.find(name, &books) {
            Ok(path) => path,
            Err(problem) => {
                return Ok(Err(Refusal {
                    problems: vec![problem],
                    sources: folder.sources,
                }));
            }
        };
        let options = load::playbook::Options {
            profile: self.playbook.playbook_profile.clone(),
            variables: self.values.variables()?,
            conditions: self.values.conditions()?,
            manner: self.manner(),
            allow_missing: self.allow_missing,
        };
        Ok(load::playbook::load(
            folder, &path, &books, &options, request,
        ))
    }

    /// Saves the sequence as a playbook, once it is known to select something.
    fn save(&self, name: &str) -> Result<ExitCode, Failure> {
        let request = target::request()?;
        let dir = self.folder.scripts()?;
        let options = self.options()?;
        if let Err(refusal) = scripts::load_with(&dir, &options, &request) {
            target::say(&refusal.problems, &refusal.sources, false);
            return Err(Failure::told(Kind::Usage));
        }
        let folder = scripts::open(&dir, self.folder.config.as_deref(), &request);
        let config = folder.map(|folder| folder.config).unwrap_or_default();
        let saved = Saved {
            name,
            description: None,
            sequence: &options.terms,
            variables: &options.variables,
            profile: options.profile.as_deref(),
            created: &rfc3339(Clock::start().now()).to_string(),
        };
        let path = self
            .playbook
            .write(&saved, &self.playbook.folder(&dir, &config))?;
        let _ = writeln!(anstream::stdout(), "saved {}", path.display());
        Ok(ExitCode::SUCCESS)
    }

    fn manner(&self) -> Manner {
        let parallel = match self.sequential {
            true => Some(false),
            false => self.parallel,
        };
        Manner {
            max_concurrency: self.begin.max_concurrency,
            parallel,
            continue_on_error: self.continue_on_error.then_some(true),
            non_interactive: self.non_interactive || !std::io::stdin().is_terminal(),
        }
    }

    fn options(&self) -> Result<Options, Failure> {
        let (terms, profile) = self.what()?;
        Ok(Options {
            config: self.folder.config.clone(),
            terms,
            profile,
            variables: self.values.variables()?,
            conditions: self.values.conditions()?,
            manner: self.manner(),
            with_deps: self.with_deps,
            allow_missing: self.allow_missing,
        })
    }

    /// The terms and the profile: those that are given, else the environment's.
    /// Where only something is to be looked at, all scripts are meant.
    fn what(&self) -> Result<(Vec<String>, Option<String>), Failure> {
        let given = (self.sequence.clone(), self.profile.clone());
        if !given.0.is_empty() || given.1.is_some() || self.listing.is_wanted() {
            return Ok(given);
        }
        let said = |name: &str| {
            PREFIXES
                .iter()
                .find_map(|prefix| folder::said(&format!("{prefix}_{name}")))
        };
        match (said("SEQUENCE"), said("PROFILE")) {
            (None, None) => Err(Failure::new(Kind::Usage, "which scripts?").hint(
                "give a sequence such as 0000-0099 or stage:Core, a --profile, or `*` for all",
            )),
            (sequence, profile) => Ok((sequence.into_iter().collect(), profile)),
        }
    }
}

/// Whose environment variables are asked.
const PREFIXES: [&str; 2] = ["QUINTET", "AITHERZERO"];
