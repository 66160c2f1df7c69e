//! `quintet cancel`: stop a run that another process drives, or that none does.

use std::io::Write;
use std::process::ExitCode;

use super::error::{Failure, Kind};
use super::global::Global;
use super::resume;
use crate::engine::{Again, Clock};
use crate::exec::process::Zygote;
use crate::paths::StateDir;
use crate::store::{Request, Store, What};

/// Stop a run
///
/// Running steps are ended with grace, steps that always run still do, and the run
/// is recorded as canceled. Works from any process; a run whose engine is gone is
/// taken over and then stopped.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run: its id, the beginning or end of it, or `last`
    run: String,

    /// End running steps at once, without grace
    #[arg(long)]
    now: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    // Before any store is open; not needed if the run's engine lives.
    let zygote = Zygote::fork().map_err(|error| Failure::new(Kind::Run, error))?;
    let state = StateDir::existing(&global.state_path()?)?;
    let store = Store::open_existing(&state)?;
    let run_id = store.find_run(&args.run)?.run_id;
    let by = global.signed("cancel");
    let what = if args.now { What::Kill } else { What::Cancel };
    let request = Request {
        at: Clock::start().now(),
        what,
        by: by.clone(),
    };
    if !store.request(&run_id, &request)? {
        return Err(Failure::new(
            Kind::Usage,
            format!("run {run_id} is over already"),
        ));
    }
    if store.owner(&run_id)?.is_some() {
        let _ = writeln!(anstream::stdout(), "run {run_id} is asked to stop");
        return Ok(ExitCode::SUCCESS);
    }
    drop(store);
    let again = Again {
        cancel: true,
        by,
        ..Again::default()
    };
    resume::drive(
        zygote,
        state,
        &run_id,
        &again,
        global,
        &resume::Manner::default(),
    )
}
