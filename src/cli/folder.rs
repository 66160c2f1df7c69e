//! Where the numbered scripts are, and what belongs to them.

use std::path::{Path, PathBuf};

use super::error::{Failure, Kind};
use crate::load::scripts::{configured, is_folder};

/// Where scripts usually are, seen from where a sequence is run.
const USUAL: [&str; 4] = [
    "automation-scripts",
    "library/automation-scripts",
    "scripts",
    ".",
];

#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// The folder of the scripts
    ///
    /// Else it is $QUINTET_SCRIPTS, then ScriptsPath of the configuration, or the
    /// first of automation-scripts, library/automation-scripts, scripts and the
    /// working directory that has numbered scripts.
    #[arg(long, value_name = "DIR")]
    scripts: Option<PathBuf>,

    /// The configuration file: profiles, and what holds for ranges of numbers
    ///
    /// Else it is config.json or config.psd1 in the folder of the scripts or above it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl Args {
    /// The folder of the scripts.
    ///
    /// # Errors
    /// It is nowhere, or what was given has no scripts.
    pub fn scripts(&self) -> Result<PathBuf, Failure> {
        let given = self.scripts.clone();
        let given = given.or_else(|| Some(PathBuf::from(said("QUINTET_SCRIPTS")?)));
        match given {
            Some(dir) if is_folder(&dir) => Ok(dir),
            Some(dir) => Err(Failure::new(
                Kind::Usage,
                format!(
                    "there are no numbered scripts (NNNN_Name.*) in {:?}",
                    dir.display().to_string()
                ),
            )),
            None => configured(self.config.as_deref())
                .filter(|dir| is_folder(dir))
                .or_else(usual)
                .ok_or_else(|| {
                    let tried = USUAL.join(", ");
                    let message = format!(
                        "there are no numbered scripts (NNNN_Name.*) here; looked in {tried}"
                    );
                    Failure::new(Kind::Usage, message).hint("--scripts DIR says where they are")
                }),
        }
    }
}

fn usual() -> Option<PathBuf> {
    let mut places = USUAL.iter().map(Path::new);
    places.find(|dir| is_folder(dir)).map(Path::to_owned)
}

/// What an environment variable says, if anything.
pub fn said(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.trim().is_empty())
}
