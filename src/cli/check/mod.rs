//! `quintet check`: a project's checks, by its file of checks.
//!
//! A check is a run like any other, so it is begun as all are (`begin`). What is
//! special about it stands here: how it is to be run (`environment`, with the
//! flags), where what is kept of a project lies (`places`), its log files
//! (`logs`), what is remembered of it as a file (`remembered`), who watches it
//! (`watch`), and the settings that a shell's profile keeps (`persist`).

mod environment;
mod logs;
mod persist;
mod places;
mod remembered;
mod watch;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::begin::{self, Begun};
use super::error::{Failure, Kind};
use super::global::Global;
use super::target::{self, Ready};
use super::{freshness, output, plan};
use crate::exec::process::Zygote;
use crate::load::Request;
use crate::load::checks::{self, DISK, Settings, TESTS};
use crate::plan::graph::Graph;
use crate::plan::select::{self, Range, Selection};
use crate::plan::{Plan, Step};
use crate::view::checks::dry;
use crate::view::checks::summary::Places;
use environment::Said;
use watch::Watch;

/// Run a project's checks, and remedy what fails
///
/// The checks are those of checks.toml (or .yaml, .json, or in .quintet/) in this
/// folder or the nearest one around it. Without flags everything is checked, and what
/// passes is fresh for as long as its file says; with --fast what is fresh is skipped.
/// Two runs of one project never overlap: the second waits, and exits with 75 where
/// that takes too long.
#[derive(Debug, clap::Args)]
#[command(after_help = environment::HELP)]
pub struct Args {
    /// Which checks: names, ids, or anything that selects steps; all without any
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// The file of checks
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Skip checks that are fresh, and those that are for full runs only
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    fast: Option<bool>,

    /// Leave out checks tagged tests or quality
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    skip_tests: Option<bool>,

    /// Use remedies, which is the default
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    remediate: Option<bool>,

    /// Use no remedies
    #[arg(long, conflicts_with = "remediate")]
    no_remediate: bool,

    /// Ask before each remedy; no is the default, and the answer where nobody can be asked
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    interactive: Option<bool>,

    /// Add the settings that are given here to the shell's profile
    ///
    /// Only those that are not the default, each once. The lines are shown first, and
    /// the profile as it was is kept beside it.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    persist_config: Option<bool>,

    /// Write no log file
    #[arg(long)]
    no_log: bool,

    /// Show what would be run and remedied, and run nothing
    #[arg(long, short = 'n', value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    dry_run: Option<bool>,

    /// Run phases at once, and the checks of those that say nothing of it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    parallel: Option<bool>,

    /// Give a variable its value; may be repeated
    ///
    /// Without a value it is taken from the environment, which is the way to give a secret.
    #[arg(long = "var", value_name = "NAME[=VALUE]")]
    vars: Vec<String>,

    /// Treat warnings as errors, and failures that only warn as failures
    #[arg(long)]
    strict: bool,

    /// Show where state, log files and lock of the project are, and run nothing
    #[arg(long = "where")]
    place: bool,

    #[command(flatten)]
    begin: begin::Args,
}

/// A file of checks that has been read, and how it is run.
struct Loaded {
    ready: Ready,
    settings: Settings,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let said = args.said()?;
    if args.place || said.dry_run == Some(true) {
        let loaded = args.load(&said, global)?;
        return args.look(loaded, global);
    }
    // First of all, while this process is small and has one thread: what exists
    // now exists in every supervisor.
    let zygote = Zygote::fork().map_err(|error| Failure::new(Kind::Run, error))?;
    let loaded = args.load(&said, global)?;
    if loaded.settings.dry_run {
        return args.look(loaded, global);
    }
    if said.persist_config == Some(true) {
        persist::persist(&said, loaded.settings.interactive, global);
    }
    let Loaded { ready, settings } = loaded;
    let ready = ready.for_running()?;
    let state = global.state()?;
    let mut places = places::of(state.root(), &ready.plan);
    places::make(&state, &places)?;
    let mut log = logs::begin(&places, &settings, global);
    places.log = log.path();
    log.open_with(&ready.plan, &settings, &places);
    remembered::before(&state, &ready.plan, &places, &mut log, global);
    let manner = args.begin.manner(global);
    let secrets = ready.secrets.clone();
    let mut watch = Watch::new(manner, state.clone(), log, places, &settings, secrets);
    let begun = Begun {
        zygote,
        plan: ready.plan,
        secrets: ready.secrets,
        strict: args.strict,
    };
    let ended = begin::watched(
        begun,
        &args.begin,
        global,
        &state,
        &mut watch,
        Watch::sum_up,
    );
    if let Err(failure) = &ended {
        watch.failed(failure);
    }
    ended
}

/// The plan of one check of a file, with what must hold before all checks: what
/// `quintet check --file FILE NAME` runs.
///
/// # Errors
/// The file is none of checks or has no such check, or something is missing that a run
/// would need.
pub fn one(file: &str, name: &str, global: &Global) -> Result<Plan, Failure> {
    let words = ["check", "--file", file, "--", name];
    let described = <Args as clap::Args>::augment_args(clap::Command::new("check"));
    let refused = |error: clap::Error| Failure::new(Kind::Usage, error);
    let matches = described.try_get_matches_from(words).map_err(refused)?;
    let args = <Args as clap::FromArgMatches>::from_arg_matches(&matches).map_err(refused)?;
    let loaded = args.load(&args.said()?, global)?;
    Ok(loaded.ready.for_running()?.plan)
}

impl Args {
    /// What flags say, and the environment where they say nothing.
    fn said(&self) -> Result<Said, Failure> {
        let flags = Said {
            auto_remediate: self.remediate.or(self.no_remediate.then_some(false)),
            dry_run: self.dry_run,
            interactive: self.interactive,
            persist_config: self.persist_config,
            fast: self.fast,
            skip_tests: self.skip_tests,
            log: self.no_log.then_some(false),
        };
        let env = Said::in_environment(|name| std::env::var(name).ok())?;
        Ok(flags.or(env))
    }

    /// Reads the file, and narrows it to what is selected.
    fn load(&self, said: &Said, global: &Global) -> Result<Loaded, Failure> {
        let request = Request {
            vars: target::variables(&self.vars)?,
            strict: self.strict,
            ..target::request()?
        };
        let file = match &self.file {
            Some(file) => file.clone(),
            None => checks::find(request.cwd.as_ref()).ok_or_else(|| {
                Failure::new(
                    Kind::Usage,
                    "there is no file of checks in this folder or around it",
                )
                .hint("it is called checks.toml, or say --file FILE")
            })?,
        };
        let loaded = checks::load_with(&file, &said.given(self.parallel), &request);
        let (loaded, settings) = match loaded {
            Ok((loaded, settings)) => (Ok(loaded), settings),
            Err(refusal) => (Err(refusal), Settings::default()),
        };
        let json = self.begin.json && (settings.dry_run || self.place);
        let select = |plan: &mut Plan| self.select(plan);
        let ready = target::loaded(loaded, select, global, json)?;
        Ok(Loaded { ready, settings })
    }

    /// Marks what is not selected. What must hold before all checks stays.
    fn select(&self, plan: &mut Plan) -> Result<(), Failure> {
        if self.names.is_empty() {
            return Ok(());
        }
        let terms = self.names.iter().map(|name| known_as(plan, name));
        let terms = terms.collect::<Result<Vec<_>, _>>()?;
        let graph = Graph::new(plan);
        let selected = Selection::parse(&terms)
            .and_then(|selection| select::select(plan, &graph, &selection, &Range::default()));
        let set = selected.map_err(|errors| target::unselectable(&errors))?;
        select::restrict(plan, &set);
        let disk = plan.steps.iter_mut().find(|step| *step.id == *DISK);
        if let Some(step) = disk {
            step.absent = None;
        }
        Ok(())
    }

    /// What runs nothing, and writes nothing but its answer.
    fn look(&self, loaded: Loaded, global: &Global) -> Result<ExitCode, Failure> {
        let json = self.begin.json;
        if self.place {
            let plan = &loaded.ready.plan;
            let root = std::path::absolute(global.state_path()?)?;
            show_places(plan, &places::of(&root, plan), json)?;
            return Ok(ExitCode::SUCCESS);
        }
        let plan = loaded.ready.for_looking(global, json).plan;
        if json {
            plan::show(&plan, global, true);
            return Ok(ExitCode::SUCCESS);
        }
        let mut out = output::results();
        let looked = freshness::look(&plan, global);
        dry::write(&plan, &looked, left_out(&loaded.settings), &mut out)?;
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The tags whose checks are left out.
fn left_out(settings: &Settings) -> &'static [&'static str] {
    match settings.skip_tests {
        true => &TESTS,
        false => &[],
    }
}

/// The term that selects what is called so: a check by its name, by its id, or by
/// the end of that; a phase likewise. Anything else is a term already.
fn known_as(plan: &Plan, word: &str) -> Result<String, Failure> {
    let exact = plan.steps.iter().find(|step| *step.id == *word);
    if exact.is_some() {
        return Ok(word.to_owned());
    }
    let called = |step: &&Step| {
        let last = step.id.rsplit('/').next().unwrap_or_default();
        step.name.as_deref() == Some(word) || last == word
    };
    let ids: Vec<&str> = plan
        .steps
        .iter()
        .filter(called)
        .map(|step| &*step.id)
        .collect();
    match ids.as_slice() {
        [] => Ok(word.to_owned()),
        [id] => Ok((*id).to_owned()),
        several => Err(Failure::new(
            Kind::Usage,
            format!("{word:?} is {}: name one of them", several.join(" and ")),
        )),
    }
}

fn show_places(plan: &Plan, places: &Places, json: bool) -> Result<(), Failure> {
    let mut out = output::results();
    if json {
        writeln!(
            out,
            "{:#}",
            json!({ "project": plan.project, "places": places })
        )?;
    } else {
        writeln!(out, "project  {}", plan.project)?;
        writeln!(out, "state    {}", places.state.display())?;
        writeln!(out, "logs     {}", places.logs.display())?;
        writeln!(out, "lock     {}", places.lock.display())?;
    }
    Ok(out.flush()?)
}
