//! Playbooks on a command line: which one is run, and what is saved as one.

use std::path::{Path, PathBuf};

use super::error::{Failure, Kind};
use super::output;
use crate::load::playbook::{find, save};
use crate::load::scripts::config::Config;
use crate::plan::problem::Problem;

/// Where playbooks usually are, seen from the working directory and then from
/// above the folder of the scripts.
const USUAL: [&str; 4] = [
    "playbooks",
    "orchestration/playbooks",
    "library/playbooks",
    "orchestration",
];

#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Run a playbook: its name, or its file
    #[arg(long = "load-playbook", visible_alias = "playbook", value_name = "NAME", conflicts_with_all = ["sequence", "profile"])]
    pub load: Option<String>,

    /// Save the sequence as a playbook, and run nothing
    #[arg(long = "save-playbook", value_name = "NAME", conflicts_with = "load")]
    pub save: Option<String>,

    /// Run the playbook as this profile of its own has it
    #[arg(long, value_name = "NAME", requires = "load")]
    pub playbook_profile: Option<String>,

    /// The folder of the playbooks
    ///
    /// Else it is $QUINTET_PLAYBOOKS, what the configuration says, or the first of
    /// playbooks, orchestration/playbooks, library/playbooks and orchestration that
    /// there is, here or above the folder of the scripts.
    #[arg(long, value_name = "DIR")]
    playbooks: Option<PathBuf>,

    /// Save over a playbook that is there already
    #[arg(long, requires = "save")]
    force: bool,
}

impl Args {
    /// The folder of the playbooks; it need not exist.
    pub fn folder(&self, scripts: &Path, config: &Config) -> PathBuf {
        let said = || super::folder::said("QUINTET_PLAYBOOKS").map(PathBuf::from);
        let configured = || config.playbooks.as_ref().map(PathBuf::from);
        let above = scripts.join("..");
        let usual = || {
            let places = [Path::new(""), &above];
            let mut all = places
                .iter()
                .flat_map(|place| USUAL.map(|name| place.join(name)));
            all.find(|dir| dir.is_dir())
        };
        let given = self.playbooks.clone().or_else(said);
        given
            .or_else(configured)
            .or_else(usual)
            .unwrap_or_else(|| USUAL[0].into())
    }

    /// The file of the playbook that is to be run.
    ///
    /// # Errors
    /// There is none of this name: those that are near.
    pub fn find(&self, name: &str, folder: &Path) -> Result<PathBuf, Problem> {
        find::find(folder, name, Path::new(""))
    }

    /// Writes a playbook into the folder, and says where.
    ///
    /// # Errors
    /// It cannot be called so, is there already, or cannot be written.
    pub fn write(&self, saved: &save::Saved<'_>, folder: &Path) -> Result<PathBuf, Failure> {
        let refuse = |why: String| Failure::new(Kind::Usage, why);
        let path = folder.join(save::file_name(saved.name).map_err(refuse)?);
        let shown = path.display().to_string();
        if path.exists() && !self.force {
            let failure = refuse(format!("{shown:?} is there already"));
            return Err(failure.hint("--force saves over it"));
        }
        std::fs::create_dir_all(folder)
            .and_then(|()| output::write_whole(&path, saved.text().as_bytes()))
            .map_err(|error| refuse(format!("{shown:?} cannot be written: {error}")))?;
        Ok(path)
    }
}
