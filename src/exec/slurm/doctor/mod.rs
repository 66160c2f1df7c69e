//! Finds out whether steps can be made by Slurm here, and what would mend what is not
//! as it should be: the client, the controller, its settings, the nodes, the directory,
//! and by small jobs what only a node can know.
//!
//! `cluster` asks the controller, `folder` makes use of the directory, `jobs` submits;
//! what follows from all of it is in `judge`.

mod cluster;
mod folder;
mod jobs;
mod judge;

use std::path::PathBuf;
use std::time::Duration;

use self::folder::Folder;
use super::Site;
use crate::run::checkup::Check;

/// What is to be looked at.
#[derive(Clone, Debug)]
pub struct Examination {
    pub site: Site,
    /// The directory that nodes are to share: the site's own, or the state directory.
    pub root: PathBuf,
    /// Each node that serves, instead of the first that Slurm finds.
    pub all_nodes: bool,
    /// For so long jobs may keep us waiting.
    pub patience: Duration,
    /// What this program says its version is.
    pub version: String,
}

/// Whoever asked for it.
pub trait Listener {
    /// This was found.
    fn hears(&mut self, check: Check);
    /// What is being waited for.
    fn waits(&mut self, what: &str);
    /// Whether nobody wants to know the rest.
    fn leaves(&mut self) -> bool;
}

/// Looks at everything, as far as one thing can be known without another.
pub fn examine(wanted: &Examination, listener: &mut dyn Listener) {
    let places = cluster::look(&wanted.site, listener);
    if listener.leaves() {
        return;
    }
    let folder = match Folder::make(&wanted.root) {
        Ok((folder, free)) => {
            listener.hears(judge::directory(&wanted.root, free));
            folder
        }
        Err(e) => return listener.hears(judge::no_directory(&wanted.root, &e.to_string())),
    };
    if let Some(places) = places {
        jobs::send(wanted, &places, &folder, listener);
    }
}
