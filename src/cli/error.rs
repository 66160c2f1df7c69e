//! How a verb fails: data until the last moment, then words and an exit code.

use std::fmt;
use std::process::ExitCode;

use crate::engine::{EngineError, Refused};
use crate::paths::{NoHome, Unusable};
use crate::store::{NoSuchRun, StoreError};

/// What kind of failure it is; the kind decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bad usage or a bad definition. Nothing ran.
    Usage,
    /// A run failed, or could not be driven to its end.
    Run,
    /// A person is needed.
    Quarantined,
    /// The store cannot be read or written.
    Store,
    /// Another run holds the lock.
    Busy,
}

impl Kind {
    /// The exit code, as in the program's help.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Run => 1,
            Kind::Usage => 2,
            Kind::Quarantined => 3,
            Kind::Store => 74,
            Kind::Busy => 75,
        }
    }
}

/// Why a verb did not do what it was asked to.
#[derive(Debug)]
pub struct Failure {
    pub kind: Kind,
    /// One line; empty where everything has been said already.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    pub fn new(kind: Kind, message: impl fmt::Display) -> Self {
        Failure {
            kind,
            message: message.to_string(),
            hint: None,
        }
    }

    /// A failure whose words have been written already.
    pub fn told(kind: Kind) -> Self {
        Failure::new(kind, "")
    }

    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Says it on stderr.
    pub fn report(self) -> ExitCode {
        use std::io::Write;
        let bold_red = anstyle::AnsiColor::Red.on_default().bold();
        let bold_cyan = anstyle::AnsiColor::Cyan.on_default().bold();
        let mut err = anstream::stderr().lock();
        if !self.message.is_empty() {
            let _ = writeln!(err, "{bold_red}error{bold_red:#}: {}", self.message);
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(err, "{bold_cyan}hint{bold_cyan:#}: {hint}");
        }
        ExitCode::from(self.kind.exit_code())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing { .. } => {
                Failure::new(Kind::Usage, "nothing has been run here yet")
            }
            error => Failure::new(Kind::Store, error),
        }
    }
}

impl From<Unusable> for Failure {
    fn from(error: Unusable) -> Self {
        match error {
            Unusable::Missing { .. } => Failure::new(Kind::Usage, "nothing has been run here yet"),
            error => Failure::new(Kind::Store, error),
        }
    }
}

impl From<NoHome> for Failure {
    fn from(error: NoHome) -> Self {
        Failure::new(Kind::Usage, error)
    }
}

impl From<NoSuchRun> for Failure {
    fn from(error: NoSuchRun) -> Self {
        match error {
            NoSuchRun::Store(error) => error.into(),
            error => Failure::new(Kind::Usage, error),
        }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let message = refused.to_string();
        match refused {
            Refused::Busy(_) => Failure::new(Kind::Busy, message),
            Refused::NeedsWord { run_id, steps } => {
                let step = &steps[0];
                Failure::new(Kind::Quarantined, message).hint(format!(
                    "quintet resume {run_id} --rerun {step}, or --assume-done {step}"
                ))
            }
            Refused::Succeeded { .. } => Failure::new(Kind::Usage, message),
            Refused::Store(error) => error.into(),
            Refused::Engine { run_id, error } => {
                let kind = match error {
                    EngineError::Log(_) | EngineError::Lock(_) => Kind::Store,
                    EngineError::Executor(_) | EngineError::Illegal(_) => Kind::Run,
                };
                Failure::new(kind, message).hint(format!(
                    "steps that were running go on; quintet resume {run_id} takes them over"
                ))
            }
        }
    }
}
