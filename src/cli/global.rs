//! What every verb can be told: where the state is, and how to speak.

use std::path::PathBuf;

use anstream::ColorChoice;

use super::error::Failure;
use super::output;
use crate::itself::Caller;
use crate::paths::{self, StateDir, System, Unusable};
use crate::store::{Store, StoreError};

/// Options that stand before or after the verb.
#[derive(Clone, Debug, clap::Args)]
pub struct Global {
    /// Keep the record of runs in this directory
    ///
    /// Else it is $QUINTET_STATE_DIR, then $XDG_STATE_HOME/quintet, then
    /// ~/.local/state/quintet.
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// Read the configuration of jobs and tasks from this file
    ///
    /// Else it is quintet/config.toml in $XDG_CONFIG_HOME or ~/.config, then
    /// orchastration/config.toml there. Without any, nothing is configured.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Colour the output
    ///
    /// `auto` colours a terminal. NO_COLOR and CLICOLOR_FORCE are respected.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Colour,

    /// Say nothing on stderr but errors
    #[arg(long, short, global = true)]
    pub quiet: bool,

    /// Who asks, for the record, where it is not whoever typed it: a verb that calls
    /// others for somebody
    #[arg(long, global = true, hide = true, value_name = "VERB")]
    pub by: Option<String>,
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    Auto,
    Always,
    Never,
}

impl Global {
    /// How what `verb` asks of a run is signed in its record.
    pub fn signed(&self, verb: &str) -> String {
        let pid = std::process::id();
        match &self.by {
            Some(by) => format!("{verb} ({by}, pid {pid})"),
            None => format!("{verb} (pid {pid})"),
        }
    }

    /// For calls of the program by itself, that the verb `by` makes.
    pub fn caller(&self, by: &'static str) -> Caller {
        Caller {
            by,
            state_dir: self.state_dir.clone(),
            config: self.config.clone(),
        }
    }

    /// Makes the choice of colours hold for everything that is written from now on.
    pub fn choose_colours(&self) {
        match self.color {
            Colour::Auto => {}
            Colour::Always => ColorChoice::Always.write_global(),
            Colour::Never => ColorChoice::Never.write_global(),
        }
    }

    /// The state directory's path; it need not exist.
    ///
    /// # Errors
    /// No place for it is known.
    pub fn state_path(&self) -> Result<PathBuf, Failure> {
        let given = self.state_dir.as_deref();
        Ok(paths::state_dir(given, System::HERE, |name| {
            std::env::var_os(name)
        })?)
    }

    /// The state directory, made if need be.
    ///
    /// # Errors
    /// It cannot be made, or is not safe to use.
    pub fn state(&self) -> Result<StateDir, Failure> {
        let state = StateDir::create(&self.state_path()?)?;
        // Said once, when the record begins: later it is known, or wanted.
        if !state.database().exists()
            && let Some(kind) = state.in_memory()?
        {
            let place = state.root().display();
            let text = format!("{place} is kept in memory ({kind}): a reboot loses the record");
            output::note(self, &text);
        }
        Ok(state)
    }

    /// The store of a state directory that exists, for reading.
    ///
    /// # Errors
    /// Nothing was ever run, or it cannot be read.
    pub fn store(&self) -> Result<Store, Failure> {
        let state = StateDir::existing(&self.state_path()?)?;
        Ok(Store::read_only(&state)?)
    }

    /// The store for reading, or nothing where nothing was ever run.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn store_if_any(&self) -> Result<Option<Store>, Failure> {
        let state = match StateDir::existing(&self.state_path()?) {
            Err(Unusable::Missing { .. }) => return Ok(None),
            state => state?,
        };
        match Store::read_only(&state) {
            Err(StoreError::Missing { .. }) => Ok(None),
            store => Ok(Some(store?)),
        }
    }
}
