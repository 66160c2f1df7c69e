//! `quintet resume`: go on with a run where it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::audience::{Manner as Show, Watcher};
use super::error::{Failure, Kind, warn};
use super::global::Global;
use super::waiting::{self, Meant};
use super::{after, boot, kept, otlp, replan, target, worktrees};
use crate::engine::{Again, Session, Signals};
use crate::exec::process::Zygote;
use crate::load;
use crate::paths::StateDir;
use crate::plan::{Origin, Plan, StepIx, name};
use crate::store::{Durability, Store};

/// Go on with a run that was interrupted, failed or canceled
///
/// What has succeeded is not done again. A run that stopped for a restart goes on
/// once the machine has been restarted. Steps that went on running while no engine
/// lived are taken over; the rest is done as the run's own plan says, whatever has
/// become of the file it came from.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run: its id, the beginning or end of it, or `last`
    ///
    /// Without one it is the run that stopped for a restart, if that has been, and
    /// else the newest.
    run: Option<String>,

    /// Run this step again although it says `idempotent: false`
    #[arg(long, value_name = "STEP")]
    rerun: Vec<String>,

    /// Take this step as done
    #[arg(long, value_name = "STEP")]
    assume_done: Vec<String>,

    /// Give a secret variable its value again; secrets are never recorded
    ///
    /// Without a value it is taken from the environment.
    #[arg(long = "var", value_name = "NAME[=VALUE]")]
    vars: Vec<String>,

    /// Go on by the plan that its file holds now, or by that of FILE, rather than by the run's own
    ///
    /// Steps are the same if they have the same id. What has succeeded stays done, however
    /// its step reads now; what still runs goes on; all else is done as the new plan says.
    /// Variables keep the run's values, unless --var gives others.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    use_new_plan: Option<Option<PathBuf>>,

    /// Go on although the machine has not been restarted, which the run waits for
    #[arg(long)]
    no_restart: bool,

    #[command(flatten)]
    after: after::Args,

    /// Answer yes to every question
    #[arg(long, short)]
    yes: bool,

    /// Treat tolerated failures as failures
    #[arg(long)]
    strict: bool,

    /// Write every event to stdout as JSON, a line each
    #[arg(long)]
    json: bool,
}

/// How a resumed run behaves towards people.
#[derive(Debug, Default)]
pub struct Manner {
    pub yes: bool,
    pub strict: bool,
    pub json: bool,
    pub after: after::Args,
    pub secrets: Vec<(String, String)>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let zygote = Zygote::fork().map_err(|error| Failure::new(Kind::Run, error))?;
    let state = StateDir::existing(&global.state_path()?)?;
    let (Meant { run_id, otherwise }, plan) = {
        let store = Store::read_only(&state)?;
        let meant = match &args.run {
            Some(text) => Meant {
                run_id: store.find_run(text)?.run_id,
                otherwise: None,
            },
            None => waiting::meant(&store, global)?,
        };
        let plan = store.plan(&meant.run_id)?;
        (meant, plan)
    };
    let given = target::variables(&args.vars)?;
    let (new, secrets) = match &args.use_new_plan {
        None => {
            if !global.quiet {
                tell_of_changes(&run_id, &plan);
            }
            (None, given)
        }
        Some(file) => {
            let (new, secrets) = replan::load(file.as_deref(), &plan, given)?;
            (Some(new), secrets)
        }
    };
    let named = new.as_ref().map_or(&plan, |(new, _)| new);
    // Also where it is about to be replaced: the run's own is what they stand in.
    let known = |ids: &[String]| steps(named, ids).and_then(|_| steps(&plan, ids));
    let again = Again {
        done: known(&args.assume_done)?,
        rerun: known(&args.rerun)?,
        cancel: false,
        no_restart: args.no_restart,
        plan: new,
        by: match &global.by {
            Some(_) => global.signed("resume"),
            None => "resume".into(),
        },
    };
    let manner = Manner {
        yes: args.yes,
        strict: args.strict,
        json: args.json,
        after: args.after,
        secrets,
    };
    let driven = drive(zygote, state, &run_id, &again, global, &manner);
    driven.map_err(|failure| match otherwise {
        Some(otherwise) => failure.hint(otherwise),
        None => failure,
    })
}

/// Takes a run over and drives it to its end.
///
/// # Errors
/// Somebody else drives it, there is nothing to do, or a person's word is needed.
pub fn drive(
    zygote: Zygote,
    state: StateDir,
    run_id: &str,
    again: &Again,
    global: &Global,
    manner: &Manner,
) -> Result<ExitCode, Failure> {
    let signals = Signals::listen().map_err(|error| Failure::new(Kind::Run, error))?;
    let show = Show {
        json: manner.json,
        result: manner.after.pass_thru,
        yes: manner.yes,
        quiet: global.quiet,
        shows: true,
        echo: false,
    };
    let secrets: BTreeMap<String, String> = manner.secrets.iter().cloned().collect();
    let mut watcher = Watcher::new(show, state.clone(), secrets.clone());
    let otlp = otlp::Otlp::of_environment();
    let session = Session {
        state: state.clone(),
        durability: Durability::Full,
        zygote,
        signals: Some(signals),
        strict: manner.strict,
        command_line: target::command_line(&secrets),
        secrets,
        tracing: otlp.tracing(),
        audience: &mut watcher,
    };
    let ended = session.resume(run_id, again)?;
    watcher.sum_up(&ended);
    manner.after.deliver(&ended, &state, manner.json);
    let programs = manner.json || manner.after.pass_thru;
    kept::ended(&ended, &state, programs, global);
    worktrees::ended(&ended, &state);
    boot::settle(&boot::Next::default(), &ended, global);
    otlp.send_run(&ended, &state);
    Ok(ExitCode::from(ended.exit_code as u8))
}

/// Says so where a file that the plan came from is not what it was.
fn tell_of_changes(run_id: &str, plan: &Plan) {
    for origin in &plan.origins {
        let now = load::content_of(Path::new(&origin.path));
        let Some(now) = now.filter(|now| *now != origin.content) else {
            continue;
        };
        let Origin { path, content, .. } = origin;
        warn(&format!(
            "{path} has changed since run {run_id} began, which goes on by the plan it has\n\
             \x20        it was {content}\n\
             \x20        it is  {now}\n\
             \x20        to go on by the new one: quintet resume {run_id} --use-new-plan"
        ));
    }
}

fn steps(plan: &Plan, ids: &[String]) -> Result<Vec<StepIx>, Failure> {
    let find = |id: &String| {
        plan.indices()
            .find(|ix| *plan[*ix].id == **id)
            .ok_or_else(|| {
                let failure = Failure::new(Kind::Usage, format!("the run has no step {id:?}"));
                match name::nearest(id, plan.steps.iter().map(|step| step.id.as_ref())) {
                    Some(near) => failure.hint(format!("did you mean {near}?")),
                    None => failure,
                }
            })
    };
    ids.iter().map(find).collect()
}
