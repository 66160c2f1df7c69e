//! The executors of a run: this machine, and Slurm where any step asks for it.

use std::io;
use std::path::PathBuf;

use super::session::Refused;
use crate::exec::process::{Local, LocalConfig, Zygote};
use crate::exec::slurm::{FOLDER, Site, Slurm, SlurmConfig};
use crate::exec::{Both, Executor};
use crate::plan::Plan;

/// How Slurm is used here, if the plan asks for it; the plan is told how many of its
/// steps may be there at once.
///
/// # Errors
/// See [`Refused::Site`].
pub fn site_for(plan: &mut Plan) -> Result<Option<Site>, Refused> {
    if !plan.asks_slurm() {
        // Its steps here are counted as ever.
        plan.slurm_jobs = None;
        return Ok(None);
    }
    let site = Site::here().map_err(Refused::Site)?;
    let most = plan
        .slurm_jobs
        .map_or(site.jobs, |most| most.min(site.jobs));
    plan.slurm_jobs = Some(most);
    Ok(Some(site))
}

/// The same of a run that goes on: it may have steps with Slurm of which the plan
/// that it goes on by knows nothing.
///
/// # Errors
/// See [`Refused::Site`].
pub fn site_of(plan: &Plan, run_dir: &std::path::Path) -> Result<Option<Site>, Refused> {
    let is_there = || std::fs::symlink_metadata(run_dir.join(FOLDER)).is_ok();
    match plan.asks_slurm() || is_there() {
        true => Site::here().map(Some).map_err(Refused::Site),
        false => Ok(None),
    }
}

/// Puts them up.
///
/// # Errors
/// The run's directory, or the one shared with Slurm, cannot be used.
pub fn put_up(
    zygote: Zygote,
    config: LocalConfig,
    secrets: &[String],
    site: Option<Site>,
) -> io::Result<Both> {
    let slurm = site.map(|site| SlurmConfig {
        run_dir: PathBuf::from(&config.run_dir),
        run_id: config.run_id.clone(),
        epoch: config.epoch,
        nonce: config.nonce.clone(),
        secrets: secrets.to_vec(),
        site,
    });
    let local = Local::new(zygote, config)?.masking(secrets.iter().cloned());
    let waker = local.waker();
    let both = Both::new(local);
    match slurm {
        None => Ok(both),
        Some(config) => Ok(both.with(Slurm::new(config, waker)?)),
    }
}
