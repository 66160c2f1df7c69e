//! What an examination finds, of a machine or of a cluster: a line for each thing that
//! has to be as it should before a run can count on it.

use serde::Serialize;

/// How something that was looked at is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    Ok,
    /// Runs go well all the same, most of the time or in part.
    Warning,
    /// Runs will fail.
    Bad,
}

impl Grade {
    pub fn word(self) -> &'static str {
        match self {
            Grade::Ok => "ok",
            Grade::Warning => "warning",
            Grade::Bad => "bad",
        }
    }
}

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    #[serde(rename = "check")]
    pub name: &'static str,
    /// The one that it is true of, where each has been looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<Box<str>>,
    #[serde(rename = "result")]
    pub grade: Grade,
    /// One line.
    pub found: String,
    /// A command or a sentence; of what is not [`Grade::Ok`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Check {
    pub fn ok(name: &'static str, found: impl Into<String>) -> Check {
        Check {
            name,
            node: None,
            grade: Grade::Ok,
            found: found.into(),
            mend: None,
        }
    }

    pub fn warning(name: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Check {
        Check {
            grade: Grade::Warning,
            mend: Some(mend.into()),
            ..Check::ok(name, found)
        }
    }

    pub fn bad(name: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Check {
        Check {
            grade: Grade::Bad,
            ..Check::warning(name, found, mend)
        }
    }
}
