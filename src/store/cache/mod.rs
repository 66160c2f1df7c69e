//! What is remembered of steps' freshness.
//!
//! Not part of the record: all of it may be deleted at any time, and steps then
//! run once more. So nothing here is worth a run's failure. What cannot be read
//! counts as not remembered, and whoever asked is told once.
//!
//! A step is known by its project (a directory), its plan's id and its own id.
//! This room keeps what it is given; what makes a step fresh is not known here.

mod bytes;
mod entry;
mod exchange;
mod files;
mod legacy;
mod listing;
mod prune;
mod rows;
mod write;

pub use entry::{Entry, Known, Print, Tool};
pub use exchange::Imported;
pub use files::{File, Files, Stat, What};
pub use legacy::successes;
pub use listing::CacheRow;
pub(super) use prune::delete_list;
pub use rows::Remembered;
pub use write::{Whose, Write, unseen};

/// A BLAKE3 hash.
pub type Digest = [u8; 32];

/// How a step's last attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Succeeded,
    /// It succeeded, but this file that it reads changed while it ran.
    ChangedMeanwhile {
        path: Box<str>,
    },
    /// It succeeded, but made nothing of this, which it declares to make.
    MadeNothing {
        pattern: Box<str>,
    },
    Failed {
        exit: Box<str>,
    },
    /// It was allowed to run, and nobody saw its end yet.
    Unseen,
}

impl State {
    /// The word for it in the database and for programs.
    pub fn word(&self) -> &'static str {
        self.to_columns().0
    }

    /// The file, pattern or exit that goes with the word.
    pub fn detail(&self) -> Option<&str> {
        self.to_columns().1
    }

    /// The word for it in the database, and what goes with it.
    fn to_columns(&self) -> (&'static str, Option<&str>) {
        match self {
            State::Succeeded => ("succeeded", None),
            State::ChangedMeanwhile { path } => ("changed_meanwhile", Some(path)),
            State::MadeNothing { pattern } => ("made_nothing", Some(pattern)),
            State::Failed { exit } => ("failed", Some(exit)),
            State::Unseen => ("unseen", None),
        }
    }

    fn from_columns(word: &str, detail: Option<&str>) -> Option<State> {
        let detail = || detail.map(Box::from);
        Some(match word {
            "succeeded" => State::Succeeded,
            "changed_meanwhile" => State::ChangedMeanwhile { path: detail()? },
            "made_nothing" => State::MadeNothing { pattern: detail()? },
            "failed" => State::Failed { exit: detail()? },
            "unseen" => State::Unseen,
            _ => return None,
        })
    }
}
